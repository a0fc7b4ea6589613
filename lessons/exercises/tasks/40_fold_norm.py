"""6.6 A normalisation folded away

Behind a layer of a trained network stands a normalisation, gain (z - mean) / sqrt(variance + epsilon) + shift. The two
are one affine layer, so one set of weights does both. The function stays the same; some explanations of it do not.

    s_k = gain_k / sqrt(variance_k + epsilon)
    V_jk = w_jk s_k,  c_k = (b_k - mean_k) s_k + shift_k

By hand: w = 3, b = 1, gain = 2, shift = 5, mean = 4, variance = 3, epsilon = 1: s = 1, so V = 3 and c = 1 - 4 + 5 = 2.

Source: Guillemot et al. 2020; lesson 6.6.
"""
import numpy as np


def fold_norm(W, b, gain, shift, mean, variance, epsilon):
    """W (I, O); b, gain, shift, mean, variance (O,). Returns the pair V (I, O), c (O,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    one = [np.array([value]) for value in (1.0, 2.0, 5.0, 4.0, 3.0)]
    print("expected", ([[3.0]], [2.0]))
    print("actual  ", fold_norm(np.array([[3.0]]), *one, 1.0))
