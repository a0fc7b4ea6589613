"""RNN, GRU and LSTM: the cells they write, and relevance as loops over single numbers."""
import math
from functools import partial

import numpy as np
import pytest

from minixnn import Graph, Network, ledger, passes
from minixnn.layers import (GRU, LSTM, RNN, Branches, Dense, Embedding, Input, Multiply, Sigmoid, Stack, TakeToken,
                            Tanh)
from minixnn.rules import composites, lrp
from minixnn.train import SGD, backward, update

T, I, H, EPSILON = 4, 3, 2, 0.01
GATES = {RNN: 1, GRU: 3, LSTM: 4}
KINDS = [(RNN, {}), (RNN, {"reverse": True}), (GRU, {}), (GRU, {"reset_after": False}), (GRU, {"reverse": True}),
         (LSTM, {}), (LSTM, {"reverse": True})]


def arrays(kind, seed=0, inputs=I):
    rng, columns = np.random.default_rng(seed), GATES[kind] * H
    return [rng.normal(size=shape) for shape in ((inputs, columns), (H, columns), (columns,), (columns,))]


def sequences(seed=1, count=2):
    return np.random.default_rng(seed).normal(size=(count, T, I))


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def affine(x, W, b):
    return [sum(x[j] * W[j][k] for j in range(len(x))) + b[k] for k in range(len(b))]


def shared(x, W, z, R):
    """LRP-epsilon of one affine layer, number by number."""
    return [sum(x[j] * W[j][k] / (z[k] + (EPSILON if z[k] >= 0 else -EPSILON)) * R[k] for k in range(len(z)))
            for j in range(len(x))]


def halved(a, b, R):
    """LRP-epsilon of a sum of two vectors."""
    stable = [p + q + (EPSILON if p + q >= 0 else -EPSILON) for p, q in zip(a, b)]
    return [p / s * r for p, s, r in zip(a, stable, R)], [q / s * r for q, s, r in zip(b, stable, R)]


def plus(a, b):
    return [p + q for p, q in zip(a, b)]


def times(a, b):
    return [p * q for p, q in zip(a, b)]


def parts(kind, W_x, W_h, b_x, b_h):
    """For each gate (W_x, W_h, b_x, b_h) of its own, as lists."""
    return [tuple(a[..., n * H:(n + 1) * H].tolist() for a in (W_x, W_h, b_x, b_h)) for n in range(GATES[kind])]


def of_rnn(x, own, R_last):
    """(last state, relevance of each token): tanh([x, h] W + b)."""
    (W_x, W_h, b_x, b_h), = own
    W, h, kept = W_x + W_h, [0.0] * H, []
    for token in x:
        a = affine(token + h, W, plus(b_x, b_h))
        kept.append((token, h, a))
        h = [math.tanh(v) for v in a]
    R_h, found = R_last(h), []
    for token, before, a in reversed(kept):
        R = shared(token + before, W, a, R_h)
        found.append(R[:I])
        R_h = R[I:]
    return h, found[::-1]


def of_lstm(x, own, R_last):
    """Arras et al. 2017: gates are weights, so the cell's share goes to the candidate and to the cell before."""
    h, c, kept = [0.0] * H, [0.0] * H, []
    for token in x:
        pre = [affine(token + h, W_x + W_h, plus(b_x, b_h)) for W_x, W_h, b_x, b_h in own]
        i, f, o = ([sigmoid(v) for v in pre[n]] for n in (0, 1, 3))
        new, old = times(i, [math.tanh(v) for v in pre[2]]), times(f, c)
        kept.append((token, h, pre[2], new, old))
        c = plus(new, old)
        h = times(o, [math.tanh(v) for v in c])
    R_h, R_c, found = R_last(h), [0.0] * H, []
    for token, before, a, new, old in reversed(kept):
        R_c = plus(R_c, R_h)                                # the output gate receives nothing, tanh passes on
        R_new, R_c = halved(new, old, R_c)
        R = shared(token + before, own[2][0] + own[2][1], a, R_new)
        found.append(R[:I])
        R_h = R[I:]
    return h, found[::-1]


