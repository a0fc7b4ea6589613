"""What each operation becomes: one table for torch's programs and for ONNX's files, whose spellings lead here.

Each function takes the Builder and what the operation is given: a Traced value, or arrays and numbers of NumPy where
nothing depends on the input. It puts layers down and returns a Traced value. Shapes are the program's: (N, C, H, W).
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Mixes, Traced, has_batch, is_batch, laid_out, new, size, translated, zipped
from minixnn.interop.builder import Builder
from minixnn.interop.program import Size, Varying

LOWEST = -1e30              # in place of -inf: softmax makes 0 of it, and no rule meets 0 times infinity
MOST = 2 ** 27              # numbers in a constant: more would fill the memory


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


# One number each

def elementwise(b: Builder, x: Traced, layer: Any) -> Traced:
    return b.through(numbers(b, x), layer, "f")


def numbers(b: Builder, x: Traced) -> Traced:
    """x as floating point numbers."""
    return x if x.kind == "f" else b.through(x, ours.ToFloat(np.dtype(b.dtype).name), "f")


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


# Arithmetic with broadcasting

def constant_beside(b: Builder, x: Traced, c: Any) -> tuple[Traced, Any]:
    """x, repeated where the constant is larger, and the constant beside it; a number stays one."""
    if not isinstance(c, Varying) and np.size(c) == 1 and np.ndim(c) <= x.rank:
        return x, float(np.reshape(c, ()))
    array = c.array if isinstance(c, Varying) else np.asarray(c)
    x = b.widened(x, array.shape)
    if isinstance(c, Varying):                              # the same for each number of images?
        first = laid_out(array, x.axes, [a for a in _split(x.axes)])
        second = laid_out(c.other, x.axes, [a for a in _split(x.axes)], other=True)
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
        y = Varying(y.array * alpha, y.other * alpha) if isinstance(y, Varying) else np.asarray(y) * alpha
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
    x, c = constant_beside(b, numbers(b, x), c)
    if isinstance(c, float):
        if not math.isfinite(c):
            raise ValueError(f"multiplies by {c}, expected a finite number")
        return x if c == 1 else b.through(x, ours.Scale(c))
    c = weights(c)
    c = short(c)
    return b.through(x, ours.ChannelScale(c) if c.ndim == 1 and c.size == size(x.have[-1]) else ours.Scale(c))


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
    return Traced(b.put(like.at, ours.Constant(np.ascontiguousarray(array))), have, axes)


# Products

def linear(b: Builder, x: Traced, W: Any, bias: Any = None) -> Traced:
    """x @ W + bias along the last axis; W (I, O)"""
    W, bias = weights(W), optional(bias)
    x = numbers(b, x)
    if W.shape[0] != x.shape[-1]:
        raise ValueError(f"expects {W.shape[0]} inputs, but the input's shape leads to {x.shape[-1]}")
    x, order = b.last(x, x.axes[-1])
    if order is not None:
        W = np.ascontiguousarray(W[order])
    outputs = new(W.shape[1])
    axes = (*x.axes[:-1], outputs)
    if len(x.have) < 2:
        raise ValueError(f"multiplies an array of shape {x.written()}, expected one row for each image")
    y = Traced(b.put(x.at, ours.Dense(W, None)), (*x.have[:-1], outputs), axes)
    if bias is None:
        return y
    if bias.size == W.shape[1] and (bias.ndim < 2 or bias.shape[-1] == W.shape[1]):
        b.layers[y.at - 1] = ours.Dense(W, bias.reshape(-1))
        return y
    return add(b, y, bias)


def matmul(b: Builder, x: Any, y: Any) -> Traced:
    """A matrix product as NumPy has it: the last two axes, the others are broadcast."""
    if isinstance(x, Traced) and isinstance(y, Traced):
        return product(b, x, y)
    if isinstance(x, Traced):
        if isinstance(y, Varying):
            return product(b, x, constant(b, y, widened_rank(b, x, y.ndim)))
        y = weights(y)
        if y.ndim == 1:
            return select(b, linear(b, x, y[:, None]), -1, 0)
        if math.prod(y.shape[:-2]) == 1:
            return linear(b, x if x.rank >= y.ndim else unsqueeze(b, x, range(y.ndim - x.rank)),
                          y.reshape(y.shape[-2:]))
        return product(b, x, constant(b, y, widened_rank(b, x, y.ndim)))
    if isinstance(x, Varying):
        return product(b, constant(b, x, widened_rank(b, y, x.ndim)), y)
    x = weights(x)
    if y.rank == 1 or x.ndim == 1:
        raise ValueError("multiplies a constant by a vector, expected matrices")
    if math.prod(x.shape[:-2]) == 1:
        return swap(b, linear(b, swap(b, y, -1, -2), x.reshape(x.shape[-2:]).T), -1, -2)
    return product(b, constant(b, x, widened_rank(b, y, x.ndim)), y)


def widened_rank(b: Builder, x: Traced, rank: int) -> Traced:
    return x if x.rank >= rank else unsqueeze(b, x, range(rank - x.rank))


def product(b: Builder, x: Traced, y: Traced) -> Traced:
    """A matrix product of two values that are both computed from the input."""
    x, y = numbers(b, x), numbers(b, y)
    if x.rank == 1 or y.rank == 1:
        if x.rank == 1:
            return select(b, product(b, unsqueeze(b, x, [0]), y), -2, 0)
        return select(b, product(b, x, unsqueeze(b, y, [-1])), -1, 0)
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"multiplies matrices of shapes {x.written()} and {y.written()}, which do not fit")
    rank = max(x.rank, y.rank)
    x, y = widened_rank(b, x, rank), b.renamed(widened_rank(b, y, rank))
    rows, columns = x.axes[-2], y.axes[-1]
    if has_batch(rows) or has_batch(columns) or has_batch(x.axes[-1]):
        raise ValueError(f"multiplies matrices of shapes {x.written()} and {y.written()}, which mixes images")
    inner = (*x.axes[:-2], x.axes[-1]), (*y.axes[:-2], y.axes[-2])
    x, y = b.same_atoms([x.seen_as((*inner[0][:-1], rows, inner[0][-1])), y.seen_as((*inner[1][:-1], columns,
                                                                                    inner[1][-1]))], skip=-2)
    rows, columns, summed = x.axes[-2], y.axes[-2], x.axes[-1] or y.axes[-1]
    batch = [max(pair, key=len) for pair in zip(x.axes[:-2], y.axes[:-2])]
    outer = [a for group in batch for a in group]
    if not any(a.is_batch for a in outer):
        raise ValueError(f"multiplies matrices of shapes {x.written()} and {y.written()}, which mixes images")
    outer = [a for a in outer if a.is_batch] + [a for a in outer if not a.is_batch]
    have = {value: {a for own in value.have for a in own} for value in (x, y)}
    outer_x = [(a,) if a in have[x] else () for a in outer]
    outer_y = [(a,) if a in have[y] else () for a in outer]
    kept = [place for place in range(len(outer)) if outer_x[place] or outer_y[place]]
    pieces: list[list[int]] = []                # neighbours that both sides have, or one of them, are one axis
    for place in kept:
        if pieces and place > 1 and not outer[pieces[-1][-1]].is_batch and \
                bool(outer_x[place]) == bool(outer_x[pieces[-1][-1]]) and \
                bool(outer_y[place]) == bool(outer_y[pieces[-1][-1]]):
            pieces[-1].append(place)
        else:
            pieces.append([place])
    lead_x = [tuple(a for place in piece for a in outer_x[place]) for piece in pieces]
    lead_y = [tuple(a for place in piece for a in outer_y[place]) for piece in pieces]
    first, second = b.arranged(x, [*lead_x, rows, summed]), b.arranged(y, [*lead_y, summed, columns])
    at = b.put((first.at, second.at), ours.MatMul())
    lead = [max(pair, key=len) for pair in zip(lead_x, lead_y)]
    return Traced(at, [*lead, rows, columns], [*batch, rows, columns])


def attention(b: Builder, Q: Traced, K: Traced, V: Traced, mask: Any = None, causal: bool = False,
              scale: float | None = None) -> Traced:
    """softmax(scale Q K^T + mask) V, written out; Q, K, V (N, heads, tokens, width)"""
    T, U = traced(Q).shape[-2], traced(K).shape[-2]
    Q = multiply(b, Q, Q.shape[-1] ** -0.5 if scale is None else float(scale))
    groups = Q.shape[-3] // K.shape[-3] if Q.rank > 3 and K.shape[-3] and Q.shape[-3] != K.shape[-3] else 1
    if groups > 1:
        K, V = (repeat_interleave(b, each, groups, -3) for each in (K, V))
    S = matmul(b, Q, swap(b, K, -1, -2))
    if causal:
        S = shifted(b, S, np.where(np.tri(T, U, dtype=bool), 0.0, -np.inf).astype(b.dtype))
    if mask is not None:
        S = hidden(b, S, mask)
    return matmul(b, softmax(b, S, -1), V)


def hidden(b: Builder, S: Traced, mask: Any) -> Traced:
    """Scores with a mask: numbers to add, or truth values that say what may be seen."""
    if isinstance(mask, Traced):
        if mask.kind == "b":
            mask = shifted(b, scaled(b, numbers(b, mask), -LOWEST), LOWEST)
        return add(b, S, mask)
    if isinstance(mask, Varying):
        return shifted(b, S, mask if mask.dtype.kind == "f" else Varying(*(
            np.where(each, 0.0, -np.inf).astype(b.dtype) for each in (mask.array, mask.other))))
    mask = np.asarray(mask)
    return shifted(b, S, np.where(mask, 0.0, -np.inf).astype(b.dtype) if mask.dtype == bool else mask)


def einsum(b: Builder, equation: str, operands: Sequence[Any]) -> Traced:
    """A product of two, as a matrix product; or the axes of one in another order, some summed."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "." in left or len(terms) != len(operands) or len(terms) > 2 or any(len(set(t)) < len(t) for t in terms):
        raise ValueError(f"einsum({equation!r}) is not supported, expected one or two factors, a letter once in each")
    if not arrow:
        out = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    values = []
    for term, value in zip(terms, operands):                # letters of one term alone that are summed
        gone = [n for n, c in enumerate(term) if c not in out and sum(c in t for t in terms) == 1]
        if gone:
            value = reduce(b, "sum", value, gone, False) if isinstance(value, Traced) else \
                np.asarray(value).sum(axis=tuple(gone))
        values.append(("".join(c for n, c in enumerate(term) if n not in gone), value))
    if len(values) == 1:
        term, value = values[0]
        return transpose(b, value, [term.index(c) for c in out])
    (s, x), (t, y) = values
    shared = [c for c in out if c in s and c in t]
    summed = [c for c in s if c in t and c not in out]
    rows, columns = [c for c in out if c in s and c not in t], [c for c in out if c in t and c not in s]
    x = _arranged(b, x, s, [*shared, *rows, *summed])
    y = _arranged(b, y, t, [*shared, *summed, *columns])
    sizes = {c: n for term, value in (([*shared, *rows, *summed], x), ([*shared, *summed, *columns], y))
             for c, n in zip(term, _axes(value))}
    x = _merged(b, x, [len(shared), len(rows), len(summed)])
    y = _merged(b, y, [len(shared), len(summed), len(columns)])
    z = matmul(b, x, y)
    axes = [sizes[c] for c in shared] + [sizes[c] for c in rows] + [sizes[c] for c in columns]
    z = reshape(b, z, [n for n, _ in axes], [m for _, m in axes])
    now = [*shared, *rows, *columns]
    return transpose(b, z, [now.index(c) for c in out])


