"""An explanation as an ONNX file: from an image and a class to the outputs and the heatmap, without Python.

The pass is run once on an example of recorded arrays (`recording.py`). What it does is the graph. A rule of one's own
is written down like any other, as long as it does not branch on numbers.
"""
from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.files import draft_of
from minixnn.interop import layout
from minixnn.interop.onnx_file import library, needed_nodes
from minixnn.interop.recorded_functions import Functions
from minixnn.interop.recorded_layers import twin
from minixnn.interop.recording import BATCH, Recorded, Recording
from minixnn.logits import logits
from minixnn.rules import composites, lrp

if TYPE_CHECKING:
    from minixnn.network import Network

OPSET = 17


def write_explanation(net: Network, path: pathlib.Path, input_shape: tuple[int, ...] | None = None, method: str = 'lrp',
                      rules: Any = lrp.epsilon, every_layer: bool = False, example: Array | None = None) -> None:
    """Write the explanation of a network to an ONNX file, in opset 17, for batches of any size.

    method        "lrp", with `rules` as for passes.lrp, or "gradient"
    input_shape   of one input, where neither the network's card nor `example` says it
    every_layer   whether the relevance beside every activation is an output, too: R0, R1, ...
    example       (3, ...) inputs on which the pass is recorded: the rules' conditions on their domain hold for these;
                  None draws numbers in [0, 1)

    Inputs of the file: "input" (N, ...) as `net.forward` takes it, "target" (N,) int64, the class to explain. Outputs:
    "output" (N, classes), the network's, and "heatmap", like the input. Raises `recording.Unrecordable` where a rule
    cannot be written down, ValueError naming the layer where a layer cannot.
    """
    if method not in ("lrp", "gradient"):
        raise ValueError(f'got method={method!r}, expected "lrp" or "gradient"')
    onnx, net = library(), logits(net)
    dtype = layout.dtype_of(net.layers)
    x = recorded_input(onnx, net, input_shape, example, dtype)
    graph, layers = x.graph, [twin(layer) for layer in net.layers]
    A = [x]
    for l, layer in enumerate(layers):
        A.append(recorded(layer, f"layer {l}", layer.forward, A[-1]))
    one = one_hot(graph, A[-1])
    R = [None] * len(layers) + [A[-1] * one if method == "lrp" else one]
    rules = composites.rules_for(net, rules) if method == "lrp" else None
    for l in reversed(range(len(layers))):
        if method == "lrp":
            R[l] = recorded(layers[l], f"layer {l}", rules[l], layers[l], A[l], A[l + 1], R[l + 1])
        else:
            R[l] = recorded(layers[l], f"layer {l}", layers[l].gradient, A[l], A[l + 1], R[l + 1])
    outputs = {"output": A[-1], "heatmap": R[0]}
    if every_layer:
        outputs.update({f"R{l}": r for l, r in enumerate(R)})
    save(onnx, graph, path, x, outputs)


def recorded_input(onnx: Any, net: Any, input_shape: Any, example: Any, dtype: Any) -> Any:
    """The example as a Recorded array named "input"."""
    shape = example.shape[1:] if example is not None else input_shape or net.card.input_shape
    if shape is None or None in shape:
        raise ValueError(f"the network's card says {shape} of its input, expected the shape of one input; give "
                         "input_shape=(height, width, channels), or (inputs,)")
    if example is None:
        rng = np.random.default_rng(0)
        whole = getattr(net.layers[0], "takes_integers", False)
        example = rng.integers(0, 2, (BATCH, *shape)) if whole else rng.random((BATCH, *shape))
    example = to_numpy(example)
    graph = Recording(onnx.helper, dtype)
    graph.functions = Functions(graph)
    return Recorded(example.astype(dtype) if example.dtype.kind == "f" else example, "input", graph)


def recorded(layer: Any, place: str, function: Any, *arguments: Any) -> Recorded:
    """function(*arguments), with the layer's place in what is raised."""
    try:
        result = function(*arguments)
    except (TypeError, AttributeError, NotImplementedError) as error:
        raise type(error)(f"{place}, {layer!r}: {error}") from error
    if not isinstance(result, Recorded):
        raise TypeError(f"{place}, {layer!r}: a {type(result).__name__} came back, expected a recorded array")
    return result


def one_hot(graph: Recording, y: Recorded) -> Recorded:
    """1 at the target of each image, the input "target", 0 elsewhere. (N, classes)"""
    if y.ndim != 2:
        raise ValueError(f"the network's output has shape {y.shape[1:]} an image, expected classes to choose from")
    column = graph.node("Unsqueeze", "target", np.asarray([1], np.int64))
    hit = graph.node("Equal", column, np.arange(y.shape[1])[None])
    target = np.zeros(len(y), np.int64)
    return Recorded(np.arange(y.shape[1]) == target[:, None], hit, graph).astype(graph.dtype)


def save(onnx: Any, graph: Any, path: Any, x: Any, outputs: Any) -> None:
    """Check the model and write it, all of it or nothing."""
    helper, code = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype
    for name, value in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [value.name], [name]))
    graph.nodes, read = needed_nodes(graph.nodes, outputs)
    model = helper.make_model(helper.make_graph(
        graph.nodes, "explanation",
        [helper.make_tensor_value_info("input", code(x.dtype), ["N", *x.shape[1:]]),
         helper.make_tensor_value_info("target", code(np.dtype(np.int64)), ["N"])],
        [helper.make_tensor_value_info(name, code(value.dtype), ["N", *value.shape[1:]])
         for name, value in outputs.items()],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
         for name, array in graph.constants.values() if name in read]),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="minixnn")
    onnx.checker.check_model(model)
    with draft_of(path) as draft:
        onnx.save(model, draft)
