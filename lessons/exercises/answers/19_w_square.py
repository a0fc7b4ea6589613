"""The model answer of w_square, lesson 2.4."""
import numpy as np


def w_square(x, W, R):
    V = W ** 2
    total = V.sum(axis=0)
    return (R / np.where(total == 0, 1, total)) @ V.T
