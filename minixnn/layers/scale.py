"""Scale: multiplication by a constant, which is not learnt and shares no relevance."""
from typing import Any

from minixnn.arrays import Array
from minixnn.layers.base import Layer, expect_arrays, pass_on


class Scale(Layer):
    """y = x c, with a constant c of any shape that broadcasts to one input (or a number). x, y (N, ...)

    Each output has one input, so relevance passes it unchanged, as it does a ReLU. In attention it divides the queries
    by sqrt(d), so that the stabiliser of the product behind sees the scores as the papers have them.
    """
    rule, takes_rules = staticmethod(pass_on), False

    def __init__(self, c: Array | float) -> None:
        if not isinstance(c, (int, float)):
            expect_arrays(weights=[c])
        self.c = c

    def arrays(self) -> dict[str, Array]:
        return {} if isinstance(self.c, (int, float)) else {"c": self.c}

    def settings(self) -> dict[str, Any]:
        return {"c": self.c} if isinstance(self.c, (int, float)) else {}

    @property
    def preserves_sign(self) -> bool:           # type: ignore[override]  # it depends on the numbers
        return self.c >= 0 if isinstance(self.c, (int, float)) else bool((self.c >= 0).all())

    def forward(self, x: Array) -> Array:
        return x * self.c

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * self.c

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        return m * self.c

    def __repr__(self):
        return f"Scale({self.c:.4g})" if isinstance(self.c, (int, float)) else f"Scale{self.c.shape}"
