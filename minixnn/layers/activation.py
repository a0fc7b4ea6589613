"""Elementwise nonlinearities: ReLU, Sigmoid, Tanh, Softplus. Each gives f and its derivative."""
from minixnn.arrays import array_module, positive
from minixnn.layers.base import Elementwise


class ReLU(Elementwise):
    """y = max(x, 0). The derivative at 0 is taken as 0."""

    def forward(self, x):
        return positive(x)

    def derivative(self, x, y):
        return (x > 0).astype(x.dtype)

    def gradient(self, x, y, dy):
        return dy * (x > 0)                     # open where the unit fired, shut where it did not

    def deconvnet(self, x, y, dy):
        """Zeiler & Fergus 2014, section 2.1: what comes back is rectified, no matter what went forward."""
        return positive(dy)

    def guided_backprop(self, x, y, dy):
        """Springenberg et al. 2015, figure 1: both conditions at once, deconvnet's and the gradient's."""
        return positive(dy) * (x > 0)


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)), written with tanh, which does not overflow."""

    def forward(self, x):
        return 0.5 * (1 + array_module(x).tanh(0.5 * x))

    def derivative(self, x, y):
        return y * (1 - y)


class Tanh(Elementwise):
    """y = tanh(x)"""

    def forward(self, x):
        return array_module(x).tanh(x)

    def derivative(self, x, y):
        return 1 - y ** 2


class Softplus(Elementwise):
    """y = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): a smooth ReLU; the right form does not overflow."""

    def forward(self, x):
        xp = array_module(x)
        return positive(x) + xp.log1p(xp.exp(-abs(x)))

    def derivative(self, x, y):
        return 0.5 * (1 + array_module(x).tanh(0.5 * x))
