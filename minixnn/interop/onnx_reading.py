"""One node of an ONNX file on its way into the small graph."""
from __future__ import annotations

from typing import Any

from minixnn.interop.graph import Graph
from minixnn.interop.reading import Reading


class OnnxReading(Reading):
    """A node as the file has it. settings: its attributes by name; outputs: how many it has."""

    def __init__(self, graph: Graph, entry: Any, inputs: list, settings: dict[str, Any], opset: int) -> None:
        super().__init__(graph, f"node {entry.name or entry.output[0]!r} ({entry.op_type})", inputs)
        self.kind, self.settings, self.opset, self.outputs = entry.op_type, settings, opset, len(entry.output)
