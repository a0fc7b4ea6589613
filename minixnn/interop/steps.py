"""One step of the Network that is being built: a layer of ours, or a join of several steps."""
from __future__ import annotations

from typing import Any


class Step:
    """layer: of ours, or None where `join` is "sum", "concat" or "product". work: multiplications for one input."""

    def __init__(self, layer: Any, inputs: list, label: str, work: int = 0, join: str | None = None,
                 shape: Any = None) -> None:
        self.layer, self.inputs, self.label, self.work, self.join = layer, list(inputs), label, work, join
        self.shape = shape                                  # of one input's output, where known
        self.part, self.parts = None, ()                    # see packing.py: (row, place) of a part, parts of a row

    def __repr__(self):
        return f"<{self.join or self.layer!r} {self.label}>"
