"""4.1 Class activation maps

A network that ends in global average pooling and one dense layer scores a class by a weighted sum of feature maps.
Before it is averaged that sum is a map.

    R[n, i, j] = sum_k w[k, t_n] A[n, i, j, k]        t_n: the target of image n

By hand: two feature maps with the values 1 and 2 at a pixel, weights 3 and -1 to the target: 3 - 2 = 1.

Source: Zhou et al. 2016, eq. 2.
"""
import numpy as np


def cam(A, W, target):
    """A (N, h, w, K): K feature maps; W (K, classes); target (N,): whole numbers. Returns the maps R (N, h, w)."""
    ...


if __name__ == "__main__":                              # the example by hand
    A, W, target = np.array([1.0, 2.0]).reshape(1, 1, 1, 2), np.array([[3.0], [-1.0]]), np.array([0])
    print("expected", [[[1.0]]])
    print("actual  ", cam(A, W, target))
