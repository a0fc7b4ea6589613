"""An ONNX file becomes a program. Nodes that depend on no input are computed by `onnx.reference`, if small."""
from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from minixnn.interop import onnx_file
from minixnn.interop.axes import BATCHES, FREE
from minixnn.interop.onnx_table import TABLE
from minixnn.interop.program import FLOATS, Input, Operation, Program, Ref

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
FREE_STEPS = (11, 14, 16)                       # of an only one, such as the length of a sequence


def program_of(onnx: ModuleType, path: Any, model: Any, input_shape: Any, output: str | None, free: int = 0) -> Program:
    """The Program in a file. free: which of the two sets of sizes axes have that the file leaves open."""
    opset = onnx_file.opset_of(path, model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    entries = [entry for entry in model.graph.input if entry.name not in weights]
    if not entries:
        raise ValueError(f"{path} has no inputs, expected one")
    chosen = onnx_file.output_of(path, model.graph, output)
    nodes, wanted = onnx_file.needed_nodes(model.graph.node, [chosen])
    needed = [entry for entry in entries if entry.name in wanted] or entries[:1]
    if len(needed) > 1 and input_shape is not None:
        raise ValueError(f"{path} has {len(needed)} inputs ({', '.join(e.name for e in needed)}), expected one where "
                         "input_shape is given")
    inputs, batches = [], BATCHES
    for entry in needed:
        batch, shape = onnx_file.declared(entry, input_shape)
        if shape is None:
            raise ValueError(f"the file does not say the shape of its input {entry.name!r}; needs "
                             "input_shape=(channels, height, width)")
        if batch:
            batches = (batch, batch)
        inputs.append(Input(entry.name, (batch or BATCHES[0], *filled(shape, free)), kind_of(entry)))
    if batches != BATCHES:
        inputs = [Input(e.name, (batches[0], *e.shape[1:]), e.kind) for e in inputs]
    limit = 4 * sum(math.prod(tensor.dims) for tensor in weights.values()) + 2 ** 20
    reader = Reader(onnx, opset, limit)
    values = {name: reader.array(tensor, name) for name, tensor in weights.items() if name in wanted}
    operations = [operation for node in nodes for operation in reader.operations(node, values)]
    double = any(e.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for e in needed) or any(
        isinstance(v, np.ndarray) and v.dtype == np.float64 and v.ndim > 1 for v in values.values())
    return Program(inputs, values, operations, chosen, lambda value: value, lambda value: value, reader.table(),
                   batches, np.float64 if double else np.float32, declared_type(onnx, needed[0]))


def filled(shape: tuple, free: int) -> tuple[int, ...]:
    """A shape with sizes in place of those that the file leaves open."""
    sizes = iter(FREE[free] if shape.count(None) > 1 or len(shape) > 2 else (FREE_STEPS[free],))
    return tuple(next(sizes) if n is None else n for n in shape)


def declared_type(onnx: ModuleType, entry: Any) -> str:
    kind = entry.type.tensor_type.elem_type
    return onnx.helper.tensor_dtype_to_np_dtype(kind).name if kind else "float32"


def kind_of(entry: Any) -> str:
    kind = entry.type.tensor_type.elem_type
    return "f" if kind in (0, *FLOATS) else "b" if kind == 9 else "i"


class Reader:
    """From nodes of a file to operations."""

    def __init__(self, onnx: ModuleType, opset: int, limit: int) -> None:
        self.onnx, self.opset, self.limit = onnx, opset, limit

    def array(self, tensor: Any, name: str) -> np.ndarray:
        """The numbers of a constant of the file."""
        try:
            return self.onnx.numpy_helper.to_array(tensor)
        except KeyError as error:
            raise ValueError(f"the constant {name!r} has numbers of type {tensor.data_type}, which onnx does not know"
                             ) from error

    def operations(self, node: Any, values: dict[str, Any]) -> list[Operation]:
        """A node as an operation; the branch that a constant If takes as its nodes."""
        place = f"node {node.name or node.output[0]!r} ({node.op_type})" if not node.name else \
            f"node {node.name!r} ({node.op_type})"
        settings = self.settings(node)
        if node.op_type == "If":
            branches = []
            for branch in (settings["then_branch"], settings["else_branch"]):
                values.update({tensor.name: self.array(tensor, tensor.name) for tensor in branch.initializer})
                branches.append(([op for each in branch.node for op in self.operations(each, values)],
                                 [entry.name for entry in branch.output]))
            return [Operation("If", (Ref(node.input[0]),), {}, list(node.output), place, lambda args, kwargs: [], "",
                              tuple(branches))]
        if node.op_type == "Constant":
            values[node.output[0]] = constant(settings, place)
            return []
        settings |= {"_kind": node.op_type, "_opset": self.opset, "_outputs": len(node.output)}
        name = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
        args = tuple(Ref(each) if each else None for each in node.input)
        module = "/".join(part for part in node.name.split("/")[1:-1]) if node.name.startswith("/") else node.name
        return [Operation(name, args, settings, list(node.output), place, self.computing(node, place),
                          module.replace("/", "."))]

    def settings(self, node: Any) -> dict[str, Any]:
        """The attributes of a node as plain values: text as text, tensors as arrays."""
        found = {}
        for each in node.attribute:
            value = self.onnx.helper.get_attribute_value(each)
            found[each.name] = value.decode(errors="replace") if isinstance(value, bytes) else \
                self.array(value, each.name) if isinstance(value, self.onnx.TensorProto) else value
        return found

    def computing(self, node: Any, place: str) -> Callable:
        """What computes a node from constants."""
        def compute(args: tuple, kwargs: dict) -> list:
            from onnx.reference import ReferenceEvaluator
            arrays = [None if a is None else np.asarray(a) for a in args]
            count = size_of_result(node.op_type, arrays, kwargs)
            if count > self.limit:
                raise ValueError(f"makes a constant of {count:,} numbers, expected {self.limit:,} at most in a file of "
                                 "this size")
            value = self.onnx.helper.make_tensor_value_info
            graph = self.onnx.helper.make_graph(
                [node], "g", [value(name, 1, None) for name in dict.fromkeys(node.input) if name],
                [value(name, 1, None) for name in node.output if name])
            divisor = arrays[1] if node.op_type in ("Div", "Mod") else None
            if divisor is not None and divisor.dtype.kind in "iu" and not divisor.all():
                raise ValueError("divides by zero")
            for opset in (self.opset, self.onnx.defs.onnx_opset_version()):
                try:
                    evaluator = ReferenceEvaluator(graph, opsets={"": opset, "ai.onnx.ml": 3})
                    break
                except (NotImplementedError, RuntimeError):  # not every version of an operator can be computed
                    if opset != self.opset:
                        raise
            with np.errstate(all="ignore"):                 # a NaN in weights is found where they are used
                found = evaluator.run(None, {name: a for name, a in zip(node.input, arrays) if a is not None})
            return [np.asarray(a) if not isinstance(a, list) else a for a in found]
        return compute

    def table(self) -> dict[str, Callable]:
        """TABLE, with sentences for attributes that a function does not know."""
        return {name: known_only(function) for name, function in TABLE.items() if function is not None}


def known_only(function: Callable) -> Callable:
    parameters = inspect.signature(function).parameters
    names = {name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def called(b: Any, *args: Any, **settings: Any) -> Any:
        given = {}
        for name, value in settings.items():
            if name in names or open_ended and not name.startswith("_"):
                given[name] = value
            elif not name.startswith("_"):
                raise ValueError(f"{name}={value!r} is not supported")
        while args and args[-1] is None:
            args = args[:-1]
        found = function(b, *args, **given)
        return found[0] if isinstance(found, list) and settings["_outputs"] == 1 else found
    return called


def constant(settings: dict[str, Any], place: str) -> np.ndarray:
    """The array of a Constant node, whichever way it is written."""
    for name, kind in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                       ("value_int", np.int64), ("value_ints", np.int64)):
        if name in settings:
            return np.asarray(settings[name], kind)
    raise ValueError(f"{place}: holds {', '.join(settings) or 'nothing'}, expected numbers")


def size_of_result(kind: str, arrays: list, settings: dict[str, Any]) -> int:
    """How many numbers a node makes of constants, at most, for those that could make many out of few."""
    shapes = [a.shape for a in arrays if a is not None]
    if kind in ("Expand", "Tile"):
        return math.prod(map(int, np.ravel(arrays[1]))) * max(arrays[0].size, 1)
    if kind == "ConstantOfShape":
        return math.prod(map(int, np.ravel(arrays[0])))
    if kind == "Range":
        start, stop, step = (float(np.ravel(a)[0]) for a in arrays)
        return int(abs((stop - start) / step)) if step else 0
    if kind in ("MatMul", "Gemm") and min(map(len, shapes[:2])) > 0:
        a, b = shapes[:2]
        return math.prod(a[:-1]) * math.prod(b[-1:]) * math.prod(b[:-2])
    if kind in ("Pad", "CenterCropPad"):
        if np.size(arrays[1]) != 2 * len(shapes[0]):
            return 2 ** 62 if np.abs(arrays[1]).max() > 2 ** 20 else 0
        return math.prod(n + int(p) for n, p in zip(shapes[0], np.abs(np.reshape(arrays[1], (2, -1))).sum(0)))
    if kind in ("OneHot", "EyeLike"):
        return arrays[0].size * int(np.max(np.abs(arrays[1]))) if len(arrays) > 1 else arrays[0].size
    if kind == "Gather":
        return arrays[1].size * arrays[0].size // max(arrays[0].shape[settings.get("axis", 0)], 1)
    if kind in ("Resize", "Upsample"):
        last = arrays[-1]
        return math.prod(map(int, np.ravel(last))) if last.dtype.kind == "i" else int(
            arrays[0].size * np.prod(np.ravel(last)))
    if kind in ("Einsum", "Conv", "ConvTranspose", "Attention"):
        return math.prod(a.size for a in arrays if a is not None) if math.prod(
            max(a.size, 1) for a in arrays if a is not None) < 2 ** 24 else 0
    if kind in BINARY:
        try:
            return math.prod(np.broadcast_shapes(*shapes))
        except ValueError:
            return 0
    return 0


BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "Equal", "Greater", "Less", "And", "Or", "Xor", "Max", "Min", "Where",
          "GreaterOrEqual", "LessOrEqual", "Mod", "Sum", "Mean", "PRelu", "BitwiseAnd", "BitwiseOr")
