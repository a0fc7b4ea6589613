"""Elementwise nonlinearities made of straight pieces. Each gives f and its derivative; the smooth ones: `smooth.py`.

x and y are of one shape, (N, ...); any x. Relevance passes unchanged, so all of them conserve it.
"""

import numpy as np

from minixnn.arrays import Array, array_module, negative, positive
from minixnn.layers.base import Elementwise, expect_arrays


class ReLU(Elementwise):
    """y = max(x, 0), the rectified linear unit. Nair & Hinton 2010. The derivative at 0 is taken as 0."""
    nonnegative = is_rectifier = True

    def forward(self, x: Array) -> Array:
        return x.clip(0, np.inf)                # as `positive` does, a frame less to step through

    def derivative(self, x: Array, y: Array) -> Array:
        return (x > 0).astype(x.dtype)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * (x > 0)                     # open where the unit fired, shut where it did not

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        """Zeiler & Fergus 2014, section 2.1: what comes back is rectified, no matter what went forward."""
        return positive(dy)

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        """Springenberg et al. 2015, figure 1: both conditions at once, deconvnet's and the gradient's."""
        return positive(dy) * (x > 0)


class LeakyReLU(Elementwise):
    """y = x where x > 0, else slope x. Maas et al. 2013. As it lets all through, deconvnet is the gradient."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Array) -> Array:
        return positive(x) + self.slope * negative(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return array_module(x).where(x > 0, x.dtype.type(1), x.dtype.type(self.slope))


class PReLU(Elementwise):
    """y = x where x > 0, else a x, with a number a for each channel, or one for all. He et al. 2015.

    x (N, ..., C), a (C,) or (1,)
    """
    array_names = ("a",)

    def __init__(self, a: Array) -> None:
        expect_arrays(weights=[a])
        if a.ndim != 1:
            raise ValueError(f"PReLU got slopes of shape {a.shape}, expected (channels,), or (1,) for one to all")
        self.a = a

    def forward(self, x: Array) -> Array:
        return positive(x) + self.a * negative(x)

    def derivative(self, x: Array, y: Array) -> Array:
        xp = array_module(x)
        return xp.where(x > 0, xp.ones_like(self.a), self.a)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        da = (negative(x) * dy).sum(axis=tuple(range(x.ndim - 1)))
        return {"a": da if len(self.a) > 1 or x.shape[-1] == 1 else da.sum(keepdims=True)}


class Clip(Elementwise):
    """y = x, kept between low and high; either may be None. With low = 0 it rectifies, as ReLU does."""

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        if low is not None and high is not None and not low < high:
            raise ValueError(f"Clip got low={low}, high={high}, expected low < high")
        self.low, self.high = low, high

    def forward(self, x: Array) -> Array:
        return x.clip(-np.inf if self.low is None else self.low, np.inf if self.high is None else self.high)

    @property
    def nonnegative(self) -> bool:              # type: ignore[override]  # it depends on the bounds
        return self.low is not None and self.low >= 0

    is_rectifier = nonnegative

    @property
    def preserves_sign(self) -> bool:           # type: ignore[override]
        return self.high is None or self.high >= 0

    def is_open(self, x: Array) -> Array:
        """Where x lies between the bounds and not on them."""
        above = True if self.low is None else x > self.low
        return above & (x < (np.inf if self.high is None else self.high))

    def derivative(self, x: Array, y: Array) -> Array:
        return self.is_open(x).astype(x.dtype)

    def deconvnet(self, x: Array, y: Array, dy: Array) -> Array:
        return positive(dy) if self.low == 0 else self.gradient(x, y, dy)

    def guided_backprop(self, x: Array, y: Array, dy: Array) -> Array:
        return self.gradient(x, y, positive(dy) if self.low == 0 else dy)


class ReLU6(Clip):
    """y = min(max(x, 0), 6). Sandler et al. 2018."""

    def __init__(self) -> None:
        super().__init__(0, 6)


class Hardsigmoid(Elementwise):
    """y = min(max(x / 6 + 1/2, 0), 1): a sigmoid made of three straight pieces. Howard et al. 2019.

    ONNX has another slope than 1/6 in mind: give `slope`.
    """
    nonnegative = True

    def __init__(self, slope: float = 1 / 6, offset: float = 0.5) -> None:
        self.slope, self.offset = slope, offset

    def forward(self, x: Array) -> Array:
        return (x * self.slope + self.offset).clip(0, 1)

    def derivative(self, x: Array, y: Array) -> Array:
        return ((y > 0) & (y < 1)) * x.dtype.type(self.slope)


class Hardswish(Elementwise):
    """y = x min(max(x / 6 + 1/2, 0), 1). Howard et al. 2019."""

    def forward(self, x: Array) -> Array:
        return x * (x / 6 + 0.5).clip(0, 1)

    def derivative(self, x: Array, y: Array) -> Array:
        inside = (x / 3 + 0.5) * (x > -3)
        return array_module(x).where(x < 3, inside, x.dtype.type(1))
