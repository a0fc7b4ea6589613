"""Local response normalisation: AlexNet's, across neighbouring channels."""

from minixnn.arrays import Array, array_module
from minixnn.layers.base import Layer, Settings, pass_on


class LocalResponseNorm(Layer):
    """y = x q,  q = (k + alpha / size S)^-beta,  S = the sum of x^2 over `size` channels. Krizhevsky et al. 2012.

    The window lies around each channel, the odd one before it, and is cut off at the ends. x (N, ..., C). Relevance
    passes unchanged: each output has one input once the divisor is taken for a constant, as in other normalisations.
    """
    preserves_sign = True
    rule, takes_rules = staticmethod(pass_on), False

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        if not hasattr(size, "__index__") or size < 1:
            raise ValueError(f"LocalResponseNorm got size={size!r}, expected a positive whole number of channels")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def settings(self) -> Settings:
        return {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}

    def window_sum(self, x: Array, back: bool = False) -> Array:
        """The sum over the window of each channel. back: over the channels whose window holds it, the transpose."""
        before, after = self.size // 2, (self.size - 1) // 2
        if back:
            before, after = after, before
        xp, C = array_module(x), x.shape[-1]
        framed = xp.zeros((*x.shape[:-1], C + before + after), dtype=x.dtype)
        framed[..., before:before + C] = x
        return sum(framed[..., i:i + C] for i in range(1, self.size)) + framed[..., :C]

    def divisor(self, x: Array) -> Array:
        """v = k + alpha / size S, of which q = v^-beta is made."""
        return self.k + self.alpha / self.size * self.window_sum(x * x)

    def forward(self, x: Array) -> Array:
        return x * self.divisor(x) ** -self.beta

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """x is a factor, and stands in the divisors of its neighbours as well."""
        v = self.divisor(x)
        dv = dy * x * -self.beta * v ** (-self.beta - 1)
        return dy * v ** -self.beta + 2 * x * self.alpha / self.size * self.window_sum(dv, back=True)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Through square, sum, power and product, one after the other, so that contributions sum to the difference."""
        v, v_ref = self.divisor(x), self.divisor(x_ref)
        q, q_ref = v ** -self.beta, v_ref ** -self.beta
        xp = array_module(x)
        near = abs(v - v_ref) <= float(xp.finfo(x.dtype).eps) ** (1 / 3) * v        # the quotient would be rounding
        at_mid = -self.beta * ((v + v_ref) / 2) ** (-self.beta - 1)
        slope = xp.where(near, at_mid, (q - q_ref) / xp.where(near, 1, v - v_ref))
        m_v = m * (x + x_ref) / 2 * slope
        return m * (q + q_ref) / 2 + (x + x_ref) * self.alpha / self.size * self.window_sum(m_v, back=True)
