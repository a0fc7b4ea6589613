"""A torch module becomes a Network: any that `torch.export` can read.

    ValueError: layer4.0: fft_rfft2 of what is computed from the input is not supported
"""
from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from minixnn import layers
from minixnn.interop.axes import BATCHES, FREE
from minixnn.interop.building import any_size, network
from minixnn.interop.program import Argument, mapped
from minixnn.interop.torch_program import (EXAMPLE, decomposed, evaluating, exported, program_of, quietly, shortened,
                                           unwrapped)
from minixnn.network import Network

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.nn import Module

    Output = int | str | tuple | None           # places and keys of an output among those that forward returns

ROUNDING = 1e-3, 1e-5       # of the largest output, in single and in double precision


def from_torch(module: Module | ExportedProgram, input_shape: tuple[int, ...] | None = None, output: Output = None,
               layout: str | None = None, mean: ArrayLike | None = None, std: ArrayLike | None = None,
               labels: Sequence[str] = (), *, example: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
               fixed: Mapping[str, Tensor] | None = None) -> Network:
    """The Network that computes what the torch `module` computes in `eval()` mode.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        what `torch.export` can read: its forward does not decide by the values of its input
    input_shape : tuple of int, optional
        (C, H, W) of one input, as torch sees it; may be left out where nothing depends on it
    output : int, str or tuple, optional
        which output to explain, where forward returns several: its place, its key, or places one in the other
    layout : "channels first" or "channels last", optional
        where the input has its channels, if the module does not tell
    mean, std, labels : optional
        for the network's card, as in `Network.with_card`
    example : tensor, tuple of tensors, or dict of tensors by the names of forward's arguments, optional
        in place of input_shape: inputs of the types and sizes that the module takes, the images along the first axis
    fixed : dict of tensors by name, optional
        those of the inputs that are held as they are, the same for each image; the others are explained

    Returns
    -------
    Network
        a copy of the weights, in the precision they have. Images enter it channel-last:
        net.forward(x.transpose(0, 2, 3, 1)). A Softmax, Sigmoid or Tanh at the end is left out: the outputs are the
        logits that enter it. Of several inputs it takes a tuple.

    Raises
    ------
    ValueError
        naming the place in the module, for what a Network cannot represent, and where the result does not compute what
        the module computes.
    """
    if input_shape is not None and len(input_shape) not in (1, 2, 3, 4):
        raise ValueError(f"got input_shape={tuple(input_shape)}, expected the shape of one input without the batch, "
                         "as torch sees it: (channels, height, width), or (inputs,)")
    import torch
    module, program = opened(torch, module)
    if program is None and input_shape is None and example is None:
        net = of_any_size(torch, module, output, layout)
    else:
        args, kwargs = ((), {}) if program is not None else inputs_of(torch, module, input_shape, example)
        net = read(torch, module, program, args, kwargs, output, layout, fixed or {})
    if net.card.head is not None:
        warnings.warn(f"the {net.card.head} at the end is left out: the outputs are the logits that enter it",
                      stacklevel=2)
    return net.with_card(mean, std, labels=labels)


def opened(torch: ModuleType, module: Module | ExportedProgram) -> tuple[Module | None, ExportedProgram | None]:
    """(module, None) or (None, exported program), out of their wrappers."""
    if isinstance(module, (str, os.PathLike)):
        raise ValueError(f"got the file {os.fspath(module)}: {remedy_for(module)}")
    if isinstance(module, torch.export.ExportedProgram):
        return None, module
    if isinstance(module, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        raise ValueError(f"got TorchScript, {type(module).__name__}, which torch.export cannot read; give the original "
                         "module, or write it to ONNX, torch.onnx.export(module, x, path, dynamo=False), and read that "
                         "with from_onnx")
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"got {type(module).__name__}, expected a torch.nn.Module")
    if torch.nn.modules.module._global_forward_hooks or torch.nn.modules.module._global_forward_pre_hooks:
        raise ValueError("hooks for all modules are registered (register_module_forward_hook), and what they change is "
                         "not seen here; remove them first")
    for name, parameter in module.named_parameters():
        if "bfloat16" in str(parameter.dtype) or "float16" in str(parameter.dtype):
            path, kind = name.rpartition(".")[0], str(parameter.dtype).removeprefix("torch.")
            raise ValueError(f"{path}: weights in {kind} are not supported; call module.float()".lstrip(": "))
    return unwrapped(module), None


