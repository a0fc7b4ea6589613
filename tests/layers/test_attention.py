"""Attention written as plain layers: the papers' formula as a loop over scalars, masks, what heads do, transformers."""
from functools import partial

import numpy as np
import pytest
from tests.registry import NETWORKS, WRITTEN, transformer

from minixnn import Graph, Network, attribution, ledger, passes
from minixnn.layers import (Attention, Branches, Dense, Embedding, GlobalAvgPool, Hide, Input, LayerNorm, MatMul,
                            Multiply, PositionEmbedding, Scale, Softmax)
from minixnn.layers.joins import half_each, signal_takes_all
from minixnn.rules import composites, lrp, scale_held_fixed, softmax_taylor

NAMES = ["Attention", "Attention, causal", "Attention, masked"]
RULES = [composites.attn_lrp, composites.cp_lrp]


def example(name, seed=0):
    """The way of writing, its network in float64, x, and a Generator."""
    written, shape = WRITTEN[name]
    rng = np.random.default_rng(seed)
    return written, Network([written]).astype("float64"), rng.normal(size=shape), rng


def sign(z):
    return -1.0 if z < 0 else 1.0


def loop(layer, x, R, halves, epsilon):
    """One sequence, number by number, as the papers write it. x (T, C), R (T, O) -> (T, C)"""
    T, C = x.shape
    H = layer.heads
    seen_by = [[u for u in range(T) if (layer.mask is None or layer.mask[t, u] > 0) and not (layer.causal and u > t)]
               for t in range(T)]
    W = {name: getattr(layer, f"W_{name}").astype(float) for name in "qkvo"}
    b = {name: np.zeros(W[name].shape[1]) if getattr(layer, f"b_{name}") is None else
         getattr(layer, f"b_{name}").astype(float) for name in "qkvo"}
    z = {name: [[sum(x[t, j] * W[name][j, k] for j in range(C)) + b[name][k] for k in range(W[name].shape[1])]
                for t in range(T)] for name in "qkv"}
    d, e = W["q"].shape[1] // H, W["v"].shape[1] // H
    S, A, O = {}, {}, np.zeros((T, H * e))
    for h in range(H):
        for t in range(T):
            for u in seen_by[t]:
                S[h, t, u] = sum(z["q"][t][h * d + i] * z["k"][u][h * d + i] for i in range(d)) / d ** 0.5
            total = sum(np.exp(S[h, t, u]) for u in seen_by[t])
            for u in seen_by[t]:
                A[h, t, u] = np.exp(S[h, t, u]) / total
            for i in range(e):
                O[t, h * e + i] = sum(A[h, t, u] * z["v"][u][h * e + i] for u in seen_by[t])
    R_O = np.zeros_like(O)
    for t in range(T):
        for k in range(W["o"].shape[1]):
            y = sum(O[t, i] * W["o"][i, k] for i in range(H * e)) + b["o"][k]
            for i in range(H * e):
                R_O[t, i] += O[t, i] * W["o"][i, k] / (y + epsilon * sign(y)) * R[t, k]
    R_z = {name: np.zeros((T, W[name].shape[1])) for name in "qkv"}
    R_A = dict.fromkeys(A, 0.0)
    for (h, t, u), a in A.items():
        for i in range(h * e, h * e + e):
            share = a * z["v"][u][i] / ((2 if halves else 1) * O[t, i] + epsilon * sign(O[t, i])) * R_O[t, i]
            R_A[h, t, u] += share
            R_z["v"][u, i] += share
    if halves:
        for (h, t, u), s in S.items():
            R_S = s * (R_A[h, t, u] - A[h, t, u] * sum(R_A[h, t, v] for v in range(T) if (h, t, v) in A))
            for i in range(h * d, h * d + d):
                share = z["q"][t][i] * z["k"][u][i] / d ** 0.5 / (2 * s + epsilon * sign(s)) * R_S
                R_z["q"][t, i] += share
                R_z["k"][u, i] += share
    R_x = np.zeros_like(x)
    for name in "qkv" if halves else "v":
        for t in range(T):
            for j in range(C):
                R_x[t, j] += sum(x[t, j] * W[name][j, k] / (z[name][t][k] + epsilon * sign(z[name][t][k]))
                                 * R_z[name][t, k] for k in range(W[name].shape[1]))
    return R_x


@pytest.mark.parametrize("epsilon", [1e-6, 0.3])
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_the_layers_rules_together_are_the_papers_loop_over_scalars(name, rules, epsilon):
    layer, net, x, rng = example(name)
    R = rng.normal(size=net.forward(x).shape)
    expected = np.stack([loop(layer, one, r, rules is composites.attn_lrp, epsilon) for one, r in zip(x, R)])
    found = passes.lrp(net, x, rules=partial(rules, epsilon=epsilon), start=R)[0]
    off = abs(found - expected).max() / abs(expected).max()
    assert off < 1e-9, f"{rules.__name__} differs by {off:.1e} of the largest relevance"


def without_biases(layer):
    return Attention(layer.W_q, layer.W_k, layer.W_v, layer.W_o, heads=layer.heads, causal=layer.causal)


