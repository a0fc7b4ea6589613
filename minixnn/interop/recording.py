"""An array that writes down what is done with it: how layers, rules and passes become a graph of ONNX operators.

A `Recorded` array holds the numbers of an example and the name of the tensor that stands for them in a graph. It
answers NumPy's protocols: its operators, NumPy's functions of it and those of `array_module(x)` compute with the
numbers and add a node to the graph. So what is written for arrays, a rule of a reader's own too, writes its own graph
down.

A graph has no branches: what is decided by looking at numbers would hold for the example alone. `arrays.require` may
look, since the domain of a rule is a condition on its user; every other question is refused by `Unrecordable`.
The first axis is the batch, of any length in the graph: no shape may depend on it otherwise than by being its length.
Whether that is so is seen by recording twice, examples of two lengths: `same_graph`.
"""
from __future__ import annotations

import functools
import hashlib
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minixnn.arrays import Array

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import DTypeLike

Operand: TypeAlias = "Recorded | Array | float"
Axes: TypeAlias = "int | Sequence[int] | None"
UFUNCS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "matmul": "MatMul",
    "maximum": "Max", "minimum": "Min", "negative": "Neg", "absolute": "Abs", "exp": "Exp", "log": "Log",
    "tanh": "Tanh", "sqrt": "Sqrt", "floor": "Floor", "sign": "Sign", "isnan": "IsNaN", "isinf": "IsInf",
    "less": "Less", "greater": "Greater", "less_equal": "LessOrEqual", "greater_equal": "GreaterOrEqual",
    "equal": "Equal", "bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor", "logical_and": "And",
    "logical_or": "Or", "logical_xor": "Xor", "invert": "Not", "logical_not": "Not",
    **{theirs.lower().replace("a", "arc", 1) if theirs[0] == "A" else theirs.lower(): theirs for theirs in (
        "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh")}}
COMPOSED = {"not_equal": lambda a, b: ~(a == b), "isfinite": lambda x: ~(np.isinf(x) | np.isnan(x)),
            "log1p": lambda x: np.log(1 + x), "expm1": lambda x: np.exp(x) - 1, "square": lambda x: x * x,
            "positive": lambda x: x.copy()}
METHODS = ("sum", "mean", "max", "min", "all", "any", "argmax", "argmin", "clip", "reshape", "transpose", "swapaxes",
           "repeat", "take", "copy")
HOST = ("arange", "asarray", "eye", "finfo", "float32", "float64", "inf", "int64", "isscalar", "newaxis", "result_type",
        "abs")


class Unrecordable(TypeError):
    """What cannot be written down as a graph, in words that say what a rule may do instead."""


class Recording:
    """The nodes and constants of an ONNX graph so far.

    batch: a tensor as long as the batch; length: how long it is in the example. place: what is being written, in words.
    """

    def __init__(self, helper: ModuleType, dtype: DTypeLike, batch: str, length: int) -> None:
        self.helper, self.dtype, self.batch, self.length = helper, np.dtype(dtype), batch, length
        self.place = ""
        self.nodes: list = []
        self.constants: dict[tuple, tuple] = {}             # what an array holds -> its name and the array
        self.known: dict[tuple, list[str]] = {}             # a node as it was asked for -> the names of its outputs
        self.functions = Functions(self)

    def node(self, kind: str, *inputs: Operand | str | None, outputs: int = 1, **settings: object) -> Array:
        """The name of a node's output (a list of them for several). inputs: names, Recorded or host arrays.

        The same node of the same inputs is written once: a pass may run the network again, or ask for winners twice.
        """
        names = tuple(self.name_of(each) for each in inputs)
        key = (kind, names, repr(sorted(settings.items())))
        if key not in self.known:
            self.known[key] = [f"{kind.lower()}_{len(self.nodes)}{'_' * k}" for k in range(outputs)]
            self.nodes.append(self.helper.make_node(kind, names, self.known[key], name=self.known[key][0],
                                                    doc_string=self.place, **settings))
        return self.known[key][0] if outputs == 1 else self.known[key]

    def name_of(self, value: Recorded | str | Array | None) -> str:
        """The tensor's name of a Recorded array, of a name, or of a constant, which is stored once."""
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, Recorded):
            return value.name
        array = np.asarray(value)
        return self.constant(array.astype(self.dtype) if array.dtype.kind == "f" else array)

    def constant(self, array: Array) -> str:
        """The name of an array that is stored as it is, once."""
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        return self.constants.setdefault(key, (f"c{len(self.constants)}", array))[0]

    def lying(self, value: Array, order: tuple[int, ...] | None) -> Array:
        """`value` with its axes as a tensor has them that is seen in this order; numbers as they are."""
        if order is None or np.ndim(numbers(value)) == 0:
            return value
        back = tuple(map(order.index, range(len(order))))
        value = value[(None,) * (len(order) - value.ndim)]
        return value.transpose(back)

    def entrywise(self, kind: str, result: Array, *inputs: Operand | None, **settings: object) -> Recorded:
        """A node that computes `result` entry by entry, from what lies as it is: an image with its channels first."""
        order = next((a.order for a in inputs if isinstance(a, Recorded) and a.shape == result.shape and a.order), None)
        name = self.node(kind, *(self.lying(a, order) for a in inputs), outputs=1, **settings)
        return Recorded(result, name, self, order)


