"""4.2 Grad-CAM

Without such a head, the weight of a feature map is its gradient, averaged over the map. What speaks against the class
is cut off, at the very end.

    R[i, j] = max(0, sum_k a_k A[i, j, k])        a_k = mean over i, j of dA[i, j, k], for each image

By hand: one map (1, 2) with gradients (2, 4): the weight is 3, the map (3, 6).

Source: Selvaraju et al. 2017, eq. 1 and 2.
"""
import numpy as np


def grad_cam(A, dA):
    """A (N, h, w, K): K feature maps; dA (N, h, w, K): the gradient of the target's output by them. Returns R
    (N, h, w).
    """
    ...


if __name__ == "__main__":                              # the example by hand
    A, dA = np.array([1.0, 2.0]).reshape(1, 1, 2, 1), np.array([2.0, 4.0]).reshape(1, 1, 2, 1)
    print("expected", [[[3.0, 6.0]]])
    print("actual  ", grad_cam(A, dA))
