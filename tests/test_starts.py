"""Are photographs prepared as VGG's weights of Keras expect them, and do starts say what they promise?"""
import numpy as np
import pytest

from minixnn import Dense, Network, attribution, passes
from minixnn.interop import vgg_input
from minixnn.interop.keras_names import MEANS
from minixnn.layers import Conv2d, Flatten, ReLU


def test_vgg_input_by_hand(xp):
    photo = xp.asarray(np.array([[[1.0, 0.5, 0.0]]]))       # orange: red 1, green 0.5, blue 0
    x = vgg_input(photo)
    assert x.shape == (1, 1, 1, 3) and x.dtype == np.float32 and type(x) is type(photo)
    expected = [0 - 103.939, 127.5 - 116.779, 255 - 123.68]
    assert [float(v) for v in x[0, 0, 0]] == pytest.approx(expected, abs=1e-4)
    assert vgg_input(xp.stack([photo, photo])).shape == (2, 1, 1, 3)


def test_prepared_pixels_lie_between_the_bounds_and_reach_them():
    x = vgg_input(np.stack([np.zeros((2, 2, 3)), np.ones((2, 2, 3))]))
    assert (-MEANS <= x).all() and (x <= 255 - MEANS).all()
    assert np.array_equal(x[0, 0, 0], -MEANS) and np.array_equal(x[1, 0, 0], 255 - MEANS)


@pytest.mark.parametrize("photo, words", [
    (np.zeros((4, 4, 3), "uint8"), "type uint8, expected colour pictures"),
    (np.zeros((4, 4, 1)), r"shape \(4, 4, 1\)"), (np.zeros((4, 3)), r"shape \(4, 3\)"),
    (np.full((4, 4, 3), 255.0), "got pixels from 255.0 to 255.0, expected 0 to 1; divide by 255"),
    (np.full((4, 4, 3), -0.1), "expected 0 to 1"), (np.full((4, 4, 3), np.nan), "expected 0 to 1")])
def test_what_is_no_photograph_is_refused(photo, words):
    with pytest.raises(ValueError, match=words):
        vgg_input(photo)


# --- similarity, a start that joins two images -----------------------------------------------------------------------

def test_similarity_by_hand():
    """Features (1, 2) and (3, 4): products 3 and 8, over the length 5 of the other."""
    net = Network([Dense(np.eye(2)), ReLU()])
    start = attribution.similarity(net, np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    assert np.allclose(start, [[3 / 5, 8 / 5]])
    assert np.allclose(attribution.similarity(net, np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), relevance=False),
                       [[3 / 5, 4 / 5]])
    assert np.array_equal(attribution.similarity(net, np.array([[1.0, 2.0]]), np.array([[-3.0, -4.0]])), [[0, 0]])


def test_similarity_of_maps_does_not_ask_where(xp):
    rng = np.random.default_rng(0)
    net = Network([Conv2d(rng.normal(size=(1, 1, 2, 4))), ReLU()]).on(xp)
    x, other = (xp.asarray(rng.normal(size=(3, 5, 4, 2))) for _ in range(2))
    start = attribution.similarity(net, x, other)
    moved = attribution.similarity(net, x, other[:, ::-1, ::-1])
    assert type(start) is type(x) and start.shape == (3, 5, 4, 4) and abs(start - moved).max() < 1e-12
    y, m = net.forward(x), net.forward(other).mean(axis=(1, 2))
    for n in range(3):
        expected = (y[n].sum(axis=(0, 1)) * m[n]).sum() / (m[n] ** 2).sum() ** 0.5
        assert float(start[n].sum()) == pytest.approx(float(expected))
    assert attribution.similarity(net, x, other[:1]).shape == start.shape        # one image to compare all with


def test_a_start_from_similarity_is_that_of_the_scalar_product():
    rng = np.random.default_rng(1)
    net = Network([Flatten(), Dense(rng.normal(size=(6, 5))), ReLU()])
    x, other, v, e = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3)), 1e-6
    m = net.forward(other) / np.linalg.norm(net.forward(other))
    g = passes.gradient(net, x, start=attribution.similarity(net, x, other, relevance=False))[0]
    slope = ((net.forward(x + e * v) - net.forward(x - e * v)) * m).sum() / (2 * e)
    assert (g * v).sum() == pytest.approx(slope, rel=1e-6)
