"""The model answer of values_rule, lesson 7.4."""
import numpy as np


def values_rule(layer, x, y, R, epsilon):
    A, V = x
    s = R / (2 * y + epsilon * np.where(y >= 0, 1, -1))
    return A * (s @ V.swapaxes(-1, -2)), V * (A.swapaxes(-1, -2) @ s)
