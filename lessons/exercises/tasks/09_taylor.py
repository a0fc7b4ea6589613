"""2.2 Simple Taylor decomposition

f is replaced by the plane that touches it at a root point, where f is 0. What each input contributes there is its
slope times its way from the root.

    R_j = df/dx_j (at the root) * (x_j - root_j)

By hand: f(x) = x^2 - 1 has a root at 1, with slope 2. At x = 3 the contribution is 2 (3 - 1) = 4.

Source: Montavon et al. 2018, section 4.2.
"""
import numpy as np


def taylor(gradient, x, root):
    """gradient: a function of x (I,) that returns df/dx (I,); root (I,). Returns R (I,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    def gradient(x):
        return 2 * x

    x, root = np.array([3.0]), np.array([1.0])
    print("expected", [4.0])
    print("actual  ", taylor(gradient, x, root))
