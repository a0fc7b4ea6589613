"""Are tokens explained from the command line as from Python, and shown by their names?"""
import html
import json
import pathlib
import re

import numpy as np
import pytest

from minixnn import Dense, Network, attribution
from minixnn.cli.tokens import from_text, written
from minixnn.layers import Attention, Embedding, LayerNorm, MeanOver, Residual
from minixnn.rules import composites

RNG = np.random.default_rng(4)
WORDS = ["[PAD]", "[CLS]", "good", "bad", "film", "very", "##ly", "2024"]


def text_net(**card):
    attention = Attention(*RNG.normal(size=(4, 6, 6)) / 3, heads=2)
    layers = [Embedding(RNG.normal(size=(8, 6))), Residual([LayerNorm(), attention]), MeanOver(1),
              Dense(RNG.normal(size=(6, 2)))]
    return Network(layers).with_card(labels=["negative", "positive"], head="Softmax", **card)


def tagger():
    """A network with an output for each token."""
    attention = Attention(*RNG.normal(size=(4, 6, 6)) / 3, heads=2)
    return Network([Embedding(RNG.normal(size=(8, 6))), Residual([LayerNorm(), attention]),
                    Dense(RNG.normal(size=(6, 3)))])


@pytest.fixture
def there(say):
    pathlib.Path("vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")


def test_a_list_of_tokens_is_explained_as_from_python(there, say):
    net = text_net()
    net.save("net.npz")
    status, said = say("explain", "[1, 5, 2, 4]", "--model", "net.npz", "--vocabulary", "vocab.txt")
    x = np.array([[1, 5, 2, 4]])
    R = attribution.lrp(net, x, rules=composites.attn_lrp)
    found = np.load("out/tokens_relevance.npy")
    assert status == 0 and np.allclose(found, R, atol=1e-6) and "positive" in said, said
    strongest = WORDS[x[0, abs(R[0]).argmax()]]
    assert f"most of it: {strongest} " in said and "out/tokens_relevance.html" in said
    page = pathlib.Path("out/tokens_relevance.html").read_text(encoding="utf-8")
    pieces = re.findall(r'title="([^"]*)">([^<]*)</span>', page)
    assert [html.unescape(text) for _, text in pieces] == ["[CLS]", " very", " good", " film"]
    assert [float(r) for r, _ in pieces] == pytest.approx(R[0].tolist(), rel=5e-3)
    assert "Point at a token" in page and "Magika" not in page


def test_a_text_has_a_sequence_a_line_in_numbers_or_in_words(there, say):
    net = text_net()
    net.save("net.npz")
    pathlib.Path("numbers.txt").write_text("1 5 2 4\n\n1,3\n", encoding="utf-8")
    pathlib.Path("words.txt").write_text("[CLS] very Good film\n[CLS] bad", encoding="utf-8")
    np.save("same.npy", np.array([[1, 5, 2, 4], [1, 3, 0, 0]]))
    one = attribution.lrp(net, np.array([[1, 5, 2, 4]]), rules=composites.attn_lrp)[0]
    two = attribution.lrp(net, np.array([[1, 3]]), rules=composites.attn_lrp)[0]
    for name, options in (("numbers.txt", []), ("words.txt", ["--vocabulary", "vocab.txt"])):
        status, said = say("explain", name, "--model", "net.npz", *options)
        R = np.load(f"out/{name[:-4]}_relevance.npy")
        assert status == 0 and "2 sequences of tokens explained" in said and "sequence 1: " in said, said
        assert np.allclose(R[0], one) and np.allclose(R[1, :2], two) and np.isnan(R[1, 2:]).all()
    assert say("explain", "same.npy", "--model", "net.npz")[0] == 0
    assert np.allclose(np.load("out/same_relevance.npy")[0], one)
    assert say("ledger", "same.npy", "--model", "net.npz")[0] == 0
    status, said = say("ledger", "numbers.txt", "--model", "net.npz")
    assert status == 2 and "of several lengths" in said
    status, said = say("step", "numbers.txt", "--model", "net.npz", "-o", "walk.html")
    assert status == 0 and "the first of 2" in said and pathlib.Path("walk.html").exists()


@pytest.mark.parametrize("name, text", [
    ("list.json", json.dumps(WORDS)), ("vocab.json", json.dumps({word: k for k, word in enumerate(WORDS)})),
    ("tokenizer.json", json.dumps({"model": {"vocab": {word: k for k, word in enumerate(WORDS)}}})),
    ("unigram.json", json.dumps({"model": {"vocab": [[word, -1.5] for word in WORDS]}}))])
