"""Elementwise nonlinearities that bend: Sigmoid, Tanh, Softplus, ELU, SELU, SiLU, Mish. GELU has a file of its own.

Relevance passes them unchanged, as it passes a ReLU. Deconvolution and guided backpropagation change what a rectifier
does, and none of these is one: they are the gradient here. Each class gives f and its derivative, from x and y = f(x).
"""

from minixnn.arrays import Array, array_module, negative, positive
from minixnn.layers.base import Elementwise, Settings


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
    """y = log(1 + exp(beta x)) / beta: a smooth ReLU, the sharper the larger beta."""
    nonnegative = True

    def __init__(self, beta: float = 1.0) -> None:
        if not beta > 0:
            raise ValueError(f"Softplus got beta={beta}, expected a number above 0")
        self.beta = beta

    def settings(self) -> Settings:
        return {"beta": self.beta}

    def forward(self, x: Array) -> Array:
        return softplus(self.beta * x) / self.beta

    def derivative(self, x: Array, y: Array) -> Array:
        return sigmoid(self.beta * x)


class ELU(Elementwise):
    """y = x where x > 0, else alpha (exp(x) - 1). Clevert et al. 2016."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def settings(self) -> Settings:
        return {"alpha": self.alpha}

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
    """y = x / (1 + exp(-x)), also called swish."""

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
