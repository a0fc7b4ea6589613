"""Hypothesis strategies: numbers, inputs, layers and networks, small enough to follow with a pencil.

    from hypothesis import given
    from minixnn.checks import strategies

    @given(strategies.cases(strategies.convolutions(), low=0))
    def test_my_rule(case):
        layer, x = case

A strategy of layers draws pairs (layer, shape of one input). Shapes are drawn one by one, and few numbers one by
one, so that a case that fails shrinks to a small one; many numbers come from a seed. All lie on a grid of quarters:
sums of their products carry no rounding, so sums that should be zero are zero, and equal numbers are frequent.
"""
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minixnn import layers as kinds
from minixnn.network import Network

GRID = (0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 0.25, -0.25, 1.5, -1.5, 0.75, -0.75, 0)      # simple ones first; 0 twice
PENCIL = 16                                     # so many numbers are drawn one by one
JOINS = (kinds.Add, kinds.Concat, kinds.Multiply, kinds.MatMul)
KINDS = (*JOINS, kinds.Dense, kinds.Conv2d, kinds.Conv1d, kinds.ConvTranspose2d, kinds.Upsample, kinds.AvgPool2d,
         kinds.SumPool2d, kinds.GlobalAvgPool, kinds.AdaptiveAvgPool2d, kinds.ChannelScale, kinds.BatchNorm2d,
         kinds.MaxPool2d, kinds.ReLU, kinds.Sigmoid, kinds.Tanh, kinds.Softplus)            # which are drawn here
seeds = st.integers(0, 2 ** 32 - 1)


def grid(low: float | None = None, high: Any = None) -> list[float]:
    """The numbers of the grid in [low, high]; None is no bound. A box without such numbers gets its own quarters."""
    inside = [float(v) for v in GRID if (low is None or v >= low) and (high is None or v <= high)]
    if low is not None and high is not None:
        inside += [low + (high - low) * share for share in (0, 1, 0.5, 0.25, 0.75)]
    return inside


@st.composite
def arrays(draw: Any, shape: Any, low: Any = None, high: Any = None) -> Any:
    """A float64 array of the shape, its numbers from `grid(low, high)`."""
    values, count = grid(low, high), math.prod(shape)
    if count > PENCIL:
        return np.random.default_rng(draw(seeds)).choice(values, shape)
    drawn = draw(st.lists(st.sampled_from(values), min_size=count, max_size=count))
    return np.array(drawn, dtype=float).reshape(shape)


@st.composite
def biases(draw: Any, outputs: Any) -> Any:
    """None, or numbers of both signs."""
    return draw(arrays((outputs,))) if draw(st.booleans()) else None


# ------------------------------------------------------------------------------------------------------ affine layers

@st.composite
def dense_layers(draw: Any, inputs: Any = None, outputs: Any = None, sequences: Any = True) -> Any:
    """Dense, for vectors (inputs,) and, unless told not to, sequences of them (steps, inputs)."""
    inputs = draw(st.integers(1, 4)) if inputs is None else inputs
    steps = draw(st.sampled_from([(), (), (), (2,)])) if sequences else ()
    bias = draw(st.booleans())
    number = st.sampled_from(grid())                        # unit by unit, so that a failing case can lose one
    units = draw(st.lists(st.lists(number, min_size=inputs + bias, max_size=inputs + bias),
                          min_size=outputs or 1, max_size=outputs or 3))
    W = np.array(units).T
    return kinds.Dense(W[:inputs].copy(), W[inputs] if bias else None), (*steps, inputs)


@st.composite
def along(draw: Any, pooling: Any, strides: Any = 3, sizes: Any = 4, dilations: Any = 1) -> Any:
    """(pixels, window, stride, padding, dilation) along one side; padding is "valid", "same" or (before, after)."""
    k, s, d = draw(st.integers(1, sizes)), draw(st.integers(1, strides)), draw(st.integers(1, dilations))
    span = (k - 1) * d + 1
    most = k - 1 if pooling else k + 1          # a pool's window must hold a real pixel
    padding = draw(st.one_of(st.sampled_from(["valid", "same"]), st.tuples(st.integers(0, most), st.integers(0, most))))
    least = span if padding == "valid" else 1 if padding == "same" else max(1, span - sum(padding))
    return draw(st.integers(least, max(least, 5))), k, s, padding, d


