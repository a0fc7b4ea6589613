"""Elementwise nonlinearities that bend: Sigmoid, Tanh, Softplus, ELU, SELU, SiLU, Mish, GELU.

x and y are of one shape, (N, ...); any x. Relevance passes unchanged, as it passes a ReLU: all conserve it.
Deconvolution and guided backpropagation change what a rectifier does, and none of these is one: they are the gradient
here. Each class gives f and its derivative, from x and y = f(x).
"""
import functools
import math

import numpy as np

from minixnn.arrays import Array, array_module, negative, positive
from minixnn.layers.base import Elementwise

BLOCK = 2 ** 16                 # numbers at a time on the host: few enough for the cache, many enough for the calls


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written with tanh, which does not overflow."""
    return 0.5 * (1 + array_module(x).tanh(0.5 * x))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), of which the right form does not overflow."""
    xp = array_module(x)
    return positive(x) + xp.log1p(xp.exp(-abs(x)))


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x))"""
    nonnegative = True

    def forward(self, x: Array) -> Array:
        return sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


class Tanh(Elementwise):
    """y = tanh(x)"""

    def forward(self, x: Array) -> Array:
        return array_module(x).tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y ** 2


class Softplus(Elementwise):
    """y = log(1 + exp(beta x)) / beta: a smooth ReLU, the sharper the larger beta. Dugas et al. 2001."""
    nonnegative = True

    def __init__(self, beta: float = 1.0) -> None:
        if not beta > 0:
            raise ValueError(f"Softplus got beta={beta}, expected a number above 0")
        self.beta = beta

    def forward(self, x: Array) -> Array:
        return softplus(self.beta * x) / self.beta

    def derivative(self, x: Array, y: Array) -> Array:
        return sigmoid(self.beta * x)


class ELU(Elementwise):
    """y = x where x > 0, else alpha (exp(x) - 1). Clevert et al. 2016."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return positive(x) + self.alpha * array_module(x).expm1(negative(x))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = array_module(x)
        return xp.where(x > 0, x.dtype.type(1), self.alpha * xp.exp(negative(x)))


class SELU(Elementwise):
    """y = scale x where x > 0, else scale alpha (exp(x) - 1). Klambauer et al. 2017.

    With these two numbers mean 0 and variance 1 are kept from layer to layer.
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805

    def forward(self, x: Array) -> Array:
        return self.scale * (positive(x) + self.alpha * array_module(x).expm1(negative(x)))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = array_module(x)
        return self.scale * xp.where(x > 0, x.dtype.type(1), self.alpha * xp.exp(negative(x)))


class SiLU(Elementwise):
    """y = x / (1 + exp(-x)), also called swish. Hendrycks & Gimpel 2016; Elfwing et al. 2018."""

    def forward(self, x: Array) -> Array:
        return x * sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        s = sigmoid(x)
        return s + y * (1 - s)


class Mish(Elementwise):
    """y = x tanh(log(1 + exp(x))). Misra 2019."""

    def forward(self, x: Array) -> Array:
        return x * array_module(x).tanh(softplus(x))

    def derivative(self, x: Array, y: Array) -> Array:
        t = array_module(x).tanh(softplus(x))
        return t + x * (1 - t * t) * sigmoid(x)


class GELU(Elementwise):
    """y = x Phi(x), Phi being the distribution function of the normal distribution. Hendrycks & Gimpel 2016.

    approximate: "none", or "tanh" for  y = x (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (x + 0.044715 x^3), as GPT-2 has it.
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU got approximate={approximate!r}, expected 'none' or 'tanh'")
        self.approximate = approximate

    def forward(self, x: Array) -> Array:
        return x * (normal_cdf(x) if self.approximate == "none" else 0.5 * (1 + array_module(x).tanh(tanh_argument(x))))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = array_module(x)
        if self.approximate == "none":          # Phi(x) + x phi(x)
            return normal_cdf(x) + x * xp.exp(-0.5 * x * x) * (2 * math.pi) ** -0.5
        t = xp.tanh(tanh_argument(x))
        du = (2 / math.pi) ** 0.5 * (1 + 3 * 0.044715 * x * x)
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du


def tanh_argument(x: Array) -> Array:
    return (2 / math.pi) ** 0.5 * x * (1 + 0.044715 * x * x)


def normal_cdf(x: Array) -> Array:
    """Phi(x) = the share of a normal distribution that lies below x, to the precision of x's type.

    Neither NumPy nor CuPy has it. On the host it is computed for `BLOCK` numbers at a time, whose fifty arrays stay in
    the cache.
    """
    if array_module(x) is not np or x.size <= BLOCK:
        return normal_cdf_at_once(x)
    y = np.empty(x.shape, dtype=x.dtype)
    numbers, found = x.reshape(-1), y.reshape(-1)
    for n in range(0, x.size, BLOCK):
        found[n:n + BLOCK] = normal_cdf_at_once(numbers[n:n + BLOCK])
    return y


def normal_cdf_at_once(x: Array) -> Array:
    """Below zero Phi(x) is  exp(-z^2) f(z) / (2 + 4 z)  with z = |x| / sqrt 2  and the smooth function

        f(z) = (1 + 2 z) exp(z^2) erfc(z),

    a sum of Chebyshev polynomials in u = (z - 3.75) / (z + 3.75). Shepherd & Laframboise 1981. Phi(x) = 1 - Phi(-x).
    """
    xp, c = array_module(x), coefficients(12 if x.itemsize <= 4 else 24)
    wide = x if x.itemsize >= 4 else x.astype("float32")    # thirteen terms would each be rounded to three digits
    z = abs(wide) * 0.5 ** 0.5
    u = (z - 3.75) / (z + 3.75)
    b, before, twice_u = u * 0 + c[-1], 0, 2 * u            # Clenshaw's scheme for sum_n c_n T_n(u)
    for c_n in c[-2:0:-1]:
        b, before = twice_u * b - before + c_n, b
    f = u * b - before + c[0]
    below = xp.exp(-z * z) * f / (2 + 4 * z)                # Phi(-|x|)
    above = (x >= 0) * wide.dtype.type(1)
    return abs(above - below).astype(x.dtype, copy=False)   # 1 - below where x >= 0: twice as fast as by `where`


@functools.cache
def coefficients(degree: int) -> tuple[float, ...]:
    """The first Chebyshev coefficients of f, found from its values by Python's own erfc."""
    def values(u: Array) -> Array:
        return np.array([f(v) for v in u])
    return tuple(map(float, np.polynomial.chebyshev.chebinterpolate(values, degree)))


def f(u: float) -> float:
    """(1 + 2 z) exp(z^2) erfc(z) at z = 3.75 (1 + u) / (1 - u)."""
    z = 3.75 * (1 + u) / (1 - u)
    if z < 26:
        return (1 + 2 * z) * math.exp(z * z) * math.erfc(z)
    v = 0.5 / (z * z)                           # where erfc underflows, its asymptotic series
    return (1 + 2 * z) / (z * math.pi ** 0.5) * (1 - v * (1 - 3 * v * (1 - 5 * v * (1 - 7 * v))))
