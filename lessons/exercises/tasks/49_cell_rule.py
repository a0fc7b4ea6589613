"""7.7 Recurrence: the cell of an LSTM

The new cell is a sum of two products: what the forget gate f leaves of the old cell c, and what the input gate i lets
in of the candidate g. A gate is a constant and the signal takes all, so each product's share of R belongs to its
signal. sgn(0) is +1.

    R_c = f c / (y + epsilon sgn y) R,  R_g = i g / (y + epsilon sgn y) R        y = f c + i g

By hand: f = 0.5, c = 4, i = 1, g = 1, y = 3, epsilon = 1, R = 4: R_c = 2/4 * 4 = 2, R_g = 1/4 * 4 = 1.

Source: Arras et al. 2017.
"""
import numpy as np


def cell_rule(f, c, i, g, R, epsilon):
    """f, c, i, g, R: arrays (N, H), all of one shape. Returns the pair R_c, R_g."""
    ...


if __name__ == "__main__":                              # the example by hand
    f, c, i, g, R = (np.array([[value]]) for value in (0.5, 4.0, 1.0, 1.0, 4.0))
    print("expected", ([[2.0]], [[1.0]]))
    print("actual  ", cell_rule(f, c, i, g, R, 1.0))
