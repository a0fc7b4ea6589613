"""An ONNX file becomes a Network: `onnx_graph.py` reads the file, `build.py` writes the Network.

    ValueError: node 'conv3' (Conv): auto_pad='SOME' is not supported
"""
import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any

from minixnn.interop.build import build
from minixnn.interop.onnx_graph import read_graph
from minixnn.interop.pixels import with_pixels
from minixnn.network import Network


def from_onnx(path: str | PathLike, input_shape: tuple[int, ...] | None = None, output: Any = None,
              layout: str | None = None, mean: Any = None, std: Any = None, labels: Sequence[str] = ()) -> Network:
    """The Network that computes what the graph in the ONNX file `path` computes, in inference.

    input_shape   of one input, as the graph sees it, (C, H, W) as a rule; needed where the file leaves it open and
                  something depends on it, such as the order of features behind Flatten
    output        the name of the output to explain, where there are several
    layout        "channels first" or "channels last": where the input has its channels, if the graph does not tell
    mean, std, labels      for the network's card, as in `Network.with_card`

    A file that takes whole numbers, or begins by dividing by 255, has pixels from 0 to 255, and the card says so.

    It reads graphs of convolutions, dense layers, pools, norms, activations, joins and reshapes, from opset 11 on. A
    Softmax, Sigmoid or Tanh at the end is left out: the outputs are the logits that enter it.

    Images enter the Network channel-last: net.forward(x.transpose(0, 2, 3, 1)). Raises ValueError, naming the
    node, for what a Network cannot represent. Needs the onnx package: pip install onnx.
    """
    graph = read_graph(path, input_shape, output)
    net = with_pixels(build(graph, layout), graph.declared)
    if net.card.head is not None:
        warnings.warn(f"the {net.card.head} at the end of {path} is left out: the outputs are the logits that "
                      "enter it", stacklevel=2)
    return net.with_card(mean, std, labels=labels)
