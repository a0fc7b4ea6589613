"""The depthwise convolution: every channel has a kernel of its own, and sees no other channel.

    y[n, h, w, c m] = sum over i, j of  x[n, h s + i d, w s + j d, c] W[i, j, c, m]          s stride, d dilation

Rows of windows, as `conv.py` makes them, would be nearly all copying here: each number is multiplied once. NumPy's
`einsum` computes the sum above as it stands, on a view of the windows for which nothing is copied. CuPy's would copy
them; on a device the whole image is shifted by (i, j), multiplied by the one number that each channel has, and added.

With m outputs a channel, W is (kh, kw, 1, C m), and outputs c m to c m + m - 1 belong to channel c. The functions are
called by those of the same name in `conv.py`. Along three axes, too, all is shifted, multiplied and added.
"""
import numpy as np

from minixnn.arrays import Array, array_module
from minixnn.layers.windows import Pads, crop, offsets, pad

AT_ONCE = 1024                  # numbers that `einsum` is to add at a time, see `sum_over_windows`


def correlate(x: Array, W: Array, stride: tuple[int, ...], size: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    """Padded images x (N, Hp, Wp, C), W (kh, kw, 1, C m) -> y (N, Ho, Wo, C m)"""
    xp, N, C, kernel = array_module(x), len(x), x.shape[-1], W.shape[:-2]
    W = W.reshape(*kernel, C, -1)                                           # (kh, kw, C, m)
    by_einsum = xp is np and len(kernel) == 2
    y = (xp.empty if by_einsum else xp.zeros)((N, *size, C, W.shape[-1]), dtype=xp.result_type(x, W))
    if by_einsum:
        sum_over_windows("nhwijc,ijcm->nhwcm", x, W, stride, dilation, y)
    else:
        for index, seen in zip(offsets(kernel, stride, size, dilation), W.reshape(-1, *W.shape[-2:])):
            y += x[index][..., None] * seen
    return y.reshape(N, *size, -1)


def scatter(dy: Array, W: Array, stride: tuple[int, ...], shape: tuple[int, ...], pads: Pads,
            dilation: tuple[int, ...]) -> Array:
    """The transpose of `correlate`: dy (N, Ho, Wo, C m) -> dx of the `shape` (N, H, W, C), without the padding."""
    xp, size, kernel, (N, *inner, C) = array_module(dy), dy.shape[1:-1], W.shape[:-2], shape
    dtype = xp.result_type(dy, W)
    W, dy = W.reshape(*kernel, C, -1), dy.reshape(N, *size, C, -1)          # (kh, kw, C, m), (N, Ho, Wo, C, m)
    if xp is np and len(kernel) == 2 and (max(stride) == 1 or max(dilation) == 1):
        dx = (np.empty if all(s <= k for s, k in zip(stride, kernel)) else np.zeros)(shape, dtype=dtype)
        scatter_by_windows(dy, W, stride, dx, pads, dilation)
        return dx
    dx = xp.zeros((N, *(n + sum(p) for n, p in zip(inner, pads)), C), dtype=dtype)
    for index, seen in zip(offsets(kernel, stride, size, dilation), W.reshape(-1, *W.shape[-2:])):
        dx[index] += (dy * seen).sum(axis=-1)
    return crop(dx, pads, shape)


def scatter_by_windows(dy: Array, W: Array, stride: tuple[int, ...], dx: Array, pads: Pads,
                       dilation: tuple[int, ...]) -> None:
    """`scatter` as a convolution of dy: what input pixel p receives is a sum over a window of outputs.

    With stride s it meets every s-th weight of the kernel, from weight (p + top) mod s on, in turned order; all pixels
    that begin at the same weight are computed together. dx (N, H, W, C) is written to.
    """
    for a in range(min(stride[0], W.shape[0])):
        for b in range(min(stride[1], W.shape[1])):
            met = W[a::stride[0], b::stride[1]][::-1, ::-1]                 # the weights that these pixels meet
            frame, where = [], [slice(None)]
            for axis, first in enumerate((a, b)):
                s, before, reach = stride[axis], pads[axis][0], (met.shape[axis] - 1) * dilation[axis]
                p = (first - before) % s                                    # the first such pixel,
                top = (p + before) // s                                     # and the last output that sees it
                pixels = len(range(p, dx.shape[1 + axis], s))
                frame.append((reach - top, top + pixels - dy.shape[1 + axis]))
                where.append(slice(p, None, s))
            N, Ho, Wo, C, m = dy.shape
            framed = pad(dy.reshape(N, Ho, Wo, C * m), tuple(frame))
            framed = framed.reshape(*framed.shape[:3], C, m)
            if dx[tuple(where)].size:           # of an image narrower than the stride no pixel may begin here
                sum_over_windows("nhwijcm,ijcm->nhwc", framed, met, (1, 1), dilation, dx[tuple(where)])


def weight_gradient(x: Array, dy: Array, kernel: tuple[int, ...], stride: tuple[int, ...],
                    dilation: tuple[int, ...]) -> Array:
    """dL/dW (kh, kw, 1, C m): each number of a kernel was multiplied by one shifted image. x is padded."""
    xp, N, C, size = array_module(x), len(x), x.shape[-1], dy.shape[1:-1]
    dy = dy.reshape(N, *size, C, -1)                                        # (N, Ho, Wo, C, m)
    dW = xp.empty((*kernel, C, dy.shape[-1]), dtype=xp.result_type(x, dy))
    if xp is np and len(kernel) == 2:
        np.einsum("nhwijc,nhwcm->ijcm", windows(x, kernel, stride, size, dilation), dy, out=dW)
    else:
        for n, index in enumerate(offsets(kernel, stride, size, dilation)):
            dW[np.unravel_index(n, kernel)] = (x[index][..., None] * dy).sum(axis=tuple(range(len(kernel) + 1)))
    return dW.reshape(*kernel, 1, -1)


def sum_over_windows(equation: str, x: Array, W: Array, stride: tuple[int, ...], dilation: tuple[int, ...],
                     y: Array) -> None:
    """y (N, Ho, Wo, C or C, m) = the sums of `equation` over the windows of x (N, Hp, Wp, C or C, m). W (kh, kw, C, m)

    Few channels: where the pixels of a row follow each other without a gap, several are treated as one pixel of as many
    channels as they have together, with the kernel's weights as many times: runs of a hundred numbers take longer to
    find than to add, and beyond a thousand the repeated kernel leaves the cache. In a view, such as of channel-first
    images, there are gaps.
    """
    seen = windows(x, W.shape[:2], stride, y.shape[1:3], dilation)
    (N, Ho, Wo, C), rest = y.shape[:4], seen.strides[5:]
    without_gap = x.strides[2] == x.shape[3] * x.strides[3]
    pixels = max(p for p in range(1, Wo + 1) if Wo % p == 0 and (p == 1 or p * C <= AT_ONCE))
    if pixels > 1 and stride[1] == 1 and without_gap and y.flags.c_contiguous:
        n, h, w, i, j = seen.strides[:5]
        seen = np.lib.stride_tricks.as_strided(
            seen, (N, Ho, Wo // pixels, *W.shape[:2], pixels * C, *seen.shape[6:]), (n, h, w * pixels, i, j, *rest),
            writeable=False)
        W, y = np.tile(W, (1, 1, pixels, 1)), y.reshape(N, Ho, Wo // pixels, pixels * C, *y.shape[4:])
    np.einsum(equation, seen, W, out=y)


def windows(x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], size: tuple[int, ...],
            dilation: tuple[int, ...]) -> Array:
    """(N, Ho, Wo, kh, kw, C, ...): every window of the padded images x (N, Hp, Wp, C, ...), as a view."""
    n, h, w, *rest = x.strides
    return np.lib.stride_tricks.as_strided(
        x, (len(x), *size, *kernel, *x.shape[3:]),
        (n, h * stride[0], w * stride[1], h * dilation[0], w * dilation[1], *rest), writeable=False)
