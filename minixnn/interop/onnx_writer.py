"""A Network becomes an ONNX file. What each layer is there stands in `onnx_layers.py` and `onnx_blocks.py`."""
from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.interop import layout
from minixnn.interop.onnx_blocks import WRITERS
from minixnn.interop.onnx_explanation import write_explanation
from minixnn.interop.onnx_file import library

if TYPE_CHECKING:
    from minixnn.layers.base import Layer
    from minixnn.network import Network

OPSET = 17


def to_onnx(net: Network, path: pathlib.Path, input_shape: tuple[int, ...] | None = None, method: str | None = None,
            **how: Any) -> Any:
    """Write the network to an ONNX file: what `net.forward` computes, for batches of any size, in opset 17.

    input_shape   (H, W, C) of one input, where the network's card does not say it
    method        None for the network; "lrp" or "gradient" for its explanation, with `rules` and what else
                  `onnx_explanation.write_explanation` takes

    The input of the file, "input", is the network's: images are channel-last. Its output is "output". What was left out
    when the network was read (`net.card.head`) is not in the file. Raises ValueError, naming the layer, for what ONNX
    cannot represent. Needs the onnx package: pip install onnx.
    """
    if method is not None:
        return write_explanation(net, path, input_shape, method, **how)
    shape = input_shape if input_shape is not None else net.card.input_shape
    if shape is None or None in shape:
        raise ValueError(f"the network's card says {shape} of its input, expected the shape of one input; give "
                         "input_shape=(height, width, channels), or (inputs,)")
    writer = OnnxWriter(library(), layout.dtype_of(net.layers))
    output = writer.chain(net.layers, "input", tuple(shape), "layer ")
    writer.save(path, net.layers[0], tuple(shape), output)


class OnnxWriter:
    """The nodes and weights of a file on the way.

    Every tensor has a name, and so has its twin with the channels first, if a convolution has asked for it; `first` and
    `last` hold which is which, so that images are transposed as rarely as can be.
    """

    def __init__(self, onnx: Any, dtype: Any) -> None:
        self.onnx = onnx
        self.nodes: list = []
        self.weights: dict[str, Array] = {}
        self.first: dict[str, str] = {}                     # name of one -> name of the other
        self.last: dict[str, str] = {}
        self.dtype = dtype

    def chain(self, layers: list, x: str, shape: tuple[int, ...], place: str) -> str:
        """The name of what a list of layers makes of the tensor x. shape: of one input. place: for sentences."""
        for l, layer in enumerate(layers):
            kind = type(layer).__name__
            if kind not in WRITERS:
                raise ValueError(f"{place}{l}, {layer!r}: {kind} has no counterpart in ONNX")
            try:
                x = WRITERS[kind](self, layer, x, shape)
                shape = layout.shape_after(layer, shape)
            except ValueError as error:
                raise ValueError(str(error) if str(error).startswith("layer ") else f"{place}{l}, {layer!r}: {error}"
                                 ) from error
        return x

    def node(self, kind: str, *inputs: Any, **settings: Any) -> str:
        """The name of the output of a new node. inputs: names, arrays, or None."""
        names = ["" if each is None else each if isinstance(each, str) else self.weight(each, kind) for each in inputs]
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [output], name=output, **settings))
        return output

    def weight(self, array: list[int] | Array, kind: str) -> str:
        """The name of a constant, stored once for every array."""
        array = to_numpy(array) if hasattr(array, "dtype") else np.asarray(array, np.int64)
        keep = array.dtype.kind != "f" or kind == "Resize"      # whose scales are float32 always
        self.weights[f"w{len(self.weights)}"] = np.ascontiguousarray(array, array.dtype if keep else self.dtype)
        return f"w{len(self.weights) - 1}"

    def number(self, value: float | Array) -> Array:
        """A single number in the network's precision."""
        return np.asarray(value, self.dtype)

    def channels_first(self, x: str, rank: int = 4) -> str:
        """The tensor x (N, H, W, C) as (N, C, H, W); nothing is transposed twice."""
        if x not in self.first:
            y = self.node("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])
            self.first[x], self.last[y] = y, x
        return self.first[x]

    def channels_last(self, y: str, rank: int = 4) -> str:
        """The tensor y (N, C, H, W) as (N, H, W, C)."""
        if y not in self.last:
            x = self.node("Transpose", y, perm=[0, *range(2, rank), 1])
            self.last[y], self.first[x] = x, y
        return self.last[y]

    def save(self, path: pathlib.Path, first: Layer, shape: tuple[int, ...], output: str) -> None:
        """Write the file, all of it or nothing."""
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        kind = kinds.DOUBLE if self.dtype == np.float64 else kinds.FLOAT
        whole = getattr(first, "takes_integers", False)
        self.nodes.append(helper.make_node("Identity", [output], ["output"], name="output"))
        read = {name for node in self.nodes for name in node.input}
        while True:                                         # transpositions that nobody needed in the end
            needed = [node for node in self.nodes if node.output[0] in read or node.output[0] == "output"]
            if len(needed) == len(self.nodes):
                break
            self.nodes, read = needed, {name for node in needed for name in node.input}
        graph = helper.make_graph(
            self.nodes, "network", [helper.make_tensor_value_info("input", kinds.INT64 if whole else kind,
                                                                  ["N", *shape])],
            [helper.make_tensor_value_info("output", kind, None)],
            [self.onnx.numpy_helper.from_array(array, name)
             for name, array in self.weights.items() if name in read])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                                  producer_name="minixnn")
        draft = pathlib.Path(f"{os.fspath(path)}.{os.getpid()}.draft")
        try:
            self.onnx.save(model, draft)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
