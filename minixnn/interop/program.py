"""What a torch module and an ONNX file become first: a program, operation after operation, each with its inputs.

Following the program sorts its values into three kinds. What depends on parameters and literals only is computed at
once, by the framework itself. What depends on the number of images as well is computed for two numbers of images, and
must be the same for each of them wherever it meets the third kind: what depends on the input, which becomes layers.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numpy.typing import DTypeLike
from typing import Any, NamedTuple

import numpy as np

from minixnn.interop.axes import Traced
from minixnn.interop.builder import Builder

FLOATS = (1, 10, 11, 16)        # of onnx.TensorProto.DataType: float32, float16, double, bfloat16


class Ref(NamedTuple):
    """The value of that name, among the arguments of an operation."""
    name: str


@dataclass
class Operation:
    """A step of the program.

    name            what it is called in the program, "aten.conv2d" or "Conv": how TABLE finds it
    args, kwargs    with a Ref for each value; they may be nested in lists
    outputs         names of what it computes
    place           how sentences call it
    compute         (args, kwargs) -> list of what it computes from plain values
    module          the place in the user's module or file, for the names of the layers
    """
    name: str
    args: tuple
    kwargs: dict
    outputs: list[str]
    place: str
    compute: Callable[[tuple, dict], list]
    module: str = ""
    branches: tuple = ()                        # of an If: for both outcomes (operations, names of the outputs)


@dataclass
class Input:
    """An input with one row for each image. shape: with the batch in front; kind: "f" numbers, "i" whole, "b" truth."""
    name: str
    shape: tuple[int, ...]
    kind: str = "f"


@dataclass
class Program:
    """values: names and values of parameters and constants, as the framework has them. batches: see `axes.BATCHES`."""
    inputs: list[Input]
    values: dict[str, Any]
    operations: list[Operation]
    output: str
    to_numpy: Callable[[Any], Any]
    from_numpy: Callable[[Any], Any]
    table: dict[str, Callable]
    batches: tuple[int, int]
    dtype: DTypeLike = np.float32
    declared: str = "float32"                   # the type of the input, by the file
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)     # shapes that the framework expects, to check

    def needed(self) -> list[Operation]:
        """The operations that the output depends on."""
        wanted, kept = {self.output}, []
        for operation in reversed(self.operations):
            if wanted & set(operation.outputs):
                kept.append(operation)
                wanted |= {ref.name for ref in references((operation.args, operation.kwargs))}
                wanted |= {ref.name for inner, _ in operation.branches for each in inner
                           for ref in references((each.args, each.kwargs))}
                wanted |= {name for _, names in operation.branches for name in names}
        return kept[::-1]


class Size(int):
    """A number that depends on the number of images: for one of BATCHES, and `other` for the second."""
    other: int

    def __new__(cls, value: int, other: int) -> Size:
        size = super().__new__(cls, value)
        size.other = int(other)
        return size


class Varying:
    """A constant that depends on the number of images: the arrays for both of BATCHES."""

    def __init__(self, array: np.ndarray, other: np.ndarray) -> None:
        self.array, self.other = array, other
        self.ndim, self.shape, self.dtype = array.ndim, array.shape, array.dtype


class Places:
    """Where the largest numbers are, or which class has the best score: refused where it is read."""


class Pair(NamedTuple):
    """A plain value of the framework for both sizes of the batch."""
    first: Any
    second: Any


def references(value: Any) -> list[Ref]:
    """The Refs among nested arguments."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, slice):
        value = [value.start, value.stop, value.step]
    return [ref for each in value for ref in references(each)] if isinstance(value, (list, tuple)) else []


def mapped(value: Any, f: Callable[[Any], Any]) -> Any:
    """Nested arguments with f of what is no list."""
    if isinstance(value, (Ref, Pair, Traced)):
        return f(value)
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(each, f) for each in value) if type(value) in (list, tuple) else f(value)
    if isinstance(value, dict):
        return {key: mapped(each, f) for key, each in value.items()}
    return f(value)


def any_of(value: Any, kind: type) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and not isinstance(value, kind):
        return any(any_of(each, kind) for each in value)
    return isinstance(value, kind)


