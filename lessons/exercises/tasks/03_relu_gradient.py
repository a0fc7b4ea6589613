"""0.1 The gradient of ReLU

ReLU is max(x, 0). Its gradient at the kink, x = 0, is a convention; ours is 0.

    dL/dx = dL/dy where x > 0, else 0

By hand: of x = (2, -1, 0) and dy = (5, 5, 5) remains (5, 0, 0).

Source: Glorot et al. 2011.
"""
import numpy as np


def relu_gradient(x, dy):
    """x (N, I), dy (N, I): dL/dy. Returns dL/dx (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, dy = np.array([[2.0, -1.0, 0.0]]), np.array([[5.0, 5.0, 5.0]])
    print("expected", [[5.0, 0.0, 0.0]])
    print("actual  ", relu_gradient(x, dy))
