"""0.1 The gradient of a convolution

Each pixel went into several windows, and each of these sends something back.

    dx[n, r t + i, s t + j, c] = sum over all r, s, i, j that meet there, and k, of W[i, j, c, k] dy[n, r, s, k]
    t: the stride

By hand: the kernel (1, -1) lay on pixels 0, 1 and on pixels 1, 2; with dy = (5, 7) they receive (5, -5 + 7, -7) = (5,
2, -7).

Source: LeCun et al. 1998.
"""
import numpy as np


def conv_gradient(x, W, dy, stride):
    """x (N, H, B, C), W (p, q, C, O), dy (N, rows, columns, O): dL/dy. Returns dL/dx, in the shape of x."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W = np.zeros((1, 1, 3, 1)), np.array([1.0, -1.0]).reshape(1, 2, 1, 1)
    dy = np.array([5.0, 7.0]).reshape(1, 1, 2, 1)
    print("expected", [[[[5.0], [2.0], [-7.0]]]])
    print("actual  ", conv_gradient(x, W, dy, 1))
