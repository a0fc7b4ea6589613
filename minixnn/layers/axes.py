"""Layers that move whole axes: Permute, Reshape, Slice and Pad. What comes back goes the way the numbers came."""
import math
from collections.abc import Sequence
from typing import Any

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Layer, carry_back
from minixnn.layers.shape import Reshaping


def crop(layer: Layer, x: Array, y: Array, R: Array) -> Array:
    """The rule of zeros put around an input: what came to them is lost, the rest goes on. Conserves where that is 0."""
    return layer.gradient(x, y, R)


class Permute(Reshaping):
    """The axes of each input in another order. Permute((2, 0, 1)): x (N, H, W, C), y (N, C, H, W)"""
    rule = staticmethod(carry_back)

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = tuple(axes)
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ValueError(f"Permute got axes={axes!r}, expected each axis of one input once, such as (2, 0, 1)")

    def settings(self) -> dict[str, Any]:
        return {"axes": self.axes}

    def forward(self, x: Array) -> Array:
        if x.ndim != len(self.axes) + 1:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {len(self.axes)} axes behind the "
                             "batch")
        return x.transpose(0, *(axis + 1 for axis in self.axes))

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.transpose(0, *(self.axes.index(axis) + 1 for axis in range(len(self.axes))))


class Reshape(Reshaping):
    """The numbers of each input in another shape, in the same order. Reshape((49, 512)): x (N, 7, 7, 512)"""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = tuple(shape)
        if not self.shape or not all(isinstance(n, int) and n > 0 for n in self.shape):
            raise ValueError(f"Reshape got shape={shape!r}, expected that of one input, for instance (49, 512)")

    def settings(self) -> dict[str, Any]:
        return {"shape": self.shape}

    def forward(self, x: Array) -> Array:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {math.prod(self.shape)} numbers per "
                             "input")
        return x.reshape(len(x), *self.shape)


class Slice(Reshaping):
    """Every `step`-th place from `start` to `stop` along an axis. Slice(1, 0, None, 2): every other row of an image.

    What is left out receives nothing.
    """
    rule = staticmethod(carry_back)

    def __init__(self, axis: int, start: int = 0, stop: int | None = None, step: int = 1) -> None:
        if axis == 0 or step < 1:
            raise ValueError(f"Slice got axis={axis} and step={step}, expected an axis behind the batch and a step of "
                             "at least 1")
        self.axis, self.start, self.stop, self.step = axis, start, stop, step

    def settings(self) -> dict[str, Any]:
        return {"axis": self.axis, "start": self.start, "stop": self.stop, "step": self.step}

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


class Pad(Reshaping):
    """Zeros around each input. Pad(((1, 1), (2, 2), (0, 0))): a pixel above and below an image, two left and right."""
    preserves_sign = True
    rule = staticmethod(crop)

    def __init__(self, pads: Sequence[tuple[int, int]]) -> None:
        self.pads = tuple(tuple(each) if hasattr(each, "__len__") else (each,) for each in pads)
        if not all(len(each) == 2 and min(each) >= 0 for each in self.pads):
            raise ValueError(f"Pad got pads={pads!r}, expected (before, after) for each axis of one input")

    def settings(self) -> dict[str, Any]:
        return {"pads": self.pads}

    def forward(self, x: Array) -> Array:
        if x.ndim != len(self.pads) + 1:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected {len(self.pads)} axes behind the "
                             "batch")
        sizes = [n + before + after for n, (before, after) in zip(x.shape[1:], self.pads)]
        y = array_module(x).zeros((len(x), *sizes), dtype=x.dtype)
        y[self.inside(x)] = x
        return y

    def inside(self, x: Array) -> tuple[slice, ...]:
        """Where x is in y, as an index."""
        return slice(None), *(slice(before, before + n) for n, (before, _) in zip(x.shape[1:], self.pads))

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy[self.inside(x)]
