"""The model answer of repair_guided_relu, lesson 3.3."""


def repair_guided_relu(x, dy):
    return dy.clip(0) * (x > 0)