@pytest.mark.parametrize("name", NAMES)
def test_cp_lrp_conserves_without_biases(name):
    layer, _, x, rng = example(name)
    net = Network([without_biases(layer)]).astype("float64")
    R = rng.normal(size=net.forward(x).shape)
    total = passes.lrp(net, x, rules=partial(composites.cp_lrp, epsilon=1e-12), start=R)[0].sum()
    assert total == pytest.approx(R.sum(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_attn_lrp_conserves_without_biases_but_for_the_softmax(name):
    layer, _, x, rng = example(name)
    net = Network([without_biases(layer)]).astype("float64")
    book = ledger.ledger(net, x, rules=partial(composites.attn_lrp, epsilon=1e-12), quiet=True,
                         start=rng.normal(size=net.forward(x).shape))
    softmax = next(row for row in book.rows if row.layer.startswith("Softmax"))
    assert abs(softmax.absorbed_by_bias) > 1e-3, "the example leaves nothing to the softmax, so it tests nothing"
    assert all(abs(row.absorbed_by_bias) < 1e-6 * row.moved for row in book.rows if row is not softmax)
    assert book.total.relevance_in + softmax.absorbed_by_bias == pytest.approx(book.total.relevance_out, rel=1e-6)


@pytest.mark.parametrize("rules", [lrp.epsilon, partial(lrp.epsilon, epsilon=0.2), *RULES, lrp.gamma_signed,
                                   partial(composites.attn_lrp, epsilon=0.2)])
@pytest.mark.parametrize("name", NAMES)
def test_what_each_step_of_attention_withholds_adds_up(name, rules):
    _, net, x, rng = example(name)
    book = ledger.ledger(net, x, rules=rules, quiet=True, start=rng.normal(size=net.forward(x).shape))
    assert len(book.rows) == len(net.layers) and book.largest_residual < 1e-10, str(book)
    assert not any(row.unexplained for row in book.rows)


# --- what attention does ---------------------------------------------------------------------------------------------

def place(net, kind, n=0):
    """The number of the n-th layer of this kind."""
    return [l for l, layer in enumerate(net.layers) if isinstance(layer, kind)][n]


def test_weights_and_what_queries_send_lie_beside_their_layers():
    layer, net, x, rng = example("Attention, causal")
    A, l = net.trace(x), place(net, Softmax)
    assert A[l + 1].shape == (2, 3, 9, 9)                   # images, heads, queries, keys
    np.testing.assert_allclose(A[l + 1].sum(axis=-1), 1)
    assert (np.triu(A[l + 1], 1) == 0).all(), "no query sees a later key"
    R = passes.lrp(net, x, rules=composites.attn_lrp, start=rng.normal(size=A[-1].shape))
    assert [r.shape for r in R] == [a.shape for a in A] and (np.triu(R[l + 1], 1) == 0).all()


def test_places_are_named_after_what_they_compute():
    net = example("Attention, causal")[1]
    assert net.names == ["0.queries.0", "0.queries.1", "0.queries.2", "0.keys.0", "0.keys.1", "0.keys.2", "0.values.0",
                         "0.values.1", "0.scores", "0.mask", "0.weights", "0.mixture", "0.output.0", "0.output.1"]
    assert isinstance(net.layers[1], Scale), "the queries are scaled, so that the stabiliser sees scaled scores"


def test_a_hidden_token_is_not_seen_and_gets_no_relevance():
    _, net, x, rng = example("Attention, masked")
    changed, y = x.copy(), net.forward(x)
    changed[:, 7:] += 5
    assert np.array_equal(net.forward(changed)[:, :7], y[:, :7])
    R = np.zeros_like(y)
    R[:, :7] = 1
    for rules in RULES:
        assert (passes.lrp(net, x, rules=rules, start=R)[0][:, 7:] == 0).all(), rules.__name__
    assert (passes.gradient(net, x, start=R)[0][:, 7:] == 0).all()


def test_a_causal_layer_sees_nothing_later_in_a_sequence_of_any_length():
    _, net, x, _ = example("Attention, causal")
    for T in (9, 5, 1):
        changed, y = x[:, :T].copy(), net.forward(x[:, :T])
        changed[:, T // 2 + 1:] += 5
        assert np.array_equal(net.forward(changed)[:, :T // 2 + 1], y[:, :T // 2 + 1])


def test_numbers_so_low_that_they_hide_are_finite_in_every_type():
    for dtype in ("float16", "float32", "float64"):
        layer, x = Hide(causal=True), np.zeros((1, 1, 3, 3), dtype)
        y = layer.forward(x)
        assert np.isfinite(y).all() and y.dtype == dtype
        assert np.array_equal(Softmax().forward(y) > 0, np.tril(np.ones((1, 1, 3, 3), bool)))
        A = Softmax().forward(y)
        R = softmax_taylor(Softmax(), y, A, A)              # as in A V: a weight of 0 gets nothing
        assert np.isfinite(R).all() and (R[..., np.triu_indices(3, 1)[0], np.triu_indices(3, 1)[1]] == 0).all()


def masked_each(rng, causal=False):
    """A network of two inputs: sequences, and for each of them a mask that is added to the scores."""
    attention, graph = Attention.random(4, 2, rng, dtype="float64", causal=causal), Graph()
    x, mask = graph.add(0, Input(0)), graph.add(0, Input(1))
    graph.add((x, x, mask), attention)
    graph.add(len(graph.layers), GlobalAvgPool())
    return Network(graph.layers, graph.inputs)


def test_a_mask_for_each_sequence_is_an_input_and_is_cut_with_the_batch():
    rng = np.random.default_rng(0)
    net, x, seen = masked_each(rng), rng.normal(size=(5, 3, 4)), rng.random((5, 1, 1, 3)) > 0.4
    seen[..., 0] = True
    mask = np.where(seen, 0.0, -1e9)
    whole = net.forward((x, mask))
    np.testing.assert_allclose(net.predict((x, mask), batch_size=2), whole, rtol=1e-12)
    for n in range(5):                                      # as if the hidden tokens were not there, but for the mean
        T = seen[n, 0, 0]
        alone = Network(net.layers[:-1], net.inputs[:-1]).forward((x[n:n + 1], mask[n:n + 1]))
        np.testing.assert_allclose(whole[n], alone.mean(axis=1)[0], rtol=1e-9)
        R = passes.lrp(net, (x[n:n + 1], mask[n:n + 1]), 0, rules=composites.cp_lrp)[0][0]
        assert (R[0, ~T] == 0).all() and np.isfinite(R).all()


def test_cross_attention_looks_at_other_tokens():
    rng = np.random.default_rng(0)
    graph = Graph()
    x, context = graph.add(0, Input(0)), graph.add(0, Input(1))
    graph.add((x, context), Attention.random(4, 2, rng, dtype="float64"))
    net = Network(graph.layers, graph.inputs)
    x, context = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    A = net.trace((x, context))
    assert A[-1].shape == (2, 3, 4) and A[place(net, Softmax) + 1].shape == (2, 2, 3, 5)
    R_x, R_context = passes.lrp(net, (x, context), rules=composites.cp_lrp, start=np.ones((2, 3, 4)))[0]
    assert (R_x == 0).all() and R_context.shape == context.shape and R_context.any(), "under CP-LRP values take all"


X = NETWORKS["transformer"][1]


# --- transformers ----------------------------------------------------------------------------------------------------


def test_composites_for_transformers_put_the_papers_rules_in_their_places():
    net = transformer()
    attn, cp = (composites.rules_for(net, rules) for rules in RULES)
    scores, mixture, norm = place(net, MatMul), place(net, MatMul, 1), place(net, LayerNorm)
    assert attn[scores] is attn[mixture] is half_each and attn[norm] is cp[norm] is scale_held_fixed
    assert attn[place(net, Softmax)] is softmax_taylor
    assert cp[scores] is half_each, "nothing arrives at the scores, as the weights of the mixture get none"
    assert cp[mixture].func is signal_takes_all and cp[mixture].keywords["signal"] == 1
    R = passes.lrp(net, X, rules=composites.cp_lrp)
    assert not R[mixture].any() or not R[net.inputs[mixture][0]].any()
    gated = Network([Branches([[], [Dense(np.eye(3))]], Multiply())])
    found = [composites.rules_for(gated, rules)[-1] for rules in RULES]
    assert found == [half_each, signal_takes_all]
    usual = composites.rules_for(net, partial(lrp.epsilon, epsilon=0.25))
    assert usual[scores].func is half_each and usual[scores].keywords == {"epsilon": 0.25}


def test_one_rule_for_all_and_composites_reach_the_projections():
    net = transformer()
    queries = net.names.index("4.body.1.queries.0")
    assert composites.rules_for(net, lrp.gamma_signed)[queries] is lrp.gamma_signed
    assert composites.epsilon_plus(net)[queries] is lrp.epsilon
    with pytest.raises(ValueError, match="gamma got negative inputs"):
        passes.lrp(net, X, rules=[None if rule is None else lrp.gamma if rule is lrp.epsilon else rule
                                  for rule in composites.epsilon_plus(net)])


def test_the_methods_for_transformers_are_the_composites():
    net = transformer()
    for name in ("attn_lrp", "cp_lrp"):
        found = attribution.METHODS[name](net, X, 1)
        assert np.array_equal(found, passes.lrp(net, X, 1, getattr(composites, name))[0]), name


def test_attention_over_words_explains_each_word():
    rng = np.random.default_rng(0)
    net = Network([Embedding(rng.normal(size=(9, 6))), PositionEmbedding(rng.normal(size=(5, 6))),
                   Attention(*(rng.normal(size=(6, 6)) for _ in range(4)), heads=3, causal=True), GlobalAvgPool(),
                   Dense(rng.normal(size=(6, 2)))])
    x = rng.integers(0, 9, (4, 5))
    assert passes.lrp(net, x, rules=composites.cp_lrp)[0].shape == (4, 5)
    total = passes.deeplift(net, x, x[:1] * 0, 1)[0].sum(axis=1)
    np.testing.assert_allclose(total, net.forward(x)[:, 1] - net.forward(x[:1] * 0)[:, 1], rtol=1e-9)
