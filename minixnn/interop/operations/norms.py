"""What looks along whole axes: reductions, softmax, normalisations."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, has_batch, is_batch, laid_out, size
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import elementwise, multiply, power, subtract
from minixnn.interop.operations.values import images, numbers, optional, traced, weights


def reduce(b: Builder, kind: str, x: Traced, axes: Any, keepdims: Any) -> Traced:
    """kind: "mean", "sum", "max", "min", "length"; axes None: all but the images'"""
    x = numbers(b, traced(x))
    places = range(x.rank) if axes is None else [int(axis) for axis in np.ravel(axes)]
    if any(not -x.rank <= place < x.rank for place in places):
        raise ValueError(f"axes={list(places)} for {x.rank} axes")
    places = sorted({place % x.rank for place in places})
    group = tuple(a for place in places for a in x.axes[place])
    if has_batch(group):
        raise ValueError(f"axes={places} of {x.written()} is not supported: the batch is one of them")
    present = {a for own in x.have for a in own}
    repeated = math.prod(a.size for a in group if a not in present)
    kept = [() if place in places else own for place, own in enumerate(x.axes) if keepdims or place not in places]
    group = tuple(a for a in group if a in present)
    if group:
        x = b.with_own_axes(x, group)
        summed = [place for place, own in enumerate(x.have) if own and set(own) <= set(group)]
        have = [own for place, own in enumerate(x.have) if place not in summed]
        whole_image = summed == list(range(1, len(x.have) - 1))
        kinds = {"mean": ours.MeanOver, "sum": ours.SumOver, "max": ours.MaxOver, "min": ours.MinOver,
                 "length": ours.Norm}
        if whole_image and len(have) > 1 and kind in ("mean", "max"):
            layer: ours.Layer = ours.GlobalAvgPool() if kind == "mean" else ours.GlobalMaxPool()
        else:
            stays = bool(keepdims) or len(have) == 1        # one number for each image keeps an axis
            layer = kinds[kind](tuple(place - len(x.have) for place in summed), keepdims=stays)
            have = [() if place in summed else own for place, own in enumerate(x.have)] if stays else have
        x = Traced(b.put(x.at, layer), have, kept)
    else:
        x = x.seen_as(kept)
        x = elementwise(b, x, ours.Function("abs")) if kind == "length" else x
    if repeated > 1 and kind == "sum":
        x = multiply(b, x, float(repeated))
    if repeated > 1 and kind == "length":
        x = multiply(b, x, float(repeated) ** 0.5)
    return x


def variance(b: Builder, x: Traced, axes: Any, correction: float, keepdims: bool) -> Traced:
    mean = reduce(b, "mean", x, axes, True)
    square = power(b, subtract(b, x, mean), 2)
    count = math.prod(x.shape[place] for place in (range(x.rank) if axes is None else axes))
    y = reduce(b, "mean", square, axes, keepdims)
    return y if correction == 0 else multiply(b, y, count / (count - correction))


def softmax(b: Builder, x: Traced, axis: int, log: bool = False, masked: bool = False) -> Traced:
    """masked: rows of which all is hidden give 0"""
    x = numbers(b, traced(x))
    group = x.axes[int(axis)]
    x, place = b.axis(x, group, ordered=False) if group else (b.arranged(x, [*x.have, ()]), len(x.have))
    place = -1 if place == len(x.have) - 1 else place
    return b.through(x, ours.LogSoftmax(place) if log else ours.Softmax(place, masked))


def batch_norm(b: Builder, x: Traced, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float,
               momentum: float = 0.1) -> Traced:
    x = numbers(b, traced(x))
    if mean is None or variance is None:
        raise ValueError("normalises by the statistics of the batch, expected running ones (track_running_stats=True)")
    mean, variance = weights(mean), weights(variance)
    gamma = np.ones_like(mean) if gamma is None else weights(gamma)
    beta = np.zeros_like(mean) if beta is None else weights(beta)
    if x.rank < 2 or x.shape[1] != len(mean):
        raise ValueError(f"expects {len(mean)} channels, but the input's shape leads to "
                         f"{x.shape[1] if x.rank > 1 else 'none'}")
    if not (variance >= 0).all():
        raise ValueError("its variances are negative, expected means of squares")
    x, order = b.last(images(b, x, x.rank - 2, "channels") if x.rank > 2 and is_batch(x.axes[0]) else x, x.axes[1])
    gamma, beta, mean, variance = (a if order is None else a[order] for a in (gamma, beta, mean, variance))
    return b.through(x, ours.BatchNorm2d(gamma, beta, mean, variance, float(epsilon), float(momentum)))


def layer_norm(b: Builder, x: Traced, count: int, gamma: Any, beta: Any, epsilon: float,
               centered: bool = True) -> Traced:
    """Over the last `count` axes; centered=False: RMSNorm"""
    x = numbers(b, traced(x))
    kind = ours.LayerNorm if centered else ours.RMSNorm
    groups = x.axes[x.rank - count:]
    group = tuple(a for own in groups for a in own)
    if not group:                               # single numbers: an axis of size 1
        x = b.arranged(x, [*x.have, ()])
        gamma, beta = (None if a is None else weights(a).reshape(1) for a in (gamma, beta))
        return b.through(x, kind(gamma, beta, axes=(-1,), epsilon=float(epsilon)))
    if has_batch(group):
        raise ValueError(f"normalises {x.written()} over its images")
    x = b.with_own_axes(x, group)
    places = [place for place, own in enumerate(x.have) if own and set(own) <= set(group)]
    arrays = []
    for array in (gamma, beta):
        array = optional(array)
        if array is not None:
            array = laid_out(np.broadcast_to(array, [size(own) for own in groups]), groups, x.have)
            array = np.ascontiguousarray(array.reshape(array.shape[next(
                (i for i, n in enumerate(array.shape) if n != 1), array.ndim - 1):]))
        arrays.append(array)
    gamma, beta = arrays
    return b.through(x, kind(gamma, beta, tuple(place - len(x.have) for place in places), float(epsilon)))


def group_norm(b: Builder, x: Traced, groups: int, gamma: Any, beta: Any, epsilon: float) -> Traced:
    x = numbers(b, traced(x))
    gamma, beta = optional(gamma), optional(beta)
    if beta is not None and gamma is None:
        gamma = np.ones_like(beta)
    x = images(b, x, x.rank - 2, "channels")
    return b.through(x, ours.GroupNorm(gamma, beta, int(groups), float(epsilon)))


def local_response(b: Builder, x: Traced, size_: int, alpha: float, beta: float, k: float) -> Traced:
    x = images(b, x, x.rank - 2, "channels")
    return b.through(x, ours.LocalResponseNorm(int(size_), float(alpha), float(beta), float(k)))
