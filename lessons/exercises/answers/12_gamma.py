"""The model answer of gamma, lesson 2.3."""
from minixnn.arrays import positive, stabilize


def gamma(layer, x, y, R, gamma):
    bias = None if layer.b is None else layer.b + gamma * positive(layer.b)
    boosted = layer.with_weights(layer.W + gamma * positive(layer.W), bias)
    z = boosted.forward(x)
    return x * boosted.gradient(x, z, R / stabilize(z))
