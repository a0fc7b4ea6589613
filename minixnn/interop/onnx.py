"""An ONNX file becomes a Network.

`onnx_graph.py` finds the chain of nodes that images pass, `onnx_nodes.py` knows which layer each of them is. What is
left to do is here: to follow the shape and the order of the features, and to drop what does nothing. What a Network
cannot represent is refused by the name and type that the node has in the file:

    ValueError: node 'conv3' (Conv): group=32 is not supported
"""
import warnings

import numpy as np

from minixnn import layers as ours
from minixnn.interop import layout
from minixnn.interop.onnx_graph import Graph, named
from minixnn.interop.onnx_nodes import READERS
from minixnn.network import Network

RESHAPING = ("Flatten", "Reshape", "Squeeze")
PLACED = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool")
PROBABILITIES = ("Softmax", "LogSoftmax")


def from_onnx(path, input_shape=None):
    """The Network that computes what the sequential graph in the ONNX file `path` computes, in inference.

    input_shape   (C, H, W) of one input, as the graph sees it; needed where the file leaves it open and something
                  depends on it, such as the order of features behind Flatten
    Supported, from opset 11 on: Conv, Gemm, MatMul, Add of a bias, MaxPool, AveragePool, GlobalAveragePool (also
    written as ReduceMean), BatchNormalization, Relu, Sigmoid, Tanh, Softplus, Dropout, Identity, and Flatten,
    Reshape or Squeeze to one row an image. A Softmax or LogSoftmax at the end is left out, with a warning:
    explained is the logit.

    Images enter the Network channel-last: net.forward(x.transpose(0, 2, 3, 1)). Raises ValueError, naming the
    node, for what a Network cannot represent. Needs the onnx package: pip install minixnn[onnx].
    """
    graph = Graph(path)
    shape = _input_shape(graph, input_shape)
    result, flattened, finished = [], None, None            # flattened: (node, image) until a Dense has read it
    graph.sizes[graph.input] = _their_order(shape)
    for node in graph.chain:
        with named(node):
            if finished is not None and node.op_type != "Identity":
                raise ValueError(f"comes behind {finished}, which is supported at the end of a graph only")
            layer = _layer(graph, node, shape, result)
            if node.op_type == "Add":                       # the layer before, with another bias
                result[-1] = layer
            elif node.op_type in PROBABILITIES:
                finished = node.op_type
            elif layer is not None:
                if isinstance(layer, ours.Flatten) and not layout.same_order(shape):
                    flattened = node, shape
                elif flattened is not None:
                    layer, flattened = _reordered(layer, *flattened)
                result.append(layer)
                shape = layout.shape_after(layer, shape)
            elif node.op_type in RESHAPING and len(shape) == 3:
                shape = shape[2:]                           # one pixel was flattened with its pool
            graph.sizes[node.output[0]] = _their_order(shape)
    if flattened is not None:
        with named(flattened[0]):
            raise ValueError("no Gemm or MatMul follows, so the outputs would come in another order than in the graph; "
                             "leave it out")
    if finished is not None:
        warnings.warn(f"the {finished} at the end of {path} is left out: explained is the logit, the number that "
                      "enters it", stacklevel=2)
    return Network(result)


def _their_order(shape):
    """(H, W, C) -> (C, H, W)"""
    return (shape[2], *shape[:2]) if shape is not None and len(shape) == 3 else shape


def _input_shape(graph, given):
    """The shape of one input in our order, from what the file and what the caller say."""
    shape, name = graph.shape, graph.input
    if given is not None:
        given = tuple(given)
        fits = shape is None or len(shape) == len(given) and all(m in (None, n) for m, n in zip(shape, given))
        if not fits:
            raise ValueError(f"got input_shape={given}, but in the graph {name!r} has the shape {shape}, without the "
                             "batch")
        shape = given
    if shape is not None and len(shape) not in (1, 3):
        raise ValueError(f"the input {name!r} has the shape {shape} without the batch, expected (channels, height, "
                         "width) or (inputs,)")
    if shape is None or len(shape) == 1:
        return None if shape == (None,) else shape
    return (*shape[1:], shape[0])


