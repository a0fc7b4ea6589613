"""The depthwise convolution: every channel has a kernel of its own, and sees no other channel.

    y[n, h, w, c] = sum over i, j of  x[n, h s + i d, w s + j d, c] W[i, j, 0, c]            s stride, d dilation

Rows of windows, as `conv.py` makes them, would be nearly all copying here: each number is multiplied once. So the whole
image is shifted by (i, j), multiplied by the one number that each channel has there, and added. A few output rows are
done at a time, so that what is added to stays in the cache.

With m outputs a channel, W is (kh, kw, 1, C m), and outputs c m to c m + m - 1 belong to channel c.
Images x are padded already, y is what they become; see `conv.correlate` and `conv.scatter`, which call these functions.
"""
from collections.abc import Iterator

import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.layers.windows import offsets

BLOCK_BYTES = 2 ** 18           # output numbers worked on at a time on the host: two such blocks stay in the cache


def correlate(x: Array, W: Array, stride: tuple[int, ...], size: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    """x (N, Hp, Wp, C), W (kh, kw, 1, C m) -> y (N, Ho, Wo, C m)"""
    xp, m = array_module(x), W.shape[3] // x.shape[3]
    y = xp.empty((len(x), *size, W.shape[3]), dtype=xp.result_type(x, W))
    for k in range(m):
        shift_and_add(x, W[:, :, 0, k::m], y[..., k::m], stride, dilation)
    return y


def shift_and_add(x: Array, W: Array, y: Array, stride: tuple[int, ...], dilation: tuple[int, ...]) -> None:
    """y = the convolution of each channel of x with its own kernel. W (kh, kw, C), y (N, Ho, Wo, C)"""
    (kh, kw, _), xp = W.shape, array_module(x)
    for image, target in blocks(x, y, stride[0]):
        shifted = xp.empty(target.shape, dtype=y.dtype)
        for n, index in enumerate(offsets((kh, kw), stride, target.shape[1:3], dilation)):
            if n == 0:
                target[...] = image[index] * W[0, 0]
            else:
                target += xp.multiply(image[index], W[n // kw, n % kw], out=shifted)        # the convolution


def scatter(dy: Array, W: Array, stride: tuple[int, ...], dx: Array, dilation: tuple[int, ...]) -> None:
    """The transpose of `correlate`: what each output hands back is added to dx (N, Hp, Wp, C), zeros at first."""
    (kh, kw, _, O), xp = W.shape, array_module(dy)
    m = O // dx.shape[3]
    for k in range(m):
        for image, signal in blocks(dx, dy[..., k::m], stride[0]):
            handed = xp.empty(signal.shape, dtype=dx.dtype)
            for n, index in enumerate(offsets((kh, kw), stride, signal.shape[1:3], dilation)):
                image[index] += xp.multiply(signal, W[n // kw, n % kw, 0, k::m], out=handed)


def weight_gradient(x: Array, dy: Array, kernel: tuple[int, ...], stride: tuple[int, ...],
                    dilation: tuple[int, ...]) -> Array:
    """dL/dW (kh, kw, 1, C m): each number of a kernel was multiplied by one shifted image."""
    xp, m = array_module(x), dy.shape[3] // x.shape[3]
    dW = xp.empty((*kernel, 1, dy.shape[3]), dtype=xp.result_type(x, dy))
    for k in range(m):
        for n, index in enumerate(offsets(kernel, stride, dy.shape[1:3], dilation)):
            dW[n // kernel[1], n % kernel[1], 0, k::m] = (x[index] * dy[..., k::m]).sum(axis=(0, 1, 2))
    return dW


def blocks(x: Array, y: Array, stride: int) -> Iterator[tuple[Array, Array]]:
    """Yield (x from the first row that counts, some rows of y), a few output rows of one image or several at a time.

    On a device all images and rows at once: there a call costs more than the memory it touches.
    """
    if array_module(x) is not np:
        yield x, y
        return
    N, Ho, Wo, C = y.shape
    rows = max(1, BLOCK_BYTES // (Wo * C * y.itemsize))
    images = max(1, rows // Ho)
    for first in range(0, N, images):
        some = slice(first, first + images)
        for top in range(0, Ho, rows):
            yield x[some, top * stride:], y[some, top:top + rows]
