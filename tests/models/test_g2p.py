"""The network that reads words: what the package says, alignment by hand, explanations of one phoneme; and adders."""
import re
from functools import partial

import numpy as np
import pytest

from minixnn import attribution, datasets, models, passes
from minixnn.layers import Dense
from minixnn.models import adding, g2p
from minixnn.rules import lrp

# what g2p_en 2.1.0 says, as recorded; half precision may tip a near tie, which none of these is
SAID = {"city": "S IH1 T IY0", "cake": "K EY1 K", "knight": "N AY1 T", "phone": "F OW1 N", "enough": "IH0 N AW1",
        "relevance": "R EH1 L AH0 V AH0 N S", "explain": "EH1 K S P L EY2 N",
        "activationist": "AE2 K T IH0 V EY1 SH AH0 N IH0 S T"}


def test_words_are_said_as_the_package_says_them():
    assert [" ".join(each) for each in g2p.pronounce(list(SAID))] == list(SAID.values())


def test_five_words_in_six_are_said_as_the_dictionary_has_them():
    words = datasets.words()
    assert len(words) == 600 and all(re.fullmatch("[a-z]{3,10}", word) for word in words)
    right = np.mean([each in words[word] for word, each in zip(words, g2p.pronounce(list(words)))])
    assert 0.82 < right < 0.85


def loop(word, said):
    """The logits after these phonemes by the equations of a GRU, in double precision."""
    a = {name: array.astype(float) for name, array in g2p.weights().items()}

    def step(x, h, name):
        u, v = x @ a[f"{name}.W_x"] + a[f"{name}.b_x"], h @ a[f"{name}.W_h"] + a[f"{name}.b_h"]
        r, z = (1 / (1 + np.exp(-u[n:n + 256] - v[n:n + 256])) for n in (0, 256))
        return (1 - z) * np.tanh(u[512:] + r * v[512:]) + z * h
    h, tokens = np.zeros(256), g2p.tokens(word, said)
    for n, token in enumerate(tokens):
        h = step(a["embedding"][token], h, "encoder" if n <= len(word) else "decoder")
    return h @ a["output.W"] + a["output.b"]


@pytest.mark.parametrize("word, said", [("city", []), ("a", []), ("knight", ["N", "AY1"])])
def test_a_network_of_any_length_computes_what_a_loop_computes(word, said):
    net = g2p.network(len(word), len(said)).astype(np.float64)
    np.testing.assert_allclose(net.forward(g2p.tokens(word, said)[None])[0], loop(word, said), rtol=1e-9, atol=1e-9)
    assert list(net.card.labels) == g2p.PHONEMES


def test_networks_of_all_lengths_share_their_layers():
    one, other = ({id(layer) for layer in g2p.network(*lengths).layers if isinstance(layer, Dense)}
                  for lengths in ((3, 0), (9, 4)))
    assert len(one) == len(one & other) + 1             # all but the output's


@pytest.mark.parametrize("word, said, letters", [
    ("phone", "F OW1 N", ["ph", "o", "n"]), ("knight", "N AY1 T", ["kn", None, "t"]),
    ("fix", "F IH1 K S", ["f", "i", "x", "x"]),
    ("city", "S IH1 T IY0", ["c", "i", "t", "y"]), ("cat", "D AO1 G", [None] * 3)])
def test_letters_of_a_phoneme(word, said, letters):
    found = g2p.spans(word, said.split())
    assert [span and word[slice(*span)] for span in found] == letters


def test_the_spelling_of_all_phonemes_is_known():
    sounds = {sound for each in g2p.spellings().values() for group in each for sound in group}
    assert sounds == {name.rstrip("012") for name in g2p.PHONEMES[4:]}


def test_explained_gives_a_number_for_each_letter_of_one_phoneme():
    words, k = ["city", "cake", "cent"], [0, 1, 0]
    told = g2p.pronounce(words)

    def method(net, x, x_ref, start):
        seen.append((net, x, x_ref, start))
        return attribution.integrated_gradients(net, x, baseline=x_ref, start=start, steps=100)
    seen = []
    R = g2p.explained(method, words, told, k, ["K", "AE1", "K"])
    assert [r.shape for r in R] == [(4,)] * 3 and len(seen) == 2        # two lengths of what has been said
    net, x, x_ref, start = seen[0]
    assert start.sum(axis=1).tolist() == [0, 0] and start[0, g2p.PHONEMES.index("S")] == 1
    assert np.array_equal(x[:, 4:], x_ref[:, 4:]) and np.ptp(x_ref[:, :4], axis=1).max() == 0
    change = ((net.forward(x) - net.forward(x_ref)) * start).sum(axis=1)
    np.testing.assert_allclose([R[0].sum(), R[2].sum()], change, rtol=0.02)


def test_the_record_of_the_lesson_is_found_again():
    read, every = datasets.record("reading"), list(datasets.words())
    rows = [(every[n], said, k, *span) for n in read["number"][:20] for said in g2p.pronounce([every[n]])
            for k, span in enumerate(g2p.spans(every[n], said)) if span]
    words, told, k, start, stop = zip(*rows)

    def plain(net, x, x_ref, start):
        return x * passes.gradient(net, x, start=start)[0]

    def relevance(net, x, x_ref, start):
        return passes.lrp(net, x, rules=partial(lrp.epsilon, epsilon=1e-3), start=start * net.forward(x))[0]
    for name, method in (("gradient x input", plain), ("LRP, signal takes all", relevance)):
        hits = [a <= r.argmax() < b for r, a, b in zip(g2p.explained(method, words, told, k), start, stop)]
        anew = [np.mean([hit for hit, word in zip(hits, words) if word == every[n]]) for n in read["number"][:20]]
        np.testing.assert_allclose(anew, read[name][:20], atol=1e-6)


@pytest.mark.parametrize("call, said", [
    (lambda: g2p.tokens("Zürich"), "got the word 'Zürich', expected letters from a to z"),
    (lambda: g2p.tokens("", ["S"]), r"got the word '' and phonemes \['S'\]"),
    (lambda: g2p.tokens("city", ["IH"]), "such as 'IH1' and 'K'"),
    (lambda: g2p.network(0), "letters=0, said=0, expected at least one letter"),
    (lambda: models.load("g2p"), r"has a network for each length: minixnn.models.g2p.network\(letters=4, said=0\)"),
    (lambda: adding.network("rnn"), "the network 'rnn', expected one of lstm0")])
def test_what_is_no_word_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# --- adding ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", adding.NAMES)
def test_an_adder_adds_what_is_marked(name):
    x, y = adding.sequences(500, np.random.default_rng(99))
    assert (x[..., 1].sum(axis=1) == 2).all() and np.allclose(y[:, 0], (x[..., 0] * x[..., 1]).sum(axis=1))
    assert ((adding.network(name).forward(x) - y) ** 2).mean() < 2e-4


def test_the_recipes_arrays_make_the_network_that_it_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(adding, "BATCHES", 40)
    monkeypatch.setattr(adding, "DATA", tmp_path / "adding.npz")
    np.savez(adding.DATA, **adding.trained("gru0"), **adding.trained("lstm1"))
    x, y = adding.sequences(300, np.random.default_rng(1))
    for name in ("gru0", "lstm1"):
        assert ((adding.network(name).forward(x) - y) ** 2).mean() < 1.2 * y.var()
