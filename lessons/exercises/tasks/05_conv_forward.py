"""0.1 A convolution with a stride

A kernel of p x q pixels is laid on the image at every stride-th row and column; no padding. As everywhere in neural
networks the kernel is not flipped.

    y[n, r, s, k] = sum_ijc x[n, r t + i, s t + j, c] W[i, j, c, k] + b[k]        t: the stride

By hand: the row (1, 2, 3) under the kernel (1, -1) with stride 1 makes (1 - 2, 2 - 3) = (-1, -1).

Source: LeCun et al. 1998.
"""
import numpy as np


def conv_forward(x, W, b, stride):
    """x (N, H, B, C): H rows, B columns, C channels; W (p, q, C, O); b (O,). Returns y (N, rows, columns, O)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, b = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1), np.array([1.0, -1.0]).reshape(1, 2, 1, 1), np.zeros(1)
    print("expected", [[[[-1.0], [-1.0]]]])
    print("actual  ", conv_forward(x, W, b, 1))
