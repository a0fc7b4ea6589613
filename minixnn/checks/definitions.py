"""The papers' formulas for one output: which share of its relevance each of its inputs receives.

Each function takes the inputs x (I,) that the output sees, their weights w (I,), its bias b (0 where it has none) and
its relevance R, and returns the relevance of the inputs, (I,). `functools.partial` sets a knob. They are what
`check_rule(rule, definition=...)` compares a rule with, on every affine layer; the bibliography and the equations are
in the docstrings of the rules.

    from minixnn.checks import check_rule, definitions
    check_rule(my_epsilon, definition=definitions.epsilon)
"""
import numpy as np

from minixnn.arrays import Array, negative, positive


def epsilon(x: Array, w: Array, b: float, R: float, epsilon: float = 1e-06) -> Array:
    """x_j w_j / (z + epsilon sgn z) R,   z = sum_j x_j w_j + b"""
    z = x @ w + b
    return quotient(x * w, z + (epsilon if z >= 0 else -epsilon)) * R


def gamma(x: Array, w: Array, b: float, R: float, gamma: float = 0.25) -> Array:
    """x_j (w_j + gamma w_j+) / (sum_j x_j (w_j + gamma w_j+) + b + gamma b+) R"""
    boosted = x * (w + gamma * positive(w))
    return quotient(boosted, boosted.sum() + b + gamma * max(b, 0)) * R


def gamma_signed(x: Array, w: Array, b: float, R: float, gamma: float = 0.25) -> Array:
    """As gamma; what has the sign of z = sum_j x_j w_j + b is boosted, be it plus or minus."""
    rising = x @ w + b >= 0
    part = positive if rising else negative
    boosted = x * w + gamma * part(x * w)
    return quotient(boosted, boosted.sum() + b + gamma * (max(b, 0) if rising else min(b, 0))) * R


def alpha_beta(x: Array, w: Array, b: float, R: float, alpha: float = 2.0, beta: float = 1.0) -> Array:
    """(alpha z_j+ / (sum_j z_j+ + b+)  -  beta z_j- / (sum_j z_j- + b-)) R,   z_j = x_j w_j"""
    up, down = positive(x * w), negative(x * w)
    return (alpha * quotient(up, up.sum() + max(b, 0)) - beta * quotient(down, down.sum() + min(b, 0))) * R


def flat(x: Array, w: Array, b: float, R: float) -> Array:
    """R / n"""
    return np.full(len(x), R / len(x))


def z_plus(x: Array, w: Array, b: float, R: float) -> Array:
    """x_j w_j+ / (sum_j x_j w_j+) R"""
    return quotient(x * positive(w), x @ positive(w)) * R


def w_square(x: Array, w: Array, b: float, R: float) -> Array:
    """w_j^2 / (sum_j w_j^2) R"""
    return quotient(w ** 2, w @ w) * R


def z_box(x: Array, w: Array, b: float, R: float, low: float, high: float) -> Array:
    """(x_j w_j - low w_j+ - high w_j-) / (the same summed over j) R"""
    parts = x * w - low * positive(w) - high * negative(w)
    return quotient(parts, parts.sum()) * R


def quotient(a: Array, b: float) -> Array:
    """a / b, and 0 where b is 0: an output that nothing adds up to hands nothing back."""
    return a / b if b != 0 else a * 0
