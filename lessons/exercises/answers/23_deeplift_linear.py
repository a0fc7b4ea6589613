"""The model answer of deeplift_linear, lesson 2.5."""


def deeplift_linear(x, x_ref, W, m):
    return (m @ W.T) * (x - x_ref)
