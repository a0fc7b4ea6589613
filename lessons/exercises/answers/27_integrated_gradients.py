"""The model answer of integrated_gradients, lesson 3.4."""
import numpy as np


def integrated_gradients(gradient, x, x_ref, steps):
    t = (np.arange(steps) + 0.5) / steps
    return (x - x_ref) * np.mean([gradient(x_ref + one * (x - x_ref)) for one in t], axis=0)
