"""0.1 The gradient of a dense layer

How fast the loss L changes with an input: through every output, each weighted by its weight.

    dL/dx_j = sum_k w_jk dL/dy_k

By hand: an input with the weights (3, -1) to two outputs whose dL/dy is (1, 2) has the gradient 3 - 2 = 1.

Source: Rumelhart et al. 1986.
"""
import numpy as np


def dense_gradient(x, W, dy):
    """x (N, I), W (I, O), dy (N, O): dL/dy. Returns dL/dx (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, dy = np.array([[5.0]]), np.array([[3.0, -1.0]]), np.array([[1.0, 2.0]])
    print("expected", [[1.0]])
    print("actual  ", dense_gradient(x, W, dy))