def of_gru(x, own, R_last, reset_after=True):
    h, kept = [0.0] * H, []
    for token in x:
        r, z = ([sigmoid(v) for v in affine(token + h, W_x + W_h, plus(b_x, b_h))] for W_x, W_h, b_x, b_h in own[:2])
        W_x, W_h, b_x, b_h = own[2]
        old, new = affine(h, W_h, b_h), affine(token, W_x, b_x)
        a = plus(new, times(old, r)) if reset_after else affine(token + times(h, r), W_x + W_h, plus(b_x, b_h))
        n = [math.tanh(v) for v in a]
        made, stays = [v * (1 - g) for v, g in zip(n, z)], times(h, z)
        kept.append((token, h, r, old, new, a, made, stays))
        h = plus(made, stays)
    R_h, found = R_last(h), []
    for token, before, r, old, new, a, made, stays in reversed(kept):
        R_n, R_stays = halved(made, stays, R_h)
        if reset_after:
            R_new, R_old = halved(new, times(old, r), R_n)
            R_x, R_before = shared(token, own[2][0], new, R_new), shared(before, own[2][1], old, R_old)
        else:
            R = shared(token + times(before, r), own[2][0] + own[2][1], a, R_n)
            R_x, R_before = R[:I], R[I:]
        found.append(R_x)
        R_h = plus(R_stays, R_before)
    return h, found[::-1]


LOOPS = {RNN: of_rnn, GRU: of_gru, LSTM: of_lstm}


@pytest.mark.parametrize("kind, settings", KINDS)
def test_relevance_is_that_of_a_loop_over_single_numbers(kind, settings):
    given, x, head, backwards = arrays(kind), sequences(), [[1.0], [-0.5]], settings.get("reverse", False)
    net = Network([kind(*given, steps=T, **settings), TakeToken(0 if backwards else -1), Dense(np.array(head))])
    y, R = net.forward(x), passes.lrp(net, x, 0, partial(lrp.epsilon, epsilon=EPSILON))[0]
    more = {"reset_after": False} if "reset_after" in settings else {}
    for n in range(len(x)):
        tokens = x[n].tolist()[::-1 if backwards else 1]
        h, found = LOOPS[kind](tokens, parts(kind, *given), lambda h: shared(h, head, y[n], y[n]), **more)
        assert np.isclose(h[0] - 0.5 * h[1], y[n, 0], rtol=1e-12)
        np.testing.assert_allclose(R[n], found[::-1 if backwards else 1], rtol=1e-9, atol=1e-12)


def frozen(net, x, R_y):
    """Gradient x input with gates held fixed and tanh(a) / a in place of tanh's slope, from the last layer down."""
    A = net.trace(x)
    dA = [0] * len(net.layers) + [R_y / A[-1]]
    for l in reversed(range(len(net.layers))):
        layer, x_l = net.layers[l], net.entering(A, l)
        if isinstance(layer, Tanh):
            d = dA[l + 1] * A[l + 1] / x_l
        elif isinstance(layer, Multiply):
            d = (dA[l + 1] * x_l[1], np.zeros_like(x_l[1]))
        elif isinstance(layer, Sigmoid):
            d = np.zeros_like(x_l)
        else:
            d = layer.gradient(x_l, A[l + 1], dA[l + 1])
        net.add_to_inputs(dA, l, d)
    return x * dA[0]


@pytest.mark.parametrize("kind, settings", KINDS)
def test_signal_takes_all_is_gradient_x_input_with_frozen_gates(kind, settings):
    net, x = Network([kind(*arrays(kind), steps=T, **settings), TakeToken(1), Dense(np.array([[1.0], [-0.5]]))]), \
        sequences()
    R = passes.lrp(net, x, 0, partial(lrp.epsilon, epsilon=1e-13))[0]
    np.testing.assert_allclose(R, frozen(net, x, net.forward(x)), rtol=1e-7, atol=1e-9)
    assert abs(R - x * passes.gradient(net, x, 0)[0]).max() > 0.01      # and not gradient x input itself


