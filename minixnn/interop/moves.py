"""What cuts, repeats and moves numbers about in a Network: see `nodes.py`."""
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop import layouts
from minixnn.interop.layouts import Place


def _slice(b, node):
    x = node.inputs[0]
    place = b.places[x]
    if place.order is not None:
        raise ValueError("takes a part of a flattened image, which is in another order here")
    if node.axis not in place.axes:                         # of size 1, and so left as it is
        return place
    axis, n = place.axes.index(node.axis), x.shape[node.axis]
    if axis == 0:
        raise ValueError("takes some of the images of a batch")
    start, stop, step = slice(node.start, node.stop, node.step).indices(n) if n is not None else \
        (node.start, None, node.step)
    if step < 0:
        raise ValueError(f"goes backwards in steps of {step}")
    if axis == len(place.axes) - 1 and step == 1:
        return b.put(place, [ours.ChannelSelect(start, stop)], node)
    return b.put(place, [ours.Slice(axis, start, stop, step)], node)


def _reshape(b, node):
    x = node.inputs[0]
    if x.shape is None:
        raise layouts.size_unknown("reshapes an array whose shape is not known")
    if _takes_token(b, x, node):
        return b.put(b.places[x.inputs[0]], [ours.TakeToken(x.start)], node, axes=(0, 1))
    layers, new = layouts.reshaped(b.places[x], x.shape, node.shape)
    place = b.put(b.places[x], layers, node)
    return Place(place.step, new.axes, new.order, new.image)


def _takes_token(b, x, node):
    """Whether a reshape of x leaves one token of a sequence (N, T, C), which lies so here, too: (N, C)."""
    return x.op == "slice" and len(x.shape) == 3 and len(node.shape) == 2 and x.axis == 1 and x.shape[1] == 1 and \
        len(b.users[x]) == 1 and b.places[x.inputs[0]].axes == (0, 1, 2)


def _transpose(b, node):
    """Our array stays as it is; only the record of the file's axes changes."""
    place = b.places[node.inputs[0]]
    if place.order is not None:
        raise ValueError("transposes a flattened image")
    return Place(place.step, [node.perm.index(axis) for axis in place.axes])


def _channel_shuffle(b, node):
    return b.put(b.images(node.inputs[0]), [ours.ChannelShuffle(node.groups)], node)


def _pad(b, node):
    x, place = node.inputs[0], b.places[node.inputs[0]]
    if node.value != 0 or place.order is not None or any(min(p) < 0 for p in node.pads) or node.pads[0] != (0, 0):
        raise ValueError(f"pads {layouts.written(x.shape or ())} by {node.pads} with {node.value} and nothing behind "
                         "it that pads alike; expected zeros around images, or -inf before a max pool")
    place = place if len(place.axes) == len(x.shape) else b.images(x)
    return b.put(place, [ours.Pad([node.pads[axis] for axis in place.axes[1:]])], node)


def _expand(b, node):
    x = node.inputs[0]
    return b.put(b.images(x), spread(b, x.shape, node.shape), node)


def spread(b: Any, shape: tuple, target: tuple) -> list:
    """The layers that repeat channel-last images of one pixel, or of one channel."""
    if shape == target:
        return []
    if len(target) != 4 or shape[0] != target[0] or any(m not in (1, n) for m, n in zip(shape, target)):
        raise ValueError(f"repeats {layouts.written(shape)} to {layouts.written(target)}, expected images")
    layers: list = []
    if shape[2:] != target[2:]:
        height, width = layouts.known_sizes(target[2:])
        layers.append(ours.Upsample(size=(height, width)))
    if shape[1] != target[1]:
        layers.append(ours.Dense(np.ones((1, *layouts.known_sizes(target[1:2])), b.graph.dtype)))
    return layers


def _upsample(b, node):
    settings = {"size": tuple(node.size)} if node.size is not None else {"scale": tuple(node.scale)}
    made = ours.Upsample(**settings, mode=node.mode, align_corners=node.align_corners)
    return b.put(b.images(node.inputs[0]), [made], node)


def _embedding(b, node):
    place = b.places[node.inputs[0]]
    rank = len(place.axes)
    return b.put(place, [ours.Embedding(node.W)], node, axes=(*place.axes, rank))


MOVES = {
    "slice": _slice, "reshape": _reshape, "transpose": _transpose, "channel_shuffle": _channel_shuffle, "pad": _pad,
    "upsample": _upsample, "expand": _expand, "embedding": _embedding}
