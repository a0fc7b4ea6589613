"""Attention and its surroundings: the rules as loops over scalars, what they conserve, masks, whole transformers."""
from functools import partial

import numpy as np
import pytest
from registry import EXAMPLES

from minixnn import Network, attribution, ledger, passes
from minixnn.layers import (GELU, Attention, ClassToken, Conv2d, Dense, Embedding, GlobalAvgPool, LayerNorm,
                            PositionEmbedding, Product, Residual, TakeToken, Tokens)
from minixnn.ledger import attention as steps_of
from minixnn.ledger.accounts import Withheld
from minixnn.ledger.heads import inside
from minixnn.rules import attention, composites, half_each, lrp, scale_held_fixed, signal_takes_all

NAMES = ["Attention", "Attention, causal", "Attention, masked"]
RULES = [attention.attn_lrp, attention.cp_lrp]


def example(name, seed=0):
    layer, shape = EXAMPLES[name]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    layer = layer.map_arrays(lambda a: a.astype("float64"))
    return layer, x, layer.forward(x), rng


def sign(z):
    return -1.0 if z < 0 else 1.0


def loop(layer, x, R, rule, epsilon):
    """One sequence, number by number, as the papers write it. x (T, C), R (T, O) -> (T, C)"""
    T, C = x.shape
    H, hidden = layer.heads, layer.hidden(T)
    hidden = np.zeros((T, T), bool) if hidden is None else hidden.reshape(T, T)
    W = {name: getattr(layer, f"W_{name}") for name in "qkvo"}
    b = {name: np.zeros(W[name].shape[1]) if getattr(layer, f"b_{name}") is None else getattr(layer, f"b_{name}")
         for name in "qkvo"}
    z = {name: [[sum(x[t, j] * W[name][j, k] for j in range(C)) + b[name][k] for k in range(W[name].shape[1])]
                for t in range(T)] for name in "qkv"}
    d, e = W["q"].shape[1] // H, W["v"].shape[1] // H
    S, A, O = {}, {}, np.zeros((T, H * e))                                                              # noqa: E741
    for h in range(H):
        for t in range(T):
            seen = [u for u in range(T) if not hidden[t, u]]
            for u in seen:
                S[h, t, u] = sum(z["q"][t][h * d + i] * z["k"][u][h * d + i] for i in range(d)) / d ** 0.5
            total = sum(np.exp(S[h, t, u]) for u in seen)
            for u in seen:
                A[h, t, u] = np.exp(S[h, t, u]) / total
            for i in range(e):
                O[t, h * e + i] = sum(A[h, t, u] * z["v"][u][h * e + i] for u in seen)
    R_O = np.zeros_like(O)
    for t in range(T):
        for k in range(W["o"].shape[1]):
            y = sum(O[t, i] * W["o"][i, k] for i in range(H * e)) + b["o"][k]
            for i in range(H * e):
                R_O[t, i] += O[t, i] * W["o"][i, k] / (y + epsilon * sign(y)) * R[t, k]
    R_z = {name: np.zeros((T, W[name].shape[1])) for name in "qkv"}
    factor = 2 if rule is attention.attn_lrp else 1
    R_A = {place: 0.0 for place in A}
    for (h, t, u), a in A.items():
        for i in range(h * e, h * e + e):
            share = a * z["v"][u][i] / (factor * O[t, i] + epsilon * sign(O[t, i])) * R_O[t, i]
            R_A[h, t, u] += share
            R_z["v"][u, i] += share
    if factor == 2:
        for (h, t, u), s in S.items():
            R_S = s * (R_A[h, t, u] - A[h, t, u] * sum(R_A[h, t, v] for v in range(T) if (h, t, v) in A))
            for i in range(h * d, h * d + d):
                share = z["q"][t][i] * z["k"][u][i] / d ** 0.5 / (2 * s + epsilon * sign(s)) * R_S
                R_z["q"][t, i] += share
                R_z["k"][u, i] += share
    R_x = np.zeros_like(x)
    for name in "qkv" if factor == 2 else "v":
        for t in range(T):
            for j in range(C):
                R_x[t, j] += sum(x[t, j] * W[name][j, k] / (z[name][t][k] + epsilon * sign(z[name][t][k]))
                                 * R_z[name][t, k] for k in range(W[name].shape[1]))
    return R_x


