"""Merging y = s x + t, one s and one t for each channel, into a layer before it or behind it.

    before    (W.x + b) s + t  is one layer with weights W s and bias b s + t
    behind    W.(s x + t) + b  is one layer with weights W s, by input, and bias W.t + b

What keeps means (average pools, Upsample, Dropout) lets s x + t pass, and so does a maximum where s > 0. A convolution
with padding can take no t: its padded pixels are 0, before and after. Each function returns the list of layers with
s x + t merged into it, or None where no layer can take it.
"""
import math
from collections.abc import Sequence

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Affine, Layer
from minixnn.layers.blocks import Concat, Product, Sum
from minixnn.layers.chains import Block
from minixnn.layers.conv import Conv2d
from minixnn.layers.conv1d import Conv1d
from minixnn.layers.conv_transpose import ConvTranspose2d
from minixnn.layers.dense import Dense
from minixnn.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, Maximum
from minixnn.layers.shape import ChannelSelect, ChannelShuffle, Dropout, Flatten, Identity
from minixnn.layers.upsample import Upsample

MEANS = (AdaptiveAvgPool2d, Dropout, GlobalAvgPool, Identity, Upsample)


def into_before(layers: Sequence[Layer], s: Array, t: Array) -> list[Layer] | None:
    """`layers` followed by s x + t, as a list without it; None where the last of them cannot take it."""
    if not layers:
        return None
    *below, last = layers
    if isinstance(last, (Conv1d, Conv2d, Dense)):
        return [*below, last.with_weights(last.W * s, shifted(last.b, s, t))]              # W (..., O) * (O,)
    if isinstance(last, ConvTranspose2d):
        scale = s.reshape(last.groups, 1, -1)               # (groups, 1, O / groups)
        W = last.W.reshape(*last.W.shape[:2], last.groups, -1, last.W.shape[3]) * scale
        return [*below, last.with_weights(W.reshape(last.W.shape), shifted(last.b, s, t))]
    if is_scale(last):
        return [*below, last.with_weights(last.W * s, shifted(last.b, s, t))]
    if isinstance(last, ChannelShuffle):
        s, t = (last.gradient(a[None], a[None], a[None])[0] for a in (s, t))                # back to where they were
    if isinstance(last, ChannelShuffle) or lets_pass(last, s):
        merged = into_before(below, s, t)
        return merged and [*merged, last]
    if isinstance(last, Block):
        chains = chains_before(last, s, t)
        return None if None in chains else [*below, last.rebuilt(chains)]
    return None


def chains_before(block: Block, s: Array, t: Array) -> list:
    """The chains of a block, each with its part of s x + t merged into its end; None for one that cannot."""
    chains = [chain.layers for chain in block.chains]
    if isinstance(block, Sum):                  # each branch is scaled, and one of them shifted
        return [into_before(layers, s, t if n == 0 else t * 0) for n, layers in enumerate(chains)]
    if isinstance(block, Concat):
        merged, start = [], 0
        for layers in chains:
            count = channels_of(layers)
            some = slice(start, start + count)
            merged.append(into_before(layers, s[some], t[some]) if count else None)
            start += count
        return merged
    if isinstance(block, Product) and not bool((t != 0).any()):             # the signal is scaled, the gate is not
        return [into_before(chains[0], s, t), *chains[1:]]
    return [None]


