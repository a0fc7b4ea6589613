"""The model answer of fold_norm, lesson 6.6."""
import numpy as np


def fold_norm(W, b, gain, shift, mean, variance, epsilon):
    s = gain / np.sqrt(variance + epsilon)
    return W * s, (b - mean) * s + shift
