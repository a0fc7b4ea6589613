"""The convolution, as one matrix product on columns of pixels.

The definition is four lines (channel-last images, one window per output pixel, stride s, dilation d):

    for n, h, w: y[n, h, w] = sum over i, j, c of  x[n, h s + i d - top, w s + j d - left, c] W[i, j, c]  +  b

The code computes just this. It lays the pixels of each window out as a row of a matrix ("im2col"), so that the
sums become one matrix product, which BLAS does near the speed of the machine. All windows at once would need
kh * kw times the memory of the image and leave the cache; so it is done in chunks of some hundred windows,
copied one after the other into the same buffer. `tests/oracles.py` has the slow, obvious version.

With groups, channels in and out are cut into as many pieces, and each piece of y sees its piece of x alone. As many
groups as channels is the depthwise convolution, which has a file of its own.

Nothing here asks along how many axes a window slides: videos have one more.
"""
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module
from minixnn.layers import depthwise
from minixnn.layers.base import Affine, Layer, expect_arrays, expect_rank, same
from minixnn.layers.dense import draw
from minixnn.layers.windows import (AXES, Padding, Pads, check_padding, crop, offsets, output_size, pad, pair,
                                    pixels_to_add, span)
from minixnn.tuning import product

CHUNK_ROWS = 256                # windows copied at a time on the host: the chunk stays in the cache
CHUNK_BYTES = 2 ** 20           # more of them where a window holds few numbers
DEVICE_BYTES = 256 * 2 ** 20    # on a GPU one large product is best; this bounds the memory it takes
KERNELS = {1: "(kernel steps, channels in / groups, channels out)",                 # axes of weights, by the rank
           2: "(kernel height, kernel width, channels in / groups, channels out)",
           3: "(kernel frames, kernel height, kernel width, channels in / groups, channels out)"}


