"""What works on one number each, or on two, broadcast against each other."""
from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, has_batch, laid_out, new, size
from minixnn.interop.builder import Builder
from minixnn.interop.operations.values import LOWEST, numbers, plain, weights
from minixnn.interop.program import Varying

LARGEST = 1e33              # of a factor: masks are scaled by the least number there is, which overflows backwards


def elementwise(b: Builder, x: Traced, layer: Any) -> Traced:
    return b.through(numbers(b, x), layer, "f")


def clip(b: Builder, x: Traced, low: Any = None, high: Any = None) -> Traced:
    """min(max(x, low), high), either of which may be None; ReLU where it is one."""
    if any(isinstance(bound, (Traced, Varying)) or bound is not None and np.size(bound) != 1 for bound in (low, high)):
        x = x if low is None else extreme(b, x, low)
        return x if high is None else extreme(b, x, high, smallest=True)
    low, high = (None if bound is None else float(np.reshape(bound, ())) for bound in (low, high))
    low, high = (None if bound is not None and abs(bound) >= np.finfo("f").max else bound for bound in (low, high))
    if (low, high) == (None, None):
        return x
    if low is not None and high is not None and low >= high:
        raise ValueError(f"clips between {low} and {high}, of which nothing depends on the input any more")
    layer = ours.ReLU() if (low, high) == (0, None) else ours.ReLU6() if (low, high) == (0, 6) else ours.Clip(low, high)
    return elementwise(b, x, layer)


def power(b: Builder, x: Any, exponent: Any) -> Traced:
    """x to a constant power, or a constant to the power of x."""
    if isinstance(x, Traced) and isinstance(exponent, Traced):
        return elementwise(b, multiply(b, elementwise(b, x, ours.Function("log")), exponent), ours.Function("exp"))
    if not isinstance(x, Traced):
        base = plain(x)
        if np.size(base) != 1 or float(np.reshape(base, ())) <= 0:
            raise ValueError("takes a power of a constant that is no number above 0")
        return elementwise(b, multiply(b, exponent, math.log(float(np.reshape(base, ())))), ours.Function("exp"))
    if np.size(plain(exponent)) != 1:
        raise ValueError("takes a power with other exponents for other numbers, expected one for all")
    n = float(np.reshape(plain(exponent), ()))
    return x if n == 1 else elementwise(b, x, ours.Power(n))


def constant_beside(b: Builder, x: Traced, c: Any) -> tuple[Traced, Any]:
    """x, repeated where the constant is larger, and the constant beside it; a number stays one."""
    if not isinstance(c, Varying) and np.size(c) == 1 and np.ndim(c) <= x.rank:
        return x, float(np.reshape(c, ()))
    array = c.array if isinstance(c, Varying) else np.asarray(c)
    x = b.widened(x, array.shape)
    if isinstance(c, Varying):                              # the same for each number of images?
        parts = _split(x.axes)
        first, second = laid_out(array, x.axes, parts), laid_out(c.other, x.axes, parts, other=True)
        if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            raise ValueError("a constant depends on the number of images in a batch")
    x = b.with_room(x, array)
    array = b.constant(x, array)
    return x, np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32) if array.dtype.kind == "f" \
        else np.asarray(array, b.dtype)


def _split(axes):
    batch = next((a for group in axes for a in group if a.is_batch), None)
    return [(batch,), *((a,) for group in axes for a in group if not a.is_batch)]


def add(b: Builder, x: Any, y: Any, alpha: Any = 1) -> Traced:
    """x + alpha y"""
    if isinstance(y, Traced) and alpha != 1:
        y = multiply(b, y, alpha)
    elif not isinstance(y, Traced) and alpha != 1:
        y = Varying(y.array * alpha, y.other * alpha) if isinstance(y, Varying) else np.asarray(
            y, b.dtype if np.asarray(y).dtype.kind in "bu" else None) * alpha      # which have nothing below 0
    if isinstance(x, Traced) and isinstance(y, Traced):
        if y.at == x.at and y.have == x.have and y.axes == x.axes:
            return multiply(b, x, 2.0)
        return join(b, [x, y], ours.Add())
    return shifted(b, x, y) if isinstance(x, Traced) else shifted(b, y, x)


def subtract(b: Builder, x: Any, y: Any, alpha: Any = 1) -> Traced:
    """x - alpha y"""
    return add(b, x, y, -alpha)


