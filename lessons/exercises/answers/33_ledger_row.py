"""The model answer of ledger_row, lesson 6.1."""
import numpy as np


def ledger_row(x, W, b, R, epsilon):
    z = x @ W + b
    e = epsilon * np.where(z >= 0, 1, -1)
    s = R / (z + e)
    return (x @ W * s).sum(axis=1), (b * s).sum(axis=1), (e * s).sum(axis=1)
