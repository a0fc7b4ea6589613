"""Whole networks for Hypothesis to draw: a few layers, normal weights, biases of both signs."""
import numpy as np
from hypothesis import strategies as st

from minixnn import Network
from minixnn.layers import (AvgPool2d, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool2d, ReLU, Sigmoid,
                            Softplus, Tanh)
from tests import strategies


def normal(rng, *shape):
    return rng.normal(size=shape)


def dense_layer(rng, inputs, outputs, bias=True):
    return Dense(normal(rng, inputs, outputs), normal(rng, outputs) if bias else None)


def conv_layer(rng, channels, outputs, bias=True, size=3, stride=1, padding="same"):
    W = normal(rng, size, size, channels, outputs) / size
    return Conv2d(W, normal(rng, outputs) if bias else None, stride, padding)


@st.composite
def dense_networks(draw, bias=True, activations=(ReLU,)):
    """(net, rng, shape of one input): one or two hidden layers."""
    rng = np.random.default_rng(draw(strategies.seeds))
    sizes = draw(st.lists(st.integers(1, 6), min_size=3, max_size=4))
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [dense_layer(rng, inputs, outputs, bias), draw(st.sampled_from(activations))()]
    return Network(layers[:-1]), rng, (sizes[0],)


@st.composite
def conv_networks(draw, bias=True, activations=(ReLU,), gap=None, channels=None):
    """(net, rng, shape of one input): convolution, activation, a pool or none, convolution, activation, a head.

    Max pools overlap, fit or leave gaps. gap: True for a head of global average pooling and one dense layer.
    """
    rng = np.random.default_rng(draw(strategies.seeds))
    C, K, classes = draw(st.integers(1, 3)) if channels is None else channels, draw(st.integers(1, 3)), 3
    shape = (draw(st.integers(4, 7)), draw(st.integers(4, 7)), C)
    f = st.sampled_from(activations)
    layers = [conv_layer(rng, C, K, bias, stride=draw(st.integers(1, 2))), draw(f)()]
    pool = draw(st.sampled_from([MaxPool2d, AvgPool2d, None]))
    if pool is not None:
        layers.append(pool(draw(st.integers(2, 3)), draw(st.integers(1, 2)), draw(st.sampled_from(["same", 1]))))
    layers += [conv_layer(rng, K, K + 1, bias, size=2), draw(f)()]
    if draw(st.booleans()) if gap is None else gap:
        return Network([*layers, GlobalAvgPool(), Dropout(), dense_layer(rng, K + 1, classes, bias)]), rng, shape
    features = Network([*layers, Flatten()]).forward(np.zeros((1, *shape))).shape[1]
    return Network([*layers, Flatten(), dense_layer(rng, features, classes, bias)]), rng, shape


SMOOTH = (ReLU, Sigmoid, Tanh, Softplus)
