"""7.4 The rule of a softmax

AttnLRP expands the softmax at its input, and hands on what is linear there.

    R_i = x_i (R'_i - y_i sum_j R'_j)        R': relevance of y = softmax(x)

By hand: x = (2, 2), so y = (1/2, 1/2); R' = (1, 3), sum 4: R = (2 (1 - 2), 2 (3 - 2)) = (-2, 2).

Source: Achtibat et al. 2024, proposition 3.1.
"""
import numpy as np


def softmax_rule(layer, x, y, R):
    """x (N, T, S); y = softmax(x), over the last axis; R (N, T, S): relevance of y. Returns the relevance of x.
    The layer is not needed.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    x, y, R = np.array([[[2.0, 2.0]]]), np.array([[[0.5, 0.5]]]), np.array([[[1.0, 3.0]]])
    print("expected", [[[-2.0, 2.0]]])
    print("actual  ", softmax_rule(None, x, y, R))
