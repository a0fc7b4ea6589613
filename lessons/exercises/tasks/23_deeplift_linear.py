"""2.5 DeepLIFT: the linear rule

DeepLIFT explains the difference from a reference. A multiplier says how much of an output's difference an input's
difference makes; a contribution is the one times the other.

    C_j = (sum_k w_jk m_k) (x_j - x_ref_j)        m_k: the multiplier of output k

By hand: w = 2, m = 3, x = 5, x_ref = 4: the multiplier is 6, the contribution 6 (5 - 4) = 6.

Source: Shrikumar et al. 2017, sections 3.3 and 3.5.1.
"""
import numpy as np


def deeplift_linear(x, x_ref, W, m):
    """x (N, I), x_ref (N, I), W (I, O), m (N, O): multipliers of the outputs. Returns contributions (N, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, x_ref, W, m = np.array([[5.0]]), np.array([[4.0]]), np.array([[2.0]]), np.array([[3.0]])
    print("expected", [[6.0]])
    print("actual  ", deeplift_linear(x, x_ref, W, m))
