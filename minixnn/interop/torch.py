"""A torch module becomes a Network: any that `torch.fx` can trace, nn.Sequential included.

    ValueError: layer4.0: padding_mode='reflect' is not supported
"""
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minixnn.interop.build import build
from minixnn.interop.graph import Graph
from minixnn.interop.operations import Node
from minixnn.interop.pixels import with_pixels
from minixnn.interop.reading import Reading
from minixnn.interop.torch_attention import ATTENTION
from minixnn.interop.torch_trace import KNOWN, check, hooks_of, kind_of, trace
from minixnn.interop.transformers import from_encoder
from minixnn.network import Network


def from_torch(module: Any, input_shape: tuple[int, ...] | None = None, output: Any = None, layout: str | None = None,
               mean: Any = None, std: Any = None, labels: Sequence[str] = ()) -> Network:
    """The Network that computes what the torch `module` computes in `eval()` mode.

    module        nn.Module that torch.fx can trace: its forward calls modules, functions and methods, and does not
                  decide by the values of its input
    input_shape   (C, H, W) of one input, as torch sees it; may be left out where nothing depends on it
    output        which output to explain, where forward returns several: its place in the tuple, or its key
    layout        "channels first" or "channels last": where the input has its channels, if the module does not tell
    mean, std, labels      for the network's card, as in `Network.with_card`

    A Softmax, Sigmoid or Tanh at the end is left out: the outputs are the logits that enter it. Weights are copied, in
    the precision they have, as the module's hooks (weight_norm, pruning) make them now.

    Images enter the Network channel-last: net.forward(x.transpose(0, 2, 3, 1)). Raises ValueError, naming the module,
    for what a Network cannot represent, and where the result does not compute what the module computes.
    """
    if input_shape is not None and len(input_shape) not in (1, 2, 3):
        raise ValueError(f"got input_shape={tuple(input_shape)}, expected the shape of one input without the batch, "
                         "as torch sees it: (channels, height, width), or (inputs,)")
    module = getattr(module, "_orig_mod", module)           # torch.compile
    if kind_of(module) in ATTENTION:
        return from_encoder(module).with_card(mean, std, labels=labels)
    graph = Graph(input_shape, "the input", dtype=_dtype(module))
    leaves = list(_leaves(module, ""))
    if all(kind_of(leaf) for _, leaf in leaves) and not any(map(hooks_of, _modules(module))):
        graph.output = _chain(graph, leaves)
    elif not hasattr(module, "named_parameters"):           # no module of torch
        path, leaf = next((path, leaf) for path, leaf in leaves if kind_of(leaf) is None)
        name = type(leaf).__name__
        raise ValueError(f"{path or name}: {name} is not supported")
    else:
        import torch
        graph.output = _chosen(trace(torch, module, graph), output)
    net = with_pixels(build(graph, layout))
    if hasattr(module, "named_parameters") and graph.input.shape is not None and None not in graph.input.shape and \
            not getattr(net.layers[0], "takes_integers", False):
        import torch
        check(torch, module, net, graph.input.shape[1:], output)
    if net.card.head is not None:
        warnings.warn(f"the {net.card.head} at the end is left out: the outputs are the logits that enter it",
                      stacklevel=2)
    return net.with_card(mean, std, labels=labels)


def _leaves(module, path):
    """(path, module) of what is in a Sequential, in the order of execution, as often as it is run."""
    if kind_of(module) != "Sequential":
        yield path, module
        return
    for name, child in module._modules.items():             # named_children() would skip a module's second use
        yield from _leaves(child, f"{path}.{name}" if path else name)


def _modules(module):
    """The module and all inside, as far as it is one of torch."""
    return module.modules() if hasattr(module, "modules") else []


def _chain(graph, leaves):
    """Modules one after the other."""
    x = graph.input
    for path, leaf in leaves:
        label = path or type(leaf).__name__
        try:
            x = KNOWN[kind_of(leaf)](Reading(graph, label, [x]), leaf)
        except ValueError as error:
            raise ValueError(f"{label}: {error}") from error
    return x


def _dtype(module):
    """float64 if the first parameter has it, else float32."""
    parameters = getattr(module, "parameters", list)
    first = next((str(each.dtype) for each in parameters() if "float" in str(each.dtype)), "")
    return np.float64 if "float64" in first else np.float32


def _chosen(found, output):
    """The node to explain, of what forward returns."""
    if isinstance(found, Node):
        return found
    places = list(found) if isinstance(found, dict) else list(range(len(found))) if isinstance(found, (list, tuple)) \
        else []
    if output is None or output not in places:
        raise ValueError(f"forward returns {type(found).__name__} with {places}; name one to explain, for instance "
                         f"output={places[0] if places else 0!r}")
    if not isinstance(found[output], Node):
        raise ValueError(f"output {output!r} does not depend on the input")
    return found[output]
