"""2.3 LRP-epsilon, on a dense layer

Each output shares out its relevance in proportion to what each input contributed to it. The stabiliser epsilon keeps
the denominator away from 0; sgn(0) is +1.

    R_j = sum_k x_j w_jk / (z_k + epsilon sgn z_k) R_k        z_k = sum_j x_j w_jk + b_k

By hand: x = (2, 1), w = (1, -1), b = 1 make z = 2 - 1 + 1 = 2. With epsilon = 1 and R = 3 the inputs receive 2/3 * 3
= 2 and -1/3 * 3 = -1; bias and stabiliser keep the rest.

Source: Bach et al. 2015, eq. 58.
"""
import numpy as np


def epsilon(x, W, b, R, epsilon):
    """x (N, I), W (I, O), b (O,), R (N, O): relevance of the outputs. Returns the relevance of x, (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, b, R = np.array([[2.0, 1.0]]), np.array([[1.0], [-1.0]]), np.array([1.0]), np.array([[3.0]])
    print("expected", [[2.0, -1.0]])
    print("actual  ", epsilon(x, W, b, R, 1.0))
