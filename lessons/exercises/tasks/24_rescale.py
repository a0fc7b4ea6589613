"""2.5 DeepLIFT: the rescale rule

In place of the gradient of ReLU stands the slope of the line from the reference to x. Where both are equal there is
no line, and the gradient is taken.

    m_x = (y - y_ref) / (x - x_ref) m        y = max(x, 0), y_ref = max(x_ref, 0)
    m_x = (the gradient of ReLU at x) m      where x = x_ref

By hand: x = 2, x_ref = -2: ReLU rises by 2 while its input rises by 4: the slope is 1/2.

Source: Shrikumar et al. 2017, section 3.5.2.
"""
import numpy as np


def rescale(x, x_ref, m):
    """x (N, I), x_ref (N, I), m (N, I): multipliers of ReLU's outputs. Returns those of its inputs, (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, x_ref, m = np.array([[2.0, 3.0]]), np.array([[-2.0, 3.0]]), np.array([[1.0, 1.0]])
    print("expected", [[0.5, 1.0]])
    print("actual  ", rescale(x, x_ref, m))
