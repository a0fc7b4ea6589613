"""A transformer of attention alone that looks something up, small enough to be taken apart.

    net = models.load("recall")
    x, answers = recall.questions(100, np.random.default_rng(0))            # (100, 9) whole numbers, (100,)
    recall.text(x[0])                                                       # 'c5a1h7b2a'

Four letters, each with a digit behind it, then one of the letters again: which digit stood behind it? "c5a1h7b2a" asks
for a 1. No token can answer alone: that of a digit has to find out which letter stands before it, and the last one
which digit follows its letter. Two layers of attention can do that, one cannot; what they learn is known as an
induction head (Olsson et al. 2022).
"""
import numpy as np

from minixnn.arrays import Array
from minixnn.layers import Attention, Dense, Embedding, PositionEmbedding, Residual, TakeToken
from minixnn.network import Network

LETTERS, DIGITS, PAIRS = "abcdefgh", "01234567", 4
VOCABULARY = LETTERS + DIGITS                   # a token is the number of its character here
LENGTH = 2 * PAIRS + 1


def recall(rng: np.random.Generator, width: int = 32, heads: int = 4, blocks: int = 2) -> Network:
    """Embedding, two sums of x and attention of x, and the last token is read: x (N, 9) -> logits (N, 8)."""
    return Network([Embedding(rng.normal(0, 0.3, (len(VOCABULARY), width)).astype(np.float32)),
                    PositionEmbedding(rng.normal(0, 0.3, (LENGTH, width)).astype(np.float32)),
                    *[Residual([Attention.random(width, heads, rng, causal=True)]) for _ in range(blocks)],
                    TakeToken(LENGTH - 1), Dense.random(width, len(DIGITS), rng, init="glorot")])


def questions(count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Tokens (count, 9) and the answers (count,), a digit from 0 to 7. Letters and digits of a text are distinct."""
    letters, digits = (rng.permuted(np.tile(np.arange(8), (count, 1)), axis=1)[:, :PAIRS] for _ in range(2))
    asked, row = rng.integers(0, PAIRS, count), np.arange(count)
    x = np.empty((count, LENGTH), int)
    x[:, 0:-1:2], x[:, 1::2], x[:, -1] = letters, len(LETTERS) + digits, letters[row, asked]
    return x, digits[row, asked]


def exchanged(x: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Texts with another answer: the letter asked for and another one exchanged; and the same with their digits.

    Each asks for the same letter and has the same characters, but another digit stands behind that letter. In the first
    another digit is found, in the second another is found in the same place.

    Parameters
    ----------
    x : texts (N, 9), as `questions` makes them.
    rng : the numpy.random.Generator that draws the other letter.

    Returns
    -------
    Texts (N, 9) with letters exchanged, texts (N, 9) with digits exchanged, and the answer (N,) of both.
    """
    n, asked = np.arange(len(x)), (x[:, :-1] == x[:, -1:]).argmax(axis=1)
    other = (asked + 2 * rng.integers(1, PAIRS, len(x))) % (2 * PAIRS)
    letters, digits = x.copy(), x.copy()
    letters[n, asked], letters[n, other] = x[n, other], x[n, asked]
    digits[n, asked + 1], digits[n, other + 1] = x[n, other + 1], x[n, asked + 1]
    return letters, digits, x[n, other + 1] - len(LETTERS)


def text(x: Array) -> str:
    """Tokens (9,) as characters."""
    return "".join(VOCABULARY[int(token)] for token in x)


def by_hand(sharp: float) -> Network:
    """The network of lesson 7.4, whose weights are written by hand: it copies the letter behind a marker.

    Channels 0 to 3 hold the letter, 4 the marker, 5 the flag that layer 1 raises behind it, 6 is always 1, 7 to 12 hold
    the place.

    Parameters
    ----------
    sharp : the scale of the scores by which layer 2 looks for the flag.

    Returns
    -------
    The Network: x (N, 6) numbers of characters in "abcd*." -> y (N, 4).
    """
    def at(rows: int, columns: int, where: int | slice | tuple, value: float | Array = 1.0) -> Array:
        W = np.zeros((rows, columns))
        W[where] = value
        return W
    place, back = slice(7, 13), 6 ** 1.5 * np.eye(6, k=-1)
    back[0, 0] = 6 ** 1.5                                   # the first has none before it
    look_back = Attention(at(13, 6, place, back), at(13, 6, place, np.eye(6)), at(13, 1, 4), at(1, 13, (0, 5)))
    copy = Attention(at(13, 1, 6, sharp), at(13, 1, 5), np.eye(13)[:, :4], np.eye(4))
    places = np.eye(6, 13, k=7) + at(6, 13, (slice(None), 6))
    return Network([Embedding(np.vstack([np.eye(5, 13), np.zeros((1, 13))])), PositionEmbedding(places),
                    Residual([look_back]), copy, TakeToken(-1)])


def task() -> tuple:
    """20,000 new questions per epoch; 10,000 to test on."""
    def new(epoch: int) -> tuple[Array, Array]:
        return questions(20_000, np.random.default_rng(1000 + epoch))
    return (new, None), questions(10_000, np.random.default_rng(1)), None
