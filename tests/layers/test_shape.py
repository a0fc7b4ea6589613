"""Flatten and Dropout, forwards and back."""
import numpy as np

from minixnn.layers import Dropout, Flatten
from tests.helpers import deconvnet, deeplift, gradient, guided_backprop, relevance


def test_flatten_lays_out_rows_then_columns_then_channels_and_back():
    x = np.arange(12.0).reshape(1, 2, 3, 2)
    y = Flatten().forward(x)
    assert y.tolist() == [list(range(12))]
    for backward in (gradient, deconvnet, guided_backprop, relevance):
        assert np.array_equal(backward(Flatten(), x, y), x)
    assert np.array_equal(deeplift(Flatten(), x, 0 * x, y), x)


def test_dropout_does_nothing_when_explaining():
    x = np.ones((2, 3))
    layer = Dropout(0.9)
    assert layer.forward(x) is x
    for backward in (gradient, deconvnet, guided_backprop, relevance):
        assert backward(layer, x, 2 * x).tolist() == (2 * x).tolist()
    assert deeplift(layer, x, 0 * x, 2 * x).tolist() == (2 * x).tolist()


def test_dropout_in_training_drops_its_share_and_scales_the_rest():
    x = np.ones((100, 100), dtype=np.float32)
    layer = Dropout(0.25).training(x, np.random.default_rng(0))
    y = layer.forward(x)
    assert y.dtype == np.float32 and set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02, (y == 0).mean()
    assert np.array_equal(gradient(layer, x, x), y), "the same units are shut on the way back"
