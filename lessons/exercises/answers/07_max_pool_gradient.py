"""The model answer of max_pool_gradient, lesson 0.1."""
import numpy as np


def max_pool_gradient(x, dy, size, stride):
    dx = np.zeros(x.shape)
    for n, r, s, c in np.ndindex(*dy.shape):
        window = x[n, r * stride:r * stride + size, s * stride:s * stride + size, c]
        i, j = np.unravel_index(window.argmax(), window.shape)
        dx[n, r * stride + i, s * stride + j, c] += dy[n, r, s, c]
    return dx
