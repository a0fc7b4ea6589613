"""What the small graph is made of: operations, and constants among their inputs. `graph.py` lists the operations."""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn.arrays import Array


class Constant:
    """An array that does not depend on the input."""
    op = "constant"

    def __init__(self, array: Array | float, label: str = 'a constant') -> None:
        self.array, self.label = np.asarray(array), label

    @property
    def shape(self) -> tuple:
        return self.array.shape


class Node:
    """One operation. label: how the file calls it, for sentences; shape: of its output, None for what is not known."""

    def __init__(self, op: str, inputs: list, label: str, **settings: Any) -> None:
        self.label = label
        self.shape: Any = None
        self.become(op, inputs, **settings)

    def become(self, op: str, inputs: list, **settings: Any) -> None:
        """Turn into another operation that computes the same. The nodes that read this one stay as they are."""
        self.op, self.inputs, self.settings = op, list(inputs), settings

    def __getattr__(self, name):
        """node.stride for node.settings["stride"]"""
        try:
            return self.__dict__["settings"][name]
        except KeyError as error:
            raise AttributeError(f"{self.__dict__.get('op')} has no setting {name}") from error

    def __repr__(self):
        return f"<{self.op} {self.label} {self.shape}>"

    @property
    def reads(self) -> list:
        """The nodes, without constants, that this one is computed from."""
        return [each for each in self.inputs if isinstance(each, Node)]

    @property
    def constant(self) -> Array | None:
        """The one constant among the inputs of an arithmetic operation, as an array; None if there is none."""
        found = [each.array for each in self.inputs if isinstance(each, Constant)]
        return found[0] if len(found) == 1 else None
