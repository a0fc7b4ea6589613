"""Sliding windows: where they lie, and how far an image must be padded for them.

Convolution and pooling look at an image through windows of kh x kw pixels, `stride` pixels apart. This file
holds the arithmetic both need, and none of theirs.
"""
from collections.abc import Iterator, Sequence
from operator import index                      # a whole number, be it Python's or NumPy's; else TypeError
from typing import Any, TypeAlias

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Layer

Pads: TypeAlias = tuple[tuple[int, int], ...]       # ((top, bottom), (left, right)), in pixels
Padding: TypeAlias = int | str | Sequence           # what users write: "valid", "same", or pixels
MOST_PADDING = 4096             # pixels on a side; a file that asks for more would only fill the memory


def pair(value: Any, name: str, least: int = 1) -> tuple[int, int]:
    """3 -> (3, 3); (2, 3) -> (2, 3). Sizes and strides are given either way."""
    try:
        down, across = (value, value) if hasattr(value, "__index__") else value
        if min(index(down), index(across)) >= least:
            return index(down), index(across)
    except (TypeError, ValueError):
        pass
    kind = "a positive whole number" if least else "a whole number, 0 or more,"
    raise ValueError(f"got {name}={value!r}, expected {kind} or a pair of them")


def check_padding(padding: Any) -> Any:
    """`padding` in its one canonical form: "valid", "same", or ((top, bottom), (left, right))."""
    if isinstance(padding, str) and padding in ("valid", "same"):
        return padding
    if hasattr(padding, "__index__"):
        padding = ((padding, padding), (padding, padding))
    try:
        (top, bottom), (left, right) = ((index(p), index(q)) for p, q in padding)
        if 0 <= min(top, bottom, left, right) <= max(top, bottom, left, right) <= MOST_PADDING:
            return (top, bottom), (left, right)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"got padding={padding!r}, expected 'valid', 'same', a whole number of pixels "
                     f"or ((top, bottom), (left, right)), at most {MOST_PADDING} on a side")


def span(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """How many pixels a window reaches over: with gaps of dilation - 1 pixels between those that it looks at."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))


def pixels_to_add(padding: Any, image: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]) -> Pads:
    """((top, bottom), (left, right)) for an image of (H, W) pixels. `kernel` is the span of a window.

    "same" adds what makes the output ceil(n / stride) pixels long; an odd pixel is added at the end.
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        return padding
    sides = []
    for n, k, s in zip(image, kernel, stride):
        short = max((-(-n // s) - 1) * s + k - n, 0)
        sides.append((short // 2, short - short // 2))
    return tuple(sides)


def output_size(layer: Layer, image: tuple[int, ...], pads: Pads, kernel: tuple[int, ...],
                stride: tuple[int, ...]) -> tuple[int, ...]:
    """(Ho, Wo): how many windows fit into the padded image, down and across."""
    size = tuple((n + sum(p) - k) // s + 1 for n, p, k, s in zip(image, pads, kernel, stride))
    if min(size) < 1:
        raise ValueError(f"{layer!r} got images of {image[0]} x {image[1]} pixels, smaller than its window of "
                         f"{kernel[0]} x {kernel[1]}; give larger images, or padding='same'")
    return size


def pad(x: Array, pads: Pads, value: float = 0) -> Array:
    """`x` (N, H, W, C) with pixels of `value` added around it. A negative number of pixels cuts them off."""
    (top, bottom), (left, right) = pads
    if (top, bottom, left, right) == (0, 0, 0, 0):
        return x
    N, H, W, C = x.shape
    framed = array_module(x).empty((N, H + top + bottom, W + left + right, C), dtype=x.dtype)
    inside = x[:, max(-top, 0):H - max(-bottom, 0), max(-left, 0):W - max(-right, 0)]
    rows, columns = (slice(max(before, 0), max(before, 0) + n) for before, n in zip((top, left), inside.shape[1:3]))
    framed[:, rows, columns] = inside
    framed[:, :rows.start] = framed[:, rows.stop:] = value                          # above and below
    framed[:, rows, :columns.start] = framed[:, rows, columns.stop:] = value        # left and right
    return framed


def offsets(kernel: tuple[int, ...], stride: tuple[int, ...], size: tuple[int, ...],
            dilation: tuple[int, ...] = (1, 1)) -> Iterator[tuple[slice, slice, slice]]:
    """For each pixel (i, j) of the window, the index of that pixel in *all* windows at once.

    x[index] has the shape of the output (N, Ho, Wo, C): a strided slice, so nothing is copied. A loop over
    the kh * kw pixels of the window replaces one over the N * Ho * Wo windows.
    """
    rows, columns = (range(0, k * d, d) for k, d in zip(kernel, dilation))
    for i in rows:
        for j in columns:
            yield (slice(None), slice(i, i + stride[0] * (size[0] - 1) + 1, stride[0]),
                   slice(j, j + stride[1] * (size[1] - 1) + 1, stride[1]))
