"""Activation patching: against lines written out by hand, and what must hold of it."""
import numpy as np
import pytest

from minixnn import Dense, Network, ReLU, attribution, datasets, models
from minixnn.layers import Add, Attention, Embedding, LayerNorm, Residual, Sigmoid, Softmax, TakeToken
from minixnn.models import recall

EPSILON = 1e-12


@pytest.fixture(scope="module")
def two():
    """A network in which paths meet, and two batches of inputs."""
    rng = np.random.default_rng(0)
    net = Network([Residual([LayerNorm(np.ones(6), np.zeros(6)), Attention(*rng.normal(size=(4, 6, 6)), heads=2)]),
                   Residual([Dense(rng.normal(size=(6, 6))), ReLU()]), TakeToken(1), Dense(rng.normal(size=(6, 3)))])
    return net, *rng.normal(size=(2, 4, 5, 6))


def by_hand(net, x, other, i, part):
    """The layers above A[i] run again, in a plain loop, with one entry of all images put in."""
    A, B = net.trace(x), net.trace(other)
    A[i] = A[i].copy()
    A[i][part] = B[i][part]
    for l in range(i, len(net.layers)):
        A[l + 1] = net.layers[l].forward(net.entering(A, l))
    return A[-1]


@pytest.mark.parametrize("axes", [1, -1, (1,), (1, 2), (2, 1), ()])
def test_effects_are_those_of_a_loop_written_out(two, axes):
    net, x, other = two
    cut = [axes] if isinstance(axes, int) else list(axes)
    y = net.forward(x)
    for i in range(len(net.layers) + 1):
        a = net.trace(x)[i]
        if max([axis % a.ndim for axis in cut], default=0) >= a.ndim or any(axis >= a.ndim for axis in cut):
            continue
        found = attribution.patching(net, x, other, i, axes, target=2)
        assert found.shape == (4, *(a.shape[axis] for axis in cut))
        for part in np.ndindex(*found.shape[1:]):
            where = [slice(None)] * a.ndim
            for axis, n in zip(cut, part):
                where[axis] = n
            expected = (by_hand(net, x, other, i, tuple(where)) - y)[:, 2]
            assert np.allclose(found[(slice(None), *part)], expected, atol=EPSILON)


def test_only_what_is_reached_is_computed_anew(two, monkeypatch):
    """A part of the values does not reach the scores; a batch that is cut gives the same."""
    net, x, other = two
    i = net.names.index("0.body.1.values.1") + 1
    calls, forward = [], Softmax.forward
    monkeypatch.setattr(Softmax, "forward", lambda self, x: calls.append(1) or forward(self, x))
    found = attribution.patching(net, x, other, i, (1,), target=0, batch_size=4)
    assert len(calls) == 2, "the two runs"
    assert np.allclose(found, attribution.patching(net, x, other, i, (1,), target=0, batch_size=1, workers=2))


def test_to_put_all_of_an_input_in_is_to_run_the_other(two):
    net, x, other = two
    y, y_other = net.forward(x), net.forward(other)
    start = np.random.default_rng(1).normal(size=y.shape)
    assert np.allclose(attribution.patching(net, x, other, 0, start=start), ((y_other - y) * start).sum(axis=1))
    assert np.allclose(attribution.patching(net, x, x, 3, 1, target=0), 0)
    last = len(net.layers)
    assert np.allclose(attribution.patching(net, x, other, last, 1, target=1)[:, 1], (y_other - y)[:, 1])


def test_the_target_is_the_one_of_the_run_that_is_patched(two):
    net, x, other = two
    expected = attribution.patching(net, x, other, 2, 1, target=net.forward(x).argmax(axis=1))
    assert np.array_equal(attribution.patching(net, x, other, 2, 1), expected)


def test_one_other_serves_all_and_a_share_goes_a_part_of_the_way(two):
    net, x, other = two
    one = attribution.patching(net, x, other[:1], 0, 1, target=0)
    assert np.allclose(one, attribution.patching(net, x, np.repeat(other[:1], 4, axis=0), 0, 1, target=0))
    half = attribution.patching(net, x, other, 0, 1, target=0, share=0.5)
    assert np.allclose(half, attribution.patching(net, x, (x + other) / 2, 0, 1, target=0))


