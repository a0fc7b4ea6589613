"""2.3 LRP-alpha-beta

What speaks for a neuron and what speaks against it are shared apart. The *product* of input and weight decides, and
each part of the bias goes to its side. Where a denominator is 0 nothing is passed back.

    R_j = sum_k ( alpha z_jk+ / (sum_j z_jk+ + b_k+)  -  beta z_jk- / (sum_j z_jk- + b_k-) ) R_k
    z_jk = x_j w_jk, v+ = max(v, 0), v- = min(v, 0)

By hand: x = (1, 1), w = (2, -2), b = -2, alpha 2, beta 1, R = 4: for it 2/2 * 2 * 4 = 8; against it -2/(-2 - 2) * 1 *
4 = 2, which is subtracted: (8, -2).

Source: Bach et al. 2015, eq. 60, with the sign of beta turned.
"""
import numpy as np


def alpha_beta(x, W, b, R, alpha, beta):
    """x (N, I) of any sign, W (I, O), b (O,), R (N, O). Returns the relevance of x, (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, b, R = np.array([[1.0, 1.0]]), np.array([[2.0], [-2.0]]), np.array([-2.0]), np.array([[4.0]])
    print("expected", [[8.0, -2.0]])
    print("actual  ", alpha_beta(x, W, b, R, 2.0, 1.0))
