"""A Network, or its explanation, becomes an ONNX file: from an image and a class to outputs and heatmap.

`net.forward`, or a pass, is run once on an example of recorded arrays (`recording.py`); what it does is the graph. So a
layer or a rule of one's own is written down like any other, as long as it does not branch on numbers.

What else a file needs stands here. Code that moves windows over images is not recorded: ONNX has operators for it. Some
other layers have one that computes in one node what their code computes in several. `FORWARD` and `GRADIENT` list them.
"""
from __future__ import annotations

import copy
import functools
from numpy.typing import DTypeLike
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minixnn import layers as ours
from minixnn import passes
from minixnn.arrays import Array, to_numpy
from minixnn.files import draft_of
from minixnn.interop.onnx_file import library, needed_nodes
from minixnn.interop.recording import Recorded, Recording, Unrecordable, numbers, same_graph
from minixnn.layers.upsample import Mixed
from minixnn.layers.windows import span
from minixnn.logits import logits
from minixnn.rules import composites, lrp
from minixnn.rules.composites import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from minixnn.layers import Layer
    from minixnn.network import Network

Pads: TypeAlias = "Sequence[tuple[int, int]]"           # before and behind each axis of an image

OPSET = 17
LENGTHS = 2, 3          # images of the examples on which a graph is recorded: it leaves open how many there are


def to_onnx(net: Network, path: str | PathLike, input_shape: tuple | None = None, method: str | None = None,
            rules: composites.Rules = lrp.epsilon, every_layer: bool = False,
            example: Array | tuple | None = None) -> None:
    """Write the network, or its explanation, to an ONNX file for batches of any size, in opset 17.

    Parameters
    ----------
    net : Network
    path : str or PathLike
        Of the file, which is written whole or not at all.
    input_shape : tuple
        Of one input, (H, W, C), where neither the network's card nor `example` says it; of several, one for each.
    method : str
        None for the network: what `net.forward` computes. "lrp", "gradient", "deconvnet" or "guided_backprop" for what
        this function of `minixnn.passes` computes.
    rules
        As for `passes.lrp`.
    every_layer : bool
        Whether the relevance beside every activation is an output, too: R0, R1, ...
    example : array (N, ...)
        Inputs on which the pass is recorded: the rules' conditions on their domain hold for these. None draws numbers
        in [0, 1).

    The input of the file, "input" (N, ...), is the network's: images are channel-last. Several are "input0", "input1",
    ... Its output is "output". What was left out when the network was read (`net.card.head`) is not in the file. An
    explanation has another input, "target" (N,) int64, the class to explain, and another output, "heatmap", which has
    the shape of the input. There "output" are the logits, as in `minixnn.logits`. Needs the onnx package: pip install
    minixnn[onnx].

    Raises
    ------
    TypeError
        recording.Unrecordable where a layer or rule cannot be written down; it names the layer.
    ValueError
        Where the shape of an input is not known, or a condition of a rule does not hold for the example.
    """
    methods = ("lrp", "gradient", "deconvnet", "guided_backprop")
    if method is not None and method not in methods:
        raise ValueError(f"got method={method!r}, expected None for the network alone, or one of {', '.join(methods)}")
    onnx, net = library(), net.on(np)
    arrays = [a for layer in net.layers for a in layer.arrays().values() if a is not None]
    dtype = np.float64 if any(a.dtype == np.float64 for a in arrays) else np.float32
    example = example_of(net, input_shape, example, dtype)
    if method is not None:
        net = logits(net)
    rules = composites.rules_for(net, rules) if method == "lrp" else []
    graphs = []
    for length in LENGTHS:
        graph = Recording(onnx.helper, dtype, "input" if len(example) == 1 else "input0", length)
        given, outputs = recorded(graph, net, [np.resize(part, (length, *part.shape[1:])) for part in example], method,
                                  rules, every_layer)
        graphs.append(graph)
    same_graph(*graphs)
    save(onnx, graph, path, given, outputs)


