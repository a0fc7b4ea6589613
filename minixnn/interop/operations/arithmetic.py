"""What works on one number each, or on two, broadcast against each other."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Group, Traced, has_batch, laid_out, new, size
from minixnn.interop.builder import Builder
from minixnn.interop.operations.values import (LOWEST, Value, Varying, both, both_of, number, numbers, plain,
                                               traced, weights)

DRAWS = "draws at random whenever it runs, expected numbers that are the same each time; leave the noise out"
HIDDEN = "the output depends on it and the gradient of torch does not, so that no explanation would fit both"
LARGEST = 1e33              # of a factor: masks are scaled by the least number there is, which overflows backwards


def elementwise(b: Builder, x: Value, layer: ours.Layer) -> Traced:
    return b.through(numbers(b, x), layer, "f")


def activation(layer: Callable[..., ours.Layer], b: Builder, x: Value, *settings: object, **named: object) -> Traced:
    """layer(*settings)"""
    return elementwise(b, x, layer(*settings, **named))


def function(b: Builder, name: str, x: Value) -> Traced:
    return elementwise(b, x, ours.Function(name))


def silu(b: Builder, x: Traced, alpha: float = 1.0) -> Traced:
    """x sigmoid(alpha x)"""
    return elementwise(b, x, ours.SiLU()) if alpha == 1 else multiply(
        b, x, elementwise(b, multiply(b, x, alpha), ours.Sigmoid()))


def exp2(b: Builder, x: Value) -> Traced:
    return power(b, 2.0, x)


def erfc(b: Builder, x: Value) -> Traced:
    return subtract(b, 1.0, function(b, "erf", x))


def logarithm(b: Builder, x: Value, *, base: float) -> Traced:
    return divide(b, function(b, "log", x), math.log(base))


def hard_sigmoid(b: Builder, x: Traced, alpha: float = 1 / 6, beta: float = 0.5) -> Traced:
    known = abs(alpha - 1 / 6) < 1e-6 and beta == 0.5
    return elementwise(b, x, ours.Hardsigmoid() if known else ours.Hardsigmoid(float(alpha), float(beta)))


def elu(b: Builder, x: Traced, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Traced:
    if input_scale != 1:
        raise ValueError(f"input_scale={input_scale} is not supported")
    if abs(alpha - 1.67326324) < 1e-5 and abs(scale - 1.05070098) < 1e-5:
        return elementwise(b, x, ours.SELU())
    return multiply(b, elementwise(b, x, ours.ELU(float(alpha))), scale)


def celu(b: Builder, x: Traced, alpha: float = 1) -> Traced:
    return multiply(b, elementwise(b, divide(b, x, alpha), ours.ELU(1.0)), alpha)


def prelu(b: Builder, x: Traced, slope: Value, channel: int | None = None) -> Traced:
    """channel: the axis that the slopes are for; None for where the array of slopes has it"""
    slope, x = weights(slope), numbers(b, x)
    wide = [place for place, n in enumerate(slope.shape, x.rank - slope.ndim) if n > 1]
    if channel is not None and slope.size > 1:
        wide = [channel]
    if len(wide) > 1 or wide and has_batch(x.axes[wide[0]]):
        raise ValueError(f"has slopes of shape {slope.shape}, expected one number per channel")
    slope = slope.reshape(-1)
    if not wide:
        return b.through(x, ours.PReLU(slope))
    x, order = b.last(b.images(x, x.rank - 2) if x.rank > 2 and wide == [1] else x, x.axes[wide[0]])
    return b.through(x, ours.PReLU(slope if order is None else slope[order]))


def clip(b: Builder, x: Traced, min: Value | None = None, max: Value | None = None) -> Traced:
    """The smaller of max and what is the larger of x and min, either of which may be None; ReLU where it is one."""
    if any(isinstance(bound, (Traced, Varying)) or bound is not None and np.size(bound) != 1 for bound in (min, max)):
        x = x if min is None else extreme(b, x, min)
        return x if max is None else extreme(b, x, max, smallest=True)
    low, high = (None if bound is None else number(bound) for bound in (min, max))
    low, high = (None if bound is not None and abs(bound) >= np.finfo("f").max else bound for bound in (low, high))
    if (low, high) == (None, None):
        return x
    if low is not None and high is not None and low >= high:
        raise ValueError(f"clips between {low} and {high}, of which nothing depends on the input any more")
    layer = ours.ReLU() if (low, high) == (0, None) else ours.ReLU6() if (low, high) == (0, 6) else ours.Clip(low, high)
    return elementwise(b, x, layer)


def hardtanh(b: Builder, x: Traced, low: float = -1.0, high: float = 1.0) -> Traced:
    return clip(b, x, low, high)


def power(b: Builder, x: Value, exponent: Value) -> Traced:
    """x to a constant power, or a constant to the power of x."""
    if isinstance(x, Traced) and isinstance(exponent, Traced):
        return function(b, "exp", multiply(b, function(b, "log", x), exponent))
    if not isinstance(x, Traced):
        base = plain(x)
        if np.size(base) != 1 or float(np.reshape(base, ())) <= 0:
            raise ValueError("takes a power of a constant that is no number above 0")
        return function(b, "exp", multiply(b, exponent, math.log(float(np.reshape(base, ())))))
    if np.size(plain(exponent)) != 1:
        raise ValueError("takes a power with other exponents for other numbers, expected one for all")
    n = float(np.reshape(plain(exponent), ()))
    return x if n == 1 else elementwise(b, x, ours.Power(n))


def constant_beside(b: Builder, x: Traced, c: Value) -> tuple[Traced, float | np.ndarray]:
    """x, repeated where the constant is larger, and the constant beside it; a number stays one."""
    array = both_of(c)[0]
    if not isinstance(c, Varying) and array.size == 1 and array.ndim <= x.rank:
        return x, float(array.reshape(()))
    x = b.widened(x, array.shape)
    if isinstance(c, Varying):                              # the same for each number of images?
        atoms = [a for group in x.axes for a in group]
        parts = [tuple(a for a in atoms if a.is_batch)[:1], *((a,) for a in atoms if not a.is_batch)]
        first, second = (laid_out(each, x.axes, parts, other) for each, other in zip(c.both, (False, True)))
        if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            raise ValueError("a constant depends on the number of images in a batch")
    x = b.with_room(x, array)
    array = laid_out(array, x.axes, x.have)
    return x, np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32) if array.dtype.kind == "f" \
        else np.asarray(array, b.dtype)


def add(b: Builder, x: Value, y: Value, alpha: float = 1) -> Traced:
    """x + alpha y"""
    if alpha != 1:
        y = multiply(b, y, alpha) if isinstance(y, Traced) else both(       # truth values have nothing below 0
            lambda a: (a.astype(b.dtype) if a.dtype.kind in "bu" else a) * alpha, y)
    if isinstance(x, Traced) and isinstance(y, Traced):
        return multiply(b, x, 2.0) if same(x, y) else join(b, [x, y], ours.Add())
    return shifted(b, x, y)


def same(x: Traced, y: Traced) -> bool:
    return (x.at, x.have, x.axes) == (y.at, y.have, y.axes)


def subtract(b: Builder, x: Value, y: Value, alpha: float = 1) -> Traced:
    """x - alpha y"""
    return add(b, x, y, -alpha)


def lerp(b: Builder, x: Value, y: Value, weight: Value) -> Traced:
    """x + weight (y - x)"""
    return add(b, x, multiply(b, subtract(b, y, x), weight))


def shifted(b: Builder, x: Value, c: Value) -> Traced:
    """x + c, of which one is a constant"""
    x, c = (x, c) if isinstance(x, Traced) else (c, x)
    x, array = constant_beside(b, numbers(b, x), c)
    if isinstance(array, float):
        return x if array == 0 else b.through(x, ours.Shift(np.full(1, array, b.dtype)))
    array = np.clip(array, LOWEST, -LOWEST)     # no rule overflows on what hides
    if not np.isfinite(array).all():
        raise ValueError("adds a constant that holds NaN, expected finite numbers")
    return b.through(x, ours.Shift(short(array)))


def short(c: np.ndarray) -> np.ndarray:
    """A constant without axes of size 1 in front."""
    return c.reshape(c.shape[next((i for i, n in enumerate(c.shape) if n != 1), c.ndim - 1):])


def multiply(b: Builder, x: Value, y: Value) -> Traced:
    if isinstance(x, Traced) and isinstance(y, Traced):
        return power(b, x, 2) if same(x, y) else join(b, [x, y], ours.Multiply())
    return scaled(b, x, y)


def negative(b: Builder, x: Traced) -> Traced:
    return multiply(b, x, -1.0)


def scaled(b: Builder, x: Value, c: Value) -> Traced:
    """x c, of which one is a constant"""
    x, c = (x, c) if isinstance(x, Traced) else (c, x)
    before = numbers(b, x)
    x, array = constant_beside(b, before, c)
    if isinstance(array, float):
        if not math.isfinite(array):
            raise ValueError(f"multiplies by {array}, expected a finite number")
        return x if array == 1 else b.through(x, ours.Scale(float(np.clip(array, -LARGEST, LARGEST))))
    array = np.clip(short(weights(array)), -LARGEST, LARGEST)
    one_each = array.ndim == 1 and array.size == size(x.have[-1]) and x.have == before.have     # and repeats nothing
    return b.through(x, ours.ChannelScale(array) if one_each else ours.Scale(array))


def divide(b: Builder, x: Value, y: Value, rounding_mode: str | None = None, whole: bool = False) -> Traced:
    """whole: whole numbers are divided as ONNX divides them, and rounded"""
    if rounding_mode is not None or whole and isinstance(x, Traced) and x.kind in ("i", "w"):
        raise ValueError(f"divides and rounds ({rounding_mode or 'floor'!r}): a step has no gradient that explains")
    if isinstance(y, Traced):
        return join(b, [x, y], ours.Divide()) if isinstance(x, Traced) else \
            multiply(b, x, elementwise(b, y, ours.Power(-1)))
    if not all(each.all() for each in both_of(y)):
        raise ValueError("divides by zero")

    def inverse(a: np.ndarray) -> np.ndarray:
        return 1 / (a.astype(b.dtype) if a.dtype.kind != "f" else a) if a.ndim else np.float64(1) / a
    return multiply(b, x, both(inverse, y))


def join(b: Builder, values: Sequence[Value], layer: ours.Layer) -> Traced:
    """A layer of several inputs, taken as floating point numbers."""
    return joined(b, [numbers(b, x) for x in values], layer)


def joined(b: Builder, values: Sequence[Traced], layer: ours.Layer, kind: str = "f") -> Traced:
    """A layer of several inputs, which are broadcast against each other. kind: of what it makes"""
    parts, axes = b.unified(values)
    at = b.put(tuple(x.at for x in parts), layer)
    have = [max((x.have[place] for x in parts), key=len) for place in range(len(parts[0].have))]
    return Traced(at, have, axes, kind)


def extreme(b: Builder, x: Value, y: Value, smallest: bool = False) -> Traced:
    """The larger of two, entry by entry, or the smaller."""
    if not (isinstance(x, Traced) and isinstance(y, Traced)):
        x, y = (x, y) if isinstance(x, Traced) else (traced(y), x)
        if not isinstance(y, Varying) and np.size(both_of(y)[0]) == 1:
            return clip(b, x, None, y) if smallest else clip(b, x, y, None)
        y = constant(b, y, x)
    return join(b, [x, y], ours.Minimum() if smallest else ours.Maximum())


def folded(step: Callable[..., Traced], b: Builder, values: Sequence[Value], mean: bool = False) -> Traced:
    """An operation of two on any number, constants last: they need something to meet. mean: divided by how many"""
    y, *rest = sorted(values, key=lambda x: not isinstance(x, Traced))
    for x in rest:
        y = step(b, y, x)
    return divide(b, y, float(len(values))) if mean else traced(y)


def constant(b: Builder, c: Value, like: Traced) -> Traced:
    """A constant as a value with one row for each image, to stand beside others in a join."""
    array = np.atleast_1d(both_of(c)[0])
    if array.ndim > like.rank:
        raise ValueError(f"joins a constant of shape {array.shape} and an array of shape {like.written()}")
    axes = [group if n != 1 and size(group) == n else new(n)
            for n, group in zip(array.shape, like.axes[like.rank - array.ndim:])]
    have = [(b.batch,), *((a,) for group in axes for a in group if not a.is_batch)]
    array = laid_out_alike(c, axes, have)
    array = array.astype(b.dtype) if array.dtype.kind in "fiub" else array
    if not any(has_batch(group) for group in axes):
        axes = [()] * (like.rank - len(axes)) + axes
    lead, *others = like.have
    if lead != (b.batch,):                      # more rows than images: heads, say, lie along the batch
        like = b.arranged(like, [(b.batch,), *((a,) for a in lead if a is not b.batch), *others])
    return Traced(b.put(like.at, ours.Constant(np.ascontiguousarray(array))), have, axes)


def as_it_is(b: Builder, x: Value, *more: object, **named: object) -> Value:
    return x


def item(b: Builder, values: Sequence[Value], place: int) -> Value:
    return values[place]


def dropout(b: Builder, x: Value, ratio: Value = 0.5, training: Value = False, seed: int = 0) -> Traced:
    p = number(ratio)
    if np.any(plain(training)) and p:
        raise ValueError("training_mode=True is not supported: it draws at random whenever it runs, expected "
                         "nn.Dropout, or training=self.training")
    return b.through(traced(x), ours.Dropout(p)) if 0 <= p < 1 else traced(x)


def laid_out_alike(c: Value, axes: Sequence[Group], have: Sequence[Group]) -> np.ndarray:
    """A constant as `laid_out` has it, which must be the same for any number of images."""
    first, second = map(np.atleast_1d, both_of(c))
    array = laid_out(first, axes, have)
    if isinstance(c, Varying) and not np.array_equal(array, laid_out(second, axes, have, other=True)):
        raise ValueError("a constant depends on the number of images in a batch")
    return array


def no_gradient(b: Builder, *args: Value, **kwargs: Value) -> NoReturn:
    raise ValueError("chooses or counts by the values of its input, and has no gradient that explains; explain what it "
                     "reads, with output=, or cut the module before it")


def drawn(b: Builder, *args: Value, **kwargs: Value) -> NoReturn:
    raise ValueError(DRAWS)


def detach(b: Builder, x: Value) -> NoReturn:
    raise ValueError(f"{HIDDEN}; leave out .detach(), which changes no output")


def no_slope(b: Builder, *args: Value, **kwargs: Value) -> NoReturn:
    raise ValueError("is a step: flat wherever it has a slope at all, and has no gradient that explains; explain what "
                     "it reads, with output=, or cut the module before it")
