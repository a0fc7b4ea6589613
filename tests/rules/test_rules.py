"""Is every rule the formula of its paper, for inputs and biases of both signs?"""
import inspect
from functools import partial

import numpy as np
from tests import oracles
import pytest
from tests import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers import apply, assert_same, gradient, host, on, relevance
from tests.registry import RULES
from tests.vectors import oracle

from minixnn.arrays import positive, stabilize
from minixnn.layers import AvgPool2d, Conv2d, Dense, GlobalAvgPool, MaxPool2d, SumPool2d
from minixnn.rules import deep_taylor as dt
from minixnn.rules import lrp


def of_the_paper(formula):
    """The exact loop of vectors/oracle.py for a formula of `minixnn.checks.definitions`, with its knobs."""
    name = getattr(formula, "func", formula).__name__
    knobs = {key: p.default for key, p in inspect.signature(formula).parameters.items() if p.default is not p.empty}
    return partial(getattr(oracle, {"flat": "flat_rule"}.get(name, name)), **knobs)


# {name: (rule, the loop it must agree with, the smallest input drawn, in quarters)}
FORMULAS = {name: (rule, of_the_paper(formula), 0 if claims.get("domain") == "nonnegative" else -8)
            for name, (rule, formula, claims) in RULES.items() if claims.get("domain") != (0, 1)}


def assert_relevance(came, expected, what):
    """Equal, measured against the largest relevance: each is a sum of quotients, which float32 rounds."""
    came = host(came)
    room = (2e-4 if came.dtype == "float32" else 1e-9) * max(1.0, abs(expected).max())
    off = abs(came - expected)
    assert came.shape == expected.shape
    assert off.max() <= room, f"{what}: came {came.flat[off.argmax()]}, expected {expected.flat[off.argmax()]}"


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=30)                     # test_affine_layers.py asks the same of each layer of the registry
@given(data=st.data())
def test_a_rule_is_the_double_sum_of_its_paper(xp, name, data):
    rule, formula, least = FORMULAS[name]
    layer, x, rng = data.draw(strategies.cases(least=least))
    R = strategies.grid(rng, oracles.forward(layer, x).shape, x.dtype)
    ours, x_ours, R_ours = on(xp, layer, x, R)
    R_x = relevance(ours, x_ours, R_ours, rule)
    assert R_x.dtype == x.dtype
    assert_relevance(R_x, oracles.relevance(layer, x, R, formula), f"{name} of {layer!r}")


@given(case=strategies.cases(), share=st.sampled_from([0, 0.1, 0.25, 2.0]))
def test_epsilon_rms_is_epsilon_with_a_stabiliser_for_each_image(case, share):
    layer, x, rng = case
    R = strategies.grid(rng, oracles.forward(layer, x).shape, x.dtype)
    R_x = relevance(layer, x, R, partial(lrp.epsilon_rms, share=share))
    assert R_x.dtype == x.dtype
    for n in range(len(x)):
        size = np.sqrt(np.mean(np.square(layer.forward(x[[n]]).astype("float64"))))
        alone = partial(oracle.epsilon, epsilon=share * size)
        assert_relevance(R_x[[n]], oracles.relevance(layer, x[[n]], R[[n]], alone), f"share {share} of {layer!r}")


def test_epsilon_rms_refuses_a_share_below_zero():
    with pytest.raises(ValueError, match="got share=-1, expected 0 or more"):
        lrp.epsilon_rms(Dense(np.eye(2)), np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 2)), share=-1)


# --- the layer of the table of conventions, whose numbers are in the vectors: two outputs, three inputs ------------

LAYER = Dense(np.array([[1, 2, 3], [-1, -0.5, 2]]).T, np.array([0.5, -0.5]))
X, ONES = np.array([[1.0, -1.0, 2.0]]), np.array([[1.0, 1.0]])


# --- identities --------------------------------------------------------------------------------------------------

@given(strategies.cases(dtype="float64"))
def test_lrp_0_started_at_the_output_is_gradient_times_input(case):
    """R_k = z_k gives s = 1 wherever z_k is not 0."""
    layer, x, _ = case
    z = layer.forward(x)
    came = apply(lrp.epsilon, layer, x, z, epsilon=0)
    assert_same(came, x * gradient(layer, x, (z != 0).astype(z.dtype)), repr(layer))


@given(strategies.cases(dtype="float64", least=0))
def test_gamma_of_zero_is_lrp_0_and_signed_gamma_agrees_with_gamma(case):
    layer, x, rng = case
    z = layer.forward(x)
    R = strategies.grid(rng, z.shape, x.dtype)
    expected = apply(lrp.epsilon, layer, x, R, epsilon=0)
    assert_relevance(apply(lrp.gamma, layer, x, R, gamma=0), expected, "gamma = 0")
    assert_relevance(apply(lrp.gamma_signed, layer, x, R, gamma=0), expected, "gamma_signed = 0")
    R *= z >= 0
    plain = apply(lrp.gamma, layer, x, R, gamma=.5)
    assert_relevance(apply(lrp.gamma_signed, layer, x, R, gamma=.5), plain, "gamma_signed")