@st.composite
def windows(draw: Any, pooling: Any, sizes: Any = 4, dilations: Any = 1) -> Any:
    """(H, W), kernel, stride, padding, dilation: both sides are drawn apart, but for the words "same" and "valid"."""
    side = along(pooling, sizes=sizes, dilations=dilations)
    (H, kh, sh, p, dh), (W, kw, sw, q, dw) = draw(side), draw(side)
    if isinstance(p, str) or isinstance(q, str):
        p = q = p if isinstance(p, str) else q
        H, W = (max(H, (kh - 1) * dh + 1), max(W, (kw - 1) * dw + 1)) if p == "valid" else (H, W)
        return (H, W), (kh, kw), (sh, sw), p, (dh, dw)
    return (H, W), (kh, kw), (sh, sw), (p, q), (dh, dw)


@st.composite
def convolutions(draw: Any, spread: Any = True) -> Any:
    """Conv2d of few channels and of many (more than 4): the code has a way for each. spread: also dilated, grouped."""
    image, kernel, stride, padding, dilation = draw(windows(pooling=False, dilations=2 if spread else 1))
    groups = draw(st.sampled_from([1, 1, 2, 3])) if spread else 1
    C, O = (draw(st.sampled_from([1, 2, 5])), draw(st.integers(1, 3))) if groups == 1 else (
        groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)))
    W = draw(arrays((*kernel, C // groups, O)))
    return kinds.Conv2d(W, draw(biases(O)), stride, padding, dilation, groups), (*image, C)


@st.composite
def sequence_convolutions(draw: Any) -> Any:
    """Conv1d."""
    T, k, stride, padding, dilation = draw(along(pooling=False, dilations=2))
    groups, share, outputs = draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    W = draw(arrays((k, share, groups * outputs)))
    return (kinds.Conv1d(W, draw(biases(groups * outputs)), stride, padding, dilation, groups), (T, groups * share))


@st.composite
def transposed_convolutions(draw: Any) -> Any:
    """ConvTranspose2d, whose output holds one pixel at least."""
    (H, kh, sh, p, dh), (W, kw, sw, q, dw) = (draw(along(pooling=True, sizes=3, dilations=2)) for _ in range(2))
    padding = tuple((0, 0) if isinstance(side, str) else side if sum(side) <= (k - 1) * d else (side[0], 0)
                    for side, k, d in ((p, kh, dh), (q, kw, dw)))
    groups, share, outputs = draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    weights, b = draw(arrays((kh, kw, groups * share, outputs))), draw(biases(groups * outputs))
    more = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    return (kinds.ConvTranspose2d(weights, b, (sh, sw), padding, more, (dh, dw), groups), (H, W, groups * share))


@st.composite
def upsamplings(draw: Any) -> Any:
    """Upsample to the nearest pixel: each output sees one input."""
    image, factor = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2))), draw(st.integers(1, 3))
    return kinds.Upsample(factor, mode=draw(st.sampled_from(["nearest", "nearest-exact"]))), image


@st.composite
def average_pools(draw: Any) -> Any:
    """AvgPool2d, counting its padding or not, and SumPool2d. A mean of 3 or 9 numbers would leave the grid."""
    kind = draw(st.sampled_from([kinds.AvgPool2d, kinds.SumPool2d]))
    image, size, stride, padding, _ = draw(windows(pooling=True, sizes=2 if kind is kinds.AvgPool2d else 3))
    count = {"count_padding": draw(st.booleans())} if kind is kinds.AvgPool2d else {}
    return kind(size, stride, padding, **count), (*image, draw(st.integers(1, 2)))


@st.composite
def global_pools(draw: Any) -> Any:
    """GlobalAvgPool and AdaptiveAvgPool2d over sides of 1, 2 or 4 pixels."""
    H, W, C = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 2))
    size = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 4]))
    return kinds.GlobalAvgPool() if draw(st.booleans()) else kinds.AdaptiveAvgPool2d(size), (H, W, C)


@st.composite
def channel_scales(draw: Any) -> Any:
    """ChannelScale, and BatchNorm2d with variances of 1/4, 1, 4, whose scale is a power of two."""
    C = draw(st.integers(1, 3))
    shape = draw(st.sampled_from([(C,), (2, C), (1, 2, C), (2, 2, C)]))
    if draw(st.booleans()):
        return kinds.ChannelScale(draw(arrays((C,))), draw(biases(C))), shape
    variance = np.array(draw(st.lists(st.sampled_from([1.0, 4.0, 0.25]), min_size=C, max_size=C)))
    gamma, beta, mean = (draw(arrays((C,))) for _ in range(3))
    return kinds.BatchNorm2d(gamma, beta, mean, variance, epsilon=0.0), shape


