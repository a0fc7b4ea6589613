"""6.1 The ledger's balance

Under LRP-epsilon the inputs do not receive all. What the bias and the stabiliser keep has a formula, too, and the
three parts add up to what arrived.

    of R_k the inputs receive (sum_j x_j w_jk) / d_k R_k, the bias absorbs b_k / d_k R_k,
    the stabiliser epsilon sgn(z_k) / d_k R_k        d_k = z_k + epsilon sgn z_k
    summed over k, for each image: the three sum to sum_k R_k

By hand: x w = 2, b = 1, epsilon = 1, R = 4: the denominator is 4, so inputs 2, bias 1, stabiliser 1.

Source: lesson 6.1.
"""
import numpy as np


def ledger_row(x, W, b, R, epsilon):
    """x (N, I), W (I, O), b (O,), R (N, O). Returns the triple inputs (N,), bias (N,), stabiliser (N,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, b, R = np.array([[2.0]]), np.array([[1.0]]), np.array([1.0]), np.array([[4.0]])
    print("expected", ([2.0], [1.0], [1.0]))
    print("actual  ", ledger_row(x, W, b, R, 1.0))
