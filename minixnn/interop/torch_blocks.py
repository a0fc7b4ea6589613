"""Blocks, and layers that move numbers, in torch: the second half of `torch_layers.py`, and the walk over a chain."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import to_numpy
from minixnn.interop import layout
from minixnn.interop.torch_layers import BASIC, all_known, known

if TYPE_CHECKING:
    from minixnn.interop.torch_parts import Parts


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Put the name of a layer before what is wrong with it, once."""
    try:
        yield
    except ValueError as error:
        if str(error).startswith("layer "):
            raise
        raise ValueError(f"{name}: {error}") from error


def chain(t: Parts, layers: list, shape: Any, place: str = 'layer ') -> Any:
    """(the modules of a list of layers, the shape behind them). place: what stands before their number in sentences."""
    modules, flattened = [], None                           # flattened: shape of the images that were
    for l, layer in enumerate(layers):
        kind, name = type(layer).__name__, f"{place}{l}, {layer!r}"
        if kind not in WRITERS:
            raise ValueError(f"{name}: {kind} has no counterpart in torch")
        if kind == "Flatten" and not (shape is not None and len(shape) < 3):
            flattened = shape or (None, None, None)
        if kind == "Dense" and flattened is not None:
            layer, flattened = _reordered(layer, flattened, name), None
        elif flattened is not None and kind not in ("Flatten", "Dropout", "ReLU", "Sigmoid", "Tanh", "Softplus"):
            raise ValueError(f"{name}: between Flatten and Dense this is not supported")
        modules += WRITERS[kind](t, layer, shape, name)
        with named(name):
            shape = layout.shape_after(layer, shape)
    if flattened is not None and not layout.same_order(flattened):
        raise ValueError(f"{place}{len(layers) - 1}: no Dense follows the last Flatten, so the outputs would come in "
                         "another order than here; leave it out")
    return modules, shape


def _reordered(dense, image, name):
    """The dense layer behind a Flatten, its rows in torch's order of features."""
    if layout.same_order(image):
        return dense
    if None in image:
        raise ValueError(f"{name}: the order of features behind Flatten depends on the size of the images; "
                         "give input_shape=(height, width, channels)")
    return dense.with_weights(layout.rows_to_channels_first(np.ascontiguousarray(to_numpy(dense.W)), image), dense.b)


def _block(kind):
    def write(t, layer, shape, name):
        place = name.partition(",")[0]
        chains = [chain(t, each.layers, shape, f"{place}.{branch}.")[0]
                  for branch, each in zip(layer.branches, layer.chains)]
        if kind == "Concat":
            behind = known(chain_shape(layer.chains[0].layers, shape), name)
            return [t.Concat(chains, 1 if len(behind) == 3 else len(behind))]
        return [getattr(t, kind)(chains)]
    return write


def chain_shape(layers: list, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape behind a list of layers."""
    for layer in layers:
        shape = layout.shape_after(layer, shape)
    return shape


def _reshape(t, layer, shape, name):
    """The same order of numbers as here: the channels go last first, and come back where the result is an image."""
    new = layout.shape_after(layer, all_known(shape, name, "reshaping"))
    before = [t.Move(0, 2, 3, 1)] if len(shape) == 3 else []
    after = [t.Move(0, 3, 1, 2)] if len(new) == 3 else []
    return [*before, t.nn.Flatten(), t.nn.Unflatten(1, new), *after]


def _permute(t, layer, shape, name):
    axes = (0, *(axis + 1 for axis in layer.axes))
    return [t.Move(0, 2, 3, 1), t.Move(*axes), t.Move(0, 3, 1, 2)] if len(axes) == 4 else [t.Move(*axes)]


def _theirs(axis, shape, name):
    """Where an axis of ours is in torch."""
    rank = len(known(shape, name)) + 1
    return (0, 2, 3, 1)[axis] if rank == 4 else axis


def _slice(t, layer, shape, name):
    return [t.Cut(_theirs(layer.axis, shape, name), layer.start, layer.stop, layer.step)]


def _select(t, layer, shape, name):
    return [t.Cut(_theirs(len(known(shape, name)), shape, name), layer.start, layer.stop, 1)]


def _pad(t, layer, shape, name):
    pads = layer.pads if len(layer.pads) != 3 else (layer.pads[2], *layer.pads[:2])
    flat = tuple(n for each in reversed(pads) for n in each)
    return [t.nn.ConstantPad2d(flat, 0.0)]


def _shuffle(t, layer, shape, name):
    return t.channels_first(shape or (), [t.nn.ChannelShuffle(layer.groups)])


def _upsample(t, layer, shape, name):
    if layer.mode == "bilinear" and layer.align_corners or layer.mode == "nearest":
        settings = {"align_corners": True} if layer.align_corners else {}
        return [t.nn.Upsample(layer.size, layer.scale, layer.mode, **settings)]
    x = np.empty((1, *all_known(shape, name, "resizing")), np.float64)
    return [t.Mix(*map(t.tensor, layer.mixtures(x)))]


def _softmax(t, layer, shape, name):
    rank = len(known(shape, name)) + 1
    axis = _theirs(layer.axis % rank, shape, name)
    return [(t.nn.LogSoftmax if type(layer).__name__ == "LogSoftmax" else t.nn.Softmax)(axis)]


def _tokens(t, layer, shape, name):
    return [t.nn.Flatten(2), t.Move(0, 2, 1)]               # (N, C, H, W) -> (N, C, H W) -> (N, H W, C)


def _take_token(t, layer, shape, name):
    return [t.Cut(1, layer.index, None if layer.index == -1 else layer.index + 1, 1), t.nn.Flatten()]


def _class_token(t, layer, shape, name):
    return [t.Token(t.tensor(layer.token))]


def _position_embedding(t, layer, shape, name):
    return [] if layer.b is None else [t.Place(t.tensor(layer.b))]


def _attention(t, layer, shape, name):
    masked = layer.causal or layer.mask is not None
    hidden = layer.hidden(all_known(shape, name, "who sees whom")[0]) if masked else None
    if hidden is not None and hidden.ndim > 2:
        raise ValueError(f"{name}: a mask of its own for each sequence has no counterpart in torch")
    maps = (BASIC["Dense"](t, layer.projection(each), (None, None), name)[0] for each in "qkvo")
    return [t.Attention(*maps, layer.heads, None if hidden is None else t.torch.from_numpy(~to_numpy(hidden)))]


def _embedding(t, layer, shape, name):
    return [t.filled(t.nn.Embedding(*layer.W.shape, device="meta"), weight=layer.W)]


WRITERS = {
    **BASIC, "Sum": _block("Sum"), "Residual": _block("Sum"), "Product": _block("Product"), "Concat": _block("Concat"),
    "Repeated": _block("Concat"), "Unflatten": _reshape, "Reshape": _reshape, "Permute": _permute, "Slice": _slice,
    "ChannelSelect": _select, "Pad": _pad, "ChannelShuffle": _shuffle, "Upsample": _upsample, "Softmax": _softmax,
    "LogSoftmax": _softmax, "Embedding": _embedding, "OneHot": _embedding, "Tokens": _tokens,
    "TakeToken": _take_token, "ClassToken": _class_token, "PositionEmbedding": _position_embedding,
    "Attention": _attention}
