"""What an operation may be given, and as what the layers take it."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Size, Traced, new, sized
from minixnn.interop.builder import Builder
from minixnn.layers.softmax import HIDDEN as LOWEST       # in place of -inf


class Varying:
    """A constant that depends on the number of images: the arrays for both of BATCHES."""

    def __init__(self, array: np.ndarray, other: np.ndarray) -> None:
        self.array, self.other = array, other
        self.ndim, self.shape, self.size, self.dtype = array.ndim, array.shape, array.size, array.dtype

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise ValueError("depends on the number of images in a batch, expected a parameter")

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        return self.array, self.other


class Complex(list):
    """Complex numbers, as [their real part, their imaginary part]; or real ones, as [these]."""


class Places:
    """Where the largest numbers are, or which class has the best score: refused where it is read."""


Constant: TypeAlias = "np.ndarray | float | Varying"                    # depends on no input
Value: TypeAlias = "Traced | Constant"
Sizes: TypeAlias = "int | Sequence[int] | np.ndarray | Varying"         # axes, a shape, one number for each axis
Result: TypeAlias = "Value | Places | None | Sequence[Value | Places | None]"


def both_of(value: Value) -> tuple[np.ndarray, np.ndarray]:
    """The arrays for both sizes of the batch."""
    if isinstance(value, Traced):
        raise ValueError("reads what is computed from the input as a constant, expected a parameter")
    return value.both if isinstance(value, Varying) else (np.asarray(value),) * 2


def both(f: Callable[..., np.ndarray], *values: Value) -> np.ndarray | Varying:
    """f of constants, for both sizes of the batch where one of them depends on it."""
    first, second = zip(*map(both_of, values))
    return Varying(f(*first), f(*second)) if any(isinstance(value, Varying) for value in values) else \
        np.asarray(f(*first))


def weights(array: Value | None, what: str = "its weights") -> np.ndarray:
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


def optional(array: Value | None) -> np.ndarray | None:
    return None if array is None else weights(array)


def plain(array: Value) -> np.ndarray:
    """A constant that does not depend on the number of images."""
    return weights(array, "its numbers") if not isinstance(array, np.ndarray) or array.dtype.kind == "f" else array


def integers(value: Sizes | Value | None) -> list[int]:
    """Whole numbers in a constant, one or several, those that depend on the number of images too."""
    if isinstance(value, Traced):
        raise ValueError("its sizes are computed from the values of the input, expected constants")
    if isinstance(value, Varying):
        return list(map(sized, *(np.ravel(each).tolist() for each in value.both)))
    several = value if isinstance(value, (list, tuple)) else np.ravel(np.asarray(value)).tolist()
    return [n if isinstance(n, Size) else int(n) for n in several]


def number(value: Value) -> float:
    """The only number in a constant."""
    if isinstance(value, Traced):
        raise ValueError("reads a number that is computed from the input, expected a constant")
    return float(np.asarray(value).reshape(()))


def finite(value: float) -> float:
    """A number in place of an infinite one."""
    return float(np.clip(value, LOWEST, -LOWEST))


def finite_array(b: Builder, value: Constant) -> np.ndarray | Varying:
    return both(lambda each: np.clip(np.asarray(each, b.dtype), LOWEST, -LOWEST), value)


def traced(x: Value) -> Traced:
    if not isinstance(x, Traced):
        raise ValueError("reads a constant as its images, expected what comes from the input")
    return x


def numbers(b: Builder, x: Value) -> Traced:
    """x as floating point numbers."""
    x = traced(x)
    if x.kind == "c":
        raise ValueError("cuts off what is behind the point, expected to choose rows of a matrix by it: no other use "
                         "has a gradient that explains")
    if x.kind == "w":
        return x.of_kind("f")
    return x if x.kind == "f" else b.through(x, ours.ToFloat(np.dtype(b.dtype).name), "f")


def images(b: Builder, x: Value, n: int, what: str = "") -> Traced:
    names = {1: "sequences, (channels, steps)", 2: "images, (channels, height, width)",
             3: "volumes, (channels, depth, height, width)"}
    return b.images(numbers(b, x), n, what or names.get(n, f"{n} axes behind the channels"))


def channel_last(b: Builder, x: Traced, layer: ours.Layer, channels: int, sizes: Sequence[int]) -> Traced:
    """A layer on images (N, sizes..., C) that makes others."""
    groups, outputs = [new(n) for n in sizes], new(channels)
    return Traced(b.put(x.at, layer), [x.have[0], *groups, outputs], [x.axes[0], outputs, *groups])