def _arranged(b, value, term, order):
    perm = [term.index(c) for c in order]
    return transpose(b, value, perm) if isinstance(value, Traced) else np.asarray(value).transpose(perm)


def _axes(value):
    return list(zip(value.shape, value.other_shape if isinstance(value, Traced) else value.shape))


def _merged(b, value, counts):
    """(shared..., m, n): the last two as one axis each; the shared ones stay."""
    sizes = _axes(value)
    cut = [counts[0], counts[0] + counts[1]]
    pieces = [*([each] for each in sizes[:cut[0]]), sizes[cut[0]:cut[1]], sizes[cut[1]:]]
    target = [(math.prod(n for n, _ in piece), math.prod(m for _, m in piece)) for piece in pieces]
    if isinstance(value, Traced):
        return reshape(b, value, [n for n, _ in target], [m for _, m in target])
    return value.reshape([n for n, _ in target])


# Windows

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


def of_rank(name: str, n: int) -> Any:
    """The class of layers for images with n axes: Conv1d, Conv2d, Conv3d."""
    if n not in (1, 2, 3):
        raise ValueError(f"windows along {n} axes are not supported, expected one to three")
    return getattr(ours, f"{name}{n}d")


def images(b: Builder, x: Any, n: int, what: str = "") -> Traced:
    names = {1: "sequences, (channels, steps)", 2: "images, (channels, height, width)",
             3: "volumes, (channels, depth, height, width)"}
    return b.images(numbers(b, traced(x)), n, what or names.get(n, f"{n} axes behind the channels"))


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