@pytest.mark.parametrize("epsilon", [1e-6, 0.3])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_each_rule_of_attention_is_the_loop_over_scalars(name, rule, epsilon):
    layer, x, y, rng = example(name)
    R = rng.normal(size=y.shape)
    expected = np.stack([loop(layer, one, came, rule, epsilon) for one, came in zip(x, R)])
    came = rule(layer, x, y, R, epsilon)
    off = abs(came - expected).max() / abs(expected).max()
    assert off < 1e-9, f"{rule.__name__} differs by {off:.1e} of the largest relevance"


def without_biases(layer):
    return Attention(layer.W_q, layer.W_k, layer.W_v, layer.W_o, heads=layer.heads, causal=layer.causal)


@pytest.mark.parametrize("name", NAMES)
def test_cp_lrp_conserves_without_biases(name):
    layer, x, _, rng = example(name)
    layer = without_biases(layer)
    y = layer.forward(x)
    R = rng.normal(size=y.shape)
    came = attention.cp_lrp(layer, x, y, R, epsilon=1e-12).sum()
    assert came == pytest.approx(R.sum(), rel=1e-6), f"came {came}, expected {R.sum()}"


@pytest.mark.parametrize("name", NAMES)
def test_attn_lrp_conserves_without_biases_but_for_the_softmax(name):
    layer, x, _, rng = example(name)
    layer = without_biases(layer)
    y = layer.forward(x)
    R = rng.normal(size=y.shape)
    steps = steps_of.attn_lrp_steps(layer, x, y, R, epsilon=1e-12)
    kept = attention.attn_lrp(layer, x, y, R, epsilon=1e-12).sum()
    left = steps["softmax"].bias.sum()
    assert abs(left) > 1e-3, "the example leaves nothing to the softmax, so it tests nothing"
    assert kept + left == pytest.approx(R.sum(), rel=1e-6), f"{kept} + {left}, expected {R.sum()}"


@pytest.mark.parametrize("rule, account", list(zip(RULES, (steps_of.attn_lrp_steps, steps_of.cp_lrp_steps))))
@pytest.mark.parametrize("name", NAMES)
def test_what_attention_withholds_adds_up_by_step_and_by_head(name, rule, account):
    layer, x, y, rng = example(name)
    R = rng.normal(size=y.shape)
    steps = account(layer, x, y, R, epsilon=0.2)
    output = steps.pop("output")
    by_head = sum(steps_of.by_head(layer, part) for withheld in steps.values() for part in Withheld(*withheld))
    assert by_head.shape == (len(x), layer.heads)
    mixed = sum(getattr(part, "sum", lambda axis: part)(axis=(1, 2)) for part in output)
    came = rule(layer, x, y, R, epsilon=0.2).sum(axis=(1, 2)) + by_head.sum(axis=1) + mixed
    np.testing.assert_allclose(came, R.sum(axis=(1, 2)), rtol=1e-9)


def test_a_hidden_token_is_not_seen_and_gets_no_relevance():
    layer, x, y, rng = example("Attention, masked")
    changed = x.copy()
    changed[:, 7:] += 5
    assert np.array_equal(layer.forward(changed)[:, :7], y[:, :7])
    R = np.zeros_like(y)
    R[:, :7] = 1
    for rule in RULES:
        assert (rule(layer, x, y, R)[:, 7:] == 0).all(), rule.__name__
    assert (layer.gradient(x, y, R)[:, 7:] == 0).all()


