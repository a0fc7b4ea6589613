"""Arithmetic with constants that are not learnt: Scale multiplies by one, Shift adds one, Prepare is for pixels.

The constant has any shape that broadcasts to one input. It may be larger than the input: x (N, 1, C) and a constant
(T, C) make y (N, T, C), each number of x going into T outputs.
"""

import numpy as np

from minixnn.arrays import Array, array_module, require, stabilize
from minixnn.layers.base import Affine, Layer, Rule, expect_arrays, linear_rule, pass_on, sum_to


def pass_scaled(layer: "Scale", x: Array, y: Array, R: Array) -> Array:
    """Each input receives the relevance of the outputs it went into: LRP-0, as x c / (x c) = 1. Nothing where c is 0.

    Bach et al. 2015, eq. 62, as for a ReLU. Conserves where c is not 0.
    """
    return sum_to(R * (layer.c != 0), x.shape)


def share_with_constant(layer: "Shift", x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """A constant is a bias. LRP-epsilon for weights of 1 (Bach et al. 2015, eq. 58), in which it absorbs its share.

        R_j = x_j sum_k R_k / (y_k + epsilon sgn y_k)           over the outputs k that x_j went into
    """
    return x * sum_to(R / stabilize(y, epsilon), x.shape)


def expect_fit(layer: Layer, x: Array, constant: Array) -> None:
    """Refuse a constant that would have an entry for each image, or that does not broadcast."""
    shape = constant.shape[1:] if constant.ndim == x.ndim and len(constant) == 1 else constant.shape
    if len(shape) >= x.ndim or any(n != m and 1 not in (n, m) for n, m in zip(shape[::-1], x.shape[:0:-1])):
        raise ValueError(f"{layer!r} got an array of shape {x.shape}, expected one whose axes behind the images "
                         f"broadcast with its constant of shape {constant.shape}")


class Scale(Layer):
    """y = x c, with a constant c of any shape that broadcasts to one input (or a number). x, y (N, ...)

    Each output has one input, so relevance passes it unchanged, as it does a ReLU. In attention it divides the queries
    by sqrt(d), so that the stabiliser of the product behind sees the scores as the papers have them. Scale(ones) of a
    larger shape repeats x.
    """
    rule, takes_rules, deeplift = staticmethod(pass_scaled), False, linear_rule

    def __init__(self, c: Array | float) -> None:
        if not isinstance(c, (int, float)):
            expect_arrays(weights=[c])
        self.c = float(c) if isinstance(c, (int, float)) else c             # NumPy's float64 would widen float32

    def arrays(self) -> dict[str, Array]:
        return {} if isinstance(self.c, float) else {"c": self.c}

    @property
    def preserves_sign(self) -> bool:           # type: ignore[override]  # it depends on the numbers
        return self.c >= 0 if isinstance(self.c, float) else bool((self.c >= 0).all())

    def forward(self, x: Array) -> Array:
        if not isinstance(self.c, float):
            expect_fit(self, x, self.c)
        return x * self.c

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return sum_to(dy * self.c, x.shape)

    def bounds(self, low: float | Array, high: float | Array) -> tuple[Array, Array]:
        """Where the bounds of the pixels lie behind this layer, for z^B; a negative scale exchanges them."""
        ends = low * self.c, high * self.c
        if isinstance(ends[0], float):
            return min(ends), max(ends)
        return array_module(ends[0]).minimum(*ends), array_module(ends[0]).maximum(*ends)

    def __repr__(self):
        return f"Scale({self.c:.4g})" if isinstance(self.c, float) else f"Scale{self.c.shape}"


class Shift(Affine):
    """y = x + b, with a constant b of any shape that broadcasts to one input. x, y (N, ...)

    An affine map with weights of 1, so that any rule for affine layers applies; what goes to b is absorbed.
    """
    rule: Rule | None = staticmethod(share_with_constant)
    stabilized, array_names = True, ("b",)
    W = np.float64(1)                           # used as float(W), which leaves float32 images float32

    def __init__(self, b: Array) -> None:
        expect_arrays(weights=[b])
        self.b = b.reshape(1) if b.ndim == 0 else b
        self.shape = self.b.shape               # to which x is repeated, without b as well

    def forward(self, x: Array) -> Array:
        if self.b is None:
            return array_module(x).broadcast_to(x * float(self.W), np.broadcast_shapes(x.shape, self.shape))
        expect_fit(self, x, self.b)
        return x * float(self.W) + self.b

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return sum_to(dy, x.shape) * float(self.W)

    def bounds(self, low: float | Array, high: float | Array) -> tuple[Array, Array]:
        """Where the bounds of the pixels lie behind this layer, for z^B."""
        b = 0 if self.b is None else self.b
        return low + b, high + b

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return {"b": sum_to(dy, self.shape)}

    def __repr__(self):
        return f"{type(self).__name__}({'' if self.b is None else 'x'.join(map(str, self.b.shape))})"


class Prepare(Layer):
    """y = (x - mean) / std: from pixels in [0, 1] to the numbers that the first weights were trained on.

    mean, std: a number, one per channel (C,), or an image (H, W, C). Though the map is affine it is no `Affine` layer:
    it changes the unit in which a pixel is written, so relevance passes unchanged, and no rule can be given to it.
    """
    rule, takes_rules, array_names, deeplift = staticmethod(pass_on), False, ("mean", "std"), linear_rule

    def __init__(self, mean: Array, std: Array) -> None:
        self.mean, self.std = (a.reshape(1) if getattr(a, "ndim", 1) == 0 else a if hasattr(a, "dtype") else
                               np.asarray(a, np.float32).reshape(np.shape(a) or 1) for a in (mean, std))
        expect_arrays(self.mean, self.std)
        require((abs(self.mean) < np.inf).all(), f"Prepare got mean={mean}, expected finite numbers")
        require(((self.std > 0) & (self.std < np.inf)).all(), f"Prepare got std={std}, expected numbers above 0")

    def forward(self, x: Array) -> Array:
        for a in (self.mean, self.std):
            if a.ndim >= x.ndim or any(n not in (1, m) for n, m in zip(a.shape[::-1], x.shape[::-1])):
                raise ValueError(f"{self!r} got an array of shape {x.shape}, expected one that ends in the shape of "
                                 f"its mean and std, {a.shape}")
        return (x - self.mean) / self.std

    def bounds(self, low: float | Array, high: float | Array) -> tuple[Array, Array]:
        """Where the bounds of the pixels lie behind this layer, for z^B; numbers or arrays."""
        low, high = (array_module(self.mean).asarray(pixel, dtype=self.mean.dtype) for pixel in (low, high))
        return (low - self.mean) / self.std, (high - self.mean) / self.std

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy / self.std

    def __repr__(self):
        shown = (", ".join(f"{float(n):.4g}" for n in a.reshape(-1)) if a.size <= 4 else f"{a.shape}"
                 for a in (self.mean, self.std))
        return "Prepare(mean ({}), std ({}))".format(*shown)
