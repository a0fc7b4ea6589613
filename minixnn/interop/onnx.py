"""An ONNX file becomes a Network. Nodes that depend on no input are computed by `onnx.reference`, if small.

    ValueError: node 'conv3' (Conv): auto_pad='SOME' is not supported
"""
from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import partial
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from minixnn.interop import onnx_file
from minixnn.interop.axes import BATCHES, FREE
from minixnn.interop.building import any_size, network
from minixnn.interop.operations.arithmetic import DRAWS
from minixnn.interop.operations.whole import FLOATS
from minixnn.interop.program import Input, Operation, Program, Ref
from minixnn.interop.table import ONNX
from minixnn.network import Network

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
FREE_STEPS = (11, 14, 16)                       # of an only one, such as the length of a sequence
SHAPES = 2 ** 12                                # numbers of the largest constant that may be a shape, or places


def from_onnx(path: str | PathLike, input_shape: tuple[int, ...] | None = None, output: str | None = None,
              layout: str | None = None, mean: ArrayLike | None = None, std: ArrayLike | None = None,
              labels: Sequence[str] = ()) -> Network:
    """The Network that computes what the graph in the ONNX file `path` computes, in inference.

    Parameters
    ----------
    path : str or PathLike
        a file of opset 11 or later; docs/networks.md lists the operators that are read
    input_shape : tuple of int, optional
        of one input, as the graph sees it, (C, H, W) as a rule; needed where the file leaves it open and something
        depends on it, such as the order of features behind Flatten
    output : str, optional
        the name of the output to explain, where there are several
    layout : "channels first" or "channels last", optional
        where the input has its channels, if the graph does not tell
    mean, std, labels : optional
        for the network's card, as in `Network.with_card`

    Returns
    -------
    Network
        Images enter it channel-last: net.forward(x.transpose(0, 2, 3, 1)). A Softmax, Sigmoid or Tanh at the end is
        left out: the outputs are the logits that enter it. Of several inputs it takes a tuple.

    Raises
    ------
    ValueError
        naming the node, for what a Network cannot represent, and for files that are no ONNX, or damaged.
    ImportError
        without the onnx package: pip install minixnn[onnx]
    """
    onnx = onnx_file.library()
    model = onnx_file.read(onnx, path)
    program = program_of(onnx, path, model, input_shape, output)
    declared = next(onnx_file.declared(entry, None)[1] for entry in model.graph.input
                    if entry.name == program.inputs[0].name)
    free = len(program.inputs) == 1 and input_shape is None and None in (declared or ())
    net = any_size(lambda n: network(program_of(onnx, path, model, input_shape, output, n), layout)[0]) if free else \
        network(program, layout)[0]
    if net.card.head is not None:
        warnings.warn(f"the {net.card.head} at the end of {path} is left out: the outputs are the logits that "
                      "enter it", stacklevel=2)
    return net.with_card(mean, std, labels=labels)


def program_of(onnx: ModuleType, path: str | PathLike, model: ModelProto, input_shape: tuple[int, ...] | None,
               output: str | None, free: int = 0) -> Program:
    """The Program in a file. free: which of the sets of sizes axes have that the file leaves open."""
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
    shapes, batches = [], BATCHES
    for entry in needed:
        batch, shape = onnx_file.declared(entry, input_shape)
        if shape is None:
            raise ValueError(f"the file does not say the shape of its input {entry.name!r}; needs "
                             "input_shape=(channels, height, width)")
        batches = (batch, batch) if batch else batches
        sizes = iter(FREE[free] if shape.count(None) > 1 or len(shape) > 2 else (FREE_STEPS[free],))
        shapes.append([next(sizes) if n is None else n for n in shape])
    types = [entry.type.tensor_type.elem_type for entry in needed]
    inputs = [Input(entry.name, (batches[0], *shape), "f" if kind in (0, *FLOATS) else "b" if kind == 9 else "i")
              for entry, shape, kind in zip(needed, shapes, types)]
    limit = 4 * sum(math.prod(tensor.dims) for tensor in weights.values()) + 2 ** 20
    reader = Reader(onnx, {entry.domain: entry.version for entry in model.opset_import} | {"": opset}, limit)
    values = {name: reader.array(tensor, name) for name, tensor in weights.items() if name in wanted}
    values |= {sparse.values.name: reader.dense(sparse) for sparse in model.graph.sparse_initializer
               if sparse.values.name in wanted}
    operations = [operation for node in nodes for operation in reader.operations(node, values)]
    double = onnx.TensorProto.DOUBLE in types or any(v.dtype == np.float64 and v.ndim > 1 for v in values.values())
    return Program(inputs, values, operations, chosen, lambda value: value, lambda value: value, batches,
                   np.float64 if double else np.float32,
                   onnx.helper.tensor_dtype_to_np_dtype(types[0]).name if types[0] else "float32")


