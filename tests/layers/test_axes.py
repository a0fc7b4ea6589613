"""Axes that are moved, and windows that move into the batch."""
import numpy as np
import pytest

from minixnn import Network, layers, passes
from minixnn.checks import check_network
from tests.helpers import close, draw


def test_windows_move_into_the_batch_and_an_image_keeps_its_rows():
    out, back = layers.Reshape((49, 5), rows=(1, 4)), layers.Reshape((4, 49, 5), rows=(4, 1))
    x = draw(3, 4, 49, 5)
    y = out.forward(x)
    assert y.shape == (12, 49, 5)
    close(y[4:8], out.forward(x[1:2]))
    close(back.forward(y), x)
    close(out.gradient(x, y, y), x)
    close(out.rule(out, x, y, y), x)
    assert type(out)(**out.settings()).rows == (1, 4) and repr(layers.Reshape((3,))) == "Reshape(shape=(3,))"
    with pytest.raises(ValueError, match="expected 980 numbers per input, in 4 rows"):
        back.forward(y[:-1])


def test_a_network_of_windows_as_rows_explains_each_image_by_itself():
    rng = np.random.default_rng(0)
    net = Network([
        layers.Roll((1, 1), (1, 2)), layers.Reshape((2, 2, 2, 2, 6)), layers.Permute((0, 2, 1, 3, 4)),
        layers.Reshape((4, 6), rows=(1, 4)), layers.LayerNorm(), layers.Attention(*rng.normal(size=(4, 6, 6)), heads=2),
        layers.Reshape((2, 2, 2, 2, 6), rows=(4, 1)), layers.Permute((0, 2, 1, 3, 4)), layers.Reshape((4, 4, 6)),
        layers.GlobalAvgPool(), layers.Dense(rng.normal(size=(6, 3)))])
    x = draw(3, 4, 4, 6)
    close(net.predict(x, batch_size=2), net.forward(x))
    close(passes.lrp(net, x)[0][1:2], passes.lrp(net, x[1:2])[0])
    check_network(net, x)