def recorded(graph: Recording, net: Network, example: list[Array], method: str | None, rules: list,
             every_layer: bool) -> tuple[dict[str, Recorded], dict[str, Array]]:
    """Inputs and outputs of the graph, {name: array}, after the network or the pass has been recorded on an example."""
    names = [graph.batch] if len(example) == 1 else [f"input{n}" for n in range(len(example))]
    given = {name: Recorded(part, name, graph) for name, part in zip(names, example)}
    x: Array = tuple(given.values()) if picked(net) else given["input"]
    net = net.like_this([stand_in(layer, (graph, f"layer {l}, {layer!r}")) for l, layer in enumerate(net.layers)])
    y = net.forward(x)
    if method is None:
        return given, {"output": y}
    given["target"], one = target_of(y)
    if method == "lrp":
        R = passes.lrp(net, x, rules=placed(net, rules), start=y * one)
    else:
        R = getattr(passes, method)(net, x, start=one)
    outputs = {"output": y, **dict(zip([name.replace("input", "heatmap") for name in names],
                                       R[0] if isinstance(x, tuple) else R))}
    if every_layer:
        outputs.update({f"R{l}": r for l, r in enumerate(R) if not isinstance(r, tuple)})
    return given, outputs


def picked(net: Network) -> dict[int, list[int]]:
    """{number of an input: the layers that it enters} of a network of several; {} where x is one array."""
    first = ((net.layers[l], l) for l in net.readers(0))
    indices = sorted((layer.index, l) for layer, l in first if isinstance(layer, ours.Input))
    return {index: net.readers(l + 1) for index, l in indices}


def example_of(net: Network, input_shape: tuple | None, example: Array | tuple | None, dtype: DTypeLike) -> list[Array]:
    """The example's arrays, one for each input of the network; drawn if none is given."""
    readers = list(picked(net).values()) or [net.readers(0)]
    if example is not None:
        parts = [to_numpy(part) for part in (example if isinstance(example, tuple) else (example,))]
    else:
        shape = input_shape or net.card.input_shape
        shapes = shape if isinstance(shape, tuple) and shape and isinstance(shape[0], tuple) else [shape]
        if len(shapes) != len(readers) or any(shape is None or None in shape for shape in shapes):
            several = f", {len(readers)} of them, ((...), (...))" if len(readers) > 1 else ""
            raise ValueError(f"the network's card says {shape} of its input, expected the shape of one input; give "
                             f"input_shape=(height, width, channels), or (inputs,){several}")
        rng, n = np.random.default_rng(0), max(LENGTHS)
        parts = [rng.integers(0, 2, (n, *shape)) if all(getattr(net.layers[l], "takes_integers", False) for l in into)
                 else rng.random((n, *shape)) for shape, into in zip(shapes, readers)]
    if len(parts) != len(readers) or not all(len(part) == len(parts[0]) > 0 for part in parts):
        raise ValueError(f"got an example of {' and '.join(str(len(part)) for part in parts)} rows, expected as many "
                         f"of each of {len(readers)} inputs")
    return [part.astype(dtype if part.dtype.kind == "f" else np.int64) for part in parts]


def target_of(y: Recorded) -> tuple[Recorded, Recorded]:
    """The input "target" (N,), and 1 at the target of each image, 0 elsewhere: (N, classes)."""
    if y.ndim != 2:
        raise ValueError(f"the network's output has shape {y.shape[1:]} an image, expected classes to choose from")
    target = Recorded(np.zeros(len(y), np.int64), "target", y.graph)
    return target, (target[:, None] == np.arange(y.shape[1])[None]).astype(y.dtype)


def save(onnx: ModuleType, graph: Recording, path: str | PathLike, given: dict[str, Recorded],
         outputs: dict[str, Array]) -> None:
    """Check the model and write it, all of it or nothing."""
    helper, code = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype
    for name, value in outputs.items():
        if not isinstance(value, Recorded):
            raise Unrecordable(f"{name} does not depend on the input: a {type(value).__name__} came back, expected "
                               "what is computed from recorded arrays")
        graph.nodes.append(helper.make_node("Identity", [value.name], [name], name=name))
    nodes, wanted = needed_nodes(graph.nodes, outputs)
    for node in nodes:
        if len(node.output) > 1 and node.output[-1] not in wanted:
            node.output.pop()                   # the winners' places, where nobody asked for them

    def described(values):
        return [helper.make_tensor_value_info(name, code(value.dtype), ["N", *value.shape[1:]])
                for name, value in values.items()]
    model = helper.make_model(helper.make_graph(
        nodes, "network", described(given), described(outputs),
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
         for name, array in graph.constants.values() if name in wanted]),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="minixnn")
    onnx.checker.check_model(model)
    with draft_of(path) as draft:
        onnx.save(model, draft)


# ---------------------------------------------------------------------------------------------- layers that record

