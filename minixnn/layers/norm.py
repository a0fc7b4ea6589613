"""Normalisations: over the batch, over what an input itself looks like, over neighbouring channels.

BatchNorm2d is affine once training is over. In LayerNorm, RMSNorm and GroupNorm

    y = gamma n + beta        n = c s        c = x - M x        s = 1 / sqrt(M c^2 + epsilon)

M is the mean over the numbers that are normalised together, repeated for each of them; RMSNorm leaves c = x. Unlike in
batch normalisation s depends on the input, so the layer is not affine, and rules have to say what becomes of s:

    scale_held_fixed    s is taken for a constant; what is left is affine, and LRP-epsilon of that map: the default
    identity            R passes, as it passes an activation

Nearly the same happens in both where the mean is small. Under gradient x input nothing would arrive: n does not
change when x is multiplied by a number, so its derivative along x is zero.
"""
from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, require, stabilize
from minixnn.layers.base import Affine, Layer, expect_arrays, expect_count, pass_on, sum_to


def scale_held_fixed(layer: "Normalization", x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """LRP-epsilon of a normalisation whose scale is a constant. Ali et al. 2022; Achtibat et al. 2024, proposition 3.4.

        R_j = x_j sum_k a_kj R_k / (y_k + epsilon sgn y_k)          y_k = sum_j a_kj x_j + beta_k

    The mean's subtraction is part of a, s is not changed by x. Any x. beta absorbs, and the stabiliser.
    """
    u = R / stabilize(y, epsilon)                           # relevance per unit of y
    c = layer.center(layer.weigh(u) * layer.scale(x))       # sum_k a_kj u_k: the map's transpose
    return x * c


def identity(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """Relevance passes a normalisation unchanged, the mean's subtraction included. Conserves.

    Achtibat et al. 2024, proposition 3.4; their library holds the scale fixed instead.
    """
    return R


class Normalization(Layer):
    """What they share. A subclass says in `mean` which numbers are normalised together."""
    rule, affine_rules, stabilized, array_names = staticmethod(scale_held_fixed), (), True, ("gamma", "beta")
    centered = True                             # whether the mean is subtracted
    gamma: Array | None
    beta: Array | None
    epsilon: float

    def check(self, x: Array) -> None:
        """Refuse an x that lacks the axes, or has other sizes than gamma and beta."""

    def mean(self, x: Array) -> Array:
        """M x, of a shape that broadcasts to x."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    def center(self, x: Array) -> Array:
        """x - M x: a projection, which is its own transpose."""
        return x - self.mean(x) if self.centered else x

    def scale(self, x: Array) -> Array:
        """s = 1 / sqrt(M c^2 + epsilon)"""
        return (self.mean(self.center(x) ** 2) + self.epsilon) ** -0.5

    def weigh(self, dy: Array) -> Array:
        """gamma dy"""
        return dy if self.gamma is None else dy * self.gamma

    def forward(self, x: Array) -> Array:
        self.check(x)
        y = self.weigh(self.center(x) * self.scale(x))
        return y if self.beta is None else y + self.beta

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """dc = s (dn - n M(dn n)): what only stretches x changes nothing; then back through the mean."""
        s, dn = self.scale(x), self.weigh(dy)
        n = self.center(x) * s
        return self.center(s * (dn - n * self.mean(dn * n)))

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Multipliers through mean, square, root and product, one after the other; contributions sum exactly.

        A product c s gives each factor the mean of the other, as a square c c does, and the slope of the root from
        v_ref to v is  (s - s_ref) / (v - v_ref) = -(s s_ref)^2 / (s + s_ref).
        """
        s, s_ref, m_n = self.scale(x), self.scale(x_ref), self.weigh(m)
        c_sum = self.center(x) + self.center(x_ref)
        m_s = self.mean(m_n * c_sum) / 2                    # over the count of numbers, as the mean of squares has it
        m_v = -m_s * (s * s_ref) ** 2 / (s + s_ref)
        return self.center(m_n * (s + s_ref) / 2 + m_v * c_sum)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        n = self.center(x) * self.scale(x)
        return {name: None if a is None else sum_to((n * dy if name == "gamma" else dy).sum(
                axis=tuple(range(x.ndim - a.ndim))), a.shape) for name, a in self.arrays().items()}


class LayerNorm(Normalization):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, over some axes of each input. Ba et al. 2016.

    axes: which ones, (-1,), (-2, -1) or (1, 2), never the images' 0. x (N, ..., C); gamma, beta: arrays that broadcast
    to an input, usually of the shape of these axes, or None.
    """

    def __init__(self, gamma: Array | None = None, beta: Array | None = None, axes: int | tuple[int, ...] = (-1,),
                 epsilon: float = 1e-5) -> None:
        expect_arrays(gamma, beta)
        self.axes: tuple[int, ...] = tuple(sorted(axes if isinstance(axes, Iterable) else [axes]))
        if not self.axes or 0 in self.axes or len(set(self.axes)) < len(self.axes):
            raise ValueError(f"{type(self).__name__} got axes={axes!r}, expected one or more, each once, without the "
                             "axis 0 of the images: (-1,) or (-2, -1), for instance")
        self.gamma, self.beta, self.epsilon = gamma, beta, epsilon

    def mean(self, x: Array) -> Array:
        return x.mean(axis=self.axes, keepdims=True)

    def check(self, x: Array) -> None:
        if not all(-x.ndim < axis < x.ndim for axis in self.axes):
            raise ValueError(f"{self!r} got an array of shape {x.shape}, which lacks one of these axes")
        for array in (self.gamma, self.beta):
            if array is not None and any(n not in (1, m) for n, m in zip(array.shape[::-1], x.shape[:0:-1])):
                raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {array.shape} as its last axes")


class RMSNorm(LayerNorm):
    """y = gamma x / sqrt(mean of x^2 + epsilon) + beta, over the last axes of each input. Zhang & Sennrich 2019."""
    centered = False


class GroupNorm(Normalization):
    """As LayerNorm, over each group of channels and all pixels of an image. Wu & He 2018.

    x (N, ..., C); gamma, beta: (C,) or None. With as many groups as channels it is instance normalisation.
    """

    def __init__(self, gamma: Array | None = None, beta: Array | None = None, groups: int = 1,
                 epsilon: float = 1e-5) -> None:
        expect_arrays(gamma, beta)
        expect_count(self, "groups", groups)
        self.gamma, self.beta, self.groups, self.epsilon = gamma, beta, groups, epsilon

    def mean(self, x: Array) -> Array:
        """The mean of each group, repeated for its channels: (N, 1, ..., C)"""
        N, C = len(x), x.shape[-1]
        means = x.reshape(N, -1, self.groups, C // self.groups).mean(axis=(1, 3))       # (N, groups)
        return means.repeat(C // self.groups, axis=1).reshape(N, *[1] * (x.ndim - 2), C)

    def check(self, x: Array) -> None:
        if x.ndim < 2 or x.shape[-1] % self.groups:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected a number of channels, on the last "
                             f"axis, that {self.groups} divides")
        for array in (self.gamma, self.beta):
            if array is not None and array.shape != x.shape[-1:]:
                raise ValueError(f"{self!r} got {x.shape[-1]} channels, expected {array.shape[0]}")


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
