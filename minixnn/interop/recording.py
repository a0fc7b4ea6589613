"""An array that writes down what is done with it: how an explanation becomes a graph of ONNX operators.

A `Recorded` array holds the numbers of an example and the name of the tensor that stands for them in a graph. Operators
and the functions of `FUNCTIONS` compute with the numbers and add a node to the graph. So a rule that is written for
arrays, one of a reader's own too, writes its own graph down when it is called with recorded ones.

A graph has no branches: what a rule decides by looking at numbers would hold for the example alone. `arrays.require`
may look, since the domain of a rule is a condition on its user; every other question is refused by `Unrecordable`.
The first axis is the batch, of any length in the graph: no shape may depend on it otherwise than by being its length.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minixnn.arrays import Array

BATCH = 3                                       # images of the example: a length that the graph leaves open


class Unrecordable(TypeError):
    """What cannot be written down as a graph, in words that say what a rule may do instead."""


class Recording:
    """The nodes and constants of an ONNX graph, as far as it has been written."""

    def __init__(self, helper: Any, dtype: Any) -> None:
        self.helper, self.dtype = helper, np.dtype(dtype)
        self.nodes: list = []
        self.constants: dict[tuple, tuple] = {}             # what an array holds -> its name and the array
        self.known: dict[tuple, list[str]] = {}             # a node as it was asked for -> the names of its outputs
        self.functions: Any = None

    def node(self, kind: str, *inputs: Any, outputs: Any = 1, **settings: Any) -> Any:
        """The name of a node's output (a list of them for several). inputs: names, Recorded or host arrays.

        The same node of the same inputs is written once: turned images and winners of a pool are asked for again.
        """
        inputs = tuple(self.name_of(each) for each in inputs)
        key = (kind, inputs, repr(sorted(settings.items())))
        if key not in self.known:
            self.known[key] = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
            self.nodes.append(self.helper.make_node(kind, inputs, self.known[key], **settings))
        return self.known[key][0] if outputs == 1 else self.known[key]

    def name_of(self, value: Recorded | str | Array | None) -> str:
        """The tensor's name of a Recorded array, of a name, or of a constant, which is stored once."""
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, Recorded):
            return value.name
        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        key = (array.dtype.str, array.shape, array.tobytes())
        return self.constants.setdefault(key, (f"c{len(self.constants)}", array))[0]

    def record(self, result: float | Array | bool, kind: str, *inputs: Any, **settings: Any) -> Recorded:
        """A Recorded array: the numbers `result`, and the node that computes them from `inputs`."""
        return Recorded(result, self.node(kind, *inputs, **settings), self)


def numbers(value: float | Recorded | Array | None) -> Any:
    """The example's numbers of a Recorded array; anything else as it is."""
    return value.recorded if isinstance(value, Recorded) else value


