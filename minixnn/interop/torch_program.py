"""A torch module becomes a program, by `torch.export`. What needs torch to be there is in this file."""
from __future__ import annotations

import contextlib
import copy
import io
import logging
import operator
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from minixnn.interop.axes import BATCHES
from minixnn.interop.program import Argument, Input, Operation, Pair, Program, Ref
from minixnn.interop.operations.arithmetic import DRAWS, HIDDEN
from minixnn.interop.table import DRAWN, TORCH

if TYPE_CHECKING:
    from torch import SymInt, Tensor
    from torch.export import ExportedProgram
    from torch.fx import Node
    from torch.nn import Module

OLDEST = (2, 6)             # of torch: the first whose export leaves no in-place operations and opens the batch so
EXAMPLE = 2                 # images in the example: one would be taken for a constant


@contextlib.contextmanager
def evaluating(torch: ModuleType, module: Module) -> Iterator:
    """The module in eval mode, without gradients, and without a cache of earlier tokens, as decoders have one.

    Every part of it is in its own mode again afterwards.
    """
    modes = {part: part.training for part in module.modules()}
    configs = [part.config for part in modes if hasattr(part, "config")]
    caching = {id(config): config for config in configs if getattr(config, "use_cache", False)}
    try:
        with contextlib.suppress(NotImplementedError):      # what torch.export made is as it was exported
            module.eval()
        for config in caching.values():
            config.use_cache = False
        with torch.no_grad():
            yield
    finally:
        for config in caching.values():
            config.use_cache = True
        for part, training in modes.items():
            part.training = training


@contextlib.contextmanager
def quietly() -> Iterator:
    """Without what the framework says of itself on the way."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def unwrapped(module: Module) -> Module:
    """The module within torch.compile's wrapper and within nn.DataParallel, wherever they stand."""
    found = getattr(module, "_orig_mod", module)
    while type(found).__name__ in ("DataParallel", "DistributedDataParallel"):
        found = found.module
    children = getattr(found, "_modules", None) or {}
    inside = {name: unwrapped(child) for name, child in children.items() if child is not None}
    if all(inside[name] is children[name] for name in inside):
        return found
    found = copy.copy(found)
    found._modules = {**children, **inside}
    return found


def exported(torch: ModuleType, module: Module, args: tuple, kwargs: dict, shapes: object) -> ExportedProgram:
    """The program of torch for any number of images."""
    name = type(module).__name__
    if tuple(int(n) for n in torch.__version__.split(".")[:2]) < OLDEST:
        raise ValueError(f"got torch {torch.__version__}, expected {OLDEST[0]}.{OLDEST[1]} or newer: torch.export")
    try:
        with evaluating(torch, module), quietly():
            with torch.enable_grad():                       # so that what is hidden from the gradient is written down
                program = torch.export.export(module, args, kwargs, dynamic_shapes=shapes, strict=False)
            hidden = hidden_from_gradient(program)
            program = decomposed(torch, program)
    except Exception as error:          # torch raises anything at all for what it cannot export
        if type(module).__name__ == "GraphModule" and "_guards_fn" in getattr(module, "_modules", {}):
            raise ValueError("got the module of an exported program, which is bound to the sizes that it was exported "
                             "for; give the program itself (torch.export.export(...)), or the original module"
                             ) from error
        shape = [tuple(value.shape) for value in (*args, *kwargs.values()) if hasattr(value, "shape")]
        try:
            with evaluating(torch, module), quietly():
                module(*args, **kwargs)
        except Exception as own:
            raise ValueError(f"{name}: does not take inputs of shape {', '.join(map(str, shape))}: {shortened(own)}; "
                             "give input_shape=(channels, height, width), the shape of one input as torch sees it, or "
                             "example=") from own
        if "data-dependent" in str(error) or "DataDependent" in type(error).__name__:
            raise ValueError(f"{name}: its forward{place_in(error)} decides by the values of its input, in an if, a "
                             "loop or the size of an array, so that no one network stands for all inputs; choose by "
                             "torch.where, or give the parts of the module before and behind the decision"
                             ) from error
        raise ValueError(f"{name}: torch.export cannot read it: {shortened(error)}. What torch.onnx.export(module, x, "
                         "path, dynamo=False) can still write, from_onnx reads") from error
    if hidden:
        raise ValueError(f"{hidden}: {HIDDEN}; leave out torch.no_grad(), which changes no output")
    return program


def place_in(error: Exception) -> str:
    """Where in the user's code torch says that it could not go on."""
    found = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', str(error))
    return f" ({os.path.basename(found[-1][0])}, line {found[-1][1]}, in {found[-1][2]})" if found else ""


def hidden_from_gradient(program: ExportedProgram) -> str:
    """The place of what is computed from the input within torch.no_grad(); "" if there is none."""
    reached = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"}
    for node in program.graph.nodes:
        used = {each.name for each in node.all_input_nodes}
        if "set_grad_enabled" in str(node.target) and used & reached and node.args[0] is False:
            return place_of(node, "no_grad")
        if used & reached and "sym_size" not in str(node.target):
            reached.add(node.name)
    return ""


def place_of(node: Node, what: str) -> str:
    """An operation and the module that calls it, for sentences."""
    stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    return f"{stack[-1]}: {what}" if stack and stack[-1] else what


