"""The model answer of most_alike, lesson 6.4."""
import numpy as np


def most_alike(explain, x, target, classes):
    maps = np.stack([explain(x, c) for c in range(classes)])                # (classes, N, I)
    maps = maps / np.sqrt((maps ** 2).sum(axis=2, keepdims=True))
    images = np.arange(len(target))
    found = (maps * maps[target, images]).sum(axis=2)                       # (classes, N)
    found[target, images] = -np.inf
    return found.max(axis=0)
