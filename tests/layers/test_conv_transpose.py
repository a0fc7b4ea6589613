"""Transposed convolutions of single pixels."""
import numpy as np
import pytest

from minixnn.layers import ConvTranspose2d


@pytest.mark.parametrize("groups", [1, 3])
def test_a_transposed_1x1_convolution_may_have_a_row_more(groups):
    W, x = np.arange(1.0, 10).reshape(1, 1, 3, 3)[..., :3 // groups], np.arange(12.0).reshape(1, 2, 2, 3)
    layer = ConvTranspose2d(W, output_padding=1, groups=groups)
    y = layer.forward(x)
    assert y.shape == (1, 3, 3, 3) and not y[:, 2].any() and not y[:, :, 2].any()
    np.testing.assert_array_equal(y[:, :2, :2], x @ W[0, 0] if groups == 1 else x * W[0, 0, :, 0])
    assert (y * y).sum() == (x * layer.gradient(x, y, y)).sum()
