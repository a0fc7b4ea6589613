"""The model answer of cam, lesson 4.1."""
import numpy as np


def cam(A, W, target):
    return np.stack([maps @ W[:, t] for maps, t in zip(A, target)])
