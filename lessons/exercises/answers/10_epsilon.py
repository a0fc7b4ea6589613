"""The model answer of epsilon, lesson 2.3."""
import numpy as np


def epsilon(x, W, b, R, epsilon):
    z = x @ W + b
    s = R / (z + epsilon * np.where(z >= 0, 1, -1))
    c = s @ W.T
    return x * c
