"""Is one function explained alike in two ways of writing: `check_network(equivalent=...)` and the tables' column."""
import pathlib
import sys
from functools import partial

import numpy as np
import pytest

from minixnn import Dense, Network, ReLU, Sigmoid, passes
from minixnn.checks import CheckFailed, check_network
from minixnn.layers import BatchNorm2d, Conv2d, Flatten, GlobalAvgPool
from minixnn.layers.folding import fold_batch_norm
from minixnn.layers.joins import half_each, signal_takes_all
from minixnn.layers.norm import identity, scale_held_fixed
from minixnn.rules import composites, deep_taylor, lrp

EXT = pathlib.Path(__file__).parents[2] / "docs" / "_ext"
if not EXT.exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
sys.path[:0] = [str(EXT)]

import docstrings  # noqa: E402  (it and the next lie in the folder named above)
import rewritings  # noqa: E402

zero = partial(lrp.epsilon, epsilon=0)
# What follows from the formulas. Affine maps are associative, and so is LRP-0; neither signs nor a stabiliser are. A
# positive factor is in numerator and denominator, a shift is not; z+ and w^2 know no shift, and flat no weight.
BY_FORMULA = {
    "lrp.epsilon": {"merge", "norm", "residual", "rescale", "copy", "cancel"}, "lrp.epsilon_rms": set(),
    "lrp.gamma": {"rescale", "copy"}, "lrp.gamma_signed": {"rescale", "copy"}, "lrp.alpha_beta": {"rescale", "copy"},
    "lrp.flat": {"norm", "rescale", "copy", "cancel"}, "lrp.proportional": None, "deep_taylor.w_square": {"norm"},
    "deep_taylor.z_plus": {"norm", "rescale", "copy"}, "deep_taylor.z_box": {"rescale", "copy", "cancel"}}
OF_OTHERS = {identity: set(), scale_held_fixed: {"gain"}, half_each: set(), signal_takes_all: {"bracket"}}


def test_the_column_has_a_cell_for_every_rule():
    assert set(BY_FORMULA) == set(docstrings.rules(lrp, deep_taylor)) and OF_OTHERS.keys() == rewritings.OTHERS.keys()


@pytest.mark.parametrize("name", BY_FORMULA)
def test_the_column_says_what_the_formula_of_a_rule_says(name):
    found = rewritings.left_alone(docstrings.rules(lrp, deep_taylor)[name])
    assert found is None if BY_FORMULA[name] is None else set(found) == BY_FORMULA[name]


@pytest.mark.parametrize("rule", OF_OTHERS)
def test_the_column_says_of_joins_and_normalisations_what_holds(rule):
    assert set(rewritings.left_alone(rule)) == OF_OTHERS[rule]


@pytest.mark.parametrize("name", rewritings.REWRITINGS)
def test_a_rewriting_computes_the_same_and_its_gradient_is_one(name):
    for seed in range(20):
        net, other, x = rewritings.pair(name, np.random.default_rng(seed))
        assert np.allclose(net.forward(x), other.forward(x), rtol=1e-9, atol=1e-9)
        assert np.allclose(*(passes.gradient(of, x, 0)[0] for of in (net, other)), rtol=1e-9, atol=1e-9)
        assert len(net.layers) > len(other.layers) or any(
            not np.array_equal(a, b) for l, m in zip(net.layers, other.layers)
            for a, b in zip(l.arrays().values(), m.arrays().values())) or net.inputs != other.inputs


def test_what_changes_and_what_does_not_are_far_from_the_tolerance():
    """The column does not hang on the bar: what is left alone is so to a tenth of it, what changes by five times it."""
    for rule in docstrings.rules(lrp, deep_taylor).values():
        if rewritings.left_alone(rule) is not None:
            for name in rewritings.OF_AFFINE:
                off = rewritings.distance(rule, name)
                assert off < 0.1 * rewritings.TOLERANCE or off > 5 * rewritings.TOLERANCE, (rule, name, off)


