"""5.2 Is one method better?

Two methods were measured on the same n images. An image that is hard for one is hard for the other, so compare image
by image, and give the error of the mean difference.

    d_i = a_i - b_i        mean = (1/n) sum_i d_i
    error = sqrt( (1/(n - 1)) sum_i (d_i - mean)^2 / n )

By hand: differences 1 and 3: mean 2; squared distances 1 and 1 over n - 1 = 1 make 2; error sqrt(2 / 2) = 1.

Source: Student 1908.
"""
import numpy as np


def paired_difference(a, b):
    """a (n,), b (n,): scores of the same images, n >= 2. Returns the pair (mean, error) of a - b."""
    ...


if __name__ == "__main__":                              # the example by hand
    a, b = np.array([5.0, 4.0]), np.array([4.0, 1.0])
    print("expected", (2.0, 1.0))
    print("actual  ", paired_difference(a, b))