def decomposed(torch: ModuleType, program: ExportedProgram) -> ExportedProgram:
    """The program without operations in place, in those of the table as far as torch can say others by them."""
    table = torch.export.default_decompositions()
    return program.run_decompositions({each: write for each, write in table.items() if str(
        getattr(each, "overloadpacket", each)).removeprefix("aten.") not in TORCH})


def shortened(error: Exception) -> str:
    """The first lines of what torch says, without its advice on debugging."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(line for line in lines[:3] if not line.startswith(("The following call", "For more info", "File ")))
    return f"{type(error).__name__}: {said[:300]}".rstrip(".: ")


def program_of(torch: ModuleType, program: ExportedProgram, output: str, fixed: dict[str, Tensor]) -> Program:
    """The Program in what `exported` returns; output: the name of the value to explain."""
    signature, values, inputs, operations, sizes = program.graph_signature, {}, [], [], {}
    stored = {**program.state_dict, **program.constants}
    users = {spec.arg.name: spec for spec in signature.input_specs}
    batches = BATCHES
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = users[node.name]
            if spec.kind.name == "USER_INPUT":
                value = node.meta.get("val")
                if node.name in fixed:
                    values[node.name] = held(node.name, fixed[node.name], value)
                elif not isinstance(value, torch.Tensor):
                    values[node.name] = spec.arg.value if hasattr(spec.arg, "value") else value
                else:
                    if not value.ndim:
                        raise ValueError(f"its input {node.name!r} is a single number, expected one row for each "
                                         f"image; hold it with fixed={{{node.name!r}: ...}}")
                    if isinstance(value.shape[0], int):     # the program was exported for one number of images
                        batches = (value.shape[0],) * 2
                    inputs.append(Input(node.name, sized(value.shape, batches[0]), kind_of(value)))
            else:
                values[node.name] = None if spec.target is None else stored[spec.target].detach().cpu()
        elif node.op == "get_attr":
            values[node.name] = getattr(program.graph_module, node.target)
        elif node.op == "call_function":
            operations.append(operation_of(torch, node))
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor) and not any(map(found_at_run_time, value.shape)):
                sizes[node.name] = sized(value.shape, batches[1])
    return Program(inputs, values, operations, output, to_numpy, torch.from_numpy, batches,
                   dtype_of(stored.values()), sizes=sizes)


def held(name: str, value: Tensor, example: Tensor) -> Tensor | Pair:
    """An input that is the same for each image, for both sizes of the batch."""
    if not hasattr(value, "expand") or not value.ndim or getattr(example, "ndim", 0) != value.ndim or isinstance(
            example.shape[0], int):
        return value
    if len(value) > 1 and not bool((value == value[:1]).all()):
        raise ValueError(f"got fixed={{{name!r}: ...}} with {len(value)} rows, expected one, the same for each image")
    return Pair(*(value[:1].expand(n, *value.shape[1:]) for n in BATCHES))


def sized(shape: Sequence[int | SymInt], batch: int) -> tuple[int, ...]:
    """A shape with a number in place of the symbol for the number of images."""
    found = []
    for n in shape:
        if isinstance(n, int):
            found.append(n)
        else:
            expression = n.node.expr
            found.append(int(expression.subs(dict.fromkeys(expression.free_symbols, batch))))
    return tuple(found)


def found_at_run_time(n: int | SymInt) -> bool:
    """Whether a size comes from values, such as how many entries of a mask are true: torch leaves it open."""
    return not isinstance(n, int) and any(str(symbol).startswith("u") for symbol in n.node.expr.free_symbols)


def kind_of(tensor: Tensor) -> str:
    return "f" if tensor.is_floating_point() else "b" if "bool" in str(tensor.dtype) else "i"


def dtype_of(tensors: Iterable[Tensor]) -> type:
    """float64 if the first floating tensor has it, else float32."""
    first = next((str(each.dtype) for each in tensors if getattr(each, "is_floating_point", lambda: False)()), "")
    return np.float64 if "float64" in first else np.float32


def operation_of(torch: ModuleType, node: Node) -> Operation:
    """An entry of torch's graph."""
    target = node.target
    name = target.__name__ if target is operator.getitem else \
        str(getattr(target, "overloadpacket", getattr(target, "__name__", target))).removeprefix("aten.")
    args = torch.fx.node.map_arg(node.args, lambda each: Ref(each.name))
    kwargs = torch.fx.node.map_arg(dict(node.kwargs), lambda each: Ref(each.name))
    stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    module = stack[-1] if stack else ""
    called = node.meta.get("torch_fn", ("", ""))[1].rpartition(".")[2]      # by the user, before it was decomposed
    short = called if called and name not in TORCH and not called.startswith("__") else name.removeprefix("_")

    def compute(args, kwargs):
        if name.removeprefix("_").removesuffix("_like") in DRAWN:
            raise ValueError(DRAWS)
        kwargs = {key: "cpu" if key == "device" and value is not None else value for key, value in kwargs.items()}
        return [target(*args, **kwargs)]
    return Operation(name, plain(args), dict(plain(kwargs)), [node.name], place_of(node, short), compute,
                     TORCH.get(name), module)


def plain(value: Argument) -> Argument:
    """torch's immutable lists as lists of Python."""
    if isinstance(value, Ref):
        return value
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(plain(each) for each in value)
    return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def to_numpy(value: Argument) -> Argument:
    """A tensor as an array; other values as they are."""
    if not hasattr(value, "detach"):
        return value
    value = value.detach().cpu().resolve_conj()
    if "bfloat16" in str(value.dtype) or "float16" in str(value.dtype):
        value = value.float()
    return value.numpy()
