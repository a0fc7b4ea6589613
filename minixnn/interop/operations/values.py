"""What an operation may be given, and as what the layers take it."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, new
from minixnn.interop.builder import Builder
from minixnn.interop.program import Varying
from minixnn.layers.softmax import HIDDEN as LOWEST       # in place of -inf


def weights(array: Any, what: str = "its weights") -> np.ndarray:
    """A constant as finite numbers: float64 stays, all else becomes float32."""
    if isinstance(array, Traced):
        raise ValueError(f"{what} are computed from the input, expected a parameter")
    if isinstance(array, Varying):
        raise ValueError(f"{what} depend on the number of images in a batch, expected a parameter")
    array = np.asarray(array)
    array = np.ascontiguousarray(array, np.float64 if array.dtype == np.float64 else np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} hold NaN or infinite numbers, expected trained ones")
    return array.copy() if array.base is not None else array


def optional(array: Any, what: str = "its weights") -> np.ndarray | None:
    return None if array is None else weights(array, what)


def traced(x: Any) -> Traced:
    if not isinstance(x, Traced):
        raise ValueError("reads a constant as its images, expected what comes from the input")
    return x


def plain(array: Any) -> np.ndarray:
    """A constant that does not depend on the number of images."""
    return weights(array, "its numbers") if not isinstance(array, np.ndarray) or array.dtype.kind == "f" else array


def finite(value: float) -> float:
    """A number in place of an infinite one."""
    return float(np.clip(value, LOWEST, -LOWEST))


def finite_array(b: Builder, value: Any) -> Any:
    if isinstance(value, Varying):
        return Varying(finite_array(b, value.array), finite_array(b, value.other))
    return np.clip(np.asarray(value, b.dtype), LOWEST, -LOWEST)


def numbers(b: Builder, x: Traced) -> Traced:
    """x as floating point numbers."""
    if x.kind == "c":
        raise ValueError("cuts off what is behind the point, expected to choose rows of a matrix by it: no other use "
                         "has a gradient that explains")
    if x.kind == "w":
        return x.of_kind("f")
    return x if x.kind == "f" else b.through(x, ours.ToFloat(np.dtype(b.dtype).name), "f")


def images(b: Builder, x: Any, n: int, what: str = "") -> Traced:
    names = {1: "sequences, (channels, steps)", 2: "images, (channels, height, width)",
             3: "volumes, (channels, depth, height, width)"}
    return b.images(numbers(b, traced(x)), n, what or names.get(n, f"{n} axes behind the channels"))


def channel_last(b: Builder, x: Traced, layer: Any, channels: int, sizes: Sequence[int]) -> Traced:
    """A layer on images (N, sizes..., C) that makes others."""
    groups = [new(n) for n in sizes]
    outputs = new(channels)
    return Traced(b.put(x.at, layer), [x.have[0], *groups, outputs], [x.axes[0], outputs, *groups])