def remedy_for(path: str | os.PathLike) -> str:
    """What to do with a file. Reading torch's files runs what they say: names of functions, pickles, expressions."""
    with open(path, "rb") as file:                          # a missing file is said to be missing
        start = file.read(2)
    names = []
    if start == b"PK":
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except Exception:                                   # a damaged archive can make its reader raise anything
            return "it is a damaged archive, expected a module of torch; write the file anew"
    if any(name.endswith(("models/model.json", "serialized_exported_program.json", "archive_format"))
           for name in names):
        return (f"reading a program runs what the file says. If you trust it, give the program: from_torch("
                f"torch.export.load({os.fspath(path)!r}))")
    if any(name.endswith("constants.pkl") for name in names):
        return ("it holds TorchScript, which torch.export cannot read. Give the original module, or write that to "
                "ONNX, torch.onnx.export(module, x, path, dynamo=False), and read it with from_onnx")
    if os.fspath(path).endswith(".onnx"):
        return "it holds ONNX, which from_onnx reads"
    return ("files of weights say nothing of the layers, and a pickled module runs code when it is read. Build the "
            f"module in its own library, load the weights there, module.load_state_dict(torch.load("
            f"{os.fspath(path)!r}, weights_only=True)), and give the module")


def inputs_of(torch: ModuleType, module: Module, input_shape: tuple[int, ...] | None,
              example: Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None) -> tuple[tuple, dict]:
    """The arguments of an example call, of at least two images."""
    if example is None:
        first = next((p for p in stored(module) if p.is_floating_point()), torch.zeros(1))
        required = [name for name, p in inspect.signature(module.forward).parameters.items()
                    if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY, p.POSITIONAL_ONLY)]
        if len(required) > 1:
            raise ValueError(f"its forward takes {required[1]!r} beside its first input, expected one input; give "
                             "all of them as example=(x, ...)")
        return (torch.rand(EXAMPLE, *input_shape or (), dtype=first.dtype, device=first.device,
                           generator=torch.Generator(first.device).manual_seed(0)),), {}

    def several(value):
        if not isinstance(value, torch.Tensor) or value.ndim == 0:
            return value
        return value if len(value) > 1 else value.repeat(EXAMPLE, *[1] * (value.ndim - 1))
    if isinstance(example, Mapping):
        return (), {name: several(value) for name, value in example.items()}
    return tuple(map(several, example if isinstance(example, (tuple, list)) else (example,))), {}


def read(torch: ModuleType, module: Module | None, program: ExportedProgram | None, args: tuple, kwargs: dict,
         output: Output, layout: str | None, fixed: Mapping[str, Tensor]) -> Network:
    """The Network of a module for example arguments, or of an exported program."""
    if program is None:
        program = exports(torch, module, args, kwargs)
    else:
        with quietly():
            program = decomposed(torch, program)
    names = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    unknown = set(fixed) - set(names)
    if unknown:
        raise ValueError(f"got fixed={sorted(unknown)}, expected some of {', '.join(names)}")
    chosen = output_of(torch, program, output)
    found = program_of(torch, program, chosen, dict(fixed))
    if not found.inputs:
        raise ValueError("no input is left to explain, expected one that is not held fixed")
    try:
        net, orders = network(found, layout)
    except RecursionError as error:
        raise ValueError("expressions lie within one another more deeply than can be followed") from error
    if module is None and program.example_inputs is not None:
        count = found.batches[0] if found.batches[0] == found.batches[1] else 3
        args, kwargs = program.example_inputs
        compare(torch, program.module(), net, args, kwargs, output, fixed, names, orders, count)
    elif module is not None:
        compare(torch, module, net, args, kwargs, output, fixed, names, orders)
    return net


def exports(torch: ModuleType, module: Module, args: tuple, kwargs: dict) -> ExportedProgram:
    """The exported program, for any number of images; where torch cannot leave that open, for BATCHES[0] of them.

    len(x) makes a constant of it. What then depends on it is refused where it meets the images, and `compare` runs
    another number.
    """
    from torch.utils import _pytree as tree
    batch = torch.export.Dim("batch", min=1)
    try:
        with named(module, kwargs):
            given = inspect.signature(module.forward).bind(*args, **kwargs).arguments   # one entry for all of *args
            return exported(torch, module, args, kwargs, tree.tree_map(
                lambda v: {0: batch} if isinstance(v, torch.Tensor) and v.ndim else None, dict(given)))
    except TypeError as error:
        raise ValueError(f"{type(module).__name__}: its forward does not take this example: {error}") from error
    except ValueError as error:
        if "Constraints violated (batch)" not in str(error):
            raise
        args, kwargs = (mapped(v, lambda v: repeated(torch, v, BATCHES[0])) for v in (args, kwargs))
        try:
            return exported(torch, module, args, kwargs, None)
        except ValueError:
            raise error from None


