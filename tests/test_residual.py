"""Is a residual block the sum of its branches, whichever way one goes through it?"""
from functools import partial

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from test_gradients import assert_derivative

from minixnn import Network, passes
from minixnn.layers import BatchNorm2d, Conv2d, Dense, Dropout, Flatten, ReLU, Residual, Tanh
from minixnn.rules import composites, lrp
from minixnn.train import fit

ZERO = partial(lrp.epsilon, epsilon=0)


def block(rng, bias=True):
    """A block that halves the image, as a convolution in its shortcut does, with a block inside its body."""
    return Residual([Conv2d.random(3, 2, 6, rng, bias, stride=2, dtype="float64"), ReLU(),
                     Residual([Conv2d.random(3, 6, 6, rng, bias, dtype="float64"), ReLU()]),
                     Conv2d.random(3, 6, 3, rng, bias, dtype="float64")],
                    [Conv2d.random(1, 2, 3, rng, bias, stride=2, dtype="float64")])


def test_the_output_is_the_sum_of_the_branches_and_an_empty_shortcut_is_the_identity():
    rng = np.random.default_rng(0)
    x, layer = rng.normal(size=(2, 5, 4, 2)), block(rng)
    body, shortcut = (Network(layers).forward(x) for layers in (layer.body, layer.shortcut))
    np.testing.assert_allclose(layer.forward(x), body + shortcut)
    np.testing.assert_allclose(Residual([Tanh()]).forward(x), np.tanh(x) + x)


@settings(max_examples=20)
@given(strategies.seeds)
def test_its_gradients_are_derivatives(seed):
    rng = np.random.default_rng(seed)
    x, layer = rng.normal(size=(2, 5, 4, 2)), block(rng)
    y = rng.normal(size=layer.forward(x).shape)
    assert_derivative(lambda x: (layer.forward(x) * y).sum(), x, layer.gradient(x, y), rng, "x")
    gradients = layer.parameter_gradients(x, y)
    assert set(gradients) == set(layer.arrays())
    for name in ("body.0.W", "body.0.b", "body.2.body.0.W", "shortcut.0.W", "shortcut.0.b"):
        def f(p):
            return (Residual(**layer.settings(), **{**layer.arrays(), name: p}).forward(x) * y).sum()
        assert_derivative(f, layer.arrays()[name], gradients[name], rng, name)


@pytest.mark.parametrize("rule", [ZERO, partial(lrp.epsilon, epsilon=1e-9)])
def test_lrp_0_of_a_linear_block_is_lrp_0_of_the_one_matrix_it_is(rule):
    rng = np.random.default_rng(1)
    W, x, R = rng.normal(size=(4, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    expected = lrp.epsilon(Dense(W + np.eye(4)), x, R, epsilon=0)
    np.testing.assert_allclose(Residual([Dense(W)]).lrp(x, R, rule), expected, rtol=1e-6)


@settings(max_examples=20)
@given(strategies.seeds)
def test_lrp_0_is_gradient_times_input_and_conserves_without_bias(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 5, 4, 2))
    for bias in (True, False):
        net = Network([block(rng, bias), ReLU(), Flatten(), Dense.random(18, 3, rng, bias, dtype="float64")])
        R, g = passes.lrp(net, x, 1, rules=ZERO)[0], passes.gradient(net, x, 1)[0]
        np.testing.assert_allclose(R, x * g, rtol=1e-6, atol=1e-9)
    assert R.sum() == pytest.approx(net.forward(x)[:, 1].sum(), rel=1e-6)


def test_each_branch_has_rules_of_its_own():
    """By hand: what a branch receives is its share of the sum, and goes down by the branch's own rules."""
    rng = np.random.default_rng(2)
    x, layer = rng.random((1, 4, 4, 2)), Residual([Conv2d.random(3, 2, 2, rng, bias=False, dtype="float64")])
    R = rng.random((1, 4, 4, 2))
    share = R / layer.forward(x)
    expected = lrp.flat(layer.body[0], x, layer.body[0].forward(x) * share) + x * share
    np.testing.assert_allclose(layer.lrp(x, R, ([lrp.flat], [])), expected)
    for wrong in (None, [lrp.flat], ([lrp.flat],), ([lrp.flat], [None]), ([], [])):
        with pytest.raises(ValueError, match="pair of lists with one entry a layer: 1 for the body, 0 for"):
            layer.lrp(x, R, wrong)


def test_a_composite_goes_into_the_branches():
    rng = np.random.default_rng(3)
    net = Network([Conv2d.random(3, 2, 2, rng), Residual([Conv2d.random(3, 2, 2, rng), ReLU()]), Flatten(),
                   Dense.random(32, 3, rng)])
    first, inside, flatten, dense = composites.epsilon_plus_flat(net)
    assert (first, flatten, dense) == (lrp.flat, None, lrp.epsilon)
    assert inside == ([composites.alpha1_beta0, None], [])


@settings(max_examples=20)
@given(strategies.seeds)
def test_deeplift_contributions_sum_to_the_difference(seed):
    rng = np.random.default_rng(seed)
    x, x_ref = rng.normal(size=(2, 2, 5, 4, 2))
    layer = block(rng)
    m = rng.normal(size=layer.forward(x).shape)
    came = (layer.deeplift(x, x_ref, m) * (x - x_ref)).sum()
    expected = (m * (layer.forward(x) - layer.forward(x_ref))).sum()
    assert came == pytest.approx(expected, rel=1e-6), (came, expected)


@pytest.mark.parametrize("verb", ["deconvnet", "guided_backprop"])
def test_signals_of_both_branches_are_added_after_they_were_rectified_apart(verb):
    x, signal = np.array([[1.0, -1]]), np.array([[2.0, -3]])
    relu = getattr(ReLU(), verb)(x, signal)
    assert getattr(Residual([ReLU()]), verb)(x, signal).tolist() == (relu + signal).tolist()
    assert getattr(Residual([ReLU()], [ReLU()]), verb)(x, signal).tolist() == (2 * relu).tolist()


def test_training_moves_what_lies_inside_in_place_and_draws_masks_there():
    rng = np.random.default_rng(4)
    net = Network([Residual([Conv2d.random(3, 1, 1, rng), BatchNorm2d.identity(1), ReLU(), Dropout(0.5)]), Flatten(),
                   Dense.random(16, 2, rng)])
    x, labels = rng.random((20, 4, 4, 1)).astype("float32"), rng.integers(0, 2, 20)
    arrays = net.layers[0].arrays()
    before = {name: a.copy() for name, a in arrays.items()}
    fit(net, x, labels, epochs=2, rng=rng, quiet=True)
    for name, a in net.layers[0].arrays().items():
        assert a is arrays[name], f"{name} was replaced, not moved in place"
        assert a.dtype == np.float32 and not np.array_equal(a, before[name]), name


def test_branches_that_do_not_fit_and_an_empty_body_are_refused():
    with pytest.raises(ValueError, match="from its body.*from its shortcut, which cannot be added"):
        Residual([Conv2d(np.ones((1, 1, 1, 2)))]).forward(np.ones((1, 3, 3, 1)))
    with pytest.raises(ValueError, match="empty body, expected a list of layers"):
        Residual([])
