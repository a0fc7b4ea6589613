"""Merging batch normalisation, y = s x + t with one s and one t for each channel, into a layer before it or behind it.

    before    (W.x + b) s + t  is one layer with weights W s and bias b s + t
    behind    W.(s x + t) + b  is one layer with weights W s, by input, and bias W.t + b

What keeps means (average pools, Upsample, Dropout) lets s x + t pass, and so does a maximum where s > 0. A convolution
with padding can take no t: its padded pixels are 0, before and after. A sum scales all its inputs and shifts one. A
layer that stands in several places, or whose output somebody else reads, takes nothing.

The functions return changes, {place: layer}, or None where no layer can take s x + t; the layer None is left out.
"""
import math
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from minixnn.arrays import Array, array_module
from minixnn.layers.shape import ChannelSelect, ChannelShuffle, Dropout, Flatten, Identity
from minixnn.layers.base import Elementwise, Layer
from minixnn.layers.conv import Conv2d
from minixnn.layers.conv_transpose import ConvTranspose2d
from minixnn.layers.dense import Dense
from minixnn.layers.joins import Add, Concat, Multiply
from minixnn.layers.norm import BatchNorm2d, ChannelScale
from minixnn.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool2d, SumPool2d
from minixnn.layers.upsample import Upsample

if TYPE_CHECKING:
    from minixnn.network import Network

MEANS = (AdaptiveAvgPool2d, Dropout, GlobalAvgPool, Identity, Upsample)
MAXIMA = (GlobalMaxPool, MaxPool2d)             # of each channel by itself, as MaxOver need not be
KEEPING = (*MEANS, *MAXIMA, SumPool2d, ChannelShuffle, Elementwise, Add, Multiply)     # as many channels as before
Changes: TypeAlias = dict[int, Layer | None]


def fold_batch_norm(net: "Network") -> "Network":
    """An equivalent network in which batch normalisation is merged into its neighbours, before or behind it.

    After a Dense or Conv2d layer y = x W + b, the pair (y - mean) s + beta is one layer with weights W s and
    bias (b - mean) s + beta, where s = gamma / sqrt(variance + epsilon). Rules are then not disturbed by a layer
    that only rescales. Guillemot et al. 2020 (arXiv 2002.11018).

    Merging also goes through pools and joins, and into a layer behind. Where no neighbour can take it, as between two
    ReLUs or before a convolution with padding, a ChannelScale stays, and a warning names the place.
    """
    left, l = [], 0
    while l < len(net.layers):
        layer, (i, *_) = net.layers[l], net.inputs[l]
        if not isinstance(layer, BatchNorm2d):
            l += 1
            continue
        changes = None
        if net.layers.count(layer) == 1:
            changes = into_before(net, i, layer.W, layer.b)
            changes = into_behind(net, l + 1, layer.W, layer.b) if changes is None else changes
        if changes is None:
            left.append(f"layer {net.names[l] or l}, {layer!r} behind {net.layers[i - 1] if i else 'the input'}")
            scale = ChannelScale(layer.W, layer.b)
            changes = {place: scale for place, other in enumerate(net.layers) if other is layer}
        else:
            changes[l] = None
        net = changed(net, changes)
    if left:
        places = "; ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
        warnings.warn(f"fold_batch_norm left a ChannelScale in place of {places}. No neighbour can take it; the "
                      "function of the network is the same, and rules treat the scale as an affine layer",
                      stacklevel=2)
    return net


def changed(net: "Network", changes: Changes) -> "Network":
    """The network with other layers in some places; where the layer is None, what read it reads its input."""
    layers, inputs, names, numbers = [], [], [], [0]        # numbers[i]: where A[i] lies in the new network
    for l, layer in enumerate(net.layers):
        new, sources = changes.get(l, layer), tuple(numbers[i] for i in net.inputs[l])
        if new is None:
            numbers.append(sources[0])
            continue
        layers.append(new)
        inputs.append(sources)
        names.append(net.names[l])
        numbers.append(len(layers))
    return type(net)(layers, inputs, names=names, card=net.card)


def into_before(net: "Network", i: int, s: Array, t: Array) -> Changes | None:
    """What makes A[i] into s A[i] + t, by other layers below; its one reader expects that."""
    l = i - 1
    if i == 0 or readings(net, i) != 1 or net.layers.count(net.layers[l]) > 1:
        return None
    layer, sources = net.layers[l], net.inputs[l]
    if isinstance(layer, (Conv2d, Dense)) or is_scale(layer):
        return {l: layer.with_weights(layer.W * s, shifted(layer.b, s, t))}                 # W (..., O) * (O,)
    if isinstance(layer, ConvTranspose2d):
        scale = s.reshape(layer.groups, 1, -1)              # (groups, 1, O / groups)
        W = layer.W.reshape(*layer.W.shape[:-2], layer.groups, -1, layer.W.shape[-1]) * scale
        return {l: layer.with_weights(W.reshape(layer.W.shape), shifted(layer.b, s, t))}
    if isinstance(layer, ChannelShuffle):
        s, t = (layer.gradient(a[None], a[None], a[None])[0] for a in (s, t))               # back to where they were
    if isinstance(layer, ChannelShuffle) or lets_pass(layer, s):
        return into_before(net, sources[0], s, t)
    if isinstance(layer, Add):                              # each input is scaled, and one of them shifted
        return together(into_before(net, i, s, t if n == 0 else t * 0) for n, i in enumerate(sources))
    if isinstance(layer, Multiply) and not bool((t != 0).any()):            # the signal is scaled, the gate is not
        return into_before(net, sources[0], s, t)
    if isinstance(layer, Concat) and layer.axis == -1:
        counts = [channels_of(net, i) for i in sources]
        ends = [sum(counts[:n + 1]) for n in range(len(counts))]
        if 0 in counts or ends[-1] != len(s):
            return None
        return together(into_before(net, i, s[end - count:end], t[end - count:end])
                        for i, count, end in zip(sources, counts, ends))
    return None