def affine_kinds() -> list:
    """A strategy for each kind of affine layer, the simplest first."""
    return [dense_layers(), convolutions(), st.one_of(channel_scales(), sequence_convolutions()),
            st.one_of(average_pools(), global_pools(), transposed_convolutions(), upsamplings())]


def affine_layers() -> Any:
    """Affine layers of every kind."""
    return st.one_of(affine_kinds())


# ------------------------------------------------------------------------------------------------------- other layers

@st.composite
def max_pools(draw: Any) -> Any:
    """MaxPool2d whose windows overlap, fit or leave gaps."""
    image, size, stride, padding, _ = draw(windows(pooling=True))
    return kinds.MaxPool2d(size, stride, padding), (*image, draw(st.integers(1, 2)))


def shapes(most: int = 3, sides: int = 3) -> Any:
    """The shape of one input: up to `most` axes of up to `sides` entries."""
    return st.lists(st.integers(1, sides), min_size=1, max_size=most).map(tuple)


def activations() -> Any:
    """ReLU, Sigmoid, Tanh, Softplus, on inputs of any shape."""
    return st.tuples(st.sampled_from([kinds.ReLU, kinds.Sigmoid, kinds.Tanh, kinds.Softplus]).map(make), shapes())


def make(kind: Any) -> Any:
    return kind()


# -------------------------------------------------------------------------------------------------------------- joins

def alike(fewest: int = 2, most: int = 4) -> Any:
    """Shapes of inputs that meet entry by entry: one shape for all."""
    return st.tuples(shapes(), st.integers(fewest, most)).map(repeated)


def repeated(drawn: Any) -> Any:
    shape, count = drawn
    return (shape,) * count


@st.composite
def broadcast(draw: Any, fewest: int = 2, most: int = 4) -> Any:
    """Likewise, some of them repeated along axes: (2, 3) with (1, 3), (2, 1) or (1, 1), as a gate is."""
    shape, count = draw(shapes()), draw(st.integers(fewest, most))
    return tuple(tuple(draw(st.sampled_from([n, 1])) for n in shape) for _ in range(count))


@st.composite
def beside(draw: Any, fewest: int = 2, most: int = 4) -> Any:
    """Shapes of inputs that are joined along the last axis."""
    *others, _ = draw(shapes())
    return tuple((*others, draw(st.integers(1, 3))) for _ in range(draw(st.integers(fewest, most))))


@st.composite
def matrices(draw: Any, fewest: int = 2, most: int = 2) -> Any:
    """Shapes of two factors, with or without heads: (T, d) and (d, U)."""
    T, d, U = (draw(st.integers(1, 3)) for _ in range(3))
    heads = draw(st.sampled_from([(), (), (2,)]))
    return (*heads, T, d), (*heads, d, U)


# How the inputs of a join may fit each other, and two of which only such a join can make something
MEETINGS = ((alike, ((2, 3), (2, 3))), (broadcast, ((2, 3), (1, 3))), (beside, ((2, 3), (2, 2))),
            (matrices, ((2, 3), (3, 2))))


@st.composite
def joins(draw: Any) -> Any:
    """(join, shapes of its inputs): Add, Multiply, Concat, MatMul, of two to four inputs."""
    kind, ways = draw(st.sampled_from([(kinds.Add, broadcast), (kinds.Multiply, broadcast), (kinds.Concat, beside),
                                       (kinds.MatMul, matrices)]))
    return kind(), draw(ways())


# ------------------------------------------------------------------------------------------------------ cases, networks

@st.composite
def cases(draw: Any, layers: Any = None, low: Any = None, high: Any = None, images: Any = 1) -> Any:
    """(layer, x): a layer, of every affine kind unless told otherwise, and a batch of `images` inputs for it.

    For a join x is a tuple.
    """
    layer, shape = draw(affine_layers() if layers is None else layers)
    if shape and isinstance(shape[0], tuple):
        return layer, tuple(draw(arrays((images, *one), low, high)) for one in shape)
    return layer, draw(arrays((images, *shape), low, high))


