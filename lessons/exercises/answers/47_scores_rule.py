"""The model answer of scores_rule, lesson 7.4."""
import numpy as np


def scores_rule(layer, x, y, R, epsilon):
    Q, K = x
    s = R / (2 * y + epsilon * np.where(y >= 0, 1, -1))
    return Q * (s @ K), K * (s.swapaxes(-1, -2) @ Q)
