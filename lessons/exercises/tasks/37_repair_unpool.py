"""2.5 Find the fault: a winner of two windows

The rule of a max pool over windows of a row that may overlap.

    the first maximum of each window receives its R; one that wins several windows, the sum

This function is wrong, as somebody reported of a real library. Find the fault and repair it; what is right is above.

By hand: the row (0, 9, 0) with windows of 2 and stride 1: the 9 wins both, and of R = (1, 1) it receives 2.

Source: Shrikumar et al. 2017. Reported: tangermeme, issue 49.
"""
import numpy as np


def repair_unpool(x, R, length, stride):
    """x (N, T), R (N, windows). Returns the relevance of x, (N, T)."""
    R_x, images = np.zeros(x.shape), np.arange(len(x))
    for k in range(R.shape[1]):
        winner = k * stride + x[:, k * stride:k * stride + length].argmax(axis=1)
        R_x[images, winner] = R[:, k]
    return R_x


if __name__ == "__main__":                              # the example by hand
    x, R = np.array([[0.0, 9.0, 0.0]]), np.array([[1.0, 1.0]])
    print("expected", [[0.0, 2.0, 0.0]])
    print("actual  ", repair_unpool(x, R, 2, 1))