def test_a_vocabulary_comes_in_the_files_that_tokenizers_write(there, say, name, text):
    text_net().save("net.npz")
    pathlib.Path(name).write_text(text, encoding="utf-8")
    status, said = say("explain", "1, 2", "--model", "net.npz", "--vocabulary", name, "--color", "always")
    assert status == 0 and "[CLS]" in said and "good" in said, said


def test_one_place_of_a_sequence_of_outputs_is_explained(there, say):
    net, x = tagger(), np.array([[1, 5, 2, 4]])
    net.save("net.npz")
    y = net.forward(x)
    status, said = say("explain", "1 5 2 4", "--model", "net.npz")
    place = int(y[0].max(axis=-1).argmax())
    assert status == 0 and f"--place {place} explains that one alone" in said, said
    for given in ("2", "-2"):
        assert say("explain", "1 5 2 4", "--model", "net.npz", "--place", given)[0] == 0
        start = np.zeros_like(y)
        start[0, 2, y[0, 2].argmax()] = y[0, 2].max()
        R = attribution.lrp(net, x, rules=composites.attn_lrp, start=start)
        assert np.allclose(np.load("out/tokens_relevance.npy"), R, atol=1e-6)
    status, said = say("explain", "1 5 2 4", "--model", "net.npz", "--place", "4")
    assert status == 2 and "one of the 4 places of the outputs, from 0 to 3" in said
    assert "expected a whole number, the place" in say("explain", "1 2", "--model", "net.npz", "--place=a")[1]
    text_net().save("one.npz")
    assert "no sequence that has places" in say("explain", "1 2", "--model", "one.npz", "--place", "0")[1]


@pytest.mark.parametrize("content, options, words", [
    ("1 99", [], "has the token 99 in the sequence, the network knows 0 to 7"),
    ("a good film", [], "give --vocabulary FILE"),
    ("[CLS] goood film", ["--vocabulary", "vocab.txt"], "did you mean good?"),
    ("\n\n", [], "is empty, expected a line of tokens"),
    ("1 2", ["--vocabulary", "none.txt"], "--vocabulary none.txt cannot be read"),
    ("1 2", ["--vocabulary", "bad.json"], "--vocabulary bad.json cannot be read"),
])
def test_tokens_that_are_none_are_answered_in_a_sentence(there, say, content, options, words):
    text_net().save("net.npz")
    pathlib.Path("bad.json").write_text("3")
    pathlib.Path("t.txt").write_text(content)
    status, said = say("explain", "t.txt", "--model", "net.npz", *options)
    assert status in (1, 2) and words in said and "Traceback" not in said, said


def test_other_files_and_lengths_are_answered_in_a_sentence(there, say):
    text_net(input_shape=(4,)).save("net.npz")
    np.save("floats.npy", np.zeros((1, 4), "f4"))
    pathlib.Path("photo.txt").write_bytes(b"\xff\xd8\xff\xe0")
    for name, words in (("1, 2", "has 2 tokens in the sequence, the network takes 4"), ("none.txt", "no such file"),
                        ("floats.npy", "expected whole numbers, (tokens,)"), ("photo.txt", "is no text in UTF-8")):
        status, said = say("explain", name, "--model", "net.npz")
        assert status == 1 and words in said, said
    status, said = say("explain", "floats.npy", "--model", "dense", "--vocabulary", "vocab.txt")
    assert status == 2 and "takes no tokens" in said


def test_another_list_of_tokens_is_no_result_of_the_same_call(there, say):
    text_net().save("net.npz")
    assert say("explain", "1, 2", "--model", "net.npz")[0] == 0
    assert "have results already" in say("explain", "1, 2", "--model", "net.npz", "--resume")[1]
    assert "was made otherwise" in say("explain", "1, 3", "--model", "net.npz", "--resume")[1]


def test_pieces_of_words_are_put_together_again():
    assert written(np.array([4, 5, 6, 9]), dict(enumerate(WORDS))) == ["film", " very", "ly", " [9]"]
    marks = {0: "\u0120a", 1: "b", 2: "\u2581c"}
    assert written(np.array([0, 1, 2]), marks) == [" a", "b", " c"]
    assert [row.tolist() for row in from_text("a c", marks)] == [[0, 2]]
    assert written(np.array([7, 8]), None) == ["7", " 8"]
