"""Hypothesis strategies: numbers, inputs and layers, small enough to follow with a pencil.

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
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra
from hypothesis.strategies import DrawFn, SearchStrategy

from minixnn import layers as kinds
from minixnn.arrays import Array, Inputs
from minixnn.layers import Layer

GRID = (0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 0.25, -0.25, 1.5, -1.5, 0.75, -0.75, 0)      # simple ones first; 0 twice
PENCIL = 16                                     # so many numbers are drawn one by one
JOINS = (kinds.Add, kinds.Concat, kinds.Multiply, kinds.MatMul)
Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = tuple[Shape, ...]           # of the inputs of a join
Drawn: TypeAlias = tuple[Layer, Shape]          # a layer and the shape of one input
Side: TypeAlias = "tuple[int, int, int, str | tuple[int, int], int]"
seeds = st.integers(0, 2 ** 32 - 1)


def grid(low: float | None = None, high: float | None = None) -> list[float]:
    """The numbers of the grid in [low, high]; None is no bound. A box without such numbers gets its own quarters."""
    inside = [float(v) for v in GRID if (low is None or v >= low) and (high is None or v <= high)]
    if low is not None and high is not None:
        inside += [low + (high - low) * share for share in (0, 1, 0.5, 0.25, 0.75)]
    return inside


def arrays(shape: Shape, low: float | None = None, high: float | None = None) -> SearchStrategy[Array]:
    """A float64 array of the shape, its numbers from `grid(low, high)`."""
    values = grid(low, high)
    if math.prod(shape) > PENCIL:
        return seeds.map(lambda seed: np.random.default_rng(seed).choice(values, shape))
    return extra.arrays(float, shape, elements=st.sampled_from(values), fill=st.nothing())


def biases(outputs: int) -> SearchStrategy[Array | None]:
    """None, or numbers of both signs."""
    return st.one_of(st.none(), arrays((outputs,)))


# ------------------------------------------------------------------------------------------------------ affine layers

@st.composite
def dense_layers(draw: DrawFn) -> Drawn:
    """Dense, for vectors (inputs,) and sequences of them (steps, inputs)."""
    inputs, outputs = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    steps = draw(st.sampled_from([(), (), (), (2,)]))
    return kinds.Dense(draw(arrays((inputs, outputs))), draw(biases(outputs))), (*steps, inputs)


@st.composite
def along(draw: DrawFn, pooling: bool, sizes: int = 4, dilations: int = 1) -> Side:
    """(pixels, window, stride, padding, dilation) along one side; padding is "valid", "same" or (before, after)."""
    k, s, d = draw(st.integers(1, sizes)), draw(st.integers(1, 3)), draw(st.integers(1, dilations))
    span = (k - 1) * d + 1
    most = k - 1 if pooling else k + 1          # a pool's window must hold a real pixel
    padding = draw(st.one_of(st.sampled_from(["valid", "same"]), st.tuples(st.integers(0, most), st.integers(0, most))))
    least = 1 if padding == "same" else span if isinstance(padding, str) else max(1, span - sum(padding))
    return draw(st.integers(least, max(least, 5))), k, s, padding, d


@st.composite
def windows(draw: DrawFn, pooling: bool, sizes: int = 4, dilations: int = 1) -> tuple:
    """(H, W), kernel, stride, padding, dilation: both sides are drawn apart, but for the words "same" and "valid"."""
    side = along(pooling, sizes, dilations)
    (H, kh, sh, p, dh), (W, kw, sw, q, dw) = draw(side), draw(side)
    if isinstance(p, str) or isinstance(q, str):
        p = q = p if isinstance(p, str) else q
        H, W = (max(H, (kh - 1) * dh + 1), max(W, (kw - 1) * dw + 1)) if p == "valid" else (H, W)
    return (H, W), (kh, kw), (sh, sw), p if isinstance(p, str) else (p, q), (dh, dw)


@st.composite
def convolutions(draw: DrawFn, spread: bool = True) -> Drawn:
    """Conv2d of few channels and of many (more than 4): the code has a way for each. spread: also dilated, grouped."""
    image, kernel, stride, padding, dilation = draw(windows(pooling=False, dilations=2 if spread else 1))
    groups = draw(st.sampled_from([1, 1, 2, 3] if spread else [1]))
    C, O = (draw(st.sampled_from([1, 2, 5])), draw(st.integers(1, 3))) if groups == 1 else (
        groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)))
    W = draw(arrays((*kernel, C // groups, O)))
    return kinds.Conv2d(W, draw(biases(O)), stride, padding, dilation, groups), (*image, C)


def grouped() -> SearchStrategy[tuple[int, int, int]]:
    """(groups, channels of one, outputs of one)"""
    return st.tuples(st.sampled_from([1, 1, 2]), st.integers(1, 2), st.integers(1, 2))


@st.composite
def sequence_convolutions(draw: DrawFn) -> Drawn:
    """Conv1d."""
    (T, k, stride, padding, dilation), (groups, share, O) = draw(along(pooling=False, dilations=2)), draw(grouped())
    W = draw(arrays((k, share, groups * O)))
    return kinds.Conv1d(W, draw(biases(groups * O)), stride, padding, dilation, groups), (T, groups * share)


@st.composite
def transposed_convolutions(draw: DrawFn) -> Drawn:
    """ConvTranspose2d, whose output holds one pixel at least."""
    side = along(pooling=True, sizes=3, dilations=2)
    (H, kh, sh, p, dh), (W, kw, sw, q, dw), (groups, share, O) = draw(side), draw(side), draw(grouped())
    padding = tuple((0, 0) if isinstance(pads, str) else pads if sum(pads) <= (k - 1) * d else (pads[0], 0)
                    for pads, k, d in ((p, kh, dh), (q, kw, dw)))
    weights, b = draw(arrays((kh, kw, groups * share, O))), draw(biases(groups * O))
    more = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    return kinds.ConvTranspose2d(weights, b, (sh, sw), padding, more, (dh, dw), groups), (H, W, groups * share)


@st.composite
def upsamplings(draw: DrawFn) -> Drawn:
    """Upsample to the nearest pixel: each output sees one input."""
    image, factor = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2))), draw(st.integers(1, 3))
    return kinds.Upsample(factor, mode=draw(st.sampled_from(["nearest", "nearest-exact"]))), image


@st.composite
def average_pools(draw: DrawFn) -> Drawn:
    """AvgPool2d, counting its padding or not, and SumPool2d. A mean of 3 or 9 numbers would leave the grid."""
    mean = draw(st.booleans())
    image, size, stride, padding, _ = draw(windows(pooling=True, sizes=2 if mean else 3))
    pool = kinds.AvgPool2d(size, stride, padding, count_padding=draw(st.booleans())) if mean else kinds.SumPool2d(
        size, stride, padding)
    return pool, (*image, draw(st.integers(1, 2)))


@st.composite
def global_pools(draw: DrawFn) -> Drawn:
    """GlobalAvgPool and AdaptiveAvgPool2d over sides of 1, 2 or 4 pixels."""
    H, W, h, w = (draw(st.sampled_from([1, 2, 4])) for _ in range(4))
    return kinds.GlobalAvgPool() if draw(st.booleans()) else kinds.AdaptiveAvgPool2d((h, w)), (
        H, W, draw(st.integers(1, 2)))


@st.composite
def channel_scales(draw: DrawFn) -> Drawn:
    """ChannelScale, and BatchNorm2d with variances of 1/4, 1, 4, whose scale is a power of two."""
    C = draw(st.integers(1, 3))
    shape = draw(st.sampled_from([(C,), (2, C), (1, 2, C), (2, 2, C)]))
    if draw(st.booleans()):
        return kinds.ChannelScale(draw(arrays((C,))), draw(biases(C))), shape
    variance = draw(extra.arrays(float, C, elements=st.sampled_from([1.0, 4.0, 0.25])))
    gamma, beta, mean = (draw(arrays((C,))) for _ in range(3))
    return kinds.BatchNorm2d(gamma, beta, mean, variance, epsilon=0.0), shape


def affine_kinds() -> list[SearchStrategy[Drawn]]:
    """A strategy for each kind of affine layer, the simplest first."""
    return [dense_layers(), convolutions(), st.one_of(channel_scales(), sequence_convolutions()),
            st.one_of(average_pools(), global_pools(), transposed_convolutions(), upsamplings())]


# ---------------------------------------------------------------------------------------------- other layers, and joins

@st.composite
def max_pools(draw: DrawFn) -> Drawn:
    """MaxPool2d whose windows overlap, fit or leave gaps."""
    image, size, stride, padding, _ = draw(windows(pooling=True))
    return kinds.MaxPool2d(size, stride, padding), (*image, draw(st.integers(1, 2)))


def shapes() -> SearchStrategy[Shape]:
    """The shape of one input: up to three axes of up to three entries."""
    return extra.array_shapes(max_dims=3, max_side=3)


def activations() -> SearchStrategy[Drawn]:
    """ReLU, Sigmoid, Tanh, Softplus, on inputs of any shape."""
    return st.tuples(st.sampled_from([kinds.ReLU(), kinds.Sigmoid(), kinds.Tanh(), kinds.Softplus()]), shapes())


def alike(fewest: int = 2, most: int = 4) -> SearchStrategy[Shapes]:
    """Shapes of inputs that meet entry by entry: one shape for all."""
    return st.tuples(shapes(), st.integers(fewest, most)).map(lambda drawn: (drawn[0],) * drawn[1])


@st.composite
def broadcast(draw: DrawFn, fewest: int = 2, most: int = 4) -> Shapes:
    """Likewise, some of them repeated along axes: (2, 3) with (1, 3), (2, 1) or (1, 1), as a gate is."""
    shape, count = draw(shapes()), draw(st.integers(fewest, most))
    return tuple(tuple(draw(st.sampled_from([n, 1])) for n in shape) for _ in range(count))


@st.composite
def beside(draw: DrawFn, fewest: int = 2, most: int = 4) -> Shapes:
    """Shapes of inputs that are joined along the last axis."""
    *others, _ = draw(shapes())
    return tuple((*others, draw(st.integers(1, 3))) for _ in range(draw(st.integers(fewest, most))))


@st.composite
def matrices(draw: DrawFn, fewest: int = 2, most: int = 2) -> Shapes:
    """Shapes of two factors, with or without heads: (T, d) and (d, U)."""
    T, d, U = (draw(st.integers(1, 3)) for _ in range(3))
    heads = draw(st.sampled_from([(), (), (2,)]))
    return (*heads, T, d), (*heads, d, U)


# How the inputs of a join may fit each other, and two of which only such a join can make something
MEETINGS = ((alike, ((2, 3), (2, 3))), (broadcast, ((2, 3), (1, 3))), (beside, ((2, 3), (2, 2))),
            (matrices, ((2, 3), (3, 2))))


@st.composite
def cases(draw: DrawFn, layers: SearchStrategy[tuple[Layer, Shape | Shapes]] | None = None, low: float | None = None,
          high: float | None = None, images: int = 1) -> tuple[Layer, Inputs]:
    """(layer, x): a layer, of every affine kind unless told otherwise, and a batch of `images` inputs for it.

    For a join x is a tuple.
    """
    layer, shape = draw(st.one_of(affine_kinds()) if layers is None else layers)
    if shape and isinstance(shape[0], tuple):
        return layer, tuple(draw(arrays((images, *one), low, high)) for one in shape)
    return layer, draw(arrays((images, *shape), low, high))
