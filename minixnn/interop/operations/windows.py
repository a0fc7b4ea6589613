"""What goes over an image by windows, or makes one of another size: convolution, pools, upsampling."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, size
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import multiply
from minixnn.interop.operations.moves import take
from minixnn.interop.operations.norms import reduce
from minixnn.interop.operations.values import (Places, Sizes, Value, both_of, channel_last, images, integers, numbers,
                                               optional, plain, traced, weights)

Tidy: TypeAlias = "int | tuple[int, ...] | tuple[tuple[int, int], ...] | str"


class Windows(NamedTuple):
    """Where windows lie, with an entry for each axis of an image. same: "same" at any size"""
    kernel: list[int]
    stride: list[int]
    pads: list[tuple[int, int]]
    dilation: list[int]
    same: bool

    @property
    def padding(self) -> Tidy:
        """As a layer takes it: 2 for ((2, 2), (2, 2))."""
        flat = {p for each in self.pads for p in each}
        return "same" if self.same else flat.pop() if len(flat) == 1 else tuple(self.pads)


def each_axis(sizes: Sizes | None, n: int, otherwise: Sequence[int]) -> list[int]:
    """An argument that is one number for all axes, or one for each; none, or an empty list, stand for `otherwise`."""
    found = list(otherwise) if sizes is None or not np.size(sizes) else integers(sizes)
    return found * n if len(found) == 1 else found


def windows(x: Traced, kernel: Sizes, stride: Sizes | None, padding: Sizes | str, dilation: Sizes, auto_pad: str,
            n: int, known: Sequence[str] = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")) -> Windows:
    """padding: one number, one for each axis, or as ONNX has it, before each axis and then behind each; "same"."""
    kernel, stride, dilation = (each_axis(given, n, [1] * n) for given in (kernel, stride, dilation))
    if isinstance(padding, str):
        given, auto_pad = [0] * 2 * n, {"same": "SAME", "valid": "VALID"}[padding]
    else:
        given = each_axis(padding, n, [0] * n)
        given = given * 2 if len(given) == n else given
        if auto_pad not in known:
            raise ValueError(f"auto_pad={auto_pad!r} is not supported, expected one of {', '.join(known)}")
    if not len(kernel) == len(stride) == len(dilation) == len(given) / 2 == n or min(*kernel, *stride, *dilation) < 1:
        raise ValueError(f"strides={stride}, dilations={dilation} and pads={given} do not fit windows of {kernel}")
    if min(given) < 0:
        raise ValueError(f"pads={given} is not supported, expected none below 0")
    pads = list(zip(given[:n], given[n:]))
    if auto_pad != "NOTSET":                    # torch's "same" is of stride 1
        total = [0 if auto_pad == "VALID" else max((-(-m // s) - 1) * s + d * (k - 1) + 1 - m, 0)
                 for m, k, s, d in zip(x.shape[2:], kernel, stride, dilation)]
        pads = [(t - t // 2, t // 2) if auto_pad == "SAME_LOWER" else (t // 2, t - t // 2) for t in total]
    return Windows(kernel, stride, pads, dilation, auto_pad == "SAME_UPPER")


def counts(x: Traced, w: Windows) -> list[int]:
    """How many windows there are along each axis of an image."""
    sizes = []
    for n, k, s, (before, after), d in zip(x.shape[2:], w.kernel, w.stride, w.pads, w.dilation):
        free = n + before + after - (k - 1) * d - 1
        if free < 0:
            raise ValueError(f"got images of {' x '.join(map(str, x.shape[2:]))} pixels, smaller than its window")
        sizes.append(free // s + 1)
    return sizes


def kernels(b: Builder, x: Value, W: Value, kernel_shape: Sizes | None, groups: int, transposed: bool
            ) -> tuple[Traced, np.ndarray]:
    """The images that weights go over, and the weights (sizes..., of each group one after the other, the others)."""
    W = weights(W)
    n = W.ndim - 2
    if n < 1 or 0 in W.shape:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected (out, in, height, width)")
    if kernel_shape is not None and integers(kernel_shape) != list(W.shape[2:]):
        raise ValueError(f"kernel_shape={kernel_shape} does not fit weights of shape {W.shape}")
    if groups < 1 or W.shape[0] % groups:
        raise ValueError(f"groups={groups} does not fit weights of shape {W.shape}")
    x, channels = images(b, x, n), W.shape[0] if transposed else W.shape[1] * groups
    if size(x.axes[1]) != channels:
        raise ValueError(f"expects {channels} channels, but the input's shape leads to {size(x.axes[1])}")
    return x, np.ascontiguousarray(W.transpose(*range(2, n + 2), *((0, 1) if transposed else (1, 0))))


def conv(b: Builder, x: Value, W: Value, bias: Value | None = None, stride: Sizes | None = 1,
         padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1, auto_pad: str = "NOTSET",
         kernel_shape: Sizes | None = None) -> Traced:
    """W (O, C / groups, sizes...)"""
    x, W = kernels(b, x, W, kernel_shape, groups, transposed=False)
    n = W.ndim - 2
    w = windows(x, W.shape[:n], stride, padding, dilation, auto_pad, n)
    layer = of_rank("Conv", n)(W, optional(bias), tidy(w.stride), w.padding, tidy(w.dilation), groups)
    return channel_last(b, x, layer, W.shape[-1], counts(x, w))


def convolution(b: Builder, x: Value, W: Value, bias: Value | None, stride: Sizes, padding: Sizes, dilation: Sizes,
                transposed: bool, output_padding: Sizes, groups: int) -> Traced:
    return conv_transpose(b, x, W, bias, stride, padding, output_padding, groups, dilation) if transposed else \
        conv(b, x, W, bias, stride, padding, dilation, groups)


def conv_transpose(b: Builder, x: Value, W: Value, bias: Value | None = None, stride: Sizes | None = 1,
                   padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
                   auto_pad: str = "NOTSET", kernel_shape: Sizes | None = None, output_shape: Sizes | None = None
                   ) -> Traced:
    """W (C, O / groups, sizes...). Pads follow from the output's shape, if that is given."""
    x, W = kernels(b, x, W, kernel_shape, groups, transposed=True)
    n = W.ndim - 2
    if auto_pad.startswith("SAME") and output_shape is None:
        output_shape = [m * s for m, s in zip(x.shape[2:], each_axis(stride, n, [1] * n))]
    w = windows(x, W.shape[:n], stride, padding, dilation, "NOTSET" if output_shape is not None else auto_pad, n,
                ("NOTSET", "VALID"))
    extra, pads = each_axis(output_padding, n, [0] * n), w.pads
    if output_shape is not None:
        total = [s * (m - 1) + e + (k - 1) * d + 1 - out for m, s, e, k, d, out in zip(
            x.shape[2:], w.stride, extra, w.kernel, w.dilation, integers(output_shape)[-n:])]
        extra = [e + max(-t, 0) for e, t in zip(extra, total)]
        halves = [(max(t, 0) // 2, max(t, 0) - max(t, 0) // 2) for t in total]
        pads = [half if auto_pad == "SAME_UPPER" else half[::-1] for half in halves]
    sizes = [(m - 1) * s + d * (k - 1) + 1 - sum(p) + e for m, s, k, p, e, d in
             zip(x.shape[2:], w.stride, w.kernel, pads, extra, w.dilation)]
    if min(sizes) < 1:
        raise ValueError(f"makes images of {sizes} pixels, of which nothing is left")
    layer = of_rank("ConvTranspose", n)(W, optional(bias), tidy(w.stride), w._replace(pads=pads, same=False).padding,
                                        tidy(extra), tidy(w.dilation), groups)
    return channel_last(b, x, layer, W.shape[-1] * groups, sizes)


def of_rank(name: str, n: int) -> type:
    """The class of layers for images with n axes: Conv1d, Conv2d, Conv3d."""
    if n not in (1, 2, 3):
        raise ValueError(f"windows along {n} axes are not supported, expected one to three")
    return getattr(ours, f"{name}{n}d")


def tidy(sizes: Sequence[int]) -> Tidy:
    """2 for (2, 2)"""
    return int(sizes[0]) if len(set(sizes)) == 1 else tuple(map(int, sizes))


def max_pool(b: Builder, x: Value, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
             dilation: Sizes = 1, ceil_mode: bool = False, auto_pad: str = "NOTSET", n: int | None = None
             ) -> list[Traced | Places]:
    return [pool(b, x, "max", kernel, stride, padding, dilation, ceil_mode, auto_pad, n), Places()]


def max_pool_alone(b: Builder, x: Value, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
                   dilation: Sizes = 1, ceil_mode: bool = False, *, n: int) -> Traced:
    return pool(b, x, "max", kernel, stride, padding, dilation, ceil_mode, "NOTSET", n)


def average_pool(b: Builder, x: Value, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: float | None = None,
                 dilation: Sizes = 1, auto_pad: str = "NOTSET", n: int | None = None) -> Traced:
    y = pool(b, x, "average", kernel, stride, padding, dilation, ceil_mode, auto_pad, n, count_include_pad)
    return y if divisor_override is None else multiply(
        b, y, math.prod(each_axis(kernel, n or np.size(kernel), ())) / float(divisor_override))


def pool(b: Builder, x: Value, kind: str, kernel: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes,
         ceil_mode: bool, auto_pad: str, n: int | None, count_padding: bool = True) -> Traced:
    """kind: "max", "average"; stride: the kernel, if none is given. n: axes of an image, if the kernel is one number"""
    n = n or np.size(kernel)
    kernel = each_axis(kernel, n, ())
    x = images(b, x, n)
    w = windows(x, kernel, each_axis(stride, n, kernel), padding, dilation, auto_pad, n)
    padded = any(map(any, w.pads))
    if kind == "average" and auto_pad.startswith("SAME") and any(s > k for s, k in zip(w.stride, kernel)):
        raise ValueError(f"auto_pad={auto_pad!r} with strides={tuple(w.stride)} beyond windows of {tuple(kernel)} "
                         "is not supported: where these then lie is not the same everywhere")
    if any(max(each) >= k for each, k in zip(w.pads, kernel)):
        raise ValueError(f"pads by {w.pads}, as far as its windows of {tuple(kernel)} reach")
    same = w.same and (kind == "max" or not count_padding)
    settings = (tidy(kernel), tidy(w.stride), w._replace(same=same).padding if padded or same else "valid",
                *([bool(count_padding and padded)] if kind == "average" else []))
    layer = of_rank("MaxPool" if kind == "max" else "AvgPool", n)(*settings, ceil=bool(ceil_mode),
                                                                  dilation=tidy(w.dilation))
    if ceil_mode:
        w = w._replace(pads=[(before, after + overhang(m, (k - 1) * d + 1, s, before, after)) for
                             m, k, s, (before, after), d in zip(x.shape[2:], *w[:4])])
    return channel_last(b, x, layer, size(x.axes[1]), counts(x, w))


def overhang(pixels: int, kernel: int, stride: int, before: int, after: int) -> int:
    """Pixels that a window may stick out behind the padded image when sizes are rounded up ("ceil mode").

    Sizes are rounded up unless the last window would then start behind the image: it would see nothing real.
    """
    free = pixels + before + after - kernel
    count = -(-free // stride) + 1
    if (count - 1) * stride >= pixels + before:
        count -= 1
    return max((count - 1) * stride - free, 0)


def adaptive_pool(b: Builder, x: Value, sizes: Sequence[int | None], *, kind: str) -> Traced:
    """kind: "mean" or "max". Windows that share out an image of any size; sizes: None for "as it is"."""
    x, n = traced(x), len(sizes)
    if x.rank == n + 1:
        raise ValueError(f"got {x.written()} numbers, expected one axis more: batch, channels and {n} behind them")
    old = list(x.shape[2:])
    out = [m if k is None else int(k) for k, m in zip(sizes, old)]
    if set(out) == {1}:
        return reduce(b, x, range(2, n + 2), True, kind=kind)
    if old == out:
        return x
    if kind == "max" and all(m % k == 0 for m, k in zip(old, out)):
        return max_pool_alone(b, x, [m // k for m, k in zip(old, out)], n=n)
    if kind == "mean":
        x = images(b, x, n)
        return channel_last(b, x, of_rank("AdaptiveAvgPool", n)(tuple(out)), size(x.axes[1]), out)
    for place, (m, k) in enumerate(zip(old, out)):          # windows that overlap; shorter ones see their last again
        first, last = (np.arange(k) * m // k)[:, None], -(-(np.arange(k) + 1) * m // k)[:, None] - 1
        x = take(b, x, 2 + 2 * place, np.minimum(first + np.arange((last - first).max() + 1), last))
    return reduce(b, x, [3 + 2 * place for place in range(n)], kind="max")


def adaptive_max_pool(b: Builder, x: Value, sizes: Sequence[int | None]) -> list[Traced | Places]:
    return [adaptive_pool(b, x, sizes, kind="max"), Places()]


def upsample(b: Builder, x: Value, sizes: Sequence[int] | None, scales: Sequence[float] | None, mode: str,
             corners: bool = False) -> Traced:
    """mode: as the layer Upsample has it. sizes of what comes out; scales where the file gives them."""
    x = traced(x)
    n, old = x.rank - 2, x.shape[2:]
    x = images(b, x, n)
    out = integers(sizes) if sizes is not None else [int(math.floor(m * s)) for m, s in zip(old, scales or ())]
    if len(out) != n:
        raise ValueError("changes the size of images without saying to which, expected sizes or scales")
    scale = None
    if scales is not None and all(int(m * s) == k for m, s, k in zip(old, scales, out)):
        scale = scales[0] if n == 2 and len(set(scales)) == 1 else tuple(scales)
    layer = ours.Upsample(scale, None if scale is not None else tuple(out), mode, corners)
    return channel_last(b, x, layer, size(x.axes[1]), out)


def interpolated(b: Builder, x: Value, sizes: Sequence[int] | None, *more: bool | float | Sequence[float] | None,
                 mode: str) -> Traced:
    """torch's: align_corners, but for nearest pixels, and then scales, each by itself or all in a list."""
    corners, scales = (False, more) if mode.startswith("nearest") else (bool(more[0]), more[1:])
    flat: list[float | None] = []
    for each in scales:
        flat += each if isinstance(each, Sequence) else [each]
    given = None if not flat or None in flat else [float(s) for s in flat if s is not None]
    if sizes is None:
        sizes = [math.floor(n * s) for n, s in zip(traced(x).shape[2:], given or ())]
    return upsample(b, x, sizes, None if corners else given, mode, corners)


def smoothed(b: Builder, x: Value, *more: Value) -> NoReturn:
    raise ValueError("antialias=True is not supported, expected an upsampling without it")


def resize(b: Builder, x: Value, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None,
           mode: str = "nearest", coordinate_transformation_mode: str = "half_pixel",
           nearest_mode: str = "round_prefer_floor", axes: Sizes | None = None, antialias: int = 0,
           keep_aspect_ratio_policy: str = "stretch", cubic_coeff_a: float = -0.75, exclude_outside: int = 0,
           extrapolation_value: float = 0.0) -> Traced:
    """ONNX's Resize; what lies where is said by `coordinate_transformation_mode`."""
    x, places = numbers(b, x), coordinate_transformation_mode
    if antialias or keep_aspect_ratio_policy != "stretch":
        raise ValueError("antialias and keep_aspect_ratio_policy are not supported")
    which = range(x.rank) if axes is None else [axis % x.rank for axis in integers(axes)]
    scale = out = None
    if scales is not None and both_of(scales)[0].size:
        found = dict(zip(which, np.ravel(plain(scales)).tolist()))
        factors = [found.get(axis, 1.0) for axis in range(x.rank)]
        if factors[:2] != [1, 1]:
            raise ValueError(f"resizes batch and channels by {factors[:2]}, expected height and width alone")
        scale = factors[2:]
        target = [math.floor(n * s) for n, s in zip(x.shape[2:], scale)]
        if places == "align_corners" and any(n * s != m for n, s, m in zip(x.shape[2:], scale, target)):
            raise ValueError(f"resizes {x.written()} by {scale} with align_corners to sizes that are no whole numbers, "
                             "where readers differ; expected sizes in place of scales")
    else:
        wanted = dict(zip(which, integers(sizes)))
        if any(wanted.get(place, x.shape[place]) != x.shape[place] for place in (0, 1)):
            raise ValueError(f"resizes {x.written()} to {tuple(wanted.values())}, expected batch and channels as they "
                             "are")
        out = target = [int(wanted.get(place, x.shape[place])) for place in range(2, x.rank)]
    if places == "pytorch_half_pixel" and 1 in target and mode != "nearest":
        raise ValueError("resizes to one pixel by pytorch_half_pixel, which is not supported")
    half, whole = places in ("half_pixel", "pytorch_half_pixel"), all(m % n == 0 for m, n in zip(target, x.shape[2:]))
    smooth = half or places == "align_corners"
    known = {"linear": "bilinear" if smooth else None,
             "cubic": "bicubic" if smooth and cubic_coeff_a == -0.75 and not exclude_outside else None,
             "nearest": "nearest" if (places, nearest_mode) == ("asymmetric", "floor") or half and whole and
             nearest_mode == "round_prefer_floor" else
             "nearest-exact" if half and nearest_mode == "round_prefer_ceil" else None}.get(mode)
    if known is None:
        raise ValueError(f"mode={mode!r} with coordinate_transformation_mode={places!r} and nearest_mode="
                         f"{nearest_mode!r} is not supported")
    return upsample(b, x, out, scale, known, places == "align_corners")
