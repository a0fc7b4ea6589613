"""The model answer of flat, lesson 2.3."""
import numpy as np


def flat(layer, x, y, R):
    same = layer.with_weights(layer.W * 0 + 1, None)
    ones = np.ones_like(x)
    return same.gradient(ones, y, R / same.forward(ones))
