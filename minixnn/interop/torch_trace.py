"""A torch module, as `torch.fx` traces it, becomes the small graph. What needs torch to be there is in this file.

A trace lists the modules, functions and methods that the module's forward calls. Modules of torch that are known stay
whole; all others are looked into. What depends on no input (sizes, parameters and what is computed from them) is
computed by torch on the spot, once.
"""
import contextlib
import copy
import inspect
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from minixnn import layers
from minixnn.interop.operations import Constant, Node
from minixnn.interop.layout import output_from_channels_first, size_unknown
from minixnn.interop.reading import Reading
from minixnn.interop.torch_attention import ATTENTION
from minixnn.interop.torch_functions import FUNCTIONS, INPLACE
from minixnn.interop.torch_modules import MODULES, array

KNOWN = {**MODULES, **ATTENTION}
ROUNDING = 0.01         # of the largest output
WEIGHT_HOOKS = ("WeightNorm", "SpectralNorm", "BasePruningMethod")      # they compute weights, and nothing else


def kind_of(module: Any) -> str | None:
    """The name of the known class whose `forward` runs: a subclass that computes the same counts as its parent."""
    for parent in type(module).__mro__:
        if parent.__name__ in KNOWN or parent.__name__ == "Sequential":
            return parent.__name__
        if "forward" in vars(parent):
            return None
    return None


def hooks_of(module: Any) -> list:
    return [*getattr(module, "_forward_pre_hooks", {}).values(), *getattr(module, "_forward_hooks", {}).values()]


def _computes_weights(hook):
    return any(parent.__name__ in WEIGHT_HOOKS for parent in type(hook).__mro__)


def settled(module: Any) -> Any:
    """The module with the weights that its hooks compute now; a copy, if there are such hooks."""
    hooks = [hook for hook in hooks_of(module) if _computes_weights(hook)]
    if hooks:
        module = copy.copy(module)
        for hook in hooks:
            hook(module, None)
    return module


@contextlib.contextmanager
def evaluating(torch: Any, module: Any) -> Iterator:
    """The module in eval mode, without gradients; every part of it is in its own mode again afterwards."""
    modes = {part: part.training for part in module.modules()}
    try:
        module.eval()
        with torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            part.training = training


def trace(torch: Any, module: Any, graph: Any) -> Any:
    """Fill the graph with what `module` computes in eval mode; returns what it returns: a node, or a tuple of them."""
    import torch.fx as fx
    if torch.nn.modules.module._global_forward_hooks or torch.nn.modules.module._global_forward_pre_hooks:
        raise ValueError("hooks for all modules are registered (register_module_forward_hook), and what they change is "
                         "not seen here; remove them first")

    class Tracer(fx.Tracer):
        proxy_buffer_attributes = True                      # a mask may be cut to the length of a sequence

        def is_leaf_module(self, part, path):
            if kind_of(part) not in (None, "Sequential"):
                return all(map(_computes_weights, hooks_of(part)))
            return kind_of(part) is None and super().is_leaf_module(part, path)

    for name, parameter in list(inspect.signature(module.forward).parameters.items())[1:]:
        if parameter.default is parameter.empty and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD,
                                                                       parameter.KEYWORD_ONLY):
            raise ValueError(f"its forward takes {name!r} beside its first input, expected one input")
    root = torch.nn.Sequential(module)
    try:
        with evaluating(torch, root):
            traced = Tracer().trace(root)
            return _Walk(torch, root, graph).run(traced)
    except (fx.proxy.TraceError, TypeError, NameError, AttributeError, RuntimeError) as error:
        name = type(module).__name__
        raise ValueError(f"{name}: torch.fx cannot trace it: {error}. A forward that decides by the values of its "
                         "input can be written to ONNX (torch.onnx.export) and read from there") from error


