"""Windows: how many there are, and where the padding goes."""
import numpy as np
import pytest

from minixnn.layers import AvgPool2d, Conv2d, MaxPool2d, SumPool2d


@pytest.mark.parametrize("pixels, window, stride, expected", [
    (28, 3, 1, 28), (28, 2, 2, 14), (7, 2, 2, 4), (5, 3, 2, 3), (5, 4, 1, 5), (1, 5, 1, 1), (2, 5, 3, 1), (7, 1, 3, 3)])
def test_same_padding_gives_the_ceiling_of_pixels_over_stride(pixels, window, stride, expected):
    x = np.ones((1, pixels, pixels, 1))
    for layer in (Conv2d(np.ones((window, window, 1, 1)), stride=stride), AvgPool2d(window, stride, "same"),
                  MaxPool2d(window, stride, "same"), SumPool2d(window, stride, "same")):
        assert layer.forward(x).shape == (1, expected, expected, 1), layer


def test_of_an_odd_padding_the_larger_half_comes_at_the_end():
    x = np.arange(1.0, 5.0).reshape(1, 1, 4, 1)
    y = Conv2d(np.ones((1, 2, 1, 1))).forward(x)
    assert y.ravel().tolist() == [3, 5, 7, 4], "the last window alone holds a padded pixel"
