"""From letters to sounds: a recurrent network that reads an English word and says its phonemes, one after the other.

    g2p.pronounce(["city"])                                     # [['S', 'IH1', 'T', 'IY0']]
    net = g2p.network(letters=4, said=2)                        # a network for each length: recurrence is unrolled
    x = g2p.tokens("city", ["S", "IH1"])[None]                  # c i t y </s>, then <s> S IH1: (1, 8) whole numbers
    net.card.labels[net.forward(x).argmax()]                    # 'T', which comes next

An encoder, a GRU of 256 units, reads the letters; a second one, the decoder, starts from its last state, takes the
phonemes said so far, and the likeliest phoneme is said next, until the end of the word. By Kyubyong
Park and Jongseok Kim, checkpoint20.npz of the PyPI package g2p_en 2.1.0, Apache License 2.0: data/LICENSE-g2p.txt; kept
in half precision, by which 3 of the 5,000 words that are most frequent are said otherwise. Phonemes are ARPAbet; 0, 1
and 2 at a vowel are no stress, the main and a secondary one.
"""
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from minixnn.arrays import Array
from minixnn.layers import GRU, Dense, Embedding, Graph, Input, Reshape, Slice, TakeToken
from minixnn.network import Network

DATA = pathlib.Path(__file__).parents[1] / "data"
LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
PHONEMES = ["<pad>", "<unk>", "<s>", "</s>", *(
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 "
    "EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 "
    "V W Y Z ZH").split()]
VOCABULARY = [*LETTERS, *PHONEMES]              # what the numbers of `tokens` stand for
LONGEST, END = 20, 3            # phonemes, after which the package stops; the number of </s> among them


def tokens(word: str, said: Sequence[str] = ()) -> Array:
    """The input of `network`: a word's letters, the end of the word, the start of speech, and the phonemes said so far.

    Parameters
    ----------
    word : letters from a to z.
    said : phonemes of ARPAbet, such as "IH1".

    Returns
    -------
    Whole numbers (T,), T = letters + 2 + phonemes.

    Raises
    ------
    ValueError : no letter at all, what is no letter from a to z, or no phoneme.
    """
    unknown = [each for each in word if each not in LETTERS] + [each for each in said if each not in PHONEMES]
    if unknown or not word:
        raise ValueError(f"got the word {word!r}{f' and phonemes {list(said)}' if said else ''}, expected letters from "
                         "a to z, one at least, and phonemes of ARPAbet with their stress, such as 'IH1' and 'K'")
    return np.array([LETTERS.index(each) for each in [*word, "</s>"]]
                    + [len(LETTERS) + PHONEMES.index(each) for each in ["<s>", *said]])


def network(letters: int, said: int = 0) -> Network:
    """The trained network for words of a given length, of which some phonemes have been said: which one comes next?

    One Embedding serves letters and phonemes, so that net.part(1, len(net.layers)) is all of the network behind it.

    Parameters
    ----------
    letters : of the word, at least 1.
    said : how many phonemes have been said.

    Returns
    -------
    The Network: x (N, letters + said + 2) whole numbers, see `tokens` -> logits (N, 74), which `card.labels` names.

    Raises
    ------
    ValueError : no letters, or fewer than 0 phonemes.
    """
    if letters < 1 or said < 0:
        raise ValueError(f"got letters={letters}, said={said}, expected at least one letter, and 0 phonemes or more")
    a, graph = weights(), Graph()
    x = graph.add(0, Embedding(a["embedding"]), name="embedding")
    word = graph.add(x, Slice(1, 0, letters + 1), name="word")
    read = graph.add(word, gru("encoder", letters + 1), TakeToken(-1), name="encoder")
    speech = graph.add(x, Slice(1, letters + 1, None), name="speech")
    h = graph.add((speech, read), gru("decoder", said + 1), name="decoder")
    graph.add(h, TakeToken(-1), Dense(a["output.W"], a["output.b"]), name="output")
    return Network(graph.layers, graph.inputs, names=graph.names).with_card(input_shape=(letters + said + 2,),
                                                                            labels=PHONEMES)


def pronounce(words: Sequence[str]) -> list[list[str]]:
    """What the network says for each word: at every step the likeliest phoneme, given what it has said so far.

    Parameters
    ----------
    words : in letters from a to z.

    Returns
    -------
    A list of phonemes for each word, at most 20.

    Raises
    ------
    ValueError : a word with other characters.
    """
    said: dict[str, list[str]] = {}
    step = decoder_step()
    for letters in sorted({len(word) for word in words}):
        some, graph = [word for word in dict.fromkeys(words) if len(word) == letters], Graph()
        graph.add(0, Embedding(weights()["embedding"]), gru("encoder", letters + 1), TakeToken(-1))
        h = Network(graph.layers, graph.inputs).forward(np.stack([tokens(word)[:-1] for word in some]))
        last, found = np.full((len(some), 1), VOCABULARY.index("<s>")), np.zeros((len(some), 0), int)
        while found.shape[1] < LONGEST and not (found == END).any(axis=1).all():
            A = step.trace((last, h))
            h, last = A[-2], len(LETTERS) + A[-1].argmax(axis=1)[:, None]
            found = np.concatenate([found, last - len(LETTERS)], axis=1)
        said.update((word, [PHONEMES[n] for n in row[:[*row, END].index(END)]])
                    for word, row in zip(some, found.tolist()))
    return [said[word] for word in words]


