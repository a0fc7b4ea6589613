"""What has no slope: comparisons, choices by a condition, constants.

Masks and positions are computed from tokens by such layers. They are parts of what a network does, and no gradient goes
through a step: it is flat wherever it has a slope at all. Truth values are 1 and 0, of the type of what is compared.

    CompareTo("greater", c)     y = x > c                   Compare("greater")      y = x_1 > x_2
    Choose()                    y = x_2 where x_1 is not 0, else x_3
    Constant(c)                 y = c, whatever x is        ToFloat()               whole numbers as floating point
"""
from collections.abc import Callable

import numpy as np

from minixnn.arrays import Array, Inputs, array_module
from minixnn.layers.base import (Arrays, Elementwise, Join, Layer, carry_back, expect_arrays, linear_rule, quotient_or,
                                 sum_to)

COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")


def stop_at_step(layer: Layer, x: Inputs, y: Array, R: Array) -> Inputs:
    """A step's rule: what is flat passes no relevance on, as it passes no gradient. All that arrives is lost."""
    return layer.gradient(x, y, R)


def leave_constant(layer: "Constant", x: Inputs, y: Array, R: Array) -> Inputs:
    """A constant's rule: it is no input, so it absorbs all that arrives, as a bias does."""
    return layer.gradient(x, y, R)


def zeros(x: Array, dy: Array) -> Array:
    """Zeros beside x, of the type of what comes back."""
    return array_module(x).zeros(x.shape, dtype=dy.dtype)


def expect_comparison(layer: Layer, function: str) -> None:
    if function not in COMPARISONS:
        raise ValueError(f"{type(layer).__name__} got function={function!r}, expected one of {', '.join(COMPARISONS)}")


class CompareTo(Elementwise):
    """y = 1 where x is greater than c (or less, equal, ...), else 0. x, y (N, ...), c broadcasts to one input"""
    rule, takes_integers, nonnegative = staticmethod(stop_at_step), True, True
    array_names = ("c",)

    def __init__(self, function: str, c: Array) -> None:
        expect_comparison(self, function)
        expect_arrays(weights=[c])
        self.function, self.c = function, c

    def forward(self, x: Array) -> Array:
        return getattr(array_module(x), self.function)(x, self.c).astype(x.dtype)

    def derivative(self, x: Array, y: Array) -> Array:
        return array_module(x).zeros(x.shape, dtype=bool)   # 0, and dy keeps its type where x holds whole numbers

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Rescale rule; of whole numbers, such as tokens, nothing."""
        return zeros(x, m) if x.dtype.kind != "f" else super().deeplift(x, y, x_ref, y_ref, m)


class Compare(Join):
    """y = 1 where x_1 is greater than x_2 (or less, equal, ...), else 0. Shapes broadcast. y (N, ...)"""
    rule, takes_rules, takes_integers, most_inputs = staticmethod(stop_at_step), False, True, 2

    def __init__(self, function: str) -> None:
        expect_comparison(self, function)
        self.function = function

    def forward(self, x: Arrays) -> Array:
        return getattr(array_module(x[0]), self.function)(*x).astype(x[0].dtype)

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        return tuple(zeros(a, dy) for a in x)

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        """Rescale rule for y = f(x_1 - x_2): Shrikumar et al. 2017, section 3.5.2. Contributions sum exactly."""
        if any(a.dtype.kind != "f" for a in x):
            return self.gradient(x, y, m)
        d, d_ref = x[0] - x[1], x_ref[0] - x_ref[1]
        m = m * quotient_or(y - y_ref, d - d_ref, zeros(d, m), d)
        return sum_to(m, x[0].shape), sum_to(-m, x[1].shape)


class Choose(Join):
    """y = x_2 where x_1 is not 0, else x_3. What is chosen receives all, the condition nothing. Shapes broadcast."""
    rule, takes_rules, fewest_inputs, most_inputs = staticmethod(carry_back), False, 3, 3

    def forward(self, x: Arrays) -> Array:
        return array_module(x[0]).where(x[0] != 0, x[1], x[2])

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        c, a, b = x
        return zeros(c, dy), sum_to(dy * (c != 0), a.shape), sum_to(dy * (c == 0), b.shape)

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        """y = b + s (a - b), s = 1 where c is not 0: each factor by the mean of the other, s by rescale."""
        (c, a, b), (c_ref, a_ref, b_ref) = x, x_ref
        s, s_ref = ((each != 0).astype(m.dtype) for each in (c, c_ref))
        mean, apart = (s + s_ref) / 2, (a - b + a_ref - b_ref) / 2
        m_c = zeros(c, m) if c.dtype.kind != "f" else sum_to(
            m * apart * quotient_or(s - s_ref, c - c_ref, zeros(c, m), c), c.shape)
        return m_c, sum_to(m * mean, a.shape), sum_to(m * (1 - mean), b.shape)


class Constant(Layer):
    """y = c for each input, whatever it is, such as what is learnt beside the input. x (N, ...), y (N, *c.shape)"""
    rule, takes_rules, takes_integers = staticmethod(leave_constant), False, True
    array_names, deeplift = ("c",), linear_rule

    def __init__(self, c: Array) -> None:
        expect_arrays(weights=[c])
        self.c = c

    def forward(self, x: Inputs) -> Array:
        rows = x[0] if isinstance(x, tuple) else x          # only how many there are counts
        return array_module(rows).broadcast_to(self.c, (len(rows), *self.c.shape)) + self.c.dtype.type(0)

    def gradient(self, x: Inputs, y: Array, dy: Array) -> Inputs:
        return tuple(zeros(part, dy) for part in x) if isinstance(x, tuple) else zeros(x, dy)

    def parameter_gradients(self, x: Inputs, dy: Array) -> dict[str, Array]:
        return {"c": dy.sum(axis=0)}

    def __repr__(self):
        return f"Constant{self.c.shape}"


class ToFloat(Elementwise):
    """y = x as floating point numbers of this type. x (N, ...) whole numbers, for which nothing goes back"""
    takes_integers, preserves_sign, deeplift = True, True, linear_rule

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = str(np.dtype(dtype))

    def map_arrays(self, f: Callable[[Array], Array]) -> Layer:
        return type(self)(str(f(np.zeros(1, self.dtype)).dtype))

    def forward(self, x: Array) -> Array:
        return x if x.dtype.kind == "f" else x.astype(self.dtype)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy if x.dtype.kind == "f" else zeros(x, dy)