class Reader:
    """From nodes of a file to operations. limit: numbers in the largest constant that is computed."""

    def __init__(self, onnx: ModuleType, opsets: dict[str, int], limit: int) -> None:
        self.onnx, self.opsets, self.limit = onnx, opsets, limit

    def array(self, tensor: TensorProto, name: str) -> np.ndarray:
        """The numbers of a constant of the file."""
        try:
            return self.onnx.numpy_helper.to_array(tensor)
        except KeyError as error:
            raise ValueError(f"the constant {name!r} has numbers of type {tensor.data_type}, which onnx does not know"
                             ) from error

    def dense(self, sparse: SparseTensorProto) -> np.ndarray:
        """A constant of which the file has the numbers that are not 0, and their places."""
        name, dims = sparse.values.name, list(sparse.dims)
        if math.prod(dims) > self.limit or min(dims, default=1) < 0:
            raise ValueError(f"the constant {name!r} has {tuple(dims)} numbers, expected {self.limit:,} at most in a "
                             "file of this size")
        numbers, places = self.array(sparse.values, name), self.array(sparse.indices, name)
        flat = places if places.ndim == 1 else np.ravel_multi_index(tuple(places.T), dims)
        found = np.zeros(math.prod(dims), numbers.dtype)
        found[flat] = numbers
        return found.reshape(dims)

    def operations(self, node: NodeProto, values: dict[str, np.ndarray]) -> list[Operation]:
        """A node as an operation, but for a constant, which is put among the values."""
        place = f"node {node.name or node.output[0]!r} ({node.op_type})"
        settings, defaults = self.settings(node)
        if node.op_type == "If":
            branches = []
            for branch in (each.g for name in ("then_branch", "else_branch") for each in node.attribute
                           if each.name == name):
                values.update({tensor.name: self.array(tensor, tensor.name) for tensor in branch.initializer})
                branches.append(([op for each in branch.node for op in self.operations(each, values)],
                                 [entry.name for entry in branch.output]))
            return [Operation("If", (Ref(node.input[0]),), {}, list(node.output), place, lambda args, kwargs: [],
                              branches=tuple(branches))]
        if node.op_type == "Constant":
            values[node.output[0]] = constant(settings, place)
            return []
        row = ONNX.get(node.op_type) if node.domain in DOMAINS else None
        becomes = None if row is None else lambda b, *args, **settings: row.of_node(
            b, args, settings, defaults, len(node.output), self.opsets[""])
        name = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
        args = tuple(Ref(each) if each else None for each in node.input)
        module = ".".join(node.name.split("/")[1:-1]) if node.name.startswith("/") else node.name.replace("/", ".")
        return [Operation(name, args, settings, list(node.output), place, partial(self.computed, node), becomes,
                          module)]

    def settings(self, node: NodeProto) -> tuple[dict[str, object], dict[str, object]]:
        """The attributes of a node and the defaults of others as plain values: text as text, tensors as arrays."""
        def plain(attribute: AttributeProto) -> object:
            value = self.onnx.helper.get_attribute_value(attribute)
            return value.decode(errors="replace") if isinstance(value, bytes) else \
                self.array(value, attribute.name) if isinstance(value, self.onnx.TensorProto) else value
        domain = node.domain.removeprefix("ai.onnx") if node.domain == "ai.onnx" else node.domain
        defaults = {}
        if domain in self.opsets and self.onnx.defs.has(node.op_type, self.opsets[domain], domain):
            schema = self.onnx.defs.get_schema(node.op_type, self.opsets[domain], domain)
            defaults = {name: plain(attribute.default_value) for name, attribute in schema.attributes.items()
                        if attribute.default_value.type}
        return {each.name: plain(each) for each in node.attribute}, defaults

    def computed(self, node: NodeProto, args: tuple, kwargs: dict) -> list:
        """What a node makes of constants."""
        if node.op_type in ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli",
                            "Multinomial"):
            raise ValueError(DRAWS)
        from onnx.reference import ReferenceEvaluator
        arrays = {name: np.asarray(a) for name, a in zip(node.input, args) if a is not None}
        if node.op_type in ("Div", "Mod") and arrays[node.input[1]].dtype.kind in "iu" and not \
                arrays[node.input[1]].all():
            raise ValueError("divides by zero")
        graph = self.graph_of(node, arrays)
        count = self.size_of_result(graph)
        if count > self.limit:
            raise ValueError(f"makes a constant of {count:,} numbers, expected {self.limit:,} at most in a file of "
                             "this size")
        for opset in (self.opsets[""], self.onnx.defs.onnx_opset_version()):
            try:
                evaluator = ReferenceEvaluator(graph, opsets={"ai.onnx.ml": 3} | self.opsets | {"": opset})
                break
            except (NotImplementedError, RuntimeError):     # not every version of an operator can be computed
                if opset != self.opsets[""]:
                    raise
        with np.errstate(all="ignore"):                     # a NaN in weights is found where they are used
            found = evaluator.run(None, arrays)
        return [np.asarray(a) if not isinstance(a, list) else a for a in found]

    def graph_of(self, node: NodeProto, arrays: dict[str, np.ndarray]) -> GraphProto:
        """A graph of one node, in which those of its inputs are constants that may be a shape, or places."""
        value, code = self.onnx.helper.make_tensor_value_info, self.onnx.helper.np_dtype_to_tensor_dtype
        return self.onnx.helper.make_graph(
            [node], "g", [value(name, code(a.dtype), a.shape) for name, a in arrays.items()],
            [value(name, 0, None) for name in node.output if name],
            [self.onnx.numpy_helper.from_array(a, name) for name, a in arrays.items() if a.size <= SHAPES])

    def size_of_result(self, graph: GraphProto) -> int:
        """How many numbers a node makes of constants, as far as onnx infers it: few numbers could make many."""
        model = self.onnx.helper.make_model(graph, opset_imports=[
            self.onnx.helper.make_opsetid(domain, version) for domain, version in self.opsets.items()])
        inferred = self.onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
        return sum(math.prod(d.dim_value for d in entry.type.tensor_type.shape.dim) for entry in inferred)


def constant(settings: dict[str, object], place: str) -> np.ndarray:
    """The array of a Constant node, whichever way it is written."""
    for name, kind in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                       ("value_int", np.int64), ("value_ints", np.int64)):
        if name in settings:
            return np.asarray(settings[name], kind)
    raise ValueError(f"{place}: holds {', '.join(settings) or 'nothing'}, expected numbers")
