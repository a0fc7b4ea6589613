"""Where the numbers of a node are in our arrays.

A file stores images as (N, C, H, W), or as (N, H, W, C) if it comes from TensorFlow; a Network has them channel-last.
So every node of a graph has a `Place`: the step that computes it, and which of the file's axes our array has, in its
order. A transposition in the file then only changes this record, and costs nothing; a reshape is a reshape here too,
unless it takes axes together that lie in another order here.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn import layers as ours
from minixnn.interop.layout import size_unknown
from minixnn.interop.shapes import written

if TYPE_CHECKING:
    from minixnn.interop.steps import Step


class Place:
    """step     what computes the array
    axes        the file's axes in the order of ours; axes of size 1 may be missing, (0, 1) for (N, C, 1, 1) as (N, C)
    order       of a row of features that was an image: ours[:, j] is the file's [:, order[j]]; else None
    image       (shape, axes) of that image
    """

    def __init__(self, step: Step | None, axes: Any, order: Array | None = None,
                 image: tuple[tuple[int, ...], tuple[int, ...]] | None = None) -> None:
        self.step, self.axes, self.order, self.image = step, tuple(axes), order, image

    def at(self, step: Any) -> Place:
        """The same axes and order, of another step."""
        return Place(step, self.axes, self.order, self.image)


def channel_last(rank: int) -> tuple[int, ...]:
    """The file's axes (N, C, sizes...) in our order (N, sizes..., C)."""
    return (0, *range(2, rank), 1) if rank > 1 else (0,)


def unknown_order() -> ValueError:
    return size_unknown("the order of features behind it depends on the size of the images")


def known_sizes(sizes: tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """The sizes, if all are known."""
    if None in sizes:
        raise size_unknown("depends on a size that is not known")
    return tuple(sizes)


def shaped(shape: tuple[int, ...], sizes: Any) -> list:
    """The layers that reshape an array of one input's `shape` to `sizes`."""
    if shape == sizes:
        return []
    if len(sizes) == 1 or (not sizes and set(shape) == {1}):               # one number per input stays a column, (N, 1)
        return [ours.Flatten()] if len(shape) > 1 else []
    if None in sizes:
        raise unknown_order()
    return [ours.Unflatten(sizes) if len(shape) == 1 else ours.Reshape(sizes)]


def _sizes(shape, axes):
    return tuple(shape[axis] for axis in axes)


def _wide(shape, axes):
    return [axis for axis in axes if shape[axis] != 1]


def arrange(place: Place, shape: tuple, axes: tuple[int, ...]) -> list:
    """The layers after which our array has exactly these of the file's `axes`; shape: the node's in the file."""
    have, want = place.axes[1:], tuple(axes)[1:]
    if have == want:
        return []
    if place.order is not None:
        raise ValueError("reads a flattened image, whose features are in another order here; only a dense layer, a "
                         "norm or an activation can follow")
    if sorted(_wide(shape, have)) != sorted(_wide(shape, want)):
        raise ValueError(f"reads an array of shape {written(shape)}, which has too many axes here")
    if _wide(shape, have) == _wide(shape, want):
        return shaped(_sizes(shape, have), _sizes(shape, want))
    kept = [axis for axis in have if axis in want]
    moved = [axis for axis in want if axis in have]
    return [*shaped(_sizes(shape, have), _sizes(shape, kept)), ours.Permute(tuple(kept.index(axis) for axis in moved)),
            *shaped(_sizes(shape, moved), _sizes(shape, want))]


def reshaped(place: Place, shape: tuple, target: Any) -> tuple:
    """(layers, Place without a step) for a reshape of a node from `shape` to `target` in the file."""
    if place.order is not None:                             # as if the image had not been flattened
        image, its_axes = place.image or (None, None)
        if image is None or its_axes is None:
            raise ValueError("reshapes a row of features that come from several flattened images")
        layers, new = reshaped(Place(None, its_axes), image, target)
        return shaped(_sizes(shape, (1,)), _sizes(image, its_axes[1:])) + layers, new
    have, wide = place.axes, _wide(shape, place.axes[1:])
    first, *runs = _runs(shape, target, have[0])
    if len(runs) == 1 and len(runs[0][1]) == 1 and runs[0][0] != wide:      # all of an image in one row
        return [ours.Flatten()], Place(None, (first[1][0], runs[0][1][0]), _flat_order(shape, have), (shape, have))
    runs.sort(key=lambda run: wide.index(run[0][0]))
    order = [axis for old, _ in runs for axis in old]
    layers = [] if order == wide else arrange(place, shape, (have[0], *order))
    found = [*first[1], *(axis for _, new in runs for axis in new)]
    axes = found if len(found) > 1 else list(range(len(target)))            # one number per image keeps an axis
    now = have[1:] if order == wide else order
    return layers + shaped(_sizes(shape, now), _sizes(target, axes[1:])), Place(None, axes)


def _runs(shape, target, batch):
    """[(axes of shape, axes of target), ...]: the smallest runs of axes that hold the same numbers; none of size 1.

    The batch, an axis by itself, comes first.
    """
    if batch == 0 and (not target or target[0] != shape[0]):
        row = math.prod(shape[1:]) if None not in shape else "?"
        raise ValueError(f"turns {written(shape)} into {written(target)}, expected one row for each image, "
                         f"{written((shape[0], row))}")
    old = [axis for axis in range(len(shape)) if shape[axis] != 1 or axis == batch]
    new = [axis for axis in range(len(target)) if target[axis] != 1 or axis == batch == 0]
    found = []
    while old or new:
        a, b = [old.pop(0)] if old else [], [new.pop(0)] if new else []
        while _sizes(shape, a) != _sizes(target, b):
            if None in _sizes(shape, a) + _sizes(target, b):
                raise unknown_order()
            m, n = math.prod(_sizes(shape, a)), math.prod(_sizes(target, b))
            if m == n:
                break
            if not (old if m < n else new):
                raise ValueError(f"cannot turn {written(shape)} into {written(target)}")
            (a if m < n else b).append((old if m < n else new).pop(0))
        found.append((a, b))
    first = [run for run in found if batch in run[0]]
    if len(first[0][0]) != 1 or len(first[0][1]) != 1:
        raise ValueError(f"turns {written(shape)} into {written(target)}, which mixes images")
    return first + [run for run in found if run is not first[0]]


def _flat_order(shape, axes):
    """The order of the features of an image that is flattened here: ours[:, j] is the file's [:, order[j]]."""
    if None in shape:
        raise unknown_order()
    numbers = np.arange(math.prod(shape) // shape[axes[0]]).reshape([n for a, n in enumerate(shape) if a != axes[0]])
    return numbers.transpose([axis - (axis > axes[0]) for axis in axes[1:]]).ravel()
