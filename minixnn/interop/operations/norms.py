"""What looks along whole axes: reductions, softmax, normalisations."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minixnn import layers as ours
from minixnn.interop.axes import Traced, has_batch, is_batch, laid_out, size
from minixnn.interop.builder import Builder
from minixnn.interop.operations.arithmetic import (add, divide, extreme, function, multiply, power, short,
                                                   subtract)
from minixnn.interop.operations.moves import cat, flatten, select, slice_, squeeze, with_axis
from minixnn.interop.operations.values import (Places, Sizes, Value, images, integers, numbers, optional,
                                               traced, weights)


def reduce(b: Builder, x: Value, axes: Sizes | None = None, keepdims: bool = False, dtype: object = None,
           noop_with_empty_axes: bool = False, *, kind: str) -> Traced:
    """kind: "mean", "sum", "max", "min", "length", or a sum of: "abs", "square"; its "log", or "logsumexp"

    axes: None, or an empty list, stand for all; but not where an empty one changes nothing.
    """
    x = numbers(b, x)
    if kind == "logsumexp":                     # no number is too large for exp, if the largest is taken away first
        largest = reduce(b, x, axes, True, dtype, noop_with_empty_axes, kind="max")
        powers = function(b, "exp", subtract(b, x, largest))
        y = add(b, reduce(b, powers, axes, True, dtype, noop_with_empty_axes, kind="log"), largest)
        return y if keepdims else squeeze(b, y, axes)
    if kind == "log":
        return function(b, "log", reduce(b, x, axes, keepdims, dtype, noop_with_empty_axes, kind="sum"))
    if kind in ("abs", "square"):
        x, kind = function(b, "abs", x) if kind == "abs" else power(b, x, 2), "sum"
    places = [] if axes is None else integers(axes)
    places = places if places or noop_with_empty_axes else list(range(x.rank))
    if any(not -x.rank <= place < x.rank for place in places):
        raise ValueError(f"axes={list(places)} for {x.rank} axes")
    places = sorted({place % x.rank for place in places})
    group = tuple(a for place in places for a in x.axes[place])
    if has_batch(group):
        what = f"reduces all axes of {x.written()}" if len(places) == x.rank else \
            f"axes={places} of {x.written()} is not supported"
        raise ValueError(f"{what}: the batch is one of them")
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
        x = function(b, "abs", x) if kind == "length" else x
    if repeated > 1 and kind == "sum":
        x = multiply(b, x, float(repeated))
    if repeated > 1 and kind == "length":
        x = multiply(b, x, float(repeated) ** 0.5)
    return x


def largest(b: Builder, x: Value, axis: Value | int | None = None, keepdims: bool = False, *, kind: str
            ) -> Traced | list[Traced | Places]:
    """torch's max and min: of all, along an axis with the places, or of two arrays."""
    if axis is None:
        return reduce(b, x, None, False, kind=kind)
    if isinstance(axis, int):
        return [reduce(b, x, axis, keepdims, kind=kind), Places()]
    return extreme(b, x, axis, smallest=kind == "min")


def global_pool(b: Builder, x: Value, *, kind: str) -> Traced:
    x = traced(x)
    if x.rank < 3:
        raise ValueError(f"got {x.written()} numbers, expected images, (channels, height, width)")
    return reduce(b, x, range(2, x.rank), True, kind=kind)


def norm(b: Builder, x: Value, ord: float = 2, axes: Sizes | None = None, keepdims: bool = False,
         dtype: object = None) -> Traced:
    """The root of order `ord` of the sum of |x|^ord; of inf the largest."""
    if not ord:
        raise ValueError("counts what is not 0, and has no gradient that explains")
    if ord in (1, 2):
        return reduce(b, x, axes, keepdims, kind="length" if ord == 2 else "abs")
    size = function(b, "abs", x)
    if math.isinf(ord):
        return reduce(b, size, axes, keepdims, kind="max" if ord > 0 else "min")
    return power(b, reduce(b, power(b, size, ord), axes, keepdims, kind="sum"), 1 / ord)


