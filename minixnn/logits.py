"""Networks that end in a squashing layer, and why its input is explained: the logit.

A sigmoid or a softmax turns evidence into a probability. Its output is never negative, so relevance started there has
lost the sign of the evidence; a softmax moves with all other classes; and where it is saturated its derivative is zero.
Passes therefore start at the logit where the last layer only squashes, and say so. `start=` explains the output itself.
"""
import sys
import warnings

from minixnn.arrays import Array
from minixnn.layers import Dropout, Flatten, Identity, LogSoftmax, Sigmoid, Softmax, Tanh, Unflatten
from minixnn.network import Network, expect_network

SQUASHING = (LogSoftmax, Sigmoid, Softmax, Tanh)
MOVING = (Dropout, Flatten, Identity, Unflatten)        # may stand behind it
ENDS = (*SQUASHING, *MOVING)


def head_of(net: Network) -> int | None:
    """The index of the squashing layer that the network ends in, or None."""
    l = len(net.layers) - 1
    while l > 0 and isinstance(net.layers[l], MOVING):
        l = net.inputs[l][0] - 1                            # the layer whose output enters it; -1 for the input
    layer = net.layers[l]
    squashes = isinstance(layer, SQUASHING) and getattr(layer, "axis", -1) in (-1, 1)
    return l if l > 0 and squashes and len(net.readers(l + 1)) < 2 else None


def logits(net: Network) -> Network:
    """The network with an Identity in place of the squashing layer that it ends in, so that its outputs are logits.

    Layers keep their places, so that what is found at layer l here lies at layer l there.

    Parameters
    ----------
    net : the Network.

    Returns
    -------
    The new Network; `net` itself where it ends in no squashing layer.
    """
    l = head_of(net)
    return net if l is None else net.replaced(l, Identity())


def at_logits(net: Network, start: Array | None = None) -> Network:
    """The network that a pass explains, with a warning where that is not `net` itself.

    Parameters
    ----------
    net : the Network.
    start : what the pass starts from in place of a target, or None.

    Returns
    -------
    `net`; or its logits, if it ends in a squashing layer and no `start` is given.

    Raises
    ------
    TypeError : what is no Network.
    """
    expect_network(net)
    if start is not None or not isinstance(net.layers[-1], ENDS) or (l := head_of(net)) is None:
        return net
    warnings.warn(f"the network ends in {net.layers[l]!r}, which only squashes; the logit that enters it is explained, "
                  "layer for layer as minixnn.logits.logits(net) has it. Give start= to explain the output itself",
                  stacklevel=callers())
    return logits(net)


def callers() -> int:
    """How many frames lie between a warning and the line outside minixnn that asked: what `stacklevel` counts."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "minixnn":
        frame, level = frame.f_back, level + 1
    return level
