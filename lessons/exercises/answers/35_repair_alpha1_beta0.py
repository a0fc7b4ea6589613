"""The model answer of repair_alpha1_beta0, lesson 6.2."""
import numpy as np


def repair_alpha1_beta0(x, W, b, R):
    up = (x[:, :, None] * W).clip(0)                        # (N, I, O)
    z = up.sum(axis=1) + b.clip(0)
    return (up * (R / np.where(z == 0, 1, z))[:, None]).sum(axis=2)
