"""Smooth activations follow their formulas, and do not overflow."""
import numpy as np
import pytest

from minixnn.layers import Sigmoid, Softplus, Tanh, activation
from tests.helpers import assert_same


@pytest.mark.parametrize("layer, f, derivative", [
    (Sigmoid(), lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    (Tanh(), lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), lambda x: 1 / np.cosh(x) ** 2),
    (Softplus(), lambda x: np.log(1 + np.exp(x)), lambda x: 1 / (1 + np.exp(-x)))])
def test_smooth_activations_follow_their_formula_and_do_not_overflow(layer, f, derivative):
    x = np.linspace(-8, 8, 33)[None]
    assert_same(layer.forward(x), f(x), "forward")
    assert_same(layer.derivative(x, layer.forward(x)), derivative(x), "derivative")
    extreme = np.array([[-1e4, 1e4]], dtype=np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = layer.forward(extreme)
        dy = layer.derivative(extreme, y)
    assert y.dtype == dy.dtype == np.float32 and np.isfinite(y).all() and np.isfinite(dy).all()
    upper = {Sigmoid: 1, Tanh: 1, Softplus: 1e4}[type(layer)]
    assert y.tolist() == [[-1 if isinstance(layer, Tanh) else 0, upper]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_normal_distribution_in_blocks_is_that_at_once(dtype, monkeypatch):
    x = np.random.default_rng(0).normal(size=(7, 11, 13)).astype(dtype) * 3
    x.flat[:5] = 0.0, -0.0, np.nan, 30, -30
    at_once = activation.normal_cdf(x)
    monkeypatch.setattr(activation, "BLOCK", 64)
    for view in (x, x[::2, :, 1:], x.transpose(2, 0, 1)):
        found = activation.normal_cdf(view)
        assert found.dtype == dtype and found.shape == view.shape
        np.testing.assert_array_equal(found, activation.normal_cdf_at_once(view))
    np.testing.assert_array_equal(activation.normal_cdf(x), at_once)
    np.testing.assert_allclose(at_once.flat[:5], [0.5, 0.5, np.nan, 1, 0], 1e-6, 1e-12)
