"""2.3 The flat rule

Every input that an output sees receives the same. What lies outside the image, the padding, is no input.

    R_j = sum_k R_k / n_k        n_k: how many inputs output k sees, padding not counted

By hand: an output of three inputs with R = 6 gives 2 to each, whatever its weights.

Source: Lapuschkin et al. 2019.
"""
import numpy as np

from minixnn import Dense


def flat(layer, x, y, R):
    """layer: any affine layer (W, b or None, forward, gradient, with_weights(W, b)). Returns the relevance of
    x.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    layer, x, R = Dense(np.array([[1.0], [-1.0], [5.0]])), np.zeros((1, 3)), np.array([[6.0]])
    print("expected", [[2.0, 2.0, 2.0]])
    print("actual  ", flat(layer, x, layer.forward(x), R))