@contextlib.contextmanager
def named(module: Module, kwargs: dict) -> Iterator[None]:
    """Lets forward name what it takes by **kwargs: torch.export opens no axis of an argument without a name."""
    signature = inspect.signature(module.forward)
    unnamed = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in kwargs
               if name not in signature.parameters]
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD] + unnamed
    if len(parameters) == len(signature.parameters) + len(unnamed) or not unnamed:          # no **kwargs, or none used
        yield
        return
    own, bound = vars(module).get("forward"), module.forward

    @functools.wraps(bound)
    def forward(*args: object, **kwargs: object) -> object:
        return bound(*args, **kwargs)
    forward.__signature__ = signature.replace(parameters=parameters)                    # type: ignore[attr-defined]
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def repeated(torch: ModuleType, value: Tensor, count: int) -> Tensor:
    """So many rows of an example."""
    return value[torch.arange(count) % len(value)] if isinstance(value, torch.Tensor) and value.ndim else value


def output_of(torch: ModuleType, program: ExportedProgram, output: Output) -> str:
    """The name of the value to explain, of what forward returns."""
    from torch.utils import _pytree as tree
    names = [spec.arg.name if hasattr(spec.arg, "name") else None for spec in program.graph_signature.output_specs
             if spec.kind.name == "USER_OUTPUT"]
    found = tree.tree_unflatten(names, program.call_spec.out_spec) if program.call_spec.out_spec is not None else names
    found = chosen(found, output)
    if found is None:
        raise ValueError(f"output {output!r} does not depend on the input")
    if not isinstance(found, str):
        raise name_one(found)
    return found


def chosen(found: Argument, output: Output) -> Argument:
    """What is to be explained of the outputs of forward, by places and keys; without them, the only one."""
    for step in output if isinstance(output, tuple) and not hasattr(output, "_fields") else (output,):
        if step is None:
            break
        if step in places_of(found):
            found = found[step] if not hasattr(found, "_fields") or not isinstance(step, str) else getattr(found, step)
        elif isinstance(step, int) and isinstance(found, Mapping) and -len(found) <= step < len(found):
            found = list(found.values())[step]
        else:
            raise name_one(found)
    while isinstance(found, (list, tuple, Mapping)) and len(found) == 1:
        found = next(iter(found.values())) if isinstance(found, Mapping) else found[0]
    return found


def name_one(found: Argument) -> ValueError:
    places = places_of(found)
    return ValueError(f"forward returns {type(found).__name__} with {places}; name one to explain, for instance "
                      f"output={places[0] if places else 0!r}")


def places_of(found: Argument) -> list:
    if isinstance(found, Mapping):
        return list(found)
    if isinstance(found, (list, tuple)):
        return [*range(len(found)), *getattr(found, "_fields", ())]
    return []


def of_any_size(torch: ModuleType, module: Module, output: Output, layout: str | None) -> Network:
    """Read at sizes of the input that the first layer with weights can take; images of any size then."""
    shapes = sizes_to_try(module)

    def at(n: int) -> Network:
        args, kwargs = inputs_of(torch, module, shapes[n], None)
        return read(torch, module, None, args, kwargs, output, layout, {})
    net = any_size(at) if len(shapes) > 1 else at(0)
    return net if stored(module) else net.with_card(input_shape=None)


def stored(module: Module) -> list[Tensor]:
    """Parameters and buffers."""
    return [*module.parameters(), *module.buffers()]


def sizes_to_try(module: Module) -> list[tuple[int, ...]]:
    """Shapes of inputs that the first layer with weights can take; of images, where there are no weights."""
    for part in module.modules():
        names = [each.__name__ for each in type(part).__mro__]
        if "Flatten" in names:
            break
        if "Linear" in names:
            return [(part.in_features,)]
        for n in (1, 2, 3):
            if f"Conv{n}d" in names or f"ConvTranspose{n}d" in names or f"BatchNorm{n}d" in names and n > 1:
                channels = part.num_features if hasattr(part, "num_features") else part.in_channels
                return [(channels, *sizes[:n]) for sizes in FREE]
        if "BatchNorm1d" in names or "LayerNorm" in names:
            return [(getattr(part, "num_features", None) or part.normalized_shape[-1],)]
    else:
        if not stored(module):
            return [(3, *sizes[:2]) for sizes in FREE]
    raise ValueError("the order of its features, or the kind of its input, is not known; needs input_shape=(channels, "
                     "height, width), the shape of one input as torch sees it")


