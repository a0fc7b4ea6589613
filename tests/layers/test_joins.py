"""Joins worked by hand: where branches meet, what does each of them get? What holds of all is in test_built_in.py."""
from functools import partial

import numpy as np
import pytest

from minixnn import Network, passes
from minixnn.layers import Add, Concat, Dense, MatMul, Multiply
from minixnn.layers.joins import by_contribution, half_each, signal_takes_all
from minixnn.rules import lrp
from tests.helpers import close, deeplift, draw, gradient
from tests.registry import JOINS, inputs


def two(a, b):
    return np.array([a], float), np.array([b], float)


def told(parts):
    return [part.tolist() for part in parts]


def by_rule(rule, layer, x, R, **knobs):
    return told(rule(layer, x, layer.forward(x), np.array(R, float), **knobs))


def test_each_term_of_a_sum_receives_by_its_share():
    """y = 2 + 1 and y = -3 + 1: of R = 6 the first gets 4, the second 2; of R = 4 they get 6 and -2."""
    x = two([2, -3], [1, 1])
    assert Add().forward(x).tolist() == [[3, -2]]
    assert by_rule(by_contribution, Add(), x, [[6, 4]], epsilon=0) == [[[4, 6]], [[2, -2]]]


def test_where_terms_cancel_all_is_lost_and_nothing_is_nan():
    assert by_rule(by_contribution, Add(), two([1], [-1]), [[1]], epsilon=0) == [[[0]], [[0]]]


def test_a_sums_own_stabiliser_comes_first():
    """y = 1 + 2 = 3: with 1 in the denominator of R = 4 each unit is worth 1."""
    for layer, knobs in ((Add(epsilon=1), {"epsilon": 0}), (Add(), {"epsilon": 1})):
        assert by_rule(by_contribution, layer, two([1], [2]), [[4]], **knobs) == [[[1]], [[2]]]
    net = Network([Dense(np.eye(2)), Add(epsilon=1)], [0, (0, 1)])
    R = passes.lrp(net, np.array([[1.0, 2.0]]), rules=partial(lrp.epsilon, epsilon=0), start=np.array([[3.0, 5.0]]))
    assert R[1].tolist() == [[1, 2]] and R[0].tolist() == [[2, 4]]


def test_a_term_that_is_repeated_gets_the_sum_over_its_copies():
    x = np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[1.0], [0.0]]])
    assert told(gradient(Add(), x, np.ones((1, 2, 2)))) == [[[[1, 1], [1, 1]]], [[[2], [2]]]]
    assert by_rule(by_contribution, Add(), x, [[[2, 3], [3, 4]]], epsilon=0) == [[[[1, 2], [3, 4]]], [[[2], [0]]]]


def test_a_concatenation_is_cut_where_it_was_joined():
    x = two([1, 2], [3])
    assert Concat().forward(x).tolist() == [[1, 2, 3]]
    assert by_rule(Concat.rule, Concat(), x, [[4, 5, 6]]) == [[[4, 5]], [[6]]]


def test_the_gradient_of_a_product_is_the_product_of_the_others():
    x = (*two([2], [3]), np.array([[5.0]]))
    assert told(gradient(Multiply(), x, np.array([[1.0]]))) == [[[15]], [[10]], [[6]]]


def test_deeplift_of_a_product_takes_the_mean_of_the_other_factor():
    """2 * 3 - 1 * 1 = 5: the first factor has changed by 1, times (3 + 1) / 2; the second by 2, times (2 + 1) / 2."""
    x, x_ref = two([2], [3]), two([1], [1])
    assert told(deeplift(Multiply(), x, x_ref, np.array([[1.0]]))) == [[[2]], [[1.5]]]


def test_deeplift_of_three_factors_goes_pair_after_pair():
    """(2 * 3) * 4: of the pair (6, 4), from (0, 0), the 6 has 4 / 2 and the 4 has 6 / 2; of (2, 3), then, 2 * 3 / 2."""
    x = (*two([2], [3]), np.array([[4.0]]))
    m = deeplift(Multiply(), x, tuple(a * 0 for a in x), np.array([[1.0]]))
    assert told(m) == [[[3]], [[2]], [[3]]]
    assert sum(float((a * b).sum()) for a, b in zip(m, x)) == 24


