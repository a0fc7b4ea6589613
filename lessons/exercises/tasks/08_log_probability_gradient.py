"""1.1 Which way is uphill?

The search for the likeliest image of class t climbs log p_t. Its way starts at the outputs. They may be large:
exp(1000) is no number.

    d log p_t / dy_k = [k = t] - p_k        p_k = exp(y_k) / sum_k' exp(y_k')

By hand: two outputs that are equal have probability 1/2 each; for target 0 the gradient is (1/2, -1/2).

Source: Montavon et al. 2018, section 3.
"""
import numpy as np


def log_probability_gradient(y, target):
    """y (N, classes): outputs; target (N,): whole numbers. Returns d log p_t / dy, (N, classes)."""
    ...


if __name__ == "__main__":                              # the example by hand
    y, target = np.array([[3.0, 3.0]]), np.array([0])
    print("expected", [[0.5, -0.5]])
    print("actual  ", log_probability_gradient(y, target))
