"""Is every gradient the derivative of the forward computation, in training and in whole networks?

`checks.check_layer` asks it of single layers (test_built_in.py). Here it is asked by
central differences (f(x + h v) - f(x - h v)) / 2h along random directions v, in float64, away from kinks: at a
kink (ReLU at 0, a tie in max pooling) there is no derivative to compare with.
"""
import numpy as np
import pytest
from tests import strategies
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import gradient

from minixnn import Network, passes
from minixnn.layers import (AvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool2d, ReLU,
                            Sigmoid, Softplus, Tanh)
from minixnn.train import cross_entropy

STEP = 1e-5


def derivative(f, x, v):
    """d/dt f(x + t v) at t = 0."""
    return (f(x + STEP * v) - f(x - STEP * v)) / (2 * STEP)


def assert_derivative(f, x, gradient, rng, what=""):
    """`gradient` agrees with the central difference of the number f(x) along three random directions."""
    for _ in range(3):
        v = rng.normal(size=x.shape)
        came, expected = float((gradient * v).sum()), float(derivative(f, x, v))
        assert came == pytest.approx(expected, rel=1e-5, abs=1e-6), f"{what}: came {came}, expected {expected}"


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


def small_net(rng):
    """Every kind of layer, in float64."""
    return Network([Conv2d.random(3, 2, 6, rng), BatchNorm2d(*rng.normal(size=(3, 6)), rng.random(6) + 0.5), ReLU(),
                    MaxPool2d(3, 2, "same"), Conv2d.random((2, 3), 6, 3, rng, stride=2, padding=1), Softplus(),
                    AvgPool2d(2, 1, 1), Tanh(), Flatten(), Dropout(0.5), Dense.random(3 * 4 * 4, 4, rng), Sigmoid(),
                    Dense.random(4, 3, rng, init="glorot")]).astype(np.float64)


def test_the_gradient_pass_is_the_derivative_of_the_chosen_output():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 7, 9, 2))
    net = small_net(rng)
    R = passes.gradient(net, x, target=[2, 0])
    assert_derivative(lambda x: net.forward(x)[0, 2] + net.forward(x)[1, 0], x, R[0], rng)


def test_the_gradient_of_global_average_pooling_in_a_net_is_a_derivative():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 5, 4, 1))
    net = Network([Conv2d.random(2, 1, 3, rng), Tanh(), GlobalAvgPool(), Dense.random(3, 2, rng)]).astype(np.float64)
    start = rng.normal(size=(2, 2))
    R = passes.gradient(net, x, start=start)
    assert_derivative(lambda x: (net.forward(x) * start).sum(), x, R[0], rng)


@given(strategies.seeds, st.integers(1, 4), st.integers(2, 5))
def test_the_gradient_of_cross_entropy_is_its_derivative(seed, images, classes):
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.normal(size=(images, classes)), rng.integers(0, classes, images)
    assert_derivative(lambda z: cross_entropy(z, labels)[0], logits, cross_entropy(logits, labels)[1], rng)
