"""Numbers picked by constant indices, and put down by them: Gather and Scatter. Each is the other's way back.

Whatever moves, repeats or drops numbers in the same way for every input is a Gather: of rows of a table of positions,
of the windows of an image (im2col), of pixels out of channels. Where what was picked is added up again (col2im), it is
a Scatter.
"""
import math
from collections.abc import Sequence
from numpy.typing import ArrayLike

import numpy as np

from minixnn.arrays import Array, array_module, like, to_numpy
from minixnn.layers.base import Fixed, Layer, Settings, carry_back
from minixnn.layers.shape import Reshaping


def add_along(dx: Array, index: np.ndarray, dy: Array, axis: int) -> Array:
    """dx, after dx[..., index[i], ...] += dy[..., i, ...] for each i along `axis`; the same index may come often.

    On a GPU one of two values written to the same place is lost. So indices are added in rounds, in which each is met
    once at most.
    """
    order = index.argsort(kind="stable")
    ordered, before = index[order], (slice(None),) * axis
    count = np.arange(len(order)) - np.searchsorted(ordered, ordered)       # how often the index has come before
    for n in range(count.max(initial=-1) + 1):
        some = order[count == n]
        dx[(*before, like(dx, index[some]))] += dy[(*before, like(dx, some))]
    return dx


class Indexed(Layer):
    """What Gather and Scatter share, whole numbers on the host: a setting, not an array to cast or learn."""

    def set_index(self, index: ArrayLike) -> None:
        """index: an array, or a list of lists, of any number of axes."""
        self.index = np.asarray(to_numpy(index))
        if self.index.dtype.kind not in "iu" or not self.index.size:
            raise ValueError(f"{type(self).__name__} got an index of type {self.index.dtype} and shape "
                             f"{self.index.shape}, expected whole numbers")

    def settings(self) -> Settings:
        return {"index": self.index.tolist(), **super().settings()}

    def places(self, n: int) -> np.ndarray:
        """The indices in one row, counted from the beginning."""
        if not -n <= self.index.min() <= self.index.max() < n:
            raise ValueError(f"{self!r} has indices from {self.index.min()} to {self.index.max()}, for {n} numbers")
        return self.index.reshape(-1) % n


class Gather(Indexed, Reshaping):
    """y = x[:, index]: the numbers of each input at these places. Gather(index, 2) picks along axis 2 of x.

    index: whole numbers of any shape, which takes the axis's place; below 0 they count from the end. axis None: places
    in the input written as one row, as numpy.take has it; y (N, *index.shape). What is not picked receives nothing,
    what is picked twice receives twice.
    """
    rule = staticmethod(carry_back)

    def __init__(self, index: ArrayLike, axis: int | None = None) -> None:
        self.set_index(index)
        if axis == 0:
            raise ValueError("Gather got axis=0, that of the images, expected another, or None")
        self.axis = axis

    def split(self, x: Array) -> tuple[Array, int]:
        """x, and the axis of it along which is picked."""
        if self.axis is None:
            return x.reshape(len(x), -1), 1
        if not -x.ndim < self.axis < x.ndim:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, which lacks this axis")
        return x, self.axis % x.ndim

    def forward(self, x: Array) -> Array:
        x, axis = self.split(x)
        y = x.take(like(x, self.places(x.shape[axis])), axis=axis)
        return y.reshape(*x.shape[:axis], *self.index.shape, *x.shape[axis + 1:])

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        rows, axis = self.split(x)
        dx = array_module(dy).zeros(rows.shape, dtype=dy.dtype)
        dy = dy.reshape(*rows.shape[:axis], self.index.size, *rows.shape[axis + 1:])
        return add_along(dx, self.places(rows.shape[axis]), dy, axis).reshape(x.shape)

    def __repr__(self):
        return f"Gather({'x'.join(map(str, self.index.shape))} indices, axis={self.axis})"


class Scatter(Indexed, Fixed):
    """y = zeros, to which each number of an input is added at its place. x (N, *index.shape), y (N, *shape)

    index: a place in y for each number, y written as one row; those that share a place are summed up. A linear map
    whose weights are 1, so any rule for affine layers shares in proportion.
    """
    preserves_sign = True

    def __init__(self, index: ArrayLike, shape: Sequence[int]) -> None:
        self.set_index(index)
        self.shape = tuple(shape)
        self.places(math.prod(self.shape))

    def forward(self, x: Array) -> Array:
        if x.shape[1:] != self.index.shape:
            raise ValueError(f"{self!r} got an array of shape {x.shape}, expected (inputs, *{self.index.shape})")
        y = array_module(x).zeros((len(x), math.prod(self.shape)), dtype=x.dtype)
        y = add_along(y, self.places(y.shape[1]), x.reshape(len(x), -1), 1)
        return y.reshape(len(x), *self.shape) * float(self.W)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        dy = dy.reshape(len(dy), -1)
        return dy.take(like(dy, self.places(dy.shape[1])), axis=1).reshape(x.shape) * float(self.W)

    def __repr__(self):
        return f"Scatter({'x'.join(map(str, self.index.shape))} indices, {'x'.join(map(str, self.shape))})"
