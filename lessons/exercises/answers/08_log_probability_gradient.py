"""The model answer of log_probability_gradient, lesson 1.1."""
import numpy as np


def log_probability_gradient(y, target):
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return np.eye(y.shape[1])[target] - e / e.sum(axis=1, keepdims=True)
