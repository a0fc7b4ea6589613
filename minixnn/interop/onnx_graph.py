"""An ONNX file becomes the small graph of `graph.py`.

A file lists nodes in an order in which they can be computed: those that images pass, and those that compute a weight,
or the target of a Reshape from the size of what it reshapes. One walk over the list does both. What depends on no
pixel is computed on the spot, once, and forgotten behind its last reader; every other node becomes a node of the graph.
"""
import math
from typing import Any

import numpy as np

from minixnn.interop import onnx_constants, onnx_file
from minixnn.interop.graph import Graph
from minixnn.interop.operations import Constant, Node
from minixnn.interop.onnx_file import needed_nodes, read_by
from minixnn.interop.onnx_nodes import READERS
from minixnn.interop.onnx_reading import OnnxReading
from minixnn.interop.shapes import concrete


MISTAKES = (TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError, OverflowError)


def read_graph(path: Any, input_shape: tuple[int, ...] | None = None, output: str | None = None) -> Graph:
    """The Graph in the ONNX file `path`. input_shape, output: as for `from_onnx`."""
    onnx = onnx_file.library()
    model = onnx_file.read(onnx, path)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise ValueError(f"{path} has {len(inputs)} inputs ({', '.join(entry.name for entry in inputs)}), expected one")
    name, kind = inputs[0].name, inputs[0].type.tensor_type.elem_type
    output = onnx_file.output_of(path, model.graph, output)
    batch, shape = onnx_file.declared(inputs[0], input_shape)
    graph = Graph(shape, f"the input {name!r}", batch, np.float64 if kind == onnx.TensorProto.DOUBLE else np.float32)
    entries, _ = needed_nodes(model.graph.node, [output])
    graph.declared = onnx.helper.tensor_dtype_to_np_dtype(kind).name if kind else "float32"
    walk = _Walk(onnx, graph, weights, onnx_file.opset_of(path, model))
    walk.values[name] = graph.input
    walk.run(entries, _last_readers(entries, output))
    graph.output = walk.values.get(output)
    if not isinstance(graph.output, Node):
        raise ValueError(f"the output {output!r} of {path} does not depend on its input {name!r}")
    return graph


class _Walk:
    """From node to node. values: {name: node of the graph, constant, or None}; weights: the file's, by name."""

    def __init__(self, onnx, graph, weights, opset):
        self.onnx, self.graph, self.weights, self.opset = onnx, graph, weights, opset
        self.values = {"": None}                            # "" is an input that is left out
        self.limit = 4 * sum(math.prod(tensor.dims) for tensor in weights.values()) + 2 ** 20

    def run(self, entries, forget=None):
        """Read these nodes. forget: for each the names that are not needed behind it."""
        for number, entry in enumerate(entries):
            for name in read_by(entry):
                if name in self.weights and name not in self.values:
                    self.values[name] = Constant(_array(self.onnx, self.weights[name], name), name)
            self.values.update(zip(entry.output, self.read(entry)))
            for name in forget[number] if forget else ():
                self.values.pop(name, None)

    def read(self, entry):
        """What the outputs of a node are: nodes of the graph, or constants; unknown nodes for what cannot be read."""
        reading = OnnxReading(self.graph, entry, [self.values.get(name) for name in entry.input],
                              self.settings(entry), self.opset)
        try:
            found = self.constants(reading, entry)
            found = self.node(reading, entry) if found is None else found
            unread = entry.output[len(found)] if len(found) < len(entry.output) else None
            reason = f"its output {unread!r} is read, expected the first, {entry.output[0]!r}, alone"
        except ValueError as error:
            found, reason = [], str(error)
        except MISTAKES as error:               # what no well-formed node leads to
            found, reason = [], f"its inputs or attributes make no sense: {error!r}"
        return found + [self.graph.unknown(reading.inputs, reading.label, reason) for _ in entry.output[len(found):]]

    def constants(self, reading, entry):
        """The outputs of a node that depends on no pixel; None of one that does."""
        given, settings = [each for each in reading.inputs if each is not None], reading.settings
        if entry.op_type == "Constant":
            return [Constant(_value_of(settings), reading.label)]
        if entry.op_type == "Shape" and isinstance(given[0], Node):
            if given[0].shape is None:
                raise ValueError("the size of what it reads is not known")
            sizes = concrete(given[0].shape)
            return [Constant(sizes[settings.get("start", 0):settings.get("end")], reading.label)]
        if not all(isinstance(each, Constant) for each in given):
            return None
        if entry.op_type == "If":
            return self.chosen(settings["then_branch" if given[0].array.all() else "else_branch"])
        arrays = [None if each is None else each.array for each in reading.inputs]
        settings["outputs"] = len(entry.output)
        return [Constant(array, reading.label)
                for array in onnx_constants.evaluate(entry.op_type, arrays, settings, self.limit)]

    def chosen(self, branch):
        """The outputs of the branch that an If takes whatever the pixels are."""
        self.weights.update({tensor.name: tensor for tensor in branch.initializer})
        self.run(branch.node)
        return [self.values[entry.name] for entry in branch.output]

    def node(self, reading, entry):
        """The nodes of the graph that a node becomes, one per output."""
        if entry.op_type not in READERS or entry.domain not in ("", "ai.onnx", "ai.onnx.ml"):
            raise ValueError(f"{entry.op_type} is not supported; docs/networks.md lists what is")
        reader, known = READERS[entry.op_type]
        for name, value in reading.settings.items():
            if name not in known.split():
                raise ValueError(f"{name}={value!r} is not supported")
        found = reader(reading)
        return found if isinstance(found, list) else [found]

    def settings(self, entry):
        """The attributes of a node as plain values: text as text, tensors as arrays."""
        helper = self.onnx.helper
        found = {each.name: helper.get_attribute_value(each) for each in entry.attribute}
        return {name: value.decode(errors="replace") if isinstance(value, bytes) else
                _array(self.onnx, value, name) if isinstance(value, self.onnx.TensorProto) else value
                for name, value in found.items()}


def _array(onnx, tensor, name):
    """The numbers of a constant of the file."""
    try:
        return onnx.numpy_helper.to_array(tensor)
    except KeyError as error:
        raise ValueError(f"the constant {name!r} has numbers of type {tensor.data_type}, which onnx does not know"
                         ) from error


def _value_of(settings):
    """The array of a Constant node, whichever way it is written."""
    for name, kind in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                       ("value_int", np.int64), ("value_ints", np.int64)):
        if name in settings:
            return np.asarray(settings[name], kind)
    raise ValueError(f"holds {', '.join(settings) or 'nothing'}, expected numbers")


def _last_readers(entries, output):
    """For every node the names that no later one reads."""
    last = {name: number for number, entry in enumerate(entries) for name in (*read_by(entry), *entry.output)}
    last[""], last[output] = len(entries), len(entries)
    found = [[] for _ in range(len(entries) + 1)]
    for name, number in last.items():
        found[number].append(name)
    return found
