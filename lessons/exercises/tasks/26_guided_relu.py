"""3.3 Guided backpropagation

A signal passes back through a ReLU if the neuron fired *and* the signal is positive.

    dx = dy where x > 0 and dy > 0, else 0

By hand: x = (1, 1, -1), dy = (2, -2, 2): only the first passes.

Source: Springenberg et al. 2015, figure 1.
"""
import numpy as np


def guided_relu(x, dy):
    """x (N, I), dy (N, I): the signal from above. Returns the signal passed on, (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, dy = np.array([[1.0, 1.0, -1.0]]), np.array([[2.0, -2.0, 2.0]])
    print("expected", [[2.0, 0.0, 0.0]])
    print("actual  ", guided_relu(x, dy))
