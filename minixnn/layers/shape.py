"""Layers that move numbers about without computing: Flatten, Unflatten, channels, and Dropout when not training."""

import numpy as np

from minixnn.arrays import Array, array_module, like
from minixnn.layers.base import Arrays, Layer, carry_back, expect_count, linear_rule, pass_on


class Reshaping(Layer):
    """What moves numbers to another place or shape, and back in every backward method."""
    rule, takes_rules = staticmethod(pass_on), False
    preserves_sign, deeplift = True, linear_rule

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.reshape(x.shape)


class Identity(Reshaping):
    """y = x: keeps the place of a layer that has been taken away."""

    def forward(self, x: Array) -> Array:
        return x


class Input(Layer):
    """One of several inputs of a network, where x is a tuple: y = x[index]. x ((N, ...), (N, ...), ...), y (N, ...)"""
    rule, takes_rules = staticmethod(carry_back), False
    preserves_sign, deeplift = True, linear_rule

    def __init__(self, index: int) -> None:
        if not hasattr(index, "__index__") or index < 0:
            raise ValueError(f"Input got index={index!r}, expected the number of an input, from 0")
        self.index = index

    def forward(self, x: Arrays) -> Array:
        if not isinstance(x, tuple) or len(x) <= self.index:
            raise ValueError(f"{self!r} got {f'{len(x)} inputs' if isinstance(x, tuple) else 'one array'}, expected a "
                             f"tuple of at least {self.index + 1} arrays")
        return x[self.index]

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        xp = array_module(dy)
        return tuple(dy if n == self.index else xp.zeros(part.shape, dtype=dy.dtype) for n, part in enumerate(x))


class Flatten(Reshaping):
    """(N, H, W, C) -> (N, H * W * C)"""

    def forward(self, x: Array) -> Array:
        return x.reshape(len(x), -1)


class ChannelShuffle(Reshaping):
    """Mixes groups of channels: the first of each group, then the second of each, and so on. Zhang et al. 2018.

    x (N, ..., C): channel g C / groups + k goes to k groups + g. What follows in groups then sees something of each.
    """
    rule = staticmethod(carry_back)

    def __init__(self, groups: int) -> None:
        expect_count(self, "groups", groups)
        self.groups = groups

    def forward(self, x: Array) -> Array:
        if x.shape[-1] % self.groups:
            raise ValueError(f"{self!r} got {x.shape[-1]} channels, which {self.groups} does not divide")
        return x.reshape(*x.shape[:-1], self.groups, -1).swapaxes(-1, -2).reshape(x.shape)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.reshape(*x.shape[:-1], -1, self.groups).swapaxes(-1, -2).reshape(x.shape)


class Dropout(Layer):
    """Drops units at random while training, each with probability `rate`; does nothing when explaining.

    Srivastava et al. 2014. The kept units are scaled by 1 / (1 - rate) in training, so that nothing is left
    to do afterwards.
    """
    rule, takes_rules = staticmethod(pass_on), False
    preserves_sign, deeplift = True, linear_rule

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout got rate={rate}, expected a share of units in [0, 1)")
        self.rate = rate

    def training(self, x: Array, rng: np.random.Generator) -> Layer:
        keep = like(x, rng.random(x.shape, dtype="float32") >= self.rate)
        return Masked(keep.astype(x.dtype) / (1 - self.rate))

    def forward(self, x: Array) -> Array:
        return x

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy


class Masked(Layer):
    """y = x * mask: what Dropout is for the length of one training batch."""

    def __init__(self, mask: Array) -> None:
        self.mask = mask

    def forward(self, x: Array) -> Array:
        return x * self.mask

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * self.mask
