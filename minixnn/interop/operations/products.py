"""What multiplies matrices: dense layers, attention, einsum."""
from __future__ import annotations

import math
import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from minixnn import layers as ours
from minixnn.interop.axes import Traced, has_batch, new, sized
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import add, constant, elementwise, multiply, scaled, shifted, subtract
from minixnn.interop.operations.moves import (diagonal, expand, flatten, repeat_interleave, replaced, reshape, select,
                                              sizes_of, swap, transpose, unsqueeze, widened_rank)
from minixnn.interop.operations.norms import reduce, softmax
from minixnn.interop.operations.values import (LOWEST, Complex, Places, Sizes, Value, Varying, both, both_of, integers,
                                               numbers, optional, traced, weights)


def linear(b: Builder, x: Value, W: Value, bias: Value | None = None) -> Traced:
    """x @ W.T + bias along the last axis; W (O, I)"""
    return dense(b, x, weights(W).T, bias)


def dense(b: Builder, x: Value, W: Value, bias: Value | None = None) -> Traced:
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


def matmul(b: Builder, x: Value, y: Value) -> Traced:
    """A matrix product as NumPy has it: the last two axes, the others are broadcast."""
    if isinstance(x, Traced) and isinstance(y, Traced):
        return product(b, x, y)
    other_is_first = isinstance(x, Traced)
    other, c = (x, y) if isinstance(x, Traced) else (traced(y), x)
    if other.rank == 1:
        raise ValueError("multiplies by a vector that holds one number for each image, which mixes images")
    if not other_is_first and np.ndim(both_of(c)[0]) == 1:
        return select(b, matmul(b, both(lambda a: a[None], c), other), -2, 0)
    if not isinstance(c, Varying):
        c = weights(c)
        if c.ndim == 1:
            return select(b, dense(b, other, c[:, None]), -1, 0)
        if math.prod(c.shape[:-2]) == 1:        # one matrix
            other, W = widened_rank(b, other, c.ndim), c.reshape(c.shape[-2:])
            return dense(b, other, W) if other_is_first else swap(b, dense(b, swap(b, other, -1, -2), W.T), -1, -2)
    c = constant(b, c, widened_rank(b, other, c.ndim))
    return product(b, other, c) if other_is_first else product(b, c, other)


def gemm(b: Builder, x: Value, y: Value, c: Value | None = None, alpha: float = 1.0, beta: float = 1.0,
         transA: int = 0, transB: int = 0) -> Traced:
    """alpha x y + beta c"""
    if transA:
        x = swap(b, x, 0, 1) if isinstance(x, Traced) else both(np.transpose, x)
    if isinstance(y, Traced):
        y = swap(b, y, 0, 1) if transB else y
    elif not isinstance(y, Varying):
        y = weights(y)
        if y.ndim < 2:
            raise ValueError(f"weights of shape {y.shape} are not supported, expected (inputs, outputs)")
        y, alpha = (y.T if transB else y) * y.dtype.type(alpha), 1
    z = matmul(b, x, y)
    z = z if alpha == 1 else multiply(b, z, alpha)
    return z if c is None else add(b, z, c, beta)


def addmm(b: Builder, c: Value, x: Value, y: Value, beta: float = 1, alpha: float = 1) -> Traced:
    return gemm(b, x, y, c, alpha, beta)


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


def attention(b: Builder, Q: Traced, K: Traced, V: Traced, attn_mask: Value | None = None,
              dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False
              ) -> Traced:
    """softmax(scale Q K^T + mask) V, written out; Q, K, V (N, heads, tokens, width). What sees nothing gets 0."""
    if dropout_p:
        raise ValueError(f"dropout_p={dropout_p} draws at random whenever it runs, expected 0")
    T, U = traced(Q).shape[-2], traced(K).shape[-2]
    Q = multiply(b, Q, Q.shape[-1] ** -0.5 if scale is None else float(scale))
    groups = Q.shape[-3] // K.shape[-3] if Q.rank > 3 and K.shape[-3] and Q.shape[-3] != K.shape[-3] else 1
    if groups > 1:
        K, V = (repeat_interleave(b, each, groups, -3) for each in (K, V))
    S = matmul(b, Q, swap(b, K, -1, -2))
    seen = np.tri(T, U, dtype=bool) if is_causal else np.ones((T, U), bool)
    if is_causal:
        S = shifted(b, S, np.where(seen, 0.0, -np.inf).astype(b.dtype))
    if attn_mask is not None:
        S = hidden(b, S, attn_mask)
    return matmul(b, softmax(b, S, masked=attn_mask is not None and may_see_nothing(attn_mask, seen)), V)


