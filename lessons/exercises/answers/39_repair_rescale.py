"""The model answer of repair_rescale, lesson 2.5."""
import numpy as np


def repair_rescale(x, x_ref, y, y_ref, gradient, m):
    dx = x - x_ref
    return np.where(dx == 0, gradient, m * (y - y_ref) / np.where(dx == 0, 1, dx))
