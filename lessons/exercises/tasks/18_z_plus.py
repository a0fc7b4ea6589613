"""2.4 The z+ rule

Only what excites a neuron counts, and the bias gets nothing. For inputs that are not negative, as behind a ReLU.
Where no contribution is positive, nothing is passed back.

    R_j = sum_k x_j w_jk+ / (sum_j' x_j' w_j'k+) R_k        x >= 0

By hand: x = (1, 2, 1), w = (1, 1, -5), R = 6: contributions 1 and 2, so the inputs receive (2, 4, 0).

Source: Montavon et al. 2017.
"""
import numpy as np

from minixnn import Dense
from minixnn.arrays import positive, stabilize


def z_plus(layer, x, y, R):
    """layer: any affine layer (W, b or None, forward, gradient, with_weights(W, b)); x >= 0. Returns the
    relevance of x.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    layer, x, R = Dense(np.array([[1.0], [1.0], [-5.0]])), np.array([[1.0, 2.0, 1.0]]), np.array([[6.0]])
    print("expected", [[2.0, 4.0, 0.0]])
    print("actual  ", z_plus(layer, x, layer.forward(x), R))
