"""Is VGG-16 what its authors published, are photographs prepared for it, and do starts say what they promise?"""
import numpy as np
import pytest

from minixnn import Dense, Network, attribution, datasets, models, passes
from minixnn.cli.expected import open_model
from minixnn.models import vgg
from minixnn.layers import Conv2d, Flatten, MaxPool2d, ReLU


@pytest.fixture(scope="module")
def net():
    return models.load("vgg16_features")


def test_vgg16_has_thirteen_convolutions_and_five_pools(net):
    assert "vgg16_features" in models.names()
    convolutions = [layer for layer in net.layers if isinstance(layer, Conv2d)]
    assert [conv.W.shape[3] for conv in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert sum(isinstance(layer, MaxPool2d) for layer in net.layers) == 5
    assert sum(isinstance(layer, ReLU) for layer in net.layers) == 13 and len(net.layers) == 31
    count = sum(a.size for layer in net.layers for a in layer.arrays().values())
    assert count == 14_714_688                              # as published for the network without its classifier
    assert {a.dtype for layer in net.layers for a in layer.arrays().values()} == {np.dtype("float32")}


def test_layers_are_found_by_their_names(net):
    names = {"conv1_1": (Conv2d, (3, 64)), "conv3_3": (Conv2d, (256, 256)), "conv5_3": (Conv2d, (512, 512))}
    for name, (kind, channels) in names.items():
        layer = net.layers[vgg.layer_index(name)]
        assert isinstance(layer, kind) and layer.W.shape[2:] == channels
    assert vgg.layer_index("conv1_1") == 0 and vgg.layer_index("relu5_3") == 29 and vgg.layer_index("pool5") == 30
    assert all(isinstance(net.layers[vgg.layer_index(f"pool{block}")], MaxPool2d) for block in range(1, 6))
    with pytest.raises(ValueError, match="got layer 'pool6', expected one of conv1_1, relu1_1, conv1_2"):
        vgg.layer_index("pool6")


def test_vgg16_tells_photographs_apart_and_knows_a_mirrored_one(net):
    """Features averaged over the image: a photograph is nearer to its mirror image than to any other photograph."""
    photos = [datasets.photo(name, 96) for name in ("chelsea", "coffee", "astronaut", "rocket")]
    x = models.vgg_input(np.stack(photos + [photo[:, ::-1] for photo in photos]))
    features = net.predict(x).mean(axis=(1, 2))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert np.array_equal((features[:4] @ features[4:].T).argmax(axis=1), range(4))


def test_colours_in_the_wrong_order_are_another_picture(net):
    """The first layer has learnt colours: blue first is what it expects, and not the same as red first."""
    photo = datasets.photo("coffee", 32)
    assert not np.allclose(net.layers[0].forward(models.vgg_input(photo)),
                           net.layers[0].forward(models.vgg_input(photo[..., ::-1])), atol=1)


def test_outside_of_a_checkout_the_way_to_the_weights_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(vgg, "WEIGHTS", tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="come with the repository.*clone"):
        models.load("vgg16_features")


def test_vgg_input_by_hand(xp):
    photo = xp.asarray(np.array([[[1.0, 0.5, 0.0]]]))       # orange: red 1, green 0.5, blue 0
    x = models.vgg_input(photo)
    assert x.shape == (1, 1, 1, 3) and x.dtype == np.float32 and type(x) is type(photo)
    expected = [0 - 103.939, 127.5 - 116.779, 255 - 123.68]
    assert [float(v) for v in x[0, 0, 0]] == pytest.approx(expected, abs=1e-4)
    assert models.vgg_input(xp.stack([photo, photo])).shape == (2, 1, 1, 3)


def test_prepared_pixels_lie_between_the_bounds_and_reach_them():
    x = models.vgg_input(np.stack([np.zeros((2, 2, 3)), np.ones((2, 2, 3))]))
    assert (vgg.LOW <= x).all() and (x <= vgg.HIGH).all()
    assert np.array_equal(x[0, 0, 0], vgg.LOW) and np.array_equal(x[1, 0, 0], vgg.HIGH)


@pytest.mark.parametrize("photo, words", [
    (np.zeros((4, 4, 3), "uint8"), "type uint8, expected colour pictures"),
    (np.zeros((4, 4, 1)), r"shape \(4, 4, 1\)"), (np.zeros((4, 3)), r"shape \(4, 3\)"),
    (np.full((4, 4, 3), 255.0), "got pixels from 255.0 to 255.0, expected 0 to 1; divide by 255"),
    (np.full((4, 4, 3), -0.1), "expected 0 to 1"), (np.full((4, 4, 3), np.nan), "expected 0 to 1")])
def test_what_is_no_photograph_is_refused(photo, words):
    with pytest.raises(ValueError, match=words):
        models.vgg_input(photo)


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


def test_a_gradient_from_similarity_is_the_derivative_of_the_scalar_product():
    rng = np.random.default_rng(1)
    net = Network([Flatten(), Dense(rng.normal(size=(6, 5))), ReLU()])
    x, other, v, e = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3)), 1e-6
    m = net.forward(other) / np.linalg.norm(net.forward(other))
    g = passes.gradient(net, x, start=attribution.similarity(net, x, other, relevance=False))[0]
    slope = ((net.forward(x + e * v) - net.forward(x - e * v)) * m).sum() / (2 * e)
    assert (g * v).sum() == pytest.approx(slope, rel=1e-6)


def test_vgg_for_pixels_is_vgg_on_prepared_pixels():
    """The command line explains photographs by it: pixels in [0, 1], red first."""
    photo = np.random.default_rng(0).random((1, 32, 40, 3), dtype=np.float32)
    found, expected = vgg.for_pixels().forward(photo), models.load("vgg16_features").forward(models.vgg_input(photo))
    assert abs(found - expected).max() < 1e-4 * abs(expected).max()
    assert repr(open_model("vgg16_features").layers[0]).startswith("Prepare")
