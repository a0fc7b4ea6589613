"""Magika: a classifier of file types from bytes, with 784,214 parameters and 214 types.

    net = models.load("magika")
    x = magika.tokens(pathlib.Path("script.py").read_bytes())[None]         # (1, 2048) whole numbers
    net.card.labels[net.forward(x).argmax()]                                # 'python'

By Google (Fratantonio et al. 2024, arXiv 2409.13768), model standard_v3_3 of the PyPI package magika 1.0.3, Apache
License 2.0: data/LICENSE-magika.txt; the matrices are kept in half precision. What is called the type here is the
likeliest label: Magika's own thresholds, below which it answers "unknown" or a coarser type, are not applied.
"""
import pathlib

import numpy as np

from minixnn.arrays import Array
from minixnn.layers import GELU, Conv1d, Dense, Embedding, GlobalMaxPool, LayerNorm, Permute, Reshape
from minixnn.network import Network

DATA = pathlib.Path(__file__).parents[1] / "data"
LENGTH, REACH = 1024, 4096                      # bytes taken from either end, and among how many they are looked for
PADDING = 256                                   # the number that stands where there is no byte


def load() -> Network:
    """The trained network: x (N, 2048) whole numbers, see `tokens` -> logits (N, 214)."""
    with np.load(DATA / "magika.npz") as file:
        a = {name: file[name].astype(np.float32) for name in file.files}
    layers = [
        Embedding(a["dense0.W"] + a["dense0.b"]),                           # a one-hot vector times a matrix
        GELU("tanh"),
        Reshape((512, 256)),                                                # four bytes a row
        Permute((1, 0)), LayerNorm(a["norm0.scale"], a["norm0.shift"], epsilon=1e-6), Permute((1, 0)),
        Conv1d(a["conv0.W"], a["conv0.b"], padding="valid"),                # a window of five rows, twenty bytes
        GELU("tanh"),
        GlobalMaxPool(),                                                    # over all 508 places of the window
        LayerNorm(a["norm1.scale"], a["norm1.shift"], epsilon=1e-6),
        Dense(a["dense1.W"], a["dense1.b"])]
    labels = (DATA / "magika_labels.txt").read_text(encoding="utf-8").splitlines()
    return Network(layers).with_card(input_shape=(2 * LENGTH,), labels=labels, head="Softmax",
                                     source="bytes")


def tokens(data: bytes) -> Array:
    """The input of the network: numbers for a file's bytes.

    The first 1,024 bytes of the beginning without the white space that leads, then the last 1,024 of the end without
    the white space that trails; beginning and end are 4,096 bytes long.

    Parameters
    ----------
    data : the bytes of the file.

    Returns
    -------
    (2048,) numbers from 0 to 255, and 256 where there is no byte.

    Raises
    ------
    ValueError : an empty file.
    """
    places = positions(data)
    found = np.full(len(places), PADDING)
    found[places >= 0] = np.frombuffer(bytes(data), np.uint8)[places[places >= 0]]
    return found


def positions(data: bytes) -> Array:
    """The place in the file of each of the 2,048 numbers that the network sees.

    Parameters
    ----------
    data : the bytes of the file.

    Returns
    -------
    (2048,) places from 0; -1 where there is no byte.

    Raises
    ------
    ValueError : an empty file.
    """
    if not data:
        raise ValueError("got an empty file, expected at least one byte to tell its type by")
    head, tail = data[:REACH], data[-REACH:]
    first = len(head) - len(head.lstrip())
    begin = np.arange(first, min(first + LENGTH, len(head)))
    last = len(data) - (len(tail) - len(tail.rstrip()))
    end = np.arange(max(last - LENGTH, len(data) - len(tail)), last)
    return np.concatenate([begin, np.full(LENGTH - len(begin), -1), np.full(LENGTH - len(end), -1), end])