class Follower:
    """Follows a program once. values: name -> plain value, Pair, Traced, or a list of them."""

    def __init__(self, program: Program, builder: Builder, inputs: dict[str, Traced]) -> None:
        self.program, self.builder = program, builder
        self.values: dict[str, Any] = {**program.values, **inputs}

    def run(self) -> Traced:
        """What the output becomes."""
        self.follow(self.program.needed())
        output = self.value(Ref(self.program.output))
        if not isinstance(output, Traced):
            raise ValueError("the output does not depend on the input")
        return output

    def follow(self, operations: list[Operation]) -> None:
        for operation in operations:
            if operation.branches:
                self.values.update(zip(operation.outputs, self.chosen(operation)))
                continue
            args = mapped(operation.args, self.value)
            kwargs = mapped(operation.kwargs, self.value)
            self.builder.name = operation.module
            try:
                found = self.traced(operation, args, kwargs) if any_of((args, kwargs), Traced) else \
                    self.plain(operation, args, kwargs)
            except ValueError as error:
                raise ValueError(f"{operation.place}: {error}") from error
            except (TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError, OverflowError,
                    AssertionError) as error:
                raise ValueError(f"{operation.place}: its inputs make no sense together: {shown(args, kwargs)}"
                                 ) from error
            self.values.update(zip(operation.outputs, found))

    def chosen(self, operation: Operation) -> list:
        """What an If gives, of which the condition does not depend on the input: the branch that it takes, followed."""
        condition = self.value(operation.args[0])
        if isinstance(condition, (Traced, Pair)):
            raise ValueError(f"{operation.place}: decides by the values of its input, and has no gradient "
                             "that explains")
        inner, names = operation.branches[0 if np.all(condition) else 1]
        self.follow(inner)
        return [self.values[name] for name in names]

    def value(self, each: Any) -> Any:
        found = self.values[each.name] if isinstance(each, Ref) else each
        if isinstance(found, Places):
            maker = next(operation for operation in self.program.operations if each.name in operation.outputs)
            raise ValueError(f"{maker.place}: its output {each.name!r} is read, expected the first alone: a place, or "
                             "a label, is no number to explain")
        return found

    def plain(self, operation: Operation, args: tuple, kwargs: dict) -> list:
        """Computed by the framework, for both sizes of the batch where it depends on them."""
        try:
            first = operation.compute(*mapped((args, kwargs), lambda v: v.first if isinstance(v, Pair) else v))
            if not any_of((args, kwargs), Pair):
                return first
            second = operation.compute(*mapped((args, kwargs), lambda v: v.second if isinstance(v, Pair) else v))
        except ValueError:
            raise
        except Exception as error:      # whatever it is, this is nothing that can be computed beforehand
            raise ValueError(f"what depends on no input cannot be computed: {error}") from error
        return [mapped_pair(a, b) for a, b in zip(first, second)]

    def traced(self, operation: Operation, args: tuple, kwargs: dict) -> list:
        """Layers for an operation on what depends on the input."""
        function = self.program.table.get(operation.name)
        if function is None:
            raise ValueError(f"{operation.name.rpartition('.')[2]} is not supported. {REMEDY}")
        args, kwargs = mapped((args, kwargs), self.handed)
        found = function(self.builder, *args, **kwargs)
        found = list(found) if isinstance(found, (list, tuple)) and len(operation.outputs) > 1 else [found]
        if operation.name.removeprefix("aten.") in STAY_WHOLE and all(map(is_whole, args)):
            found = [value.of_kind("w") if isinstance(value, Traced) and value.kind == "f" else value
                     for value in found]
        for name, value in zip(operation.outputs, found):
            expected = self.program.sizes.get(name)
            if isinstance(value, Traced) and expected is not None and value.other_shape != expected:
                raise ValueError(f"gives {value.other_shape} where {expected} is expected, a fault of the reader: "
                                 "please report it")
        return [mapped(value, self.kept) for value in found]

    def kept(self, value: Any) -> Any:
        """A result that does not depend on the input as the framework has it: a size, a constant."""
        if isinstance(value, Size):
            return Pair(int(value), value.other) if value != value.other else int(value)
        if isinstance(value, Varying):
            return mapped_pair(self.program.from_numpy(value.array), self.program.from_numpy(value.other))
        return self.program.from_numpy(value) if isinstance(value, np.ndarray) else value

    def handed(self, value: Any) -> Any:
        """An argument as the functions of TABLE take it: Traced, arrays of NumPy, numbers, Size, Varying."""
        if isinstance(value, Pair):
            first, second = (self.program.to_numpy(each) for each in value)
            if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
                return Size(int(first), int(second))
            return Varying(first, second) if isinstance(first, np.ndarray) else _differs(first)
        return value if isinstance(value, Traced) else self.program.to_numpy(value)


STAY_WHOLE = {"add", "sub", "rsub", "mul", "neg", "sum", "cumsum", "maximum", "minimum", "abs", "where", "Add", "Sub",
              "Mul", "Neg", "ReduceSum", "CumSum", "Max", "Min", "Abs", "Where"}


def is_whole(value: Any) -> bool:
    """Whether an argument of an operation is made of whole numbers or truth values, or is none at all."""
    if isinstance(value, Traced):
        return value.kind in ("i", "w", "b")
    if isinstance(value, (list, tuple)):
        return all(map(is_whole, value))
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in ("i", "u", "b") if kind else value is None or isinstance(value, int)


def shown(args: tuple, kwargs: dict) -> str:
    """What an operation was given, for a sentence: shapes of arrays, and settings."""
    def one(value: Any) -> str:
        value = value.first if isinstance(value, Pair) else value
        if isinstance(value, Traced):
            return value.written()
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(one, value[:6]))}]"
        return str(tuple(value.shape)) if getattr(value, "shape", ()) else str(value)[:40]
    return ", ".join([one(value) for value in args] + [f"{name}={one(value)}" for name, value in kwargs.items()
                                                       if not name.startswith("_")])


REMEDY = "Cut the module before it, or explain another output"


def _differs(value: Any) -> Any:
    raise ValueError(f"depends on the number of images in a batch by {value!r}")


def mapped_pair(first: Any, second: Any) -> Any:
    """Pairs of what differs, and once what does not."""
    if isinstance(first, (list, tuple)):
        return type(first)(mapped_pair(a, b) for a, b in zip(first, second)) if type(first) in (list, tuple) \
            else first
    return first if same(first, second) else Pair(first, second)


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same: numbers, arrays or tensors."""
    if a is b:
        return True
    if hasattr(a, "shape") and hasattr(b, "shape"):
        if tuple(a.shape) != tuple(b.shape):
            return False
        equal = a == b
        return bool(equal.all()) if hasattr(equal, "all") else bool(equal)
    return type(a) is type(b) and a == b
