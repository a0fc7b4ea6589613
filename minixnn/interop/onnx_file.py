"""Opening an ONNX file: is it one, what enters it, and which of its outputs is to be explained."""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

OLDEST = 11
NODES = 10 ** 6         # of a graph with its functions written out: a few functions that call each other could make any
LABELS = ("ArgMax", "TopK", "ArrayFeatureExtractor", "LabelEncoder")          # what makes labels of numbers


def library() -> ModuleType:
    """The onnx package."""
    try:
        import onnx
        import onnx.inliner                                     # noqa: F401  (it is used as onnx.inliner)
        return onnx
    except ImportError as error:
        raise ImportError("reading ONNX files needs the onnx package: pip install onnx") from error


def read(onnx: ModuleType, path: str | PathLike) -> ModelProto:
    """The model in a file, after onnx has checked that it is one, its functions written out."""
    path = os.fspath(path)
    with open(path, "rb"):                      # a missing file is said to be missing
        pass
    try:
        model = onnx.load(path)
        count = written_out(model)
        if count > NODES:
            raise ValueError(f"its functions call each other so often that they are {count:,} nodes")
        model = onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:                  # a damaged file can make the readers of it raise anything at all
        raise ValueError(f"{path} is not an ONNX model, or is damaged: {error}") from error
    for node in model.graph.node:
        if not node.domain and not onnx.defs.has(node.op_type):
            raise ValueError(f"node {node.name or node.output[0]!r} ({node.op_type}): {node.op_type} is not supported")
    for entry in [*model.graph.input, *model.graph.output]:
        if entry.type.HasField("tensor_type") or not entry.type.WhichOneof("value"):
            entry.type.tensor_type.shape.SetInParent()      # many a file leaves the shape out, which onnx minds
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise ValueError(f"{path} is not a valid ONNX model: {error}") from error
    return model


def written_out(model: ModelProto) -> int:
    """How many nodes a graph has once its functions are written out."""
    functions = {(each.domain, each.name): each for each in model.functions}
    counts: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[NodeProto]) -> int:
        return sum(of_function((node.domain, node.op_type)) for node in nodes)

    def of_function(name: tuple[str, str]) -> int:
        if name not in functions:
            return 1
        if name not in counts:
            counts[name] = NODES                # of one that calls itself, until it is known
            counts[name] = count(functions[name].node)
        return counts[name]
    return count(model.graph.node) if functions else 0


def opset_of(path: str | PathLike, model: ModelProto) -> int:
    """The version of ONNX's operators that a model is written in, if it is not too old."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST:
        raise ValueError(f"{path} is written in opset {opset}, expected {OLDEST} or newer; convert it: "
                         "onnx.version_converter.convert_version(onnx.load(path), 17)")
    return opset


def output_of(path: str | PathLike, graph: GraphProto, wanted: str | None) -> str:
    """The name of the output to explain."""
    names = [entry.name for entry in graph.output]
    if wanted is not None:
        if wanted not in names:
            raise ValueError(f"got output={wanted!r}, but {path} has the outputs {', '.join(names)}")
        return wanted
    made_by = {name: entry.op_type for entry in graph.node for name in entry.output}
    numbers = [entry.name for entry in graph.output if made_by.get(entry.name) not in LABELS
               and entry.type.tensor_type.elem_type in (0, 1, 10, 11)]       # no strings, no whole numbers
    if len(names) == 1:
        return names[0]
    if len(numbers) != 1:
        raise ValueError(f"{path} has the outputs {', '.join(names)}; name the one to explain, for instance "
                         f"from_onnx(path, output={(numbers or names)[0]!r})")
    return numbers[0]


def open_sizes(path: str | PathLike) -> tuple[int | None, ...] | None:
    """The shape of one input as the file declares it, None for each size that it leaves open; None if it has none."""
    model = read(library(), path)
    weights = {tensor.name for tensor in model.graph.initializer}
    return declared(next(entry for entry in model.graph.input if entry.name not in weights), None)[1]


def declared(entry: ValueInfoProto, given: tuple[int, ...] | None
             ) -> tuple[int | None, tuple[int | None, ...] | None]:
    """(batch, shape of one input) from what the file says of its input and what the caller gives; None: open."""
    kind = entry.type.tensor_type
    sizes = [d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim]
    batch, shape = (sizes[0], tuple(sizes[1:])) if sizes else (None, None)
    if given is None:
        return batch, shape
    given = tuple(given)
    if shape is not None and not (len(shape) == len(given) and all(m in (None, n) for m, n in zip(shape, given))):
        raise ValueError(f"got input_shape={given}, but in the graph {entry.name!r} has the shape {shape}, without the "
                         "batch")
    return batch, given


def read_by(entry: NodeProto) -> list[str]:
    """The names that a node reads, those inside the branches of an If too."""
    found, left = [], [entry]
    while left:
        each = left.pop()
        found += each.input
        for attribute in each.attribute:
            left += attribute.g.node
            found += [out.name for out in attribute.g.output]
    return found


def needed_nodes(entries: Sequence[NodeProto], outputs: Iterable[str]) -> tuple[list[NodeProto], set[str]]:
    """(the nodes that the named outputs depend on, in their order; all names that are read for it)."""
    maker = {name: entry for entry in entries for name in entry.output if name}
    names, left = set(outputs), list(outputs)
    while left:
        name = left.pop()
        more = {*read_by(maker[name])} - names if name in maker else set()
        names |= more
        left += more
    return [entry for entry in entries if not names.isdisjoint(filter(None, entry.output))], names