def test_all_factors_share_alike_or_the_signal_takes_all():
    x = two([2, 1], [3, -1])
    assert by_rule(half_each, Multiply(), x, [[6, 4]]) == [[[3, 2]], [[3, 2]]]
    assert by_rule(signal_takes_all, Multiply(), x, [[6, 4]]) == [[[6, 4]], [[0, 0]]]
    assert by_rule(signal_takes_all, Multiply(), x, [[6, 4]], signal=1) == [[[0, 0]], [[6, 4]]]


def test_a_gate_that_is_repeated_over_the_image_gets_the_sum():
    signal, gate = np.array([[[[1.0], [2.0]]]]), np.array([[[[0.5]]]])          # (1, 1, 2, 1), (1, 1, 1, 1)
    assert by_rule(half_each, Multiply(), (signal, gate), [[[[2], [6]]]]) == [[[[[1], [3]]]], [[[[4]]]]]


def test_a_product_of_matrices_by_hand():
    """y = (1, 2) . (3, 4) = 11. Half each: s = R / 22, a_i b_i s; the second takes all: twice that."""
    a, b = np.array([[[1.0, 2.0]]]), np.array([[[3.0], [4.0]]])
    assert MatMul().forward((a, b)).tolist() == [[[11]]]
    assert by_rule(half_each, MatMul(), (a, b), [[[22]]], epsilon=0) == [[[[3, 8]]], [[[3], [8]]]]
    assert by_rule(signal_takes_all, MatMul(), (a, b), [[[22]]], signal=1, epsilon=0) == [[[[0, 0]]], [[[6], [16]]]]
    assert told(gradient(MatMul(), (a, b), np.array([[[1.0]]]))) == [[[[3, 4]]], [[[1], [2]]]]


def loop_over_terms(a, b, R, epsilon, halves):
    """The papers' double sums: z_tdu = a_td b_du; of R_tu each factor gets z_tdu / (2 y_tu + epsilon), or b all."""
    R_a, R_b = np.zeros_like(a), np.zeros_like(b)
    for n, t, u in np.ndindex(R.shape):
        y = sum(a[n, t, d] * b[n, d, u] for d in range(a.shape[2]))
        z = (2 if halves else 1) * y
        for d in range(a.shape[2]):
            share = a[n, t, d] * b[n, d, u] / (z + (epsilon if z >= 0 else -epsilon)) * R[n, t, u]
            R_a[n, t, d] += share * halves
            R_b[n, d, u] += share
    return R_a, R_b


@pytest.mark.parametrize("epsilon", [1e-6, 0.3])
@pytest.mark.parametrize("halves", [True, False])
def test_the_rules_of_a_product_of_matrices_are_the_loop_over_its_terms(halves, epsilon):
    rng = np.random.default_rng(0)
    a, b, R = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 3, 5))
    rule = half_each if halves else partial(signal_takes_all, signal=1)
    for found, expected in zip(rule(MatMul(), (a, b), a @ b, R, epsilon=epsilon),
                               loop_over_terms(a, b, R, epsilon, halves)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_what_enters_a_join_twice_counts_twice():
    """y = x + x, and y = x x: the gradient is 2, and 2 x; all of the relevance comes back."""
    x = np.array([[3.0]])
    for join, slope in ((Add(), 2), (Multiply(), 6)):
        net = Network([join], [(0, 0)])
        assert passes.gradient(net, x)[0].tolist() == [[slope]]
        assert passes.lrp(net, x, start=np.array([[5.0]]))[0] == pytest.approx(5)
        assert passes.deeplift(net, x, x * 0)[0].tolist() == net.forward(x).tolist()


@pytest.mark.parametrize("name", [name for name in JOINS if not name.startswith(("Add", "MatMul", "Input", "Compare"))])
def test_a_joins_rule_conserves_relevance_of_either_sign(name):
    layer, x = inputs(name)
    y = layer.forward(x)
    R = draw(*y.shape)
    found = layer.rule(layer, x, y, R)
    assert [part.shape for part in found] == [a.shape for a in x]
    close(sum(part.sum() for part in found), R.sum() if name[:6] != "Einsum" else (R * y / (y + 5e-7 * np.where(
        y < 0, -1, 1))).sum())
    for part, other in zip(found, layer.rule(layer, x, y, -2 * R)):
        close(other, -2 * part)
