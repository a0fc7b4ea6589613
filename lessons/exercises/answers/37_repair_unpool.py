"""The model answer of repair_unpool, lesson 2.5."""
import numpy as np


def repair_unpool(x, R, length, stride):
    R_x, images = np.zeros(x.shape), np.arange(len(x))
    for k in range(R.shape[1]):
        winner = k * stride + x[:, k * stride:k * stride + length].argmax(axis=1)
        R_x[images, winner] += R[:, k]
    return R_x
