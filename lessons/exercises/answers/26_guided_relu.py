"""The model answer of guided_relu, lesson 3.3."""


def guided_relu(x, dy):
    return dy * (x > 0) * (dy > 0)
