"""The model answer of channel_maps, lesson 6.7."""
import numpy as np


def channel_maps(x, W, b, R, epsilon):
    z = x @ W + b
    s = R / (z + epsilon * np.where(z >= 0, 1, -1))                         # (N, K)
    return s[:, :, None] * W.T[None] * x[:, None, :]                        # (N, K, I)
