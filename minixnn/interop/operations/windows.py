"""What goes over an image by windows, or makes one of another size: convolution, pools, upsampling."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, size
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import multiply
from minixnn.interop.operations.norms import reduce
from minixnn.interop.operations.values import channel_last, images, optional, traced, weights


def conv(b: Builder, x: Traced, W: Any, bias: Any, stride: Sequence[int], pads: Sequence[tuple[int, int]],
         dilation: Sequence[int], groups: int = 1, same: bool = False) -> Traced:
    """W (O, C / groups, sizes...); pads: (before, after) for each axis of an image. same: "same" at any size"""
    W, bias = weights(W), optional(bias)
    n = W.ndim - 2
    if n < 1 or 0 in W.shape:
        raise ValueError(f"weights of shape {W.shape} are not supported")
    if groups < 1 or W.shape[0] % groups:
        raise ValueError(f"groups={groups} does not fit weights of shape {W.shape}")
    x = images(b, x, n)
    if size(x.axes[1]) != W.shape[1] * groups:
        raise ValueError(f"expects {W.shape[1] * groups} channels, but the input's shape leads to {size(x.axes[1])}")
    sizes = windows(x, W.shape[2:], stride, pads, dilation)
    W = np.ascontiguousarray(W.transpose(*range(2, n + 2), 1, 0))
    layer = of_rank("Conv", n)(W, bias, tidy(stride), "same" if same else tidy_pads(pads), tidy(dilation), groups)
    return channel_last(b, x, layer, W.shape[-1], sizes)


def conv_transpose(b: Builder, x: Traced, W: Any, bias: Any, stride: Sequence[int], pads: Sequence[tuple[int, int]],
                   output_padding: Sequence[int], dilation: Sequence[int], groups: int = 1) -> Traced:
    """W (C, O / groups, sizes...)"""
    W, bias = weights(W), optional(bias)
    n = W.ndim - 2
    x = images(b, x, n)
    if size(x.axes[1]) != W.shape[0]:
        raise ValueError(f"expects {W.shape[0]} channels, but the input's shape leads to {size(x.axes[1])}")
    sizes = [(m - 1) * s + d * (k - 1) + 1 - before - after + extra for m, s, k, (before, after), extra, d in
             zip(x.shape[2:], stride, W.shape[2:], pads, output_padding, dilation)]
    if min(sizes) < 1:
        raise ValueError(f"makes images of {sizes} pixels, of which nothing is left")
    outputs = W.shape[1] * groups
    W = np.ascontiguousarray(W.transpose(*range(2, n + 2), 0, 1))
    layer = of_rank("ConvTranspose", n)(W, bias, tidy(stride), tidy_pads(pads), tidy(output_padding), tidy(dilation),
                                        groups)
    return channel_last(b, x, layer, outputs, sizes)


def of_rank(name: str, n: int) -> Any:
    """The class of layers for images with n axes: Conv1d, Conv2d, Conv3d."""
    if n not in (1, 2, 3):
        raise ValueError(f"windows along {n} axes are not supported, expected one to three")
    return getattr(ours, f"{name}{n}d")


def windows(x: Traced, kernel: Sequence[int], stride: Sequence[int], pads: Sequence[tuple[int, int]],
            dilation: Sequence[int]) -> list[int]:
    """How many windows there are along each axis of an image."""
    sizes = []
    for n, k, s, (before, after), d in zip(x.shape[2:], kernel, stride, pads, dilation):
        if min(before, after) < 0:
            raise ValueError(f"pads by {(before, after)}, expected none below 0")
        free = n + before + after - (k - 1) * d - 1
        if free < 0:
            shown = " x ".join(map(str, x.shape[2:]))
            raise ValueError(f"got images of {shown} pixels, smaller than its window")
        sizes.append(free // s + 1)
    return sizes


def tidy(sizes: Any) -> Any:
    return int(sizes[0]) if hasattr(sizes, "__len__") and len(set(sizes)) == 1 else \
        tuple(map(int, sizes)) if hasattr(sizes, "__len__") else int(sizes)


def tidy_pads(pads: Any) -> Any:
    """2 for ((2, 2), (2, 2))"""
    flat = np.ravel(pads)
    return int(flat[0]) if len(set(flat.tolist())) == 1 else tuple(tuple(map(int, each)) for each in pads) \
        if np.ndim(pads) > 1 else tuple(map(int, pads))


def pool(b: Builder, x: Traced, kind: str, kernel: Sequence[int], stride: Sequence[int] | None,
         pads: Sequence[tuple[int, int]], dilation: Sequence[int], ceil_mode: bool = False,
         count_padding: bool = True, divisor: Any = None, same: bool = False) -> Traced:
    """kind: "max", "average"; same: the pads are "same" at any size"""
    n = len(kernel)
    stride, x = list(stride or kernel), images(b, x, n)
    pads = [(before, after) for before, after in pads]
    padding = "same" if same else tidy_pads(pads) if any(map(any, pads)) else "valid"
    longer = [(before, after + (overhang(m, (k - 1) * d + 1, s, before, after) if ceil_mode else 0)) for
              m, k, s, (before, after), d in zip(x.shape[2:], kernel, stride, pads, dilation)]
    sizes, channels = windows(x, kernel, stride, longer, dilation), size(x.axes[1])
    more = {"ceil": bool(ceil_mode), "dilation": tidy(dilation)}
    if any(max(each) >= k for each, k in zip(pads, kernel)):
        raise ValueError(f"pads by {pads}, as far as its windows of {tuple(kernel)} reach")
    if kind == "max":
        layer = of_rank("MaxPool", n)(tidy(kernel), tidy(stride), padding, **more)
    else:
        counted = bool(count_padding and any(map(any, pads)))
        layer = of_rank("AvgPool", n)(tidy(kernel), tidy(stride), padding, counted, **more)
    y = channel_last(b, x, layer, channels, sizes)
    return y if divisor is None else multiply(b, y, math.prod(kernel) / float(divisor))


def overhang(pixels: int, kernel: int, stride: int, before: int, after: int) -> int:
    """Pixels that a window may stick out behind the padded image when sizes are rounded up ("ceil mode").

    Sizes are rounded up unless the last window would then start behind the image: it would see nothing real.
    """
    free = pixels + before + after - kernel
    count = -(-free // stride) + 1
    if (count - 1) * stride >= pixels + before:
        count -= 1
    return max((count - 1) * stride - free, 0)


def adaptive_pool(b: Builder, x: Traced, kind: str, sizes: Sequence[int | None]) -> Traced:
    """kind: "mean" or "max". Windows that share out an image of any size; sizes: None for "as it is"."""
    n = len(sizes)
    if traced(x).rank == n + 1:
        raise ValueError(f"got {x.written()} numbers, expected one axis more: batch, channels and {n} behind them")
    old = x.shape[2:]
    out = [m if k is None else int(k) for k, m in zip(sizes, old)]
    if set(out) == {1}:
        return reduce(b, kind, x, range(2, n + 2), True)
    if list(old) == out:
        return x
    if all(m % k == 0 for m, k in zip(old, out)):
        kernel = [m // k for m, k in zip(old, out)]
        if kind == "max":
            return pool(b, x, "max", kernel, kernel, [(0, 0)] * n, [1] * n)
    if kind == "mean":
        x = images(b, x, n)
        return channel_last(b, x, of_rank("AdaptiveAvgPool", n)(tuple(out)), size(x.axes[1]), out)
    raise ValueError(f"output_size={tuple(out)} of {x.written()} is not supported, expected a size that divides the "
                     "images'")


def upsample(b: Builder, x: Traced, sizes: Sequence[int] | None, scales: Sequence[float] | None, mode: str,
             corners: bool = False, **more: Any) -> Traced:
    """mode: as the layer Upsample has it. sizes of what comes out; scales where the file gives them."""
    n = x.rank - 2
    x = images(b, x, n)
    if sizes is not None:
        out = list(map(int, sizes))
    elif scales is not None:
        out = [int(math.floor(m * s)) for m, s in zip(x.shape[2:], scales)]
    else:
        raise ValueError("changes the size of images without saying to which, expected sizes or scales")
    where: dict[str, Any] = {"scale": tuple(scales)} if scales is not None and all(
        int(m * s) == k for m, s, k in zip(x.shape[2:], scales, out)) else {"size": tuple(out)}
    if "scale" in where and n == 2 and len(set(where["scale"])) == 1:
        where["scale"] = where["scale"][0]
    return channel_last(b, x, ours.Upsample(**where, mode=mode, align_corners=corners, **more), size(x.axes[1]), out)