def into_behind(net: "Network", i: int, s: Array, t: Array) -> Changes | None:
    """What makes all readers of A[i] expect s A[i] + t in its place."""
    readers = net.readers(i)
    return together(by_reader(net, l, s, t) for l in readers) if readers else None


def by_reader(net: "Network", l: int, s: Array, t: Array) -> Changes | None:
    """What makes layer l take s x + t."""
    layer = net.layers[l]
    if net.layers.count(layer) > 1:
        return None
    if isinstance(layer, Dense):
        return {l: layer.with_weights(layer.W * s[:, None], shifted(layer.b, 1, t @ layer.W))}
    if isinstance(layer, Conv2d) and (is_unpadded(layer) or not bool((t != 0).any())):
        return {l: with_scaled_inputs(layer, s, t)}
    if isinstance(layer, ConvTranspose2d) and not bool((t != 0).any()):     # the edges of y see fewer pixels
        return {l: layer.with_weights(layer.W * s[:, None], layer.b)}
    if is_scale(layer):
        s, t = layer.W * s, t * layer.W if layer.b is None else layer.b + t * layer.W
        above = into_behind(net, l + 1, s, t)
        if above is not None:
            return {**above, l: None}
        return None if isinstance(layer, BatchNorm2d) else {l: layer.with_weights(s, t)}    # a norm is folded next
    if isinstance(layer, (ChannelSelect, ChannelShuffle)):
        s, t = layer.forward(s), layer.forward(t)
    elif isinstance(layer, Flatten):
        pixels = inputs_of(net, l + 1) // len(s)            # an image is flattened pixel by pixel
        if pixels == 0:
            return None
        s, t = (array_module(a).concatenate([a] * pixels) for a in (s, t))
    elif not lets_pass(layer, s):
        return None
    return into_behind(net, l + 1, s, t)


def together(parts: Iterable[Changes | None]) -> Changes | None:
    """Several changes as one; None if one of them is not possible."""
    whole: Changes = {}
    for part in parts:
        if part is None:
            return None
        whole.update(part)
    return whole


def readings(net: "Network", i: int) -> int:
    """How often A[i] is read: twice by x + x."""
    return sum(sources.count(i) for sources in net.inputs)


def with_scaled_inputs(conv: Conv2d, s: Array, t: Array) -> Layer:
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
        return not layer.count_padding or is_unpadded(layer)
    return isinstance(layer, MEANS) or isinstance(layer, MAXIMA) and bool((s > 0).all())


def is_scale(layer: Layer) -> TypeGuard[ChannelScale]:
    """Whether the layer is a scale for each channel itself."""
    return isinstance(layer, ChannelScale)


def is_unpadded(layer: Conv2d | AvgPool2d) -> bool:
    """Whether no window of the layer ever reaches beyond the image."""
    if layer.padding == "same":                             # which adds nothing to windows of one pixel
        return isinstance(layer, Conv2d) and math.prod(layer.W.shape[:-2]) == 1
    return layer.padding == "valid" or not any(map(any, layer.padding))


def channels_of(net: "Network", i: int) -> int:
    """How many channels A[i] has; 0 where that cannot be told from the last affine layer below it."""
    while i > 0:
        layer = net.layers[i - 1]
        if isinstance(layer, (Conv2d, Dense)):
            return layer.W.shape[-1]
        if isinstance(layer, ConvTranspose2d):
            return layer.W.shape[-1] * layer.groups
        if is_scale(layer):
            return len(layer.W)
        if isinstance(layer, Concat) and layer.axis == -1:
            counts = [channels_of(net, j) for j in net.inputs[i - 1]]
            return 0 if 0 in counts else sum(counts)
        if not isinstance(layer, KEEPING):
            return 0
        i = net.inputs[i - 1][0]
    return 0


def inputs_of(net: "Network", i: int) -> int:
    """How many inputs the dense layer has that reads A[i]; 0 where something else than a Dropout comes before it."""
    readers = net.readers(i)
    while len(readers) == 1:
        layer = net.layers[readers[0]]
        if isinstance(layer, Dense):
            return layer.W.shape[0]
        if not isinstance(layer, (Dropout, Identity)):
            break
        readers = net.readers(readers[0] + 1)
    return 0
