"""Pools: which pixel wins, what is averaged, and whether padding counts."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minixnn.layers import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, SumPool2d
from minixnn.rules import lrp
from tests import oracles, strategies
from tests.helpers import apply, assert_same, deconvnet, gradient, guided_backprop, on, relevance

seeds = st.integers(0, 2 ** 32 - 1)


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 5), st.integers(1, 5)), seeds)
def test_an_adaptive_pool_averages_its_windows(image, size, seed):
    x = np.random.default_rng(seed).normal(size=(2, *image, 3))
    layer = AdaptiveAvgPool2d(size)
    expected = np.array([[x[:, i * image[0] // size[0]:-(-(i + 1) * image[0] // size[0]),
                            j * image[1] // size[1]:-(-(j + 1) * image[1] // size[1])].mean(axis=(1, 2))
                          for j in range(size[1])] for i in range(size[0])]).transpose(2, 0, 1, 3)
    np.testing.assert_allclose(layer.forward(x), expected, atol=1e-12)
    dy = np.random.default_rng(seed + 1).normal(size=expected.shape)
    assert (layer.forward(x) * dy).sum() == pytest.approx((x * gradient(layer, x, dy)).sum(), abs=1e-9)
    R = apply(lrp.flat, layer, x, dy)
    assert R.sum() == pytest.approx(dy.sum(), abs=1e-9)


def test_an_adaptive_pool_leaves_images_of_its_size_exactly_as_they_are():
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 3)).astype("float32")
    assert np.array_equal(AdaptiveAvgPool2d(7).forward(x), x)
    with pytest.raises(ValueError, match="expected 4 axes"):
        AdaptiveAvgPool2d(7).forward(x[0])


@given(strategies.max_pools())
def test_max_pooling_returns_to_the_first_of_equals_in_each_window(xp, case):
    layer, x, rng = case
    expected = oracles.max_pool(layer, x)
    ours, x_ours = on(xp, layer, x)
    assert_same(ours.forward(x_ours), expected, repr(layer))
    dy = strategies.grid(rng, expected.shape, x.dtype)
    for backward in (gradient, deconvnet, guided_backprop, relevance):
        dx = backward(ours, x_ours, xp.asarray(dy))
        assert_same(dx, oracles.winner_takes_all(layer, x, dy), backward.__name__)
        assert dx.dtype == x.dtype


def test_of_equal_pixels_the_first_wins():
    x = np.zeros((1, 2, 4, 1))
    received = gradient(MaxPool2d(2), x, np.array([5.0, 7.0]).reshape(1, 1, 2, 1))
    assert received[0, :, :, 0].tolist() == [[5, 0, 7, 0], [0, 0, 0, 0]]


def test_max_pooling_never_takes_a_padded_pixel():
    x = np.full((1, 3, 3, 1), -4.0)
    pool = MaxPool2d(2, stride=2, padding=((1, 0), (1, 0)))
    assert pool.forward(x).ravel().tolist() == [-4] * 4
    assert gradient(pool, x, np.ones((1, 2, 2, 1))).sum() == 4


def test_average_pooling_counts_padding_only_if_told_to():
    x = np.ones((1, 2, 2, 1))
    assert AvgPool2d(3, 1, 1).forward(x).ravel().tolist() == [1, 1, 1, 1]
    assert AvgPool2d(3, 1, 1, count_padding=True).forward(x).ravel() == pytest.approx([4 / 9] * 4)
    assert SumPool2d(3, 1, 1).forward(x).ravel().tolist() == [4, 4, 4, 4]
