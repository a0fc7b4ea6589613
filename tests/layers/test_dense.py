"""Does a dense layer multiply the last axis, whatever stands before it?"""
import numpy as np
import pytest

from minixnn.layers import Dense
from minixnn.layers.dense import as_rows


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 5), (2, 3, 4, 5), (2, 3, 1, 4, 5), (0, 3, 4, 5), (2, 0, 4, 5)])
@pytest.mark.parametrize("turned", [False, True])
def test_every_row_of_pixels_is_multiplied_as_by_itself(shape, turned, xp):
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=shape), rng.normal(size=(5, 6)), rng.normal(size=6)
    if turned:                                              # an image whose channels do not lie together
        x = np.ascontiguousarray(x.T).T
    expected = np.zeros((*shape[:-1], 6))
    for place in np.ndindex(*shape[:-1]):
        expected[place] = x[place] @ W
    layer, there = Dense(W, b).map_arrays(xp.asarray), xp.asarray(x)
    y = layer.forward(there)
    dx = layer.gradient(there, y, y)
    found = as_rows(there, layer.W)
    if xp is not np:
        y, dx, found = y.get(), dx.get(), found.get()
    np.testing.assert_allclose(found, expected, 1e-12, 1e-12)
    np.testing.assert_allclose(y, expected + b, 1e-12, 1e-12)
    assert dx.shape == shape
    for place in np.ndindex(*shape[:-1]):
        np.testing.assert_allclose(dx[place], W @ y[place], 1e-12, 1e-12)