def channel_last(b: Builder, x: Traced, layer: Any, channels: int, sizes: Sequence[int]) -> Traced:
    """A layer on images (N, sizes..., C) that makes others."""
    groups = [new(n) for n in sizes]
    outputs = new(channels)
    return Traced(b.put(x.at, layer), [x.have[0], *groups, outputs], [x.axes[0], outputs, *groups])


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


def pool(b: Builder, x: Traced, kind: str, kernel: Sequence[int], stride: Sequence[int] | None,
         pads: Sequence[tuple[int, int]], dilation: Sequence[int], ceil_mode: bool = False,
         count_padding: bool = True, divisor: Any = None, same: bool = False) -> Traced:
    """kind: "max", "average"; same: the pads are "same" at any size"""
    n = len(kernel)
    stride, x = list(stride or kernel), images(b, x, n)
    pads = [tuple(each) for each in pads]
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
    sizes = [m if k is None else int(k) for k, m in zip(sizes, old)]
    if set(sizes) == {1}:
        return reduce(b, kind, x, range(2, n + 2), True)
    if list(old) == sizes:
        return x
    if all(m % k == 0 for m, k in zip(old, sizes)):
        kernel = [m // k for m, k in zip(old, sizes)]
        if kind == "max":
            return pool(b, x, "max", kernel, kernel, [(0, 0)] * n, [1] * n)
    if kind == "mean":
        x = images(b, x, n)
        return channel_last(b, x, of_rank("AdaptiveAvgPool", n)(tuple(sizes)), size(x.axes[1]), sizes)
    raise ValueError(f"output_size={tuple(sizes)} of {x.written()} is not supported, expected a size that divides the "
                     "images'")


# Normalisation

def batch_norm(b: Builder, x: Traced, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float,
               momentum: float = 0.1) -> Traced:
    x = numbers(b, traced(x))
    if mean is None or variance is None:
        raise ValueError("normalises by the statistics of the batch, expected running ones (track_running_stats=True)")
    mean, variance = weights(mean), weights(variance)
    gamma = np.ones_like(mean) if gamma is None else weights(gamma)
    beta = np.zeros_like(mean) if beta is None else weights(beta)
    if x.rank < 2 or x.shape[1] != len(mean):
        raise ValueError(f"expects {len(mean)} channels, but the input's shape leads to "
                         f"{x.shape[1] if x.rank > 1 else 'none'}")
    if not (variance >= 0).all():
        raise ValueError("its variances are negative, expected means of squares")
    x, order = b.last(images(b, x, x.rank - 2, "channels") if x.rank > 2 and is_batch(x.axes[0]) else x, x.axes[1])
    arrays = [a if order is None else a[order] for a in (gamma, beta, mean, variance)]
    return b.through(x, ours.BatchNorm2d(*arrays, epsilon=float(epsilon), momentum=float(momentum)))


def layer_norm(b: Builder, x: Traced, count: int, gamma: Any, beta: Any, epsilon: float,
               centered: bool = True) -> Traced:
    """Over the last `count` axes; centered=False: RMSNorm"""
    x = numbers(b, traced(x))
    kind = ours.LayerNorm if centered else ours.RMSNorm
    groups = x.axes[x.rank - count:]
    group = tuple(a for own in groups for a in own)
    if not group:                               # single numbers: an axis of size 1
        x = b.arranged(x, [*x.have, ()])
        gamma, beta = (None if a is None else weights(a).reshape(1) for a in (gamma, beta))
        return b.through(x, kind(gamma, beta, axes=(-1,), epsilon=float(epsilon)))
    if has_batch(group):
        raise ValueError(f"normalises {x.written()} over its images")
    x = b.with_own_axes(x, group)
    places = [place for place, own in enumerate(x.have) if own and set(own) <= set(group)]
    arrays = []
    for array in (gamma, beta):
        array = optional(array)
        if array is not None:
            array = laid_out(np.broadcast_to(array, [size(own) for own in groups]), groups, [x.have[0], *x.have[1:]])
            array = np.ascontiguousarray(array.reshape(array.shape[next(
                (i for i, n in enumerate(array.shape) if n != 1), array.ndim - 1):]))
        arrays.append(array)
    return b.through(x, kind(*arrays, axes=tuple(place - len(x.have) for place in places), epsilon=float(epsilon)))


def group_norm(b: Builder, x: Traced, groups: int, gamma: Any, beta: Any, epsilon: float) -> Traced:
    x = numbers(b, traced(x))
    gamma, beta = optional(gamma), optional(beta)
    if beta is not None and gamma is None:
        gamma = np.ones_like(beta)
    x = images(b, x, x.rank - 2, "channels")
    return b.through(x, ours.GroupNorm(gamma, beta, int(groups), float(epsilon)))


def local_response(b: Builder, x: Traced, size_: int, alpha: float, beta: float, k: float) -> Traced:
    x = images(b, x, x.rank - 2, "channels")
    return b.through(x, ours.LocalResponseNorm(int(size_), float(alpha), float(beta), float(k)))


def softmax(b: Builder, x: Traced, axis: int, log: bool = False) -> Traced:
    x = numbers(b, traced(x))
    group = x.axes[int(axis)]
    x, place = b.axis(x, group, ordered=False) if group else (b.arranged(x, [*x.have, ()]), len(x.have))
    place = -1 if place == len(x.have) - 1 else place
    return b.through(x, (ours.LogSoftmax if log else ours.Softmax)(place))


def reduce(b: Builder, kind: str, x: Traced, axes: Any, keepdims: Any) -> Traced:
    """kind: "mean", "sum", "max", "min", "length"; axes None: all but the images'"""
    x = numbers(b, traced(x))
    places = range(x.rank) if axes is None else [int(axis) for axis in np.ravel(axes)]
    if any(not -x.rank <= place < x.rank for place in places):
        raise ValueError(f"axes={list(places)} for {x.rank} axes")
    places = sorted({place % x.rank for place in places})
    group = tuple(a for place in places for a in x.axes[place])
    if has_batch(group):
        raise ValueError(f"axes={places} of {x.written()} is not supported: the batch is one of them")
    present = {a for own in x.have for a in own}
    repeated = math.prod(a.size for a in group if a not in present)
    kept = [() if place in places else own for place, own in enumerate(x.axes) if keepdims or place not in places]
    group = tuple(a for a in group if a in present)
    if group:
        x = b.with_own_axes(x, group)
        summed = [place for place, own in enumerate(x.have) if own and set(own) <= set(group)]
        have = [own for place, own in enumerate(x.have) if place not in summed]
        whole_image = summed == list(range(1, len(x.have) - 1))
        kinds = {"mean": ours.MeanOver, "sum": ours.SumOver, "max": ours.MaxOver, "min": ours.MinOver,
                 "length": ours.Norm}
        if whole_image and len(have) > 1 and kind in ("mean", "max"):
            layer = ours.GlobalAvgPool() if kind == "mean" else ours.GlobalMaxPool()
        else:
            stays = bool(keepdims) or len(have) == 1        # one number for each image keeps an axis
            layer = kinds[kind](tuple(place - len(x.have) for place in summed), keepdims=stays)
            have = [() if place in summed else own for place, own in enumerate(x.have)] if stays else have
        x = Traced(b.put(x.at, layer), have, kept)
    else:
        x = x.seen_as(kept)
        x = elementwise(b, x, ours.Function("abs")) if kind == "length" else x
    if repeated > 1 and kind == "sum":
        x = multiply(b, x, float(repeated))
    if repeated > 1 and kind == "length":
        x = multiply(b, x, float(repeated) ** 0.5)
    return x


def variance(b: Builder, x: Traced, axes: Any, correction: float, keepdims: bool) -> Traced:
    mean = reduce(b, "mean", x, axes, True)
    square = power(b, subtract(b, x, mean), 2)
    count = math.prod(x.shape[place] for place in (range(x.rank) if axes is None else axes))
    y = reduce(b, "mean", square, axes, keepdims)
    return y if correction == 0 else multiply(b, y, count / (count - correction))


# Moves

def reshape(b: Builder, x: Traced, shape: Sequence[int], other: Sequence[int] | None = None) -> Traced:
    """shape: the target, in which one size may be -1; a Size knows what it is for another number of images"""
    shape = [n if isinstance(n, Size) else int(n) for n in shape]
    second = [getattr(n, "other", n) for n in shape] if other is None else list(other)
    targets = []
    for sizes, total in ((shape, math.prod(x.shape)), (second, math.prod(x.other_shape))):
        sizes = [int(n) for n in sizes]
        if sizes.count(-1) == 1:
            known = -math.prod(sizes)
            if known == 0 or total % known:
                raise _turns(x, shape)
            sizes[sizes.index(-1)] = total // known
        if math.prod(sizes) != total or min(sizes, default=1) < 1:
            raise _turns(x, shape)
        targets.append(sizes)
    try:
        return rows(b, b.regrouped(x, *targets))
    except Mixes as error:
        raise _turns(x, shape) from error


def rows(b: Builder, x: Traced) -> Traced:
    """An image that the program has as a row of features as one here, too: in our order, which costs nothing."""
    if x.rank == 2 and is_batch(x.axes[0]) and len(x.have) > 2:
        x = b.arranged(x, [x.have[0], tuple(a for own in x.have[1:] for a in own)])
    return x


def _turns(x, shape):
    row = math.prod(size(a for a in own if not a.is_batch) for own in x.axes)
    return ValueError(f"turns {x.written()} into {tuple(int(n) for n in shape)}, expected one row for each image, "
                      f"(N, {row})")


def transpose(b: Builder, x: Traced, perm: Sequence[int]) -> Traced:
    x = traced(x)
    perm = [int(axis) % x.rank for axis in perm]
    if sorted(perm) != list(range(x.rank)):
        raise ValueError(f"transposes {x.written()} by {perm}, expected each axis once")
    return x.seen_as([x.axes[axis] for axis in perm])


def swap(b: Builder, x: Traced, first: int, second: int) -> Traced:
    perm = list(range(x.rank))
    perm[first], perm[second] = perm[second], perm[first]
    return transpose(b, x, perm)


def unsqueeze(b: Builder, x: Traced, axes: Any) -> Traced:
    groups = list(traced(x).axes)
    rank = len(groups) + len(axes)
    for axis in sorted(int(axis) % rank for axis in axes):
        groups.insert(axis, ())
    return x.seen_as(groups)


def squeeze(b: Builder, x: Traced, axes: Any = None) -> Traced:
    x = traced(x)
    gone = [place for place, own in enumerate(x.axes) if not own] if axes is None else \
        [int(axis) % x.rank for axis in axes if not x.axes[int(axis)]]
    return x.seen_as([own for place, own in enumerate(x.axes) if place not in gone])


def flatten(b: Builder, x: Traced, start: int = 1, end: int = -1) -> Traced:
    start, end = start % x.rank, end % x.rank
    if end <= start:
        return x
    middle = tuple(a for own in x.axes[start:end + 1] for a in own)
    if has_batch(middle) and not middle[0].is_batch:
        raise ValueError(f"flattens axes {start} to {end} of {x.written()}, expected one row for each image")
    return rows(b, x.seen_as([*x.axes[:start], middle, *x.axes[end + 1:]]))


def expand(b: Builder, x: Traced, sizes: Sequence[int]) -> Traced:
    """Repeated along axes of size 1; -1: as it is."""
    x = widened_rank(b, traced(x), len(sizes))
    axes = list(x.axes)
    for place, n in enumerate(sizes):
        second = getattr(n, "other", n)
        if n in (-1,) or (n, second) == (x.shape[place], x.other_shape[place]) or n == 1:
            continue
        if axes[place] or n < 1:
            raise ValueError(f"repeats an array of shape {x.written()} to {tuple(map(int, sizes))}, expected as many "
                             "axes, and those of size 1 repeated")
        if n != second:
            raise ValueError("repeats along the images")
        axes[place] = new(int(n))
    return x.seen_as(axes)


def repeat(b: Builder, x: Traced, counts: Sequence[int]) -> Traced:
    """The whole array so many times along each axis, one after the other."""
    x = widened_rank(b, traced(x), len(counts))
    axes = list(x.axes)
    for place, n in enumerate(counts):
        if n != 1 and has_batch(axes[place]):
            raise ValueError(f"repeats the images of {x.written()}")
        axes[place] = new(int(n)) + tuple(axes[place])
    return x.seen_as(axes)


def repeat_interleave(b: Builder, x: Traced, n: int, axis: int) -> Traced:
    """Each entry along an axis n times, beside each other."""
    axes = list(x.axes)
    axes[axis] = tuple(axes[axis]) + new(int(n))
    return x.seen_as(axes)


def slice_(b: Builder, x: Traced, axis: int, start: Any = None, stop: Any = None, step: int = 1) -> Traced:
    x = traced(x)
    axis, n, step = int(axis) % x.rank, x.shape[int(axis)], int(step)
    start, stop, step = slice(start, stop, step).indices(n)
    count = len(range(start, stop, step))
    if count == n and step == 1:
        return x
    if has_batch(x.axes[axis]):
        raise ValueError(f"takes some of the images of a batch of {x.written()}")
    if count < 1:
        raise ValueError(f"takes nothing of axis {axis} of {x.written()}")
    x, place = b.axis(x, x.axes[axis])
    found = new(count)
    last_of_all = place == len(x.have) - 1 and step == 1
    layer = ours.ChannelSelect(start or None, None if stop == n else stop) if last_of_all and len(x.have) > 1 else \
        ours.Slice(place, start, None if stop < 0 or stop >= n else stop, step)
    have = [found if p == place else own for p, own in enumerate(x.have)]
    axes = [found if p == axis else own for p, own in enumerate(x.axes)]
    return Traced(b.put(x.at, layer), have, axes, x.kind)


def select(b: Builder, x: Traced, axis: int, index: int) -> Traced:
    """One place along an axis, which goes."""
    x, index = traced(x), int(index)
    axis = int(axis) % x.rank
    if not -x.shape[axis] <= index < x.shape[axis]:
        raise ValueError(f"takes place {index} of axis {axis} of {x.written()}")
    rest = [own for place, own in enumerate(x.axes) if place != axis]
    if has_batch(x.axes[axis]):
        raise ValueError(f"takes one of the images of a batch of {x.written()}")
    if not x.axes[axis]:
        return x.seen_as(rest)
    present = {a for own in x.have for a in own}
    if not any(a in present for a in x.axes[axis]):         # all alike
        return x.seen_as(rest)
    x, place = b.axis(x, x.axes[axis])
    if place == 1 and len(x.have) == 3:
        have = [x.have[0], x.have[2]]
        return Traced(b.put(x.at, ours.TakeToken(index)), have, rest, x.kind)
    index %= size(x.have[place])
    have = [() if p == place else own for p, own in enumerate(x.have)]
    return Traced(b.put(x.at, ours.Slice(place, index, index + 1)), have, rest, x.kind)


def split(b: Builder, x: Traced, sizes: Sequence[int], axis: int) -> list[Traced]:
    """The parts of x along an axis, one after the other."""
    edges = np.cumsum([0, *map(int, sizes)]).tolist()
    if edges[-1] != x.shape[axis]:
        raise ValueError(f"splits {x.shape[axis]} into {list(map(int, sizes))}")
    return [slice_(b, x, axis, start, stop) for start, stop in zip(edges, edges[1:])]


def flip(b: Builder, x: Traced, axes: Sequence[int]) -> Traced:
    for axis in axes:
        if x.axes[int(axis)]:
            if has_batch(x.axes[int(axis)]):
                raise ValueError("turns the order of the images in a batch")
            x, place = b.axis(x, x.axes[int(axis)])
            x = b.through(x, ours.Slice(place, None, None, -1))
    return x


def roll(b: Builder, x: Traced, shifts: Sequence[int], axes: Sequence[int]) -> Traced:
    if not len(axes):
        raise ValueError("rolls all axes as one, and so the images of a batch")
    for shift, axis in zip(shifts, axes):
        axis = int(axis) % x.rank
        if has_batch(x.axes[axis]):
            raise ValueError("rolls the images in a batch")
        if not x.axes[axis] or int(shift) % x.shape[axis] == 0:
            continue
        x, place = b.axis(x, x.axes[axis])
        x = b.through(x, ours.Roll((int(shift),), (place,)))
    return x


def take(b: Builder, x: Traced, index: Any, axis: int) -> Traced:
    """x[..., index, ...] with an array of places, whose axes take that of `axis`."""
    x = traced(x)
    axis = int(axis) % x.rank
    index = np.asarray(plain(index))
    n, first = x.shape[axis], x.axes[axis][:1]
    if has_batch(x.axes[axis]):
        if not is_batch(first) or first[0].size > 1 or len(x.axes[axis]) == 1 or index.ndim == 0:
            raise ValueError(f"takes some of the images of a batch of {x.written()}")
        inner = take(b, x.seen_as([*x.axes[:axis], first, x.axes[axis][1:], *x.axes[axis + 1:]]), index, axis + 1)
        return inner.seen_as([*inner.axes[:axis], first + inner.axes[axis + 1], *inner.axes[axis + 2:]])
    if index.size and (index.min() < -n or index.max() >= n):
        raise ValueError(f"takes places up to {index.max()} of axis {axis} of {x.written()}")
    if not index.size:
        raise ValueError(f"takes nothing of axis {axis} of {x.written()}")
    index = index % n
    if index.ndim == 0:
        return select(b, x, axis, int(index))
    steps = np.unique(np.diff(index)) if index.ndim == 1 else []
    if index.ndim == 1 and len(steps) <= 1 and (len(index) == 1 or steps[0] > 0):
        step = int(steps[0]) if len(steps) else 1
        return slice_(b, x, axis, int(index[0]), int(index[-1]) + 1, step)
    if not x.axes[axis]:
        return x.seen_as([*x.axes[:axis], *map(new, index.shape), *x.axes[axis + 1:]])
    x, place = b.axis(x, x.axes[axis])
    groups = [new(m) for m in index.shape]
    have = [*x.have[:place], *groups, *x.have[place + 1:]]
    axes = [*x.axes[:axis], *groups, *x.axes[axis + 1:]]
    return Traced(b.put(x.at, ours.Gather(index, place)), have, axes, x.kind)


def unfold(b: Builder, x: Traced, axis: int, window: int, step: int) -> Traced:
    """Windows along an axis, which takes their number; what is in one is a new axis at the end. Tensor.unfold"""
    axis = axis % x.rank
    count = (x.shape[axis] - window) // step + 1
    y = take(b, x, np.arange(count)[:, None] * step + np.arange(window), axis)
    return transpose(b, y, [n for n in range(y.rank) if n != axis + 1] + [axis + 1])


def patches(b: Builder, x: Traced, kernel: Sequence[int], dilation: Sequence[int], pads: Sequence[int],
            stride: Sequence[int]) -> Traced:
    """(N, C, H, W) -> (N, C kh kw, windows): torch's Unfold"""
    x = pad(b, x, [(0, 0), (0, 0), *((p, p) for p in pads)])
    for axis, k, d, s in zip((4, 2), kernel[::-1], dilation[::-1], stride[::-1]):
        axis -= 1 if axis == 4 else 0
        count = (x.shape[axis] - d * (k - 1) - 1) // s + 1
        x = take(b, x, np.arange(k)[:, None] * d + np.arange(count) * s, axis)
    N, C, kh, H, kw, W = x.shape
    x = transpose(b, x, (0, 1, 2, 4, 3, 5))
    return reshape(b, x, [Size(N, x.other_shape[0]), C * kh * kw, H * W])


def from_patches(b: Builder, x: Traced, sizes: Sequence[int], kernel: Sequence[int], dilation: Sequence[int],
                 pads: Sequence[int], stride: Sequence[int]) -> Traced:
    """(N, C kh kw, windows) -> (N, C, H, W), overlapping windows summed up: torch's Fold"""
    (kh, kw), whole = kernel, [n + 2 * p for n, p in zip(sizes, pads)]
    C = x.shape[1] // (kh * kw)
    rows, columns = (np.arange(k)[:, None] * d + np.arange((n - d * (k - 1) - 1) // s + 1) * s
                     for k, d, n, s in zip(kernel, dilation, whole, stride))
    places = (rows[:, None, :, None] * whole[1] + columns[None, :, None]).reshape(kh * kw, -1)      # (kh kw, windows)
    places = (places * C + np.arange(C)[:, None, None]).reshape(C * kh * kw, -1)
    x = b.arranged(numbers(b, x), x.axes)
    groups = [new(n) for n in (*whole, C)]
    y = Traced(b.put(x.at, ours.Scatter(places, (*whole, C))), [x.have[0], *groups],
               [x.axes[0], groups[2], *groups[:2]])
    for axis, (n, p) in enumerate(zip(sizes, pads), start=2):
        y = slice_(b, y, axis, p, p + n)
    return y


def cat(b: Builder, values: Sequence[Any], axis: int) -> Traced:
    rank = next(x.rank for x in values if isinstance(x, Traced))
    axis = int(axis) % rank
    values = [x for x in values if isinstance(x, (Traced, Varying)) or np.size(x)]
    like = next(x for x in values if isinstance(x, Traced))
    if len(values) == 1:
        return like
    if has_batch(like.axes[axis]):
        raise ValueError("joins batches of images, one behind the other")
    token = class_token(b, values, axis)
    if token is not None:
        return token
    made = []
    for x in values:
        if not isinstance(x, Traced):
            x = constant(b, x, like.seen_as([new(_shape(x)[axis]) if place == axis else own
                                             for place, own in enumerate(like.axes)]))
        made.append(numbers(b, x) if any(isinstance(y, Traced) and y.kind == "f" for y in values) else x)
    for x in made:
        if x.rank != rank or any(m != n for place, (m, n) in enumerate(zip(x.shape, made[0].shape)) if place != axis):
            raise ValueError(f"joins arrays of shapes {' and '.join(x.written() for x in made)} along axis {axis}, "
                             "which do not fit")
    return joined(b, made, axis)


def _shape(x):
    return x.shape if isinstance(x, (Varying, Traced)) else np.shape(x)


def joined(b: Builder, made: list[Traced], axis: int) -> Traced:
    rank, kind = made[0].rank, made[0].kind
    made = b.same_atoms(made, skip=axis - rank)
    base = max(made, key=lambda x: (size(x.axes[axis]), len(x.have)))
    group = base.axes[axis]
    flat = [a for own in base.have for a in own]
    others = [a for own in base.have for a in own if a not in group]
    for x in made:                                          # what only some have to be repeated for
        for place, own in enumerate(x.axes):
            others += [a for a in own if place != axis and a not in others]
    order = [own for own in (tuple(a for a in own if a not in group) for own in base.have) if own]
    order += [(a,) for a in others if a not in flat]
    order = [piece for own in order for piece in ([own] if all(
        tuple(a for a in own) == tuple(a for a in own) and _together(own, x) for x in made) else [(a,) for a in own])]
    before = [a for a in flat if a in group]
    if before:                                              # the axis stays where the largest has it
        first = flat.index(before[0])
        place = sum(1 for own in order if own[0] in flat and flat.index(own[0]) < first)
    else:
        place = len(order) if axis == rank - 1 or (axis == 1 and len(order) > 2) else min(axis, len(order))
    arranged = [b.arranged(x, [*order[:place], x.axes[axis], *order[place:]]) for x in made]
    total = new(sum(size(x.axes[axis]) for x in made))
    last = place == len(order)
    at = b.put(tuple(x.at for x in arranged), ours.Concat(-1 if last else place))
    axes = [total if p == axis else max((x.axes[p] for x in made), key=len) for p in range(rank)]
    return Traced(at, [*order[:place], total, *order[place:]], axes, kind)


def _together(own, x):
    flat = [a for group in x.have for a in group]
    return all(a in flat for a in own) or not any(a in flat for a in own)


def class_token(b: Builder, values: Sequence[Any], axis: int) -> Traced | None:
    """A constant row in front of a sequence (N, T, C), as one layer."""
    if len(values) != 2 or axis != 1 or isinstance(values[0], Traced) or not isinstance(values[1], Traced):
        return None
    token, x = values
    if x.rank != 3 or len(_shape(token)) != 3 or _shape(token)[1] != 1 or not is_batch(x.axes[0]) or not x.axes[2]:
        return None
    row = laid_out(token.array if isinstance(token, Varying) else np.asarray(token), [x.axes[0], (), x.axes[2]],
                   [x.axes[0], x.axes[2]])
    x = b.arranged(x, x.axes)
    tokens = new(x.shape[1] + 1)
    return Traced(b.put(x.at, ours.ClassToken(weights(row))), [x.have[0], tokens, x.have[2]],
                  [x.axes[0], tokens, x.axes[2]])


def stack(b: Builder, values: Sequence[Any], axis: int) -> Traced:
    rank = next(x.rank for x in values if isinstance(x, Traced)) + 1
    axis = int(axis) % rank
    return cat(b, [unsqueeze(b, x, [axis]) if isinstance(x, Traced) else
                   Varying(np.expand_dims(x.array, axis), np.expand_dims(x.other, axis)) if isinstance(x, Varying) else
                   np.expand_dims(x, axis) for x in values], axis)


def pad(b: Builder, x: Traced, pads: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0) -> Traced:
    """pads: (before, after) for each axis of the program; below 0 they cut"""
    x = numbers(b, traced(x))
    for axis, (before, after) in enumerate(pads):
        if before < 0 or after < 0:
            x = slice_(b, x, axis, max(0, -before), x.shape[axis] - max(0, -after))
    pads = [(max(0, int(before)), max(0, int(after))) for before, after in pads]
    if not any(map(any, pads)):
        return x
    if any(any(each) and has_batch(own) for each, own in zip(pads, x.axes)):
        raise ValueError(f"pads the batch of {x.written()}")
    places: dict[int, tuple[int, int]] = {}
    if x.rank > 2 and is_batch(x.axes[0]) and not any(pads[1]):
        x = b.images(x, x.rank - 2)
    for axis, each in enumerate(pads):
        if any(each):
            x, _ = b.axis(x, x.axes[axis]) if x.axes[axis] else (x, 0)
    for axis, each in enumerate(pads):
        if any(each):
            if not x.axes[axis]:
                x = b.arranged(x, [*x.have, ()])
                places[len(x.have) - 1] = (axis, each)
            else:
                places[x.have.index(x.axes[axis])] = (axis, each)
    have, axes = list(x.have), list(x.axes)
    for place, (axis, each) in places.items():
        have[place] = axes[axis] = new(x.shape[axis] + sum(each))
    layer = ours.Pad([places[place][1] if place in places else (0, 0) for place in range(1, len(have))],
                     *(() if (mode, value) == ("constant", 0) else (mode, finite(value))))
    return Traced(b.put(x.at, layer), have, axes)


def finite(value: float) -> float:
    """A number in place of an infinite one."""
    return float(np.clip(value, LOWEST, -LOWEST))


def upsample(b: Builder, x: Traced, sizes: Sequence[int] | None, scales: Sequence[float] | None, mode: str,
             corners: bool = False, **more: Any) -> Traced:
    """mode: as the layer Upsample has it. sizes of what comes out; scales where the file gives them."""
    n = x.rank - 2
    x = images(b, x, n)
    out = [int(math.floor(m * s)) for m, s in zip(x.shape[2:], scales)] if sizes is None else list(map(int, sizes))
    where = {"scale": tuple(scales)} if scales is not None and all(
        int(m * s) == k for m, s, k in zip(x.shape[2:], scales, out)) else {"size": tuple(out)}
    if "scale" in where and n == 2 and len(set(where["scale"])) == 1:
        where["scale"] = where["scale"][0]
    return channel_last(b, x, ours.Upsample(**where, mode=mode, align_corners=corners, **more), size(x.axes[1]), out)


def depth_to_space(b: Builder, x: Traced, n: int, crd: bool = True) -> Traced:
    """(N, C n n, H, W) -> (N, C, H n, W n), as torch's PixelShuffle; crd=False: ONNX's DCR order."""
    N, C, H, W = x.shape
    batch, rest = x.axes[0], C // n ** 2
    if C % n ** 2:
        raise ValueError(f"cuts {C} channels into {n} x {n}")
    x = reshape(b, x, [Size(N, size_other(batch)), *((rest, n, n) if crd else (n, n, rest)), H, W])
    x = transpose(b, x, (0, 1, 4, 2, 5, 3) if crd else (0, 3, 4, 1, 5, 2))
    return reshape(b, x, [Size(N, size_other(batch)), rest, H * n, W * n])


def space_to_depth(b: Builder, x: Traced, n: int, crd: bool = True) -> Traced:
    """The reverse: torch's PixelUnshuffle; crd=False: ONNX's order."""
    N, C, H, W = x.shape
    if H % n or W % n:
        raise ValueError(f"cuts {H} x {W} pixels into {n} x {n}")
    batch = Size(N, size_other(x.axes[0]))
    x = reshape(b, x, [batch, C, H // n, n, W // n, n])
    x = transpose(b, x, (0, 1, 3, 5, 2, 4) if crd else (0, 3, 5, 1, 2, 4))
    return reshape(b, x, [batch, C * n * n, H // n, W // n])


def size_other(group: Any) -> int:
    return math.prod(a.other for a in group)


# Whole numbers, truth values, choices

def embedding(b: Builder, W: Any, index: Any) -> Traced:
    """Rows of W, one for each token."""
    W, index = weights(W), traced(index)
    if W.ndim != 2:
        raise ValueError(f"looks up rows of an array of shape {W.shape}, expected (tokens, channels)")
    layer = ours.Categories(W) if index.kind == "f" else ours.Embedding(W)
    have = [*index.have, new(W.shape[1])] if W.shape[1] > 1 else [*index.have, ()]
    return Traced(b.put(index.at, layer), have, [*index.axes, have[-1]])


def cast(b: Builder, x: Traced, kind: str) -> Traced:
    """kind: "f" numbers, "i" whole numbers, "b" truth values"""
    if kind == x.kind:
        return x
    if kind == "f":
        return numbers(b, x)
    if kind == "b":
        return compare(b, "not_equal", x, 0)
    return Traced(numbers(b, x).at, x.have, x.axes, "f" if x.kind != "i" else "i")


def compare(b: Builder, function: str, x: Any, y: Any) -> Traced:
    """x > y and the like, and what follows from two of them: truth values, which are 1 and 0."""
    if function in ("logical_and", "logical_or", "logical_xor"):
        x, y = (truth(b, v) for v in ((x, y) if isinstance(x, Traced) else (y, x)))
        z = multiply(b, x, y) if function == "logical_and" else extreme(b, x, y) if function == "logical_or" else \
            compare(b, "not_equal", x, y)
        return Traced(z.at, z.have, z.axes, "b")
    turned = {"greater": "less", "less": "greater", "greater_equal": "less_equal", "less_equal": "greater_equal"}
    if not isinstance(x, Traced):
        x, y, function = y, x, turned.get(function, function)
    if isinstance(y, Traced):
        values, axes = b.unified([x, y])
        at = b.put(tuple(v.at for v in values), ours.Compare(function))
        have = [max((v.have[place] for v in values), key=len) for place in range(len(values[0].have))]
        return Traced(at, have, axes, "b")
    if isinstance(y, Varying):
        raise ValueError("compares with a constant that depends on the number of images")
    array = np.asarray(y)
    array = array.astype(b.dtype) if x.kind == "f" or array.dtype == bool else array
    x = b.with_room(b.widened(x, array.shape), array)
    return b.through(x, ours.CompareTo(function, b.constant(x, array) if array.ndim else array.reshape(1)), "b")


def truth(b: Builder, value: Any) -> Any:
    """A truth value as a number."""
    return numbers(b, value) if isinstance(value, Traced) else np.asarray(value, bool).astype(b.dtype)


def where(b: Builder, condition: Any, x: Any, y: Any) -> Traced:
    """x where the condition holds, else y."""
    if isinstance(condition, Traced):
        values = [v if isinstance(v, Traced) else constant(b, finite_array(b, v), condition) for v in (x, y)]
        (c, p, q), axes = b.unified([condition, *(numbers(b, v) for v in values)])
        at = b.put((c.at, p.at, q.at), ours.Choose())
        have = [max((v.have[place] for v in (c, p, q)), key=len) for place in range(len(c.have))]
        return Traced(at, have, axes)
    if isinstance(condition, Varying):
        raise_if = [np.asarray(condition.array), np.asarray(condition.other)]
    else:
        raise_if = [np.asarray(condition)] * 2
    seen = [np.asarray(each, bool) for each in raise_if]

    def part(value, chosen):
        if isinstance(value, Traced):
            return multiply(b, value, Varying(*(each.astype(b.dtype) for each in chosen)))
        pair = (value.array, value.other) if isinstance(value, Varying) else (value, value)
        return Varying(*(np.where(each, finite_array(b, v), 0).astype(b.dtype) for each, v in zip(chosen, pair)))
    return add(b, part(x, seen), part(y, [~each for each in seen]))


def finite_array(b: Builder, value: Any) -> Any:
    if isinstance(value, Varying):
        return Varying(finite_array(b, value.array), finite_array(b, value.other))
    return np.clip(np.asarray(value, b.dtype), LOWEST, -LOWEST)


__all__ = ["Builder", "translated", "zipped"]
