"""How an image becomes a sequence, and a sequence one vector: what a vision transformer has around its blocks.

    Conv2d(W, b, stride=7, padding=0)   one vector for each patch of 7 x 7 pixels: kernel and stride are alike
    Tokens()                            the grid of patches as a sequence
    ClassToken(token)                   one more token in front, which stands for no patch and is read in the end
    PositionEmbedding(b)                adds to each token a vector that belongs to its place
    ...
    TakeToken(0), or GlobalAvgPool()    one vector for the whole sequence: the class token, or the mean

Dosovitskiy et al. 2021, section 3.1.
"""

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Layer, expect_arrays, expect_rank, linear_rule
from minixnn.layers.gather import Gather
from minixnn.layers.scale import Shift
from minixnn.layers.shape import Reshaping


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
