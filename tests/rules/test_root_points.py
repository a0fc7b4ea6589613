"""Root points: is the neuron zero there, could the input be there, and is the expansion there the rule?"""
from functools import partial

import numpy as np
import pytest
from tests import strategies
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import apply

from minixnn.arrays import array_module
from minixnn.layers import Conv2d, Dense
from minixnn.rules import deep_taylor, lrp, root_points

RULES = {"w_square": (deep_taylor.w_square, -2, 2), "z_plus": (deep_taylor.z_plus, 0, 3),
         "z_box": (partial(deep_taylor.z_box, low=-1, high=2), -1, 2)}
rules = pytest.mark.parametrize("rule, least, most", RULES.values(), ids=RULES)


@st.composite
def neurons(draw):
    """(layer, rng): a Dense layer with biases b <= 0, among them some that are 0, or with none."""
    rng = np.random.default_rng(draw(strategies.seeds))
    inputs, outputs = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    W = rng.normal(size=(inputs, outputs)) * (rng.random((inputs, outputs)) < .8)       # some weights are 0
    b = -abs(rng.normal(size=outputs)) * rng.integers(0, 2, size=outputs)
    return Dense(W, draw(st.sampled_from([b, None]))), rng


def value_at_root(layer, x, rule):
    """z_k at the root of each neuron that is not zero at x, else 0. (N, O); zero up to rounding where b_k <= 0."""
    roots = root_points.root_points(layer, x, rule)
    z = (roots * layer.W).sum(axis=1) + (0 if layer.b is None else layer.b)
    return array_module(x).where(layer.forward(x) > 0, z, 0)


def is_inside(layer, x, rule, **knobs):
    """Whether each neuron's root lies where inputs can be, rounding aside. (N, O)"""
    roots = root_points.root_points(layer, x, rule, **knobs)
    rule, knobs = root_points.unwrapped(rule, knobs)
    slack = 100 * array_module(x).finfo(x.dtype).eps * (1 + abs(x).max())
    if rule is deep_taylor.w_square:
        return array_module(x).isfinite(roots).all(axis=1)                  # any real point will do
    low, high = knobs.get("low", 0), knobs.get("high", np.inf)              # z_plus: x >= 0
    return ((roots >= low - slack) & (roots <= high + slack)).all(axis=1)


@rules
@given(neurons())
@pytest.mark.filterwarnings("error")
def test_every_neuron_is_zero_at_a_root_inside_the_domain(rule, least, most, case):
    layer, rng = case
    x = rng.uniform(least, most, size=(3, layer.W.shape[0]))
    roots = root_points.root_points(layer, x, rule)
    assert roots.shape == (3, *layer.W.shape)
    for n in range(len(x)):                                 # z at the root, neuron by neuron
        for k in range(layer.W.shape[1]):
            z = roots[n, :, k] @ layer.W[:, k] + (0 if layer.b is None else layer.b[k])
            if layer.forward(x)[n, k] > 0:
                assert abs(z) < 1e-11 * (1 + layer.forward(x)[n, k]), (n, k, z)
            else:
                assert (roots[n, :, k] == x[n]).all()       # zero already: its own root
    if rule is not deep_taylor.w_square:
        assert roots.min() >= least - 1e-12 and (rule is deep_taylor.z_plus or roots.max() <= most + 1e-12)
    assert is_inside(layer, x, rule).all()
    assert abs(value_at_root(layer, x, rule)).max() < 1e-11


@rules
@given(neurons())
def test_the_expansion_at_the_roots_is_the_rule(rule, least, most, case):
    """sum_k w_jk (x_j - x~_j) is what the rule answers for R_k = relu(z_k), and each neuron hands out all it has."""
    layer, rng = case
    x = rng.uniform(least, most, size=(3, layer.W.shape[0]))
    f = np.maximum(layer.forward(x), 0)
    R = layer.W * (x[:, :, None] - root_points.root_points(layer, x, rule))
    np.testing.assert_allclose(R.sum(axis=1), f, atol=1e-10)
    np.testing.assert_allclose(R.sum(axis=2), apply(rule, layer, x, f), atol=1e-10)


