"""Batch normalisation, and the scaling of channels that it amounts to once training is over."""

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, require
from minixnn.layers.base import Affine, Layer, Settings, expect_arrays


class ChannelScale(Affine):
    """y = x * W + b, channel by channel. x (..., C), W (C,), b (C,) or None, y (..., C)"""

    def __init__(self, W: Array, b: Array | None = None) -> None:
        self.W, self.b = W, b

    def forward(self, x: Array) -> Array:
        if x.shape[-1] != self.W.shape[0]:
            raise ValueError(f"{self!r} got {x.shape[-1]} channels, expected {self.W.shape[0]}")
        y = x * self.W
        return y if self.b is None else y + self.b

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * self.W

    def bounds(self, low: float | Array, high: float | Array) -> tuple[Array, Array]:
        """Where the bounds of the pixels lie behind this layer, for z^B; a negative scale exchanges them."""
        ends = self.W * low, self.W * high
        xp, b = array_module(self.W), 0 if self.b is None else self.b
        return xp.minimum(*ends) + b, xp.maximum(*ends) + b

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        every_other = tuple(range(x.ndim - 1))
        return {"W": (x * dy).sum(axis=every_other),
                "b": None if self.b is None else dy.sum(axis=every_other)}


class BatchNorm2d(ChannelScale):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta.   Ioffe & Szegedy 2015, algorithms 1 and 2.

    With mean and variance fixed, as they are when explaining, this is the affine map x W + b with

        W = gamma / sqrt(variance + epsilon),    b = beta - mean W

    All arrays are (C,). Batch normalisation couples the images of a batch only while it is learning.
    """

    def __init__(self, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float = 1e-5,
                 momentum: float = 0.1) -> None:
        expect_arrays(weights=[gamma, beta, mean, variance])
        shapes = {a.shape for a in (gamma, beta, mean, variance)}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"BatchNorm2d got arrays of shapes {sorted(shapes)}, expected four of shape (channels,)")
        require((variance >= 0).all(), "BatchNorm2d got a variance below 0 or NaN, expected a mean of squares")
        if not 0 <= epsilon < np.inf:
            raise ValueError(f"BatchNorm2d got epsilon={epsilon}, expected a small number, 0 or more")
        self.gamma, self.beta, self.mean, self.variance = gamma, beta, mean, variance
        self.epsilon, self.momentum = epsilon, momentum

    @classmethod
    def identity(cls, channels: int, dtype: DTypeLike = np.float32) -> "BatchNorm2d":
        """A layer to train from: it leaves images as they are until it has seen some."""
        zero, one = np.zeros(channels, dtype), np.ones(channels, dtype)
        return cls(one, zero, zero.copy(), one.copy())

    @property
    def W(self) -> Array:
        return self.gamma / (self.variance + self.epsilon) ** 0.5

    @property
    def b(self) -> Array:                                   # type: ignore[override]  # computed, not set
        return self.beta - self.mean * self.W

    def with_weights(self, W: Array, b: Array | None) -> Affine:
        return ChannelScale(W, b)

    def settings(self) -> Settings:
        return {"epsilon": self.epsilon, "momentum": self.momentum}

    def arrays(self) -> dict[str, Array]:
        return {"gamma": self.gamma, "beta": self.beta, "mean": self.mean, "variance": self.variance}

    def training(self, x: Array, rng: np.random.Generator) -> Layer:
        """Normalise by the statistics of the batch `x`, and let the running ones follow. Algorithm 1."""
        axes = tuple(range(x.ndim - 1))
        count = x.size // x.shape[-1]
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        self.mean += self.momentum * (mean - self.mean)
        self.variance += self.momentum * (variance * count / max(count - 1, 1) - self.variance)
        return _OverBatch(self.gamma, self.beta, self.epsilon)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        axes = tuple(range(x.ndim - 1))
        normal = (x - self.mean) / (self.variance + self.epsilon) ** 0.5
        return {"gamma": (normal * dy).sum(axis=axes), "beta": dy.sum(axis=axes)}


class _OverBatch(Layer):
    """Batch normalisation while learning: mean and variance are functions of x, and so part of the gradient."""

    def __init__(self, gamma, beta, epsilon):
        self.gamma, self.beta, self.epsilon = gamma, beta, epsilon

    def normal(self, x):
        """x with mean 0 and variance 1 in every channel, and the scale 1 / sqrt(variance + epsilon) used."""
        axes = tuple(range(x.ndim - 1))
        scale = 1 / (x.var(axis=axes) + self.epsilon) ** 0.5                # (C,)
        return (x - x.mean(axis=axes)) * scale, scale

    def forward(self, x):
        return self.normal(x)[0] * self.gamma + self.beta

    def gradient(self, x, y, dy):
        """The chain rule through mean and variance: what changes all images alike changes nothing."""
        axes = tuple(range(x.ndim - 1))
        normal, scale = self.normal(x)
        dn = dy * self.gamma
        return scale * (dn - dn.mean(axis=axes) - normal * (dn * normal).mean(axis=axes))

    def parameter_gradients(self, x, dy):
        axes = tuple(range(x.ndim - 1))
        return {"gamma": (self.normal(x)[0] * dy).sum(axis=axes), "beta": dy.sum(axis=axes)}