@st.composite
def dense_networks(draw: Any, bias: Any = True, kinds_between: Any = (kinds.ReLU,)) -> Any:
    """(net, shape of one input): one or two hidden layers."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=3, max_size=4))
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        dense, _ = draw(dense_layers(inputs, outputs, sequences=False))
        layers += [dense if bias else kinds.Dense(dense.W), draw(st.sampled_from(kinds_between))()]
    return Network(layers[:-1]), (sizes[0],)


@st.composite
def conv_networks(draw: Any, bias: Any = True, kinds_between: Any = (kinds.ReLU,), gap: Any = None) -> Any:
    """(net, shape of one input): convolution, activation, a pool or none, convolution, activation, a head.

    gap: True for a head of global average pooling and one dense layer, False for a flattened one.
    """
    rng = np.random.default_rng(draw(seeds))
    C, K, classes = draw(st.integers(1, 2)), draw(st.integers(1, 3)), 3
    shape, between = (draw(st.integers(4, 6)), draw(st.integers(4, 6)), C), st.sampled_from(kinds_between)

    def conv(channels, outputs, size, stride=1):
        return kinds.Conv2d(rng.choice(grid(), (size, size, channels, outputs)),
                            rng.choice(grid(), outputs) if bias else None, stride)
    layers = [conv(C, K, 3, draw(st.integers(1, 2))), draw(between)()]
    pool = draw(st.sampled_from([None, kinds.MaxPool2d, kinds.AvgPool2d]))
    layers += [] if pool is None else [pool(draw(st.integers(2, 3)), draw(st.integers(1, 2)), "same")]
    layers += [conv(K, K + 1, 2), draw(between)()]
    layers += [kinds.GlobalAvgPool() if (draw(st.booleans()) if gap is None else gap) else kinds.Flatten()]
    features = Network(layers).forward(np.zeros((1, *shape))).shape[1]
    head = kinds.Dense(rng.choice(grid(), (features, classes)), rng.choice(grid(), classes) if bias else None)
    return Network([*layers, head]), shape


@st.composite
def graphs(draw: Any, bias: Any = True, kinds_between: Any = (kinds.ReLU,), joins: Any = JOINS, steps: int = 8) -> Any:
    """(net, shape of one input): a random graph of dense layers, activations and joins on vectors.

    Any activation may be read again, once or several times, also twice by the same join; joins meet in joins; a dense
    layer may stand in several places. In the end all that nothing has read is put side by side.
    """
    rng, sizes = np.random.default_rng(draw(seeds)), {0: draw(st.integers(1, 4))}       # sizes[i]: entries of A[i]
    layers: list = []
    inputs: list = []

    def put(layer, *sources, size=None):
        layers.append(layer), inputs.append(sources)
        if size is not None:                    # a vector, which others may read
            sizes[len(layers)] = size

    def dense(i, n):
        put(kinds.Dense(rng.choice(grid(), (sizes[i], n)) / 2, rng.choice(grid(), n) if bias else None), i, size=n)

    for _ in range(draw(st.integers(1, steps))):
        i = draw(st.sampled_from(sorted(sizes)))
        few = sum(isinstance(layer, (kinds.Multiply, kinds.MatMul)) for layer in layers) < 2
        what = draw(st.sampled_from(["dense", "again", "activation", *(join for join in joins if few or join in (
            kinds.Add, kinds.Concat))]))        # a product of products of products grows beyond measure
        alike = [j for j, n in sizes.items() if n == sizes[i]]
        others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2))
        shared = [layer for layer in layers if isinstance(layer, kinds.Dense) and len(layer.W) == sizes[i]]
        if what == "again" and shared:
            layer = draw(st.sampled_from(shared))
            put(layer, i, size=layer.W.shape[1])
        elif what in ("dense", "again"):
            dense(i, draw(st.sampled_from([sizes[i], 1, 2, 3])))
        elif what == "activation":
            put(draw(st.sampled_from(kinds_between))(), i, size=sizes[i])
        elif what is kinds.Concat:
            put(kinds.Concat(), i, *others, size=sizes[i] * (1 + len(others)))
        elif what is kinds.MatMul:              # an outer product: a column times a row
            put(kinds.Unflatten((sizes[i], 1)), i)
            put(kinds.Unflatten((1, sizes[i])), others[0])
            put(kinds.MatMul(), len(layers) - 1, len(layers))
            put(kinds.Flatten(), len(layers), size=sizes[i] ** 2)
        else:
            put(what(), i, *others, size=sizes[i])
    read = {i for sources in inputs for i in sources}
    loose = [i for i in sizes if i not in read]
    if len(loose) > 1:
        put(kinds.Concat(), *loose, size=sum(sizes[i] for i in loose))
    dense(len(layers), 3)
    return Network(layers, inputs), (sizes[0],)


def networks(bias: bool = True, kinds_between: Any = (kinds.ReLU,)) -> Any:
    """Dense and convolutional networks."""
    return st.one_of(dense_networks(bias, kinds_between), conv_networks(bias, kinds_between))
