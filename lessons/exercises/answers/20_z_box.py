"""The model answer of z_box, lesson 2.4."""
import numpy as np


def z_box(x, W, R, low, high):
    parts = x[:, :, None] * W - low * W.clip(0) - high * W.clip(max=0)      # (N, I, O)
    total = parts.sum(axis=1)
    return (parts * (R / np.where(total == 0, 1, total))[:, None]).sum(axis=2)
