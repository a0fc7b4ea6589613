"""2.4 The z^B rule, for pixels

Pixels lie in a box, low <= x <= high, and 0 is no special value there. A contribution is measured from the bound that
excites the neuron least. An output whose parts are all 0 passes nothing back.

    R_j = sum_k (x_j w_jk - low w_jk+ - high w_jk-) / (the same, summed over j) R_k        low <= x_j <= high

By hand: w = (2, -1), x = (1, 0), low = 0, high = 1: parts 2 - 0 and 0 + 1, so of R = 3 the pixels receive (2, 1): the
empty one, too.

Source: Montavon et al. 2017.
"""
import numpy as np


def z_box(x, W, R, low, high):
    """x (N, I), W (I, O), R (N, O); low, high: numbers. Returns the relevance of x, (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, R = np.array([[1.0, 0.0]]), np.array([[2.0], [-1.0]]), np.array([[3.0]])
    print("expected", [[2.0, 1.0]])
    print("actual  ", z_box(x, W, R, 0.0, 1.0))
