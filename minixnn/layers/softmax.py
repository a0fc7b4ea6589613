"""Softmax and its logarithm inside a network. At the end of one the logit is explained, not they: see `passes`.

    s_i = exp(x_i) / sum_j exp(x_j) = exp(l_i)        l_i = x_i - L        L = log sum_j exp(x_j)

Everything is written with l, so that nothing overflows and nothing is divided by a sum that is zero.
"""

from minixnn.arrays import Array, array_module, stabilize
from minixnn.layers.base import Layer, Rule, expect_axis, quotient_or

# The score of what is not to be seen: its weight is 0, and no rule meets 0 times infinity. A power of two, since
# a mask of 0 and 1 becomes scores by * -HIDDEN and + HIDDEN, which must cancel in float64, too, after float32.
HIDDEN = -2.0 ** 100


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x_i) / sum_j exp(x_j), along an axis, shifted by the largest x so that nothing overflows. Any shape."""
    e = array_module(x).exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_sum_exp(x: Array, axis: int = -1) -> Array:
    """log sum_j exp(x_j), along an axis that stays, of size 1; shifted by the largest x so that nothing overflows."""
    xp, top = array_module(x), x.max(axis=axis, keepdims=True)
    return top + xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True))


def softmax_taylor(layer: "LogSoftmax", x: Array, y: Array, R: Array) -> Array:
    """First-order Taylor expansion of a softmax at x. Achtibat et al. 2024, proposition 3.1.

        R_j = x_j (R_j - s_j sum_k R_k)

    Any x; a masked x_j = -inf counts as 0. What the expansion leaves over, s_k minus its linear part, absorbs.
    """
    xp = array_module(x)
    return xp.where(xp.isinf(x), 0, x) * (R - y * R.sum(axis=layer.axis, keepdims=True))


def log_taylor(layer: Layer, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """The same expansion of a log softmax, whose outputs are l_k <= 0.

        R_j = x_j (u_j - s_j sum_k u_k)          u_k = R_k / (l_k + epsilon sgn l_k)

    What the expansion leaves over absorbs, and the stabiliser.
    """
    xp = array_module(x)
    return xp.where(xp.isinf(x), 0, x) * layer.gradient(x, y, R / stabilize(y, epsilon))


def difference(x: Array, x_ref: Array) -> Array:
    """x - x_ref, and 0 where both are the same: what is masked in both, -inf, does not differ."""
    same, xp = x == x_ref, array_module(x)
    return xp.where(same, 0, x - xp.where(same, 0, x_ref))


class LogSoftmax(Layer):
    """y = x - log sum exp x, along an axis. x and y of any shape"""
    rule: Rule = staticmethod(log_taylor)
    affine_rules = ()

    def __init__(self, axis: int = -1) -> None:
        expect_axis(self, axis)
        self.axis = axis

    def forward(self, x: Array) -> Array:
        down = x - x.max(axis=self.axis, keepdims=True)                     # before L: of large x that is rounded
        return down - log_sum_exp(down, self.axis)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy - array_module(x).exp(y) * dy.sum(axis=self.axis, keepdims=True)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """x enters directly and through L = log S, S = sum exp x: rescale for the logarithm and the exponentials."""
        xp = array_module(x)
        top = xp.maximum(x, x_ref).max(axis=self.axis, keepdims=True)       # the same for both: no part of S
        e, e_ref = xp.exp(x - top), xp.exp(x_ref - top)
        S, S_ref = (part.sum(axis=self.axis, keepdims=True) for part in (e, e_ref))
        m_L = -m.sum(axis=self.axis, keepdims=True)
        m_S = m_L * quotient_or(log_sum_exp(x, self.axis) - log_sum_exp(x_ref, self.axis), S - S_ref,
                                1 / xp.maximum(S, S_ref), S)
        return m + m_S * quotient_or(e - e_ref, difference(x, x_ref), e, x)


class Softmax(LogSoftmax):
    """y = exp(x) / sum exp x, along an axis: numbers above 0 that sum to 1. Bridle 1990. x and y of any shape

    masked: where all scores are hidden (x about `HIDDEN`) y is 0, as in torch's attention, which then sees
    nothing; else y is the same for all of them.
    """
    rule, nonnegative = staticmethod(softmax_taylor), True

    def __init__(self, axis: int = -1, masked: bool = False) -> None:
        super().__init__(axis)
        self.masked = masked

    def forward(self, x: Array) -> Array:
        return self.seen(x, softmax(x, self.axis))

    def seen(self, x: Array, y: Array) -> Array:
        """y, and 0 where all x are hidden; two masks may have been added up, and the least number is no mask."""
        if not self.masked:
            return y
        top = x.max(axis=self.axis, keepdims=True)
        return array_module(x).where(abs(top / HIDDEN - 5) > 4.5, y, 0 * y)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return y * (dy - (dy * y).sum(axis=self.axis, keepdims=True))

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Rescale for y = exp(l), then as LogSoftmax."""
        l, l_ref = super().forward(x), super().forward(x_ref)
        return super().deeplift(x, l, x_ref, l_ref, m * quotient_or(y - y_ref, difference(l, l_ref), y, l))
