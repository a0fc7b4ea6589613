"""Layers that move numbers about without computing: Flatten, Unflatten, channels, and Dropout when not training."""
import math

from minixnn.arrays import array_module, like
from minixnn.layers.base import Layer, carry_back, pass_on


class Reshaping(Layer):
    """What moves numbers to another place or shape, and back in every backward method."""
    rule, takes_rules = staticmethod(pass_on), False

    def gradient(self, x, y, dy):
        return dy.reshape(x.shape)

    def deeplift(self, x, y, x_ref, y_ref, m):
        return self.gradient(x, y, m)


class Identity(Reshaping):
    """y = x: keeps the place of a layer that has been taken away."""

    def forward(self, x):
        return x


class Flatten(Reshaping):
    """(N, H, W, C) -> (N, H * W * C)"""

    def forward(self, x):
        return x.reshape(len(x), -1)


class Unflatten(Reshaping):
    """(N, D) -> (N, *shape), for instance Unflatten((28, 28, 1)). A generator of images ends so."""

    def __init__(self, shape):
        self.shape = tuple(shape)
        if not self.shape or not all(isinstance(n, int) and n > 0 for n in self.shape):
            raise ValueError(f"Unflatten got shape={shape!r}, expected that of one image, for instance (28, 28, 1)")

    def settings(self):
        return {"shape": self.shape}

    def forward(self, x):
        size = math.prod(self.shape)
        if x.shape[1:] != (size,):
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected (images, {size})")
        return x.reshape(len(x), *self.shape)


class ChannelShuffle(Reshaping):
    """Mixes groups of channels: the first of each group, then the second of each, and so on. Zhang et al. 2018.

    x (N, ..., C): channel g C / groups + k goes to k groups + g. What follows in groups then sees something of each.
    """
    rule = staticmethod(carry_back)

    def __init__(self, groups):
        if not hasattr(groups, "__index__") or groups < 1:
            raise ValueError(f"ChannelShuffle got groups={groups!r}, expected a positive whole number")
        self.groups = groups

    def settings(self):
        return {"groups": self.groups}

    def forward(self, x):
        if x.shape[-1] % self.groups:
            raise ValueError(f"{self!r} got {x.shape[-1]} channels, which {self.groups} does not divide")
        return x.reshape(*x.shape[:-1], self.groups, -1).swapaxes(-1, -2).reshape(x.shape)

    def gradient(self, x, y, dy):
        return dy.reshape(*x.shape[:-1], -1, self.groups).swapaxes(-1, -2).reshape(x.shape)


class ChannelSelect(Reshaping):
    """y = x[..., start:stop], some of the channels; the others receive nothing. None: from the first, to the last."""
    rule = staticmethod(carry_back)

    def __init__(self, start=None, stop=None):
        self.start, self.stop = start, stop

    def settings(self):
        return {"start": self.start, "stop": self.stop}

    def forward(self, x):
        y = x[..., self.start:self.stop]
        if y.shape[-1] == 0:
            raise ValueError(f"{self!r} got {x.shape[-1]} channels, of which nothing is left")
        return y

    def gradient(self, x, y, dy):
        dx = array_module(x).zeros(x.shape, dtype=dy.dtype)
        dx[..., self.start:self.stop] = dy
        return dx


class Dropout(Layer):
    """Drops units at random while training, each with probability `rate`; does nothing when explaining.

    Srivastava et al. 2014. The kept units are scaled by 1 / (1 - rate) in training, so that nothing is left
    to do afterwards.
    """
    rule, takes_rules = staticmethod(pass_on), False

    def __init__(self, rate=0.5):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout got rate={rate}, expected a share of units in [0, 1)")
        self.rate = rate

    def settings(self):
        return {"rate": self.rate}

    def training(self, x, rng):
        keep = like(x, rng.random(x.shape, dtype="float32") >= self.rate)
        return Masked(keep.astype(x.dtype) / (1 - self.rate))

    def forward(self, x):
        return x

    def gradient(self, x, y, dy):
        return dy

    def deeplift(self, x, y, x_ref, y_ref, m):
        return m


class Masked(Layer):
    """y = x * mask: what Dropout is for the length of one training batch."""

    def __init__(self, mask):
        self.mask = mask

    def forward(self, x):
        return x * self.mask

    def gradient(self, x, y, dy):
        return dy * self.mask
