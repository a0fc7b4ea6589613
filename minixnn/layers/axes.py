"""Layers that move whole axes: Permute, Reshape, Slice, Roll, Pad. What comes back goes the way the numbers came."""
import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from minixnn.arrays import Array, array_module, like
from minixnn.layers.base import Layer, carry_back
from minixnn.layers.gather import add_along
from minixnn.layers.shape import Reshaping


def crop(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """Padding's rule: what came to a constant is lost, the rest goes back to where it was. Conserves all but that."""
    return layer.gradient(x, y, R)


class Permute(Reshaping):
    """The axes of each input in another order. Permute((2, 0, 1)): x (N, H, W, C), y (N, C, H, W)"""
    rule = staticmethod(carry_back)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = tuple(axes)
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ValueError(f"Permute got axes={axes!r}, expected each axis of one input once, such as (2, 0, 1)")

    def forward(self, x: Array) -> Array:
        if x.ndim != len(self.axes) + 1:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {len(self.axes)} axes behind the "
                             "batch")
        return x.transpose(0, *(axis + 1 for axis in self.axes))

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.transpose(0, *(self.axes.index(axis) + 1 for axis in range(len(self.axes))))


class Reshape(Reshaping):
    """The numbers of each input in another shape, in the same order. Reshape((49, 512)): x (N, 7, 7, 512)

    rows: how many rows of x, and of y, belong to one input. Windows cut out of an image become rows by
    Reshape((49, 96), rows=(1, 64)): x (N, 64, 49, 96), y (64 N, 49, 96), and Reshape((64, 49, 96), rows=(64, 1)) leads
    back. The rows of an image follow one another, so a batch can be cut between images.
    """

    def __init__(self, shape: tuple[int, ...], rows: tuple[int, int] = (1, 1)) -> None:
        self.shape, self.rows = tuple(shape), tuple(rows)
        if not all(isinstance(n, int) and n > 0 for n in self.shape) or not (self.shape or self.rows[1] > 1):
            raise ValueError(f"{type(self).__name__} got shape={shape!r}, expected that of one input, for instance "
                             "(49, 512)")
        if len(self.rows) != 2 or not all(isinstance(n, int) and n > 0 for n in self.rows):
            raise ValueError(f"Reshape got rows={rows!r}, expected how many rows of x and of y belong to one input")

    def forward(self, x: Array) -> Array:
        before, after = self.rows
        if len(x) % before or before * math.prod(x.shape[1:]) != after * math.prod(self.shape):
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {after * math.prod(self.shape)} "
                             f"numbers per input{f', in {before} rows' if before > 1 else ''}")
        return x.reshape(len(x) // before * after, *self.shape)


class Unflatten(Reshape):
    """(N, D) -> (N, *shape), for instance Unflatten((28, 28, 1)). A generator of images ends so."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)

    def forward(self, x: Array) -> Array:
        if x.ndim != 2:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected (images, {math.prod(self.shape)})")
        return super().forward(x)


class Slice(Reshaping):
    """Every `step`-th place from `start` to `stop` along an axis. Slice(1, 0, None, 2): every other row of an image.

    A negative step goes backwards: Slice(1, None, None, -1) turns an image upside down. What is left out receives
    nothing.
    """
    rule = staticmethod(carry_back)

    def __init__(self, axis: int, start: int | None = 0, stop: int | None = None, step: int = 1) -> None:
        if axis == 0 or step == 0:
            raise ValueError(f"Slice got axis={axis} and step={step}, expected an axis behind the batch and a step "
                             "other than 0")
        self.axis, self.start, self.stop, self.step = axis, start, stop, step

    def index(self, x: Array) -> tuple[slice, ...]:
        """What to index x with."""
        index = [slice(None)] * x.ndim
        index[self.axis] = slice(self.start, self.stop, self.step)
        return tuple(index)

    def forward(self, x: Array) -> Array:
        y = x[self.index(x)]
        if 0 in y.shape:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, of which nothing is left")
        return y

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        dx = array_module(x).zeros_like(x)
        dx[self.index(x)] = dy
        return dx


class ChannelSelect(Slice):
    """y = x[..., start:stop], some of the channels; the others receive nothing. None: from the first, to the last."""

    def __init__(self, start: int | None = None, stop: int | None = None) -> None:
        super().__init__(-1, start, stop)


class Roll(Reshaping):
    """Each axis turned like a ring: what leaves at its end comes in at its beginning. Roll((2, -1), (1, 2))

    shifts: by how many places, towards the end where above 0; axes: along which axes of x, never 0, that of the images.
    """
    rule = staticmethod(carry_back)

    def __init__(self, shifts: Sequence[int], axes: Sequence[int]) -> None:
        self.shifts, self.axes = tuple(shifts), tuple(axes)
        if len(self.shifts) != len(self.axes) or 0 in self.axes:
            raise ValueError(f"Roll got shifts={shifts!r}, axes={axes!r}, expected one shift for each axis, and not "
                             "the axis 0 of the images")

    def forward(self, x: Array) -> Array:
        return array_module(x).roll(x, self.shifts, axis=self.axes)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return array_module(dy).roll(dy, tuple(-n for n in self.shifts), axis=self.axes)


PadMode: TypeAlias = Literal["constant", "edge", "reflect", "wrap"]


class Pad(Reshaping):
    """Numbers around each input. Pad(((1, 1), (2, 2), (0, 0))): a pixel above and below an image, two left and right.

    mode: "constant", of the `value`; or as NumPy names them "edge", "reflect" and "wrap", which repeat numbers of x.
    """
    preserves_sign = True
    rule = staticmethod(crop)

    def __init__(self, pads: Sequence[tuple[int, int]], mode: PadMode = "constant", value: float = 0.0) -> None:
        if not all(hasattr(each, "__len__") and len(each) == 2 and min(each) >= 0 for each in pads):
            raise ValueError(f"Pad got pads={pads!r}, expected (before, after) for each axis of one input")
        self.pads = tuple((before, after) for before, after in pads)
        self.mode, self.value = mode, value
        if mode not in ("constant", "edge", "reflect", "wrap"):
            raise ValueError(f"Pad got mode={mode!r}, expected 'constant', 'edge', 'reflect' or 'wrap'")
        self.preserves_sign = value >= 0
        if mode != "constant":                  # all came from somewhere in x
            self.rule = carry_back

    def forward(self, x: Array) -> Array:
        if x.ndim != len(self.pads) + 1:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {len(self.pads)} axes behind the "
                             "batch")
        if self.mode != "constant":
            for axis, place in self.places(x):
                x = x.take(like(x, place), axis=axis)
            return x
        sizes = [n + before + after for n, (before, after) in zip(x.shape[1:], self.pads)]
        y = array_module(x).full((len(x), *sizes), self.value, dtype=x.dtype)
        y[self.inside(x)] = x
        return y

    def inside(self, x: Array) -> tuple[slice, ...]:
        """Where x is in y, as an index."""
        return slice(None), *(slice(before, before + n) for n, (before, _) in zip(x.shape[1:], self.pads))

    def places(self, x: Array) -> list[tuple[int, np.ndarray]]:
        """[(axis, for each place along it in y the place in x that it repeats)], of the axes that grow."""
        return [(axis, np.pad(np.arange(x.shape[axis]), pads, self.mode))
                for axis, pads in enumerate(self.pads, start=1) if pads != (0, 0)]

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        if self.mode == "constant":
            return dy[self.inside(x)]
        for axis, place in reversed(self.places(x)):
            dx = array_module(dy).zeros((*dy.shape[:axis], x.shape[axis], *dy.shape[axis + 1:]), dtype=dy.dtype)
            dy = add_along(dx, place, dy, axis)
        return dy
