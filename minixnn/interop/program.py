"""What a torch module and an ONNX file become first: a program, operation after operation, each with its inputs.

Following the program sorts its values into three kinds. What depends on parameters and literals only is computed at
once, by the framework itself. What depends on the number of images as well is computed for two numbers of images, and
must be the same for each of them wherever it meets the third kind: what depends on the input, which becomes layers.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numpy.typing import DTypeLike
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minixnn.interop.axes import Size, Traced
from minixnn.interop.builder import Builder
from minixnn.interop.operations.values import Complex, Places, Varying

Argument: TypeAlias = Any       # of an operation: a Ref, a constant of the framework, a setting, or a list of them
Compute: TypeAlias = "Callable[[tuple, dict], list]"


class Ref(NamedTuple):
    """The value of that name, among the arguments of an operation."""
    name: str


@dataclass
class Operation:
    """A step of the program.

    name            what it is called in the program, "conv2d" or "Conv"
    args, kwargs    with a Ref for each value; they may be nested in lists
    outputs         names of what it computes
    place           how sentences call it
    compute         (args, kwargs) -> list of what it computes from plain values
    becomes         (builder, *args, **kwargs) -> what the table makes of it; None where it has no entry
    module          the place in the user's module or file, for the names of the layers
    """
    name: str
    args: tuple
    kwargs: dict
    outputs: list[str]
    place: str
    compute: Compute
    becomes: Callable | None = None
    module: str = ""
    branches: tuple = ()                        # of an If: for both outcomes (operations, names of the outputs)

    @property
    def reads(self) -> set[str]:
        """Names of the values that it reads, inside its branches too."""
        inner = [name for operations, names in self.branches for name in (
            *names, *(name for each in operations for name in each.reads))]
        return {each.name for each in flat((self.args, self.kwargs)) if isinstance(each, Ref)} | set(inner)


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
    values: dict[str, Argument]
    operations: list[Operation]
    output: str
    to_numpy: Callable[[Argument], Argument]
    from_numpy: Callable[[np.ndarray], Argument]
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
                wanted |= operation.reads
        return kept[::-1]


class Pair(NamedTuple):
    """A plain value of the framework for both sizes of the batch."""
    first: Argument
    second: Argument


def flat(value: Argument) -> Iterator[Argument]:
    """What nested arguments hold."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, slice):
        value = [value.start, value.stop, value.step]
    if type(value) in (list, tuple, Complex):
        for each in value:
            yield from flat(each)
    else:
        yield value


def mapped(value: Argument, f: Callable[[Argument], Argument]) -> Argument:
    """Nested arguments with f of what is no list."""
    if type(value) in (list, tuple, Complex):
        return type(value)(mapped(each, f) for each in value)
    return {key: mapped(each, f) for key, each in value.items()} if isinstance(value, dict) else f(value)