def into_behind(layers: Sequence[Layer], s: Array, t: Array) -> list[Layer] | None:
    """s x + t followed by `layers`, as a list without it; None where the first of them cannot take it."""
    if not layers:
        return None
    first, *above = layers
    if isinstance(first, Dense):
        return [first.with_weights(first.W * s[:, None], shifted(first.b, 1, t @ first.W)), *above]
    if isinstance(first, (Conv1d, Conv2d)) and (is_unpadded(first) or not bool((t != 0).any())):
        return [with_scaled_inputs(first, s, t), *above]
    if isinstance(first, ConvTranspose2d) and not bool((t != 0).any()):     # the edges of y see fewer pixels
        return [first.with_weights(first.W * s[:, None], first.b), *above]
    if is_scale(first):
        s, t = first.W * s, t * first.W if first.b is None else first.b + t * first.W
        keeps = [] if hasattr(first, "gamma") else [first.with_weights(s, t), *above]      # a batch norm is folded next
        return into_behind(above, s, t) or keeps or None
    if isinstance(first, (ChannelSelect, ChannelShuffle)):
        s, t = first.forward(s), first.forward(t)
    elif isinstance(first, Flatten):
        pixels = inputs_of(above) // len(s)                 # an image is flattened pixel by pixel
        if pixels == 0:
            return None
        s, t = (array_module(a).concatenate([a] * pixels) for a in (s, t))
    if isinstance(first, (ChannelSelect, ChannelShuffle, Flatten)) or lets_pass(first, s):
        merged = into_behind(above, s, t)
        return merged and [first, *merged]
    if isinstance(first, Block):
        chains = [into_behind(chain.layers, s, t) for chain in first.chains]
        return None if None in chains else [first.rebuilt(chains), *above]
    return None


def with_scaled_inputs(conv: Conv1d | Conv2d, s: Array, t: Array) -> Layer:
    """The convolution of s x + t: s at the inputs of each group's kernels, W.t in the bias."""
    *kernel, C, O = conv.W.shape
    s, t = (a.reshape(conv.groups, C).T[:, :, None] for a in (s, t))        # (C, groups, 1)
    W = conv.W.reshape(*kernel, C, conv.groups, O // conv.groups)
    constant = (W * t).sum(axis=tuple(range(len(kernel) + 1))).reshape(O)
    return conv.with_weights((W * s).reshape(conv.W.shape), shifted(conv.b, 1, constant))


def shifted(b: Array | None, s: float | Array, t: Array) -> Array | None:
    """b s + t, where None is no bias: nothing is added, so that a layer that needs none gets none."""
    if b is not None:
        return b * s + t
    return t if bool((t != 0).any()) else None


def lets_pass(layer: Layer, s: Array) -> bool:
    """Whether f(s x + t) = s f(x) + t."""
    if isinstance(layer, AvgPool2d):            # padded pixels that count are 0, before and after
        return not layer.count_padding or layer.padding in ("valid", ((0, 0), (0, 0)))
    return isinstance(layer, MEANS) or isinstance(layer, Maximum) and bool((s > 0).all())


def is_scale(layer: Layer) -> bool:
    """Whether the layer is a scale for each channel itself."""
    return isinstance(layer, Affine) and getattr(layer.W, "ndim", 0) == 1


def is_unpadded(conv: Conv1d | Conv2d) -> bool:
    """Whether no window of the convolution ever reaches beyond the image."""
    single = math.prod(conv.W.shape[:-2]) == 1              # then "same" adds nothing
    return conv.padding in ("valid", (0, 0), ((0, 0), (0, 0))) or conv.padding == "same" and single


def channels_of(layers: Sequence[Layer]) -> int:
    """How many channels come out of a list of layers; 0 where that cannot be told from its last affine layer."""
    for layer in reversed(layers):
        if isinstance(layer, (Conv1d, Conv2d, Dense)):
            return layer.W.shape[-1]
        if isinstance(layer, ConvTranspose2d):
            return layer.W.shape[-1] * layer.groups
        if isinstance(layer, (Flatten, ChannelSelect, Block)):
            return 0
        if is_scale(layer):
            return len(layer.W)
    return 0


def inputs_of(layers: Sequence[Layer]) -> int:
    """How many inputs the next dense layer has; 0 where something else than a Dropout comes before it."""
    for layer in layers:
        if isinstance(layer, Dense):
            return layer.W.shape[0]
        if not isinstance(layer, (Dropout, Identity)):
            return 0
    return 0