def test_a_causal_layer_does_not_see_what_comes_later():
    layer, x, y, _ = example("Attention, causal")
    changed = x.copy()
    changed[:, 5:] += 5
    assert np.array_equal(layer.forward(changed)[:, :5], y[:, :5])


def test_one_step_back_gives_both_gradients():
    layer, x, y, rng = example("Attention")
    dy = rng.normal(size=y.shape)
    found, dx = layer.learn(x, y, dy)
    assert np.array_equal(dx, layer.gradient(x, y, dy))
    for name, g in layer.parameter_gradients(x, dy).items():
        assert np.array_equal(found[name], g), name


def transformer(seed=0, causal=False):
    """A class token, positions, two blocks; biases everywhere."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape) / shape[0] ** 0.5

    def attend():
        return Attention(*(normal(6, 6) for _ in range(4)), *(normal(6) for _ in range(4)), heads=2, causal=causal)
    blocks = [part for _ in range(2) for part in (
        Residual([LayerNorm(1 + normal(6), normal(6)), attend()]),
        Residual([LayerNorm(1 + normal(6), normal(6)), Dense(normal(6, 8), normal(8)), GELU(),
                  Dense(normal(8, 6), normal(6))]))]
    return Network([Conv2d(rng.normal(size=(2, 2, 1, 6)), normal(6), 2, 0), Tokens(), ClassToken(normal(6)),
                    PositionEmbedding(normal(10, 6)), *blocks, LayerNorm(1 + normal(6), normal(6)), TakeToken(0),
                    Dense(normal(6, 3), normal(3))])


X = np.random.default_rng(5).random((3, 6, 6, 1))


@pytest.mark.parametrize("rules", [lrp.epsilon, partial(lrp.epsilon, epsilon=0.1), composites.attn_lrp,
                                   composites.cp_lrp, partial(composites.attn_lrp, epsilon=0.1),
                                   composites.epsilon_plus])
def test_a_transformer_balances_in_the_ledger(rules):
    book = ledger.ledger(transformer(), X, rules=rules, quiet=True)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)


@pytest.mark.parametrize("rules", [composites.attn_lrp, composites.cp_lrp])
def test_what_the_heads_withhold_is_the_blocks_less_its_normalisation(rules):
    net = transformer()
    book, found = ledger.ledger(net, X, rules=rules, quiet=True), ledger.heads(net, X, rules=rules)
    assert set(found) == {"4.body.1", "6.body.1"}
    assert found["4.body.1"]["values"].shape == (3, 2) and found["4.body.1"]["output"].shape == (3,)
    R, chosen, A = passes.lrp(net, X, rules=rules), composites.rules_for(net, rules), net.trace(X)
    for l in (4, 6):
        norm = [ledger.account_of(layer, rule)(layer, *sides, R_in) for _, layer, *sides, R_in, rule in
                inside(net.layers[l], A[l], A[l + 1], R[l + 1], chosen[l], str(l)) if isinstance(layer, LayerNorm)]
        share = (R[l + 1] - R[l + 1] * A[l + 1] / (A[l + 1] + 1e-6 * np.where(A[l + 1] < 0, -1, 1))).sum()
        came = sum(part.sum() for part in found[f"{l}.body.1"].values()) + share + sum(
            getattr(part, "sum", lambda: part)() for part in norm[0])
        row = book.rows[l]
        expected = row.absorbed_by_bias + row.absorbed_by_stabilizer + row.created_or_lost
        assert came == pytest.approx(expected, rel=1e-9), (came, expected)


def test_deeplift_of_a_transformer_sums_to_the_difference():
    net, x_ref = transformer(), X[:1] * 0 + 0.5
    came = passes.deeplift(net, X, x_ref, 2)[0].reshape(3, -1).sum(axis=1)
    np.testing.assert_allclose(came, net.forward(X)[:, 2] - net.forward(x_ref)[:, 2], rtol=1e-9)


def test_the_gradient_of_a_transformer_is_what_differences_show():
    net, v, h = transformer(), np.random.default_rng(0).normal(size=X.shape), 1e-6
    came = (passes.gradient(net, X, 1)[0] * v).sum()
    expected = (net.forward(X + h * v)[:, 1] - net.forward(X - h * v)[:, 1]).sum() / (2 * h)
    assert came == pytest.approx(expected, rel=1e-6)


def test_composites_for_transformers_choose_the_rule_of_attention():
    net = transformer()
    attn, cp = (composites.rules_for(net, rules) for rules in (composites.attn_lrp, composites.cp_lrp))
    assert attn[4].keywords["rules"][0][1].func is attention.attn_lrp and attn[8].func is scale_held_fixed
    assert cp[4].keywords["rules"][0][1].func is attention.cp_lrp and cp[8].func is scale_held_fixed
    product = Network([Product([[], [Dense(np.eye(3))]])])
    assert [composites.rules_for(product, rules)[0].func for rules in (composites.attn_lrp, composites.cp_lrp)] == [
        half_each, signal_takes_all]
    usual = composites.rules_for(net, partial(lrp.epsilon, epsilon=0.25))[4].keywords["rules"][0][1]
    assert usual.func is attention.attn_lrp and usual.keywords == {"epsilon": 0.25}
    assert composites.rules_for([Attention.random(4, 2, np.random.default_rng(0))], [None]) == [attention.attn_lrp]
    text = net.describe(composites.cp_lrp, X)
    assert "Attention(6 -> 6, heads=2)" in text and "cp_lrp (epsilon=1e-06)" in text


def test_the_methods_for_transformers_are_the_composites():
    net = transformer()
    for name in ("attn_lrp", "cp_lrp"):
        came = attribution.METHODS[name](net, X, 1)
        assert np.array_equal(came, passes.lrp(net, X, 1, getattr(composites, name))[0]), name


def test_attention_over_words_explains_each_word():
    rng = np.random.default_rng(0)
    net = Network([Embedding(rng.normal(size=(9, 6))), PositionEmbedding(rng.normal(size=(5, 6))),
                   Attention(*(rng.normal(size=(6, 6)) for _ in range(4)), heads=3, causal=True), GlobalAvgPool(),
                   Dense(rng.normal(size=(6, 2)))])
    x = rng.integers(0, 9, (4, 5))
    assert passes.lrp(net, x, rules=composites.cp_lrp)[0].shape == (4, 5)
    came = passes.deeplift(net, x, x[:1] * 0, 1)[0].sum(axis=1)
    np.testing.assert_allclose(came, net.forward(x)[:, 1] - net.forward(x[:1] * 0)[:, 1], rtol=1e-9)


@pytest.mark.parametrize("make, sentence", [
    (lambda: Attention(*[np.eye(4)] * 4, heads=3), "columns that the heads divide"),
    (lambda: Attention(*[np.eye(4)] * 4).forward(np.ones((2, 4))), "expected 3 axes"),
    (lambda: Attention(*[np.eye(4)] * 4, mask=np.ones((3, 3))).forward(np.ones((2, 5, 4))), "does not fit"),
    (lambda: Attention(*[np.eye(4)] * 4, mask=np.zeros((3, 3))), "hides all tokens"),
    (lambda: composites.rules_for([Attention(*[np.eye(4)] * 4)], [lrp.epsilon]), "attention.cp_lrp for attention"),
    (lambda: PositionEmbedding(np.ones((3, 4))).forward(np.ones((2, 5, 4))), "expected .sequences"),
    (lambda: passes.deeplift_reveal_cancel(transformer(), X, X[:1] * 0, 0), "no RevealCancel rule"),
])
def test_what_attention_cannot_do_is_said_in_a_sentence(make, sentence):
    with pytest.raises((ValueError, NotImplementedError), match=sentence):
        make()
