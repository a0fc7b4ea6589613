"""Does the ledger add up, and does every number stand in the right column?"""
from functools import partial

import numpy as np
import pytest
from tests import strategies
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import grid
from tests.helpers import apply
from tests.registry import EVERYWHERE, EXAMPLES, JOINS, RELATIVE, RULES, graph, inputs, numbers, pools

from minixnn import layers, plot
from minixnn.checks.cases import as_type
from minixnn.layers import Conv2d, Dense, Elementwise, GlobalAvgPool, Layer
from minixnn.ledger import audit, balance, ledger
from minixnn.network import Network
from minixnn.passes import deep_taylor as deep_taylor_pass
from minixnn.passes import lrp as lrp_pass
from minixnn.layers.attention import lose_hidden
from minixnn.layers.shape import crop
from minixnn.rules import (by_contribution, composites, deep_taylor, half_each, leave_token, log_taylor, lrp,
                           scale_held_fixed, signal_takes_all, softmax_taylor)
from minixnn.ledger.accounts import ACCOUNTS, Withheld, account_of

NOT_NEGATIVE = [rule for rule, _, claims in RULES.values() if claims.get("domain") == "nonnegative"]
ANY_X = [*(rule for rule, _, claims in RULES.values() if claims.get("domain") not in ("nonnegative", (0, 1))),
         *RELATIVE.values(), partial(lrp.gamma_signed, gamma=0), partial(lrp.alpha_beta, alpha=3.5, beta=2.5),
         partial(deep_taylor.z_box, low=0, high=0)]


def row_of(layer, x, R, rule):
    y, rule = layer.forward(x), layer.rule if rule is None else rule
    return balance(0, layer, x, y, R, apply(rule, layer, x, R), rule, account_of(layer, rule))


def assert_adds_up(row):
    parts = (row.relevance_in + row.absorbed_by_bias + row.absorbed_by_stabilizer + row.created_or_lost
             + row.unexplained + row.residual)
    np.testing.assert_allclose(parts, row.relevance_out, rtol=0, atol=1e-12 * np.max(row.moved, initial=1))
    size = np.maximum(row.moved, 1e-300)
    assert (abs(row.residual) <= 1e-10 * size).all(), f"residual {row.residual} of {size} moved by {row.rule}"


# ------------------------------------------------------------------------------------------------ the residual

@given(case=strategies.cases(dtype="float64"), rule=st.sampled_from(ANY_X))
def test_every_rule_balances_on_every_affine_layer(case, rule):
    layer, x, rng = case
    assert_adds_up(row_of(layer, x, grid(rng, layer.forward(x).shape, "float64"), rule))


@given(case=strategies.cases(dtype="float64", least=0), rule=st.sampled_from(NOT_NEGATIVE))
def test_rules_for_inputs_above_zero_balance_on_every_affine_layer(case, rule):
    layer, x, rng = case
    assert_adds_up(row_of(layer, x, grid(rng, layer.forward(x).shape, "float64"), rule))


@given(case=strategies.max_pools(dtype="float64"),
       rule=st.sampled_from([None, lrp.proportional, lrp.epsilon, partial(lrp.epsilon, epsilon=0)]))
def test_max_pooling_balances_whichever_pixel_wins(case, rule):
    layer, x, rng = case
    assert_adds_up(row_of(layer, x, grid(rng, layer.forward(x).shape, "float64"), rule))


@given(seed=strategies.seeds, rule=st.sampled_from(ANY_X[:9]))
def test_rules_balance_on_numbers_that_no_grid_holds(seed, rule):
    rng = np.random.default_rng(seed)
    layer = Conv2d(rng.normal(size=(3, 2, 2, 4)), rng.normal(size=4), stride=(2, 1))
    x = rng.normal(size=(2, 5, 6, 2)) * rng.integers(0, 2, (2, 5, 6, 2))
    assert_adds_up(row_of(layer, x, rng.normal(size=layer.forward(x).shape), rule))


@pytest.mark.parametrize("name", [*EXAMPLES, *EVERYWHERE, *(name for name in JOINS if not name.startswith("Input"))])
def test_the_default_rule_of_a_layer_balances(name):
    rng = np.random.default_rng(0)
    if name in JOINS:
        layer, x = inputs(name)
        net = Network([*map(layers.Input, range(len(x))), layer], [*((0,) for _ in x), tuple(range(1, len(x) + 1))])
    else:
        layer, shape, domain = EVERYWHERE[name] if name in EVERYWHERE else (*EXAMPLES[name], "any")
        net = Network([as_type(layer, "float64")])
        x = rng.normal(size=shape) if domain == "any" else rng.uniform(*domain, shape)
    rules = [lrp.epsilon if each.rule is None else None for each in net.layers]
    R = lrp_pass(net, x, rules=rules, start=rng.normal(size=net.forward(x).shape))
    book = audit(net, x, R, rules)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)


