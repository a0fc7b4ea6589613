"""The model answer of z_plus_root, lesson 2.4."""


def z_plus_root(x, w, b):
    z, v = x @ w + b, x * (w > 0)
    return x - z / (v @ w) * v if z > 0 else x
