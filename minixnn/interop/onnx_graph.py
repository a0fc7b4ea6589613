"""An ONNX file as one chain of nodes, from the graph's input to its output.

A file lists nodes in any order in which they can be computed: those that images pass, and those that compute a
weight, or the target of a Reshape from the size of what it reshapes. Here the first are told from the second.
What is wrong with a node is said by a ValueError without its name; `named` puts the name before it.
"""
import contextlib
import os

import numpy as np


class Graph:
    """The chain, what is known of the input's shape, and the values of all that is no image.

    chain       the nodes that images pass, in order
    shape       of one input, without the batch: (C, H, W) or (I,), None for what is left open; or None altogether
    batches     sizes of a batch to try a Reshape with: the one that the file fixes, or two
    """

    def __init__(self, path):
        onnx = library()
        model = read(onnx, path)
        self._onnx, self._values = onnx, onnx.helper.get_attribute_value
        self._array = onnx.numpy_helper.to_array
        self._versions = model.opset_import
        version = max((entry.version for entry in self._versions if entry.domain in ("", "ai.onnx")), default=0)
        if version < 11:
            raise ValueError(f"{path} is written in opset {version}, expected 11 or newer; convert it: "
                             "onnx.version_converter.convert_version(onnx.load(path), 17)")
        graph = model.graph
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        inputs = [entry for entry in graph.input if entry.name not in self._weights]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise ValueError(f"{path} has {len(inputs)} inputs and {len(graph.output)} outputs, expected one of each")
        self.input, self.output = inputs[0].name, graph.output[0].name
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self._fixed = self._without_images(graph)
        self.chain = self._chain()
        self.shape, self.batches = self._declared(inputs[0])
        self.sizes = {}                         # tensor on the chain -> its shape without the batch, ONNX's order

    def _without_images(self, graph):
        """The names of all tensors whose values do not depend on the pixels of the input."""
        fixed = {"", *self._weights}            # "" is an input that is left out
        for node in graph.node:
            has_body = any(attribute.HasField("g") for attribute in node.attribute)         # of a loop or an if
            if node.op_type == "Shape" or fixed.issuperset(node.input) and not has_body:
                fixed.update(node.output)
        return fixed

    def _chain(self):
        """From the output back to the input, one node at a time; two that are joined are refused."""
        name, chain, left = self.output, [], dict(self.producers)
        while name != self.input:
            node = left.pop(name, None)
            if node is None:
                raise ValueError(f"no chain of nodes leads from the input {self.input!r} to the output "
                                 f"{self.output!r}: nothing computes {name!r}")
            with named(node):
                name = self._before(node, name)
            chain.insert(0, node)
        return chain

    def _before(self, node, name):
        """The one tensor with images that a node on the chain reads."""
        if name != node.output[0]:
            raise ValueError(f"its output {name!r} is read, expected the first, {node.output[0]!r}, alone")
        if node.op_type == "Where":
            return self._softplus(node)
        moving = list(dict.fromkeys(entry for entry in node.input if entry not in self._fixed))
        if len(moving) != 1 or sum(entry in moving for entry in node.input) > 1:
            read = " and ".join(repr(entry) for entry in node.input if entry not in self._fixed) or "no image"
            raise ValueError(f"reads {read}, so the graph is not sequential; only a chain of layers is supported, "
                             "without branches")
        return moving[0]

    def _softplus(self, node):
        """What x is in Where(x > limit, x, Softplus(x)): torch's newer exporter writes Softplus so."""
        above, x, smooth = node.input
        above, smooth = self.producers.get(above), self.producers.get(smooth)
        if above is None or smooth is None or (above.op_type, smooth.op_type) != ("Greater", "Softplus") or \
                list(smooth.input) != [x] or above.input[0] != x or above.input[1] not in self._fixed or \
                self.value(above.input[1]).min() < 20:      # from 20 on, x and Softplus(x) are one number in float32
            raise ValueError("Where is not supported, but as Where(x > 20, x, Softplus(x))")
        return x

    def _declared(self, entry):
        """(shape, batches) as the file has them for its input."""
        kind = entry.type.tensor_type
        if not kind.shape.dim:
            return None, (7, 11)
        batch, *shape = (d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim)
        return tuple(shape), (batch,) if batch else (7, 11)

    def settings(self, node):
        """The attributes of a node by name."""
        found = {attribute.name: self._values(attribute) for attribute in node.attribute}
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}

    def value(self, name, batch=None):
        """The array called `name`, computed if need be, for batches of this size; None for an input left out."""
        if not name:
            return None
        if name in self._weights:
            return self._array(self._weights[name])
        node = self.producers[name]
        if node.op_type == "Shape" and node.input[0] not in self._fixed:
            settings = self.settings(node)
            return np.array(self.size(node.input[0], batch)[settings.get("start", 0):settings.get("end")], np.int64)
        arrays = {entry: self.value(entry, batch) for entry in node.input if entry}
        helper = self._onnx.helper
        try:
            inputs, outputs = (list(map(helper.make_empty_tensor_value_info, names)) for names in (arrays, node.output))
            alone = helper.make_model(helper.make_graph([node], "one", inputs, outputs), opset_imports=self._versions)
            outputs = self._onnx.reference.ReferenceEvaluator(alone).run(None, arrays)
        except Exception as error:              # whatever it is, this node is no weight that can be read
            raise ValueError(f"{name!r} cannot be computed from the weights: {error}") from error
        return np.asarray(outputs[list(node.output).index(name)])

    def size(self, name, batch):
        """The shape of the tensor called `name` for batches of this size; what is not known is another number each."""
        if self.sizes.get(name) is None:
            raise ValueError(f"the size of {name!r} is not known here")
        return batch, *(1009 * batch + axis if n is None else n for axis, n in enumerate(self.sizes[name]))

    def inputs(self, node):
        """The further inputs of a node on the chain, weights in float32 or float64."""
        arrays = [self.value(name) for name in node.input if name in self._fixed]
        return [None if array is None else _checked(array) for array in arrays]


def _checked(array):
    array = np.array(array, np.float64 if array.dtype == np.float64 else np.float32)
    if not np.isfinite(array).all():
        raise ValueError("its weights hold NaN or infinite numbers, expected trained ones")
    return array


@contextlib.contextmanager
def named(node):
    """Put the name and the type of a node before what is wrong with it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"node {node.name or node.output[0]!r} ({node.op_type}): {error}") from error


def library():
    """The onnx package."""
    try:
        import onnx
        import onnx.reference
        return onnx
    except ImportError as error:
        raise ImportError("reading ONNX files needs the onnx package: pip install minixnn[onnx]") from error


def read(onnx, path):
    """The model in a file, after onnx has checked that it is one."""
    path = os.fspath(path)
    with open(path, "rb"):                      # a missing file is said to be missing
        pass
    try:
        model = onnx.load(path)
    except Exception as error:                  # a damaged file can make the readers of it raise anything at all
        raise ValueError(f"{path} is not an ONNX model, or is damaged: {error}") from error
    for node in model.graph.node:
        if not node.domain and not onnx.defs.has(node.op_type):
            with named(node):
                raise ValueError(f"{node.op_type} is not supported")
    for entry in [*model.graph.input, *model.graph.output]:
        entry.type.tensor_type.shape.SetInParent()          # many a file leaves the shape out, which onnx minds
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise ValueError(f"{path} is not a valid ONNX model: {error}") from error
    return model
