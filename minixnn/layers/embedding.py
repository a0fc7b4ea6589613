"""Where whole numbers enter a network: tokens of a text, bytes of a file.

A token is a row of ones and zeros with a single 1, and its embedding a product with a matrix; one looks the row up
instead. What comes back is what the token's 1 is worth: one number for each position of the text.
"""
from collections.abc import Callable

import numpy as np

from minixnn.arrays import Array, array_module, holds
from minixnn.layers.base import Layer, expect_arrays, expect_count


def sum_over_channels(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """The relevance of a position is that of its channels together. x (N, T), R (N, T, C) -> (N, T). Conserves."""
    return R.sum(axis=-1)


class Embedding(Layer):
    """y = W[x]: a row of W for each token. x (N, ...) whole numbers from 0, W (tokens, C), y (N, ..., C)

    Bengio et al. 2003. There is no derivative by a whole number. `gradient` is taken by the token's 1 instead, by how
    much of it there is: the sum over c of dy_c W_xc, which is gradient x input of the network behind.
    """
    rule, takes_rules, takes_integers = staticmethod(sum_over_channels), False, True
    array_names: tuple[str, ...] = ("W",)

    def __init__(self, W: Array) -> None:
        expect_arrays(W)
        if W.ndim != 2:
            raise ValueError(f"Embedding got weights of shape {W.shape}, expected 2 axes (tokens, channels)")
        self.W = W

    def forward(self, x: Array) -> Array:
        if x.dtype.kind not in "iu":
            raise ValueError(f"{self!r} got numbers of type {x.dtype}, expected whole numbers, one for each token")
        if not holds((x >= 0).all() & (x < len(self.W)).all()):
            raise ValueError(f"{self!r} got tokens outside 0 to {len(self.W) - 1}")
        return self.W[x]

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return (y * dy).sum(axis=-1)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Contributions of a position are those of its channels together; a token that is the reference's has none."""
        dx = (x.astype(m.dtype) - x_ref.astype(m.dtype))
        return (m * (y - y_ref)).sum(axis=-1) / array_module(m).where(dx == 0, 1, dx)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        """Each row of W gets what came back to its tokens."""
        xp, rows = array_module(dy), dy.reshape(-1, dy.shape[-1])
        chosen = (xp.arange(len(self.W))[:, None] == x.reshape(-1)).astype(dy.dtype)        # (tokens, N T)
        return {"W": chosen @ rows}

    def __repr__(self):
        return f"{type(self).__name__}({self.W.shape[0]} -> {self.W.shape[1]})"


class OneHot(Embedding):
    """y = 1 at the token and 0 elsewhere. x (N, ...) whole numbers from 0 to tokens - 1, y (N, ..., tokens)"""
    nonnegative, array_names = True, ()         # nothing to learn, nothing to save

    def __init__(self, tokens: int) -> None:
        expect_count(self, "tokens", tokens)
        self.tokens, self.W = tokens, np.eye(tokens, dtype=np.float32)

    def map_arrays(self, f: Callable[[Array], Array]) -> Layer:
        layer = type(self)(self.tokens)
        layer.W = f(self.W)
        return layer

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return {}


class Categories(Embedding):
    """y = W[x], as Embedding, of categories that stand among floating point numbers: 2.0 is the row 2. x (N, ...)

    What is behind the point is cut off. What comes back to a number is what its category is worth.
    """

    def forward(self, x: Array) -> Array:
        return super().forward(x.astype("int64"))

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return super().parameter_gradients(x.astype("int64"), dy)