def shifted(b: Builder, x: Traced, c: Any) -> Traced:
    """x + c"""
    x, c = constant_beside(b, numbers(b, x), c)
    if isinstance(c, float):
        return x if c == 0 else b.through(x, ours.Shift(np.full(1, c, b.dtype)))
    c = np.where(np.isinf(c), np.copysign(np.asarray(-LOWEST, c.dtype), c), c)
    if not np.isfinite(c).all():
        raise ValueError("adds a constant that holds NaN, expected finite numbers")
    return b.through(x, ours.Shift(short(c)))


def short(c: np.ndarray) -> np.ndarray:
    """A constant without axes of size 1 in front."""
    return c.reshape(c.shape[next((i for i, n in enumerate(c.shape) if n != 1), c.ndim - 1):])


def multiply(b: Builder, x: Any, y: Any) -> Traced:
    if isinstance(x, Traced) and isinstance(y, Traced):
        if y.at == x.at and y.have == x.have and y.axes == x.axes:
            return power(b, x, 2)
        return join(b, [x, y], ours.Multiply())
    return scaled(b, x, y) if isinstance(x, Traced) else scaled(b, y, x)


def scaled(b: Builder, x: Traced, c: Any) -> Traced:
    """x c"""
    before = numbers(b, x)
    x, c = constant_beside(b, before, c)
    if isinstance(c, float):
        if not math.isfinite(c):
            raise ValueError(f"multiplies by {c}, expected a finite number")
        return x if c == 1 else b.through(x, ours.Scale(float(np.clip(c, -LARGEST, LARGEST))))
    c = np.clip(short(weights(c)), -LARGEST, LARGEST)
    along = c.ndim == 1 and c.size == size(x.have[-1]) and set(x.have[-1]) <= set(itertools.chain(*before.have))
    return b.through(x, ours.ChannelScale(c) if along else ours.Scale(c))


def divide(b: Builder, x: Any, y: Any, rounding_mode: Any = None) -> Traced:
    if rounding_mode is not None:
        raise ValueError(f"divides and rounds ({rounding_mode!r}): a step has no gradient that explains")
    if isinstance(y, Traced):
        return join(b, [x, y], ours.Divide()) if isinstance(x, Traced) else \
            multiply(b, x, elementwise(b, y, ours.Power(-1)))
    if isinstance(y, Varying):
        y = Varying(1 / y.array, 1 / y.other)
    else:
        y = np.asarray(y)
        y = np.asarray(y, b.dtype) if y.dtype.kind != "f" else y
        if not y.all():
            raise ValueError("divides by zero")
        y = 1 / y if y.ndim else 1 / float(y)
    return multiply(b, x, y)


def join(b: Builder, values: Sequence[Traced], layer: Any) -> Traced:
    """A layer of several inputs, which are broadcast against each other."""
    values, axes = b.unified([numbers(b, x) for x in values])
    at = b.put(tuple(x.at for x in values), layer)
    have = [max((x.have[place] for x in values), key=len) for place in range(len(values[0].have))]
    return Traced(at, have, axes)


def extreme(b: Builder, x: Any, y: Any, smallest: bool = False) -> Traced:
    """The larger of two, entry by entry, or the smaller."""
    if not isinstance(x, Traced):
        x, y = y, x
    if not isinstance(y, Traced):
        if not isinstance(y, Varying) and np.size(y) == 1:
            return clip(b, x, None, y) if smallest else clip(b, x, y, None)
        y = constant(b, y, x)
    return join(b, [x, y], ours.Minimum() if smallest else ours.Maximum())


def constant(b: Builder, c: Any, like: Traced) -> Traced:
    """A constant as a value with one row for each image, to stand beside others in a join."""
    array = c.array if isinstance(c, Varying) else np.asarray(c)
    array = array.reshape(1) if array.ndim == 0 else array
    axes = list(like.axes[like.rank - array.ndim:]) if array.ndim <= like.rank else None
    if axes is None:
        raise ValueError(f"joins a constant of shape {array.shape} and an array of shape {like.written()}")
    axes = [group if n != 1 and size(group) == n else new(n) for n, group in zip(array.shape, axes)]
    flat = [a for group in axes for a in group if not a.is_batch]
    have = [(b.batch,), *((a,) for a in flat)]
    array = laid_out(array, axes, have)
    array = array.astype(b.dtype) if array.dtype.kind in "fiub" else array
    if not any(has_batch(group) for group in axes):
        axes = [()] * (like.rank - len(axes)) + axes
    lead, *others = like.have
    if lead != (b.batch,):                      # more rows than images: heads, say, lie along the batch
        like = b.arranged(like, [(b.batch,), *((a,) for a in lead if a is not b.batch), *others])
    return Traced(b.put(like.at, ours.Constant(np.ascontiguousarray(array))), have, axes)
