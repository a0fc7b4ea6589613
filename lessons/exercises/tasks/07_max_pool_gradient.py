"""0.1 The gradient of a max pool

Only the largest pixel of a window decides what the window puts out. Of equal ones the first counts, row by row, and a
pixel may win several windows.

    the first pixel of a window that is its maximum gets the window's dy, the others nothing

By hand: of the window (1, 3, 3, 2) with dy = 5 the second pixel receives 5, the others nothing.

Source: lesson 0.1.
"""
import numpy as np


def max_pool_gradient(x, dy, size, stride):
    """x (N, H, B, C); dy (N, rows, columns, C); windows of size x size pixels, every stride pixels. Returns
    dL/dx.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    x, dy = np.array([1.0, 3.0, 3.0, 2.0]).reshape(1, 2, 2, 1), np.array([[[[5.0]]]])
    print("expected", [[[[0.0], [5.0]], [[0.0], [0.0]]]])
    print("actual  ", max_pool_gradient(x, dy, 2, 2))