def _layer(graph, node, shape, result):
    """The layer that a node is; None where it changes nothing, or what it does is put into a layer before."""
    if node.op_type not in READERS or node.domain not in ("", "ai.onnx"):
        raise ValueError(f"{node.op_type} is not supported; expected a chain of "
                         + ", ".join(sorted(set(READERS) - {"Where"})))
    reader, known = READERS[node.op_type]
    settings = graph.settings(node)
    for name, value in settings.items():
        if name not in known.split():
            raise ValueError(f"{name}={value!r} is not supported")
    if node.op_type in PLACED and shape is not None and len(shape) != 3:
        raise ValueError(f"got {shape} numbers an input, expected images, (channels, height, width)")
    if node.op_type not in ("Add", "Where") and node.input[0] not in graph.sizes:
        raise ValueError(f"reads {node.input[0]!r} as its images, expected what comes from the input")
    if node.op_type in RESHAPING:
        return _flatten(graph, node, settings, shape, result)
    return reader(settings, graph.inputs(node), shape, result[-1] if result else None)


def _flatten(graph, node, settings, shape, result):
    """One row an image, whatever way it is written: tried with batches of two sizes, unless the file fixes one."""
    if shape is None:
        raise ValueError("needs input_shape=(channels, height, width)")
    for batch in graph.batches:
        size = graph.size(node.input[0], batch)
        row, target = (batch, int(np.prod(size[1:]))), _target(graph, node, settings, batch, size)
        if target != row:
            raise ValueError(f"turns {size} into {target}, expected one row for each image, {row}")
    if len(shape) == 1:
        return None
    if None in shape:
        raise ValueError("the order of features behind it depends on the size of the images; "
                         "give input_shape=(channels, height, width)")
    where = max((l for l, layer in enumerate(result) if isinstance(layer, ours.AdaptiveAvgPool2d)), default=len(result))
    keeping = (ours.Elementwise, ours.Dropout, ours.BatchNorm2d)
    if where < len(result) and all(isinstance(layer, keeping) for layer in result[where + 1:]):
        result[where] = ours.GlobalAvgPool()
        return None
    return ours.Flatten()


def _target(graph, node, settings, batch, size):
    """The shape that a Flatten, Reshape or Squeeze gives an array of this `size`."""
    numbers = None if len(node.input) < 2 else graph.value(node.input[1], batch)
    if node.op_type == "Flatten":
        axis = settings.get("axis", 1)
        return int(np.prod(size[:axis])), int(np.prod(size[axis:]))
    if node.op_type == "Squeeze":
        axes = settings.get("axes") if numbers is None else numbers.tolist()
        gone = [axis % len(size) for axis in axes] if axes is not None else [a for a, n in enumerate(size) if n == 1]
        return tuple(n for axis, n in enumerate(size) if axis not in gone or n != 1)
    target = [size[axis] if n == 0 and not settings.get("allowzero") and axis < len(size) else n
              for axis, n in enumerate(numbers.tolist())]
    if -1 in target:
        known = int(np.prod([n for n in target if n != -1]))
        target[target.index(-1)] = int(np.prod(size)) // known if known else 0
    return tuple(target)


def _reordered(layer, node, image):
    """(layer, what is still to be reordered): a layer behind a Flatten, its numbers in our order of features."""
    if isinstance(layer, ours.Dense):
        return ours.Dense(layout.rows_from_channels_first(layer.W, image), layer.b), None
    if isinstance(layer, ours.BatchNorm2d):
        layer = layer.map_arrays(lambda a: layout.rows_from_channels_first(a[:, None], image)[:, 0])
    return layer, (node, image)
