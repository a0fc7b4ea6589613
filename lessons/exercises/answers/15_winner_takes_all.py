"""The model answer of winner_takes_all, lesson 2.3."""
import numpy as np


def winner_takes_all(x, R):
    return np.eye(x.shape[2])[x.argmax(axis=2)] * R[..., None]