# --------------------------------------------------------------------------------------------- any two networks

def folded(rng):
    """A network with batch normalisation, and the same without."""
    norm = BatchNorm2d(*(rng.uniform(0.5, 2, 4) for _ in range(4)))
    net = Network([Conv2d(rng.normal(size=(3, 3, 1, 4))), norm, ReLU(), GlobalAvgPool(),
                   Dense(rng.normal(size=(4, 3)))])
    return net, fold_batch_norm(net), rng.uniform(0, 1, (2, 6, 6, 1))


def test_a_folded_network_has_one_gradient_and_one_lrp_0():
    net, other, x = folded(np.random.default_rng(0))
    report = check_network(net, x, rules=zero, equivalent=other)
    asked = [row.property.name for row in report.whole if row.cases]
    assert {"the same outputs", "the same gradient", "the same contributions, DeepLIFT"} < set(asked)
    assert any(name.startswith("the same relevance, epsilon") for name in asked) and not report.broken


def test_a_rule_that_looks_at_signs_is_told_apart_and_by_how_much():
    net, other, x = folded(np.random.default_rng(0))
    with pytest.raises(CheckFailed) as caught:
        check_network(net, x, rules=composites.alpha2_beta1, equivalent=other)
    assert caught.value.property.startswith("the same relevance, alpha_beta")
    target = net.forward(x).argmax(axis=1)
    R, S = (passes.lrp(of, x, target, composites.alpha2_beta1)[0] for of in (net, other))
    row = next(row for row in caught.value.report.whole if row.broken)
    assert row.largest == pytest.approx(abs(R - S).max() / max(abs(R).max(), abs(S).max()))
    assert "depends on how the function is written" in " ".join(str(caught.value).split())


def test_without_rules_both_of_the_ledgers_are_asked():
    net, other, x = folded(np.random.default_rng(1))
    with pytest.raises(CheckFailed) as caught:
        check_network(net, x, equivalent=other)
    names = [row.property.name for row in caught.value.report.whole if row.property.name.startswith("the same rel")]
    assert len(names) == 2 and caught.value.report.broken == [("", "the same relevance, epsilon_plus")]


def test_networks_that_compute_something_else_fail_by_their_outputs_alone():
    net, other, x = folded(np.random.default_rng(2))
    wrong = other.replaced(0, other.layers[0].with_weights(other.layers[0].W, other.layers[0].b + 0.1))
    with pytest.raises(CheckFailed) as caught:
        check_network(net, x, rules=zero, equivalent=wrong)
    assert caught.value.report.broken == [("", "the same outputs")] and "do not compute the same" in str(caught.value)


def test_another_shape_of_the_outputs_is_another_function():
    net, other, x = folded(np.random.default_rng(3))
    with pytest.raises(CheckFailed, match="the same outputs"):
        check_network(net, x, rules=zero, equivalent=other.then(Network([Dense(np.eye(3)[:, :2])])))


def test_deeplift_notices_a_bracket_and_the_gradient_does_not():
    net, other, x = rewritings.pair("bracket", np.random.default_rng(0))
    with pytest.raises(CheckFailed) as caught:
        check_network(net, x, rules=composites.cp_lrp, equivalent=other)
    assert caught.value.report.broken == [("", "the same contributions, DeepLIFT")]


def test_a_squashing_head_on_both_is_left_out_as_everywhere():
    net, other, x = folded(np.random.default_rng(4))
    squashed = [of.then(Network([Dense(np.ones((3, 1))), Sigmoid()])) for of in (net, other)]
    assert not check_network(squashed[0], x, rules=zero, equivalent=squashed[1]).broken


def test_a_list_of_rules_for_two_networks_is_refused_in_a_sentence():
    net = Network([Flatten(), Dense(np.ones((4, 2)))])
    with pytest.raises(ValueError, match="got a list of rules for two networks"):
        check_network(net, np.ones((1, 4)), rules=[None, lrp.epsilon], equivalent=net)
