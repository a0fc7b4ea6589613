"""6.2 Find the fault: negative inputs

Only positive contributions count.

    R_j = sum_k (x_j w_jk)+ / (sum_j' (x_j' w_j'k)+ + b_k+) R_k        any x

This function is wrong, as somebody reported of a real library. Find the fault and repair it; what is right is above.

By hand: x = -1, w = -2 make the contribution +2: of R = 3 the input receives all, 3.

Source: Bach et al. 2015, eq. 60. Reported: iNNvestigate, issue 42; Captum, issue 1234.
"""
import numpy as np


def repair_alpha1_beta0(x, W, b, R):
    """x (N, I) of any sign, W (I, O), b (O,), R (N, O). Returns the relevance of x, (N, I)."""
    up = W.clip(0)
    z = x @ up + b.clip(0)
    s = R / np.where(z == 0, 1, z)
    return x * (s @ up.T)


if __name__ == "__main__":                              # the example by hand
    x, W, b, R = np.array([[-1.0]]), np.array([[-2.0]]), np.array([0.0]), np.array([[3.0]])
    print("expected", [[3.0]])
    print("actual  ", repair_alpha1_beta0(x, W, b, R))
