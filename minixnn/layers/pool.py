"""Pooling layers: the maximum, the average or the sum over windows of an image, channel by channel."""
from typing import Any

import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Affine, Layer, expect_rank
from minixnn.layers.reduce import Maximum, MaxOver, MeanOver, winner_takes_all  # noqa: F401: importable from here
from minixnn.layers.windows import Padding, Pads, check_padding, offsets, output_size, pad, pair, pixels_to_add


class Windowed(Layer):
    """What pools over windows share: size, stride (the size, unless given) and padding."""

    def __init__(self, size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: Padding = "valid") -> None:
        self.size = pair(size, "size")
        self.stride = self.size if stride is None else pair(stride, "stride")
        self.padding = check_padding(padding)
        if self.padding not in ("valid", "same") and any(
                max(p) >= k for p, k in zip(self.padding, self.size)):
            raise ValueError(f"got padding={padding!r} for windows of {self.size}: some windows would hold "
                             "padding alone; pad by less than the window's size")

    def settings(self) -> dict[str, Any]:
        return {"size": self.size, "stride": self.stride, "padding": self.padding}

    def place(self, x: Array) -> tuple[Pads, tuple[int, ...]]:
        """(pads, (Ho, Wo)) for the images `x` (N, H, W, C)."""
        expect_rank(self, x, 4, "(images, height, width, channels)")
        pads = pixels_to_add(self.padding, x.shape[1:3], self.size, self.stride)
        return pads, output_size(self, x.shape[1:3], pads, self.size, self.stride)


class MaxPool2d(Maximum, Windowed):
    """y = the largest x in each window. x (N, H, W, C), y (N, Ho, Wo, C). Of equals the first one wins."""

    def forward(self, x: Array) -> Array:
        pads, size = self.place(x)
        x, xp = pad(x, pads, -np.inf), array_module(x)
        y = None
        for index in offsets(self.size, self.stride, size):
            y = x[index].copy() if y is None else xp.maximum(y, x[index], out=y)
        return y

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """The winner of each window, the first pixel that equals y, receives all. It may win several windows."""
        pads, size = self.place(x)
        xp = array_module(x)
        framed = pad(x, pads, -np.inf)
        apart = all(s >= k for s, k in zip(self.stride, self.size))
        tiled = self.stride == self.size and framed.shape[1:3] == (size[0] * self.size[0], size[1] * self.size[1])
        dx = (xp.empty if tiled else xp.zeros)(framed.shape, dtype=dy.dtype)        # tiled: every pixel is written
        free = xp.ones(y.shape, dtype=bool)     # windows whose winner is still to be found
        for index in offsets(self.size, self.stride, size):
            won = framed[index] == y
            won &= free
            free ^= won                         # the first maximum wins: its window is taken now
            if apart:                           # no window shares a pixel with another: write, do not add
                xp.multiply(dy, won, out=dx[index])
            else:
                dx[index] += dy * won
        (top, _), (left, _) = pads
        return dx[:, top:top + x.shape[1], left:left + x.shape[2]]

    def summing(self) -> Affine:
        """The sum over the same windows: what sharing relevance in proportion to x starts from."""
        return SumPool2d(self.size, self.stride, self.padding)


class GlobalMaxPool(MaxOver):
    """y = the largest of each channel over the whole image. x (N, ..., C), y (N, C). Of equals the first one wins."""

    def __init__(self) -> None:
        super().__init__()

    def settings(self) -> dict[str, Any]:
        return {}

    def along(self, x: Array) -> tuple[int, ...]:
        return tuple(range(1, x.ndim - 1))

    def summing(self) -> Affine:
        """The sum over the image, in the shape of the mean's layer: for rules the same."""
        return GlobalAvgPool()