def test_the_rows_hold_what_the_pass_computed():
    net, x = pools(), numbers(4, 6, 6, 2)
    R = lrp_pass(net, x, target=1, rules=composites.epsilon_plus)
    book = ledger(net, x, target=1, rules=composites.epsilon_plus, quiet=True)
    assert len(book.rows) == len(net.layers)
    for l, row in enumerate(book.rows):
        assert (row.l, row.layer) == (l, repr(net.layers[l]))
        assert row.relevance_in == pytest.approx(R[l].sum(), rel=1e-12)
        assert row.relevance_out == pytest.approx(R[l + 1].sum(), rel=1e-12)
        np.testing.assert_allclose(book.per_image[l].relevance_in, R[l].reshape(len(x), -1).sum(1), rtol=1e-12)


# ------------------------------------------------------------------- each column against the definition, by hand

def one_neuron(w, b=None):
    return Dense(np.array(w, dtype=float)[:, None], None if b is None else np.array([b], dtype=float))


def columns(layer, x, rule, R=1.0):
    row = row_of(layer, np.array([x], dtype=float), np.full((1, layer.W.shape[1]), R), rule)
    assert_adds_up(row)
    return [float(part[0]) for part in (row.relevance_in, row.absorbed_by_bias, row.absorbed_by_stabilizer,
                                        row.created_or_lost)]


def test_the_worked_example_of_the_conventions_falls_into_its_columns():
    """W, b, x of the table of conventions: z = [5.5, 3], b = [0.5, -0.5], R = [1, 1]."""
    layer = Dense(np.array([[1.0, -1.0], [2.0, -0.5], [3.0, 2.0]]), np.array([0.5, -0.5]))
    x = [1, -1, 2]
    bias = 0.5 / 5.5 - 0.5 / 3
    assert columns(layer, x, partial(lrp.epsilon, epsilon=0)) == pytest.approx([2.075758, bias, 0, 0], abs=1e-6)
    bias, stabilizer = 0.5 / 6.5 - 0.5 / 4, 1 / 6.5 + 1 / 4
    assert columns(layer, x, partial(lrp.epsilon, epsilon=1)) == pytest.approx([1.644231, bias, stabilizer, 0],
                                                                               abs=1e-6)
    bias = 0.5 / 7.5                    # the first neuron has z+ = 7 + .5; the second has no positive bias
    assert columns(layer, x, composites.alpha1_beta0) == pytest.approx([1.933333, bias, 0, 0], abs=1e-6)
    bias = 2 * 0.5 / 7.5 - 0.5 / 1.5    # its negative part: -1 with bias -.5, and -2 of the first neuron
    assert columns(layer, x, lrp.alpha_beta) == pytest.approx([2.2, bias, 0, 0], abs=1e-6)
    for rule in (lrp.flat, deep_taylor.w_square, partial(deep_taylor.z_box, low=-3, high=3)):
        assert columns(layer, x, rule) == pytest.approx([2, 0, 0, 0])


def test_a_stabiliser_takes_its_share_with_the_sign_of_the_sum():
    assert columns(one_neuron([1.0]), [-3], partial(lrp.epsilon, epsilon=1)) == pytest.approx([0.75, 0, 0.25, 0])
    assert columns(one_neuron([1.0]), [0], partial(lrp.epsilon, epsilon=1)) == [0, 0, 1, 0]


def test_relevance_of_a_neuron_that_sums_to_zero_is_lost():
    assert columns(one_neuron([1, -1]), [2, 2], partial(lrp.epsilon, epsilon=0), R=5.0) == [0, 0, 0, 5]
    assert columns(one_neuron([1, 1], b=-4), [2, 2], partial(lrp.epsilon, epsilon=0), R=5.0) == [0, 0, 0, 5]
    assert columns(one_neuron([-1, -1]), [2, 2], deep_taylor.z_plus, R=5.0) == [0, 0, 0, 5]
    assert columns(one_neuron([0, 0]), [2, 2], deep_taylor.w_square, R=5.0) == [0, 0, 0, 5]
    assert columns(one_neuron([1, 1]), [0, 0], partial(deep_taylor.z_box, low=0, high=1), R=5.0) == [0, 0, 0, 5]
    assert columns(one_neuron([1, -1]), [2, 2], lrp.gamma_signed) == [1, 0, 0, 0]      # boosted: 2.5 - 2, and no zero


