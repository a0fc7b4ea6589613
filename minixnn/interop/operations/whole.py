"""What reads or makes whole numbers and truth values: tables of rows, places, comparisons, choices."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, new, sized
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import (add, constant, elementwise, extreme, joined, multiply,
                                                   shifted, subtract)
from minixnn.interop.operations.moves import points, reshape, select, take
from minixnn.interop.operations.values import (LOWEST, Constant, Value, Varying, both, both_of, finite_array, numbers,
                                               traced, weights)

FLOATS = (1, 10, 11, 16)        # of onnx.TensorProto.DataType: float32, float16, double, bfloat16
WHOLE, SMALL, TRUTH = (2, 3, 4, 5, 6, 7, 12, 13), (2, 3, 4, 5), (9,)
STEPS = {"greater": "less", "less": "greater", "greater_equal": "less_equal", "less_equal": "greater_equal"}


def embedding(b: Builder, W: Value, index: Value, *more: object) -> Traced:
    """Rows of W, one for each token."""
    W, index = weights(W), traced(index)
    if W.ndim != 2:
        raise ValueError(f"looks up rows of an array of shape {W.shape}, expected (tokens, channels)")
    layer = ours.Categories(W) if index.kind in ("f", "c", "w") else ours.Embedding(W)
    have = [*index.have, new(W.shape[1])] if W.shape[1] > 1 else [*index.have, ()]
    return Traced(b.put(index.at, layer), have, [*index.axes, have[-1]])


def cast(b: Builder, x: Traced, kind: str) -> Traced:
    """kind: "f" numbers, "i" whole numbers, "b" truth values; "c" becomes what only an embedding may cut to whole"""
    if kind == x.kind or kind in ("i", "w", "c") and x.kind in ("i", "w"):
        return x
    if kind == "f":
        return numbers(b, x)
    if kind == "b":
        return compare(b, x, 0, relation="not_equal")
    if x.kind == "b":
        return numbers(b, x).of_kind("w")                   # 0 and 1 need no cutting
    return x.of_kind("c")


def cast_to(b: Builder, x: Traced, to: int) -> Traced:
    """to: a type of onnx.TensorProto"""
    if to not in FLOATS + WHOLE + TRUTH:
        raise ValueError(f"casts to numbers of type {to} of onnx.TensorProto")
    if to in SMALL and x.kind in ("i", "w", "c"):
        raise ValueError("casts whole numbers to some of 8 or 16 bits, where large ones become others; expected int32 "
                         "or int64")
    return cast(b, x, "f" if to in FLOATS else "b" if to in TRUTH else "i")


def cast_like(b: Builder, x: Value, like: Value) -> Value:
    """x as numbers of the type of another value."""
    if isinstance(like, Traced):
        return cast(b, x, like.kind) if isinstance(x, Traced) else both(
            lambda a: a.astype({"f": b.dtype, "b": bool}.get(like.kind, np.int64)), x)
    name = both_of(like)[0].dtype.name
    kind = "b" if name == "bool" else "f" if name in ("bfloat16", "float16", "float32", "float64") else \
        "i" if name.startswith(("int", "uint")) else ""
    if not kind:
        raise ValueError(f"casts to numbers of type {name}")
    return cast(b, traced(x), kind)


def convert(b: Builder, x: Value, *more: object, **named: object) -> Value:
    """torch's to(dtype), among other arguments; or as what is computed from the input has it."""
    if more and isinstance(more[0], Traced):
        return cast_like(b, x, more[0])
    for each in map(str, (*more, *named.values())):
        for kind, words in (("f", ("float", "double", "half")), ("b", ("bool",)), ("i", ("int", "long"))):
            if each.startswith("torch.") and any(word in each for word in words):
                if kind == traced(x).kind == "f" and ("16" in each or "half" in each):
                    raise ValueError(f"rounds to {each} what is computed from the input, which a Network does not; "
                                     "leave the cast out, or give module.float()")
                return cast(b, traced(x), kind)
    return x


