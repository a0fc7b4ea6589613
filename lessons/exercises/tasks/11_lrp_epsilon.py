"""2.3 LRP-epsilon, on every layer

A convolution is a dense layer with many zeros. Written with the layer's own forward and gradient, the same four lines
serve both. A layer has W, b (None: no bias), layer.forward(x), layer.gradient(x, y, dy).

    R_j = sum_k x_j w_jk / (z_k + epsilon sgn z_k) R_k        on any layer y = W.x + b

By hand: as in the exercise before.

Source: Bach et al. 2015, eq. 58; Montavon et al. 2019, section 10.2.2.
"""
import numpy as np

from minixnn import Dense


def lrp_epsilon(layer, x, y, R, epsilon):
    """layer: any affine layer; x its input, y its output, R the relevance of y. Returns the relevance of x."""
    ...


if __name__ == "__main__":                              # the example by hand
    layer, x, R = Dense(np.array([[1.0], [-1.0]]), np.array([1.0])), np.array([[2.0, 1.0]]), np.array([[3.0]])
    print("expected", [[2.0, -1.0]])
    print("actual  ", lrp_epsilon(layer, x, layer.forward(x), R, 1.0))
