"""The model answer of patch_effects, lesson 7.6."""
import numpy as np


def patch_effects(W, v, x, other):
    h, g = np.maximum(x @ W, 0), np.maximum(other @ W, 0)
    effects = []
    for k in range(len(v)):
        put = h.copy()
        put[:, k] = g[:, k]
        effects.append(np.maximum(put @ v, 0) - np.maximum(h @ v, 0))
    return np.stack(effects, axis=1)
