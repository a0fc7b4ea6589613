"""Which layers can only get inputs >= 0? A look at the kinds of the layers, without an image.

Some rules hold for x >= 0 alone. Behind a ReLU that is so, behind a GELU or a normalisation it is not; what pools or
moves numbers leaves their sign as it is. A layer that is not named here may give numbers of either sign.
"""
from collections.abc import Iterable

from minixnn.layers import (AdaptiveAvgPool2d, AvgPool2d, ChannelSelect, ChannelShuffle, Clip, Dropout, Flatten,
                            GlobalAvgPool, GlobalMaxPool, Hardsigmoid, LocalResponseNorm, MaxPool2d, OneHot, Pad,
                            Permute, ReLU, Reshape, Sigmoid, Slice, Softmax, Softplus, SumPool2d, Unflatten, Upsample)
from minixnn.layers.base import Layer
from minixnn.layers.chains import Block

KEEP = (AdaptiveAvgPool2d, AvgPool2d, ChannelSelect, ChannelShuffle, Dropout, Flatten, GlobalAvgPool, GlobalMaxPool,
        LocalResponseNorm, MaxPool2d, Pad, Permute, Reshape, Slice, SumPool2d, Unflatten, Upsample)
MAKE = (Hardsigmoid, OneHot, ReLU, Sigmoid, Softmax, Softplus)


def nonnegative(layers: Iterable[Layer], x: bool = False) -> list[bool]:
    """[whether the input of layers[l] is known to be >= 0, ..., and the last output]; x: whether the first input is."""
    known = [x]
    for layer in layers:
        known.append(gives_nonnegative(layer, known[-1]))
    return known


def gives_nonnegative(layer: Layer, x: bool) -> bool:
    """Whether the output is known to be >= 0, where the input is (x True) or need not be (x False)."""
    if isinstance(layer, Block):                # a sum, a concatenation or a product of what is >= 0 is >= 0
        return all(nonnegative(chain.layers, x)[-1] for chain in layer.chains)
    if isinstance(layer, Clip):
        return layer.low is not None and layer.low >= 0 or (x and (layer.high is None or layer.high >= 0))
    return isinstance(layer, MAKE) or (x and isinstance(layer, KEEP))


def rectified(behind: Iterable[Layer]) -> bool:
    """Whether the layers `behind` cut off what is negative at once, so that it gets no relevance either."""
    for layer in behind:
        if not isinstance(layer, (GlobalMaxPool, MaxPool2d)):
            return isinstance(layer, ReLU) or isinstance(layer, Clip) and layer.low is not None and layer.low >= 0
    return False
