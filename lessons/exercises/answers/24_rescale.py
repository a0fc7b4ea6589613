"""The model answer of rescale, lesson 2.5."""
import numpy as np


def rescale(x, x_ref, m):
    dx, dy = x - x_ref, x.clip(0) - x_ref.clip(0)
    return m * np.where(dx == 0, x > 0, dy / np.where(dx == 0, 1, dx))