def batches(words: Sequence[str], said: Sequence[Sequence[str]]) -> Iterator[tuple[list[int], Network, Array]]:
    """Words and what has been said of each, those of the same lengths together.

    Parameters
    ----------
    words : in letters from a to z.
    said : the phonemes that have been said of each word.

    Yields
    ------
    (numbers of the words, the Network for their lengths, tokens x).

    Raises
    ------
    ValueError : a word with other characters, or what is no phoneme.
    """
    together: dict[tuple[int, int], list[int]] = {}
    for n, lengths in enumerate(zip(map(len, words), map(len, said))):
        together.setdefault(lengths, []).append(n)
    for lengths, numbers in together.items():
        yield numbers, network(*lengths), np.stack([tokens(words[n], said[n]) for n in numbers])


def explained(method: Callable, words: Sequence[str], told: Sequence[Sequence[str]], k: Sequence[int],
              minus: Sequence[str] | None = None) -> list[Array]:
    """Which letters speak for a phoneme? One number per letter of each word: its embedding's relevances, summed.

    The phoneme told[n][k[n]] of word n is explained, by its logit when those before it have been said.

    Parameters
    ----------
    method : a function (net, x, x_ref, start) -> array like x, of the network behind the embedding, x (N, T, 256). In
        x_ref the letters are replaced by the mean of all letters, while ends and phonemes stay. start (N, 74) has 1 and
        -1 at the phonemes; it is what a gradient starts from.
    words : in letters from a to z.
    told : the phonemes of each word.
    k : for each word, the number of the phoneme to explain.
    minus : for each word, a phoneme whose logit is subtracted; None for none.

    Returns
    -------
    For each word an array (letters,).

    Raises
    ------
    ValueError : a word with other characters, or what is no phoneme.
    """
    found: list[Array] = [np.zeros(0)] * len(words)
    for numbers, net, x in batches(words, [each[:n] for each, n in zip(told, k)]):
        letters, E = len(words[numbers[0]]), net.layers[0].forward(x)
        E_ref, start = E.copy(), np.zeros((len(x), len(PHONEMES)), E.dtype)
        E_ref[:, :letters] = weights()["embedding"][3:len(LETTERS)].mean(axis=0)
        start[np.arange(len(x)), [PHONEMES.index(told[n][k[n]]) for n in numbers]] = 1
        if minus is not None:
            start[np.arange(len(x)), [PHONEMES.index(minus[n]) for n in numbers]] -= 1
        R = method(net.part(1, len(net.layers)), E, E_ref, start).sum(axis=-1)
        for n, r in zip(numbers, R):
            found[n] = r[:letters]
    return found


def decoder_step() -> Network:
    """One step of the decoder: (the phoneme said last (N, 1), its state (N, 256)) -> logits (N, 74)."""
    a, graph = weights(), Graph()
    last = graph.add(0, Input(0), Embedding(a["embedding"]))
    h = graph.add((last, graph.add(0, Input(1))), gru("decoder", 1), Reshape((256,)))
    graph.add(h, Dense(a["output.W"], a["output.b"]))
    return Network(graph.layers, graph.inputs)


@functools.cache
def gru(name: str, steps: int) -> GRU:
    """The encoder or the decoder for this many steps. Their layers are the same for every length."""
    if steps > 1:
        return gru(name, 1).unrolled(steps)
    return GRU(*(weights()[f"{name}.{array}"] for array in ("W_x", "W_h", "b_x", "b_h")), steps=1)


@functools.cache
def weights() -> dict[str, Array]:
    """The arrays of the file, in float32. They are shared, and not to be written to."""
    with np.load(DATA / "g2p.npz") as file:
        return {name: file[name].astype(np.float32) for name in file.files}


# Which letters stand for which phoneme

@functools.cache
def spellings() -> dict[str, list[tuple[str, ...]]]:
    """{group of letters: [the phonemes that it may stand for, without stress]}, a table made by hand."""
    table = {}
    for line in (DATA / "g2p_spellings.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            group, *sounds = line.split()
            table[group] = [() if sound == "-" else tuple(sound.split("+")) for sound in sounds]
    return table


def spans(word: str, phonemes: Sequence[str]) -> list[tuple[int, int] | None]:
    """The letters that spell each phoneme, where the table of spellings leaves one answer.

    All ways to cut the word into groups that stand for these phonemes in this order are compared.

    Parameters
    ----------
    word : in letters from a to z.
    phonemes : of ARPAbet, with or without stress.

    Returns
    -------
    For each phoneme (start, stop) in the word; None where different ways give it different letters, or there is no way.
    """
    plain = [each.rstrip("012") for each in phonemes]

    @functools.cache
    def ways(i: int, k: int) -> list[tuple[tuple[int, int], ...]]:
        """The spans of phonemes k and later, in each way to spell them by the letters from i."""
        if i == len(word):
            return [()] if k == len(plain) else []
        found = []
        for stop in range(i + 1, min(i + 4, len(word)) + 1):
            for sounds in spellings().get(word[i:stop], ()):
                if tuple(plain[k:k + len(sounds)]) == sounds:
                    found += [((i, stop),) * len(sounds) + rest for rest in ways(stop, k + len(sounds))]
        return found
    every = ways(0, 0)
    return [only.pop() if len(only := {way[k] for way in every}) == 1 else None for k in range(len(plain))]