def stand_in(layer: Layer, place: tuple[Recording, str]) -> Layer:
    """A copy of a layer, of a class that differs in `forward`, `gradient` and what makes other layers."""
    layer = copy.copy(layer)
    kind: type = type(layer)
    layer.__class__ = recording_class(kind)
    vars(layer)["place_in_file"] = place
    return layer


@functools.cache
def recording_class(kind: type) -> type:
    """A class like `kind`, to which composites and passes treat it alike, for recorded arrays."""
    methods: dict[str, Callable] = {}
    for name, table in (("forward", FORWARD), ("gradient", GRADIENT)):
        maker = next((each for each in kind.__mro__ if each in table or name in vars(each)), None)
        methods[name] = recording_method(getattr(kind, name), None if maker is None else table.get(maker))
    if hasattr(kind, "summing"):
        methods["summing"] = lambda layer: stand_in(kind.summing(layer), layer.place_in_file)
    return type(kind.__name__, (kind,), {**methods, "__module__": kind.__module__})


def recording_method(own: Callable, write: Callable | None) -> Callable:
    """A layer's own method, or an operator in its place: write(layer, what the method returns, *its arguments)."""
    @functools.wraps(own)
    def method(layer, *arguments):
        with_place = functools.partial(at_place, layer.place_in_file)
        if write is None or not any(isinstance(each, Recorded) for each in arguments):
            return with_place(own, layer, *arguments)
        result = with_place(own, layer, *map(numbers, arguments))
        written = with_place(write, layer, result, *arguments)
        return with_place(own, layer, *arguments) if written is NotImplemented else written
    return method


def placed(net: Network, rules: list) -> list:
    """The rules, each of which names its layer's place in what it raises."""
    def at(place, rule):
        def named(*arguments):
            return at_place(place, rule, *arguments)
        named.__name__ = name_of(rule)
        return named
    return composites.Chosen(net, (at(vars(layer)["place_in_file"], rule) for layer, rule in zip(net.layers, rules)))


def at_place(place: tuple[Recording, str], function: Callable, *arguments: object) -> Array:
    """function(*arguments), with the layer's place beside the nodes that it writes and in what it raises."""
    graph, outer = place[0], place[0].place
    graph.place = place[1]
    try:
        return function(*arguments)
    except (TypeError, AttributeError, NotImplementedError) as error:
        if str(error).startswith("layer "):
            raise
        raise type(error)(f"{place[1]}: {error}") from error
    finally:
        graph.place = outer


# ---------------------------------------------------------------------------------------------- ONNX's operators

