"""What has no derivative: whole numbers, truth values, constants, and choices by a condition.

Masks and positions are computed from tokens by such layers. They are parts of what a network does, and nothing goes back
through them: a step is flat wherever it has a slope at all. What they choose receives what comes back.

    Whole("add", 2)      y = x + 2, of whole numbers          ToWhole(), ToFloat()       another type of numbers
    CompareTo("greater", 0)     y = x > 0                     Compare("greater")         y = x_1 > x_2
    Choose()             y = where x_1 holds x_2, else x_3    Constant(c)                y = c, whatever x is
"""
from typing import Any

from minixnn.arrays import Array, array_module, like
from minixnn.layers.base import Join, Layer, carry_back, expect_arrays, sum_to

FUNCTIONS = ("add", "multiply", "floor_divide", "cumsum", "logical_and", "logical_not", "negative", "mod")
COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal", "logical_and", "logical_or",
               "logical_xor")


def nothing(layer: Layer, x: Any, y: Array, R: Array) -> Any:
    """What is flat receives no relevance: all that arrives is absorbed."""
    return layer.gradient(x, y, R)


def zeros(x: Array, dy: Array) -> Array:
    """Zeros beside x, of the type of what comes back."""
    return array_module(x).zeros(x.shape, dtype=dy.dtype)


class Flat(Layer):
    """y = f(x), a step function: its derivative is 0 wherever there is one."""
    rule, takes_rules, takes_integers = staticmethod(nothing), False, True

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return zeros(x, dy)

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        return zeros(x, m)


class Whole(Flat):
    """y = f(x, c) of whole numbers, f being NumPy's function of that name. c: a constant, or None. x, y (N, ...)"""

    def __init__(self, function: str, c: Array | None = None, axis: int | None = None) -> None:
        if function not in FUNCTIONS:
            raise ValueError(f"Whole got function={function!r}, expected one of {', '.join(FUNCTIONS)}")
        self.function, self.c, self.axis = function, c, axis

    def settings(self) -> dict[str, Any]:
        return {"function": self.function, **({} if self.axis is None else {"axis": self.axis})}

    def arrays(self) -> dict[str, Array]:
        return {} if self.c is None else {"c": self.c}

    def map_arrays(self, f: Any) -> Layer:
        return self                             # whole numbers stay what they are

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        if self.function == "cumsum":
            return x.cumsum(axis=self.axis)
        f = getattr(xp, self.function)
        return f(x) if self.c is None else f(x, like(x, self.c))


class ToWhole(Flat):
    """y = x without what is behind the point. x (N, ...) of any numbers, y whole numbers.

    A number that stands for a category enters an Embedding by it. What comes back is the category's, and so x's.
    """
    rule = staticmethod(carry_back)

    def forward(self, x: Array) -> Array:
        return x.astype("int64")

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Where x and its reference are not the same number of the same category, contributions have to sum, too."""
        xp, dx, whole = array_module(x), x - x_ref, (y - y_ref).astype(m.dtype)
        return m * whole / xp.where(dx == 0, 1, dx).astype(m.dtype)


class ToFloat(Flat):
    """y = x as floating point numbers, of single precision. x (N, ...) whole numbers or truth values"""

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = dtype

    def settings(self) -> dict[str, Any]:
        return {"dtype": self.dtype}

    def map_arrays(self, f: Any) -> Layer:
        import numpy as np
        return type(self)(str(f(np.zeros(1, self.dtype)).dtype))

    def forward(self, x: Array) -> Array:
        return x.astype(self.dtype)


class CompareTo(Flat):
    """y = whether x is greater than a constant, or less, equal, ...: truth values. x, y (N, ...)"""

    def __init__(self, function: str, c: Array) -> None:
        if function not in COMPARISONS:
            raise ValueError(f"CompareTo got function={function!r}, expected one of {', '.join(COMPARISONS)}")
        self.function, self.c = function, c

    def settings(self) -> dict[str, Any]:
        return {"function": self.function}

    def arrays(self) -> dict[str, Array]:
        return {"c": self.c}

    def map_arrays(self, f: Any) -> Layer:
        return type(self)(self.function, f(self.c) if self.c.dtype.kind == "f" else self.c)

    def forward(self, x: Array) -> Array:
        return getattr(array_module(x), self.function)(x, like(x, self.c))


class Compare(Join):
    """y = whether x_1 is greater than x_2, or less, equal, ...: truth values, and nothing goes back."""
    rule, takes_rules, takes_integers, most_inputs = staticmethod(nothing), False, True, 2

    def __init__(self, function: str) -> None:
        if function not in COMPARISONS:
            raise ValueError(f"Compare got function={function!r}, expected one of {', '.join(COMPARISONS)}")
        self.function = function

    def settings(self) -> dict[str, Any]:
        return {"function": self.function}

    def forward(self, x: tuple[Array, ...]) -> Array:
        return getattr(array_module(x[0]), self.function)(*x)

    def gradient(self, x: tuple[Array, ...], y: Array, dy: Array) -> tuple[Array, ...]:
        return tuple(zeros(a, dy) for a in x)

    def deeplift(self, x: Any, y: Array, x_ref: Any, y_ref: Array, m: Array) -> tuple[Array, ...]:
        return self.gradient(x, y, m)


class Choose(Join):
    """y = x_2 where the truth value x_1 holds, else x_3. What is chosen receives all, the condition nothing."""
    rule, takes_rules, fewest_inputs, most_inputs = staticmethod(carry_back), False, 3, 3

    def forward(self, x: tuple[Array, ...]) -> Array:
        return array_module(x[0]).where(x[0] != 0, x[1], x[2])

    def gradient(self, x: tuple[Array, ...], y: Array, dy: Array) -> tuple[Array, ...]:
        c, a, b = x
        return zeros(c, dy), sum_to(dy * (c != 0), a.shape), sum_to(dy * (c == 0), b.shape)

    def deeplift(self, x: Any, y: Array, x_ref: Any, y_ref: Array, m: Array) -> tuple[Array, ...]:
        """Exact where the condition is the same for both; what changes with it is left over."""
        return self.gradient(x, y, m)


class Constant(Layer):
    """y = c for each input, whatever it is: a class token, what is learnt beside the input. x (N, ...), y (N, *c.shape)"""
    rule, takes_rules, takes_integers = staticmethod(nothing), False, True

    def __init__(self, c: Array) -> None:
        expect_arrays(weights=[c])
        self.c = c

    def arrays(self) -> dict[str, Array]:
        return {"c": self.c}

    def forward(self, x: Any) -> Array:
        first = x[0] if isinstance(x, tuple) else x
        return array_module(self.c).broadcast_to(self.c, (len(first), *self.c.shape))

    def gradient(self, x: Any, y: Array, dy: Array) -> Any:
        return tuple(zeros(part, dy) for part in x) if isinstance(x, tuple) else zeros(x, dy)

    def deeplift(self, x: Any, y: Array, x_ref: Any, y_ref: Array, m: Array) -> Any:
        return self.gradient(x, y, m)

    def __repr__(self):
        return f"Constant{self.c.shape}"