class SumPool2d(Affine, Windowed):
    """y = W times the sum of x over each window. W is 1; it is there for the rules, which re-weight layers.

    As a linear map every pixel of a window weighs the same, so relevance is shared in proportion to x.
    """
    preserves_sign = True
    W, b = np.float64(1), None                  # used as float(W), which leaves float32 images float32

    def arrays(self) -> dict[str, Array]:
        return {}                               # nothing to learn, nothing to save

    def weights(self, x: Array, pads: Pads, size: tuple[int, ...]) -> Array:
        """The weight of the pixels of each window, a number or (Ho, Wo, 1)."""
        return float(self.W)

    def forward(self, x: Array) -> Array:
        pads, size = self.place(x)
        weights = self.weights(x, pads, size)
        x, y = pad(x, pads), 0
        for index in offsets(self.size, self.stride, size):
            y = y + x[index]
        return y * weights

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        pads, size = self.place(x)
        dy = dy * self.weights(x, pads, size)
        (top, bottom), (left, right) = pads
        N, H, W, C = x.shape
        dx = array_module(x).zeros((N, H + top + bottom, W + left + right, C), dtype=dy.dtype)
        for index in offsets(self.size, self.stride, size):
            dx[index] += dy
        return dx[:, top:top + H, left:left + W]


class AvgPool2d(SumPool2d):
    """y = the mean of x over each window; over its real pixels, unless `count_padding` (torch's default)."""

    def __init__(self, size: int | tuple[int, int], stride: int | tuple[int, int] | None = None,
                 padding: Padding = "valid", count_padding: bool = False) -> None:
        super().__init__(size, stride, padding)
        self.count_padding = count_padding

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "count_padding": self.count_padding}

    def weights(self, x: Array, pads: Pads, size: tuple[int, ...]) -> Array:
        if self.count_padding or pads == ((0, 0), (0, 0)):
            return float(self.W) / (self.size[0] * self.size[1])
        real = pad(array_module(x).ones((1, *x.shape[1:3], 1), dtype=x.dtype), pads)
        return float(self.W) / sum(real[index] for index in offsets(self.size, self.stride, size))[0]


class GlobalAvgPool(MeanOver):
    """y = the mean of each channel over the whole image, or sequence. x (N, ..., C), y (N, C)"""

    def __init__(self) -> None:
        super().__init__()

    def settings(self) -> dict[str, Any]:
        return {}

    def along(self, x: Array) -> tuple[int, ...]:
        if x.ndim < 3:
            expect_rank(self, x, 4, "(images, height, width, channels)")
        return tuple(range(1, x.ndim - 1))


class AdaptiveAvgPool2d(Affine):
    """y = the means over `size` windows that share out an image of any size. x (N, H, W, C), y (N, *size, C)

    Window i of h covers the rows from floor(i H / h) to ceil((i + 1) H / h): where h does not divide H they
    overlap by a row. Images that have this size already come out as they are.
    """
    preserves_sign = True
    W, b = np.float64(1), None

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = pair(size, "size")

    def settings(self) -> dict[str, Any]:
        return {"size": self.size}

    def arrays(self) -> dict[str, Array]:
        return {}

    def means(self, x: Array) -> list[Array]:
        """Two matrices, (h, H) and (w, W), in each row of which the pixels of a window share the weight 1."""
        expect_rank(self, x, 4, "(images, height, width, channels)")
        xp, matrices = array_module(x), []
        for n, k in zip(x.shape[1:3], self.size):
            i, pixel = xp.arange(k)[:, None], xp.arange(n)
            inside = (pixel >= i * n // k) & (pixel < -(-(i + 1) * n // k))
            matrices.append((inside / inside.sum(axis=1, keepdims=True)).astype(x.dtype))
        return matrices

    def forward(self, x: Array) -> Array:
        rows, columns = self.means(x)
        N, H, Wd, C = x.shape
        y = (rows @ x.reshape(N, H, Wd * C)).reshape(N, -1, Wd, C)          # (h, H) @ (N, H, W C)
        return columns @ y * float(self.W)                                  # (w, W) @ (N, h, W, C)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        rows, columns = self.means(x)
        dx = columns.T @ (dy * float(self.W))                               # (W, w) @ (N, h, w, C)
        return (rows.T @ dx.reshape(len(x), self.size[0], -1)).reshape(x.shape)