def test_small_steps_are_the_gradient(two):
    net, x, other = two
    G = attribution.gradient(net, x, 0)
    effect = attribution.patching(net, x, other, 0, 1, target=0, share=1e-6) / 1e-6
    assert np.allclose(effect, (G * (other - x)).sum(axis=2), rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:the network ends in")
def test_a_squashing_head_is_left_out_and_the_logit_explained():
    rng = np.random.default_rng(2)
    net, (x, other) = Network([Dense(rng.normal(size=(3, 2)))]), rng.normal(size=(2, 4, 3))
    for head in (Softmax(), Sigmoid()):
        assert np.allclose(attribution.patching(net.then(Network([head])), x, other, 0, 1, 1),
                           attribution.patching(net, x, other, 0, 1, 1))


def test_tokens_are_patched_behind_their_embedding_and_in_front_of_it():
    net = models.load("recall")
    x, answers = recall.questions(6, np.random.default_rng(0))
    letters, *_ = recall.exchanged(x, np.random.default_rng(0))
    before, behind = (attribution.patching(net, letters, x, i, 1, answers) for i in (0, 1))
    assert before.dtype.kind == "f" and np.allclose(before, behind, atol=1e-4) and abs(before).max() > 1
    with pytest.raises(ValueError, match="got share=0.5 for whole numbers"):
        attribution.patching(net, letters, x, 0, 1, answers, share=0.5)


def test_an_image_keeps_its_type_and_parts_of_a_join_are_found():
    images, labels = datasets.mnist("test")
    net = models.load("vit")
    i = next(l for l, layer in enumerate(net.layers) if isinstance(layer, Add)) + 1
    found = attribution.patching(net, images[:2], images[2:4], i, 1, labels[:2])
    assert found.shape == (2, 16) and found.dtype == np.float32


@pytest.mark.parametrize("call, sentence", [
    (dict(i=99), "got i=99, expected the number of an activation, from 0"),
    (dict(i=-1), "net.describe\\(\\) numbers the layers"), (dict(i=1.5), "got i=1.5"),
    (dict(i=0, axes=0), "axis 0 is that of the images"), (dict(i=0, axes=3), "expected different axes from 1 to 2"),
    (dict(i=0, axes=(1, -2)), "got axes=\\(1, -2\\) for an activation of shape \\(4, 5, 6\\)")])
def test_a_wrong_call_is_answered_in_a_sentence(two, call, sentence):
    net, x, other = two
    with pytest.raises(ValueError, match=sentence):
        attribution.patching(net, x, other, **call)


def test_another_run_of_another_shape_is_refused(two):
    net, x, other = two
    with pytest.raises(ValueError, match="expected the same shape"):
        attribution.patching(net, x, other[:, :3], 0)


# ------------------------------------------------------------------------------------------- the networks for it

def test_the_shipped_circuit_is_one_head_for_the_letter_before():
    net = models.load("recall").astype(np.float64)
    x, answers = recall.questions(100, np.random.default_rng(5))
    letters, digits, second = recall.exchanged(x, np.random.default_rng(6))
    assert (net.forward(x).argmax(axis=1) == answers).all()
    assert all((net.forward(text).argmax(axis=1) == second).all() for text in (letters, digits))
    start, (first, _) = np.eye(8)[answers] - np.eye(8)[second], [
        l + 1 for l, name in enumerate(net.names) if name.endswith("mixture")]
    heads = attribution.patching(net, letters, x, first, 1, start=start).mean(axis=0)
    assert heads.argmax() == 2 and heads[2] > 20 * np.delete(heads, 2).max()


def test_questions_are_asked_as_they_are_told():
    x, answers = recall.questions(500, np.random.default_rng(0))
    for row, answer in zip(x, answers):
        text = recall.text(row)
        assert text[text.index(text[-1]) + 1] == recall.DIGITS[answer]
        assert len(set(text[:-1])) == 8 and set(text[0:8:2]) <= set(recall.LETTERS)
    letters, digits, second = recall.exchanged(x, np.random.default_rng(1))
    for rows in (letters, digits):
        for row, before, answer in zip(rows, x, second):
            text = recall.text(row)
            assert text[text.index(text[-1]) + 1] == recall.DIGITS[answer] and sorted(row) == sorted(before)
            assert (row != before).sum() == 2 and row[-1] == before[-1]


def test_the_network_of_lesson_7_4_copies_the_letter_behind_the_marker():
    net = recall.by_hand(8.0)
    for text, letter in (("bd*cab", "c"), ("b*dcab", "d"), ("ab.*ca", "c")):
        x = np.array([["abcd*.".index(each) for each in text]])
        assert net.forward(x)[0].argmax() == "abcd".index(letter) and net.forward(x).max() > 0.9
    assert isinstance(net.layers[0], Embedding)
