"""Does `minixnn step` write a page to step through, of the input, network, target and method that are asked for?"""
import json
import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from minixnn import Dense, Network, attribution, datasets, models, passes
from minixnn.cli import main
from minixnn.cli.step import walkable
from minixnn.rules import composites, lrp


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    path = tmp_path_factory.mktemp("step") / "five.png"
    Image.fromarray((255 * datasets.mnist("test")[0][8, ..., 0]).astype(np.uint8)).save(path)
    return path


def read(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.S)[1])


def sum_at_input(data, name):
    """The sum of what the pass returned beside the input."""
    returned = data["values"][data["walks"][name][-1]["r"]]
    return data["values"][returned["list"][0]]["sum"]


def test_a_page_holds_the_walk_that_was_asked_for(five, tmp_path, capsys):
    page = tmp_path / "walk.html"
    assert main(["step", str(five), "--model", "cnn", "--target", "3", "--method", "lrp_epsilon", "--set",
                 "epsilon=0.3", "-o", str(page)]) == 0
    assert f"{page}: open it in a browser" in capsys.readouterr().out
    data, x = read(page), np.asarray(Image.open(five), np.float32)[None, ..., None] / np.float32(255)
    name, = data["walks"]
    assert data["title"] == "LRP-epsilon of five.png, step by step: 3" and "epsilon=0.3" in name
    R = passes.lrp(models.load("cnn"), x, 3, partial(lrp.epsilon, epsilon=0.3))
    assert np.isclose(sum_at_input(data, name), R[0].sum(dtype=float), rtol=1e-5)
    assert {source["name"] for source in data["sources"]} >= {"lrp", "epsilon", "winner_takes_all"}


def test_several_methods_of_relevance_are_switched_among_on_the_page(five, tmp_path):
    page = tmp_path / "walk.html"
    assert main(["step", str(five), "--model", "cnn", "--method", "lrp_0", "--method", "lrp_gamma", "--set", "gamma=1",
                 "-o", str(page)]) == 0
    names = list(read(page)["walks"])
    assert len(names) == 2 and names[0] == "LRP-0" and names[1].startswith("LRP-gamma (gamma=1")


@pytest.mark.parametrize("method", walkable())
def test_every_method_with_a_pass_can_be_walked_through(method, tmp_path):
    net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]]))]).with_card(labels=["no", "yes"])
    net.save(tmp_path / "net.npz")
    (tmp_path / "table.csv").write_text("a,b\n0.5,1\n")
    page = tmp_path / "walk.html"
    assert main(["step", str(tmp_path / "table.csv"), "--model", str(tmp_path / "net.npz"), "--method", method,
                 "--target", "yes", "--versus", "no", "-o", str(page)]) == 0
    data, x = read(page), np.array([[0.5, 1.0]])
    if method not in ("sensitivity", "saliency", "gradient_times_input"):       # whose last line is not the pass's
        start = np.array([[-1.0, 1.0]])
        start = start * net.forward(x) if "lrp" in method or method == "deep_taylor" else start
        R = attribution.METHODS[method](net, x, start=start)
        assert np.isclose(sum_at_input(data, next(iter(data["walks"]))), R.sum(), rtol=1e-5)


@pytest.mark.parametrize("words, method", [
    ([], partial(passes.lrp, rules=composites.attn_lrp)),
    (["--method", "cp_lrp", "--set", "epsilon=0.01"],
     partial(passes.lrp, rules=partial(composites.cp_lrp, epsilon=0.01))),
    (["--method", "gradient_times_input"], passes.gradient), (["--method", "guided_backprop"], passes.guided_backprop)])
@pytest.mark.parametrize("layer", [None, 9])
def test_a_transformer_is_walked_through_as_it_is_explained(five, tmp_path, words, method, layer):
    """Whatever pass it is, and whichever layer is stepped into, the walk ends with what the pass returns."""
    page, more = tmp_path / "walk.html", [] if layer is None else ["--layer", str(layer)]
    assert main(["step", str(five), "--model", "vit", *words, *more, "-o", str(page)]) == 0
    data, x = read(page), np.asarray(Image.open(five), np.float32)[None, ..., None] / np.float32(255)
    name, = data["walks"]
    assert np.isclose(sum_at_input(data, name), method(models.load("vit"), x)[0].sum(dtype=float), rtol=1e-3)
    if layer is not None:
        assert {event["l"] for event in data["walks"][name] if event["d"]} == {layer}


def test_a_single_logit_is_walked_through_for_either_class(tmp_path):
    net = Network([Dense(np.array([[1.0], [-3.0]]))]).with_card(labels=["no", "yes"], head="Sigmoid")
    net.save(tmp_path / "net.npz")
    (tmp_path / "table.csv").write_text("a,b\n0.5,1\n")
    page = tmp_path / "walk.html"
    for target, total in (("yes", -2.5), ("no", 2.5)):
        assert main(["step", str(tmp_path / "table.csv"), "--model", str(tmp_path / "net.npz"), "--method", "lrp_0",
                     "--target", target, "-o", str(page)]) == 0
        data = read(page)
        assert np.isclose(sum_at_input(data, "LRP-0"), total) and data["title"].endswith(f": {target}")


