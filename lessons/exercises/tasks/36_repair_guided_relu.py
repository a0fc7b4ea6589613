"""3.3 Find the fault: a guide that does not look

Guided backpropagation at a ReLU.

    dx = dy where x > 0 and dy > 0, else 0

This function is wrong, as somebody reported of a real library. Find the fault and repair it; what is right is above.

By hand: x = (1, -1), dy = (2, 2): the second neuron did not fire, so only the first passes anything.

Source: Springenberg et al. 2015. Reported: pytorch-cnn-visualizations, issue 36.
"""
import numpy as np


def repair_guided_relu(x, dy):
    """x (N, I), dy (N, I). Returns the signal passed on, (N, I)."""
    return dy.clip(0)


if __name__ == "__main__":                              # the example by hand
    x, dy = np.array([[1.0, -1.0]]), np.array([[2.0, 2.0]])
    print("expected", [[2.0, 0.0]])
    print("actual  ", repair_guided_relu(x, dy))
