"""Sums, means, maxima and minima along axes, and the length of vectors.

x (N, ...), y (N, ...) without the axes. axes: which of x, (1, 2) or (-1,), never 0, that of the images; None for all
others. keepdims: whether they stay, with a length of 1.
"""
import math
from collections.abc import Sequence
from typing import SupportsIndex

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Affine, Fixed, Layer, quotient_or


def winner_takes_all(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """The pixel that is the maximum of its window receives all of its relevance. Conserves.

    A maximum depends on one of its inputs only; of equal ones the first is taken. Montavon et al. 2019, section 10.3.
    """
    return layer.gradient(x, y, R)


def share_of_square(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """A length's rule: R_j = x_j^2 / (sum of x^2) R, gradient x input, which Euler's theorem makes the whole of it.

    y = sum_j x_j dy/dx_j, as twice as long a vector has twice the length. Conserves; of zeros nothing passes.
    """
    return x * layer.gradient(x, y, R / (y + (y == 0)))


class Extremum(Layer):
    """What layers share whose output is the largest of some inputs, or the smallest.

    `gradient` gives the winner, the first of equals, all.
    """
    rule, affine_rules = staticmethod(winner_takes_all), ("epsilon",)     # LRP-epsilon gives the winner all, too
    preserves_sign = True
    sign = 1                                    # -1 where the smallest wins

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        return self.gradient(x, y, dy)          # the "switches" of Zeiler & Fergus 2014, section 2.1

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Multipliers under which the contributions sum to the change of the maximum, overlapping or not.

        The change is split at the higher of both maxima:  y - y_ref = (top - y_ref) + (y - top).
        The rise is due to x's winner, which is now above what the window had; the fall is due to the reference's
        winner, which is no longer so high. Credit over (x - x_ref) is the multiplier.
        """
        xp = array_module(x)
        top = (xp.maximum if self.sign == 1 else xp.minimum)(y, y_ref)
        credit = self.gradient(x, y, m * (top - y_ref)) + self.gradient(x_ref, y_ref, m * (y - top))
        return quotient_or(credit, x - x_ref, self.gradient(x, y, m), x)


class Over(Layer):
    """What all of them share: the axes."""

    def __init__(self, axes: Sequence[int] | int | None = None, keepdims: bool = False) -> None:
        self.axes: tuple[int, ...] | None = None if axes is None else (axes,) if isinstance(axes, SupportsIndex) \
            else tuple(axes)
        self.keepdims = bool(keepdims)
        if self.axes is not None and (0 in self.axes or not self.axes):
            raise ValueError(f"{type(self).__name__} got axes={axes!r}, expected one or more without the axis 0 of the "
                             "images, or None for all of an input")

    def along(self, x: Array) -> tuple[int, ...]:
        """The axes of x, counted from 0."""
        axes = range(1, x.ndim) if self.axes is None else self.axes
        if not axes or not all(-x.ndim < axis < x.ndim for axis in axes):
            raise ValueError(f"{self!r} got an array of shape {x.shape}, which lacks one of these axes")
        return tuple(sorted({axis % x.ndim for axis in axes}))

    def spread(self, x: Array, y: Array) -> Array:
        """y, or what lies beside it, with the axes of x in their places."""
        return y.reshape(tuple(1 if axis in self.along(x) else n for axis, n in enumerate(x.shape)))


class MeanOver(Over, Fixed):
    """y = the mean along `axes`. As a linear map of equal weights, so that relevance is shared in proportion to x."""
    preserves_sign = True

    def share(self, x: Array) -> float:
        """The weight of each number."""
        return float(self.W) / math.prod(x.shape[axis] for axis in self.along(x))

    def forward(self, x: Array) -> Array:
        return x.mean(axis=self.along(x), keepdims=self.keepdims) * float(self.W)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return array_module(x).broadcast_to(self.spread(x, dy * self.share(x)), x.shape) + x.dtype.type(0)


class SumOver(MeanOver):
    """y = the sum along `axes`."""

    def share(self, x: Array) -> float:
        return float(self.W)

    def forward(self, x: Array) -> Array:
        return x.sum(axis=self.along(x), keepdims=self.keepdims) * float(self.W)


class MaxOver(Over, Extremum):
    """y = the largest number along `axes`. Of equals the first one wins."""

    def forward(self, x: Array) -> Array:
        return (x.max if self.sign == 1 else x.min)(axis=self.along(x), keepdims=self.keepdims)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        axes, xp = self.along(x), array_module(x)
        order = (*(axis for axis in range(x.ndim) if axis not in axes), *axes)
        turned = x.transpose(order)                                         # (what is kept, what is compared)
        rows = turned.reshape(*turned.shape[:x.ndim - len(axes)], -1)
        winner = (rows.argmax if self.sign == 1 else rows.argmin)(axis=-1)
        won = xp.arange(rows.shape[-1]) == winner[..., None]
        dx = (won * dy.reshape(*rows.shape[:-1], 1)).reshape(turned.shape)
        return dx.transpose(tuple(order.index(axis) for axis in range(x.ndim)))

    def summing(self) -> Affine:
        """The sum over the same numbers: what sharing relevance in proportion to x starts from."""
        return SumOver(self.axes, self.keepdims)


class MinOver(MaxOver):
    """y = the smallest number along `axes`. Of equals the first one wins."""
    sign = -1


class Norm(Over):
    """y = the length of the vector along `axes`: the root of the sum of squares. x / Norm is a vector of length 1."""
    rule, affine_rules, nonnegative = staticmethod(share_of_square), (), True

    def forward(self, x: Array) -> Array:
        return (x * x).sum(axis=self.along(x), keepdims=self.keepdims) ** 0.5

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return x * self.spread(x, dy / (y + (y == 0)))                      # at 0, where it has none, 0

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """m_x = m (x + x_ref) / (y + y_ref), as y^2 - y_ref^2 = sum of x^2 - x_ref^2. Contributions sum exactly."""
        return (x + x_ref) * self.spread(x, m / (y + y_ref + (y + y_ref == 0)))
