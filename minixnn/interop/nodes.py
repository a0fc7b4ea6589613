"""What every operation of the small graph is in a Network: BUILDERS[op](builder, node) -> its Place.

The builder has the places of what a node reads: builder.images(node) for channel-last arrays, builder.read(node, axes)
for any axes, builder.put(place, layers, node) for layers behind a place.
"""
import math

import numpy as np

from minixnn import layers as ours
from minixnn.interop import layouts
from minixnn.interop.joins import JOINS
from minixnn.interop.layout import overhang, size_unknown
from minixnn.interop.layouts import channel_last
from minixnn.interop.moves import MOVES


def _conv(b, node):
    W, spatial = node.W, node.W.ndim - 2
    x = b.images(node.inputs[0])
    settings = {"stride": node.stride, "padding": node.pads}
    settings.update({"dilation": node.dilation} if set(node.dilation) != {1} else {})
    settings.update({"groups": node.groups} if node.groups != 1 else {})
    if spatial == 1:
        settings = {name: value[0] if isinstance(value, tuple) else value for name, value in settings.items()}
        made = ours.Conv1d(np.ascontiguousarray(W.transpose(2, 1, 0)), node.b, **settings)
    elif spatial == 2:
        made = ours.Conv2d(np.ascontiguousarray(W.transpose(2, 3, 1, 0)), node.b, **settings)
    else:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected those of images or sequences")
    return b.put(x, [made], node)


def _conv_transpose(b, node):
    W, groups = node.W, node.groups
    if W.ndim != 4:
        raise ValueError(f"weights of shape {W.shape} are not supported, expected those of images")
    made = ours.ConvTranspose2d(np.ascontiguousarray(W.transpose(2, 3, 0, 1)), node.b, node.stride, node.pads,
                                node.output_padding, node.dilation, groups)
    return b.put(b.images(node.inputs[0]), [made], node)


def _dense(b, node):
    x, place = node.inputs[0], b.places[node.inputs[0]]
    rank = 2 if x.shape is None else len(x.shape)
    if place.axes[-1] != rank - 1:
        place = b.read(x, tuple(range(rank)))
    W = node.W if place.order is None else node.W.T[:, place.order].T    # a file's (O, I) stays as it lies in memory
    return b.put(place, [ours.Dense(W, node.b)], node, axes=place.axes)


def _pool(b, node):
    x = node.inputs[0]
    sizes, pads = x.shape[2:] if x.shape else (None,) * len(node.size), node.pads
    more = (0,) * len(node.size)
    if node.op == "avg_pool" and sizes == tuple(node.size) and not node.total and set(pads) == {(0, 0)}:
        return b.put(b.images(x), [ours.GlobalAvgPool()], node, axes=(0, 1))           # the window is the image
    if any(d != 1 for d in node.settings.get("dilation", (1,))):
        raise ValueError(f"dilation={node.dilation} is not supported")
    if node.ceil and pads != "same":                        # sizes rounded up: padding at the end
        if None in sizes:
            raise size_unknown("rounding sizes up (ceil_mode) depends on the size of the images")
        more = tuple(overhang(n, k, s, *p) for n, k, s, p in zip(sizes, node.size, node.stride, pads))
    layers, counted = [], bool(node.settings.get("count_padding"))
    if counted and pads != "same" and any(more):            # what sticks out is not counted, what is padded is
        if any(p != (0, 0) for p in pads):
            layers, pads = [ours.Pad((*pads, (0, 0)))], ((0, 0),) * len(pads)
        counted = False
    if pads != "same":
        pads = tuple((p, q + r) for (p, q), r in zip(pads, more))
    settings = {"size": node.size, "stride": node.stride, "padding": pads}
    if len(node.size) == 1:                                 # a sequence as an image of one pixel across
        settings = {"size": (node.size[0], 1), "stride": (node.stride[0], 1),
                    "padding": pads if pads == "same" else (pads[0], (0, 0))}
    elif len(node.size) != 2:
        raise ValueError(f"windows of {node.size} are not supported, expected (height, width)")
    if node.op == "max_pool":
        made = ours.MaxPool2d(**settings)
    elif node.total:
        made = ours.SumPool2d(**settings)
    else:
        made = ours.AvgPool2d(**settings, count_padding=counted)
    place = b.images(x)
    if len(node.size) == 2:
        return b.put(place, [*layers, made], node)
    if None in x.shape[1:]:
        raise layouts.unknown_order()
    N, C, T = x.shape
    return b.put(place, [ours.Reshape((T, 1, C)), made, ours.Reshape((node.shape[2], C))], node)


def _adaptive(b, node):
    x = node.inputs[0]
    if tuple(node.size) == (1,) * len(node.size):
        return b.put(b.images(x), [ours.GlobalAvgPool()], node, axes=(0, 1))
    if len(node.size) != 2:
        raise ValueError(f"output_size={node.size} is not supported, expected (height, width)")
    size = layouts.known_sizes(node.shape[2:]) if None in node.size else tuple(node.size)
    return b.put(b.images(x), [ours.AdaptiveAvgPool2d(size)], node)


