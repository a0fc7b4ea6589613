"""Elementwise nonlinearities. Each class gives f and its derivative, from x and y = f(x).

x and y are of one shape, (N, ...); any x. Relevance passes unchanged, so all of them conserve it. Deconvolution and
guided backpropagation change what a rectifier does; of the others they are the gradient.
"""
import functools
import math

import numpy as np

from minixnn.arrays import Array, array_module, negative, positive
from minixnn.layers.base import Elementwise, expect_arrays

BLOCK = 2 ** 16                 # numbers at a time on the host: few enough for the cache, many enough for the calls


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