@given(strategies.cases(dtype="float64"))
def test_a_huge_gamma_is_alpha1_beta0_where_something_is_positive(case):
    """What is positive outgrows all else; where nothing is, gamma keeps LRP-0 and alpha1-beta0 has no taker."""
    layer, x, rng = case
    x = abs(x) + 0.25
    excited = layer.with_weights(positive(layer.W), positive(layer.b)).forward(x)
    R = strategies.grid(rng, excited.shape, x.dtype) * (excited > 0)
    came = apply(lrp.gamma, layer, x, R, gamma=1e9)
    assert came == pytest.approx(apply(lrp.alpha_beta, layer, x, R, alpha=1, beta=0), rel=1e-5, abs=1e-5)


@given(strategies.cases(dtype="float64"))
def test_z_box_without_a_box_is_lrp_0_without_bias(case):
    layer, x, rng = case
    R = strategies.grid(rng, layer.forward(x).shape, x.dtype)
    unbiased = layer.with_weights(layer.W, None)
    assert_relevance(apply(dt.z_box, layer, x, R, 0, 0), apply(lrp.epsilon, unbiased, x, R, epsilon=0), repr(layer))


@given(strategies.cases(dtype="float64"), st.sampled_from([0.25, 3.0]))
def test_relevance_scales_with_what_started_and_not_with_the_weights(case, factor):
    layer, x, rng = case
    R = strategies.grid(rng, layer.forward(x).shape, x.dtype)
    scaled = layer.with_weights(factor * layer.W, None if layer.b is None else factor * layer.b)
    for name, (rule, _, least) in FORMULAS.items():
        if "epsilon" in name:                       # the stabiliser has a scale of its own
            continue
        here = abs(x) if least == 0 else x
        expected = apply(rule, layer, here, R)
        assert_relevance(apply(rule, layer, here, factor * R), factor * expected, f"{name}, {factor} R")
        assert_relevance(apply(rule, scaled, here, R), expected, f"{name}, {factor} W and b")


@settings(max_examples=30)
@given(strategies.seeds)
def test_a_shifted_image_has_a_shifted_explanation(seed):
    """Away from the border a convolution treats all places alike, and so must every rule."""
    rng = np.random.default_rng(seed)
    layer = Conv2d(strategies.grid(rng, (3, 3, 1, 2), "float64"), strategies.grid(rng, 2, "float64"))
    x, R = np.zeros((1, 12, 12, 1)), np.zeros((1, 12, 12, 2))
    x[:, 3:6, 3:6] = strategies.grid(rng, (3, 3, 1), "float64", least=0)
    R[:, 3:6, 3:6] = strategies.grid(rng, (3, 3, 2), "float64")
    for name, (rule, _, _) in FORMULAS.items():
        here = apply(rule, layer, x, R)
        there = apply(rule, layer, np.roll(x, (2, 3), (1, 2)), np.roll(R, (2, 3), (1, 2)))
        assert_relevance(there, np.roll(here, (2, 3), (1, 2)), name)


@given(strategies.max_pools(dtype="float64"))
def test_proportional_max_pooling_and_average_pooling_share_the_sum(case):
    layer, x, rng = case
    R = strategies.grid(rng, layer.forward(x).shape, x.dtype)
    came = relevance(layer, x, R, lrp.proportional)
    average = AvgPool2d(layer.size, layer.stride, layer.padding)
    assert_relevance(came, oracles.relevance(average, x, R, oracle.epsilon), repr(layer))
    assert_relevance(relevance(average, x, R, partial(lrp.epsilon, epsilon=0)), came, "average pooling")
    assert_relevance(relevance(average, x, R, lrp.proportional), came, "proportional of an average pool")
    total = SumPool2d(layer.size, layer.stride, layer.padding)
    assert_relevance(relevance(total, x, R, lrp.proportional), came, "sum pool")


@given(strategies.cases(kinds=st.one_of(strategies.conv, strategies.pool), dtype="float64"))
def test_flat_does_not_count_padding(case):
    """Every output is shared equally by the real pixels it sees, so ones come from every R = 1 they touch."""
    layer, x, _ = case
    links, _ = oracles.connections(layer, x.shape[1:])
    R_x = apply(lrp.flat, layer, x, np.ones(layer.forward(x).shape))
    seen = sum(bool(window) for window in links) * len(x)
    assert R_x.sum() == pytest.approx(seen), f"{layer!r}: arrived {R_x.sum()}, outputs that see a pixel: {seen}"


@pytest.mark.parametrize("bounds", [
    (np.float64(-1), np.float64(2)), (np.array([-1.0, -0.5, 0]), np.array([1.0, 1.5, 2])),
    (np.full((4, 5, 3), -1.0), np.full((4, 5, 3), 2.0)), (-1, 2)], ids=["numbers", "a channel", "a pixel", "int"])