class Follower:
    """Follows a program once. values: name -> plain value, Pair, Traced, or a list of them."""

    def __init__(self, program: Program, builder: Builder, inputs: dict[str, Traced]) -> None:
        self.program, self.builder = program, builder
        self.values: dict[str, Argument] = {**program.values, **inputs}

    def run(self) -> Traced:
        """What the output becomes."""
        self.follow(self.program.needed())
        output = self.value(Ref(self.program.output))
        if isinstance(output, Complex):
            raise ValueError("the output is complex, expected its real or its imaginary part")
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
            self.builder.place = operation.module
            try:
                depends = any(isinstance(each, Traced) for each in flat((args, kwargs)))
                found = (self.traced if depends else self.plain)(operation, args, kwargs)
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

    def value(self, each: Argument) -> Argument:
        found = self.values[each.name] if isinstance(each, Ref) else each
        if isinstance(found, Places):
            maker = next(operation for operation in self.program.operations if each.name in operation.outputs)
            raise ValueError(f"{maker.place}: its output {each.name!r} is read, expected the first alone: a place, or "
                             "a label, is no number to explain")
        return found

    def plain(self, operation: Operation, args: tuple, kwargs: dict) -> list:
        """Computed by the framework, for both sizes of the batch where it depends on them."""
        def of_size(n: int) -> list:
            return operation.compute(*mapped((args, kwargs), lambda v: v[n] if isinstance(v, Pair) else v))
        try:
            first = of_size(0)
            return [mapped_pair(a, c) for a, c in zip(first, of_size(1))] if any(
                isinstance(each, Pair) for each in flat((args, kwargs))) else first
        except ValueError:
            raise
        except Exception as error:      # whatever it is, this is nothing that can be computed beforehand
            raise ValueError(f"what depends on no input cannot be computed: {error}") from error

    def traced(self, operation: Operation, args: tuple, kwargs: dict) -> list:
        """Layers for an operation on what depends on the input."""
        if operation.becomes is None:
            raise ValueError(f"{operation.name.rpartition('.')[2]} is not supported. {REMEDY}")
        if any(isinstance(each, Complex) for each in args) and operation.name not in OF_COMPLEX:
            raise ValueError(f"computes with complex numbers, expected their real or imaginary part. {REMEDY}")
        args, kwargs = mapped((args, kwargs), self.handed)
        found = operation.becomes(self.builder, *args, **kwargs)
        found = list(found) if isinstance(found, (list, tuple)) and len(operation.outputs) > 1 else [found]
        if operation.name in STAY_WHOLE and all(map(is_whole, args)):
            found = [value.of_kind("w") if isinstance(value, Traced) and value.kind == "f" else value
                     for value in found]
        for name, value in zip(operation.outputs, found):
            expected = self.program.sizes.get(name)
            if isinstance(value, Traced) and expected is not None and value.other_shape != expected:
                raise ValueError(f"gives {value.other_shape} where {expected} is expected, a fault of the reader: "
                                 "please report it")
        return [mapped(value, self.kept) for value in found]

    def kept(self, value: Argument) -> Argument:
        """A result that does not depend on the input as the framework has it: a size, a constant."""
        if isinstance(value, Size):
            return Pair(int(value), value.other)
        if isinstance(value, Varying):
            return mapped_pair(*map(self.program.from_numpy, value.both))
        return self.program.from_numpy(value) if isinstance(value, np.ndarray) else value

    def handed(self, value: Argument) -> Argument:
        """An argument as the functions of the table take it: Traced, arrays of NumPy, numbers, Size, Varying."""
        if isinstance(value, Pair):
            first, second = map(self.program.to_numpy, value)
            if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
                return Size(int(first), int(second))
            if not isinstance(first, np.ndarray):
                raise ValueError(f"depends on the number of images in a batch by {first!r}")
            return Varying(first, second)
        return value if isinstance(value, Traced) else self.program.to_numpy(value)


OF_COMPLEX = {"fft_fft", "fft_fft2", "fft_fftn", "view_as_real"}
STAY_WHOLE = {"add", "sub", "rsub", "mul", "neg", "sum", "cumsum", "maximum", "minimum", "abs", "where", "Add", "Sub",
              "Mul", "Neg", "ReduceSum", "CumSum", "Max", "Min", "Abs", "Where"}


def is_whole(value: Argument) -> bool:
    """Whether an argument of an operation is made of whole numbers or truth values, or is none at all."""
    if isinstance(value, Traced):
        return value.kind in ("i", "w", "b")
    if type(value) in (list, tuple):
        return all(map(is_whole, value))
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in ("i", "u", "b") if kind else value is None or isinstance(value, int)


def shown(args: tuple, kwargs: dict) -> str:
    """What an operation was given, for a sentence: shapes of arrays, and settings."""
    def one(value: Argument) -> str:
        value = value.first if isinstance(value, Pair) else value
        if isinstance(value, Traced):
            return value.written()
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(one, value[:6]))}]"
        return str(tuple(value.shape)) if getattr(value, "shape", ()) else str(value)[:40]
    return ", ".join([*map(one, args), *(f"{name}={one(value)}" for name, value in kwargs.items())])


REMEDY = "Cut the module before it, or explain another output"


def mapped_pair(first: Argument, second: Argument) -> Argument:
    """Pairs of what differs, and once what does not."""
    if type(first) in (list, tuple):
        return type(first)(mapped_pair(a, b) for a, b in zip(first, second))
    return first if same(first, second) else Pair(first, second)


def same(a: Argument, b: Argument) -> bool:
    """Whether two plain values are the same: numbers, arrays or tensors."""
    if a is not b and hasattr(a, "shape") and hasattr(b, "shape"):
        return tuple(a.shape) == tuple(b.shape) and bool((a == b).all())
    return a is b or type(a) is type(b) and a == b