class Conv2d(Affine):
    """A convolution (not flipped, as everywhere in the field).

    x (N, H, W, C), W (kh, kw, C / groups, O), b (O,) or None, y (N, Ho, Wo, O)

    >>> Conv2d(np.ones((3, 3, 1, 1))).forward(np.ones((1, 3, 3, 1)))[0, :, :, 0]     # how many pixels a window has
    array([[4., 6., 4.],
           [6., 9., 6.],
           [4., 6., 4.]])
    """

    rank = 2                                    # the number of axes that a window slides along

    def __init__(self, W: Array, b: Array | None = None, stride: int | tuple[int, ...] = 1, padding: Padding = "same",
                 dilation: int | tuple[int, ...] = 1, groups: int = 1) -> None:
        check_kernel(self, W, b, groups, KERNELS[self.rank])
        self.W, self.b = W, b
        self.stride, self.padding = pair(stride, "stride", rank=self.rank), check_padding(padding, self.rank)
        self.dilation, self.groups = pair(dilation, "dilation", rank=self.rank), groups

    @classmethod
    def random(cls, size: int | tuple[int, ...], channels_in: int, channels_out: int, rng: np.random.Generator,
               bias: bool = True, stride: int | tuple[int, ...] = 1, padding: Padding = "same", init: str = "he",
               dtype: DTypeLike = np.float32, dilation: int | tuple[int, ...] = 1, groups: int = 1) -> "Conv2d":
        """A layer to train from: weights drawn by `init` from the Generator `rng`, bias zero (or none)."""
        kernel, C = pair(size, "size", rank=cls.rank), channels_in // groups
        seen = math.prod(kernel)
        W = draw((*kernel, C, channels_out), seen * C, seen * channels_out // groups, rng, init)
        b = np.zeros(channels_out, dtype) if bias else None
        return cls(W.astype(dtype), b, stride, padding, dilation, groups)

    def place(self, x: Array) -> tuple[Pads, tuple[int, ...]]:
        """(pads, (Ho, Wo)) for the images `x`; refuses images of another shape than the kernel is for."""
        expect_rank(self, x, self.rank + 2, AXES[self.rank])
        channels = self.W.shape[-2] * self.groups
        if x.shape[-1] != channels:
            raise ValueError(f"{self!r} got images of {x.shape[-1]} channels, expected {channels}; "
                             f"images are channel-last: {AXES[self.rank]}")
        window = span(self.W.shape[:-2], self.dilation)
        pads = pixels_to_add(self.padding, x.shape[1:-1], window, self.stride)
        return pads, output_size(self, x.shape[1:-1], pads, window, self.stride)

    def forward(self, x: Array) -> Array:
        pads, size = self.place(x)
        y = correlate(pad(x, pads), self.W, self.stride, size, self.dilation, self.groups)      # (N, Ho, Wo, O)
        if self.b is not None:
            y += self.b
        return y

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """Each output pixel hands dy W back to the pixels of its window, where all that arrives is summed."""
        pads, _ = self.place(x)
        return scatter(dy, self.W, self.stride, x.shape, pads, self.dilation, self.groups)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        pads, _ = self.place(x)
        return {"W": weight_gradient(pad(x, pads), dy, self.W.shape, self.stride, self.dilation, self.groups),
                "b": None if self.b is None else dy.sum(axis=tuple(range(dy.ndim - 1)))}

    def __repr__(self):
        return shown(self, self.W.shape[-2] * self.groups, self.W.shape[-1])


class Conv1d(Conv2d):
    """x (N, T, C), W (k, C / groups, O), b (O,) or None, y (N, To, O): sequences, signals, texts.

    padding: "valid", "same", a whole number of steps on either side, or (before, after).
    """
    rank = 1


class Conv3d(Conv2d):
    """x (N, T, H, W, C), W (kt, kh, kw, C / groups, O), b (O,) or None, y (N, To, Ho, Wo, O): videos, volumes."""
    rank = 3


def shown(layer: Affine, channels_in: int, channels_out: int) -> str:
    """What a convolution shows of itself: "Conv2d(3x3, 1 -> 8, stride (2, 2), no bias)"."""
    more = [f"{name} {getattr(layer, name)}" for name in ("stride", "dilation", "groups")
            if not same(getattr(layer, name), 1)] + ["no bias"] * (layer.b is None)
    kernel = "x".join(map(str, layer.W.shape[:-2]))
    return f"{type(layer).__name__}({', '.join([kernel, f'{channels_in} -> {channels_out}', *more])})"


def check_kernel(layer: Layer, W: Array, b: Array | None, groups: int, axes: str = KERNELS[2]) -> None:
    """Refuse weights that make no convolution, in a sentence that says which shape was expected."""
    name, rank = type(layer).__name__, axes.count(",") + 1
    expect_arrays(b, weights=[W])
    if W.ndim != rank:
        raise ValueError(f"{name} got weights of shape {W.shape}, expected {rank} axes {axes}")
    if 0 in W.shape:
        raise ValueError(f"{name} got weights of shape {W.shape}, expected at least 1 along each axis {axes}")
    if not hasattr(groups, "__index__") or groups < 1 or W.shape[-1] % groups:
        raise ValueError(f"{name} got groups={groups!r} for {W.shape[-1]} channels, expected a whole number that "
                         "divides them")
    if b is not None and b.shape != W.shape[-1:]:
        raise ValueError(f"{name} got a bias of shape {b.shape}, expected one number per channel: {W.shape[-1:]}")


def windows_at_a_time(x: Array, K: int) -> int:
    """How many windows of K numbers a chunk has, on the machine where x lives."""
    on_host = array_module(x) is np
    return max(CHUNK_ROWS if on_host else 1, (CHUNK_BYTES if on_host else DEVICE_BYTES) // (K * x.itemsize))


def column_chunks(x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], size: tuple[int, ...],
                  dilation: tuple[int, ...] = ()) -> Iterator[tuple[slice, slice, Array]]:
    """Yield (images, rows, columns): the windows of some images and output rows, one window per row.

    `columns` is (windows, kh * kw * C) and lives in a buffer that the next step overwrites. `x` is padded.
    """
    xp, rank, N, C, (n, *steps, c) = array_module(x), len(kernel), len(x), x.shape[-1], x.strides
    windows = xp.lib.stride_tricks.as_strided(
        x, (N, *size, *kernel, C), (n, *(h * s for h, s in zip(steps, stride)),
                                    *(h * d for h, d in zip(steps, dilation or (1,) * rank)), c))
    K, Ho, Wo = math.prod(kernel) * C, size[0], math.prod(size[1:])
    wanted = windows_at_a_time(x, K)
    rows = min(Ho, max(1, wanted // Wo))                    # output rows a chunk: all of them if they fit,
    images = max(1, wanted // (Ho * Wo)) if rows == Ho else 1           # and then several images
    buffer = xp.empty(min(images, N) * rows * Wo * K, dtype=x.dtype)
    turned = (*range(rank + 1, 2 * rank + 2), *range(rank + 1))         # a window's axes in front, the images' behind
    for first in range(0, N, images):
        for top in range(0, Ho, rows):
            some, these = slice(first, min(first + images, N)), slice(top, min(top + rows, Ho))
            block = windows[some, these]                    # (images, rows, Wo, kh, kw, C), nothing copied yet
            copy = buffer[:block.size]
            if C > 4:                                       # runs of kw * C numbers lie together: copy by window
                copy = copy.reshape(block.shape)
                copy[...] = block
                yield some, these, copy.reshape(-1, K)
            else:                                           # they do not: copy whole image rows, one per column
                block = block.transpose(turned)
                copy = copy.reshape(block.shape)
                copy[...] = block
                yield some, these, copy.reshape(K, -1).T


def correlate(x: Array, W: Array, stride: tuple[int, ...], size: tuple[int, ...], dilation: tuple[int, ...] = (),
              groups: int = 1) -> Array:
    """The bare convolution of padded images: x (N, Hp, Wp, C), W (kh, kw, C / groups, O) -> (N, Ho, Wo, O)."""
    xp, O, kernel = array_module(x), W.shape[-1], W.shape[:-2]
    dilation = dilation or (1,) * len(kernel)
    if groups == x.shape[-1] > 1:
        return depthwise.correlate(x, W, stride, size, dilation)
    if groups > 1:
        parts = [correlate(x_g, W_g, stride, size, dilation) for x_g, W_g in zip(cut(x, groups), cut(W, groups))]
        return xp.concatenate(parts, axis=-1)
    flat = W.reshape(-1, O)                                                 # (kh kw C, O)
    y = xp.empty((len(x), *size, O), dtype=xp.result_type(x, W))
    if set(kernel + stride) == {1} and x.shape[1:-1] == tuple(size) and x.flags.c_contiguous:           # no windows:
        xp.matmul(x.reshape(-1, len(flat)), flat, out=y.reshape(-1, O))     # a dense layer for every pixel
        return y
    for images, rows, columns in column_chunks(x, kernel, stride, size, dilation):
        product(columns, flat, out=y[images, rows].reshape(-1, O))          # the convolution; `out` is a view of y
    return y


def scatter(dy: Array, W: Array, stride: tuple[int, ...], shape: tuple[int, ...], pads: Pads,
            dilation: tuple[int, ...] = (), groups: int = 1) -> Array:
    """The transpose of `correlate`: dy (N, Ho, Wo, O) -> dx of the `shape` (N, H, W, C), without the padding."""
    (*kernel, C, O), xp, inner = W.shape, array_module(dy), shape[1:-1]
    dilation = dilation or (1,) * len(kernel)
    if groups == shape[-1] > 1:
        return depthwise.scatter(dy, W, stride, shape, pads, dilation)
    if groups > 1:
        parts = [scatter(dy_g, W_g, stride, (*shape[:-1], C), pads, dilation)
                 for dy_g, W_g in zip(cut(dy, groups), cut(W, groups))]
        return xp.concatenate(parts, axis=-1)
    if {*kernel, *stride} == {1} and not any(map(any, pads)) and dy.shape[:-1] == shape[:-1]:
        dx = xp.empty(shape, dtype=xp.result_type(dy, W))
        xp.matmul(dy.reshape(-1, O), W.reshape(C, O).T, out=dx.reshape(-1, C))          # a dense layer for every pixel
        return dx
    reach = [n - 1 for n in span(kernel, dilation)]
    covers = dy.shape[1:-1] == tuple(n + sum(p) - r for n, p, r in zip(inner, pads, reach))
    if set(stride) == {1} and covers and C > 4 and dy.size >= 2 * O * O:
        # Seen from an input pixel this is a convolution again: of dy, with the kernel turned by 180
        # degrees and its channels swapped. (For few pixels and many channels turning takes longer than it saves.)
        turned = W[(slice(None, None, -1),) * len(kernel)].swapaxes(-1, -2)             # (kh, kw, O, C)
        dy = pad(dy, tuple((r - before, r - after) for r, (before, after) in zip(reach, pads)))
        return correlate(dy, turned, stride, inner, dilation)
    return scatter_columns(dy, W, stride, shape, pads, dilation)


def scatter_columns(dy: Array, W: Array, stride: tuple[int, ...], shape: tuple[int, ...], pads: Pads,
                    dilation: tuple[int, ...]) -> Array:
    """`scatter` for any stride: one product, and then one addition for each pixel of the window."""
    (*kernel, C, O), size, xp, seen = W.shape, dy.shape[1:-1], array_module(dy), math.prod(W.shape[:-2])
    flat, dx = W.reshape(-1, O), padded_zeros(dy, W, shape, pads)           # (kh kw C, O)
    images = max(1, windows_at_a_time(dy, seen * C) // math.prod(size))
    for first in range(0, len(dy), images):
        some = slice(first, first + images)
        block, target = dy[some].reshape(-1, O), dx[some]                   # (windows, O)
        if C > 4:
            back = (block @ flat.T).reshape(-1, *size, seen, C)
            for k, index in enumerate(offsets(kernel, stride, size, dilation)):
                target[index] += back[..., k, :]
        else:                                   # few channels: one whole image of each is added, not runs of C numbers
            back = product(flat, block.T, out=xp.empty((len(flat), len(block)), dtype=dx.dtype))
            back = back.reshape(seen, C, -1, *size)
            for k, index in enumerate(offsets(kernel, stride, size, dilation)):
                for c in range(C):
                    target[(*index, c)] += back[k, c]
    return crop(dx, pads, shape)


def weight_gradient(x: Array, dy: Array, shape: tuple[int, ...], stride: tuple[int, ...],
                    dilation: tuple[int, ...] = (), groups: int = 1) -> Array:
    """dL/dW in the `shape` of W, from padded images x and dL/dy."""
    if groups == x.shape[-1] > 1:
        return depthwise.weight_gradient(x, dy, shape[:-2], stride, dilation)
    if groups > 1:
        parts = [weight_gradient(x_g, dy_g, (*shape[:-1], shape[-1] // groups), stride, dilation)
                 for x_g, dy_g in zip(cut(x, groups), cut(dy, groups))]
        return array_module(x).concatenate(parts, axis=-1)
    dW: Array = 0
    for images, rows, columns in column_chunks(x, shape[:-2], stride, dy.shape[1:-1], dilation):
        dW = dW + columns.T @ dy[images, rows].reshape(-1, shape[-1])       # (kh kw C, rows) @ (rows, O)
    return dW.reshape(shape)


def cut(x: Array, groups: int) -> list[Array]:
    """The last axis in `groups` pieces of the same size."""
    n = x.shape[-1] // groups
    return [x[..., g * n:(g + 1) * n] for g in range(groups)]


def padded_zeros(dy: Array, W: Array, shape: tuple[int, ...], pads: Pads) -> Array:
    """Zeros for images of `shape` with their padding, to add dL/dx to."""
    xp, sizes = array_module(dy), (n + sum(p) for n, p in zip(shape[1:], pads))
    return xp.zeros((shape[0], *sizes, shape[-1]), dtype=xp.result_type(dy, W))
