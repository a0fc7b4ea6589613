"""2.4 The w^2 rule

For inputs of any real value: the nearest root point lies along the weights, so they alone decide. An output whose
weights are all 0 passes nothing back.

    R_j = sum_k w_jk^2 / (sum_j' w_j'k^2) R_k

By hand: w = (1, 2), R = 5: the squares 1 and 4 share it: (1, 4).

Source: Montavon et al. 2017.
"""
import numpy as np


def w_square(x, W, R):
    """x (N, I), W (I, O), R (N, O). Returns the relevance of x, (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, R = np.zeros((1, 2)), np.array([[1.0], [2.0]]), np.array([[5.0]])
    print("expected", [[1.0, 4.0]])
    print("actual  ", w_square(x, W, R))
