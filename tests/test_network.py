"""Does a network run, describe itself, and come back from its file as it went in?"""
from functools import partial

import numpy as np
import pytest

from tests.registry import every_layer

from minixnn import Network
from minixnn import layers as kinds
from minixnn.layers import Conv2d, Dense, Dropout, Flatten, MaxPool2d, ReLU
from minixnn.rules import composites, lrp


X = np.random.default_rng(1).normal(size=(5, 8, 9, 2)).astype("float32")


def test_each_entry_of_the_trace_follows_from_those_that_enter():
    net = every_layer()
    A = net.trace(X)
    assert len(A) == len(net.layers) + 1 and A[0] is X
    for l, layer in enumerate(net.layers):
        assert np.array_equal(layer.forward(net.entering(A, l)), A[l + 1])
    assert np.array_equal(net.forward(X), A[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_keep_the_dtype_of_the_images(dtype):
    assert {a.dtype for a in every_layer(dtype).trace(X.astype(dtype))} == {np.dtype(dtype)}


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_predict_gives_the_same_in_batches_of_any_size(batch_size, monkeypatch):
    net, sizes = every_layer(), []
    forward = net.layers[0].forward
    monkeypatch.setattr(net.layers[0], "forward", lambda x: sizes.append(len(x)) or forward(x), raising=False)
    np.testing.assert_allclose(net.predict(X, batch_size), every_layer().forward(X), rtol=1e-5, atol=1e-6)
    assert sum(sizes) == 5 and max(sizes) == min(batch_size, 5)


def test_astype_and_on_give_copies_and_leave_the_original():
    net = every_layer()
    for copy in (net.astype("float64"), net.astype("float32"), net.on(np)):
        for layer, twin in zip(net.layers, copy.layers):
            assert twin is not layer
            assert twin.settings() == layer.settings() or isinstance(layer, kinds.ToFloat)
            for name, array in layer.arrays().items():
                other = twin.arrays()[name]
                assert (array is None) == (other is None) and (array is None or not np.shares_memory(array, other))
    assert net.forward(X).dtype == np.float32
    assert net.astype("float64").forward(X.astype("float64")).dtype == np.float64


def test_describe_is_a_table_of_layers_shapes_parameters_and_rules():
    net = Network([Conv2d(np.ones((3, 3, 1, 8)), np.ones(8), stride=2), ReLU(), MaxPool2d(2), Flatten(), Dropout(0.25),
                   Dense(np.ones((1800, 10)))])
    table = net.describe(rules=composites.epsilon_plus_flat, x=np.ones((1, 61, 61, 1)))
    head, *rows = table.splitlines()
    assert head.split() == ["l", "layer", "output", "shape", "parameters", "rule"] and len(rows) == 6
    assert [row.split()[0] for row in rows] == list("012345")
    for l, parts in enumerate([["Conv2d(3x3, 1 -> 8, stride (2, 2))", "(31, 31, 8)", " 80 ", "flat"],
                               ["ReLU()", "(31, 31, 8)"], ["MaxPool2d", "(15, 15, 8)"], ["Flatten()", "(1800,)"],
                               ["Dropout(rate=0.25)", "(1800,)"],
                               ["Dense(1800 -> 10, no bias)", "(10,)", "18,000", "epsilon"]]):
        for part in parts:
            assert part in rows[l] + " ", f"{part!r} is missing in {rows[l]!r}"
    assert "(31" not in net.describe() and "flat" not in net.describe() and "18,000" in net.describe()


def test_describe_names_the_knobs_of_a_rule():
    net = Network([Dense(np.ones((2, 2)))])
    assert "alpha_beta (alpha=1, beta=0)" in net.describe(partial(lrp.alpha_beta, alpha=1, beta=0))
    assert "epsilon" in net.describe(lrp.epsilon)
    with pytest.raises(ValueError, match="2 rules for 1 layers"):
        net.describe([None, None])


def test_a_network_shows_its_layers():
    assert repr(Network([Dense(np.ones((2, 3))), ReLU()])) == "Network([Dense(2 -> 3, no bias), ReLU()])"


def test_a_network_without_layers_is_refused():
    with pytest.raises(ValueError, match="no layers, expected a list"):
        Network([])
