"""Joins: layers of several inputs, where the branches of a network meet.

    Add()         y = x_1 + x_2 + ...        a shortcut and the way round it
    Concat()      y = x_1, x_2, ... side by side
    Multiply()    y = x_1 x_2 ...            a signal and its gates
    MatMul()      y = a @ b                  attention: queries with keys, weights with values
    Stack()       y = x_1, x_2, ... along an axis of their own
    Maximum()     y = the largest of x_1, x_2, ..., Minimum() the smallest
    Divide()      y = a / b

To a join x is a tuple. What it returns on the way back is a tuple, too: one array beside each input.

A sum and a concatenation say themselves what each input has contributed. A product does not: in y = a b nothing says
how much of y is a's. The rules of products are decisions, and stand here beside each other.
"""
import math
from itertools import accumulate

from minixnn.arrays import Array, array_module, stabilize
from minixnn.layers.base import Arrays, Join, carry_back, expect_axes, expect_axis, linear_rule, shapes_of, sum_to
from minixnn.layers.reduce import MaxOver, MinOver, winner_takes_all


def by_contribution(layer: "Add", x: Arrays, y: Array, R: Array, epsilon: float = 1e-6) -> Arrays:
    """A sum's rule: each input receives by its share, LRP-epsilon for weights of 1. Bach et al. 2015, eq. 58.

        R_i = x_i / (y + epsilon sgn y) R           y = sum_i x_i

    Any x. Conserves, except for what the stabiliser absorbs.
    """
    s = R / stabilize(y, epsilon if layer.epsilon is None else layer.epsilon)               # relevance per unit of y
    return tuple(sum_to(a * s, a.shape) for a in x)


def cut(layer: "Concat", x: Arrays, y: Array, R: Array) -> Arrays:
    """A concatenation's rule: R is cut as y was joined. Conserves."""
    return layer.gradient(x, y, R)


def half_each(layer: "Multiply | MatMul", x: Arrays, y: Array, R: Array, epsilon: float = 1e-6) -> Arrays:
    """A product's rule: all factors alike. Achtibat et al. 2024, propositions 3.2 (numbers) and 3.3 (matrices).

        y = x_1 ... x_n     R_i = R / n                                                     conserves
        y = a @ b           s = R / (2 y + epsilon sgn y)     R_a = a * (s b^T)     R_b = b * (a^T s)

    Any x. Of matrices it conserves, except for what the stabiliser absorbs.
    """
    if isinstance(layer, Multiply):
        return tuple(sum_to(R / len(x), a.shape) for a in x)
    s = R / stabilize(2 * y, epsilon)
    return tuple(a * c for a, c in zip(x, layer.gradient(x, y, s)))


def signal_takes_all(layer: "Multiply | MatMul", x: Arrays, y: Array, R: Array, signal: int = 0,
                     epsilon: float = 1e-6) -> Arrays:
    """A product's rule: one factor, the signal, receives all, and the others nothing. Arras et al. 2017.

        y = signal * gate       R_signal = R                                                conserves
        y = A @ signal          s = R / (y + epsilon sgn y)      R_signal = signal * (A^T s)

    A gate says how much of the signal passes; the evidence is the signal's. signal: the number of that input. Of
    matrices it is LRP-epsilon with the other factor as weights, "conservative propagation" (Ali et al. 2022).
    """
    if isinstance(layer, Multiply):
        R_signal = sum_to(R, x[signal].shape)
    else:
        R_signal = x[signal] * layer.gradient(x, y, R / stabilize(y, epsilon))[signal]
    return tuple(R_signal if i == signal else array_module(a).zeros_like(a) for i, a in enumerate(x))


def numerator_takes_all(layer: "Divide", x: Arrays, y: Array, R: Array) -> Arrays:
    """A quotient's rule: what is divided receives all, what it is divided by nothing. Conserves.

    The divisor is a scale that is held fixed, as those of normalisations are (Ali et al. 2022; Achtibat et al. 2024,
    proposition 3.4), and y = a (1 / b) has one input for each output then.
    """
    a, b = x
    return sum_to(R, a.shape), array_module(b).zeros_like(b)


