"""The functions that `array_module(x)` offers for a recorded array: those that layers and rules use.

Functions of recorded arrays write a node. Arrays of known numbers are NumPy's, but for those whose length is the
batch's: they have to grow with it.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.interop.recording import BATCH, Recorded, Unrecordable, numbers

if TYPE_CHECKING:
    from minixnn.interop.recording import Recording

HOST = ("arange", "asarray", "eye", "finfo", "float32", "float64", "inf", "int64", "isscalar", "newaxis", "result_type")
UNARY = {"exp": "Exp", "log": "Log", "tanh": "Tanh", "sqrt": "Sqrt", "abs": "Abs", "isnan": "IsNaN", "isinf": "IsInf",
         "floor": "Floor", "sign": "Sign"}


class Functions:
    """What stands for numpy or cupy while `graph` is written."""

    def __init__(self, graph: Recording) -> None:
        self.graph = graph

    def __getattr__(self, name):
        if name in HOST:
            return getattr(np, name)
        if name in UNARY:
            return lambda x: self.unary(name, x)
        raise Unrecordable(f"a rule or layer calls {name}, for which no graph is written; it may call "
                           f"{', '.join(sorted([*HOST, *UNARY, *(k for k in vars(Functions) if k[0] != '_')]))}")

    def unary(self, name: str, x: Recorded) -> Recorded:
        function = getattr(np, name)
        return self.graph.record(function(x.recorded), UNARY[name], x) if isinstance(x, Recorded) else function(x)

    def isfinite(self, x: Any) -> Any:
        return ~(self.isinf(x) | self.isnan(x)) if isinstance(x, Recorded) else np.isfinite(x)

    def log1p(self, x: Recorded) -> Recorded:
        return self.log(1 + x)

    def expm1(self, x: Recorded) -> Recorded:
        return self.exp(x) - 1

    def where(self, condition: Any, a: float | Recorded | Array, b: float | Recorded | Array) -> Recorded:
        value = np.where(numbers(condition), numbers(a), numbers(b))
        dtype = next((each.dtype for each in (a, b) if isinstance(each, Recorded)), value.dtype)
        a, b = (each if isinstance(each, Recorded) else np.asarray(each, dtype) for each in (a, b))
        return self.graph.record(value.astype(dtype), "Where", condition, a, b)

    def extreme(self, kind: Any, function: Any, a: Any, b: Any) -> Any:
        value = function(numbers(a), numbers(b))
        a, b = (each if isinstance(each, Recorded) else np.asarray(each, value.dtype) for each in (a, b))
        return self.graph.record(value, kind, a, b)

    def maximum(self, a: Any, b: Any, out: Any = None) -> Any:
        return self.extreme("Max", np.maximum, a, b)

    def minimum(self, a: Any, b: Any, out: Any = None) -> Any:
        return self.extreme("Min", np.minimum, a, b)

    def full(self, shape: tuple[int, ...], value: int, dtype: Any = None) -> Recorded | Array:
        """An array of one number; where its first axis is the batch, one that is as long as the batch."""
        array = np.full(shape, value, dtype or self.graph.dtype)
        if array.ndim == 0 or len(array) != BATCH:
            return array
        zero = np.asarray([0], np.int64)
        batch = self.graph.node("Slice", self.graph.node("Shape", "input"), zero, zero + 1)
        sizes = self.graph.node("Concat", batch, np.asarray(array.shape[1:], np.int64), axis=0)
        return self.graph.record(array, "Expand", np.full((1,) * array.ndim, value, array.dtype), sizes)

    def zeros(self, shape: tuple[int, ...], dtype: Any = None) -> Recorded:
        return self.full(shape, 0, dtype)

    def ones(self, shape: tuple[int, ...], dtype: Any = None) -> Recorded:
        return self.full(shape, 1, dtype)

    empty = zeros

    def ones_like(self, x: Recorded | Array, dtype: Any = None) -> Recorded | Array:
        return self.full(x.shape, 1, x.dtype)

    def zeros_like(self, x: Recorded, dtype: Any = None) -> Recorded:
        return self.full(x.shape, 0, x.dtype)

    def broadcast_to(self, x: Recorded | Array, shape: tuple[int, ...]) -> Any:
        if not isinstance(x, Recorded):
            value = np.broadcast_to(x, shape)
            return self.ones(shape, value.dtype) * value[:1] if len(value) == BATCH else value
        sizes = np.asarray([1 if n == 0 and m == len(x) else m for n, m in enumerate(shape)], np.int64)
        return x.graph.record(np.broadcast_to(x.recorded, shape), "Expand", x, sizes)

    def repeat(self, x: Recorded, count: int, axis: int) -> Recorded:
        """Every entry of an axis `count` times: one more axis of that length, and both as one."""
        axis = axis % x.ndim
        wide = x[(slice(None),) * (axis + 1) + (None,)]
        wide = self.broadcast_to(wide, (*x.shape[:axis + 1], count, *x.shape[axis + 1:]))
        return wide.reshape(*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1:])

    def concatenate(self, arrays: list[Recorded], axis: int = 0) -> Recorded:
        if axis % arrays[0].ndim == 0:
            raise Unrecordable("a rule joins arrays along the batch; a graph treats every image by itself")
        return self.graph.record(np.concatenate([numbers(a) for a in arrays], axis), "Concat", *arrays, axis=axis)

    def matmul(self, a: Any, b: Any, out: Any = None) -> Any:
        return a @ b
