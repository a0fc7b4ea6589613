"""One step of the Network that is being built: a layer of ours, and the steps that it reads."""
from __future__ import annotations

from typing import Any


class Step:
    """layer: of ours; None for the input. label: where it stands in the file or module, for sentences."""

    def __init__(self, layer: Any, inputs: list, label: str) -> None:
        self.layer, self.inputs, self.label = layer, list(inputs), label

    def __repr__(self):
        return f"<{self.layer!r} {self.label}>"