def compare(b: Builder, x: Value, y: Value, *, relation: str) -> Traced:
    """x > y and the like: truth values, which are 1 and 0."""
    x, y = (numbers(b, v) if isinstance(v, Traced) and v.kind == "c" else v for v in (x, y))    # refuses them
    if not isinstance(x, Traced):
        x, y, relation = traced(y), x, STEPS.get(relation, relation)
    if isinstance(y, Traced):
        return joined(b, [x, y], ours.Compare(relation), "b")
    if isinstance(y, Varying):
        raise ValueError("compares with a constant that depends on the number of images")
    array = np.asarray(y)
    if array.size == 1 and np.isneginf(array).all() and relation in ("equal", "not_equal"):     # what hides tokens here
        low, high = ("greater", "less_equal") if relation == "equal" else ("less_equal", "greater")
        return combine(b, compare(b, x, 10 * LOWEST, relation=low), compare(b, x, LOWEST / 2, relation=high),
                       relation="and" if relation == "equal" else "or")
    array = array.astype(b.dtype) if x.kind in ("f", "w") or array.dtype == bool else array
    x = b.with_room(b.widened(x, array.shape), array)
    return b.through(x, ours.CompareTo(relation, b.constant(x, array) if array.ndim else array.reshape(1)), "b")


def combine(b: Builder, x: Value, y: Value, *, relation: str, bits: bool = False) -> Traced:
    """relation: "and", "or", "xor" of truth values, or of whether numbers are not 0. bits: of bits, where it may be"""
    x, y = (truth(b, bits_of(v) if bits else v) for v in ((x, y) if isinstance(x, Traced) else (y, x)))
    return multiply(b, x, y).of_kind("b") if relation == "and" else extreme(b, x, y).of_kind("b") if \
        relation == "or" else compare(b, x, y, relation="not_equal")


def negate(b: Builder, x: Value, bits: bool = False) -> Traced:
    return compare(b, bits_of(x) if bits else x, np.asarray(False), relation="equal")


def bits_of(value: Value) -> Value:
    """The value itself, which is asked bit by bit."""
    if (value.kind if isinstance(value, Traced) else both_of(value)[0].dtype.kind) != "b":
        raise ValueError("works on the bits of whole numbers, expected truth values")
    return value


def truth(b: Builder, value: Value) -> Value:
    """A truth value, or whether a number is not 0, as a number."""
    if not isinstance(value, Traced):
        return both(lambda a: np.asarray(a, bool).astype(b.dtype), value)
    return numbers(b, value if value.kind == "b" else compare(b, value, 0, relation="not_equal"))


class IsNaN(NamedTuple):
    """Where the results of a softmax are no numbers: where it sees nothing, as torch's exporter asks."""
    of: Traced


def is_nan(b: Builder, x: Traced) -> IsNaN:
    if not isinstance(b.layers[x.at - 1], ours.Softmax):
        raise ValueError("asks which numbers are NaN, expected that of a softmax: here all numbers are finite")
    return IsNaN(x)


def where(b: Builder, condition: Value | IsNaN, x: Value, y: Value) -> Traced:
    """x where the condition holds, else y."""
    if isinstance(condition, IsNaN):
        if isinstance(x, Traced) or np.any(both_of(x)) or not isinstance(y, Traced) or y.at != condition.of.at:
            raise ValueError("puts something in place of NaN, expected 0 in place of a softmax that sees nothing")
        b.layers[y.at - 1] = ours.Softmax(vars(b.layers[y.at - 1])["axis"], masked=True)
        return y
    if isinstance(condition, Traced):
        values = [v if isinstance(v, Traced) else constant(b, finite_array(b, v), condition) for v in (x, y)]
        return joined(b, [condition, *(numbers(b, v) for v in values)], ours.Choose())

    def part(value: Value, chosen: Constant) -> Value:
        if isinstance(value, Traced):
            return multiply(b, value, both(lambda a: a.astype(b.dtype), chosen))
        return both(lambda a, v: np.where(a, v, 0).astype(b.dtype), chosen, finite_array(b, value))
    seen = both(lambda a: np.asarray(a, bool), condition)
    return add(b, part(x, seen), part(y, both(np.logical_not, seen)))


def softplus(b: Builder, x: Traced, beta: float = 1, threshold: float = 20) -> Traced:
    """From the threshold on torch passes x on; at its default of 20 that is softplus to 2e-9."""
    y = elementwise(b, x, ours.Softplus(float(beta)))
    return y if threshold >= 20 else where(b, compare(b, multiply(b, x, beta), threshold, relation="greater"), x, y)


def sign(b: Builder, x: Traced) -> Traced:
    """1, 0 or -1: two comparisons."""
    return subtract(b, compare(b, x, 0.0, relation="greater"), compare(b, x, 0.0, relation="less"))