def same_graph(one: Recording, other: Recording) -> None:
    """Refuse what has become another graph for another number of images."""
    different = [key for key, also in zip(one.constants, other.constants) if key != also]
    names = {one.constants[key][0] for key in different[:1]}
    for node, also in zip(one.nodes, other.nodes):
        if node != also or names & set(node.input):
            raise Unrecordable(f"{node.doc_string}: what {node.op_type} computes with there differs between "
                               f"{one.length} and {other.length} images, such as len(x) or numbers for each image; a "
                               "graph is for batches of any length")


def numbers(value: Operand | None) -> Array:
    """The example's numbers of a Recorded array; anything else as it is."""
    return value.recorded if isinstance(value, Recorded) else value


class Recorded(np.lib.mixins.NDArrayOperatorsMixin):
    """recorded: the example's numbers; tensor: the name of what stands for them in `graph`.

    order: how a tensor's axes are seen: axis i of the numbers is axis order[i] of the tensor; None for as they are. A
    transposition only changes the order, and is written when a node needs the axes as they are seen.
    """

    def __init__(self, value: Array, tensor: str, graph: Recording, order: tuple[int, ...] | None = None,
                 view: tuple | None = None, zero: bool = False) -> None:
        self.recorded, self.tensor, self.graph = value, tensor, graph
        self.order = None if order == tuple(range(len(order or ()))) else order
        self.view, self.zero = view, zero                   # (array, index) of which it is a part; whether all is 0
        self.parts: list[weakref.ref] = []                  # arrays that are parts of this one
        if view is not None:
            view[0].parts.append(weakref.ref(self))

    shape = property(lambda self: self.recorded.shape)
    dtype = property(lambda self: self.recorded.dtype)
    ndim = property(lambda self: self.recorded.ndim)
    size = property(lambda self: self.recorded.size)
    itemsize = property(lambda self: self.recorded.itemsize)
    T = property(lambda self: self.transpose())

    @property
    def name(self) -> str:
        """The tensor with its axes as they are seen."""
        return self.tensor if self.order is None else self.graph.node("Transpose", self.tensor, perm=self.order)

    # ------------------------------------------------------------------------------------------ NumPy's protocols
    def __array_namespace__(self, api_version=None):
        return self.graph.functions

    def __array_function__(self, function, types, arguments, settings):
        if function is np.result_type:
            return function(*map(numbers, arguments))
        return getattr(self.graph.functions, function.__name__)(*arguments, **settings)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **settings):
        """An operator, or a function of entries such as exp."""
        name, graph = ufunc.__name__, self.graph
        if method != "__call__" or settings:
            raise Unrecordable(f"a rule or layer calls {name} in a way for which no graph is written, expected plain "
                               "arrays and numbers")
        if name in COMPOSED:
            return COMPOSED[name](*inputs)
        if name not in UFUNCS:
            getattr(graph.functions, name)                  # which says that there is none
        value = ufunc(*map(numbers, inputs))
        same = unchanged(name, inputs, value)
        result = self.computed(name, value, inputs) if same is None else same.copy()
        return result if out is None else out[0].becomes(result.astype(out[0].dtype))       # x += y

    def computed(self, name: str, value: Array, inputs: Sequence[Operand]) -> Recorded:
        """The node of an operator. All of its inputs have one type; a bool counts as 0 or 1 beside numbers."""
        graph = self.graph
        common = np.result_type(*map(numbers, inputs))
        common = graph.dtype if common.kind == "f" or value.dtype.kind == "f" else common
        typed = []
        for each in inputs:
            typed.append(each.astype(common) if isinstance(each, Recorded) else np.asarray(each, common))
        value = value.astype(graph.dtype) if value.dtype.kind == "f" else value
        if name == "matmul":
            return Recorded(value, graph.node("MatMul", *typed), graph)
        return graph.entrywise(UFUNCS[name], value, *typed)

    def __array__(self, *_, **__):
        raise Unrecordable("a rule asked for the numbers of an array, which a graph does not have; use operators, "
                           "array methods and the functions of array_module(x)")

    def item(self) -> bool:
        """Whether a condition holds, for the example: what `arrays.require` asks. Numbers have no answer."""
        return bool(self.recorded if self.dtype.kind == "b" and self.ndim == 0 else self.__array__())

    def __len__(self):
        return len(self.recorded)

    def __bool__(self):
        raise Unrecordable("a rule asked whether a condition on numbers holds; a graph cannot branch. State the rule's "
                           "domain by minixnn.arrays.require, or choose by array_module(x).where")

    __float__ = __int__ = __index__ = __iter__ = __bool__   # type: ignore[assignment]
    __hash__ = None                             # type: ignore[assignment]

    # ------------------------------------------------------------------------------------------ shapes
    def reshape(self, *shape: int | Sequence[int]) -> Recorded:
        value = self.recorded.reshape(*shape)
        if value.shape == self.shape:
            return self.copy(view=(self, None))
        first = [0 if value.shape[:1] == self.shape[:1] else -1]            # as before, or what is left for the images
        name = self.graph.node("Reshape", self, np.asarray([*first, *value.shape[1:]][:value.ndim], np.int64))
        return Recorded(value, name, self.graph, view=(self, None))

    def transpose(self, *axes: int | Sequence[int]) -> Recorded:
        wanted = np.ravel(np.asarray(axes, int)).tolist() or list(range(self.ndim))[::-1]
        order = tuple((self.order or range(self.ndim))[axis] for axis in wanted)
        return Recorded(self.recorded.transpose(wanted), self.tensor, self.graph, order, (self, None))

    def swapaxes(self, a: int, b: int) -> Recorded:
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return self.transpose(order)

    def places(self, index: object) -> tuple:
        """An index with one entry for each axis, a slice, and None for new ones."""
        index = index if isinstance(index, tuple) else (index,)
        missing = self.ndim - sum(each is not None and each is not Ellipsis for each in index)
        at = next((n for n, each in enumerate(index) if each is Ellipsis), len(index))
        return index[:at] + (slice(None),) * missing + index[at + 1:]

    def __getitem__(self, index):
        """Slices, None, ..., numbers, and an array of places along one axis."""
        asked, index = index, self.places(index)
        if any(isinstance(each, int) for each in index):
            kept = self[tuple(slice(each, each + 1 or None) if isinstance(each, int) else each for each in index)]
            gone = tuple(axis for axis, each in enumerate(index) if isinstance(each, int))
            name = self.graph.node("Squeeze", kept, np.asarray(gone, np.int64))
            return Recorded(kept.recorded.squeeze(gone), name, self.graph, view=(self, asked))
        picks = [axis for axis, each in enumerate(index) if isinstance(each, np.ndarray) and each.dtype.kind in "iu"]
        if len(picks) == 1 and all(each == slice(None) for axis, each in enumerate(index) if axis not in picks):
            return self.take(index[picks[0]], picks[0])
        if not all(each is None or isinstance(each, slice) for each in index):
            raise Unrecordable(f"a rule takes the entries {index!r} of an array; a graph is written for slices")
        x, cuts = self, [each for each in index if each is not None]
        chosen = [((x.order or range(x.ndim))[axis], *cut.indices(n)) for axis, (cut, n) in
                  enumerate(zip(cuts, self.shape)) if cut.indices(n) != (0, n, 1)]
        if chosen:
            axes, starts, stops, steps = (np.asarray(part, np.int64) for part in zip(*chosen))
            stops[stops < 0] = -2 ** 62         # -1 is the end of what goes backwards, in ONNX the last place
            x = Recorded(self.recorded[tuple(cuts)], self.graph.node("Slice", x.tensor, starts, stops, axes, steps),
                         self.graph, x.order)
        new = [place for place, each in enumerate(index) if each is None]
        if new:
            x = Recorded(np.expand_dims(x.recorded, new), self.graph.node("Unsqueeze", x, np.asarray(new, np.int64)),
                         self.graph)
        return x.copy(view=(self, asked))

    def __setitem__(self, index, value):
        """x[condition] = number, or x[slices] = array: the name stands for another tensor from here on."""
        if isinstance(index, Recorded) and index.dtype.kind == "b" and np.ndim(numbers(value)) == 0:
            self.becomes(self.graph.functions.where(index, value, self))
        elif not isinstance(value, Recorded) or value.view is None or value.view[0] is not self or \
                value.view[1] is not index:     # else x[index] += y has written it already
            self.write(index, value)

    def write(self, index: object, value: Operand, by: Recorded | None = None) -> None:
        """x[slices] = value. by: the array that is x[slices], if the change is one of it."""
        asked, index = index, self.places(index)
        if not all(isinstance(each, (slice, int, np.ndarray)) for each in index) or index[0] != slice(None) or \
                sum(isinstance(each, np.ndarray) for each in index) > 1:
            raise Unrecordable("a rule writes into an array; a graph is written for x[condition] = number and for "
                               "x[slices] = array, for all images")
        index = tuple(slice(each, each + 1 or None) if isinstance(each, int) else each for each in index)
        kept = np.ones((1, *self.shape[1:]), self.dtype)
        kept[index] = 0
        part, whole = np.shape(self.recorded[asked]), self.recorded[index].shape    # x[:, 3] has an axis less
        value = self.graph.functions.broadcast_to(value, part).reshape(whole) if isinstance(value, Recorded) else \
            np.broadcast_to(value, (1, *part[1:])).reshape(1, *whole[1:])
        for axis, (cut, n) in enumerate(zip(index, self.shape)):
            if isinstance(cut, np.ndarray) or cut.indices(n) != (0, n, 1):
                # spread along this axis: a product with rows of a unit matrix
                value = (value.swapaxes(axis, -1) @ np.eye(n, dtype=self.dtype)[cut]).swapaxes(axis, -1)
        self.becomes(value if self.zero and isinstance(value, Recorded) else self * kept + value, by)

    def becomes(self, other: Recorded, by: Recorded | None = None) -> Recorded:
        """Let the name stand for another tensor; in the array, too, of which this is a part."""
        if any(each() is not None and each() is not by for each in self.parts):
            raise Unrecordable("a rule writes into an array of which it holds a part, or which it holds in another "
                               "shape, too; a graph does not know of shared memory, take a copy()")
        if self.view is not None:
            whole, index = self.view
            if index is None:
                raise Unrecordable("a rule writes into an array that it sees in another shape; a graph is written for "
                                   "x[condition] = number and for x[slices] = array")
            whole.write(index, other.copy(), self)
        self.recorded, self.tensor, self.order, self.zero = other.recorded, other.tensor, other.order, other.zero
        return self

    # ------------------------------------------------------------------------------------------ methods
    def copy(self, view: tuple | None = None) -> Recorded:
        return Recorded(self.recorded, self.tensor, self.graph, self.order, view, self.zero)

    def astype(self, dtype: DTypeLike, copy: bool = True) -> Recorded:
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self.copy()
        return self.graph.entrywise("Cast", self.recorded.astype(dtype), self,
                                    to=self.graph.helper.np_dtype_to_tensor_dtype(dtype))

    def clip(self, low: float | None = None, high: float | None = None) -> Recorded:
        ends = [None if end is None or abs(end) == np.inf else np.asarray(end, self.dtype) for end in (low, high)]
        return self.graph.entrywise("Clip", self.recorded.clip(low, high), self, *ends)

    def take(self, index: Array, axis: int) -> Recorded:
        """The entries at places along an axis other than the batch."""
        if axis % self.ndim == 0:
            raise Unrecordable("a rule picks images out of the batch; a graph treats every image by itself")
        return Recorded(self.recorded.take(index, axis), self.graph.node("Gather", self, np.asarray(index, np.int64),
                                                                         axis=axis % self.ndim), self.graph)

    def repeat(self, count: int, axis: int) -> Recorded:
        """Every entry of an axis `count` times: one more axis of that length, and both as one."""
        axis = axis % self.ndim
        wide = self[(slice(None),) * (axis + 1) + (None,)]
        wide = self.graph.functions.broadcast_to(wide, (*self.shape[:axis + 1], count, *self.shape[axis + 1:]))
        return wide.reshape(*self.shape[:axis], self.shape[axis] * count, *self.shape[axis + 1:])

    def reduced(self, kind: str, function: Callable, axis: Axes = None, keepdims: bool = False) -> Recorded:
        """A node that takes axes together, which lie where the tensor has them."""
        axes = tuple(range(self.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        axes, order = tuple(each % self.ndim for each in axes), self.order or tuple(range(self.ndim))
        x = self.astype(self.graph.dtype) if self.dtype.kind == "b" else self
        if not axes and self.ndim:              # none, which in ONNX would be all
            return x.copy()
        value = function(x.recorded, axis=axis, keepdims=keepdims)
        lying = tuple(sorted(order[each] for each in axes))
        if not keepdims:
            left = [order[each] for each in range(self.ndim) if each not in axes]
            order = tuple(sorted(left).index(each) for each in left)
        if kind == "ReduceSum":                 # takes its axes as an input, the others as a setting
            name = self.graph.node(kind, x.tensor, np.asarray(lying, np.int64), keepdims=int(keepdims))
        else:
            name = self.graph.node(kind, x.tensor, keepdims=int(keepdims), **(
                {"axis": lying[0]} if kind[:3] == "Arg" else {"axes": lying}))
        return Recorded(value, name, self.graph, order)

    sum = functools.partialmethod(reduced, "ReduceSum", np.sum)
    mean = functools.partialmethod(reduced, "ReduceMean", np.mean)
    max = functools.partialmethod(reduced, "ReduceMax", np.max)
    min = functools.partialmethod(reduced, "ReduceMin", np.min)
    argmax = functools.partialmethod(reduced, "ArgMax", np.argmax)
    argmin = functools.partialmethod(reduced, "ArgMin", np.argmin)

    def all(self, axis: Axes = None, keepdims: bool = False) -> Recorded:
        return self.reduced("ReduceMin", np.min, axis, keepdims) > 0.5

    def any(self, axis: Axes = None, keepdims: bool = False) -> Recorded:
        return self.reduced("ReduceMax", np.max, axis, keepdims) > 0.5


def unchanged(name: str, inputs: tuple, value: Array) -> Recorded | None:
    """The operand that a sum or product leaves as it is: x + 0, 1 * x. None where there is something to compute."""
    for x, other in (inputs, inputs[::-1]) if name in ("add", "multiply") else ():
        if isinstance(x, Recorded) and (x.shape, x.dtype) == (value.shape, value.dtype):
            if isinstance(other, (int, float, np.generic)) and other == (name == "multiply"):
                return x
            if name == "add" and isinstance(other, Recorded) and other.zero:
                return x
    return None


class Functions:
    """What stands for numpy or cupy while `graph` is written: `array_module` of a recorded array.

    Functions of recorded arrays write a node. Arrays of known numbers are NumPy's, but for those whose length is the
    batch's: they have to grow with it.
    """

    def __init__(self, graph: Recording) -> None:
        self.graph = graph

    def __getattr__(self, name):
        if name in HOST or name in UFUNCS or name in COMPOSED:
            return getattr(np, name)
        if name in METHODS:
            return lambda x, *arguments, **settings: getattr(x, name)(*arguments, **settings)
        own = [each for each in vars(Functions) if each[0] != "_"]
        raise Unrecordable(f"a rule or layer calls {name}, for which no graph is written; it may call "
                           f"{', '.join(sorted([*HOST, *UFUNCS, *COMPOSED, *METHODS, *own]))}")

    def where(self, condition: Operand, a: Operand, b: Operand) -> Recorded:
        value: Array = np.where(numbers(condition), numbers(a), numbers(b))
        dtype = next((each.dtype for each in (a, b) if isinstance(each, Recorded)), value.dtype)
        dtype = self.graph.dtype if dtype.kind == "f" else dtype
        a, b = (each if isinstance(each, Recorded) else np.asarray(each, dtype) for each in (a, b))
        return self.graph.entrywise("Where", value.astype(dtype), condition, a, b)

    def full(self, shape: int | Sequence[int], value: float, dtype: DTypeLike | None = None) -> Recorded | Array:
        """An array of one number; where its first axis is the batch, one that is as long as the batch."""
        array = np.full(shape, value, dtype or self.graph.dtype)
        if array.ndim < 2 or len(array) != self.graph.length:
            return array
        zero, one = np.asarray([0], np.int64), np.full((1,) * array.ndim, value, array.dtype)
        batch = self.graph.node("Slice", self.graph.node("Shape", self.graph.batch), zero, zero + 1)
        sizes = self.graph.node("Concat", batch, np.asarray(array.shape[1:], np.int64), axis=0)
        return Recorded(array, self.graph.node("Expand", one, sizes), self.graph, zero=value == 0)

    def zeros(self, shape: int | Sequence[int], dtype: DTypeLike | None = None) -> Recorded | Array:
        return self.full(shape, 0, dtype)

    def ones(self, shape: int | Sequence[int], dtype: DTypeLike | None = None) -> Recorded | Array:
        return self.full(shape, 1, dtype)

    empty = zeros

    def ones_like(self, x: Recorded | Array, dtype: DTypeLike | None = None) -> Recorded | Array:
        return self.full(x.shape, 1, x.dtype) if isinstance(x, Recorded) else np.ones_like(x)

    def zeros_like(self, x: Recorded | Array, dtype: DTypeLike | None = None) -> Recorded | Array:
        return self.full(x.shape, 0, x.dtype) if isinstance(x, Recorded) else np.zeros_like(x)

    def broadcast_to(self, x: Recorded | Array, shape: Sequence[int]) -> Array:
        if x.shape == tuple(shape):
            return x.copy()
        if not isinstance(x, Recorded):
            value = np.broadcast_to(x, shape)
            repeated = len(value) == self.graph.length and (x.ndim < value.ndim or len(x) == 1)
            return self.ones(shape, value.dtype) * value[:1] if repeated else value
        sizes = np.asarray([1 if n == 0 and m == len(x) else m for n, m in enumerate(shape)], np.int64)
        return Recorded(np.broadcast_to(x.recorded, shape), x.graph.node("Expand", x, sizes), x.graph)

    def broadcast_arrays(self, *arrays: Recorded | Array) -> list:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        return [self.broadcast_to(a, shape) for a in arrays]

    def moveaxis(self, x: Recorded, source: int, destination: int) -> Recorded:
        order = [axis for axis in range(x.ndim) if axis != source % x.ndim]
        order.insert(destination % x.ndim, source % x.ndim)
        return x.transpose(order)

    def roll(self, x: Recorded, shift: int | Sequence[int], axis: int | Sequence[int]) -> Recorded:
        for n, along in zip(*([each] if isinstance(each, int) else each for each in (shift, axis))):
            cut = [slice(None)] * (along % x.ndim)
            n = n % x.shape[along]
            if n:
                x = self.concatenate([x[(*cut, slice(-n, None))], x[(*cut, slice(None, -n))]], along)
        return x.copy()

    def stack(self, arrays: Sequence[Recorded], axis: int = 0) -> Recorded:
        before = (slice(None),) * (axis % (arrays[0].ndim + 1))
        return self.concatenate([a[(*before, None)] for a in arrays], axis)

    def concatenate(self, arrays: Sequence[Array], axis: int = 0) -> Recorded:
        axis = axis % arrays[0].ndim
        if axis == 0:
            raise Unrecordable("a rule joins arrays along the batch; a graph treats every image by itself")
        order = next((a.order for a in arrays if isinstance(a, Recorded) and a.order), None)
        name = self.graph.node("Concat", *(self.graph.lying(a, order) for a in arrays),
                               axis=order[axis] if order else axis)
        return Recorded(np.concatenate([numbers(a) for a in arrays], axis), name, self.graph, order)
