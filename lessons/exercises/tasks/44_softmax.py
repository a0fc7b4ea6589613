"""7.4 Softmax

Attention turns scores into weights that sum to 1 along the last axis. The scores may be large: exp(1000) is no
number.

    y_i = exp(x_i) / sum_j exp(x_j)        over the last axis

By hand: two equal scores make (1/2, 1/2).

Source: Vaswani et al. 2017, eq. 1.
"""
import numpy as np


def softmax(x):
    """x (N, T, S). Returns y (N, T, S)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x = np.array([[[3.0, 3.0]]])
    print("expected", [[[0.5, 0.5]]])
    print("actual  ", softmax(x))
