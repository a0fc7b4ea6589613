"""Layers that move, repeat or drop numbers without computing. What comes back goes the way the numbers came.

Whatever moves numbers in the same way for every input is a Gather: of rows of a table of positions, of the windows of
an image (im2col), of pixels out of channels. Where what was picked is added up again (col2im), it is a Scatter. Each is
the other's way back.
"""
import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from minixnn.arrays import Array, array_module, like, to_numpy
from minixnn.layers.base import Arrays, Fixed, Layer, Settings, carry_back, expect_count, linear_rule, pass_on


class Reshaping(Layer):
    """What moves numbers to another place or shape, and back in every backward method."""
    rule, takes_rules = staticmethod(pass_on), False
    preserves_sign, deeplift = True, linear_rule

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.reshape(x.shape)


class Identity(Reshaping):
    """y = x: keeps the place of a layer that has been taken away."""

    def forward(self, x: Array) -> Array:
        return x


class Input(Layer):
    """One of several inputs of a network, where x is a tuple: y = x[index]. x ((N, ...), (N, ...), ...), y (N, ...)"""
    rule, takes_rules = staticmethod(carry_back), False
    preserves_sign, deeplift = True, linear_rule

    def __init__(self, index: int) -> None:
        if not hasattr(index, "__index__") or index < 0:
            raise ValueError(f"Input got index={index!r}, expected the number of an input, from 0")
        self.index = index

    def forward(self, x: Arrays) -> Array:
        if not isinstance(x, tuple) or len(x) <= self.index:
            raise ValueError(f"{self!r} got {f'{len(x)} inputs' if isinstance(x, tuple) else 'one array'}, expected a "
                             f"tuple of at least {self.index + 1} arrays")
        return x[self.index]

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        xp = array_module(dy)
        return tuple(dy if n == self.index else xp.zeros(part.shape, dtype=dy.dtype) for n, part in enumerate(x))


class Flatten(Reshaping):
    """(N, H, W, C) -> (N, H * W * C)"""

    def forward(self, x: Array) -> Array:
        return x.reshape(len(x), -1)


class ChannelShuffle(Reshaping):
    """Mixes groups of channels: the first of each group, then the second of each, and so on. Zhang et al. 2018.

    x (N, ..., C): channel g C / groups + k goes to k groups + g. What follows in groups then sees something of each.
    """
    rule = staticmethod(carry_back)

    def __init__(self, groups: int) -> None:
        expect_count(self, "groups", groups)
        self.groups = groups

    def forward(self, x: Array) -> Array:
        if x.shape[-1] % self.groups:
            raise ValueError(f"{self!r} got {x.shape[-1]} channels, which {self.groups} does not divide")
        return x.reshape(*x.shape[:-1], self.groups, -1).swapaxes(-1, -2).reshape(x.shape)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.reshape(*x.shape[:-1], -1, self.groups).swapaxes(-1, -2).reshape(x.shape)


class Dropout(Layer):
    """Drops units at random while training, each with probability `rate`; does nothing when explaining.

    Srivastava et al. 2014. The kept units are scaled by 1 / (1 - rate) in training, so that nothing is left
    to do afterwards.
    """
    rule, takes_rules = staticmethod(pass_on), False
    preserves_sign, deeplift = True, linear_rule

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout got rate={rate}, expected a share of units in [0, 1)")
        self.rate = rate

    def training(self, x: Array, rng: np.random.Generator) -> Layer:
        keep = like(x, rng.random(x.shape, dtype="float32") >= self.rate)
        return Masked(keep.astype(x.dtype) / (1 - self.rate))

    def forward(self, x: Array) -> Array:
        return x

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy


class Masked(Layer):
    """y = x * mask: what Dropout is for the length of one training batch."""

    def __init__(self, mask: Array) -> None:
        self.mask = mask

    def forward(self, x: Array) -> Array:
        return x * self.mask

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * self.mask


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
