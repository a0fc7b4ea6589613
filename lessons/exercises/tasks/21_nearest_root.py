"""2.4 The nearest root point

Deep Taylor expands a neuron f(x) = max(0, x.w + b) at a point x~ where it is 0. Of w^2 it is the nearest one:
straight down, along w.

    x~ = x - z / (w.w) w        z = x.w + b, where z > 0
    x~ = x                      where z <= 0: the neuron max(0, z) is zero there already

By hand: x = (3, 4), w = (1, 0), b = 0: z = 3, w.w = 1, so x~ = (0, 4).

Source: Montavon et al. 2017, appendix.
"""
import numpy as np


def nearest_root(x, w, b):
    """x (I,), w (I,), b: a number. Returns x~ (I,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, w = np.array([3.0, 4.0]), np.array([1.0, 0.0])
    print("expected", [0.0, 4.0])
    print("actual  ", nearest_root(x, w, 0.0))