@pytest.mark.parametrize("kind, settings", KINDS)
def test_gates_receive_nothing_and_the_ledger_adds_up(kind, settings):
    net, x = Network([kind(*arrays(kind), steps=T, **settings), TakeToken(2)]), sequences()
    rules = composites.rules_for(net, lrp.epsilon)
    R = passes.lrp(net, x, 0, rules)
    gates = [l for l, layer in enumerate(net.layers) if isinstance(layer, Sigmoid)]
    assert all(not R[l + 1].any() for l in gates)
    assert kind is RNN or len(gates) == 3 * T
    table = ledger.audit(net, x, R, rules)
    assert max(abs(row.residual) for row in table.rows) < 1e-10


# --- what is written -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, settings", KINDS)
def test_one_layer_object_stands_at_every_step(kind, settings):
    net = Network([kind(*arrays(kind), steps=T, **settings)])
    dense = [layer for layer in net.layers if isinstance(layer, Dense)]
    cell = {RNN: 1, LSTM: 4, GRU: 4 if settings.get("reset_after", True) else 3}[kind]
    assert len(dense) == cell * T and len(set(map(id, dense))) == cell
    counted = sum(a.size for layer in {id(d): d for d in dense}.values() for a in layer.arrays().values()
                  if a is not None)
    biases = H if kind is GRU and cell == 4 else 0          # of the candidate, which has two sums
    assert counted == (I + H + 1) * GATES[kind] * H + biases


@pytest.mark.parametrize("kind, settings", KINDS)
def test_gradients_of_a_shared_layer_add_up(kind, settings):
    net, x = Network([kind(*arrays(kind), steps=T, **settings), TakeToken(0), Dense(np.array([[1.0], [-0.5]]))]), \
        sequences()
    layer = next(layer for layer in net.layers if isinstance(layer, Dense))
    gradients, _ = backward(net, net.trace(x), np.ones((2, 1)))
    total = sum(g["W"] for g, at in zip(gradients, net.layers) if at is layer)
    step = 1e-6
    for j, k in ((0, 0), (I, 1), (I + 1, 0)):
        ends = []
        for sign in (1, -1):
            layer.W[j, k] += sign * step
            ends.append(net.forward(x).sum())
            layer.W[j, k] -= sign * step
        assert np.isclose((ends[0] - ends[1]) / (2 * step), total[j, k], rtol=1e-5, atol=1e-8)
    before = layer.W.copy()
    update(SGD(0.1, momentum=0), net, gradients)
    np.testing.assert_allclose(layer.W, before - 0.1 * total, rtol=1e-12)       # one step, of the sum


def test_the_state_before_the_first_step_can_be_an_input():
    cell, x, graph = LSTM(*arrays(LSTM), steps=T), sequences(), Graph()
    graph.add((graph.add(0, Input(0)), graph.add(0, Input(1)), graph.add(0, Input(2))), cell)
    net, zero = Network(graph.layers, graph.inputs, names=graph.names), np.zeros((2, H))
    assert np.array_equal(net.forward((x, zero, zero)), Network([cell]).forward(x))
    whole = Network([cell]).trace(x)
    made = dict(zip(Network([cell]).names, whole[1:]))
    halves = Network([LSTM(*arrays(LSTM), steps=2)])
    assert np.allclose(net.forward((x, made["0.step0.state"], made["0.step0.cell"]))[:, 0], LSTM_step(
        x[:, 0], made["0.step0.state"], made["0.step0.cell"]))
    assert np.allclose(halves.forward(x[:, :2]), net.forward((x, zero, zero))[:, :2])


