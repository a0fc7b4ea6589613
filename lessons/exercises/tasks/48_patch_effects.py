"""7.6 Which neuron carried it?

Two runs of one network: x, and another. Put a neuron of the other run into the run of x, and see by how much the output
rises; then the next neuron, into the run of x as it was.

    h = relu(x W),  y(h) = relu(sum_k h_k v_k)
    effect_k = y(h with h_k of the other run) - y(h)        each k for itself

By hand: W is the identity, v = (1, 1), x = (1, -1), other = (3, 2): h = (1, 0) and (3, 2), y = 1. With the first neuron
of the other run it is 3, with the second 1 + 2 = 3: each has an effect of 2.

Source: Vig et al. 2020; lesson 7.6.
"""
import numpy as np


def patch_effects(W, v, x, other):
    """W (I, H), v (H,), x and other (N, I). Returns (N, H)."""
    ...


if __name__ == "__main__":                              # the example by hand
    W, v, x, other = np.eye(2), np.ones(2), np.array([[1.0, -1.0]]), np.array([[3.0, 2.0]])
    print("expected", [[2.0, 2.0]])
    print("actual  ", patch_effects(W, v, x, other))
