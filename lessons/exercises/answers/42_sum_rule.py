"""The model answer of sum_rule, lesson 7.2."""
import numpy as np


def sum_rule(layer, x, y, R, epsilon):
    a, b = x
    s = R / (y + epsilon * np.where(y >= 0, 1, -1))
    return a * s, b * s
