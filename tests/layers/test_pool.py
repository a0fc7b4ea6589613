"""Do pools average what lies in their windows?"""
import numpy as np
import pytest
from tests.helpers import apply, gradient
from hypothesis import given
from hypothesis import strategies as st

from minixnn.layers import AdaptiveAvgPool2d
from minixnn.rules import lrp

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
