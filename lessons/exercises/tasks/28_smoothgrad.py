"""3.5 SmoothGrad

The gradient is averaged over noisy copies of the image. How large the noise is depends on the image: `level` is a
share of the distance between its smallest and its largest pixel.

    R = (1/S) sum_s gradient(x + sigma e_s)        sigma = level (max x - min x), e_s: row s of noise

By hand: gradient(x) = x^2, x = (0, 1), level = 1, so sigma = 1; noise (1, 0) and (-1, 0): images (1, 1) and (-1, 1),
mean (1, 1).

Source: Smilkov et al. 2017, section 3.1 and figure 3.
"""
import numpy as np


def smoothgrad(gradient, x, noise, level):
    """gradient: a function of x (I,) that returns (I,); noise (S, I): S samples e_s of deviation 1. Returns R
    (I,).
    """
    ...


if __name__ == "__main__":                              # the example by hand
    def gradient(x):
        return x ** 2

    x, noise = np.array([0.0, 1.0]), np.array([[1.0, 0.0], [-1.0, 0.0]])
    print("expected", [1.0, 1.0])
    print("actual  ", smoothgrad(gradient, x, noise, 1.0))
