"""Does the picture of a photograph show what the network can be asked, whatever outputs the network has?"""
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from minixnn import Conv2d, Dense, Network, ReLU, attribution, datasets
from minixnn.cli import drawing, main
from minixnn.cli.expected import of_photographs, usual_method
from minixnn.layers import Attention, Flatten, GlobalAvgPool, Residual, Tokens
from minixnn.metrics import randomized
from minixnn.rules import composites

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(7)
X = datasets.photo("chelsea", 64)


def photo_net(outputs, **card):
    """A network for photographs of 64 x 64 pixels; what it says means nothing."""
    layers = [Conv2d(RNG.normal(size=(5, 5, 3, 6)).astype("f4"), stride=3), ReLU(),
              Conv2d(RNG.normal(size=(3, 3, 6, 8)).astype("f4") / 8, stride=2), ReLU(), GlobalAvgPool(),
              Dense(RNG.normal(size=(8, outputs)).astype("f4"))]
    return Network(layers).with_card(input_shape=(64, 64, 3), pixels=1, **card)


@pytest.fixture
def drawn(tmp_path, monkeypatch, capsys):
    """(words that were told, titles of the panels, maps, captions, limit, found) of a call."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.uint8(255 * X + 0.5)).save("cat.png")
    seen = []
    whole = drawing.overlays
    monkeypatch.setattr(drawing, "overlays", lambda *given: seen.append(given) or whole(*given))

    def of(net, *words):
        net.save("net.npz")
        status = main(["explain", "cat.png", "--model", "net.npz", "-o", "out", *words])
        said = "".join(capsys.readouterr())
        assert status == 0, said
        _, maps, captions, limit, box = seen.pop()
        found = json.loads(pathlib.Path("out/cat_relevance.json").read_text())["found"]
        return said, [title for title, _ in maps], [R for _, R in maps], captions, limit, found
    return of


def test_a_single_logit_has_a_panel_for_it_and_one_against_it(drawn):
    net = photo_net(1, head="Sigmoid", labels=["no", "yes"])
    said, titles, (above, below), captions, limit, found = drawn(net, "--target", "yes")
    assert titles == ["What speaks for yes", "What speaks against it, for no"]
    R = np.load("out/cat_relevance.npy")
    assert np.allclose(above + below, R.sum(axis=-1, keepdims=True)) and above.min() >= 0 >= below.max()
    assert limit and above.max() > 0 > below.min(), "both have one scale"
    x = np.asarray(Image.open("cat.png"), np.float32)[None] / 255
    other = randomized(net, np.random.default_rng(0))
    other = attribution.lrp(other, x, 0, composites.by_depth)[0].sum(axis=-1).ravel()
    mine = R.sum(axis=-1).ravel()
    share = abs(mine @ other) / np.linalg.norm(mine) / np.linalg.norm(other)
    assert found["control"] == {"shuffled weights": pytest.approx(share, abs=2e-3)}
    assert any("shuffled weights" in line for line in captions)
    _, titles, (no, _), *_ = drawn(net, "--target", "no")
    assert titles == ["What speaks for no", "What speaks against it, for yes"]
    assert abs(no + below).max() <= 1e-3 * abs(below).max(), "what speaks for no is what speaks against yes"


def test_versus_has_a_panel_for_the_class_and_one_for_the_comparison(drawn):
    net = photo_net(9, labels=[f"kind {k}" for k in range(9)])
    said, titles, (alone, rather), captions, limit, found = drawn(net, "--target", "kind 2", "--versus", "kind 5")
    assert titles == ["What speaks for kind 2", "What speaks for it rather than for kind 5"]
    x = np.asarray(Image.open("cat.png"), np.float32)[None] / 255
    right = attribution.lrp(net, x, 2, composites.by_depth)[0]
    assert np.allclose(alone, right, atol=1e-3 * abs(right).max())
    assert np.allclose(rather, np.load("out/cat_relevance.npy")) and len(found["control"]["alike"]) == 6


@pytest.mark.parametrize("outputs, words", [(2, "the other class"), (4, "three other classes")])
def test_few_classes_have_controls_too(drawn, outputs, words):
    said, titles, _, captions, _, found = drawn(photo_net(outputs))
    assert len(titles) == 2 and len(found["control"]["alike"]) == outputs - 1
    assert words in captions[1]


def test_a_box_is_drawn_around_what_is_explained(tmp_path, monkeypatch):
    panel = drawing.boxed(np.zeros((448, 448, 3), np.uint8), (16, 8, 32, 24), (64, 64))
    frame = (panel == drawing.BOX).all(axis=-1)
    rows, columns = np.nonzero(frame)
    assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (112, 56, 224, 168)
    assert not frame[120:216, 64:160].any() and frame[112].sum() == 112


def test_the_usual_method_follows_what_the_network_is():
    attention = Attention(*RNG.normal(size=(4, 6, 6)), heads=2)
    vit = Network([Conv2d(RNG.normal(size=(8, 8, 3, 6)), stride=8), Tokens(), Residual([attention]), Flatten(),
                   Dense(RNG.normal(size=(384, 3)))])
    for net, expected in ((photo_net(3), "lrp_by_depth"), (vit, "attn_lrp"),
                          (photo_net(3).with_card(input_shape=(32, 32, 3)), "lrp_epsilon_plus")):
        assert usual_method(net) == expected
    assert of_photographs(photo_net(3)) and not of_photographs(Network(photo_net(3).layers)), "nobody guesses a size"