@given(neurons())
def test_the_root_of_w_square_is_the_nearest_of_all(case):
    layer, rng = case
    x = rng.normal(size=(1, layer.W.shape[0]))
    distance = np.linalg.norm(x[:, :, None] - root_points.root_points(layer, x, deep_taylor.w_square), axis=1)[0]
    length = np.linalg.norm(layer.W, axis=0)
    z = np.maximum(layer.forward(x)[0], 0)
    np.testing.assert_allclose(distance * length, z, atol=1e-12)    # from a point to a plane


def test_the_roots_of_one_neuron_worked_by_hand():
    """z = x1 - 2 x2 + 3 x3 - 1 at x = (2, 1, 1): z = 2."""
    layer, x = Dense(np.array([[1.], [-2], [3]]), np.array([-1.])), np.array([[2., 1, 1]])

    def root(rule, **knobs):
        return root_points.root_points(layer, x, rule, **knobs)[0, :, 0]

    np.testing.assert_allclose(root(deep_taylor.w_square), [2 - 1 / 7, 1 + 2 / 7, 1 - 3 / 7])      # t = 2 / 14
    np.testing.assert_allclose(root(deep_taylor.z_plus), [2 * .6, 1, 1 * .6])                      # t = 2 / 5
    # low = 0, high = 3: v = (2, 1 - 3, 1), t = 2 / (2 + 4 + 3)
    np.testing.assert_allclose(root(deep_taylor.z_box, low=0, high=3), [2 - 4 / 9, 1 + 4 / 9, 1 - 2 / 9])
    v = root_points.search_direction(layer, x, deep_taylor.z_box, low=0, high=3)
    assert v.tolist() == [[[2], [-2], [1]]]


@rules
def test_one_neuron_and_all_neurons_have_the_same_roots(rule, least, most):
    rng = np.random.default_rng(0)
    layer = Dense(rng.normal(size=(4, 3)), -abs(rng.normal(size=3)))
    x = rng.uniform(least, most, size=(5, 4))
    roots = root_points.root_points(layer, x, rule)
    for k in range(3):
        alone = layer.with_weights(layer.W[:, k:k + 1], layer.b[k:k + 1])
        np.testing.assert_allclose(root_points.root_points(alone, x, rule)[:, :, 0], roots[:, :, k], rtol=1e-12,
                                   atol=1e-14)


def test_a_positive_bias_is_warned_of_and_shows():
    """z = x + 1 at x = 1: among x >= 0 there is no root. At x = 0 the direction itself is zero."""
    layer = Dense(np.array([[1.]]), np.array([1.]))
    x = np.array([[1.], [0]])
    with pytest.warns(UserWarning, match=r"Dense\(1 -> 1\) has positive biases"):
        roots = root_points.root_points(layer, x, deep_taylor.z_plus)
    assert roots.ravel().tolist() == [-1, 0]
    with pytest.warns(UserWarning, match="positive biases"):
        assert is_inside(layer, x, deep_taylor.z_plus).ravel().tolist() == [False, True]
    with pytest.warns(UserWarning, match="positive biases"):
        assert value_at_root(layer, x, deep_taylor.z_plus).ravel().tolist() == [0, 1]


def test_a_root_outside_the_box_is_told():
    """low = 1 > 0: the neuron z = x is nowhere zero in the box [1, 2]."""
    layer, x = Dense(np.array([[1.]])), np.array([[1.5]])
    assert not is_inside(layer, x, deep_taylor.z_box, low=1, high=2).any()
    assert is_inside(layer, x, deep_taylor.z_box, low=-1, high=2).all()


def test_what_does_not_fit_is_refused_in_a_sentence():
    dense, x = Dense(np.ones((2, 2))), np.array([[1., -1]])
    with pytest.raises(ValueError, match="expected a Dense layer"):
        root_points.root_points(Conv2d(np.ones((1, 1, 1, 1))), np.ones((1, 2, 2, 1)), deep_taylor.w_square)
    with pytest.raises(ValueError, match="expected w_square, z_plus or z_box"):
        root_points.root_points(dense, x, lrp.epsilon)
    with pytest.raises(ValueError, match="negative inputs"):
        root_points.root_points(dense, x, deep_taylor.z_plus)
    with pytest.raises(ValueError, match=r"outside \[low, high\]"):
        root_points.root_points(dense, x, deep_taylor.z_box, low=0, high=1)
