"""Sliding windows: where they lie, and how far an image must be padded for them.

Convolution and pooling look at an image through windows of kh x kw pixels, `stride` pixels apart. This file
holds the arithmetic both need, and none of theirs. It is the same for sequences, images and videos: what is said of two
axes here holds for one and three.
"""
import itertools
from collections.abc import Iterator, Sequence
from operator import index                      # a whole number, be it Python's or NumPy's; else TypeError
from typing import Any, TypeAlias, cast

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Layer

Pads: TypeAlias = tuple[tuple[int, int], ...]       # ((top, bottom), (left, right)), in pixels
AXES = {1: "(sequences, steps, channels)", 2: "(images, height, width, channels)",
        3: "(videos, frames, height, width, channels)"}
Padding: TypeAlias = int | str | Sequence           # what users write: "valid", "same", or pixels
MOST_PADDING = 4096             # pixels on a side; a file that asks for more would only fill the memory


def pair(value: int | Sequence[int], name: str, least: int = 1, rank: int = 2) -> tuple[int, ...]:
    """3 -> (3, 3); (2, 3) -> (2, 3). Sizes and strides are given either way. rank: along how many axes."""
    try:
        numbers = tuple(map(index, [value] * rank if hasattr(value, "__index__") else value))
        if len(numbers) == rank and min(numbers) >= least:
            return numbers
    except TypeError:
        pass
    kind = "a positive whole number" if least else "a whole number, 0 or more,"
    raise ValueError(f"got {name}={value!r}, expected {kind} or {'a pair' if rank == 2 else rank} of them")


def check_padding(padding: Padding, rank: int = 2) -> Any:
    """`padding` in its one canonical form: "valid", "same", or ((top, bottom), (left, right))."""
    if isinstance(padding, str) and padding in ("valid", "same"):
        return padding
    try:
        pads: Any = ((padding, padding),) * rank if hasattr(padding, "__index__") else padding
        pads = (pads,) if rank == 1 and len(pads) == 2 else pads            # (before, after), of one axis
        pads = tuple((index(before), index(after)) for before, after in pads)
        if len(pads) == rank and 0 <= min(map(min, pads)) <= max(map(max, pads)) <= MOST_PADDING:
            return pads
    except (TypeError, ValueError):
        pass
    sides = {1: "(before, after)", 2: "((top, bottom), (left, right))"}.get(rank, "(before, after) for each axis")
    raise ValueError(f"got padding={padding!r}, expected 'valid', 'same', a whole number of pixels "
                     f"or {sides}, at most {MOST_PADDING} on a side")


def span(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """How many pixels a window reaches over: with gaps of dilation - 1 pixels between those that it looks at."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))


def pixels_to_add(padding: Padding, image: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]) -> Pads:
    """((top, bottom), (left, right)) for an image of (H, W) pixels. `kernel` is the span of a window.

    "same" adds what makes the output ceil(n / stride) pixels long; an odd pixel is added at the end.
    """
    if padding == "valid":
        return ((0, 0),) * len(image)
    if padding != "same":
        return cast(Pads, padding)              # check_padding has brought it into this form
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
        pixels, window = (" x ".join(map(str, n)) for n in (image, kernel))
        raise ValueError(f"{layer!r} got images of {pixels} pixels, smaller than its window of {window}; give larger "
                         "images, or padding='same'")
    return size


def pad(x: Array, pads: Pads, value: float = 0) -> Array:
    """`x` (N, H, W, C) with pixels of `value` added around it. A negative number of pixels cuts them off."""
    if not any(map(any, pads)):
        return x
    sizes, inside, place = [len(x)], [slice(None)], [slice(None)]
    for n, (before, after) in zip(x.shape[1:], pads):
        sizes.append(n + before + after)
        inside.append(slice(-before if before < 0 else 0, n + after if after < 0 else n))
        place.append(slice(before if before > 0 else 0, n + before + (after if after < 0 else 0)))
    framed = array_module(x).empty((*sizes, x.shape[-1]), dtype=x.dtype)
    framed[tuple(place)] = x[tuple(inside)]
    for axis, (before, after) in enumerate(pads, start=1):  # above and below; then left and right of what is between
        if before > 0:
            framed[(*place[:axis], slice(0, before))] = value
        if after > 0:
            framed[(*place[:axis], slice(-after, None))] = value
    return framed


def crop(dx: Array, pads: Pads, shape: tuple[int, ...]) -> Array:
    """The images of `shape` (N, H, W, C) inside of dx, which has their padding around them."""
    return dx[(slice(None), *(slice(before, before + n) for n, (before, _) in zip(shape[1:], pads)))]


def offsets(kernel: tuple[int, ...], stride: tuple[int, ...], size: tuple[int, ...],
            dilation: tuple[int, ...] = ()) -> Iterator[tuple[slice, ...]]:
    """For each pixel (i, j) of the window, the index of that pixel in *all* windows at once.

    x[index] has the shape of the output (N, Ho, Wo, C): a strided slice, so nothing is copied. A loop over
    the kh * kw pixels of the window replaces one over the N * Ho * Wo windows.
    """
    return itertools.product((slice(None),), *(
        [slice(i, i + s * (n - 1) + 1, s) for i in range(0, k * d, d)]
        for k, d, s, n in zip(kernel, dilation or (1,) * len(kernel), stride, size)))
