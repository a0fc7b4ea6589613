"""The model answer of nearest_root, lesson 2.4."""


def nearest_root(x, w, b):
    z = x @ w + b
    return x - z / (w @ w) * w if z > 0 else x
