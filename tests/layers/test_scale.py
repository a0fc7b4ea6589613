"""Constants that are added or multiplied, and the rules of both."""
import numpy as np

from minixnn import layers
from tests.helpers import close, draw


def test_a_constant_that_is_added_absorbs_its_share():
    layer, x, R = layers.Shift(draw(3)), draw(2, 3), draw(2, 3)
    y = layer.forward(x)
    expected = [[x[n, c] / (y[n, c] + (1e-6 if y[n, c] >= 0 else -1e-6)) * R[n, c] for c in range(3)] for n in range(2)]
    close(layer.rule(layer, x, y, R), expected)


def test_a_constant_that_multiplies_passes_all_but_what_it_hides():
    layer, x, R = layers.Scale(np.array([2.0, 0.0, -1.0])), draw(2, 3), draw(2, 3)
    close(layer.rule(layer, x, layer.forward(x), R), R * [1, 0, 1])
    layer, x, R = layers.Scale(np.ones((4, 3))), draw(2, 1, 3), draw(2, 4, 3)
    close(layer.rule(layer, x, layer.forward(x), R), R.sum(axis=1, keepdims=True))
