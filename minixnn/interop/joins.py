"""What joins several nodes, or one and a constant, in a Network: see `nodes.py`."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop import layouts
from minixnn.interop.layout import size_unknown
from minixnn.interop.layouts import Place, channel_last
from minixnn.interop.moves import spread

if TYPE_CHECKING:
    from minixnn.interop.operations import Node


def _scale(b, node):
    """x * scale + shift, one number per channel of ours."""
    x, place = node.inputs[0], b.places[node.inputs[0]]
    if x.shape is None:
        raise size_unknown("computes with a constant on an input whose shape is not known")
    rank, arrays = len(x.shape), []
    wide = {axis for a in (node.scale, node.shift) if a is not None
            for axis, n in enumerate(np.shape(a), rank - np.ndim(a)) if n > 1}
    if len(wide) == 1 and place.axes[-1] not in wide:
        axis, = wide
        place = b.read(x, channel_last(rank) if axis == 1 else tuple(range(rank)))
    if x is b.graph.input and len(b.users[x]) == 1 and np.all(1 if node.scale is None else node.scale > 0):
        return _prepare(b, node, place)
    if wide - {place.axes[-1]}:
        return _of_places(b, node, place)
    channels = layouts.known_sizes([x.shape[place.axes[-1]]])[0]
    for a, default in ((node.scale, 1.0), (node.shift, None)):
        if a is None:
            a = None if default is None else np.full(channels, default, node_dtype(node))
        else:
            a = np.broadcast_to(np.reshape(a, -1), (channels,)).copy()
            a = a if place.order is None else a[place.order]
        arrays.append(a)
    return b.put(place, [ours.ChannelScale(*arrays)], node)


def node_dtype(node: Node) -> Any:
    return next(a.dtype for a in (node.scale, node.shift) if a is not None)


def _prepare(b, node, place):
    """What is done to the input before all else: (x - mean) / std."""
    scale = np.ones(1, node_dtype(node)) if node.scale is None else node.scale
    shift = np.zeros(1, node_dtype(node)) if node.shift is None else node.shift
    rank, arrays = len(node.shape), []
    for a in (-shift / scale, 1 / scale):
        a = np.reshape(a, (1,) * (rank - np.ndim(a)) + np.shape(a)).transpose(place.axes)[0]        # without the batch
        arrays.append(a.reshape(-1) if a.size == a.shape[-1] else a)
    return b.put(place, [ours.Prepare(*(np.ascontiguousarray(a) for a in arrays))], node)


def _of_places(b, node, place):
    """x * scale + shift, a number of its own for every place in the array: a table of positions, for instance."""
    if node.scale is None and len(node.shape) == 3 and node.shape[0] == b.graph.batch:
        place = b.read(node.inputs[0], (0, 1, 2) if place.axes == (0, 1, 2) else place.axes)
        shift = np.broadcast_to(node.shift, (1, *layouts.known_sizes(node.shape[1:])))
        return b.put(place, [ours.PositionEmbedding(shift.transpose(place.axes)[0].copy())], node)
    raise ValueError(f"computes with a constant of shape {np.shape(node.scale if node.shift is None else node.shift)}, "
                     "expected one number per channel")


def _together(b, node):
    """The places of all that a node reads, with the same axes in the same order; and how rows are ordered."""
    constant = next((x for x in node.inputs if x not in b.places), None)
    if constant is not None:
        raise ValueError(f"joins what is computed from the images with a constant of shape {np.shape(constant.array)}, "
                         "expected one number per channel, or an array of the same shape")
    places = [b.places[x] for x in node.inputs]
    if all(place.axes == places[0].axes for place in places) and all(_same(place.order, places[0].order)
                                                                     for place in places):
        return places
    rank = max(len(x.shape) for x in node.inputs)
    if any(len(x.shape) != rank for x in node.inputs):
        raise ValueError(f"joins {' and '.join(layouts.written(x.shape) for x in node.inputs)}, expected arrays with "
                         "as many axes each")
    axes = next((place.axes for place in places if len(place.axes) == rank), channel_last(rank))
    return [b.read(x, axes) for x in node.inputs]


def _same(a, b):
    return a is b or a is not None and b is not None and np.array_equal(a, b)


def _sum(b, node):
    places = _together(b, node)
    if node.op == "sub":
        x, place = node.inputs[1], places[1]
        C = layouts.known_sizes([x.shape[place.axes[-1]]])[0]
        places = [places[0], b.put(place, [ours.ChannelScale(np.full(C, -1, b.graph.dtype))], node)]
    if any(x.shape != node.shape for x in node.inputs):     # a sum repeats nothing by itself
        places = [b.put(place, spread(b, x.shape, node.shape), node) for x, place in zip(node.inputs, places)]
    return _joined(b, ours.Add(), places, node)


def _product(b, node):
    """The signal is the first factor and the gates follow: see `layers.Multiply`."""
    places = _together(b, node)
    order = sorted(range(len(places)), key=lambda n: _is_gate(node.inputs[n], node.shape))
    return _joined(b, ours.Multiply(), [places[n] for n in order], node)


def _is_gate(x, shape):
    """Whether a factor is smaller than the product, or was squashed."""
    while x.op in ("reshape", "transpose", "expand", "upsample", "slice"):
        x = x.inputs[0]
    made = getattr(x, "layer", None) if x.op == "elementwise" else None
    return x.shape != shape or x.op == "softmax" or isinstance(made, (ours.Sigmoid, ours.Hardsigmoid, ours.Tanh)) or \
        isinstance(made, ours.Clip) and (made.low, made.high) == (0, 1)


def _power(b, node):
    """x x, or x x x: a product."""
    exponent = None if node.constant is None or node.constant.size != 1 else float(node.constant.reshape(()))
    if exponent not in (2, 3):
        raise ValueError(f"a power of {exponent} is supported as part of a norm that is recognised only, and 2 and 3")
    return _joined(b, ours.Multiply(), [b.places[node.inputs[0]]] * int(exponent), node)


def _joined(b, layer, places, node):
    found = b.join(layer, places, node)
    return Place(found.step, places[0].axes, places[0].order, places[0].image)


def _class_token(b, node):
    """A constant in front of a sequence, the same for all: ClassToken."""
    token, x = node.inputs
    if node.axis % 3 != 1 or token.array.ndim != 3 or token.array.shape[1] != 1 or \
            (token.array != token.array[:1]).any():
        raise ValueError(f"joins a constant of shape {layouts.written(token.array.shape)} to what is computed, "
                         "expected one token in front of a sequence (N, tokens, channels)")
    return b.put(b.read(x, (0, 1, 2)), [ours.ClassToken(token.array[0, 0].astype(b.graph.dtype))], node)


def _concat(b, node):
    if len(node.inputs) == 2 and node.inputs[0] not in b.places and len(node.shape) == 3:
        return _class_token(b, node)
    if any(x not in b.places for x in node.inputs):
        raise ValueError("joins a constant to what is computed, expected one token in front of a sequence")
    places = [b.places[x] for x in node.inputs]
    rank = len(node.shape)
    if rank == 2 and any(place.order is not None for place in places):      # rows, some of them flattened images
        sizes = layouts.known_sizes([x.shape[1] for x in node.inputs])
        starts = np.cumsum([0, *sizes])
        order = np.concatenate([start + (np.arange(n) if place.order is None else place.order)
                                for start, n, place in zip(starts, sizes, places)])
        return b.join(ours.Concat(), places, node, order=order)
    if any(place.axes != places[0].axes or place.axes[-1] != node.axis for place in places):
        axes = channel_last(rank) if node.axis == 1 else (
            *(axis for axis in range(rank) if axis != node.axis), node.axis)
        places = [b.read(x, axes) for x in node.inputs]
    return b.join(ours.Concat(), places, node)


def _missing(sentence):
    def refuse(b, node):
        raise ValueError(sentence)
    return refuse


JOINS = {
    "scale": _scale, "add": _sum, "sub": _sum, "mul": _product, "pow": _power, "concat": _concat,
    "div": _missing("divides by what is computed from the input, expected a constant"),
    **{op: _missing(f"{op} is supported as part of an activation or norm that is recognised, and this is none")
       for op in ("maximum", "minimum", "exp", "log", "sqrt", "reciprocal", "erf", "absolute", "greater")}}
