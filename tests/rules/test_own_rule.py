"""A rule of one's own is one function. Does it work everywhere a built-in one does, without being announced?"""
import re
from functools import partial

import numpy as np
import pytest
from tests.helpers import apply, gradient

from minixnn import attribution, passes
from minixnn.arrays import negative, positive, stabilize
from minixnn.layers import AvgPool2d, Conv2d, Dense, Elementwise, Flatten, MaxPool2d, ReLU
from minixnn.ledger import audit, ledger
from minixnn.metrics import continuity, localization, sanity_check, selectivity
from minixnn.network import Network
from minixnn.rules import composites, lrp
from minixnn.ledger.accounts import ACCOUNTS, division


# The rule: LRP-0 on weights sharpened to a power, signs kept, biases left out. Written by a user, in ten lines.

def sharpened(layer, x, y, R, power=1.0):
    """R_j = sum_k x_j v_jk / sum_j' x_j' v_j'k R_k,   v = sign(w) |w|^power"""
    v = layer.W * 0 + positive(layer.W) ** power - (-negative(layer.W)) ** power
    sharper = layer.with_weights(v, None)
    z = sharper.forward(x)
    s = R / stabilize(z)
    c = gradient(sharper, x, s)
    return x * c


def network(rng, biased=False):
    bias = (lambda n: rng.normal(size=n)) if biased else (lambda n: None)
    return Network([Conv2d(rng.normal(size=(3, 3, 2, 4)), bias(4)), ReLU(), MaxPool2d(2), AvgPool2d(2), Flatten(),
                    Dense(rng.normal(size=(16, 5)), bias(5)), ReLU(), Dense(rng.normal(size=(5, 3)), bias(3))])


def case(biased=False):
    rng = np.random.default_rng(0)
    return network(rng, biased), rng.uniform(size=(4, 8, 8, 2)), rng


def test_it_stands_for_one_layer_for_all_in_a_list_and_in_a_composite():
    net, x, _ = case()
    mine, zero = partial(sharpened, power=2.0), partial(lrp.epsilon, epsilon=0)
    everywhere = passes.lrp(net, x, 1, mine)
    listed = passes.lrp(net, x, 1, [mine, None, None, mine, None, mine, None, mine])

    def my_composite(net):
        return composites.by_kind(net, conv=mine, dense=zero)
    composed = passes.lrp(net, x, 1, my_composite)
    by_hand = passes.lrp(net, x, 1, [mine, None, None, zero, None, zero, None, zero])
    np.testing.assert_array_equal(everywhere[0], listed[0])
    np.testing.assert_array_equal(composed[0], by_hand[0])
    np.testing.assert_allclose(everywhere[0].sum(axis=(1, 2, 3)), everywhere[-1].sum(axis=1), rtol=1e-9)
    assert not np.allclose(everywhere[0], composed[0])


def test_with_its_knob_at_one_it_is_lrp_0_and_its_definition_otherwise():
    net, x, _ = case()
    for mine, theirs in zip(passes.lrp(net, x, 2, sharpened), passes.lrp(net, x, 2, partial(lrp.epsilon, epsilon=0))):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    layer, x, R = net.layers[-1], x.reshape(4, -1)[:, :5], np.ones((4, 3))
    v = np.sign(layer.W) * np.abs(layer.W) ** 3
    expected = [[sum(x[n, j] * v[j, k] / sum(x[n] * v[:, k]) for k in range(3)) for j in range(5)] for n in range(4)]
    np.testing.assert_allclose(apply(sharpened, layer, x, R, power=3.0), expected, rtol=1e-9)


def test_it_may_stand_beside_the_rules_of_deep_taylor_and_on_max_pooling():
    net, x, _ = case()
    rules = composites.deep_taylor(net, 0, 1)
    rules[5] = sharpened
    R = passes.lrp(net, x, 0, rules)
    np.testing.assert_allclose(R[5].sum(axis=1), R[6].sum(axis=1), rtol=1e-9)

    def to_every_pixel(layer, x, y, R):
        return lrp.flat(layer.summing(), x, y, R)
    rules[2] = to_every_pixel
    R = passes.lrp(net, x, 0, rules)[2]                     # (4, 8, 8, 4): all four pixels of a window alike
    assert (R[:, ::2, ::2] == R[:, 1::2, 1::2]).all() and not (R == 0).all()