def test_a_sum_of_zero_counts_as_rising_for_the_signed_gamma_rule():
    """z = 4 - 4 = 0 has the sign plus: boosted to 1.25 * 4 - 4 = 1, of which the inputs are 5 and the bias is -4."""
    assert columns(one_neuron([1, 1], b=-4), [2, 2], lrp.gamma_signed) == pytest.approx([5, -4, 0, 0])


def test_alpha_beta_without_an_inhibiting_input_creates_relevance():
    assert columns(one_neuron([1, 1]), [2, 2], lrp.alpha_beta) == [2, 0, 0, -1]
    assert columns(one_neuron([1, 1], b=-4), [2, 2], lrp.alpha_beta) == [2, -1, 0, 0]     # the bias takes it
    assert columns(one_neuron([-1, -1]), [2, 2], lrp.alpha_beta) == [-1, 0, 0, 2]         # and the other side empty


def test_a_window_that_sees_only_padding_loses_its_relevance():
    layer = Conv2d(np.ones((1, 1, 1, 1)), padding=((1, 0), (0, 0)))
    row = row_of(layer, np.ones((1, 1, 1, 1)), np.array([[[[3.0]], [[4.0]]]]), lrp.flat)
    assert (row.relevance_in, row.created_or_lost, row.residual) == (4, 3, 0)


# ------------------------------------------------------------------------------- can the residual see an error?

BROKEN = {"too little": (lambda layer, x, y, R: 0.999999 * lrp.epsilon(layer, x, y, R), lrp.epsilon),
          "another stabiliser": (lambda layer, x, y, R: lrp.epsilon(layer, x, y, R, epsilon=1e-5), lrp.epsilon),
          "bias not in the denominator": (lambda layer, x, y, R: lrp.epsilon(layer, x, y - layer.b, R), lrp.epsilon),
          "weights split, not products": (lambda layer, x, y, R: apply(
              partial(lrp.epsilon, epsilon=0), layer.with_weights(np.maximum(layer.W, 0), np.maximum(layer.b, 0)), x,
              R), composites.alpha1_beta0),
          "alpha without beta": (lambda layer, x, y, R: 2 * composites.alpha1_beta0(layer, x, y, R), lrp.alpha_beta),
          "gamma on the weights alone": (lambda layer, x, y, R: apply(
              partial(lrp.epsilon, epsilon=0), layer.with_weights(layer.W + 0.25 * np.maximum(layer.W, 0), layer.b), x,
              R), lrp.gamma_signed)}


@pytest.mark.parametrize("name", BROKEN)
def test_the_residual_shows_that_a_rule_is_wrong(name):
    broken, says_it_is = BROKEN[name]
    rng = np.random.default_rng(3)
    layer, x, R = Dense(rng.normal(size=(6, 5)), rng.normal(size=5)), rng.normal(size=(3, 6)), rng.normal(size=(3, 5))
    y, account = layer.forward(x), account_of(layer, says_it_is)
    row = balance(0, layer, x, y, R, broken(layer, x, y, R), says_it_is, account)
    assert (abs(row.residual) > 1e-9 * row.moved).all(), row.residual


