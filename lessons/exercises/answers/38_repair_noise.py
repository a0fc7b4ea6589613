"""The model answer of repair_noise, lesson 3.5."""


def repair_noise(x, noise, level):
    sigma = level * (x.max(axis=1, keepdims=True) - x.min(axis=1, keepdims=True))
    return x + sigma * noise