def _reduce(b, node):
    """The mean, sum or maximum over some axes. They are moved to the front, the others become the last axis."""
    x = node.inputs[0]
    place, rank = b.places[x], len(x.shape)
    axes = {axis % rank for axis in (range(1, rank) if node.axes is None else node.axes)}
    inner = [axis for axis in place.axes[1:] if axis in axes]
    kept = [axis for axis in place.axes[1:] if axis not in axes]
    if place.axes[0] in axes or not inner or place.order is not None:
        raise ValueError(f"axes={sorted(axes)} of {layouts.written(x.shape)} is not supported: the batch is one of "
                         "them, or they have been put together")
    layers = layouts.arrange(place, x.shape, (place.axes[0], *inner, *kept))
    if len(kept) != 1 or len(inner) > 2:
        sizes = layouts.known_sizes([x.shape[axis] for axis in inner]), [x.shape[axis] for axis in kept]
        layers.append(ours.Reshape(tuple(map(math.prod, map(layouts.known_sizes, sizes)))))
    layers += _over_all(node, x, inner, kept)
    if len(kept) > 1:
        layers.append(ours.Unflatten([x.shape[axis] for axis in kept]))
    gone = [] if node.keepdims else sorted(axes)
    new = [axis - sum(each < axis for each in gone) for axis in (place.axes[0], *kept)]
    return b.put(place, layers, node, axes=new if kept else (*new, sorted(axes)[0]))


def _over_all(node, x, inner, kept):
    """The layers that leave one number per channel; a sum is the mean of so many."""
    layers = [ours.GlobalMaxPool() if node.op == "max" else ours.GlobalAvgPool()]
    if node.op == "sum":
        sizes = layouts.known_sizes([x.shape[axis] for axis in inner])
        channels = math.prod(layouts.known_sizes([x.shape[axis] for axis in kept]))
        layers.append(ours.ChannelScale(np.full(channels, math.prod(sizes), np.float32)))
    return layers


def _batch_norm(b, node):
    place = _with_channels_last(b, node, 1)
    names = ("gamma", "beta", "mean", "variance")
    arrays = [node.settings[name] if place.order is None else node.settings[name][place.order] for name in names]
    return b.put(place, [ours.BatchNorm2d(*arrays, node.epsilon, node.momentum)], node)


def _with_channels_last(b, node, channel):
    """The place of what a node reads, with this axis of the file last."""
    x = node.inputs[0]
    place = b.places[x]
    if place.axes[-1] == channel or x.shape is None:
        return place
    return b.read(x, channel_last(len(x.shape))) if channel == 1 else b.read(x, tuple(range(len(x.shape))))


def _prelu(b, node):
    place, a = b.places[node.inputs[0]], node.a.reshape(-1)
    if node.axis is not None and len(a) > 1:
        place = _with_channels_last(b, node, node.axis)
    if len(a) > 1 and place.order is not None:
        a = a[place.order]
    return b.put(place, [ours.PReLU(a)], node)


def _layer_norm(b, node):
    x = node.inputs[0]
    place, rank = b.places[x], len(x.shape)
    axes = sorted(axis % rank for axis in node.axes)
    if place.order is not None or set(place.axes) != set(range(rank)) or set(place.axes[-len(axes):]) != set(axes):
        place = b.read(x, (0, *(axis for axis in range(1, rank) if axis not in axes), *axes))
    mine = [place.axes.index(axis) for axis in axes]        # ours, in the file's order
    arrays = {"gamma": node.gamma, **({"beta": node.beta} if node.op == "layer_norm" else {})}
    sizes = layouts.known_sizes([x.shape[axis] for axis in axes])
    arrays = {name: None if array is None else np.ascontiguousarray(array.reshape(sizes).transpose(np.argsort(mine)))
              for name, array in arrays.items()}
    kind = {"layer_norm": ours.LayerNorm, "rms_norm": ours.RMSNorm}[node.op]
    return b.put(place, [kind(**arrays, axes=tuple(axis - rank for axis in sorted(mine)), epsilon=node.epsilon)],
                 node)


def _group_norm(b, node):
    return b.put(b.images(node.inputs[0]), [ours.GroupNorm(node.gamma, node.beta, node.groups, node.epsilon)], node)


def _local_response_norm(b, node):
    made = ours.LocalResponseNorm(node.size, node.alpha, node.beta, node.k)
    return b.put(b.images(node.inputs[0]), [made], node)


def _elementwise(b, node):
    return b.put(b.places[node.inputs[0]], [node.layer], node)


def _softmax(b, node):
    x = node.inputs[0]
    place = b.places[x]
    if place.order is not None:
        raise ValueError("softmax of a flattened image is not supported")
    made = {"softmax": ours.Softmax, "log_softmax": ours.LogSoftmax}[node.op]
    if node.axis % len(x.shape) not in place.axes:          # of size 1
        place = b.read(x, tuple(range(len(x.shape))))
    axis = place.axes.index(node.axis % len(x.shape)) - len(place.axes)
    return b.put(place, [made() if axis == -1 else made(axis)], node)


def _layers(b, node):
    """Layers of ours for sequences (N, T, C)."""
    x = node.inputs[0]
    if x.shape is None or len(x.shape) != 3:
        raise ValueError(f"got {layouts.written(x.shape or ())} numbers, expected sequences, (N, tokens, channels)")
    return b.put(b.read(x, (0, 1, 2)), node.layers, node)


def _matmul(b, node):
    raise ValueError("multiplies two matrices that are both computed from the input, and not as self-attention does: "
                     + node.settings.get("reason", "there is no softmax between two such products"))


BUILDERS = {
    "conv": _conv, "conv_transpose": _conv_transpose, "dense": _dense, "max_pool": _pool,
    "avg_pool": _pool, "adaptive_avg_pool": _adaptive, "mean": _reduce, "sum": _reduce, "max": _reduce,
    "batch_norm": _batch_norm, "prelu": _prelu, "layer_norm": _layer_norm, "rms_norm": _layer_norm,
    "group_norm": _group_norm, "local_response_norm": _local_response_norm, "elementwise": _elementwise,
    "softmax": _softmax, "log_softmax": _softmax, "layers": _layers, "matmul": _matmul, **JOINS, **MOVES}
CHANNELS_FIRST = ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_avg_pool", "batch_norm",
                  "group_norm", "local_response_norm", "upsample", "channel_shuffle")     # channels along axis 1