def product_along(b: Builder, x: Traced, axes: Sizes | None = None, keepdims: bool = False, dtype: object = None
                  ) -> Traced:
    """The product along axes: halves times each other, until one number is left."""
    if axes is None or any(has_batch(x.axes[axis]) for axis in integers(axes)):
        raise ValueError(f"multiplies all numbers of {x.written()}: the batch is one of the axes")
    for axis in sorted((axis % x.rank for axis in integers(axes)), reverse=True):
        while (n := x.shape[axis]) > 1:
            y = multiply(b, *(slice_(b, x, axis, start, start + n // 2) for start in (0, n // 2)))
            x = cat(b, [y, slice_(b, x, axis, n - 1, n)], axis) if n % 2 else y
        x = x if keepdims else select(b, x, axis, 0)
    return x


def distances(b: Builder, x: Value, y: Value, p: float = 2, mode: object = None) -> Traced:
    """torch's cdist: (..., T, C), (..., U, C) -> (..., T, U)"""
    return norm(b, subtract(b, with_axis(b, x, -2), with_axis(b, y, -3)), p, -1)


def normalize(b: Builder, x: Value, axis: int = -1, p: int = 2) -> Traced:
    return divide(b, x, norm(b, x, p, axis, True))


def mean_variance(b: Builder, x: Traced, axes: Sizes = (0, 2, 3)) -> Traced:
    """ONNX's: x without its mean, divided by its standard deviation."""
    centred = subtract(b, x, reduce(b, x, axes, True, kind="mean"))
    return divide(b, centred, power(b, reduce(b, power(b, centred, 2), axes, True, kind="mean"), 0.5))


def variance(b: Builder, x: Traced, axes: Sizes | bool | None = None, unbiased: bool | None = None,
             keepdim: bool = False, correction: float | None = None) -> Traced:
    if isinstance(axes, bool):
        axes, unbiased = None, axes
    places = list(range(x.rank)) if axes is None else integers(axes)
    square = power(b, subtract(b, x, reduce(b, x, places, True, kind="mean")), 2)
    count = math.prod(x.shape[place] for place in places)
    y, less = reduce(b, square, places, keepdim, kind="mean"), float(unbiased is not False if correction is None else
                                                                     correction)
    return y if less == 0 else multiply(b, y, count / (count - less))


def deviation(b: Builder, x: Traced, axes: Sizes | bool | None = None, unbiased: bool | None = None,
              keepdim: bool = False, correction: float | None = None) -> Traced:
    return power(b, variance(b, x, axes, unbiased, keepdim, correction), 0.5)


def variance_and_mean(b: Builder, x: Traced, axes: Sizes | None = None, unbiased: bool | None = None,
                      keepdim: bool = False, correction: float | None = None) -> list[Traced]:
    return [variance(b, x, axes, unbiased, keepdim, correction), reduce(b, x, axes, keepdim, kind="mean")]


def softmax(b: Builder, x: Value, axis: int = -1, dtype: object = None, *, log: bool = False, masked: bool = False,
            _opset: int = 13) -> Traced:
    """masked: rows of which all is hidden give 0. Before ONNX's opset 13 over all axes from `axis` on."""
    x = numbers(b, x)
    if _opset < 13 and axis % x.rank != x.rank - 1:
        return softmax(b, flatten(b, x, axis, -1), axis % x.rank, log=log).seen_as(x.axes)
    group = x.axes[int(axis)]
    x, place = b.axis(x, group, ordered=False) if group else (b.arranged(x, [*x.have, ()]), len(x.have))
    place = -1 if place == len(x.have) - 1 else place
    return b.through(x, ours.LogSoftmax(place) if log else ours.Softmax(place, masked))


def batch_norm(b: Builder, x: Value, gamma: Value | None, beta: Value | None, mean: Value | None = None,
               variance: Value | None = None, training: bool = False, momentum: float = 0.1, epsilon: float = 1e-5,
               cudnn: bool = True, kept: float | None = None) -> Traced:
    """kept: what ONNX calls momentum, how much is kept of the running statistics."""
    x = numbers(b, x)
    if training or mean is None or variance is None:
        raise ValueError(f"training_mode={int(training)} is not supported: it normalises by the statistics of the "
                         "batch, expected running ones (track_running_stats=True)")
    momentum = momentum if kept is None else round(1 - kept, 6)
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


def native_batch_norm(b: Builder, x: Value, gamma: Value | None, beta: Value | None, mean: Value | None = None,
                      variance: Value | None = None, momentum: float = 0.1, epsilon: float = 1e-5) -> list:
    """With what is known of the statistics of a batch in training."""
    return [batch_norm(b, x, gamma, beta, mean, variance, False, momentum, epsilon), None, None]


def batch_statistics(b: Builder, x: Value, *more: Value) -> Traced:
    return batch_norm(b, x, None, None)


def instance_norm(b: Builder, x: Traced, gamma: Value | None = None, beta: Value | None = None,
                  mean: Value | None = None, variance: Value | None = None, of_image: bool = True,
                  momentum: float = 0.1, epsilon: float = 1e-5, cudnn: bool = True) -> Traced:
    return group_norm(b, x, None, gamma, beta, epsilon) if of_image else batch_norm(
        b, x, gamma, beta, mean, variance, False, momentum, epsilon)


def rms_norm(b: Builder, x: Value, shape: Sequence[int] | None = None, gamma: Value | None = None,
             epsilon: float | None = None, axis: int = -1) -> Traced:
    return layer_norm(b, x, shape, gamma, None, float(np.finfo(b.dtype).eps) if epsilon is None else epsilon, axis=axis,
                      centered=False)


def native_layer_norm(b: Builder, x: Value, shape: Sequence[int], gamma: Value | None, beta: Value | None,
                      epsilon: float) -> list:
    return [layer_norm(b, x, shape, gamma, beta, epsilon), None, None]


def layer_norm(b: Builder, x: Value, shape: Sequence[int] | None = None, gamma: Value | None = None,
               beta: Value | None = None, epsilon: float = 1e-5, cudnn: bool = True, axis: int = -1,
               centered: bool = True) -> Traced:
    """Over the last axes, as many as the shape has, or from `axis` on. centered=False: RMSNorm"""
    x = numbers(b, x)
    count = x.rank - axis % x.rank if shape is None else len(shape)
    constants = optional(gamma), optional(beta)
    if any(array is not None and array.ndim > count for array in constants):
        raise ValueError(f"has weights of more axes than the {count} that it looks along")
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
            array = np.ascontiguousarray(short(laid_out(np.broadcast_to(array, list(map(size, groups))), groups,
                                                        x.have)))
        arrays.append(array)
    gamma, beta = arrays
    return b.through(x, kind(gamma, beta, tuple(place - len(x.have) for place in places), float(epsilon)))


def group_norm(b: Builder, x: Traced, groups: int | None = None, gamma: Value | None = None,
               beta: Value | None = None, epsilon: float = 1e-5, cudnn: bool = True) -> Traced:
    """groups: None for one of each channel. Before ONNX's opset 21 gamma and beta have one number for each group."""
    gamma, beta, x = optional(gamma), optional(beta), numbers(b, x)
    x = images(b, x, x.rank - 2, "channels")
    C = x.shape[1]
    groups = C if groups is None else int(groups)
    gamma, beta = (np.repeat(a, C // groups) if a is not None and len(a) == groups else a for a in (gamma, beta))
    if beta is not None and gamma is None:
        gamma = np.ones_like(beta)
    return b.through(x, ours.GroupNorm(gamma, beta, groups, float(epsilon)))


def local_response(b: Builder, x: Traced, size: int, alpha: float, beta: float, bias: float) -> Traced:
    x = images(b, x, x.rank - 2, "channels")
    return b.through(x, ours.LocalResponseNorm(int(size), float(alpha), float(beta), float(bias)))