def test_its_name_and_knobs_stand_in_the_description_of_the_network():
    net, _, _ = case()
    text = net.describe(partial(sharpened, power=2.0))
    assert len(re.findall(r"sharpened \(power=2.0\)", text)) == 4
    assert "sharpened" in net.describe(sharpened)


def test_the_ledger_shows_how_much_it_withheld():
    net, x, _ = case(biased=True)
    with_bias = partial(lambda layer, x, y, R: lrp.epsilon(layer, x, y, R, epsilon=0))      # a rule with no name
    book = ledger(net, x, 1, rules=with_bias, quiet=True)
    known = ledger(net, x, 1, rules=partial(lrp.epsilon, epsilon=0), quiet=True)
    for mine, theirs in zip(book.rows, known.rows):
        assert mine.unexplained == pytest.approx(theirs.absorbed_by_bias + theirs.created_or_lost, rel=1e-9, abs=1e-9)
        assert mine.relevance_in == pytest.approx(theirs.relevance_in, rel=1e-9)
    assert sum(abs(row.unexplained) for row in book.rows) > 0.1
    kept = ledger(net, x, 1, rules=sharpened, quiet=True)
    assert kept.total.relevance_in == pytest.approx(kept.total.relevance_out, rel=1e-9)


def test_an_account_of_ones_own_turns_unexplained_into_a_residual():
    net, x, _ = case()

    def account(layer, x, y, R, power=1.0):
        v = np.sign(layer.W) * abs(layer.W) ** power
        return division(R, layer.with_weights(v, None).forward(x))
    mine = partial(sharpened, power=2.0)
    book = audit(net, x, passes.lrp(net, x, 1, mine), mine, accounts={sharpened: account})
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows)
    wrong = audit(net, x, passes.lrp(net, x, 1, mine)[:-1] + [np.ones((4, 3))], mine, accounts={sharpened: account})
    assert wrong.largest_residual > 0.01
    assert sharpened not in ACCOUNTS


def test_it_goes_through_every_metric():
    net, x, rng = case()
    mine = partial(attribution.lrp, rules=partial(sharpened, power=2.0))

    def bare(net, x, target):
        return passes.lrp(net, x, target, partial(sharpened, power=2.0))[0]
    boxes = np.tile([1, 1, 6, 6], (4, 1))
    for ask in (partial(continuity, shifts=[0.5, 1]), partial(selectivity, steps=3), partial(localization, boxes=boxes),
                lambda *given: sanity_check(*given, rng=np.random.default_rng(1))[1:]):
        one, other, epsilon = (ask(method, net, x) for method in (mine, bare, "lrp_0"))
        for a, b in zip(one, other):
            np.testing.assert_allclose(a, b, rtol=1e-9)
        assert any(not np.allclose(a, b) for a, b in zip(one, epsilon))


def test_it_works_on_the_array_module_it_is_given(xp):
    net, x, _ = case()
    R = passes.lrp(net.on(xp), xp.asarray(x), 1, partial(sharpened, power=2.0))[0]
    expected = passes.lrp(net, x, 1, partial(sharpened, power=2.0))[0]
    np.testing.assert_allclose(xp.asnumpy(R) if hasattr(R, "get") else R, expected, rtol=1e-9, atol=1e-12)


def test_a_layer_of_ones_own_takes_part_in_passes_and_ledger():
    class Cube(Elementwise):
        """y = x^3"""

        def forward(self, x):
            return x ** 3

        def derivative(self, x, y):
            return 3 * x ** 2

    rng = np.random.default_rng(2)
    net, x = Network([Dense(rng.normal(size=(4, 3))), Cube(), Dense(rng.normal(size=(3, 2)))]), rng.normal(size=(5, 4))
    R = passes.lrp(net, x, 0, sharpened)
    np.testing.assert_allclose(R[0].sum(axis=1), net.forward(x)[:, 0], rtol=1e-7)
    step = 1e-6 * np.eye(4)[1]
    difference = (net.forward(x + step) - net.forward(x - step))[:, 0] / 2e-6
    np.testing.assert_allclose(passes.gradient(net, x, 0)[0][:, 1], difference, rtol=1e-5, atol=1e-6)
    x_ref = rng.normal(size=(1, 4))
    contributions = passes.deeplift(net, x, x_ref, 0)[0]
    np.testing.assert_allclose(contributions.sum(axis=1), (net.forward(x) - net.forward(x_ref))[:, 0], rtol=1e-7)
    assert ledger(net, x, 0, quiet=True).largest_residual < 1e-10
