"""7.4 The rule of a product

Where two signals are multiplied nothing says how much of the product is whose. Treated alike, each receives half.

    R_a = R / 2,  R_b = R / 2        y = a * b, entry by entry

By hand: a = 3, b = 5, R = 4: 2 and 2.

Source: Achtibat et al. 2024, proposition 3.2.
"""
import numpy as np


def product_rule(layer, x, y, R):
    """x: the pair (a, b) of arrays (N, I); y = a * b; R (N, I). Returns the pair R_a, R_b. The layer is not
    needed.
    """
    ...


if __name__ == "__main__":                              # the example by hand
    a, b, R = np.array([[3.0]]), np.array([[5.0]]), np.array([[4.0]])
    print("expected", ([[2.0]], [[2.0]]))
    print("actual  ", product_rule(None, (a, b), a * b, R))
