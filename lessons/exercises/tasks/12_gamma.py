"""2.3 LRP-gamma

What speaks for a neuron is favoured: positive weights, and a positive bias, grow by a factor 1 + gamma. Where z_k is
0 nothing is passed back.

    R_j = sum_k x_j (w_jk + gamma w_jk+) / z_k R_k
    z_k = sum_j x_j (w_jk + gamma w_jk+) + b_k + gamma b_k+        x >= 0, v+ = max(v, 0)

By hand: x = (1, 1), w = (1, -1), b = 1, gamma = 1: boosted weights (2, -1), bias 2, z = 3; of R = 3 the inputs
receive (2, -1).

Source: Montavon et al. 2019, section 10.2.1.
"""
import numpy as np

from minixnn import Dense
from minixnn.arrays import positive, stabilize


def gamma(layer, x, y, R, gamma):
    """layer: any affine layer (W, b or None, forward, gradient, with_weights(W, b)); x >= 0. Returns the
    relevance of x.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    layer, x, R = Dense(np.array([[1.0], [-1.0]]), np.array([1.0])), np.array([[1.0, 1.0]]), np.array([[3.0]])
    print("expected", [[2.0, -1.0]])
    print("actual  ", gamma(layer, x, layer.forward(x), R, 1.0))