def compare(torch: ModuleType, module: Module, net: Network, args: tuple, kwargs: dict, output: Output,
            fixed: Mapping[str, Tensor], names: list[str], orders: list[tuple[int, ...]], count: int = 3) -> None:
    """Run both on inputs drawn at random: what an export did not see, such as a hook of a parent, is seen here.

    In single precision a deep network may be off by percents; where the two are, double precision decides.
    """
    try:
        difference, largest = apart(torch, module, net, args, kwargs, output, fixed, names, orders, count)
    except (RuntimeError, TypeError) as error:              # torch.export looks at shapes, not at every type
        raise ValueError(f"{type(module).__name__}: does not take its own example: {shortened(error)}") from error
    double = any(v.dtype == torch.float64 for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor))
    if not difference <= ROUNDING[double] * largest:
        try:
            exact = copy.deepcopy(module).double()
            wide: list[dict] = [{k: v.double() if v.is_floating_point() else v for k, v in each.items()}
                                for each in (kwargs, dict(enumerate(args)), dict(fixed))]
            difference, largest = apart(torch, exact, net.astype(np.float64), tuple(wide[1].values()), wide[0], output,
                                        wide[2], names, orders, count)
            bound = ROUNDING[True]
        except RuntimeError:                                # it casts inside, and cannot be widened
            bound = 0.01
        if not difference <= bound * largest:
            raise ValueError(f"{type(module).__name__}: its trace computes something else than the module itself: they "
                             f"differ by {difference:.3g}, where the largest output is {largest:.3g}. Something in "
                             "its forward, such as a hook, a change in place or a number that depends on how many "
                             "images there are (len(x)), cannot be traced")


def apart(torch: ModuleType, module: Module, net: Network, args: tuple, kwargs: dict, output: Output,
          fixed: Mapping[str, Tensor], names: list[str], orders: list[tuple[int, ...]], count: int
          ) -> tuple[float, float]:
    """(the largest difference between the outputs of both for so many inputs, the largest output)"""
    generator = torch.Generator().manual_seed(0)

    def drawn(value, name):
        if name in fixed:
            value = fixed[name]
            return value.expand(count, *value.shape[1:]) if value.ndim and len(value) == 1 else value[:1].expand(
                count, *value.shape[1:]) if value.ndim else value
        if not isinstance(value, torch.Tensor) or not value.ndim:
            return value
        if value.is_floating_point() and len(names) - len(fixed) == 1:      # masks and the like are no random numbers
            return torch.randn(count, *value.shape[1:], generator=generator, dtype=torch.float64).to(value)
        return repeated(torch, value, count)
    example = args, kwargs
    args = tuple(drawn(value, name) for name, value in zip([*names, *range(len(args))], args))
    kwargs = {name: drawn(value, name) for name, value in kwargs.items()}
    with evaluating(torch, module), quietly():
        try:
            theirs = module(*args, **kwargs)
        except IndexError:                                  # numbers that choose rows: the example's are right ones
            args, kwargs = mapped(example, lambda v: repeated(torch, v, count))
            theirs = module(*args, **kwargs)
    theirs = chosen(theirs, output)
    theirs = theirs.detach().cpu().numpy()
    pieces = [v for name, v in [*zip(names, args), *kwargs.items()] if isinstance(v, torch.Tensor) and v.ndim
              and name not in fixed]
    moved = orders[0] != tuple(range(len(orders[0])))
    x = [np.ascontiguousarray(v.cpu().numpy().transpose(order)) for v, order in zip(pieces, orders)]
    try:
        y = net.forward(x[0] if len(x) == 1 else tuple(x))
    except ArithmeticError:
        return np.inf, 1.0
    y = y if net.card.head is None else getattr(layers, net.card.head)().forward(y)
    theirs = from_channels_first(theirs, x[0].ndim) if moved else theirs
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs                # one output per input: ours is a column
    return abs(y - theirs).max() if y.shape == theirs.shape else np.inf, abs(theirs).max()


def from_channels_first(y: np.ndarray, rank: int) -> np.ndarray:
    """An output of the other side as ours: images with their channels last, and what has as many axes as an input."""
    return np.moveaxis(y, 1, -1) if y.ndim > 2 and y.ndim in (4, rank) else y
