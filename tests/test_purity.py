"""Do passes leave network and images as they were, and float32 as float32? Single layers: test_built_in.py."""
import copy
from functools import partial

import numpy as np
import pytest
from tests.registry import EXAMPLES

from minixnn import Network, passes
from minixnn.layers import (Affine, AvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Flatten, MaxPool2d, ReLU, Residual,
                            Softplus)
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt

RNG = np.random.default_rng(0)
RULES = {"epsilon": lrp.epsilon, "LRP-0": partial(lrp.epsilon, epsilon=0), "gamma": lrp.gamma,
         "gamma_signed": lrp.gamma_signed, "alpha_beta": lrp.alpha_beta, "flat": lrp.flat, "z_plus": dt.z_plus,
         "alpha1 beta0": partial(lrp.alpha_beta, alpha=1, beta=0), "w_square": dt.w_square,
         "z_box": partial(dt.z_box, low=0, high=1),
         "z_box a channel": partial(dt.z_box, low=np.zeros(1), high=np.ones(1))}


def frozen(*arrays):
    """The arrays, refusing to be written to."""
    for a in arrays:
        a.flags.writeable = False
    return arrays


@pytest.mark.parametrize("verb", ["gradient", "deconvnet", "guided_backprop"])
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "Dropout"])
def test_what_a_verb_returns_shares_no_buffer_with_the_next_call(name, verb):
    """A reused buffer must not be handed out: the first result would change under the caller's feet."""
    layer, shape = EXAMPLES[name]
    layer = layer.map_arrays(lambda a: a.astype("float32"))
    x = RNG.random(shape).astype("float32")
    y, dy = layer.forward(x), np.ones_like(layer.forward(x))
    kept, g = y.copy(), getattr(layer, verb)(x, y, dy)
    kept_g = g.copy()
    other = layer.forward(x + 1)
    getattr(layer, verb)(x + 1, other, 2 * dy)
    assert np.array_equal(y, kept) and np.array_equal(g, kept_g)
    assert not np.shares_memory(y, other)


def whole_net():
    return Network([Conv2d.random(3, 1, 6, RNG), BatchNorm2d.identity(6), ReLU(), MaxPool2d(2),
                    Residual([Conv2d.random(1, 6, 6, RNG), ReLU()]), ReLU(),
                    Conv2d.random(3, 6, 4, RNG, stride=2), Softplus(), AvgPool2d(2, 1, 1), Flatten(), Dropout(),
                    Dense.random(36, 5, RNG), ReLU(), Dense.random(5, 3, RNG, bias=False)])


COMPOSITES = {name: getattr(composites, name) for name in (
    "epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat", "epsilon_gamma_box",
    "deep_taylor")}


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["gradient", "deconvnet", "guided_backprop", "deep_taylor", "deeplift", *RULES,
                                  *COMPOSITES])
def test_no_pass_changes_the_network_or_the_images_or_the_dtype(name, dtype):
    net, x = whole_net().astype(dtype), RNG.random((2, 8, 8, 1)).astype(dtype)
    net = net.map_arrays(lambda a: frozen(a)[0])
    frozen(x)
    before = copy.deepcopy([vars(layer) for layer in net.layers])
    if name in RULES or name in COMPOSITES:
        first = [RULES.get(name)] + [lrp.epsilon if isinstance(layer, Affine) else None for layer in net.layers[1:]]
        R = passes.lrp(net, x, rules=COMPOSITES.get(name, first))
    elif name == "deeplift":
        R = passes.deeplift(net, x, np.zeros((1, 8, 8, 1)))
    else:
        R = getattr(passes, name)(net, x)
    assert {r.dtype for r in R} == {np.dtype(dtype)}, [r.dtype for r in R]
    for layer, old in zip(net.layers, before):
        assert vars(layer).keys() == old.keys()
        assert all(np.array_equal(vars(layer)[key], old[key]) for key in old)


@pytest.mark.parametrize("target", [1, [0, 2], np.array([0, 2])])
def test_targets_and_starts_are_left_alone(target):
    net, x = whole_net(), RNG.random((2, 8, 8, 1)).astype("float32")
    kept = copy.deepcopy(target)
    passes.lrp(net, x, target)
    assert np.array_equal(target, kept)
    start, = frozen(np.ones((1, 3)))
    assert passes.lrp(net, x, start=start)[-1].dtype == np.float32


def test_the_trace_is_not_changed_by_a_pass_over_it():
    """ReLU and Dropout may hand on their input: nothing downstream may write into it."""
    net, x = whole_net(), RNG.random((2, 8, 8, 1)).astype("float32")
    A = net.trace(x)
    kept = [a.copy() for a in A]
    for l, layer in enumerate(net.layers):
        layer.forward(net.entering(A, l))
        layer.gradient(net.entering(A, l), A[l + 1], A[l + 1])
    assert all(map(np.array_equal, A, kept))