def bilinear_rule(layer: Join, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
    """DeepLIFT of a product: each factor by the mean of the other, as for numbers. Contributions sum exactly."""
    return layer.gradient(tuple((a + a_ref) / 2 for a, a_ref in zip(x, x_ref)), y, m)


class Add(Join):
    """y = x_1 + x_2 + ...: arrays of one shape, or of shapes that broadcast. y (N, ...)

    epsilon: a stabiliser in place of the one that the network's rules have; None for that.
    """
    rule, stabilized, deeplift = staticmethod(by_contribution), True, linear_rule

    def __init__(self, epsilon: float | None = None) -> None:
        self.epsilon = epsilon

    def forward(self, x: Arrays) -> Array:
        expect_axes(self, x)
        try:
            return sum(x[1:], x[0])
        except ValueError:
            raise ValueError(f"{self!r} got arrays of shapes {shapes_of(x)}, which cannot be added; a shortcut such "
                             "as [Conv2d(W, stride=2)] changes channels and size") from None

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        return tuple(sum_to(dy, a.shape) for a in x)


class Concat(Join):
    """y = x_1, x_2, ... one after the other along an axis, by default the last: channels. y (N, ..., sum of C_i)"""
    rule, deeplift = staticmethod(cut), linear_rule

    def __init__(self, axis: int = -1) -> None:
        expect_axis(self, axis)
        self.axis = axis

    def forward(self, x: Arrays) -> Array:
        try:
            return array_module(x[0]).concatenate(x, axis=self.axis)
        except ValueError:
            raise ValueError(f"{self!r} got arrays of shapes {shapes_of(x)}, which cannot be joined along axis "
                             f"{self.axis}: all others have to agree") from None

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        before, sizes = (slice(None),) * (self.axis % dy.ndim), [a.shape[self.axis] for a in x]
        return tuple(dy[(*before, slice(end - n, end))] for n, end in zip(sizes, accumulate(sizes)))


class Stack(Join):
    """y = x_1, x_2, ... beside each other along a new axis, `axis` of y. x_i (N, ...), all of one shape"""
    rule, deeplift = staticmethod(carry_back), linear_rule

    def __init__(self, axis: int = -1) -> None:
        expect_axis(self, axis)
        self.axis = axis

    def forward(self, x: Arrays) -> Array:
        if len({a.shape for a in x}) > 1:
            raise ValueError(f"{self!r} got arrays of shapes {shapes_of(x)}, expected one")
        return array_module(x[0]).stack(x, axis=self.axis)

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        parts = array_module(dy).moveaxis(dy, self.axis, 0)
        return tuple(parts[i] for i in range(len(x)))


class Multiply(Join):
    """y = x_1 x_2 ..., entry by entry: a signal and its gates. A gate (N, 1, 1, C) is repeated over the image."""
    rule = staticmethod(signal_takes_all)

    def forward(self, x: Arrays) -> Array:
        expect_axes(self, x)
        return math.prod(x[1:], start=x[0])

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        """Product rule: each factor's derivative is the product of all others."""
        return tuple(sum_to(math.prod((*x[:n], *x[n + 1:]), start=dy), a.shape) for n, a in enumerate(x))

    def deeplift(self, x: Arrays, y: Array, x_ref: Arrays, y_ref: Array, m: Array) -> Arrays:
        """For y = a b:  m_a = m (b + b_ref) / 2,  m_b = m (a + a_ref) / 2;  of more factors, pair after pair.

        The Shapley value of two factors: contributions sum to a b - a_ref b_ref exactly.
        """
        a, a_ref, pairs = x[0], x_ref[0], []
        for b, b_ref in zip(x[1:], x_ref[1:]):
            pairs.append((a, a_ref, b, b_ref))
            a, a_ref = a * b, a_ref * b_ref
        multipliers = []
        for a, a_ref, b, b_ref in reversed(pairs):
            multipliers.append(sum_to(m * (a + a_ref) / 2, b.shape))
            m = sum_to(m * (b + b_ref) / 2, a.shape)
        return (m, *reversed(multipliers))


class MatMul(Join):
    """y = a @ b, a product of matrices. x is (a, b): a (N, ..., T, d), b (N, ..., d, U), y (N, ..., T, U)"""
    rule, stabilized = staticmethod(half_each), True
    fewest_inputs = most_inputs = 2
    deeplift = bilinear_rule

    def forward(self, x: Arrays) -> Array:
        a, b = x
        if a.ndim < 3 or b.ndim < 3 or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"{self!r} got arrays of shapes {a.shape} and {b.shape}, expected (N, ..., T, d) and "
                             "(N, ..., d, U)")
        return a @ b

    def gradient(self, x: Arrays, y: Array, dy: Array) -> Arrays:
        a, b = x
        return sum_to(dy @ b.swapaxes(-1, -2), a.shape), sum_to(a.swapaxes(-1, -2) @ dy, b.shape)


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
