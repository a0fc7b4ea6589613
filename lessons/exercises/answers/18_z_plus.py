"""The model answer of z_plus, lesson 2.4."""
from minixnn.arrays import positive, stabilize


def z_plus(layer, x, y, R):
    excite = layer.with_weights(positive(layer.W), None)
    z = excite.forward(x)
    return x * excite.gradient(x, z, R / stabilize(z))
