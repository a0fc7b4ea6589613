"""3.4 Integrated gradients: the quadrature

The gradient is averaged over the straight path from a reference to x. The integral becomes a sum: m pieces, and the
gradient in the *middle* of each.

    R = (x - x_ref) * (1/m) sum_k gradient(x_ref + t_k (x - x_ref))        t_k = (k - 1/2) / m,  k = 1, ..., m

By hand: gradient(x) = 2 x, x = 4, x_ref = 0, m = 2: middles 1 and 3, gradients 2 and 6, mean 4; R = 4 * 4 = 16.

Source: Sundararajan et al. 2017, eq. 1 (their eq. 3 takes the right ends).
"""
import numpy as np


def integrated_gradients(gradient, x, x_ref, steps):
    """gradient: a function of x (I,) that returns (I,); steps: m. Returns R (I,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    def gradient(x):
        return 2 * x

    x, x_ref = np.array([4.0]), np.array([0.0])
    print("expected", [16.0])
    print("actual  ", integrated_gradients(gradient, x, x_ref, 2))
