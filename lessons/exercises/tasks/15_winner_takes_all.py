"""2.3 Winner takes all

The rule of a max pool: what the window put out is due to its largest pixel, the first of equal ones.

    the first pixel that is the maximum of its window receives the window's relevance

By hand: the window (1, 3, 3) with R = 5 gives (0, 5, 0).

Source: Montavon et al. 2019, section 10.3.
"""
import numpy as np


def winner_takes_all(x, R):
    """x (N, K, J): K windows of J pixels; R (N, K): relevance of each window. Returns the relevance of the
    pixels, (N, K, J).
    """
    ...


if __name__ == "__main__":                              # the example by hand
    x, R = np.array([[[1.0, 3.0, 3.0]]]), np.array([[5.0]])
    print("expected", [[[0.0, 5.0, 0.0]]])
    print("actual  ", winner_takes_all(x, R))