def threshold(b: Builder, x: Traced, alpha: float, value: float = 0.0) -> Traced:
    """x where it is above alpha, else the value."""
    return where(b, compare(b, x, np.asarray(alpha, b.dtype), relation="greater"), x, value)


def shrink(b: Builder, x: Traced, bias: float = 0.0, lambd: float = 0.5) -> Traced:
    """0 between -lambd and lambd, else x, nearer to 0 by the bias."""
    low, high = (compare(b, x, np.asarray(end, b.dtype), relation=relation)
                 for end, relation in ((-lambd, "less"), (lambd, "greater")))
    return add(b, where(b, low, shifted(b, x, bias), 0.0), where(b, high, shifted(b, x, -bias), 0.0))


def rows(b: Builder, x: Value, axis: int, index: Value) -> Traced:
    """x[..., index, ...]; places that are computed from the input choose rows of a constant matrix."""
    if not isinstance(index, Traced):
        return take(b, x, axis, index)
    if isinstance(x, Traced) or axis != 0 or both_of(x)[0].ndim != 2:
        raise ValueError("takes places that are computed from the input, expected rows of a matrix: what is chosen by "
                         "a value has no gradient that explains")
    return embedding(b, x, index)


def index(b: Builder, x: Value, places: Sequence[Value | None]) -> Traced:
    """torch's x[i, j], None for a whole axis."""
    given = {axis: place for axis, place in enumerate(places) if place is not None}
    if not isinstance(x, Traced):
        if list(given) == [0]:
            return rows(b, x, 0, traced(given[0]))
        raise ValueError("looks places up in a constant that are computed from the input, expected one table of rows")
    if any(isinstance(place, (Traced, Varying)) for place in given.values()):
        return of_each_image(b, x, places)
    arrays = [both_of(place)[0] for place in given.values()]
    arrays = [np.flatnonzero(a) if a.dtype == bool and a.ndim == 1 else a for a in arrays]
    return take(b, x, list(given)[0], arrays[0]) if len(given) == 1 else points(b, x, list(given), arrays)


def of_each_image(b: Builder, x: Traced, places: Sequence[Value | None]) -> Traced:
    """x[arange(batch), place]: the same place of each image, or the same places."""
    images, *others = places
    if isinstance(images, Varying) and all(np.array_equal(a.ravel(), np.arange(len(a))) for a in images.both):
        arrays = [both_of(place)[0] for place in others if place is not None and not isinstance(place, Traced)]
        if images.ndim == len(others) == len(arrays) == 1 and len(np.unique(arrays[0])) == 1:
            return select(b, x, 1, int(np.ravel(arrays[0])[0]))
        rank, fixed = images.ndim, not any(isinstance(place, Varying) for place in others)
        if rank > 1 and fixed and others and len(arrays) == len(others) and all(
                a.ndim < rank or a.ndim == rank and len(a) == 1 for a in arrays):
            arrays = list(np.broadcast_arrays(*(a[0] if a.ndim == rank else a for a in arrays),
                                              np.zeros([1] * (rank - 1), int)))[:-1]
            y = points(b, x, range(1, len(places)), [a.ravel() for a in arrays])   # a row: all in order cost nothing
            return reshape(b, y, [y.sizes[0], *arrays[0].shape, *y.sizes[2:]])
    raise ValueError("takes places that are computed from the input, or other ones for each image: what is chosen by a "
                     "value has no gradient that explains")


# The shape of a value, and constants of its shape

def shape(b: Builder, x: Traced, start: int = 0, end: int | None = None) -> Constant:
    first, second = (np.array(sizes[start:end], np.int64) for sizes in (x.shape, x.other_shape))
    return first if np.array_equal(first, second) else Varying(first, second)


def size(b: Builder, x: Traced, axis: int | None = None) -> int:
    """How many numbers there are, along an axis or in all."""
    return sized(math.prod(x.shape), math.prod(x.other_shape)) if axis is None else x.sizes[axis]


def count(b: Builder, x: Traced) -> Constant:
    first, second = (np.asarray(math.prod(sizes), np.int64) for sizes in (x.shape, x.other_shape))
    return first if first == second else Varying(first, second)


def full_like(b: Builder, x: Traced, value: float, **more: object) -> Varying:
    return Varying(*(np.full(sizes, value, b.dtype) for sizes in (x.shape, x.other_shape)))
