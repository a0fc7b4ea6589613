"""Smaller cases than Hypothesis leaves: one unit, one channel, one row of pixels or one number at a time.

Hypothesis shrinks choices, and does not know that a unit is a column of W, an entry of b and one of R. Here a case is
a tuple (layer, *arrays), the first array being the input x; whatever still fails when made smaller takes its place.
"""
from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.layers import ChannelScale, Conv2d, Dense

if TYPE_CHECKING:
    from minixnn.layers.base import Layer

SIMPLE = (0.0, 1.0, -1.0, 2.0)


def simplified(drawn: tuple[Layer, Array, Array], fails: Callable, until: float) -> tuple[Layer, Array, Array]:
    """The smallest case reached from `drawn` by steps after each of which fails(case) is true, or until the time."""
    going = True
    while going and time.thread_time() < until:
        going = False
        for candidate in candidates(drawn):
            if time.thread_time() > until:
                break
            if fitting(candidate) and fails(candidate):
                drawn, going = candidate, True
                break
    return drawn


def fitting(candidate: tuple[Layer, Array, Array]) -> bool:
    """Whether the layer takes its input at all."""
    layer, x, *_ = candidate
    try:
        return layer.forward(x).size > 0
    except Exception:
        return False


def candidates(drawn: tuple[Layer, Array, Array]) -> Iterator[tuple[Layer, Array, Array]]:
    """Cases that are a little simpler: fewer units or pixels first, then plainer numbers."""
    layer, x, *rest = drawn
    for smaller, smaller_x in smaller_layers(layer, x):
        yield smaller, smaller_x, *(refit(smaller, smaller_x, layer, x, array) for array in rest)
    if len(x) > 1:
        yield layer, x[:1], *(array[:1] for array in rest)
    for name in ("W", "b"):                     # any numbers are weights; a variance, for instance, is another matter
        for array in plainer(vars(layer).get(name)):
            yield changed(layer, name, array), x, *rest
    for n, array in enumerate((x, *rest)):
        for plain in plainer(array):
            yield layer, *(plain if i == n else other for i, other in enumerate((x, *rest)))


def refit(smaller: Layer, smaller_x: Array, layer: Layer, x: Array, array: Array) -> Array:
    """An array beside x, or beside y, cut to the shape that it needs now."""
    shape = smaller_x.shape
    if array.shape != x.shape:
        try:
            shape = smaller.forward(smaller_x).shape
        except Exception:                       # the layer does not take this input, which `fitting` sees
            return array
    return np.resize(array, shape)


def smaller_layers(layer: Layer, x: Array) -> Iterator[tuple[Layer, Array]]:
    """(layer, x) with a unit, a channel, a part of the kernel or a row of pixels less."""
    W: Any = getattr(layer, "W", None)
    b: Any = getattr(layer, "b", None)
    if type(layer) in (Dense, Conv2d) and getattr(layer, "groups", 1) == 1:
        for k in reversed(range(W.shape[-1] if W.shape[-1] > 1 else 0)):
            yield layer.with_weights(np.delete(W, k, -1), None if b is None else np.delete(b, k)), x
        for j in reversed(range(W.shape[-2] if x.shape[-1] == W.shape[-2] > 1 else 0)):
            yield layer.with_weights(np.delete(W, j, -2), b), np.delete(x, j, -1)
    if type(layer) is Conv2d:
        for axis in (0, 1):                     # of the kernel
            if W.shape[axis] > 1:
                yield layer.with_weights(np.delete(W, -1, axis), b), x
                yield layer.with_weights(np.delete(W, 0, axis), b), x
        for name, plain in (("stride", (1, 1)), ("dilation", (1, 1)), ("padding", "same")):
            if getattr(layer, name) != plain:
                yield changed(layer, name, plain), x
    if type(layer) is ChannelScale and W is not None and len(W) > 1:
        yield layer.with_weights(W[1:], None if b is None else b[1:]), x[..., 1:]
    if b is not None and type(layer) in (Dense, Conv2d, ChannelScale):
        yield layer.with_weights(W, None), x
    for axis in range(1, x.ndim - 1):           # pixels, or the steps of a sequence
        if x.shape[axis] > 1:
            yield layer, np.delete(x, -1, axis)
    if type(layer) is Dense and x.ndim > 2:
        yield layer, x[:, 0]


def changed(layer: Layer, name: str, value: Array | str) -> Layer:
    layer = copy.copy(layer)
    setattr(layer, name, value)
    return layer


def plainer(array: Array | None) -> Iterator[Array]:
    """The array with one number in the place of another that takes longer to read."""
    if array is None or array.ndim == 0 or array.dtype.kind != "f":
        return
    for index in np.ndindex(*array.shape):
        for plain in SIMPLE:
            if array[index] == plain:
                break
            other = array.copy()
            other[index] = plain
            yield other
