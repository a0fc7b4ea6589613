"""Batch normalisation: does it learn what it should?"""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minixnn import Network
from minixnn.layers import BatchNorm2d, ChannelScale, Conv2d, Dense, Flatten, ReLU
from minixnn.train import SGD, fit
from tests import strategies
from tests.helpers import assert_derivative, gradient


def drawn(rng, channels, dtype="float32"):
    """A layer as after training: all four arrays differ from their start, gamma and beta of both signs."""
    return BatchNorm2d(*rng.normal(size=(3, channels)).astype(dtype), (rng.random(channels) + 0.2).astype(dtype))


def test_explaining_it_is_the_formula_of_the_paper_with_fixed_statistics():
    rng = np.random.default_rng(0)
    layer, x = drawn(rng, 3, "float64"), rng.normal(size=(2, 4, 5, 3))
    expected = layer.gamma * (x - layer.mean) / np.sqrt(layer.variance + 1e-5) + layer.beta
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12)


def test_in_training_each_channel_has_mean_beta_and_deviation_gamma():
    rng = np.random.default_rng(1)
    layer, x = drawn(rng, 3, "float64"), 5 + 3 * rng.normal(size=(8, 4, 5, 3))
    y = layer.training(x, rng).forward(x)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), layer.beta, atol=1e-10)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), abs(layer.gamma), rtol=1e-4)


def test_running_statistics_move_by_the_momentum():
    rng = np.random.default_rng(2)
    layer, x = BatchNorm2d.identity(2, "float64"), 5 + 3 * rng.normal(size=(2, 3, 2, 2))
    layer.momentum = 0.3
    layer.training(x, rng)
    np.testing.assert_allclose(layer.mean, 0.3 * x.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(layer.variance, 0.7 + 0.3 * x.var(axis=(0, 1, 2), ddof=1), rtol=1e-12)


def test_running_statistics_arrive_at_those_of_the_data():
    rng = np.random.default_rng(3)
    layer = BatchNorm2d.identity(1)
    for _ in range(100):
        layer.training((5 + 3 * rng.normal(size=(100, 4, 4, 1))).astype("float32"), rng)
    assert layer.mean == pytest.approx(5, abs=0.1) and layer.variance == pytest.approx(9, abs=0.4)
    assert layer.mean.dtype == layer.variance.dtype == np.float32


def test_a_new_layer_changes_nothing_and_its_arrays_are_its_own():
    layer = BatchNorm2d.identity(2)
    x = np.random.default_rng(4).normal(size=(2, 3, 3, 2)).astype("float32")
    np.testing.assert_allclose(layer.forward(x), x, rtol=1e-5)
    arrays = list(layer.arrays().values())
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_fitting_moves_gamma_beta_and_statistics():
    rng = np.random.default_rng(5)
    net = Network([Conv2d.random(3, 1, 2, rng, bias=False), BatchNorm2d.identity(2), ReLU(), Flatten(),
                   Dense.random(32, 2, rng)])
    x, labels = rng.normal(size=(50, 4, 4, 1)).astype("float32"), rng.integers(0, 2, 50)
    before = {name: a.copy() for name, a in net.layers[1].arrays().items()}
    fit(net, x, labels, epochs=1, rng=rng, optimizer=SGD(0.1), batch_size=10, quiet=True)
    for name, a in net.layers[1].arrays().items():
        assert not np.array_equal(a, before[name]), name
        assert a.dtype == np.float32


def test_a_channel_scale_multiplies_channels():
    x = np.array([[1.0, 2.0]])
    assert ChannelScale(np.array([3.0, -1]), np.array([0.5, 0])).forward(x).tolist() == [[3.5, -2]]


@given(strategies.seeds, st.integers(2, 5), st.integers(1, 3))
def test_batch_norm_in_training_has_the_gradient_of_the_whole_batch(seed, images, channels):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, images, 2, 3, channels))
    layer = BatchNorm2d(*rng.normal(size=(3, channels)), rng.random(channels) + 0.5)
    stand_in = layer.training(x, rng)
    assert_derivative(lambda x: (stand_in.forward(x) * y).sum(), x, gradient(stand_in, x, y), rng, "x")
    for name, g in stand_in.parameter_gradients(x, y).items():
        def f(p):
            return (type(stand_in)(**{"gamma": layer.gamma, "beta": layer.beta, "epsilon": layer.epsilon, name: p})
                    .forward(x) * y).sum()
        assert_derivative(f, getattr(layer, name), g, rng, name)
