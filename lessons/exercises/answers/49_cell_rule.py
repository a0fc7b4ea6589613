"""The model answer of cell_rule, lesson 7.7."""
import numpy as np


def cell_rule(f, c, i, g, R, epsilon):
    y = f * c + i * g
    s = R / (y + epsilon * np.where(y >= 0, 1, -1))
    return f * c * s, i * g * s