def test_a_rule_with_a_knob_is_walked_through_with_it(tmp_path):
    """Bounds, shares and gammas reach the pass, and are told on the page."""
    x = np.random.default_rng(0).random((28, 28, 1)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    page, net = tmp_path / "walk.html", models.load("cnn")
    for name, settings, R in (
            ("lrp_by_depth", {"share": 0.5, "gamma": 1.0}, partial(composites.by_depth, share=0.5, gamma=1.0)),
            ("lrp_epsilon_gamma_box", {"low": -1.0, "high": 2.0},
             partial(composites.epsilon_gamma_box, low=-1, high=2)),
            ("lrp_alpha2_beta1", {"alpha": 3.0, "beta": 2.0}, partial(lrp.alpha_beta, alpha=3, beta=2))):
        given = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        assert main(["step", str(tmp_path / "x.npy"), "--model", "cnn", "--method", name, *given, "--versus", "1",
                     "--target", "8", "-o", str(page)]) == 0
        y = net.forward(x[None])
        start = np.zeros_like(y)
        start[0, 8], start[0, 1] = y[0, 8], -y[0, 1]
        shown, = (data := read(page))["walks"]
        assert all(f"{key}={value}" in shown for key, value in settings.items()), shown
        assert np.isclose(sum_at_input(data, shown), passes.lrp(net, x[None], rules=R, start=start)[0].sum(dtype=float),
                          rtol=1e-3, atol=1e-4)


def test_one_layer_alone_is_stepped_into(five, tmp_path):
    page = tmp_path / "walk.html"
    assert main(["step", str(five), "--model", "cnn", "--method", "lrp_epsilon", "--layer", "2", "-o", str(page)]) == 0
    events, = read(page)["walks"].values()
    assert {event["l"] for event in events if event["d"]} == {2}


@pytest.mark.parametrize("words, what", [
    (["--method", "smoothgrad"], "a walk is through one pass, so expected one of gradient,"),
    (["--method", "guess"], "got --method guess, expected one of gradient"),
    (["--method", "lrp_0", "--method", "gradient"], "expected methods of relevance alone"),
    (["--layer", "99"], "got --layer 99, expected the number of a layer, from 0 to 14"),
    (["--layer", "first"], "got first, expected the number of a layer"),
    (["--target", "12"], "expected a class from 0 to 9"),
    (["--set", "warp=9"], "has no option 'warp'"),
    (["--method", "lrp_epsilon", "--method", "lrp_gamma", "--set", "gama=1"], "has no option 'gama'"),
    (["--method", "score_cam"], "made of many runs or of other steps"),
    (["--method", "lrp_epsilom"], "did you mean lrp_epsilon"),
    (["--place", "2"], "no sequence that has places"), (["--vocabulary", "v.txt"], "takes no tokens"),
])
def test_a_wrong_call_is_answered_by_a_sentence(five, tmp_path, capsys, words, what):
    assert main(["step", str(five), "--model", "cnn", *words, "-o", str(tmp_path / "walk.html")]) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "walk.html").exists()


def test_a_walk_is_through_one_input(five, tmp_path, capsys):
    Image.open(five).save(tmp_path / "a.png")
    Image.open(five).save(tmp_path / "b.png")
    assert main(["step", str(tmp_path), "--model", "cnn", "-o", str(tmp_path / "walk.html")]) == 2
    assert "got 2 files, expected one" in capsys.readouterr().err
    np.save(tmp_path / "some.npy", np.zeros((3, 28, 28, 1), np.float32))
    assert main(["step", str(tmp_path / "some.npy"), "--model", "cnn", "-o", str(tmp_path / "walk.html")]) == 0
    assert "the first of 3" in capsys.readouterr().out


def test_a_file_that_is_no_picture_is_named(tmp_path, capsys):
    (tmp_path / "no.png").write_text("no picture")
    assert main(["step", str(tmp_path / "no.png"), "--model", "cnn", "-o", str(tmp_path / "walk.html")]) == 2
    assert "no.png left out" in capsys.readouterr().err


def test_numbers_without_end_are_drawn_as_zero(tmp_path):
    """The border of a max pool is minus infinity."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((28, 28, 1)).astype("f4"))
    page = tmp_path / "walk.html"
    assert main(["step", str(tmp_path / "x.npy"), "--model", "cnn", "--method", "gradient", "-o", str(page)]) == 0
    data = read(page)
    assert any(value.get("min") == "-inf" and "grid" in value for value in data["values"] if isinstance(value, dict))
