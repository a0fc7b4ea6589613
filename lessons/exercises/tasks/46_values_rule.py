"""7.4 Attention: weights times values

y = A V is a sum of products A_ts V_sd. The sum shares in proportion, and each product gives half to either factor; so
the denominator is 2 y. sgn(0) is +1.

    s = R / (2 y + epsilon sgn y),  R_A = A * (s V^T),  R_V = V * (A^T s)        y = A V, for each image

By hand: A = 1, V = 2, y = 2, epsilon = 1, R = 5: s = 5/5 = 1; R_A = 1 * 2 = 2, R_V = 2.

Source: Achtibat et al. 2024, proposition 3.3.
"""
import numpy as np


def values_rule(layer, x, y, R, epsilon):
    """x: the pair A (N, T, S), V (N, S, D); y = A @ V (N, T, D); R (N, T, D). Returns the pair R_A, R_V."""
    ...


if __name__ == "__main__":                              # the example by hand
    A, V, R = np.array([[[1.0]]]), np.array([[[2.0]]]), np.array([[[5.0]]])
    print("expected", ([[[2.0]]], [[[2.0]]]))
    print("actual  ", values_rule(None, (A, V), A @ V, R, 1.0))
