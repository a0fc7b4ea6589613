"""Does the shipped classifier of photographs say what torch says, and do heatmaps lie on the picture?"""
import pathlib

import numpy as np
import pytest

from minixnn import attribution, ledger, models, passes
from minixnn.layers import BatchNorm2d, Conv2d, Prepare
from minixnn.models import efficientnet
from minixnn.rules import composites

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
PHOTOS = pathlib.Path(__file__).parents[2] / "lessons" / "data" / "photos"
# class, probability and logit by torch in float32 on the same kernels, as recorded with the weights
EXPECTED = {"chelsea": [("Egyptian cat", 285, .398, 9.072), ("tiger cat", 282, .311, 8.825),
                        ("tabby", 281, .171, 8.227)],
            "coffee": [("espresso", 967, .941, 11.014), ("cup", 968, .017, 6.998)],
            "rocket": [("drilling platform", 540, .190, 6.455), ("missile", 657, .174, 6.368)],
            "astronaut": [("bobsled", 450, .219, 6.908), ("football helmet", 560, .170, 6.658)]}


@pytest.fixture(scope="module")
def net():
    return models.load("efficientnet_lite0")


def photo(name):
    picture = Image.open(PHOTOS / f"{name}.jpg").resize((224, 224), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32)[None] / 255


@pytest.mark.parametrize("name", EXPECTED)
def test_photographs_get_the_recorded_classes_and_logits(net, name):
    x = photo(name)
    y, p = net.forward(x)[0], net.probabilities(x)[0]
    for place, (label, k, probability, logit) in zip(y.argsort()[::-1], EXPECTED[name]):
        assert (place, net.card.label(k)) == (k, label)
        assert y[k] == pytest.approx(logit, abs=2e-3) and p[k] == pytest.approx(probability, abs=2e-3)


def test_merging_batch_normalisation_changes_no_output(net):
    x = photo("chelsea")
    apart = efficientnet.load(folded=False)
    assert not any(isinstance(layer, BatchNorm2d) for layer in net.layers)
    assert sum(isinstance(layer, BatchNorm2d) for layer in apart.layers) == 49
    assert abs(net.forward(x) - apart.forward(x)).max() < 1e-4


def test_heatmaps_lie_on_the_picture_and_the_ledger_adds_up(net):
    x = photo("chelsea")
    assert isinstance(net.layers[0], Prepare)
    R = passes.lrp(net, x, 285, composites.epsilon_plus_flat)
    assert R[0].shape == x.shape and np.array_equal(R[0], R[1]), "relevance passes the preparation unchanged"
    book = ledger.ledger(net, x, 285, composites.epsilon_plus_flat, quiet=True)
    assert book.largest_residual < 1e-5
    assert 0 < book.total.relevance_in < 0.2 < 8 < book.total.absorbed_by_bias, "biases keep nearly all of it"


def test_convolutions_with_signed_inputs_get_the_signed_rule(net):
    signed = [rule.func.__name__ for layer, rule in weighted(net.layers, composites.epsilon_gamma_box(net))]
    assert signed.count("z_box") == 1 and signed.count("gamma_signed") == 32, signed        # and 16 plain
    R = attribution.METHODS["lrp_epsilon_gamma_box"](net, photo("coffee"), 967)
    assert 0.01 < abs(R).sum() < 11, "where plain gamma meets a negative output relevance grows without bound"


def weighted(layers, rules):
    """(convolution, its rule), those in blocks too."""
    for layer, rule in zip(layers, rules):
        if isinstance(layer, Conv2d):
            yield layer, rule
        for chain, inside in zip(getattr(layer, "chains", ()), getattr(rule, "keywords", {}).get("rules", ())):
            yield from weighted(chain.layers, inside)