def test_every_rule_of_the_package_has_an_account():
    import inspect
    rules = [f for module in (lrp, deep_taylor) for name, f in vars(module).items()
             if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")]
    layers_own = {scale_held_fixed, softmax_taylor, log_taylor, leave_token, crop, lose_hidden, by_contribution,
                  half_each, signal_takes_all}
    assert lrp.epsilon in rules and deep_taylor.z_box in rules
    missing = {rule.__name__ for rule in {*rules, *layers_own} - set(ACCOUNTS)}
    assert not missing, f"write an account of {', '.join(missing)} in minixnn/ledger/accounts.py"


def test_an_account_has_the_knobs_of_its_rule_and_their_defaults():
    import inspect
    for rule, account in ACCOUNTS.items():
        knobs = [{name: p.default for name, p in inspect.signature(f).parameters.items()} for f in (rule, account)]
        assert knobs[0] == knobs[1], rule


# ------------------------------------------------------------------------------------------ where branches meet


def test_a_share_that_does_not_add_up_shows_in_the_ledger():
    net, x = graph(), numbers(4, 6, 6, 2)
    R = lrp_pass(net, x)
    R[2] = R[2] * 1.01                                  # what a, read by three layers, got
    wrong = [row.l for row in audit(net, x, R, lrp.epsilon).rows if abs(row.residual) > 1e-6 * row.moved]
    assert wrong == [1, 2]                              # the ReLU that made a, and the lowest of its readers


def test_a_ledger_folds_by_the_names_of_the_places():
    net, x = graph(), numbers(4, 6, 6, 2)
    book = ledger(net, x, rules=composites.attn_lrp, quiet=True)
    short = book.folded(1)
    for row in [*short.rows, *short.per_image, short.total]:
        assert_adds_up(row)
    assert [row.place for row in short.rows][:4] == ["stem", "again", "sum", "gate"]
    assert short.total.relevance_in == pytest.approx(book.total.relevance_in)
    attention = [row for row in book.rows if row.place.startswith("attention")]
    folded, = [row for row in short.rows if row.place == "attention"]
    assert len(attention) == 13 and folded.layer == "13 layers"
    assert folded.absorbed_by_bias == pytest.approx(sum(row.absorbed_by_bias for row in attention))
    assert folded.relevance_out == pytest.approx(attention[-1].relevance_out)


# ------------------------------------------------------------------------------- rules and layers of a user's own

def halving(layer, x, y, R):
    return lrp.epsilon(layer, x, y, R, epsilon=0) / 2


def test_what_an_unknown_rule_withholds_is_unexplained():
    net, x = pools(biased=False), numbers(4, 6, 6, 2)
    book = ledger(net, x, rules=halving, quiet=True)
    for row, layer in zip(book.rows, net.layers):
        assert_adds_up(row)
        assert row.absorbed_by_bias == row.absorbed_by_stabilizer == row.created_or_lost == 0
        share = 0.5 if row.rule == "halving" else 0
        assert row.unexplained == pytest.approx(share * row.relevance_out, rel=1e-9, abs=1e-9)
    assert "unexplained" in str(book)
    assert "unexplained" not in str(ledger(net, x, quiet=True))


def test_an_account_can_be_handed_over_for_a_rule_of_ones_own():
    net, x = pools(biased=False), numbers(4, 6, 6, 2)
    book = ledger(net, x, rules=halving, accounts={halving: lambda layer, x, y, R: Withheld(lost=R / 2)}, quiet=True)
    assert not any(row.unexplained for row in book.rows)
    assert book.largest_residual < 1e-10
    assert halving not in ACCOUNTS


def test_a_layer_of_ones_own_is_unexplained_only_if_it_withholds():
    class Square(Elementwise):
        def forward(self, x):
            return x ** 2

    def leak(layer, x, y, R):
        return 0.25 * R

    class Leaking(Layer):
        rule = staticmethod(leak)

        def forward(self, x):
            return x

        def gradient(self, x, y, dy):
            return dy

    net = Network([Square(), Leaking(), Dense(np.ones((3, 2)))])
    square, leaking, dense = ledger(net, np.array([[1.0, 2.0, 3.0]]), rules=[None, None, lrp.flat]).rows
    assert (square.unexplained, square.residual) == (dense.unexplained, dense.residual) == (0, 0)
    assert (leaking.unexplained, leaking.residual) == (0.75 * 14, 0)


# ---------------------------------------------------------------------------------- batches, passes, what is shown

def test_batches_images_and_the_whole_agree():
    rng = np.random.default_rng(2)
    net, x, target = pools(), numbers(7, 6, 6, 2), rng.integers(0, 3, 7)
    start = rng.normal(size=(7, 3))
    for given_start in (None, start, start[:1]):
        whole = ledger(net, x, target, composites.epsilon_plus, given_start, quiet=True)
        parts = ledger(net, x, list(target), composites.epsilon_plus, given_start, batch_size=3, quiet=True)
        for one, other in zip(whole.per_image, parts.per_image):
            np.testing.assert_allclose(one.relevance_in, other.relevance_in, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(one.absorbed_by_bias, other.absorbed_by_bias, rtol=1e-12, atol=1e-12)
        for n in (0, 5, -1):
            first = None if given_start is None else given_start if len(given_start) == 1 else given_start[[n]]
            alone = ledger(net, x[[n]], int(target[n]), composites.epsilon_plus, first, quiet=True)
            for one, other in zip(whole.image(n).rows, alone.rows):
                assert one.relevance_in == pytest.approx(other.relevance_in, rel=1e-12, abs=1e-12)
                assert one.absorbed_by_bias == pytest.approx(other.absorbed_by_bias, rel=1e-12, abs=1e-12)
    with pytest.raises(IndexError, match="7 images"):
        whole.image(7)


def test_a_pass_that_has_been_run_can_be_audited():
    net, x = pools(4, biased=False), numbers(4, 6, 6, 2)
    R = deep_taylor_pass(net, x, low=0, high=1)
    book = audit(net, x, R, composites.deep_taylor(net, 0, 1))
    assert book.largest_residual < 1e-10
    assert book.total.relevance_in == pytest.approx(R[0].sum())
    R[3] = R[3] * 1.001                                 # one entry of the list tampered with: two layers notice
    wrong = [row.l for row in audit(net, x, R, composites.deep_taylor(net, 0, 1)).rows
             if abs(row.residual) > 1e-6 * row.moved]
    assert wrong == [2, 3]
    with pytest.raises(ValueError, match="one array beside each activation"):
        audit(net, x, R[:-1], composites.deep_taylor(net, 0, 1))


def test_the_printed_table_adds_up():
    net, x = pools(), numbers(4, 6, 6, 2)
    text = str(ledger(net, x, rules=composites.epsilon_alpha2_beta1, quiet=True))
    head, _, *lines = text.splitlines()
    assert head.split()[-6:] == ["=", "handed", "on", "bias", "stabiliser", "lost", "residual"][-6:]
    columns = [list(map(float, line.split()[-6:])) for line in lines if not line.startswith("---")]
    assert len(columns) == len(net.layers) + 2
    for came, *parts in columns:
        assert came == pytest.approx(sum(parts), abs=5e-3 * max(1, abs(came)))
    assert [line.split()[0] for line in lines[:3]] == ["12", "11", "10"]
    assert columns[-1][0] == 100 and "in percent" in lines[-1]
    assert [line.split()[-3:] for line in lines if "ReLU" in line] == [["0", "0", "0"]] * 3        # and not 0.00000


def test_a_table_of_nothing_is_a_table_of_zeros():
    net = Network([Dense(np.ones((2, 2)))])
    book = ledger(net, np.zeros((1, 2)))
    assert "nan" not in str(book) and "percent" not in str(book)
    assert book.largest_residual == 0


def test_float32_networks_have_a_residual_of_float32_size():
    net, x = pools().astype("float32"), numbers(4, 6, 6, 2).astype("float32")
    book = ledger(net, x, rules=composites.epsilon_plus, quiet=True)
    assert 1e-12 < book.largest_residual < 1e-5
    assert book.per_image[0].relevance_in.dtype == "float64"


def test_the_figure_shows_what_the_table_says():
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    net, x = pools(8), numbers(4, 6, 6, 2)
    book = ledger(net, x, rules=composites.epsilon_alpha2_beta1, quiet=True)
    figure = plot.ledger(book, title="where it went")
    shown = [row for row in reversed(book.rows) if row.rule]
    ax = figure.axes[0]
    assert len(ax.get_yticklabels()) == len(shown) + 1
    for line, row in enumerate(shown):
        bars = [bar for bar in ax.patches if round(bar.get_y() + bar.get_height() / 2) == line]
        assert sum(bar.get_width() for bar in bars) == pytest.approx(row.relevance_out, rel=1e-9)
        right = max(bar.get_x() + bar.get_width() for bar in bars)
        assert right == pytest.approx(sum(max(bar.get_width(), 0) for bar in bars), rel=1e-9)      # none hides another
    assert len(plot.ledger(book, every_layer=True).axes[0].get_yticklabels()) == len(net.layers) + 1
    plt.close("all")


def test_the_legend_of_a_ledger_names_only_what_is_drawn():
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    net = Network([Dense(np.array([[2.0], [1.0]]), np.array([1.0]))])
    for rule, names in ((lrp.epsilon, {"kept by bias"}),
                        (composites.alpha2_beta1, {"kept by bias", "created (left of zero)"})):
        figure = plot.ledger(ledger(net, np.array([[1.0, 2.0]]), 0, rule, quiet=True))
        told = {text.get_text() for text in figure.legends[0].get_texts()}
        assert told == names | {"handed on", "arrived from above"}
        low, high = figure.axes[0].get_xlim()
        assert all(low < bar.get_x() + bar.get_width() < high for bar in figure.axes[0].patches), "a bar is cut off"
    plt.close("all")


def test_global_average_pooling_is_accounted_for():
    layer, x = GlobalAvgPool(), np.array([[[[1.0]], [[-1.0]]], [[[1.0]], [[3.0]]]])
    row = row_of(layer, x, np.array([[2.0], [2.0]]), partial(lrp.epsilon, epsilon=0))
    assert list(row.created_or_lost) == [2, 0] and list(row.relevance_in) == [0, 2]
