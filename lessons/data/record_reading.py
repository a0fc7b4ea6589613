"""Makes reading.npz, the record that lesson 7.7 reads: how often each method's first letter is one of the phoneme's.

    python lessons/data/record_reading.py           # 600 words, about four minutes on one core

"number" is the number of a word in `datasets.words()`; those are left out of whose phonemes `g2p.spans` knows none.
For each method an array beside it: of the phonemes whose letters are known, the share for which the letter with the
most relevance is one of them. "shuffled 0" to "shuffled 2" are networks with shuffled weights, explained by occlusion;
"shuffled, LRP" is the first of them. "same place" asks no network, "chance" is the share of a letter drawn at random.
"""
import pathlib
from functools import partial

import numpy as np

from minixnn import attribution, datasets, metrics, passes
from minixnn.models import g2p
from minixnn.rules import composites, lrp

STEPS = 10


def occluded(net, E, E_ref, start):
    """What the output loses when a letter is replaced. (N, T)"""
    y, lost = net.forward(E), np.zeros(E.shape[:2], np.float32)
    for t in range(E.shape[1]):
        if (E[:, t] != E_ref[:, t]).any():
            other = E.copy()
            other[:, t] = E_ref[:, t]
            lost[:, t] = ((y - net.forward(other)) * start).sum(axis=1)
    return lost


def propagated(rules):
    return lambda net, E, E_ref, start: passes.lrp(net, E, rules=rules, start=start * net.forward(E))[0].sum(axis=-1)


def integrated(net, E, E_ref, start):
    return attribution.integrated_gradients(net, E, baseline=E_ref, steps=STEPS, start=start).sum(axis=-1)


def deeplift(net, E, E_ref, start):
    return passes.deeplift(net, E, E_ref, start=start)[0].sum(axis=-1)


METHODS = {
    "gradient x input": lambda net, E, E_ref, start: (E * passes.gradient(net, E, start=start)[0]).sum(axis=-1),
    "LRP, signal takes all": propagated(partial(lrp.epsilon, epsilon=1e-3)),
    "LRP, epsilon 0.25": propagated(partial(lrp.epsilon, epsilon=0.25)),
    "LRP, half each": propagated(partial(composites.attn_lrp, epsilon=1e-3))}
FILLED = {"integrated gradients": integrated, "DeepLIFT": deeplift, "occlusion": occluded}


def fillings():
    """What a letter may be replaced by: nothing, or the mean of all letters."""
    letters = g2p.weights()["embedding"][3:29]
    return {"zero": 0 * letters[0], "mean": letters.mean(axis=0)}


def first_letters(words, said, spoken):
    """{method: (items,) the letter with the most relevance}"""
    found = {}
    for numbers, net, x in g2p.batches(words, said):
        L, tail, E = len(words[numbers[0]]), net.part(1, len(net.layers)), net.layers[0].forward(x)
        start = np.zeros((len(x), len(g2p.PHONEMES)), np.float32)
        start[np.arange(len(x)), [g2p.PHONEMES.index(spoken[n]) for n in numbers]] = 1
        R = {name: method(tail, E, E, start) for name, method in METHODS.items()}
        for filling, value in fillings().items():
            E_ref = E.copy()
            E_ref[:, :L] = value
            R.update({f"{name}, {filling}": method(tail, E, E_ref, start) for name, method in FILLED.items()})
        for seed in range(3):
            other = metrics.randomized(net, np.random.default_rng(seed))
            behind, e = other.part(1, len(other.layers)), other.layers[0].forward(x)
            e_ref = e.copy()
            e_ref[:, :L] = other.layers[0].W[3:29].mean(axis=0)
            R[f"shuffled {seed}"] = occluded(behind, e, e_ref, start)
            if seed == 0:
                R["shuffled, LRP"] = METHODS["LRP, signal takes all"](behind, e, e_ref, start)
        for name, values in R.items():
            found.setdefault(name, np.zeros(len(words), np.int8))[numbers] = values[:, :L].argmax(axis=1)
    return found


def items(words):
    """Columns: number of the word, phonemes before, phonemes of the word, start and stop of the letters."""
    rows = []
    for n, (word, phonemes) in enumerate(zip(words, g2p.pronounce(words))):
        rows += [(n, phonemes, k, *span) for k, span in enumerate(g2p.spans(word, phonemes)) if span]
    return rows


def by_word(words, rows, found):
    """{name: an array beside "number"}"""
    number, length, k, start, stop = np.array(rows).T
    letters = np.array([len(words[n]) for n in number])
    hits = {name: (start <= letter) & (letter < stop) for name, letter in {
        **found, "same place": ((k + 0.5) / length * letters).astype(int)}.items()}
    hits["chance"] = (stop - start) / letters
    every = np.unique(number)
    return {"number": every, **{name: np.array([hit[number == n].mean() for n in every], np.float32)
                                for name, hit in hits.items()}}


if __name__ == "__main__":
    words = list(datasets.words())
    rows = items(words)
    found = first_letters([words[n] for n, *_ in rows], [phonemes[:k] for _, phonemes, k, *_ in rows],
                          [phonemes[k] for _, phonemes, k, *_ in rows])
    rows = [(n, len(phonemes), k, start, stop) for n, phonemes, k, start, stop in rows]
    np.savez_compressed(pathlib.Path(__file__).parent / "reading.npz", **by_word(words, rows, found))