def first(x: Recorded) -> Recorded:
    """Images or sequences with the channels first, as ONNX has them."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def last(name: str, value: Array, graph: Recording) -> Recorded:
    """The tensor `name`, channels first, as a Recorded array with the channels last and the numbers `value`."""
    return Recorded(value, name, graph, (0, *range(2, value.ndim), 1))


def kernel(W: Array) -> Array:
    """(k, ..., C / groups, O) -> (O, C / groups, k, ...)"""
    return np.asarray(W).transpose(W.ndim - 1, W.ndim - 2, *range(W.ndim - 2))


def ends(pads: Pads) -> list[int]:
    """((top, bottom), (left, right)) as ONNX lists them."""
    return [p for p, _ in pads] + [q for _, q in pads]


def convolve(x: Recorded, W: Array, b: Array | None, pads: Pads, stride: Sequence[int],
             dilation: Sequence[int], groups: int) -> str:
    return x.graph.node("Conv", first(x), kernel(W), *([] if b is None else [b]), pads=ends(pads), strides=list(stride),
                        dilations=list(dilation), group=groups)


def scatter(dy: Recorded, W: Array, b: Array | None, shape: Sequence[int], pads: Pads,
            stride: Sequence[int], dilation: Sequence[int], groups: int) -> str:
    """The transpose of `convolve`, of images or sequences with the sizes `shape`.

    With stride 1 it is a convolution again, of dy with the kernel turned by 180 degrees, which runs faster. What the
    last windows do not reach gets zeros: ONNX's output padding, which runtimes take below the stride only.
    """
    n, graph, bias = W.ndim - 2, dy.graph, [] if b is None else [b]
    reach = span(W.shape[:n], tuple(dilation))
    around = [(k - 1 - p, k - 1 - q) for k, (p, q) in zip(reach, pads)]
    missing = [m + sum(p) - (m_y - 1) * s - k for m, p, m_y, s, k in zip(shape, pads, dy.shape[1:], stride, reach)]
    if set(stride) == {1} and min(map(min, around)) >= 0 and not any(missing):
        turned = np.flip(W, tuple(range(n))).reshape(*W.shape[:n + 1], groups, W.shape[-1] // groups)
        turned = turned.transpose(n + 1, n, n + 2, *range(n)).reshape(-1, W.shape[-1] // groups, *W.shape[:n])
        return graph.node("Conv", first(dy), turned, *bias, pads=ends(around), dilations=list(dilation), group=groups)
    pads, rest = with_more(pads, missing)
    node = functools.partial(graph.node, "ConvTranspose", first(dy), kernel(W), pads=ends(pads), strides=list(stride),
                             dilations=list(dilation), group=groups)
    if all(m < s for m, s in zip(rest, stride)):
        return node(*bias, output_padding=rest)
    name = graph.node("Pad", node(), np.asarray([0] * (n + 4) + rest, np.int64))
    return name if b is None else graph.node("Add", name, b.reshape(-1, *[1] * n))


def with_more(pads: Pads, missing: Sequence[int]) -> tuple[list, list]:
    """Pads of a transposed convolution that gives so many pixels more at the ends, and how many it cannot give.

    Those that were cut off are there already; the others see no input.
    """
    return ([(p, max(q - m, 0)) for (p, q), m in zip(pads, missing)],
            [max(m - q, 0) for (_, q), m in zip(pads, missing)])


def geometry(layer: ours.Conv2d, x: Recorded) -> tuple:
    """What `convolve` asks for behind the weights: pads, stride, dilation, groups."""
    return layer.place(numbers(x))[0], layer.stride, layer.dilation, layer.groups


def _conv(layer, value, x):
    return last(convolve(x, layer.W, layer.b, *geometry(layer, x)), value, x.graph)


def _conv_back(layer, value, x, y, dy):
    return last(scatter(dy, layer.W, None, x.shape[1:-1], *geometry(layer, x)), value, dy.graph)


def _transposed(layer, value, x):
    name = scatter(x, layer.kernel(), layer.b, value.shape[1:-1], layer.padding, layer.stride, layer.dilation,
                   layer.groups)
    return last(name, value, x.graph)


def _transposed_back(layer, value, x, y, dy):
    pads, rest = with_more(layer.padding, layer.output_padding)
    dy = dy[(slice(None), *(slice(0, n - m) for n, m in zip(dy.shape[1:], rest)))]          # no pixel of x was there
    name = convolve(dy, layer.kernel(), None, pads, layer.stride, layer.dilation, layer.groups)
    return last(name, value, dy.graph)


def _mean_pool(layer, value, x):
    """An average over a window's real pixels, or over all; a sum is an average of all, times their number."""
    pads, size = layer.place(x)
    mean = isinstance(layer, ours.AvgPool2d)
    counted = not mean or layer.count_padding
    if set(layer.dilation) != {1} or mean and counted and pads != layer.place(x, ceil=False)[0]:
        name = convolve(x, _ones(layer, x), None, pads, layer.stride, layer.dilation, x.shape[-1])
        weights = layer.weights(numbers(x), pads, size)
        return last(name, value / np.where(weights == 0, 1, weights), x.graph) * weights
    factor = float(layer.W) * (1 if mean else float(np.prod(layer.size)))
    name = x.graph.node("AveragePool", first(x), kernel_shape=list(layer.size), strides=list(layer.stride),
                        pads=ends(pads), count_include_pad=int(counted))
    return last(name, value / factor if factor else value, x.graph) * factor


def _ones(layer, x):
    """The kernel of a depthwise convolution that sums up windows."""
    return np.ones((*layer.size, 1, x.shape[-1]), x.dtype)


def _mean_pool_back(layer, value, x, y, dy):
    """What each window has times the weight of its pixels, scattered."""
    pads, size = layer.place(x)
    weighted = dy * layer.weights(numbers(x), pads, size)
    return last(scatter(weighted, _ones(layer, x), None, x.shape[1:-1], pads, layer.stride, layer.dilation,
                        x.shape[-1]), value, dy.graph)


def _pooled(layer, x):
    """The maxima of windows, and the places of the winners in the whole array: the first of equals."""
    pads, _ = layer.place(x)
    return x.graph.node("MaxPool", first(x), outputs=2, kernel_shape=list(layer.size), strides=list(layer.stride),
                        pads=ends(pads), dilations=list(layer.dilation))


def _max_pool(layer, value, x):
    return last(_pooled(layer, x)[0], value, x.graph)


