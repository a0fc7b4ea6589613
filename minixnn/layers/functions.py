"""Functions of one number that networks have beside their activations: exp, log, sin, powers. Elementwise all.

x and y are of one shape, (N, ...). Relevance passes unchanged, as it passes a ReLU: each output has one input, which is
all that it depends on. Where f is not defined, y is NaN or infinite as in NumPy; a network refuses such outputs.
"""
import math
from collections.abc import Callable
from types import ModuleType

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Elementwise
from minixnn.layers.activation import normal_cdf, sigmoid, softplus

FUNCTIONS: dict[str, tuple[Callable[[ModuleType, Array], Array], Callable[[ModuleType, Array, Array], Array]]] = {
    # name: f(xp, x), f'(xp, x, y)
    "abs": (lambda xp, x: abs(x), lambda xp, x, y: xp.sign(x)),
    "acos": (lambda xp, x: xp.arccos(x), lambda xp, x, y: -(1 - x * x) ** -0.5),
    "acosh": (lambda xp, x: xp.arccosh(x), lambda xp, x, y: (x * x - 1) ** -0.5),
    "asin": (lambda xp, x: xp.arcsin(x), lambda xp, x, y: (1 - x * x) ** -0.5),
    "asinh": (lambda xp, x: xp.arcsinh(x), lambda xp, x, y: (x * x + 1) ** -0.5),
    "atan": (lambda xp, x: xp.arctan(x), lambda xp, x, y: 1 / (x * x + 1)),
    "atanh": (lambda xp, x: xp.arctanh(x), lambda xp, x, y: 1 / (1 - x * x)),
    "cos": (lambda xp, x: xp.cos(x), lambda xp, x, y: -xp.sin(x)),
    "cosh": (lambda xp, x: xp.cosh(x), lambda xp, x, y: xp.sinh(x)),
    "erf": (lambda xp, x: 2 * normal_cdf(2 ** 0.5 * x) - 1, lambda xp, x, y: 2 / math.pi ** 0.5 * xp.exp(-x * x)),
    "exp": (lambda xp, x: xp.exp(x), lambda xp, x, y: y),
    "expm1": (lambda xp, x: xp.expm1(x), lambda xp, x, y: y + 1),
    "log": (lambda xp, x: xp.log(x), lambda xp, x, y: 1 / x),
    "log1p": (lambda xp, x: xp.log1p(x), lambda xp, x, y: 1 / (1 + x)),
    "logsigmoid": (lambda xp, x: -softplus(-x), lambda xp, x, y: sigmoid(-x)),
    "sin": (lambda xp, x: xp.sin(x), lambda xp, x, y: xp.cos(x)),
    "sinh": (lambda xp, x: xp.sinh(x), lambda xp, x, y: xp.cosh(x)),
    "softsign": (lambda xp, x: x / (1 + abs(x)), lambda xp, x, y: (1 + abs(x)) ** -2.0),
    "tan": (lambda xp, x: xp.tan(x), lambda xp, x, y: 1 + y * y),
}
NONNEGATIVE = {"abs", "acos", "acosh", "cosh", "exp"}
KEEP_SIGN = {"asin", "asinh", "atan", "atanh", "erf", "expm1", "log1p", "sinh", "softsign"}


class Function(Elementwise):
    """y = f(x), f being one of FUNCTIONS by its name: "exp", "log", "sin", ... Of "abs" the slope at 0 is 0."""

    def __init__(self, name: str) -> None:
        if name not in FUNCTIONS:
            raise ValueError(f"Function got name={name!r}, expected one of {', '.join(FUNCTIONS)}")
        self.name = name

    @property
    def nonnegative(self) -> bool:              # type: ignore[override]  # it depends on the function
        return self.name in NONNEGATIVE

    @property
    def preserves_sign(self) -> bool:           # type: ignore[override]
        return self.name in NONNEGATIVE | KEEP_SIGN

    def forward(self, x: Array) -> Array:
        return FUNCTIONS[self.name][0](array_module(x), x)

    def derivative(self, x: Array, y: Array) -> Array:
        return FUNCTIONS[self.name][1](array_module(x), x, y)


class Power(Elementwise):
    """y = x^exponent. A square is Power(2), a root Power(0.5), 1 / x is Power(-1), 1 / sqrt(x) is Power(-0.5).

    As in NumPy, a negative x has a power only where the exponent is a whole number.
    """
    preserves_sign = True

    def __init__(self, exponent: float) -> None:
        if not (isinstance(exponent, (int, float)) and exponent and math.isfinite(exponent)):
            raise ValueError(f"Power got exponent={exponent!r}, expected a number other than 0")
        self.exponent = exponent

    @property
    def nonnegative(self) -> bool:              # type: ignore[override]  # it depends on the exponent
        return self.exponent % 2 == 0

    def forward(self, x: Array) -> Array:
        return x ** float(self.exponent)

    def derivative(self, x: Array, y: Array) -> Array:
        return x ** float(self.exponent - 1) * self.exponent
