"""What multiplies matrices: dense layers, attention, einsum."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, has_batch, new
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import add, constant, multiply, scaled, shifted
from minixnn.interop.operations.moves import (repeat_interleave, reshape, select, swap, transpose, unsqueeze,
                                              widened_rank)
from minixnn.interop.operations.norms import reduce, softmax
from minixnn.interop.operations.values import LOWEST, numbers, optional, traced, weights
from minixnn.interop.program import Varying


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
    """softmax(scale Q K^T + mask) V, written out; Q, K, V (N, heads, tokens, width). What sees nothing gets 0."""
    T, U = traced(Q).shape[-2], traced(K).shape[-2]
    Q = multiply(b, Q, Q.shape[-1] ** -0.5 if scale is None else float(scale))
    groups = Q.shape[-3] // K.shape[-3] if Q.rank > 3 and K.shape[-3] and Q.shape[-3] != K.shape[-3] else 1
    if groups > 1:
        K, V = (repeat_interleave(b, each, groups, -3) for each in (K, V))
    S = matmul(b, Q, swap(b, K, -1, -2))
    seen = np.tri(T, U, dtype=bool) if causal else np.ones((T, U), bool)
    if causal:
        S = shifted(b, S, np.where(seen, 0.0, -np.inf).astype(b.dtype))
    if mask is not None:
        S = hidden(b, S, mask)
    return matmul(b, softmax(b, S, -1, masked=mask is not None and may_see_nothing(mask, seen)), V)


def may_see_nothing(mask: Any, seen: np.ndarray) -> bool:
    """Whether some token may be shown no other."""
    if isinstance(mask, Traced):
        return True
    return any(not ((each if each.dtype == bool else each > -np.inf) & seen).any(axis=-1).all()
               for each in ((mask.array, mask.other) if isinstance(mask, Varying) else (np.asarray(mask),)))


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
    factors = [of_each_image(t, v) if isinstance(v, Varying) else (t, v) for t, v in zip(terms, operands)]
    terms = [term for term, _ in factors]
    for term, value in factors:                             # letters of one term alone that are summed
        gone = [n for n, c in enumerate(term) if c not in out and sum(c in t for t in terms) == 1]
        if gone:
            value = reduce(b, "sum", value, gone, False) if isinstance(value, Traced) else \
                np.asarray(value).sum(axis=tuple(gone))
        values.append(("".join(c for n, c in enumerate(term) if n not in gone), value))
    if len(values) == 1:
        term, value = values[0]
        return transpose(b, traced(value), [term.index(c) for c in out])
    (s, x), (t, y) = values
    shared = [c for c in out if c in s and c in t]
    summed = [c for c in s if c in t and c not in out]
    rows, columns = [c for c in out if c in s and c not in t], [c for c in out if c in t and c not in s]
    # images stay an axis of their own, in front, which one side lacks: it is broadcast
    images = [c for term, value in ((s, x), (t, y)) if isinstance(value, Traced) for n, c in enumerate(term)
              if c in rows + columns and has_batch(value.axes[n])]
    rows, columns = ([c for c in letters if c not in images] for letters in (rows, columns))
    first, second = [[c for c in images if c in term] + shared for term in (s, t)]
    x = _arranged(b, x, s, [*first, *rows, *summed])
    y = _arranged(b, y, t, [*second, *summed, *columns])
    sizes = {c: n for term, value in (([*first, *rows, *summed], x), ([*second, *summed, *columns], y))
             for c, n in zip(term, _axes(value))}
    x = _merged(b, x, [len(first), len(rows), len(summed)])
    y = _merged(b, y, [len(second), len(summed), len(columns)])
    z = matmul(b, x, y)
    now = [*images, *shared, *rows, *columns]
    z = reshape(b, z, *zip(*(sizes[c] for c in now)))
    return transpose(b, z, [now.index(c) for c in out])


def of_each_image(term: str, value: Varying) -> tuple[str, np.ndarray]:
    """A factor that is the same for each image, without its axis of the images."""
    places = [n for n, (size, other) in enumerate(zip(value.shape, value.other.shape)) if size != other]
    array = value.array[tuple(slice(0, 1) if n in places else slice(None) for n in range(value.ndim))]
    if not all(np.array_equal(np.broadcast_to(array, each.shape), each) for each in (value.array, value.other)):
        raise ValueError("a factor depends on the number of images in a batch")
    return "".join(c for n, c in enumerate(term) if n not in places), array.squeeze(tuple(places))


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