def attention_of_heads(b: Builder, Q: Traced, K: Traced, V: Traced, mask: Value | None = None, *past: Value | None,
                       is_causal: int = 0, scale: float | None = None, q_num_heads: int = 1, kv_num_heads: int = 1,
                       softcap: float = 0.0) -> Traced:
    """ONNX's Attention, in which the heads may lie beside each other: (N, tokens, heads width)."""
    if any(each is not None for each in past) or softcap:
        raise ValueError("has a cache of keys, or softcap, expected queries, keys, values and a mask")
    if Q.rank == 4:
        return attention(b, Q, K, V, mask, 0.0, bool(is_causal), scale)

    def heads(x: Traced, n: int) -> Traced:
        return transpose(b, reshape(b, x, [*x.sizes[:2], n, x.shape[2] // n]), (0, 2, 1, 3))
    Q, K, V = heads(Q, q_num_heads), heads(traced(K), kv_num_heads), heads(traced(V), kv_num_heads)
    return flatten(b, transpose(b, attention(b, Q, K, V, mask, 0.0, bool(is_causal), scale), (0, 2, 1, 3)), 2)


def may_see_nothing(mask: Value, seen: np.ndarray) -> bool:
    """Whether some token may be shown no other."""
    return isinstance(mask, Traced) or any(
        not ((each if each.dtype == bool else each > -np.inf) & seen).any(axis=-1).all() for each in both_of(mask))


def hidden(b: Builder, S: Traced, mask: Value) -> Traced:
    """Scores with a mask: numbers to add, or truth values that say what may be seen."""
    if isinstance(mask, Traced):
        if mask.kind == "b":
            mask = shifted(b, scaled(b, mask, -LOWEST), LOWEST)
        return add(b, S, mask)
    return shifted(b, S, both(lambda a: np.where(a, 0.0, -np.inf).astype(b.dtype) if a.dtype == bool else a, mask))


def einsum(b: Builder, equation: str, operands: Sequence[Value], path: object = None) -> Traced:
    """A product of two, as a matrix product; of several, one after the other; or the axes of one in another order."""
    terms, out = letters_of(equation, operands)
    pairs = [without_pairs(b, term, value) for term, value in zip(terms, operands)]
    while len(pairs) > 2:
        (s, x), (t, y), *others = pairs
        kept = "".join(dict.fromkeys(c for c in s + t if c in out or any(c in term for term, _ in others)))
        step = f"{s},{t}->{kept}"
        pairs = [(kept, einsum(b, step, (x, y)) if isinstance(x, Traced) or isinstance(y, Traced) else
                  both(lambda p, q, step=step: np.einsum(step, p, q), x, y)), *others]
    terms, operands = [term for term, _ in pairs], [value for _, value in pairs]
    values = []
    factors = [of_each_image(t, v) if isinstance(v, Varying) else (t, v) for t, v in zip(terms, operands)]
    terms = [term for term, _ in factors]
    for term, value in factors:                             # letters of one term alone that are summed
        gone = [n for n, c in enumerate(term) if c not in out and sum(c in t for t in terms) == 1]
        if gone:
            value = reduce(b, value, gone, kind="sum") if isinstance(value, Traced) else \
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
    left_order, right_order = [*first, *rows, *summed], [*second, *summed, *columns]
    x, y = (transpose(b, value, [term.index(c) for c in order]) if isinstance(value, Traced) else
            np.asarray(value).transpose([term.index(c) for c in order])
            for value, term, order in ((x, s, left_order), (y, t, right_order)))
    sizes = {c: n for order, value in ((left_order, x), (right_order, y)) for c, n in zip(order, sizes_of(value))}
    z = matmul(b, merged(b, x, len(first), len(rows)), merged(b, y, len(second), len(summed)))
    now = [*images, *shared, *rows, *columns]
    return transpose(b, reshape(b, z, [sizes[c] for c in now]), [now.index(c) for c in out])


def letters_of(equation: str, operands: Sequence[Value]) -> tuple[list[str], str]:
    """The letters of each factor and of the result, with letters in place of "..."."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    terms, ranks = left.split(","), [len(sizes_of(value)) for value in operands]
    if len(terms) != len(operands):
        raise ValueError(f"einsum({equation!r}) of {len(operands)} factors, expected as many as it names")
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks)]
    free = "".join(c for c in string.ascii_letters if c not in left)[:max(hidden)]
    terms = [term.replace("...", free[len(free) - n:]) for term, n in zip(terms, hidden)]
    if [len(term) for term in terms] != ranks:
        raise ValueError(f"einsum({equation!r}) of arrays with {ranks} axes, expected a letter for each")
    if not arrow:
        out = "..." + "".join(sorted(c for c in set(left) - set(",.") if left.count(c) == 1))
    return terms, out.replace("...", free)


def of_each_image(term: str, value: Varying) -> tuple[str, np.ndarray]:
    """A factor that is the same for each image, without its axis of the images."""
    places = [n for n, (size, other) in enumerate(zip(value.shape, value.other.shape)) if size != other]
    array = value.array[tuple(slice(0, 1) if n in places else slice(None) for n in range(value.ndim))]
    if not all(np.array_equal(np.broadcast_to(array, each.shape), each) for each in (value.array, value.other)):
        raise ValueError("a factor depends on the number of images in a batch")
    return "".join(c for n, c in enumerate(term) if n not in places), array.squeeze(tuple(places))


def without_pairs(b: Builder, term: str, value: Value) -> tuple[str, Value]:
    """A factor of which no letter names two axes: the diagonal of those."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            first, second = term.index(c), term.rindex(c)
            value = diagonal(b, value, 0, first, second) if isinstance(value, Traced) else both(
                lambda a, first=first, second=second: np.diagonal(a, 0, first, second), value)
            term = term[:first] + term[first + 1:second] + term[second + 1:] + c
    return term, value


def bilinear(b: Builder, x: Value, y: Value, W: Value, bias: Value | None = None) -> Traced:
    """x W_o y for each output o"""
    z = einsum(b, "...i,oij,...j->...o", (x, W, y))
    return z if bias is None else add(b, z, bias)


def index_put(b: Builder, x: Value, places: Sequence[Value | None], source: Value, accumulate: bool = False) -> Value:
    """x[..., place, ...] = source, or += with accumulate"""
    given = {axis: place for axis, place in enumerate(places) if place is not None}
    if len(given) != 1 or isinstance(place := next(iter(given.values())), (Traced, Varying)) or np.ndim(place) != 1:
        raise ValueError("writes to places that are computed from the input, or along several axes at once, expected "
                         "a list of places along one axis")
    axis, sizes = next(iter(given)), sizes_of(x)
    found = np.arange(sizes[axis])[both_of(place)[0]]
    sizes[axis] = len(found)
    source = expand(b, source, sizes) if isinstance(source, Traced) else filled(source, sizes, b.dtype)
    if not accumulate:
        return replaced(b, x, source, axis, found)
    W = np.zeros((len(found), sizes_of(x)[axis]), b.dtype)
    W[np.arange(len(found)), found] = 1
    return add(b, x, swap(b, dense(b, swap(b, traced(source), axis, -1), W), axis, -1))


def filled(value: Value, sizes: Sequence[int], dtype: DTypeLike) -> Varying:
    """A constant broadcast to these sizes."""
    return Varying(*(np.broadcast_to(each.astype(dtype), shape) for each, shape in zip(
        both_of(value), ([int(n) for n in sizes], [getattr(n, "other", n) for n in sizes]))))


def merged(b: Builder, value: Value, lead: int, rows: int) -> Value:
    """(..., m, n): of the axes behind the first `lead` so many as one, and the rest as one."""
    sizes = sizes_of(value)
    target = [*sizes[:lead], *(product_of(part) for part in (sizes[lead:lead + rows], sizes[lead + rows:]))]
    return reshape(b, value, target) if isinstance(value, Traced) else np.reshape(value, target)


def product_of(sizes: Sequence[int]) -> int:
    return sized(math.prod(sizes), math.prod(getattr(n, "other", n) for n in sizes))


def cumsum(b: Builder, x: Traced, axis: Value, dtype: object = None, exclusive: int = 0, reverse: int = 0) -> Traced:
    """A product with a matrix of ones."""
    along = integers(axis)[0]
    W = np.tri(x.shape[along], k=-1 if exclusive else 0, dtype=b.dtype)
    return swap(b, dense(b, swap(b, x, along, -1), W if reverse else W.T), along, -1)


def fourier(b: Builder, x: Traced | Complex, size: Sizes | None = None, axes: Sizes | None = None,
            norm: str | None = None, *, usual: Sizes | None = None) -> Complex:
    """Products with cosines and sines, axis by axis: the usual ones, where none are named."""
    if size is not None:
        raise ValueError("pads or cuts what it transforms, expected its own size")
    parts = x if isinstance(x, Complex) else Complex([x])
    axes = usual if axes is None else axes
    for axis in integers(tuple(range(parts[0].rank)) if axes is None else axes):
        n = parts[0].shape[axis]
        W = np.exp(-2j * np.pi / n * np.outer(np.arange(n), np.arange(n)))
        W *= {"ortho": n ** -0.5, "forward": 1 / n}.get(norm or "", 1)
        cosines, sines = ([swap(b, dense(b, swap(b, part, axis, -1), half.astype(b.dtype)), axis, -1)
                           for part in parts] for half in (W.real, W.imag))
        parts = Complex([*cosines, *sines] if len(parts) == 1 else
                        [subtract(b, cosines[0], sines[1]), add(b, sines[0], cosines[1])])
    return parts


def triangle(b: Builder, x: Traced, k: Value = 0, upper: int = 1) -> Traced:
    mask = (np.triu if upper else np.tril)(np.ones(x.shape[-2:], b.dtype), integers(k)[0])
    return multiply(b, x, mask)


# Tables, with which scikit-learn's models are exported (the domain ai.onnx.ml)

def scaler(b: Builder, x: Value, offset: Sequence[float] = (0.0,), scale: Sequence[float] = (1.0,)) -> Traced:
    """(x - offset) * scale"""
    return multiply(b, subtract(b, x, np.asarray(offset, b.dtype)), np.asarray(scale, b.dtype))


def regressor(b: Builder, x: Value, coefficients: Sequence[float], intercepts: Sequence[float] | None = None,
              targets: int = 1, post_transform: str = "NONE") -> Traced:
    if post_transform not in ("NONE", "SOFTMAX", "LOGISTIC"):
        raise ValueError(f"post_transform={post_transform!r} is not supported, expected one of NONE, SOFTMAX, LOGISTIC")
    W = np.reshape(np.asarray(coefficients, b.dtype), (targets, -1)).T
    y = dense(b, x, W, None if intercepts is None else np.asarray(intercepts, b.dtype))
    return y if post_transform == "NONE" else softmax(b, y, 1) if post_transform == "SOFTMAX" else \
        elementwise(b, y, ours.Sigmoid())


def classifier(b: Builder, x: Value, coefficients: Sequence[float], intercepts: Sequence[float] = (),
               multi_class: int = 0, post_transform: str = "NONE", **labels: object) -> list[Traced | Places]:
    """A label, which is no number to explain, and a score for each class."""
    return [Places(), regressor(b, x, coefficients, intercepts, len(intercepts), post_transform)]


def normalizer(b: Builder, x: Traced, norm: str = "MAX") -> Traced:
    """Probabilities of a softmax sum to 1 as they are."""
    if norm != "L1" or not isinstance(b.layers[x.at - 1], ours.Softmax):
        raise ValueError(f"norm={norm!r} is supported for the probabilities of a softmax only")
    return x
