"""6.7 A heatmap for each channel

R_k is the relevance of channel k. Keep that of one channel, let the others be 0, and pass it down by LRP-epsilon: that
is the channel's heatmap. The heatmaps of all channels add up to the whole one.

    R_j^(k) = x_j w_jk / (z_k + epsilon sgn z_k) R_k        z_k = sum_j x_j w_jk + b_k

By hand: x = (1, 2) and two channels, w = (1, 1) and (-1, 1), make z = 3 and 1. With R = (6, 1), epsilon = 0 the first
channel's heatmap is 6/3 * (1, 2) = (2, 4), the second's 1/1 * (-1, 2) = (-1, 2); together they are (1, 6).

Source: Achtibat et al. 2023.
"""
import numpy as np


def channel_maps(x, W, b, R, epsilon):
    """x (N, I), W (I, K), b (K,), R (N, K): relevance of the channels. Returns their heatmaps, (N, K, I)."""
    ...


if __name__ == "__main__":                              # the example by hand
    x, W, b = np.array([[1.0, 2.0]]), np.array([[1.0, -1.0], [1.0, 1.0]]), np.zeros(2)
    print("expected", [[[2.0, 4.0], [-1.0, 2.0]]])
    print("actual  ", channel_maps(x, W, b, np.array([[6.0, 1.0]]), 0.0))