def LSTM_step(x, h, c):
    W_x, W_h, b_x, b_h = arrays(LSTM)
    i, f, g, o = np.split(x @ W_x + h @ W_h + b_x + b_h, 4, axis=1)
    gate = [1 / (1 + np.exp(-a)) for a in (i, f, o)]
    return gate[2] * np.tanh(gate[1] * c + gate[0] * np.tanh(g))


def test_both_directions_and_several_layers_are_branches_and_lists():
    both = [Branches([[GRU(*arrays(GRU, 2 * n, inputs), steps=T)],
                      [GRU(*arrays(GRU, 2 * n + 1, inputs), steps=T, reverse=True)]])
            for n, inputs in enumerate((I, 2 * H))]
    x = sequences()
    h = x
    for n, inputs in enumerate((I, 2 * H)):
        forth = Network([GRU(*arrays(GRU, 2 * n, inputs), steps=T)]).forward(h)
        back = Network([GRU(*arrays(GRU, 2 * n + 1, inputs), steps=T)]).forward(h[:, ::-1])[:, ::-1]
        h = np.concatenate([forth, back], axis=-1)
    np.testing.assert_allclose(Network(both).forward(x), h, rtol=1e-12)


def test_a_saved_network_still_shares_its_cell(tmp_path):
    net = Network([Embedding(np.random.default_rng(0).normal(size=(5, I))), GRU(*arrays(GRU), steps=T), TakeToken(-1)])
    net.save(tmp_path / "gru.npz")
    again, tokens = Network.load(tmp_path / "gru.npz"), np.array([[0, 3, 4, 1]])
    assert np.array_equal(again.forward(tokens), net.forward(tokens)) and again.names == net.names
    assert len({id(layer) for layer in again.layers if isinstance(layer, Dense)}) == 4
    assert again.describe(x=tokens) == net.describe(x=tokens) and "(shared)" in net.describe()


def test_one_step_is_a_sequence_of_one():
    net = Network([RNN(*arrays(RNN), steps=1)])
    x = sequences()[:, :1]
    W_x, _, b_x, b_h = arrays(RNN)
    np.testing.assert_allclose(net.forward(x), np.tanh(x @ W_x + b_x + b_h), rtol=1e-12)
    assert not any(isinstance(layer, Stack) for layer in net.layers)


# --- what is refused -------------------------------------------------------------------------------------------------

def test_a_sequence_of_another_length_is_refused():
    net = Network([LSTM(*arrays(LSTM), steps=T)])
    with pytest.raises(ValueError, match="sequences of 5 tokens, expected 4: a recurrent layer is written out"):
        net.forward(np.zeros((2, 5, I)))


@pytest.mark.parametrize("change, said", [
    ({"steps": 0}, "GRU got steps=0, expected the length of the sequences"),
    ({"W_x": np.zeros((I, 5))}, r"GRU got W_x \(3, 5\) and W_h \(2, 6\), expected \(inputs, 3 H\) and \(H, 3 H\), for "
                                "reset, update, candidate"),
    ({"W_h": np.zeros((H, 4))}, r"W_h \(2, 4\), expected"), ({"b_h": np.zeros(2)}, r"b_h \(2,\), expected \(6,\)"),
    ({"W_x": [[1.0]]}, "list")])
def test_arrays_that_do_not_fit_are_refused(change, said):
    given = dict(zip(("W_x", "W_h", "b_x", "b_h"), arrays(GRU)), steps=T)
    with pytest.raises((ValueError, TypeError), match=said):
        GRU(**{**given, **change})


def test_one_state_where_an_lstm_has_two_is_refused():
    graph = Graph()
    with pytest.raises(ValueError, match="got 2 inputs, expected the sequence alone, or with it the state before the "
                       "first step: h, c"):
        graph.add((graph.add(0, Input(0)), graph.add(0, Input(1))), LSTM(*arrays(LSTM), steps=T))


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="activation='sigmoid', expected 'tanh' or 'relu'"):
        RNN(*arrays(RNN), steps=T, activation="sigmoid")