def test_the_box_may_differ_by_channel_or_pixel_in_float32(bounds):
    rng = np.random.default_rng(0)
    layer = Conv2d.random(3, 3, 2, rng)
    low, high = (np.broadcast_to(np.asarray(bound, "float32"), (4, 5, 3)) for bound in bounds)
    x = (low + rng.random((2, 4, 5, 3)) * (high - low)).astype("float32")
    R = rng.normal(size=(2, 4, 5, 2)).astype("float32")
    came = apply(dt.z_box, layer, x, R, *bounds)
    assert came.dtype == np.float32

    wide = layer.map_arrays(lambda a: a.astype("float64"))
    lowest, highest = (layer.with_weights(part(layer.W, 0), None) for part in (np.maximum, np.minimum))
    z = wide.with_weights(wide.W, None).forward(x) - lowest.forward(low[None]) - highest.forward(high[None])
    s = R / z
    expected = x * gradient(wide, x, s) - low * gradient(lowest, x, s) - high * gradient(highest, x, s)
    assert_relevance(came, expected, "z_box")
    assert came.sum() == pytest.approx(R.sum(), rel=1e-3)


def test_a_sum_of_zero_takes_the_positive_sign_in_the_stabiliser():
    layer = Dense(np.array([[1.0], [-1.0]]))
    for zero in (np.array([[1.0, 1.0]]), np.array([[-1.0, -1.0]])):
        x = zero * 1.0
        R = apply(lrp.epsilon, layer, x, np.array([[2.0]]), epsilon=0.5)
        assert R.tolist() == [[4 * x[0, 0], -4 * x[0, 1]]], R


def test_negative_zero_takes_the_positive_sign_too():
    z = np.array([[-0.0, 0.0, -2.0, 3.0]])
    assert stabilize(z, 0.5).tolist() == [[0.5, 0.5, -2.5, 3.5]]
    assert stabilize(z).tolist() == [[np.inf, np.inf, -2, 3]], "R / inf = 0: nothing is handed on"


@pytest.mark.parametrize("name", FORMULAS)
def test_a_neuron_that_nothing_adds_up_to_gives_no_nan(name):
    """All inputs zero, all weights of one sign, a window of nothing: 0 / 0 in the textbook formula."""
    rule = FORMULAS[name][0]
    for layer, shape in ((Dense(np.array([[-1.0, 1, 0]] * 2)), (1, 2)), (Conv2d(np.ones((3, 3, 1, 1))), (1, 4, 4, 1)),
                         (GlobalAvgPool(), (1, 2, 2, 1))):
        for x in (np.zeros(shape), np.ones(shape)):
            R = apply(rule, layer, x, np.ones(layer.forward(x).shape))
            assert np.isfinite(R).all(), (name, layer, R)


@pytest.mark.parametrize("alpha, beta", [(2, 2), (1, 1), (0, -1), (0.5, 0), (1, -0.5)])
def test_alpha_minus_beta_must_be_one(alpha, beta):
    with pytest.raises(ValueError, match="alpha - beta = 1"):
        apply(lrp.alpha_beta, LAYER, X, ONES, alpha=alpha, beta=beta)


@pytest.mark.parametrize("rule, hint", [(dt.z_plus, "z_box"), (lrp.gamma, "gamma_signed")])
def test_a_negative_input_is_refused_with_the_rule_to_use_instead(rule, hint):
    with pytest.raises(ValueError, match=f"negative inputs.*{hint}"):
        apply(rule, LAYER, X, ONES)


@pytest.mark.parametrize("low, high", [(-3, 1.9), (-0.9, 3), (np.array([-3, -3, 2.1]), 3), (0, 1e-9)])
def test_pixels_outside_the_box_are_refused(low, high):
    with pytest.raises(ValueError, match="outside.*bounds that hold for every possible image"):
        apply(dt.z_box, LAYER, X, ONES, low, high)


def test_an_affine_layer_asks_for_a_rule_and_others_do_not():
    with pytest.raises(ValueError, match="Dense.*needs a rule.*epsilon"):
        relevance(LAYER, X, ONES)
    x = np.array([[[[1.0], [3.0]]]])
    assert relevance(MaxPool2d((1, 2)), x, np.array([[[[5.0]]]])).ravel().tolist() == [0, 5]


def test_a_rule_of_ones_own_needs_three_lines():
    """Only forward, gradient and with_weights are asked for, so that a new rule works on every affine layer."""
    def twice(layer, x, y, R):
        assert isinstance(layer.with_weights(layer.W, None), type(layer))
        return 2 * x * layer.gradient(x, y, R / layer.forward(x))

    for layer, x in ((LAYER, X), (Conv2d(np.ones((2, 2, 1, 1))), np.ones((1, 3, 3, 1)))):
        R = np.ones(layer.forward(x).shape)
        assert_same(relevance(layer, x, R, twice), 2 * apply(lrp.epsilon, layer, x, R, epsilon=0))
