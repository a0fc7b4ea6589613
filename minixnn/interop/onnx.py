"""An ONNX file becomes a Network.

    ValueError: node 'conv3' (Conv): auto_pad='SOME' is not supported
"""
from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any

from minixnn.interop import onnx_file
from minixnn.interop.building import any_size, network
from minixnn.interop.onnx_program import program_of
from minixnn.network import Network


def from_onnx(path: str | PathLike, input_shape: tuple[int, ...] | None = None, output: Any = None,
              layout: str | None = None, mean: Any = None, std: Any = None, labels: Sequence[str] = ()) -> Network:
    """The Network that computes what the graph in the ONNX file `path` computes, in inference.

    input_shape   of one input, as the graph sees it, (C, H, W) as a rule; needed where the file leaves it open and
                  something depends on it, such as the order of features behind Flatten
    output        the name of the output to explain, where there are several
    layout        "channels first" or "channels last": where the input has its channels, if the graph does not tell
    mean, std, labels      for the network's card, as in `Network.with_card`

    It reads graphs of opset 11 and later; docs/networks.md lists the operators. A Softmax, Sigmoid or Tanh at the end
    is left out: the outputs are the logits that enter it. Of several inputs the Network takes a tuple.

    Images enter the Network channel-last: net.forward(x.transpose(0, 2, 3, 1)). Raises ValueError, naming the
    node, for what a Network cannot represent. Needs the onnx package: pip install minixnn[onnx].
    """
    onnx = onnx_file.library()
    model = onnx_file.read(onnx, path)
    program = program_of(onnx, path, model, input_shape, output)
    free = len(program.inputs) == 1 and input_shape is None and None in (declared_sizes(model, program) or ())
    net = any_size(lambda n: network(program_of(onnx, path, model, input_shape, output, n), layout)) if free else \
        network(program, layout)
    if net.card.head is not None:
        warnings.warn(f"the {net.card.head} at the end of {path} is left out: the outputs are the logits that "
                      "enter it", stacklevel=2)
    return net.with_card(mean, std, labels=labels)


def declared_sizes(model: Any, program: Any) -> tuple | None:
    entry = next(e for e in model.graph.input if e.name == program.inputs[0].name)
    return onnx_file.declared(entry, None)[1]
