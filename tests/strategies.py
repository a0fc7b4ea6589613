"""Layers and inputs for Hypothesis to draw: small, of every shape, stride and padding that the layers allow.

Shapes are drawn one by one, so that a failing case shrinks to a small one. Numbers come from a seed and lie on a
grid of quarters: float32 adds and multiplies them without rounding, sums that should be zero *are* zero, and
equal numbers (ties) are frequent. They have both signs, unless a test asks for x >= 0.
"""
import numpy as np
from hypothesis import strategies as st

from minixnn.layers import AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dense, GlobalAvgPool, MaxPool2d, SumPool2d

seeds = st.integers(0, 2 ** 32 - 1)
dtypes = st.sampled_from(["float32", "float64"])


def grid(rng, shape, dtype, least=-8, most=8):
    """Whole quarters from least / 4 to most / 4."""
    return (rng.integers(least, most + 1, shape) / 4).astype(dtype)


@st.composite
def along(draw, pooling, strides=3):
    """(pixels, window, stride, padding) along one side; padding is "valid", "same" or (before, after)."""
    k, s = draw(st.integers(1, 4)), draw(st.integers(1, strides))
    most = k - 1 if pooling else k + 1          # a pool's window must hold a real pixel
    padding = draw(st.one_of(st.sampled_from(["valid", "same"]), st.tuples(st.integers(0, most), st.integers(0, most))))
    least = k if padding == "valid" else 1 if padding == "same" else max(1, k - sum(padding))
    return draw(st.integers(least, 6)), k, s, padding


@st.composite
def windowed(draw, pooling):
    """(H, W), kernel, stride, padding: the two sides are drawn apart, but for the word "same" or "valid"."""
    (H, kh, sh, p), (W, kw, sw, q) = draw(along(pooling)), draw(along(pooling))
    if isinstance(p, str) or isinstance(q, str):
        p = q = p if isinstance(p, str) else q
        H, W = (max(H, kh), max(W, kw)) if p == "valid" else (H, W)
        return (H, W), (kh, kw), (sh, sw), p
    return (H, W), (kh, kw), (sh, sw), (p, q)


@st.composite
def dense(draw, dtype, rng):
    inputs, outputs = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    return Dense(grid(rng, (inputs, outputs), dtype), bias(draw, rng, outputs, dtype)), (inputs,)


@st.composite
def conv(draw, dtype, rng):
    """Few channels and many (more than 4): the code has a way for each."""
    image, kernel, stride, padding = draw(windowed(pooling=False))
    C, O = draw(st.sampled_from([1, 2, 5])), draw(st.integers(1, 3))
    return Conv2d(grid(rng, (*kernel, C, O), dtype), bias(draw, rng, O, dtype), stride, padding), (*image, C)


@st.composite
def pool(draw, dtype, rng, kinds=(AvgPool2d, SumPool2d)):
    image, size, stride, padding = draw(windowed(pooling=True))
    kind, C = draw(st.sampled_from(kinds)), draw(st.integers(1, 3))
    count = {"count_padding": draw(st.booleans())} if kind is AvgPool2d else {}
    return kind(size, stride, padding, **count), (*image, C)


@st.composite
def global_pool(draw, dtype, rng):
    """Over the whole image, or over windows of 1, 2 or 4 pixels a side: a third of a sum is no longer on the grid."""
    H, W, C = (draw(st.integers(1, 4)) for _ in range(3))
    size = tuple(draw(st.integers(2 if n == 3 else 1, 4)) for n in (H, W))
    return GlobalAvgPool() if draw(st.booleans()) else AdaptiveAvgPool2d(size), (H, W, C)


@st.composite
def batch_norm(draw, dtype, rng):
    """epsilon = 0 and variances 1/4, 1, 4: the scale is a power of two, and the bias has both signs."""
    C = draw(st.integers(1, 3))
    variance = (4.0 ** rng.integers(-1, 2, C)).astype(dtype)
    return (BatchNorm2d(grid(rng, C, dtype), grid(rng, C, dtype), grid(rng, C, dtype), variance, epsilon=0.0),
            (draw(st.integers(1, 3)), draw(st.integers(1, 3)), C))


def bias(draw, rng, outputs, dtype):
    """None, or numbers of both signs."""
    return grid(rng, outputs, dtype) if draw(st.booleans()) else None


AFFINE = (dense, conv, pool, global_pool, batch_norm)


@st.composite
def cases(draw, kinds=AFFINE, dtype=None, least=-8):
    """(layer, x, rng): a layer, a batch of one or two images for it, and a Generator for what else is needed."""
    rng = np.random.default_rng(draw(seeds))
    dtype = draw(dtypes) if dtype is None else dtype
    layer, shape = draw(draw(st.sampled_from(kinds))(dtype, rng))
    return layer, grid(rng, (draw(st.integers(1, 2)), *shape), dtype, least), rng


@st.composite
def max_pools(draw, dtype=None):
    """As `cases`, for max pooling."""
    rng = np.random.default_rng(draw(seeds))
    dtype = draw(dtypes) if dtype is None else dtype
    layer, shape = draw(pool(dtype, rng, kinds=(MaxPool2d,)))
    return layer, grid(rng, (draw(st.integers(1, 2)), *shape), dtype), rng
