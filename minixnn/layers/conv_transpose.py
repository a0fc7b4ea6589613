"""The transposed convolution, also called deconvolution: what a convolution does on the way back, on the way forward.

    for n, h, w, i, j: y[n, h s + i d - p, w s + j d - p] += x[n, h, w] W[i, j]

with stride s, dilation d and padding p. Each pixel of x is multiplied by the whole kernel and laid onto y, stride
pixels apart, where what overlaps is added. That is `conv.scatter`, the gradient of a convolution with the same weights,
and its own gradient is that convolution.
"""
import math
from numpy.typing import DTypeLike

import numpy as np

from minixnn.arrays import Array
from minixnn.layers.base import Affine, expect_arrays, expect_rank
from minixnn.layers.conv import KERNELS, check_kernel, correlate, scatter, shown, weight_gradient
from minixnn.layers.dense import draw
from minixnn.layers.windows import AXES, Padding, check_padding, pad, pair, span


class ConvTranspose2d(Affine):
    """x (N, H, W, C), W (kh, kw, C, O / groups), b (O,) or None, y (N, Ho, Wo, O)

        Ho = (H - 1) stride + dilation (kh - 1) + 1 - top - bottom + output_padding

    padding: pixels cut off y on each side, a number or ((top, bottom), (left, right)). output_padding: pixels added at
    the bottom and the right. torch keeps such weights as (C, O / groups, kh, kw): weight.transpose(2, 3, 0, 1) is W.
    """

    rank = 2                                    # the number of axes that a window slides along

    def __init__(self, W: Array, b: Array | None = None, stride: int | tuple[int, ...] = 1, padding: Padding = 0,
                 output_padding: int | tuple[int, ...] = 0, dilation: int | tuple[int, ...] = 1,
                 groups: int = 1) -> None:
        expect_arrays(b, weights=[W])
        axes = KERNELS[self.rank].replace("in / groups, channels out", "in, channels out / groups")
        check_kernel(self, W.swapaxes(-1, -2) if W.ndim == self.rank + 2 else W, None, groups, axes)
        if b is not None and b.shape != (W.shape[-1] * groups,):
            raise ValueError(f"{type(self).__name__} got a bias of shape {b.shape}, expected one number per channel: "
                             f"{(W.shape[-1] * groups,)}")
        if padding in ("same", "valid"):
            raise ValueError(f"{type(self).__name__} got padding={padding!r}, expected the pixels to cut off on each "
                             "side: a whole number or ((top, bottom), (left, right))")
        self.W, self.b, self.groups = W, b, groups
        self.stride, self.padding = pair(stride, "stride", rank=self.rank), check_padding(padding, self.rank)
        self.dilation = pair(dilation, "dilation", rank=self.rank)
        self.output_padding = pair(output_padding, "output_padding", 0, self.rank)

    @classmethod
    def random(cls, size: int | tuple[int, ...], channels_in: int, channels_out: int, rng: np.random.Generator,
               bias: bool = True, stride: int | tuple[int, ...] = 1, padding: Padding = 0, init: str = "he",
               dtype: DTypeLike = np.float32, output_padding: int | tuple[int, ...] = 0,
               dilation: int | tuple[int, ...] = 1, groups: int = 1) -> "ConvTranspose2d":
        """A layer to train from: weights drawn by `init` from the Generator `rng`, bias zero (or none)."""
        kernel, steps = pair(size, "size", rank=cls.rank), pair(stride, "stride", rank=cls.rank)
        O = channels_out // groups
        sees = max(1, math.prod(kernel) // math.prod(steps)) * channels_in // groups    # how many inputs an output has
        W = draw((*kernel, channels_in, O), sees, math.prod(kernel) * O, rng, init)
        b = np.zeros(channels_out, dtype) if bias else None
        return cls(W.astype(dtype), b, stride, padding, output_padding, dilation, groups)

    def shape(self, x: Array) -> tuple[int, ...]:
        """The shape of y for the images `x`."""
        expect_rank(self, x, self.rank + 2, AXES[self.rank])
        if x.shape[-1] != self.W.shape[-2]:
            raise ValueError(f"{self!r} got images of {x.shape[-1]} channels, expected {self.W.shape[-2]}; "
                             f"images are channel-last: {AXES[self.rank]}")
        window = span(self.W.shape[:-2], self.dilation)
        size = [(n - 1) * s - sum(p) + k + extra for n, s, p, k, extra in
                zip(x.shape[1:-1], self.stride, self.padding, window, self.output_padding)]
        return len(x), *size, self.W.shape[-1] * self.groups

    def kernel(self) -> Array:
        """The weights as the convolution from y to x has them: (kh, kw, O / groups, C)."""
        return self.W.swapaxes(-1, -2)

    def forward(self, x: Array) -> Array:
        y = scatter(x, self.kernel(), self.stride, self.shape(x), self.padding, self.dilation, self.groups)
        return y if self.b is None else y + self.b

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return correlate(pad(dy, self.padding), self.kernel(), self.stride, x.shape[1:-1], self.dilation, self.groups)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        dK = weight_gradient(pad(dy, self.padding), x, self.kernel().shape, self.stride, self.dilation, self.groups)
        return {"W": dK.swapaxes(-1, -2), "b": None if self.b is None else dy.sum(axis=tuple(range(dy.ndim - 1)))}

    def __repr__(self):
        return shown(self, self.W.shape[-2], self.W.shape[-1] * self.groups)


class ConvTranspose1d(ConvTranspose2d):
    """x (N, T, C), W (k, C, O / groups), b (O,) or None, y (N, To, O). padding: a number or ((before, after),)"""
    rank = 1


class ConvTranspose3d(ConvTranspose2d):
    """x (N, T, H, W, C), W (kt, kh, kw, C, O / groups), b (O,) or None, y (N, To, Ho, Wo, O)"""
    rank = 3
