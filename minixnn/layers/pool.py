"""Pooling layers: the maximum, the average or the sum over windows of an image, channel by channel."""
import math
from collections.abc import Iterator

import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Affine, Fixed, Layer, expect_rank
from minixnn.layers.reduce import Extremum, MaxOver, MeanOver
from minixnn.layers.upsample import Mixed
from minixnn.layers.windows import (AXES, Padding, Pads, check_padding, crop, offsets, output_size, pad, pair,
                                    pixels_to_add, span)

AT_ONCE = 2 ** 17               # numbers of images that are compared with their maxima at a time, on the host


class Windowed(Layer):
    """What pools over windows share: size, stride (the size, unless given), padding and dilation.

    ceil: whether a last window may stick out of the image, as long as it begins in it: output sizes are rounded up.
    """
    rank = 2                                    # the number of axes that a window slides along

    def __init__(self, size: int | tuple[int, ...], stride: int | tuple[int, ...] | None = None,
                 padding: Padding = "valid", ceil: bool = False, dilation: int | tuple[int, ...] = 1) -> None:
        self.size = pair(size, "size", rank=self.rank)
        self.stride = self.size if stride is None else pair(stride, "stride", rank=self.rank)
        self.padding, self.ceil = check_padding(padding, self.rank), bool(ceil)
        self.dilation = pair(dilation, "dilation", rank=self.rank)
        if self.padding not in ("valid", "same") and any(
                max(p) >= k for p, k in zip(self.padding, self.size)):
            raise ValueError(f"got padding={padding!r} for windows of {self.size}: some windows would hold "
                             "padding alone; pad by less than the window's size")

    def place(self, x: Array, ceil: bool = True) -> tuple[Pads, tuple[int, ...]]:
        """(pads, (Ho, Wo)) for the images `x` (N, H, W, C). ceil False: as if it were not asked for."""
        expect_rank(self, x, self.rank + 2, AXES[self.rank])
        image, window = x.shape[1:-1], span(self.size, self.dilation)
        pads = pixels_to_add(self.padding, image, window, self.stride)
        if self.ceil and ceil:
            begins = (min(-(-(n + sum(p) - k) // s), (n + p[0] - 1) // s) * s
                      for n, p, k, s in zip(image, pads, window, self.stride))          # of the last window
            pads = tuple((before, max(after, begin + k - n - before))
                         for begin, k, n, (before, after) in zip(begins, window, image, pads))
        return pads, output_size(self, image, pads, window, self.stride)

    def offsets(self, size: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
        """For each pixel of the window, the index of that pixel in all windows at once."""
        return offsets(self.size, self.stride, size, self.dilation)


class MaxPool2d(Extremum, Windowed):
    """y = the largest x in each window. x (N, H, W, C), y (N, Ho, Wo, C). Of equals the first one wins."""

    def forward(self, x: Array) -> Array:
        pads, size = self.place(x)
        x, xp = pad(x, pads, -np.inf), array_module(x)
        y = None
        for index in self.offsets(size):
            y = x[index].copy() if y is None else xp.maximum(y, x[index], out=y)
        return y

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """The winner of each window, the first pixel that equals y, receives all. It may win several windows."""
        pads, size = self.place(x)
        xp = array_module(x)
        framed = pad(x, pads, -np.inf)
        window = span(self.size, self.dilation)
        apart = all(s >= k for s, k in zip(self.stride, window))
        tiled = self.stride == self.size == window and framed.shape[1:-1] == tuple(n * k for n, k in zip(size, window))
        dx = (xp.empty if tiled else xp.zeros)(framed.shape, dtype=dy.dtype)        # tiled: every pixel is written
        images = max(1, AT_ONCE * len(x) // framed.size) if xp is np else len(x)    # that stay in the cache
        for first in range(0, len(x), images):
            some = slice(first, first + images)
            self.hand_back(framed[some], y[some], dy[some], dx[some], apart)
        return crop(dx, pads, x.shape)

    def hand_back(self, x: Array, y: Array, dy: Array, dx: Array, apart: bool) -> None:
        """Add dy to dx where the first pixel of x, both padded, equals y. apart: windows share no pixels, so write."""
        free: Array = None                      # windows whose winner is still to be found: at first all
        for index in self.offsets(y.shape[1:-1]):
            won = x[index] == y
            if free is None:
                free = ~won
            else:
                won &= free
                free ^= won                     # the first maximum wins: its window is taken now
            if apart:
                array_module(x).multiply(dy, won, out=dx[index])
            else:
                dx[index] += dy * won

    def summing(self) -> Affine:
        """The sum over the same windows: what sharing relevance in proportion to x starts from."""
        kind = {1: SumPool1d, 2: SumPool2d, 3: SumPool3d}[self.rank]
        return kind(self.size, self.stride, self.padding, self.ceil, self.dilation)


class MaxPool1d(MaxPool2d):
    """y = the largest x in each window. x (N, T, C), y (N, To, C)"""
    rank = 1


class MaxPool3d(MaxPool2d):
    """y = the largest x in each window. x (N, T, H, W, C), y (N, To, Ho, Wo, C)"""
    rank = 3


class GlobalMaxPool(MaxOver):
    """y = the largest of each channel over the whole image. x (N, ..., C), y (N, C). Of equals the first one wins."""

    def __init__(self) -> None:
        super().__init__()

    def along(self, x: Array) -> tuple[int, ...]:
        return tuple(range(1, x.ndim - 1))

    def summing(self) -> Affine:
        """The sum over the image, in the shape of the mean's layer: for rules the same."""
        return GlobalAvgPool()


class SumPool2d(Fixed, Windowed):
    """y = W times the sum of x over each window. W is 1; it is there for the rules, which re-weight layers.

    As a linear map every pixel of a window weighs the same, so relevance is shared in proportion to x.
    """
    preserves_sign = True

    def weights(self, x: Array, pads: Pads, size: tuple[int, ...]) -> Array:
        """The weight of the pixels of each window, a number or (Ho, Wo, 1)."""
        return float(self.W)

    def forward(self, x: Array) -> Array:
        pads, size = self.place(x)
        weights = self.weights(x, pads, size)
        x, y = pad(x, pads), 0
        for index in self.offsets(size):
            y = y + x[index]
        return y * weights

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        pads, size = self.place(x)
        dy = dy * self.weights(x, pads, size)
        sizes = [n + sum(p) for n, p in zip(x.shape[1:], pads)]
        dx = array_module(x).zeros((len(x), *sizes, x.shape[-1]), dtype=dy.dtype)
        for index in self.offsets(size):
            dx[index] += dy
        return crop(dx, pads, x.shape)


class SumPool1d(SumPool2d):
    """y = W times the sum of x over each window. x (N, T, C), y (N, To, C)"""
    rank = 1


class SumPool3d(SumPool2d):
    """y = W times the sum of x over each window. x (N, T, H, W, C), y (N, To, Ho, Wo, C)"""
    rank = 3


class AvgPool2d(SumPool2d):
    """y = the mean of x over each window; over its real pixels, unless `count_padding` (torch's default).

    What sticks out of the padded image, where sizes are rounded up, is never counted.
    """

    def __init__(self, size: int | tuple[int, ...], stride: int | tuple[int, ...] | None = None,
                 padding: Padding = "valid", count_padding: bool = False, ceil: bool = False,
                 dilation: int | tuple[int, ...] = 1) -> None:
        super().__init__(size, stride, padding, ceil, dilation)
        self.count_padding = count_padding

    def weights(self, x: Array, pads: Pads, size: tuple[int, ...]) -> Array:
        inner, _ = self.place(x, ceil=False)
        if self.count_padding and pads == inner or not any(map(any, pads)):
            return float(self.W) / math.prod(self.size)
        real = pad(array_module(x).ones((1, *x.shape[1:-1], 1), dtype=x.dtype), inner, float(self.count_padding))
        real = pad(real, tuple((0, more - after) for (_, more), (_, after) in zip(pads, inner)))
        return float(self.W) / sum(real[index] for index in self.offsets(size))[0]


class AvgPool1d(AvgPool2d):
    """y = the mean of x over each window. x (N, T, C), y (N, To, C)"""
    rank = 1


class AvgPool3d(AvgPool2d):
    """y = the mean of x over each window. x (N, T, H, W, C), y (N, To, Ho, Wo, C)"""
    rank = 3


class GlobalAvgPool(MeanOver):
    """y = the mean of each channel over the whole image, or sequence. x (N, ..., C), y (N, C)"""

    def __init__(self) -> None:
        super().__init__()

    def along(self, x: Array) -> tuple[int, ...]:
        if x.ndim < 3:
            expect_rank(self, x, 4, "(images, height, width, channels)")
        return tuple(range(1, x.ndim - 1))


class AdaptiveAvgPool2d(Mixed):
    """y = the means over `size` windows that share out an image of any size. x (N, H, W, C), y (N, *size, C)

    Window i of h covers the rows from floor(i H / h) to ceil((i + 1) H / h): where h does not divide H they
    overlap by a row. Images that have this size already come out as they are.
    """
    preserves_sign = True
    rank = 2                                    # the number of axes that a window slides along

    def __init__(self, size: int | tuple[int, ...]) -> None:
        self.size = pair(size, "size", rank=self.rank)

    def mixtures(self, x: Array) -> list[Array]:
        """(h, H) and (w, W), in each row of which the pixels of a window share the weight 1."""
        expect_rank(self, x, self.rank + 2, AXES[self.rank])
        xp, matrices = array_module(x), []
        for n, k in zip(x.shape[1:-1], self.size):
            i, pixel = xp.arange(k)[:, None], xp.arange(n)
            inside = (pixel >= i * n // k) & (pixel < -(-(i + 1) * n // k))
            matrices.append((inside / inside.sum(axis=1, keepdims=True)).astype(x.dtype))
        return matrices


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """y = the means over `size` windows that share out a sequence of any length. x (N, T, C), y (N, *size, C)"""
    rank = 1


class AdaptiveAvgPool3d(AdaptiveAvgPool2d):
    """y = the means over `size` windows that share out a video of any size. x (N, T, H, W, C), y (N, *size, C)"""
    rank = 3
