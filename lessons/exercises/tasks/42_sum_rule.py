"""7.2 The rule of a sum

Where two branches of a network are added, each receives in proportion to what it brought. sgn(0) is +1.

    R_a = a / (y + epsilon sgn y) R,  R_b = b / (y + epsilon sgn y) R        y = a + b

By hand: a = 2, b = 1, epsilon = 1, R = 4: the denominator is 4, so R_a = 2, R_b = 1.

Source: Bach et al. 2015, eq. 58, for weights of 1.
"""
import numpy as np


def sum_rule(layer, x, y, R, epsilon):
    """x: the pair (a, b) of arrays (N, I); y = a + b; R (N, I). Returns the pair R_a, R_b. The layer is not
    needed.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    a, b, R = np.array([[2.0]]), np.array([[1.0]]), np.array([[4.0]])
    print("expected", ([[2.0]], [[1.0]]))
    print("actual  ", sum_rule(None, (a, b), a + b, R, 1.0))
