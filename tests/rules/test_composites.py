"""Does every composite put the rule where its name says?"""
import inspect
from functools import partial

import numpy as np
import pytest

from minixnn import Network, layers, passes
from minixnn.layers import (AvgPool2d, BatchNorm2d, Branches, Conv2d, Dense, Dropout, Flatten, GlobalAvgPool,
                            LayerNorm, MaxPool2d, ReLU, Residual, Sigmoid, SumPool2d)
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt
from minixnn.rules.composites import name_of

RNG = np.random.default_rng(0)
NET = Network([Conv2d.random(3, 1, 4, RNG), BatchNorm2d.identity(4), ReLU(), MaxPool2d(2), Conv2d.random(3, 4, 4, RNG),
               ReLU(), AvgPool2d(2), Conv2d.random(1, 4, 4, RNG), ReLU(), SumPool2d(2), Flatten(), Dropout(),
               Dense.random(4, 5, RNG), ReLU(), Dense.random(5, 3, RNG)])
GAP = Network([Conv2d.random(3, 1, 4, RNG), ReLU(), GlobalAvgPool(), Dense.random(4, 3, RNG)])
DENSE = Network([Flatten(), Dense.random(64, 5, RNG), ReLU(), Dense.random(5, 3, RNG)])
IMAGES = RNG.random((2, 8, 8, 1)).astype("float32")
PLUS, TWO_ONE, EPSILON = "alpha_beta (alpha=1.0, beta=0.0)", "alpha_beta (alpha=2.0, beta=1.0)", "epsilon"
GAMMA, BOX = "gamma (gamma=0.25)", "z_box (low=0.0, high=1.0)"
# name: the rules of the first convolution, the further ones, dense layers, max pools, other affine layers
EXPECTED = {
    "epsilon_plus": (PLUS, PLUS, EPSILON, "", EPSILON),
    "epsilon_plus_flat": ("flat", PLUS, EPSILON, "", EPSILON),
    "epsilon_alpha2_beta1": (TWO_ONE, TWO_ONE, EPSILON, "", EPSILON),
    "epsilon_alpha2_beta1_flat": ("flat", TWO_ONE, EPSILON, "", EPSILON),
    "epsilon_gamma_box": (BOX, GAMMA, EPSILON, "", EPSILON),
    "attn_lrp": (EPSILON,) * 3 + ("", EPSILON),
    "cp_lrp": (EPSILON,) * 3 + ("", EPSILON),
    "deep_taylor": ("w_square", "z_plus", "z_plus", "proportional", EPSILON),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_composite_gives_each_kind_of_layer_its_rule(name):
    first, conv, dense, max_pool, affine = EXPECTED[name]
    found = [name_of(rule) for rule in getattr(composites, name)(NET)]
    assert found == [first, affine, "", max_pool, conv, "", affine, conv, "", affine, "", "", dense, "", dense]
    assert [name_of(rule) for rule in getattr(composites, name)(GAP)] == [first, "", affine, dense]


@pytest.mark.parametrize("name, first", [("epsilon_plus", EPSILON), ("epsilon_plus_flat", "flat"),
                                         ("epsilon_alpha2_beta1_flat", "flat"), ("epsilon_gamma_box", BOX),
                                         ("deep_taylor", "w_square")])
def test_the_rule_for_the_pixels_goes_to_the_first_layer_with_weights(name, first):
    found = [name_of(rule) for rule in getattr(composites, name)(DENSE)]
    assert found == ["", first, "", "z_plus" if name == "deep_taylor" else EPSILON]


def test_by_depth_is_gamma_below_and_a_proportional_stabiliser_above():
    rms = "epsilon_rms (share=0.25)"
    found = [name_of(rule) for rule in composites.by_depth(NET)]
    assert found == [BOX, EPSILON, "", "", GAMMA, "", EPSILON, rms, "", rms, "", "", rms, "", rms]
    found = [name_of(rule) for rule in composites.by_depth(GAP, share=1.0)]
    assert found == [BOX, "", EPSILON, "epsilon_rms (share=1.0)"]


def test_no_composite_is_left_untested():
    found = {name for name, f in vars(composites).items() if composites.is_composite(f) and not name.startswith("_")
             and next(iter(inspect.signature(f).parameters)) == "net"}
    assert found == {*EXPECTED, "by_depth"}


def test_knobs_reach_the_rules():
    rules = composites.epsilon_gamma_box(NET, low=-1, high=2, gamma=0.5)
    assert rules[0].func is dt.z_box and rules[0].keywords == {"low": -1, "high": 2}
    assert rules[4].func is lrp.gamma and rules[4].keywords == {"gamma": 0.5}
    box = composites.deep_taylor(NET, low=-1, high=2)[0]
    assert box.func is dt.z_box and box.keywords == {"low": -1, "high": 2}


@pytest.mark.parametrize("bounds", [{"low": 0}, {"high": 1}])
def test_deep_taylor_wants_both_bounds_or_neither(bounds):
    with pytest.raises(ValueError, match="both bounds.*or neither"):
        composites.deep_taylor(NET, **bounds)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_composite_can_be_given_as_itself_called_or_as_a_partial(name, dtype):
    composite = getattr(composites, name)
    net, x = NET.astype(dtype), IMAGES.astype(dtype)
    expected = passes.lrp(net, x, rules=composite(net))
    for rules in (composite, partial(composite), tuple(composite(net))):
        came = passes.lrp(net, x, rules=rules)
        assert all(np.array_equal(a, b) for a, b in zip(came, expected))
    assert {R.dtype for R in expected} == {np.dtype(dtype)}
    assert [R.shape for R in expected] == [a.shape for a in net.trace(x)]
    assert np.isfinite(expected[0]).all() and expected[0].any()


def test_one_rule_serves_every_affine_layer():
    rules = composites.rules_for(NET, lrp.flat)
    assert [rule is lrp.flat for rule in rules] == [name_of(r) != "" for r in composites.epsilon_plus(NET)]


def test_a_composite_of_ones_own_is_told_by_its_one_argument():
    def all_flat(net):
        return [lrp.flat if hasattr(layer, "W") else None for layer in net.layers]

    assert np.array_equal(passes.lrp(NET, IMAGES, rules=all_flat)[0], passes.lrp(NET, IMAGES, rules=lrp.flat)[0])
    assert [name_of(r) for r in composites.by_kind(NET, conv=lrp.flat, dense=dt.w_square)] == [
        name_of(r).replace(PLUS, "flat") if l < 12 else name_of(r).replace(EPSILON, "w_square")
        for l, r in enumerate(composites.epsilon_plus(NET))]


def test_gamma_goes_where_nothing_is_negative_and_gamma_signed_elsewhere():
    W = np.random.default_rng(0).normal(size=(3, 3, 4, 4))
    conv, wide = Conv2d(W), Conv2d(np.tile(W, (1, 1, 2, 1)))
    net = Network([conv, ReLU(), conv, ReLU(), conv, layers.GELU(), conv, layers.ReLU6(), layers.MaxPool2d(2), conv,
                   layers.MaxPool2d(1), ReLU(), Residual([conv, ReLU()]), conv, ReLU(),
                   Branches([[ReLU()], [Sigmoid()]]), wide, layers.Clip(0, 9), LayerNorm(), conv, ReLU(),
                   GlobalAvgPool(), Dense(np.eye(4))])
    rules = composites.epsilon_gamma_box(net, low=-9, high=9)
    chosen = [rules[l].func.__name__ for l, layer in enumerate(net.layers) if isinstance(layer, Conv2d)]
    assert chosen == ["z_box", "gamma", "gamma_signed", "gamma_signed", "gamma", "gamma", "gamma", "gamma",
                      "gamma_signed"]
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 4))
    assert np.isfinite(passes.lrp(net, x, rules=rules)[0]).all()
