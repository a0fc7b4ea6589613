"""Joins beyond sums and products (`joins.py`): the larger of two, one over the other, one where the other is not.

To a join x is a tuple; what it returns on the way back is a tuple, too, one array beside each input.
"""
from typing import TypeAlias

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Join, Settings, carry_back, expect_arrays, expect_axes, sum_to
from minixnn.layers.reduce import MaxOver, MinOver, winner_takes_all

Arrays: TypeAlias = tuple[Array, ...]           # one beside each input of a join


def numerator_takes_all(layer: "Divide", x: Arrays, y: Array, R: Array) -> Arrays:
    """A quotient's rule: what is divided receives all, what it is divided by nothing. Conserves.

    The divisor is a scale that is held fixed, as those of normalisations are (Ali et al. 2022; Achtibat et al. 2024,
    proposition 3.4), and y = a (1 / b) has one input for each output then.
    """
    a, b = x
    return sum_to(R, a.shape), array_module(b).zeros_like(b)


class Maximum(Join):
    """y = the largest of x_1, x_2, ..., entry by entry; of equals the first wins. Shapes broadcast. y (N, ...)"""
    rule = staticmethod(winner_takes_all)
    over: MaxOver = MaxOver(1)                  # of the inputs side by side, along an axis of their own

    def beside(self, x: Arrays) -> Array:
        """(N, inputs, ...)"""
        expect_axes(self, x)
        xp = array_module(x[0])
        return xp.stack(xp.broadcast_arrays(*x), axis=1)

    def forward(self, x: Arrays) -> Array:
        return self.over.forward(self.beside(x))

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        dx = self.over.gradient(self.beside(x), y, dy)
        return tuple(sum_to(dx[:, i], a.shape) for i, a in enumerate(x))

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        """As a maximum along an axis. Contributions sum exactly."""
        m_x = self.over.deeplift(self.beside(x), y, self.beside(x_ref), y_ref, m)
        return tuple(sum_to(m_x[:, i], a.shape) for i, a in enumerate(x))


class Minimum(Maximum):
    """y = the smallest of x_1, x_2, ..., entry by entry; of equals the first wins. Shapes broadcast. y (N, ...)"""
    over = MinOver(1)


class Divide(Join):
    """y = a / b, entry by entry. x is (a, b), of one shape or of shapes that broadcast. y (N, ...)"""
    rule = staticmethod(numerator_takes_all)
    most_inputs = 2

    def forward(self, x: Arrays) -> Array:
        expect_axes(self, x)
        a, b = x
        return a / b

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        a, b = x
        return sum_to(dy / b, a.shape), sum_to(-dy * y / b, b.shape)

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        """A product of a and 1 / b, each by the mean of the other; 1 / b has the slope -1 / (b b_ref). Sums exactly."""
        (a, b), (a_ref, b_ref) = x, x_ref
        return sum_to(m * (1 / b + 1 / b_ref) / 2, a.shape), sum_to(-m * (a + a_ref) / 2 / b / b_ref, b.shape)


class Where(Join):
    """y = a where the constant `condition` is not 0, else b. x is (a, b); all three broadcast. y (N, ...)"""
    rule = staticmethod(carry_back)
    most_inputs = 2

    def __init__(self, condition: Array) -> None:
        expect_arrays(weights=[condition])
        self.condition = condition

    def arrays(self) -> dict[str, Array]:
        return {"condition": self.condition}

    def forward(self, x: Arrays) -> Array:
        a, b = x
        y = array_module(a).where(self.condition != 0, a, b)
        if y.ndim > max(a.ndim, b.ndim) or len(y) != len(a):
            raise ValueError(f"{self!r} got arrays of shapes {a.shape} and {b.shape}, which its condition of shape "
                             f"{self.condition.shape} does not fit: it has to broadcast to one input")
        return y

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        a, b = x
        return sum_to(dy * (self.condition != 0), a.shape), sum_to(dy * (self.condition == 0), b.shape)

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        return self.gradient(x, y, m)

    def __repr__(self):
        return f"Where({'x'.join(map(str, self.condition.shape))})"


class Stack(Join):
    """y = x_1, x_2, ... beside each other along a new axis, `axis` of y. x_i (N, ...), all of one shape"""
    rule = staticmethod(carry_back)

    def __init__(self, axis: int = -1) -> None:
        if not hasattr(axis, "__index__") or axis == 0:
            raise ValueError(f"Stack got axis={axis!r}, expected a whole number other than 0, the axis of the images")
        self.axis = axis

    def settings(self) -> Settings:
        return {"axis": self.axis}

    def forward(self, x: Arrays) -> Array:
        if len({a.shape for a in x}) > 1:
            raise ValueError(f"{self!r} got arrays of shapes {' and '.join(str(a.shape) for a in x)}, expected one")
        return array_module(x[0]).stack(x, axis=self.axis)

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        parts = array_module(dy).moveaxis(dy, self.axis, 0)
        return tuple(parts[i] for i in range(len(x)))

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        return self.gradient(x, y, m)
