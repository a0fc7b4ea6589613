"""Batch normalisation, the scaling of channels that is left of it after training, and AlexNet's normalisation."""

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, require
from minixnn.layers.base import Affine, Layer, expect_arrays, expect_count, pass_on
from minixnn.layers.layer_norm import Normalization


class ChannelScale(Affine):
    """y = x * W + b, channel by channel. x, y (N, ..., C), W (C,), b (C,) or None"""

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

    x, y (N, ..., C), all arrays (C,). Batch normalisation couples the images of a batch only while it is learning.
    """
    array_names = ("gamma", "beta", "mean", "variance")

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


class _OverBatch(Normalization):
    """Batch normalisation while learning: mean and variance are functions of x, and so part of the gradient."""

    def __init__(self, gamma: Array, beta: Array, epsilon: float) -> None:
        self.gamma, self.beta, self.epsilon = gamma, beta, epsilon

    def mean(self, x: Array) -> Array:
        """The mean of each channel over all pixels of all images: (1, ..., C)"""
        return x.mean(axis=tuple(range(x.ndim - 1)), keepdims=True)


class LocalResponseNorm(Layer):
    """y = x q,  q = (k + alpha / size S)^-beta,  S = the sum of x^2 over `size` channels. Krizhevsky et al. 2012.

    The window lies around each channel, the odd one before it, and is cut off at the ends. x (N, ..., C). Relevance
    passes unchanged: each output has one input once the divisor is taken for a constant, as in other normalisations.
    """
    preserves_sign = True
    rule, takes_rules = staticmethod(pass_on), False

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        expect_count(self, "size", size)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def window_sum(self, x: Array, back: bool = False) -> Array:
        """The sum over the window of each channel. back: over the channels whose window holds it, the transpose."""
        before, after = self.size // 2, (self.size - 1) // 2
        if back:
            before, after = after, before
        xp, C = array_module(x), x.shape[-1]
        framed = xp.zeros((*x.shape[:-1], C + before + after), dtype=x.dtype)
        framed[..., before:before + C] = x
        return sum(framed[..., i:i + C] for i in range(1, self.size)) + framed[..., :C]

    def divisor(self, x: Array) -> Array:
        """v = k + alpha / size S, of which q = v^-beta is made."""
        return self.k + self.alpha / self.size * self.window_sum(x * x)

    def forward(self, x: Array) -> Array:
        return x * self.divisor(x) ** -self.beta

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """x is a factor, and stands in the divisors of its neighbours as well."""
        v = self.divisor(x)
        dv = dy * x * -self.beta * v ** (-self.beta - 1)
        return dy * v ** -self.beta + 2 * x * self.alpha / self.size * self.window_sum(dv, back=True)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Through square, sum, power and product, one after the other, so that contributions sum to the difference."""
        v, v_ref = self.divisor(x), self.divisor(x_ref)
        q, q_ref = v ** -self.beta, v_ref ** -self.beta
        xp = array_module(x)
        near = abs(v - v_ref) <= float(xp.finfo(x.dtype).eps) ** (1 / 3) * v        # the quotient would be rounding
        at_mid = -self.beta * ((v + v_ref) / 2) ** (-self.beta - 1)
        slope = xp.where(near, at_mid, (q - q_ref) / xp.where(near, 1, v - v_ref))
        m_v = m * (x + x_ref) / 2 * slope
        return m * (q + q_ref) / 2 + (x + x_ref) * self.alpha / self.size * self.window_sum(m_v, back=True)
