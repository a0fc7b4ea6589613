"""Layers and inputs for Hypothesis to draw, with a Generator for what else a test needs, in either precision.

The layers are those of `minixnn.checks.strategies` that `oracles.py` can unroll. Numbers lie on a grid of quarters:
float32 adds and multiplies them without rounding, sums that should be zero *are* zero, and equal numbers (ties) are
frequent. They have both signs, unless a test asks for x >= 0.
"""
import numpy as np
from hypothesis import strategies as st

from minixnn.checks import strategies
from minixnn.checks.strategies import seeds

conv = strategies.convolutions(spread=False)
pool = st.one_of(strategies.average_pools(), strategies.global_pools())
dense = strategies.dense_layers().filter(lambda drawn: len(drawn[1]) == 1)          # no sequences
AFFINE = st.one_of(dense, conv, pool, strategies.channel_scales())


def grid(rng, shape, dtype, least=-8, most=8):
    """Whole quarters from least / 4 to most / 4."""
    return (rng.integers(least, most + 1, shape) / 4).astype(dtype)


@st.composite
def cases(draw, kinds=AFFINE, dtype=None, least=-8):
    """(layer, x, rng): a layer, a batch of one or two images for it, and a Generator."""
    rng, (layer, shape) = np.random.default_rng(draw(seeds)), draw(kinds)
    dtype = draw(st.sampled_from(["float32", "float64"])) if dtype is None else dtype
    x = grid(rng, (draw(st.integers(1, 2)), *shape), dtype, least)
    return layer.map_arrays(lambda a: a.astype(dtype)), x, rng


def max_pools(dtype=None):
    """As `cases`, for max pooling."""
    return cases(strategies.max_pools(), dtype)
