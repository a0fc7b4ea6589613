"""Sums, largest and smallest numbers, and lengths over axes."""
import numpy as np

from minixnn import layers
from tests.helpers import close, draw


def test_of_equals_the_first_wins():
    x = np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]])
    for join, won in ((layers.Maximum(), [[1, 0]]), (layers.Minimum(), [[1, 1]])):
        assert join.gradient(x, join.forward(x), np.ones((1, 2)))[0].tolist() == won
    for layer in (layers.MaxOver(1), layers.MinOver(1)):
        a = np.array([[2.0, 2.0]])
        assert layer.gradient(a, layer.forward(a), np.ones(1)).tolist() == [[1, 0]]


def test_a_vector_of_zeros_has_no_direction_and_gets_nothing():
    layer, x = layers.Norm(-1), np.zeros((1, 3))
    y = layer.forward(x)
    with np.errstate(all="raise"):
        for found in (layer.gradient(x, y, np.ones(1)), layer.deeplift(x, y, x, y, np.ones(1)),
                      layer.rule(layer, x, y, np.ones(1))):
            assert found.tolist() == [[0, 0, 0]]


def test_the_rule_of_a_length_shares_by_squares():
    layer, x, R = layers.Norm(-1), draw(2, 4), draw(2)
    close(layer.rule(layer, x, layer.forward(x), R), x ** 2 / (x ** 2).sum(axis=1, keepdims=True) * R[:, None])