class _Walk:
    """From one entry of a trace to the next; values: {entry: node, list of nodes, torch tensor or plain value}."""

    def __init__(self, torch, root, graph):
        self.torch, self.root, self.graph, self.values = torch, root, graph, {}

    def run(self, traced):
        for entry in traced.nodes:
            args, kwargs = (self.torch.fx.node.map_arg(each, self.values.__getitem__)
                            for each in (entry.args, entry.kwargs))
            if entry.op == "placeholder":                   # the one input of the Sequential
                self.values[entry] = self.graph.input
            elif entry.op == "output":
                return args[0]
            elif entry.op == "get_attr":
                self.values[entry] = operator.attrgetter(entry.target)(self.root)
            else:
                self.values[entry] = self.call(entry, args, kwargs)

    def call(self, entry, args, kwargs):
        """What a module, function or method gives; an unknown node with the reason where it cannot be read."""
        name, label = self.name(entry), self.label(entry)
        if not _nodes((args, kwargs)):
            try:
                return self.plainly(entry, args, kwargs)
            except Exception as error:          # whatever it is, this is nothing that can be computed beforehand
                return self.graph.unknown([], label, f"{name} of what is no input cannot be computed: {error}")
        try:
            if name in ("size", "dim", "ndimension", "getattr", "numel"):
                return self.about(name, *args, **kwargs)
            if name == "getitem" and isinstance(args[0], (list, tuple)):
                return args[0][args[1]]
            found = self.read(entry, name, label, args, kwargs)
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            return self.graph.unknown(_nodes((args, kwargs)), label, _said(error))
        self.overwrite(entry, name, args, kwargs, found)
        return found

    def read(self, entry, name, label, args, kwargs):
        """The node of the graph for a call whose arguments depend on the input."""
        args = self.torch.fx.node.map_aggregate(args, self.constant)
        kwargs = dict(self.torch.fx.node.map_aggregate(kwargs, self.constant))
        if entry.op == "call_module":
            module = self.root.get_submodule(entry.target)
            kind = kind_of(module)
            if kind is None:
                raise ValueError(f"{type(module).__name__} is not supported")
            return KNOWN[kind](Reading(self.graph, label, args), settled(module), **kwargs)
        if name.rstrip("_") not in FUNCTIONS:
            raise ValueError(f"{name} is not supported")
        first = args[0] if args else kwargs.pop("input", None)
        return FUNCTIONS[name.rstrip("_")](Reading(self.graph, label, [first]), *args[1:], **kwargs)

    def plainly(self, entry, args, kwargs):
        """What torch or Python computes from plain values."""
        if entry.op == "call_module":
            return self.root.get_submodule(entry.target)(*args, **kwargs)
        if entry.op == "call_method":
            return getattr(args[0], entry.target)(*args[1:], **kwargs)
        return entry.target(*args, **kwargs)

    def about(self, name, x, *more, **kwargs):
        """What a forward asks of a tensor beside its numbers: its size, its type."""
        if name == "getattr" and more[0] in ("dtype", "device"):
            return {"dtype": getattr(self.torch, np.dtype(self.graph.dtype).name), "device": "cpu"}[more[0]]
        if name == "getattr" and more[0] not in ("shape", "ndim"):
            raise ValueError(f"reads .{more[0]} of a tensor, expected shape, ndim, dtype or device")
        if x.shape is None:
            raise size_unknown("asks for a size that is not known")
        if name in ("dim", "ndimension") or more[:1] == ("ndim",):
            return len(x.shape)
        if name == "numel":
            return int(np.prod(x.shape))
        axis = kwargs.get("dim", more[0] if name == "size" and more else None)
        return tuple(x.shape) if axis is None else x.shape[axis]

    def overwrite(self, entry, name, args, kwargs, found):
        """What is changed in place has its new numbers for everybody who reads it from here on."""
        module = self.root.get_submodule(entry.target) if entry.op == "call_module" else None
        changes = getattr(module, "inplace", False) or name.rstrip("_") in INPLACE and (
            name.endswith("_") or kwargs.get("inplace")) or getattr(entry.target, "__name__", "").startswith("i") and \
            entry.target in (operator.iadd, operator.imul, operator.isub, operator.itruediv)
        if changes and args and isinstance(args[0], Node):
            self.values.update({key: found for key, value in self.values.items() if value is args[0]})

    def constant(self, value):
        """Tensors as constants; all else as it is."""
        return Constant(array(value) if value.is_floating_point() else value.detach().cpu().numpy()) \
            if isinstance(value, self.torch.Tensor) else value

    def name(self, entry):
        """relu for torch.relu, torch.nn.functional.relu, Tensor.relu; iadd is add."""
        name = entry.target if isinstance(entry.target, str) else getattr(entry.target, "__name__", str(entry.target))
        return name[1:] if entry.target in (operator.iadd, operator.imul, operator.isub, operator.itruediv) else name

    def label(self, entry):
        """How a sentence calls it: the path of a module, or the function and the module that calls it."""
        if entry.op == "call_module":
            return _inside(entry.target) or type(self.root[0]).__name__
        stack = list(entry.meta.get("nn_module_stack", {}).values())
        path = _inside(str(stack[-1][0])) if stack else ""
        return f"{self.name(entry)} in {path or type(self.root[0]).__name__}"


def _inside(path):
    """A path without that of the Sequential which the module was put into."""
    return path.partition(".")[2]


def _said(error):
    return str(error) if isinstance(error, ValueError) else f"its arguments are not understood: {error}"


def _nodes(values):
    """The nodes of the graph among nested arguments."""
    if isinstance(values, Node):
        return [values]
    if isinstance(values, slice):
        values = (values.start, values.stop, values.step)
    if isinstance(values, dict):
        values = values.values()
    return [node for each in values for node in _nodes(each)] if isinstance(values, (list, tuple, type({}.values()))) \
        else []


def check(torch: Any, module: Any, net: Any, shape: Any, output: Any) -> None:
    """Run both on two inputs drawn at random: what a trace did not see, such as a hook of a parent, is seen here.

    In single precision a deep network may be off by percents; where the two are, double precision decides.
    """
    difference, largest = _apart(torch, module, net, shape, output)
    if not difference <= ROUNDING * largest:
        exact = copy.deepcopy(module).double()
        difference, largest = _apart(torch, exact, net.astype(np.float64), shape, output)
        if not difference <= 1e-6 * largest:
            raise ValueError(f"{type(module).__name__}: its trace computes something else than the module itself: they "
                             f"differ by {difference:.3g}, where the largest output is {largest:.3g}. Something in "
                             "its forward, such as a hook or a change in place, cannot be traced")


def _apart(torch, module, net, shape, output):
    """(the largest difference between the outputs of both, the largest output)"""
    x, first = np.random.default_rng(0).normal(size=(2, *shape)), next(iter(module.parameters()), torch.zeros(1))
    with evaluating(torch, module):
        theirs = module(torch.from_numpy(x).to(first))
    theirs = (theirs if output is None or isinstance(theirs, torch.Tensor) else theirs[output]).cpu().numpy()
    moved = net.card.layout == "channels first"
    y = net.forward(np.ascontiguousarray(np.moveaxis(x, 1, -1) if moved else x).astype(theirs.dtype))
    y = y if net.card.head is None else getattr(layers, net.card.head)().forward(y)
    theirs = output_from_channels_first(theirs, x.ndim) if moved else theirs
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs                # one output per input: ours is a column
    return abs(y - theirs).max() if y.shape == theirs.shape else np.inf, abs(theirs).max()
