"""0.2 Is a gradient right?

Walk a little way to both sides of x, one entry at a time, and look how much f changes.

    df/dx_j ~ (f(x + h e_j) - f(x - h e_j)) / 2h          e_j: 1 at entry j, else 0

By hand: f(x) = x^2 at x = 3 with h = 0.5: (3.5^2 - 2.5^2) / 1 = 6.

Source: lesson 0.2.
"""
import numpy as np


def numeric_gradient(f, x, h):
    """f: a function of x (I,) that returns a number; h: the step. Returns the difference quotients, (I,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    def f(x):
        return float((x ** 2).sum())

    x, h = np.array([3.0]), 0.5
    print("expected", [6.0])
    print("actual  ", numeric_gradient(f, x, h))
