"""Does the way back of a pass compute an output that it has at hand a second time, and is it never the wrong one?"""
import copy
import pickle

import numpy as np
import pytest
import small_networks
from hypothesis import given
from small_networks import conv_layer, dense_layer

from minixnn import Network, passes
from minixnn.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU, Residual
from minixnn.layers.base import recalling
from minixnn.rules import composites, lrp


def network(rng):
    block = Residual([conv_layer(rng, 3, 3), ReLU(), MaxPool2d(3, 1, "same"), conv_layer(rng, 3, 3)])
    return Network([conv_layer(rng, 2, 3), ReLU(), block, MaxPool2d(2), Flatten(), dense_layer(rng, 12, 4)])


def by_hand(net, x, rules):
    """`passes.lrp` with the layers themselves, which recall nothing."""
    A, rules = net.trace(x), composites.rules_for(net, rules)
    R = passes.target_only(A[-1])
    for l in reversed(range(len(net.layers))):
        R = net.layers[l].lrp(A[l], R, rules[l])
    return R


@given(small_networks.conv_networks(activations=small_networks.SMOOTH))
def test_a_pass_finds_what_a_loop_over_the_layers_themselves_finds(drawn):
    net, rng, shape = drawn
    x = rng.normal(size=(2, *shape))
    for rules in (lrp.epsilon, lrp.gamma_signed, lrp.alpha_beta):
        assert np.array_equal(passes.lrp(net, x, rules=rules)[0], by_hand(net, x, rules)), rules


@pytest.mark.parametrize("rule, again", [(lrp.epsilon, 0), (composites.alpha1_beta0, 1)],
                         ids=["epsilon", "alpha1 beta0"])
def test_a_rule_computes_only_the_outputs_that_the_pass_has_not(rule, again, monkeypatch):
    rng, calls = np.random.default_rng(0), {Conv2d: 0, Dense: 0, MaxPool2d: 0}
    for kind in calls:
        def forward(self, x, kind=kind, original=kind.forward):
            calls[kind] += 1
            return original(self, x)
        monkeypatch.setattr(kind, "forward", forward)
    net = Network([conv_layer(rng, 2, 3), ReLU(), MaxPool2d(2), conv_layer(rng, 3, 3), ReLU(), Flatten(),
                   dense_layer(rng, 12, 4)])
    passes.lrp(net, abs(rng.normal(size=(2, 4, 4, 2))), rules=rule)
    assert calls == {Conv2d: 2 * (1 + again), Dense: 1 + again, MaxPool2d: 1}


@pytest.mark.parametrize("layer", [conv_layer(np.random.default_rng(1), 2, 3),
                                   dense_layer(np.random.default_rng(2), 5, 4)], ids=repr)
def test_only_the_very_array_is_recalled_and_never_for_other_weights(layer):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 4, 4, 2) if isinstance(layer, Conv2d) else (2, 5))
    y = layer.forward(x)
    twin, = recalling([layer], [x, y])
    assert twin.forward(x) is y and type(twin) is type(layer) and repr(twin) == repr(layer)
    other = x.copy()
    other[0] += 1
    assert np.array_equal(twin.forward(other), layer.forward(other))
    doubled = twin.with_weights(2 * layer.W, None)
    assert np.allclose(doubled.forward(x), 2 * (y - layer.b))
    for copied in (copy.copy(twin), copy.deepcopy(twin), pickle.loads(pickle.dumps(twin))):
        copied.W = 2 * layer.W                              # a rule that does not know of with_weights
        copied.b = None
        assert np.allclose(copied.forward(x), 2 * (y - layer.b))
    assert "forward" not in vars(layer)


def test_a_rule_that_writes_into_z_spoils_nothing():
    def careless(layer, x, R):
        z = layer.forward(x)
        z += 1e-3
        np.divide(R, z, out=z)
        return x * layer.gradient(x, z)

    def careful(layer, x, R):
        return x * layer.gradient(x, R / (layer.forward(x) + 1e-3))

    rng = np.random.default_rng(4)
    net, x = network(rng), rng.normal(size=(3, 4, 4, 2))
    before = x.copy()
    found, expected = (passes.lrp(net, x, rules=rule) for rule in (careless, careful))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected)) and np.array_equal(x, before)
