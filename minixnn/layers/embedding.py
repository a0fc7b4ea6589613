"""Where whole numbers enter a network, and what transformers have around their blocks.

A token is a row of ones and zeros with a single 1, and its embedding a product with a matrix; one looks the row up
instead. What comes back is what the token's 1 is worth: one number for each position of the text.

How an image becomes a sequence, and a sequence one vector (Dosovitskiy et al. 2021, section 3.1):

    Conv2d(W, b, stride=7, padding=0)   one vector for each patch of 7 x 7 pixels: kernel and stride are alike
    Tokens()                            the grid of patches as a sequence
    ClassToken(token)                   one more token in front, which stands for no patch and is read in the end
    PositionEmbedding(b)                adds to each token a vector that belongs to its place
    ...
    TakeToken(0), or GlobalAvgPool()    one vector for the whole sequence: the class token, or the mean
"""
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, holds
from minixnn.layers.base import Layer, expect_arrays, expect_count, expect_rank, linear_rule
from minixnn.layers.scale import Shift
from minixnn.layers.shape import Gather, Reshaping


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


class Tokens(Reshaping):
    """(N, H, W, C) -> (N, H W, C): the pixels of a feature map as a sequence, row by row."""

    def forward(self, x: Array) -> Array:
        expect_rank(self, x, 4, "(images, height, width, channels)")
        return x.reshape(len(x), -1, x.shape[-1])


class TakeToken(Gather):
    """y = x[:, index]: one token of each sequence; the others receive nothing. x (N, T, C), y (N, C)

    of: how many tokens a sequence has to have; others are refused. None: any number, for which there is one.
    """

    def __init__(self, index: int = 0, of: int | None = None) -> None:
        super().__init__(index, 1)
        self.of = of

    def places(self, n: int) -> np.ndarray:
        if self.of not in (None, n):
            raise ValueError(f"{self!r} got sequences of {n} tokens, expected {self.of}: a recurrent layer is written "
                             "out for the number of steps that it was given")
        return super().places(n)

    def __repr__(self):
        return f"TakeToken(index={self.index}{'' if self.of is None else f', of={self.of}'})"


class PositionEmbedding(Shift):
    """y = x + b, with a vector for each place in the sequence. x (N, T, C), b (T, C)

    An affine map with weights of 1, so that any rule for affine layers applies; what goes to b is absorbed.
    """
    rule, stabilized = None, False

    def __init__(self, b: Array) -> None:
        expect_arrays(weights=[b])
        if b.ndim != 2:
            raise ValueError(f"PositionEmbedding got an array of shape {b.shape}, expected (tokens, channels)")
        super().__init__(b)

    @classmethod
    def random(cls, tokens: int, channels: int, rng: np.random.Generator,
               dtype: DTypeLike = np.float32) -> "PositionEmbedding":
        """Small random vectors to train from."""
        return cls(rng.normal(0, 0.02, (tokens, channels)).astype(dtype))

    def forward(self, x: Array) -> Array:
        if self.b is not None and x.shape[1:] != self.b.shape:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected (sequences, *{self.b.shape})")
        return super().forward(x)

    def __repr__(self):
        return "PositionEmbedding()" if self.b is None else \
            f"PositionEmbedding({self.b.shape[0]} tokens, {self.b.shape[1]} channels)"


def leave_token(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """A class token's rule: it is no input and absorbs what comes to it. The others' R is passed on."""
    return R[:, 1:]


class ClassToken(Layer):
    """y = the token in front of the sequence x. x (N, T, C), token (C,), y (N, 1 + T, C)"""
    rule, takes_rules, array_names = staticmethod(leave_token), False, ("token",)
    deeplift = linear_rule

    def __init__(self, token: Array) -> None:
        expect_arrays(weights=[token])
        self.token = token

    def forward(self, x: Array) -> Array:
        expect_rank(self, x, 3, "(sequences, tokens, channels)")
        xp = array_module(x)
        return xp.concatenate([xp.broadcast_to(self.token, (len(x), 1, x.shape[-1])), x], axis=1)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy[:, 1:]

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return {"token": dy[:, 0].sum(axis=0)}

    def __repr__(self):
        return "ClassToken()"
