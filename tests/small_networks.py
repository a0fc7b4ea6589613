"""Whole networks for Hypothesis to draw: a few layers, normal weights, biases of both signs; and random graphs."""
import numpy as np
from hypothesis import strategies as st

from minixnn import Network, layers
from minixnn.checks import strategies as quarters
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


@st.composite
def graphs(draw, kinds_between=(ReLU,), joins=quarters.JOINS, steps=8):
    """(net, shape of one input): a random graph of dense layers, activations and joins on vectors.

    Any activation may be read again, once or several times, also twice by the same join; joins meet in joins; a dense
    layer may stand in several places. In the end all that nothing has read is put side by side.
    """
    rng, sizes = np.random.default_rng(draw(quarters.seeds)), {0: draw(st.integers(1, 4))}      # {i: entries of A[i]}
    chosen, inputs = [], []

    def put(layer, *sources, size=None):
        chosen.append(layer)
        inputs.append(sources)
        if size is not None:                    # a vector, which others may read
            sizes[len(chosen)] = size

    def dense(i, n):
        put(layers.Dense(rng.choice(quarters.grid(), (sizes[i], n)) / 2, rng.choice(quarters.grid(), n)), i, size=n)

    for _ in range(draw(st.integers(1, steps))):
        i = draw(st.sampled_from(sorted(sizes)))
        few = sum(isinstance(layer, (layers.Multiply, layers.MatMul)) for layer in chosen) < 2
        ways = ["dense", "again", "activation"]
        ways += [join for join in joins if few or join in (layers.Add, layers.Concat)]
        what = draw(st.sampled_from(ways))      # a product of products of products grows beyond measure
        alike = [j for j, n in sizes.items() if n == sizes[i]]
        others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2))
        shared = [layer for layer in chosen if isinstance(layer, layers.Dense) and len(layer.W) == sizes[i]]
        if what == "again" and shared:
            layer = draw(st.sampled_from(shared))
            put(layer, i, size=layer.W.shape[1])
        elif what in ("dense", "again"):
            dense(i, draw(st.sampled_from([sizes[i], 1, 2, 3])))
        elif what == "activation":
            put(draw(st.sampled_from(kinds_between))(), i, size=sizes[i])
        elif what is layers.Concat:
            put(layers.Concat(), i, *others, size=sizes[i] * (1 + len(others)))
        elif what is layers.MatMul:             # an outer product: a column times a row
            put(layers.Unflatten((sizes[i], 1)), i)
            put(layers.Unflatten((1, sizes[i])), others[0])
            put(layers.MatMul(), len(chosen) - 1, len(chosen))
            put(layers.Flatten(), len(chosen), size=sizes[i] ** 2)
        else:
            put(what(), i, *others, size=sizes[i])
    read = {i for sources in inputs for i in sources}
    loose = [i for i in sizes if i not in read]
    if len(loose) > 1:
        put(layers.Concat(), *loose, size=sum(sizes[i] for i in loose))
    dense(len(chosen), 3)
    return Network(chosen, inputs), (sizes[0],)
