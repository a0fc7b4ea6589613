"""The model answer of lrp_epsilon, lesson 2.3."""
import numpy as np


def lrp_epsilon(layer, x, y, R, epsilon):
    s = R / (y + epsilon * np.where(y >= 0, 1, -1))
    return x * layer.gradient(x, y, s)
