"""Activations: what a ReLU sends back under each method."""
import numpy as np

from minixnn.layers import ReLU
from tests.helpers import deconvnet, gradient, guided_backprop, relevance


def test_relu_sends_back_what_each_method_asks():
    """All four cases of the signs of input and signal in one square."""
    x, signal = np.array([[-2.0, 2], [2, -2]]), np.array([[-1.0, -1], [1, 1]])
    assert ReLU().forward(x).tolist() == [[0, 2], [2, 0]]
    assert gradient(ReLU(), x, signal).tolist() == [[0, -1], [1, 0]]
    assert deconvnet(ReLU(), x, signal).tolist() == [[0, 0], [1, 1]]
    assert guided_backprop(ReLU(), x, signal).tolist() == [[0, 0], [1, 0]]
    assert relevance(ReLU(), x, signal).tolist() == signal.tolist()
    assert gradient(ReLU(), np.zeros((1, 1)), np.ones((1, 1))).item() == 0, "the derivative at 0 is 0"
