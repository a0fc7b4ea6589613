"""The model answer of conv_gradient, lesson 0.1."""
import numpy as np


def conv_gradient(x, W, dy, stride):
    p, q = W.shape[:2]
    dx = np.zeros(x.shape)
    for r in range(dy.shape[1]):
        for s in range(dy.shape[2]):
            part = np.tensordot(dy[:, r, s], W, (1, 3))                     # (N, O), (p, q, C, O) -> (N, p, q, C)
            dx[:, r * stride:r * stride + p, s * stride:s * stride + q] += part
    return dx
