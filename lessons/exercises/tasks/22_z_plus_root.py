"""2.4 The root point of z+

If inputs cannot be negative, the root is searched where they stay so: inputs with a positive weight are taken back,
all by the same share.

    x~ = x - t v,  v_j = x_j where w_j > 0, else 0        t = z / (v.w), z = x.w + b, where z > 0
    x~ = x                                                where z <= 0
    x >= 0 and b <= 0, so that x~ >= 0

By hand: x = (2, 1), w = (1, -1), b = 0: z = 1, v = (2, 0), v.w = 2, t = 1/2: x~ = (1, 1), and there z = 1 - 1 = 0.

Source: Montavon et al. 2017, appendix.
"""
import numpy as np


def z_plus_root(x, w, b):
    """x (I,) >= 0, w (I,), b <= 0: a number. Returns x~ (I,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, w = np.array([2.0, 1.0]), np.array([1.0, -1.0])
    print("expected", [1.0, 1.0])
    print("actual  ", z_plus_root(x, w, 0.0))
