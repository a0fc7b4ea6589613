"""Convolutions: in chunks, with both ways of the gradient, and their kernels as they lie."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minixnn.layers import Conv2d, conv
from tests import oracles, strategies
from tests.helpers import assert_same, gradient, on


@given(strategies.cases(kinds=strategies.conv), st.integers(1, 40))
def test_a_convolution_is_the_same_in_chunks_of_any_size(case, rows):
    layer, x, rng = case
    dy = strategies.grid(rng, layer.forward(x).shape, x.dtype)
    expected = [layer.forward(x), gradient(layer, x, dy), layer.parameter_gradients(x, dy)["W"]]
    usual, conv.CHUNK_ROWS = conv.CHUNK_ROWS, rows
    try:
        came = [layer.forward(x), gradient(layer, x, dy), layer.parameter_gradients(x, dy)["W"]]
    finally:
        conv.CHUNK_ROWS = usual
    for name, a, b in zip(("forward", "gradient", "dW"), came, expected):
        assert_same(a, b, f"{name} in chunks of {rows} windows")


@pytest.mark.parametrize("images, side, channels, outputs", [(3, 9, 6, 2), (1, 3, 12, 8)])
def test_a_convolution_has_one_gradient_whatever_the_sizes(images, side, channels, outputs, xp):
    rng = np.random.default_rng(0)
    layer = Conv2d(strategies.grid(rng, (3, 3, channels, outputs), "float64"), padding=((0, 1), (2, 1)))
    x = strategies.grid(rng, (images, side, side, channels), "float64")
    dy = strategies.grid(rng, layer.forward(x).shape, "float64")
    ours, x_ours, dy_ours = on(xp, layer, x, dy)
    assert (dy.size < layer.W.size) == (side == 3), "each of the two ways is to be walked"
    assert_same(gradient(ours, x_ours, dy_ours), oracles.gradient(layer, x, dy))


def test_a_convolution_does_not_turn_its_kernel():
    x = np.zeros((1, 3, 3, 1))
    x[0, 0, 2] = 1.0
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    assert Conv2d(kernel, padding="valid").forward(x).item() == kernel[0, 2, 0, 0] == 2


def test_random_convolutions_keep_stride_and_padding():
    layer = Conv2d.random(3, 1, 2, np.random.default_rng(0), stride=2, padding="valid")
    assert layer.settings() == {"stride": (2, 2), "padding": "valid", "dilation": (1, 1), "groups": 1}
