"""The vision transformer that comes with minixnn, after Dosovitskiy et al. 2021, small enough for digits."""
import numpy as np

from minixnn import datasets
from minixnn.arrays import Array
from minixnn.layers import (GELU, Attention, Conv2d, Dense, GlobalAvgPool, LayerNorm, PositionEmbedding, Residual,
                            Tokens)
from minixnn.network import Network


def vit(rng: np.random.Generator, patch: int = 7, width: int = 64, heads: int = 4, blocks: int = 2,
        hidden: int = 128) -> Network:
    """16 patches, two blocks of attention and a dense network, then the mean over the tokens.

    Each patch of 7 x 7 pixels is seen with a margin of 2: neighbours overlap, so that a stroke on the border is cut in
    neither.

    Parameters
    ----------
    rng : the numpy.random.Generator of the first weights.
    patch : pixels, high and wide; a divisor of 28.
    width : channels of a token.
    heads : of attention; a divisor of width.
    blocks : of attention and a dense network.
    hidden : units of the dense networks.

    Returns
    -------
    The Network: digits (N, 28, 28, 1) -> logits (N, 10).
    """
    tokens = (28 // patch) ** 2
    return Network([Conv2d.random(patch + 4, 1, width, rng, stride=patch, padding=2), Tokens(),
                    PositionEmbedding.random(tokens, width, rng),
                    *[part for _ in range(blocks) for part in transformer_block(width, heads, hidden, rng)],
                    norm(width), GlobalAvgPool(), Dense.random(width, 10, rng, init="glorot")])


def transformer_block(width: int, heads: int, hidden: int, rng: np.random.Generator) -> list[Residual]:
    """Two sums, each of x and what a normalised x is made into: by attention, then token by token."""
    return [Residual([norm(width), Attention.random(width, heads, rng)]),
            Residual([norm(width), Dense.random(width, hidden, rng), GELU("tanh"),
                      Dense.random(hidden, width, rng, init="glorot")])]


def norm(width: int) -> LayerNorm:
    """A normalisation to train from."""
    return LayerNorm(np.ones(width, np.float32), np.zeros(width, np.float32))


def digits() -> tuple:
    """Training digits, moved by up to one pixel each time they are seen; test digits."""
    return datasets.mnist("train"), datasets.mnist("test"), nearby


def nearby(batch: Array, rng: np.random.Generator) -> Array:
    """The digits of a batch, each moved by up to one pixel."""
    return datasets.shifted(batch, rng, reach=1)
