"""3.5 Find the fault: how much noise?

SmoothGrad's noisy images. The paper calls sigma / (max x - min x) the noise level.

    image n with noise: x_n + sigma_n e_n        sigma_n = level (max x_n - min x_n)

This function is wrong, as somebody reported of a real library. Find the fault and repair it; what is right is above.

By hand: x = (0, 4), level 0.5: sigma = 2; with e = (1, 0) the image is (2, 4).

Source: Smilkov et al. 2017, figure 3. Reported: pytorch-cnn-visualizations, issue 99.
"""
import numpy as np


def repair_noise(x, noise, level):
    """x (N, I), noise (N, I): deviation 1. Returns the noisy images (N, I)."""
    sigma = level / (x.max() - x.min())
    return x + sigma * noise


if __name__ == "__main__":                              # the example by hand
    x, noise = np.array([[0.0, 4.0]]), np.array([[1.0, 0.0]])
    print("expected", [[2.0, 4.0]])
    print("actual  ", repair_noise(x, noise, 0.5))
