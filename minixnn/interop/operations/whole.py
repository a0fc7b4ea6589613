"""What reads or makes whole numbers and truth values: tables of rows, comparisons, choices."""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, new
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import add, constant, extreme, multiply
from minixnn.interop.operations.values import LOWEST, finite_array, numbers, traced, weights
from minixnn.interop.program import Varying


def embedding(b: Builder, W: Any, index: Any) -> Traced:
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
        return compare(b, "not_equal", x, 0)
    if x.kind == "b":
        return numbers(b, x).of_kind("w")                   # 0 and 1 need no cutting
    return x.of_kind("c")


def compare(b: Builder, function: str, x: Any, y: Any) -> Traced:
    """x > y and the like, and what follows from two of them: truth values, which are 1 and 0."""
    x, y = (numbers(b, v) if isinstance(v, Traced) and v.kind == "c" else v for v in (x, y))    # refuses them
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
    if array.size == 1 and np.isneginf(array).all() and function in ("equal", "not_equal"):     # what hides tokens here
        low, high = ("greater", "less_equal") if function == "equal" else ("less_equal", "greater")
        return compare(b, "logical_and" if function == "equal" else "logical_or",
                       compare(b, low, x, np.asarray(10 * LOWEST)), compare(b, high, x, np.asarray(LOWEST / 2)))
    array = array.astype(b.dtype) if x.kind in ("f", "w") or array.dtype == bool else array
    x = b.with_room(b.widened(x, array.shape), array)
    return b.through(x, ours.CompareTo(function, b.constant(x, array) if array.ndim else array.reshape(1)), "b")


def true_or_false(value: Any) -> Any:
    """The value itself, which is asked bit by bit."""
    kind = value.kind if isinstance(value, Traced) else np.asarray(getattr(value, "array", value)).dtype.kind
    if kind != "b":
        raise ValueError("works on the bits of whole numbers, expected truth values")
    return value


def truth(b: Builder, value: Any) -> Any:
    """A truth value, or whether a number is not 0, as a number."""
    if isinstance(value, Varying):
        return Varying(*(np.asarray(each, bool).astype(b.dtype) for each in (value.array, value.other)))
    if not isinstance(value, Traced):
        return np.asarray(value, bool).astype(b.dtype)
    return numbers(b, value if value.kind == "b" else compare(b, "not_equal", value, 0))


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