def _max_pool_back(layer, value, x, y, dy):
    """What arrives is added at the winners' places, in one long row."""
    graph, flat = dy.graph, np.asarray([-1], np.int64)
    shape = graph.node("Shape", first(x))
    zero = graph.helper.make_tensor("value", graph.helper.np_dtype_to_tensor_dtype(dy.dtype), [1], [0])
    nothing = graph.node("ConstantOfShape", graph.node("ReduceProd", shape, axes=[0], keepdims=1), value=zero)
    places, what = (graph.node("Reshape", each, flat) for each in (_pooled(layer, x)[1], first(dy)))
    summed = graph.node("ScatterElements", nothing, places, what, axis=0, reduction="add")
    return last(graph.node("Reshape", summed, shape), value, graph)


def _mixed(layer, value, x):
    """A product with a matrix along each axis of pixels."""
    for axis, matrix in enumerate(layer.mixtures(numbers(x)), start=1):
        x = (x.swapaxes(axis, -1) @ matrix.T).swapaxes(axis, -1)
    return x * float(layer.W)


def _mixed_back(layer, value, x, y, dy):
    for axis, matrix in enumerate(layer.mixtures(numbers(x)), start=1):
        dy = (dy.swapaxes(axis, -1) @ matrix).swapaxes(axis, -1)
    return dy * float(layer.W)


def _upsample(layer, value, x):
    if layer.mode == "bicubic" or float(layer.W) != 1:
        return _mixed(layer, value, x)
    places, nearest = {"nearest": ("asymmetric", "floor"), "nearest-exact": ("half_pixel", "round_prefer_ceil"),
                       "bilinear": ("align_corners" if layer.align_corners else "half_pixel", "floor")}[layer.mode]
    graph, mode = x.graph, "linear" if layer.mode == "bilinear" else "nearest"
    if layer.size is None:
        sizes = [graph.constant(np.array([1, 1, *layer.scale], np.float32))]
    else:
        zero = np.asarray([0], np.int64)
        batch = graph.node("Slice", graph.node("Shape", x.tensor), zero, zero + 1)
        sizes = [None, graph.node("Concat", batch, np.asarray([x.shape[-1], *layer.size], np.int64), axis=0)]
    return last(graph.node("Resize", first(x), None, *sizes, nearest_mode=nearest, mode=mode,
                           coordinate_transformation_mode=places), value, graph)


def _layer_norm(layer, value, x):
    """LayerNormalization has its axes at the end, and subtracts the mean."""
    axes = sorted(axis % x.ndim for axis in layer.axes)
    if not layer.centered or axes != list(range(x.ndim - len(axes), x.ndim)):
        return NotImplemented
    sizes = tuple(x.shape[axis] for axis in axes)
    gamma = np.ones(sizes, x.dtype) if layer.gamma is None else np.broadcast_to(layer.gamma, sizes)
    beta = [] if layer.beta is None else [np.broadcast_to(layer.beta, sizes)]
    return Recorded(value, x.graph.node("LayerNormalization", x, gamma, *beta, axis=-len(axes), epsilon=layer.epsilon),
                    x.graph)


def _group_norm(layer, value, x):
    """As torch exports it: groups as channels of an instance normalisation, then gamma and beta."""
    graph, one, channels = x.graph, np.ones(layer.groups, x.dtype), first(x)
    y = graph.node("Reshape", channels, np.asarray([0, layer.groups, -1], np.int64))
    y = graph.node("InstanceNormalization", y, one, one * 0, epsilon=layer.epsilon)
    y = graph.node("Reshape", y, np.asarray([0, *channels.shape[1:]], np.int64))
    for kind, array in (("Mul", layer.gamma), ("Add", layer.beta)):
        y = y if array is None else graph.node(kind, y, array.reshape(-1, *[1] * (x.ndim - 2)))
    return last(y, value, graph)


def _local_response(layer, value, x):
    """LRN takes windows of an odd number of channels."""
    return NotImplemented if layer.size % 2 == 0 else last(x.graph.node(
        "LRN", first(x), size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=float(layer.k)), value, x.graph)


def _embedding(layer, value, x):
    return Recorded(value, x.graph.node("Gather", np.asarray(layer.W), x, axis=0), x.graph)


def _categories(layer, value, x):
    return _embedding(layer, value, x.astype(np.int64))


def _pad(layer, value, x):
    if layer.mode != "constant":
        return NotImplemented
    pads = np.asarray(ends(((0, 0), *layer.pads)), np.int64)
    return Recorded(value, x.graph.node("Pad", x, pads, np.asarray(layer.value, x.dtype)), x.graph)


