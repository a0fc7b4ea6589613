"""2.5 Find the fault: right for one image

DeepLIFT's rescale rule.

    m_x = m (y - y_ref) / (x - x_ref)        where x differs from x_ref
    m_x = gradient                           where it does not

This function is wrong, as somebody reported of a real library. Find the fault and repair it; what is right is above.

By hand: two images that do not differ from their references, with gradients 1 and 5: the multipliers are 1 and 5.

Source: Shrikumar et al. 2017, section 3.5.2. Reported, of max pools: Captum, issue 1276.
"""
import numpy as np


def repair_rescale(x, x_ref, y, y_ref, gradient, m):
    """all (N, I): input and reference, the layer's outputs for both, the gradient by x, the multipliers m of y.
    Returns the multipliers of x, (N, I).
    """
    dx = x - x_ref
    return np.where(dx == 0, gradient[0], m * (y - y_ref) / np.where(dx == 0, 1, dx))


if __name__ == "__main__":                              # the example by hand
    x = x_ref = y = y_ref = np.array([[1.0], [1.0]])
    gradient = m = np.array([[1.0], [5.0]])
    print("expected", [[1.0], [5.0]])
    print("actual  ", repair_rescale(x, x_ref, y, y_ref, gradient, m))
