"""2.5 DeepLIFT: RevealCancel

What adds to an input, d+, and what takes from it, d-, may cancel. So each is credited for what it does to f = max(.,
0) by itself, on average over being added first and being added last.

    y+ = ((f(r + d+) - f(r)) + (f(r + d+ + d-) - f(r + d-))) / 2        f = max(., 0), r = x_ref
    y- = ((f(r + d-) - f(r)) + (f(r + d+ + d-) - f(r + d+))) / 2

By hand: r = 0, d+ = 2, d- = -2. Added first d+ makes 2, added last, to -2, it makes 0: y+ = 1. d- makes 0 first, -2
last: y- = -1.

Source: Shrikumar et al. 2017, section 3.5.3.
"""
import numpy as np


def reveal_cancel(x_ref, d_pos, d_neg):
    """three arrays (I,): the reference r, d+ >= 0, d- <= 0. Returns the pair y+ (I,), y- (I,)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x_ref, d_pos, d_neg = np.array([0.0]), np.array([2.0]), np.array([-2.0])
    print("expected", ([1.0], [-1.0]))
    print("actual  ", reveal_cancel(x_ref, d_pos, d_neg))