def _contract(layer, value, x):
    return Recorded(value, x.graph.node("Einsum", x, layer.W, equation=layer.equation), x.graph)


def _contract_back(layer, value, x, y, dy):
    """What was summed over alone is spread again."""
    axes_x, axes_W, axes_y = layer.axes
    left = "".join(letter for letter in axes_x if letter in axes_W + axes_y)
    name = dy.graph.node("Einsum", dy, layer.W, equation=f"{axes_y},{axes_W}->{left}")
    part = tuple(slice(None) if letter in left else 0 for letter in axes_x)
    dx = Recorded(value[part], name, dy.graph)
    return dy.graph.functions.broadcast_to(dx[tuple(slice(None) if letter in left else None for letter in axes_x)],
                                           x.shape)


def _softmax(layer, value, x):
    y = Recorded(value, x.graph.node(type(layer).__name__, x, axis=layer.axis), x.graph)
    return layer.seen(x, y) if isinstance(layer, ours.Softmax) else y


def _prelu(layer, value, x):
    return x.graph.entrywise("PRelu", value, x, layer.a)


def entrywise(kind: str, **names: str) -> Callable:
    """One node; names: {its attribute: ours}"""
    return lambda layer, value, x: x.graph.entrywise(kind, value, x, **{
        theirs: float(getattr(layer, own)) for theirs, own in names.items()})


def formula(write: Callable) -> Callable:
    """Several nodes that treat each entry alike: write(layer, node, x), which ends with the last of them."""
    def written(layer, value, x):
        def node(kind, *inputs):
            return x.graph.node(kind, *(np.asarray(each, x.dtype) if isinstance(each, float) else each
                                        for each in inputs))
        return Recorded(value, write(layer, node, x.tensor), x.graph, x.order)
    return written


def _gelu(layer, node, x):
    """x (1 + f) / 2, with f = erf(x / sqrt 2) or tanh(sqrt(2 / pi) (x + 0.044715 x^3))."""
    if layer.approximate == "none":
        f = node("Erf", node("Mul", x, 0.5 ** 0.5))
    else:
        cube = node("Mul", node("Mul", node("Mul", x, x), x), 0.044715)
        f = node("Tanh", node("Mul", node("Add", x, cube), (2 / np.pi) ** 0.5))
    return node("Mul", node("Mul", x, node("Add", f, 1.0)), 0.5)


def _softplus(layer, node, x):
    beta = float(layer.beta)
    return node("Softplus", x) if beta == 1 else node("Div", node("Softplus", node("Mul", x, beta)), beta)


# A class stands for those derived from it that have no `forward` or `gradient` of their own.
FORWARD: dict[type, Callable] = {
    ours.Conv2d: _conv, ours.ConvTranspose2d: _transposed, ours.SumPool2d: _mean_pool, ours.MaxPool2d: _max_pool,
    Mixed: _mixed, ours.Upsample: _upsample, ours.LayerNorm: _layer_norm, ours.GroupNorm: _group_norm,
    ours.LocalResponseNorm: _local_response, ours.Embedding: _embedding, ours.Categories: _categories,
    ours.Pad: _pad, ours.Contract: _contract,
    ours.Softmax: _softmax, ours.LogSoftmax: _softmax, ours.PReLU: _prelu, ours.ReLU: entrywise("Relu"),
    ours.Sigmoid: entrywise("Sigmoid"), ours.LeakyReLU: entrywise("LeakyRelu", alpha="slope"),
    ours.ELU: entrywise("Elu", alpha="alpha"), ours.SELU: entrywise("Selu"), ours.Hardswish: entrywise("HardSwish"),
    ours.Hardsigmoid: entrywise("HardSigmoid", alpha="slope", beta="offset"), ours.GELU: formula(_gelu),
    ours.Softplus: formula(_softplus), ours.SiLU: formula(lambda layer, node, x: node("Mul", x, node("Sigmoid", x))),
    ours.Mish: formula(lambda layer, node, x: node("Mul", x, node("Tanh", node("Softplus", x))))}
GRADIENT: dict[type, Callable] = {
    ours.Conv2d: _conv_back, ours.ConvTranspose2d: _transposed_back, ours.SumPool2d: _mean_pool_back,
    ours.MaxPool2d: _max_pool_back, Mixed: _mixed_back, ours.Contract: _contract_back}
