"""0.1 A dense layer

Every output is a weighted sum of all inputs, and a bias.

    y_k = sum_j x_j w_jk + b_k

By hand: x = (1, 2), weights (3, -1) and bias 1 make 3 - 2 + 1 = 2.

Source: any text book; Rumelhart et al. 1986.
"""
import numpy as np


def dense_forward(x, W, b):
    """x (N, I): N images of I inputs; W (I, O); b (O,). Returns y (N, O)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, b = np.array([[1.0, 2.0]]), np.array([[3.0], [-1.0]]), np.array([1.0])
    print("expected", [[2.0]])
    print("actual  ", dense_forward(x, W, b))