class Recorded:
    """See the module. `recorded` are the example's numbers, `name` is the tensor, `graph` where it is written."""
    __array_ufunc__ = None                      # host arrays leave operators to this class

    def __init__(self, value: float | bool | Array, name: str, graph: Recording) -> None:
        self.recorded, self.name, self.graph = value, name, graph

    shape = property(lambda self: self.recorded.shape)
    dtype = property(lambda self: self.recorded.dtype)
    ndim = property(lambda self: self.recorded.ndim)
    size = property(lambda self: self.recorded.size)
    itemsize = property(lambda self: self.recorded.itemsize)
    T = property(lambda self: self.transpose())

    def __array_namespace__(self, api_version=None):
        return self.graph.functions             # recorded_functions.Functions, which stands for numpy

    def __array__(self, *_, **__):
        raise Unrecordable("a rule asked for the numbers of an array, which a graph does not have; use operators, "
                           "array methods and the functions of array_module(x)")

    def __len__(self):
        return len(self.recorded)

    def __bool__(self):
        raise Unrecordable("a rule asked whether a condition on numbers holds; a graph cannot branch. State the rule's "
                           "domain by minixnn.arrays.require, or choose by array_module(x).where")

    __float__ = __int__ = __index__ = __iter__ = __bool__

    # ------------------------------------------------------------------------------------------ operators
    def binary(self, other: Any, operator: Any, kind: str, swapped: bool = False, **settings: Any) -> Recorded:
        a, b = (other, self) if swapped else (self, other)
        x, y = self.fitting(a), self.fitting(b)
        value = operator(numbers(x), numbers(y))
        return self.graph.record(value, kind, x, y, **settings)

    def fitting(self, value: Any) -> Recorded | Array:
        """A number or array as it has to be to stand beside this one: a bool counts as 0 or 1 beside numbers."""
        if isinstance(value, Recorded):
            return value.astype(self.graph.dtype) if value.dtype.kind == "b" and self.dtype.kind == "f" else value
        value = np.asarray(value)
        if value.dtype.kind == "b" and self.dtype.kind == "b":
            return value
        return value.astype(self.dtype if self.dtype.kind != "b" else self.graph.dtype)

    def arithmetic(self, other: float | Recorded | Array, operator: Any, kind: str, swapped: bool = False) -> Recorded:
        x = self.astype(self.graph.dtype) if self.dtype.kind == "b" else self
        if isinstance(other, Recorded) and other.dtype.kind == "b":
            other = other.astype(self.graph.dtype)
        return x.binary(other, operator, kind, swapped)

    def __add__(self, other): return self.arithmetic(other, np.add, "Add")
    def __radd__(self, other): return self if isinstance(other, int) and other == 0 else self + other
    def __sub__(self, other): return self.arithmetic(other, np.subtract, "Sub")
    def __rsub__(self, other): return self.arithmetic(other, np.subtract, "Sub", True)
    def __mul__(self, other): return self.arithmetic(other, np.multiply, "Mul")
    __rmul__ = __mul__
    def __truediv__(self, other): return self.arithmetic(other, np.divide, "Div")
    def __rtruediv__(self, other): return self.arithmetic(other, np.divide, "Div", True)
    def __pow__(self, other): return self.arithmetic(other, np.power, "Pow")
    def __matmul__(self, other): return self.binary(other, np.matmul, "MatMul")
    def __rmatmul__(self, other): return self.binary(other, np.matmul, "MatMul", True)
    def __neg__(self): return self.graph.record(-self.recorded, "Neg", self)
    def __abs__(self): return self.graph.record(abs(self.recorded), "Abs", self)
    def __lt__(self, other): return self.binary(other, np.less, "Less")
    def __gt__(self, other): return self.binary(other, np.greater, "Greater")
    def __le__(self, other): return self.binary(other, np.less_equal, "LessOrEqual")
    def __ge__(self, other): return self.binary(other, np.greater_equal, "GreaterOrEqual")
    def __eq__(self, other): return self.binary(other, np.equal, "Equal")
    def __ne__(self, other): return ~(self == other)
    def __and__(self, other): return self.binary(other, np.logical_and, "And")
    def __or__(self, other): return self.binary(other, np.logical_or, "Or")
    def __xor__(self, other): return self.binary(other, np.logical_xor, "Xor")
    def __invert__(self): return self.graph.record(~self.recorded, "Not", self)
    __rand__, __ror__, __hash__ = __and__, __or__, None             # type: ignore[assignment]

    # ------------------------------------------------------------------------------------------ shapes
    def length(self, shape: tuple[int, ...]) -> Array:
        """A shape as ONNX takes it: 0, "as before", for the batch."""
        return np.asarray([0 if n == 0 and m == len(self) else m for n, m in enumerate(shape)], np.int64)

    def reshape(self, *shape: Any) -> Recorded:
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        value = self.recorded.reshape(shape)
        if value.shape[:1] != self.shape[:1]:
            raise Unrecordable(f"a rule reshapes {self.shape} to {value.shape}, which merges images of the batch; a "
                               "graph is for batches of any length")
        return self.graph.record(value, "Reshape", self, self.length(value.shape))

    def transpose(self, *axes: Any) -> Recorded:
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        axes = tuple(axes) or tuple(reversed(range(self.ndim)))
        return self.graph.record(self.recorded.transpose(axes), "Transpose", self, perm=axes)

    def places(self, index: Any) -> Any:
        """An index with one entry for each axis, a slice, and None for new ones."""
        index = index if isinstance(index, tuple) else (index,)
        missing = self.ndim - sum(each is not None and each is not Ellipsis for each in index)
        at = next((n for n, each in enumerate(index) if each is Ellipsis), len(index))
        return index[:at] + (slice(None),) * missing + index[at + 1:]

    def __getitem__(self, index):
        """Slices, None, ..., and a number for another axis than the batch."""
        index = self.places(index)
        if any(isinstance(each, int) for each in index[1:]) and not isinstance(index[0], int):
            kept = self[tuple(slice(each, each + 1 or None) if isinstance(each, int) else each for each in index)]
            return kept.reshape([n for n, each in zip(kept.shape, index) if not isinstance(each, int)])
        if not all(each is None or isinstance(each, slice) for each in index):
            raise Unrecordable(f"a rule takes the entries {index!r} of an array; a graph is written for slices")
        x, cuts = self, [each for each in index if each is not None]
        chosen = [(axis, *cut.indices(n)) for axis, (cut, n) in enumerate(zip(cuts, self.shape)) if cut != slice(None)]
        if chosen:
            axes, starts, stops, steps = (np.asarray(part, np.int64) for part in zip(*chosen))
            x = self.graph.record(self.recorded[tuple(cuts)], "Slice", x, starts, stops, axes, steps)
        new = [place for place, each in enumerate(index) if each is None]
        if new:
            x = self.graph.record(np.expand_dims(x.recorded, new), "Unsqueeze", x, np.asarray(new, np.int64))
        return x

    def __setitem__(self, index, value):
        """x[condition] = number, or x[slices] = array: the name stands for another tensor from here on."""
        if isinstance(index, Recorded) and index.dtype.kind == "b":
            filled = np.where(index.recorded, value, self.recorded).astype(self.dtype)
            self.name = self.graph.node("Where", index, np.asarray(value, self.dtype), self.name)
            self.recorded = filled
            return
        index = self.places(index)
        if not all(isinstance(each, (slice, int)) for each in index) or index[0] != slice(None):
            raise Unrecordable("a rule writes into an array; a graph is written for x[condition] = number and for "
                               "x[slices] = array, for all images")
        index = tuple(slice(each, each + 1 or None) if isinstance(each, int) else each for each in index)
        kept = np.ones((1, *self.shape[1:]), self.dtype)
        kept[index] = 0
        shape = (len(self), *(len(range(*cut.indices(n))) for cut, n in zip(index[1:], self.shape[1:])))
        value = value.reshape(shape) if isinstance(value, Recorded) else np.broadcast_to(value, (1, *shape[1:]))
        for axis, (cut, n) in enumerate(zip(index, self.shape)):
            if cut != slice(None):              # spread along this axis: a product with rows of a unit matrix
                rows = np.eye(n, dtype=self.dtype)[cut]
                order = [*(k for k in range(self.ndim) if k != axis), axis]
                value = (value.transpose(order) @ rows).transpose([order.index(k) for k in range(self.ndim)])
        new = self * kept + value
        self.recorded, self.name = new.recorded, new.name

    # ------------------------------------------------------------------------------------------ methods
    def copy(self) -> Recorded:
        return Recorded(self.recorded.copy(), self.name, self.graph)

    def astype(self, dtype: Any, copy: bool = True) -> Recorded:
        code = self.graph.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self if np.dtype(dtype) == self.dtype else self.graph.record(
            self.recorded.astype(dtype), "Cast", self, to=code)

    def swapaxes(self, a: int, b: int) -> Recorded:
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(order)

    def repeat(self, count: int, axis: int) -> Recorded:
        return self.__array_namespace__().repeat(self, count, axis)

    def clip(self, low: float | None = None, high: float | None = None) -> Recorded:
        ends = [None if end is None or abs(end) == np.inf else np.asarray(end, self.dtype) for end in (low, high)]
        return self.graph.record(self.recorded.clip(low, high), "Clip", self, *ends)

    def reduced(self, operator: Any, kind: Any, axis: Any, keepdims: Any, by_input: Any = False) -> Any:
        axes = tuple(range(self.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        x = self.astype(self.graph.dtype) if self.dtype.kind == "b" else self
        value = operator(x.recorded, axis=axes, keepdims=keepdims)
        if by_input:                            # ReduceSum takes its axes as an input, the others as a setting
            return self.graph.record(value, kind, x, np.asarray(axes, np.int64), keepdims=int(keepdims))
        return self.graph.record(value, kind, x, axes=axes, keepdims=int(keepdims))

    def sum(self, axis: int | None = None, dtype: Any = None, keepdims: bool = False) -> Recorded:
        return self.reduced(np.sum, "ReduceSum", axis, keepdims, True)

    def mean(self, axis: tuple[int, ...] | None = None, dtype: Any = None, keepdims: bool = False) -> Recorded:
        return self.reduced(np.mean, "ReduceMean", axis, keepdims)

    def max(self, axis: int | None = None, keepdims: bool = False, initial: Any = None) -> Recorded:
        return self.reduced(np.max, "ReduceMax", axis, keepdims)

    def min(self, axis: Any = None, keepdims: Any = False, initial: Any = None) -> Any:
        return self.reduced(np.min, "ReduceMin", axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Recorded:
        return self.reduced(np.min, "ReduceMin", axis, keepdims) > 0.5

    def any(self, axis: Any = None, keepdims: Any = False) -> Any:
        return self.reduced(np.max, "ReduceMax", axis, keepdims) > 0.5
