"""Does a recorded walk hold the lines that ran and the numbers that were there?"""
import json
import re
import sys
from functools import partial

import numpy as np
import pytest

from minixnn import Dense, Network, ReLU, models, passes, plot
from minixnn.layers import Add, Attention, Conv2d, Flatten, MaxPool2d, Residual
from minixnn.plot.steps import METHODS
from minixnn.rules import composites, lrp
from tests.helpers import traced

NET = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([0.5, -0.5])), ReLU(),
               Dense(np.array([[2.0], [1.0]]), np.array([1.0]))])
X = np.array([[1.0, 2.0]])


def read(page):
    """What the page holds."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def value(data, n):
    found = data["values"][n]
    if "numbers" in found:
        return np.array(found["numbers"]).reshape(found["shape"])
    return [value(data, each) for each in found["list"]] if "list" in found else found


def walked(debugged, *arguments, **named):
    """(function, line, {name: value}) at every line of the pass and of the rules that a debugger would stop at."""
    found = []

    def trace(frame, event, result):
        if frame.f_code is debugged.__code__ or frame.f_code is lrp.epsilon.__code__:
            if event == "line":
                found.append((frame.f_code.co_name, frame.f_lineno, dict(frame.f_locals)))
            return trace
        return None
    traced(partial(debugged, *arguments, **named), trace)
    return found


def test_the_page_holds_every_line_that_a_debugger_stops_at():
    rules = [partial(lrp.epsilon, epsilon=0.25), None, partial(lrp.epsilon, epsilon=0.25)]
    data = read(plot.steps(NET, X, 0, rules))
    events, = data["walks"].values()
    lines = [event for event in events if event["k"] == "l"]
    stops = list(walked(passes.lrp, NET, X, 0, rules))
    ours = [event for event in lines if data["sources"][event["s"]]["name"] in ("lrp", "epsilon")]
    assert [(data["sources"][e["s"]]["name"], e["n"]) for e in ours] == [stop[:2] for stop in stops]
    compared = 0
    for event, (_, _, names) in zip(ours, stops):
        for name, array in names.items():
            if isinstance(array, np.ndarray):
                np.testing.assert_allclose(value(data, event["v"][name]), array, rtol=1e-9)
                compared += 1
    assert compared > 60


def test_a_rule_of_ones_own_is_recorded_and_shows_where_it_goes_wrong():
    def doubled(layer, x, y, R):
        s = R / y
        c = 2 * layer.gradient(x, y, s)
        return x * c

    data = read(plot.steps(NET, X, 0, {"right": partial(lrp.epsilon, epsilon=0), "doubled": doubled}))
    assert list(data["walks"]) == ["right", "doubled"]
    sources = {source["name"]: source for source in data["sources"]}
    assert sources["doubled"]["file"] == "test_steps.py" and "c = 2 *" in "\n".join(sources["doubled"]["lines"])
    c = {name: [value(data, e["v"]["c"]) for e in events if "c" in e["v"]][0] for name, events in data["walks"].items()}
    assert np.allclose(c["doubled"], 2 * c["right"])


def test_the_tracing_function_that_was_there_is_given_back():
    def other(frame, event, value):
        return None
    before = sys.gettrace()
    sys.settrace(other)
    try:
        plot.steps(NET, X)
        assert sys.gettrace() is other
        with pytest.raises(ValueError, match="wrong on purpose"):
            plot.steps(NET, X, rules=lambda layer, x, y, R: (_ for _ in ()).throw(ValueError("wrong on purpose")))
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("method", METHODS)
def test_every_pass_can_be_recorded(method):
    options = {"x_ref": X * 0} if "deeplift" in method else {"low": 0, "high": 3} if method == "deep_taylor" else {}
    net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    data = read(plot.steps(net, X, 0, method=method, **options))
    events, = data["walks"].values()
    assert {event["l"] for event in events} >= {0, 1, 2} and any(event["d"] == 1 for event in events)
    result = getattr(passes, method)(net, X, target=0, **options)
    np.testing.assert_allclose(value(data, events[-1]["r"])[0], result[0], rtol=1e-9)


def test_joins_attention_and_pools_are_stepped_into_one_by_one():
    rng = np.random.default_rng(0)
    net = Network([Residual([Attention.random(4, 2, rng, dtype="float64")]), Flatten(), Dense.random(12, 2, rng)])
    data = read(plot.steps(net, rng.normal(size=(1, 3, 4)), 0, composites.attn_lrp))
    names = {source["name"] for source in data["sources"]}
    assert {"lrp", "epsilon", "half_each", "softmax_taylor", "by_contribution"} <= names
    chosen = next(l for l, layer in enumerate(net.layers) if isinstance(layer, Add))
    data = read(plot.steps(net, rng.normal(size=(1, 3, 4)), 0, composites.attn_lrp, layer=chosen))
    assert {source["name"] for source in data["sources"]} == {"lrp", "by_contribution"}
    images = Network([Conv2d.random(3, 1, 2, rng), ReLU(), MaxPool2d(2), Flatten(), Dense.random(8, 2, rng)])
    data = read(plot.steps(images, rng.normal(size=(1, 4, 4, 1)).astype("float32"), 0))
    assert "winner_takes_all" in {source["name"] for source in data["sources"]}


def test_a_page_is_small_and_one_too_large_says_what_to_do(monkeypatch, tmp_path):
    x = np.zeros((1, 28, 28, 1), np.float32)
    x[0, 5:20, 12:15] = 1
    page = plot.steps(models.load("vit"), x, path=tmp_path / "walk.html")
    assert (tmp_path / "walk.html").read_text(encoding="utf-8") == page and len(page) < 400_000
    assert "http" not in re.sub(r"http://www.w3.org\S*", "", page)
    monkeypatch.setitem(plot.steps.__globals__, "MOST_BYTES", 10_000)
    with pytest.raises(ValueError, match="give layer=, the layer to step into"):
        plot.steps(NET, X)


def test_what_cannot_be_recorded_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="got method='lime', expected one of lrp"):
        plot.steps(NET, X, method="lime")
    with pytest.raises(ValueError, match="got layer=9, expected the number of a layer, from 0 to 2"):
        plot.steps(NET, X, layer=9)


def test_markup_in_names_stays_text():
    net = Network([Dense(np.ones((2, 1)))], names=["</script><b>"])
    assert "</script><b>" not in plot.steps(net, X)


def test_a_rule_that_raises_leaves_a_page_up_to_the_line_that_raised(tmp_path):
    def careless(layer, x, y, R):
        s = R / y
        return x * layer.gradient(x, y, s.T @ s)[:, :1] @ np.ones((3, 3))

    path = tmp_path / "walk.html"
    with pytest.raises(ValueError, match="matmul"):
        plot.steps(NET, X, 0, careless, path)
    data = read(path.read_text(encoding="utf-8"))
    events, = data["walks"].values()
    last, source = events[-1], data["sources"][events[-1]["s"]]
    assert last["k"] == "x" and last["d"] == 1 and source["name"] == "careless"
    assert source["lines"][last["n"] - source["first"]].strip().startswith("return x *")
    assert data["values"][last["r"]]["text"].startswith("ValueError: matmul")
    assert np.allclose(value(data, last["v"]["s"]), 1)


def test_an_error_that_a_rule_catches_is_no_end():
    def careful(layer, x, y, R):
        try:
            raise KeyError("nothing")
        except KeyError:
            pass
        return lrp.epsilon(layer, x, y, R)

    events, = read(plot.steps(NET, X, 0, careful))["walks"].values()
    assert "x" not in {event["k"] for event in events} and events[-1]["k"] == "r" and events[-1]["d"] == 0


def test_a_rule_that_returns_another_shape_is_seen_in_the_loop(tmp_path):
    def first_only(layer, x, y, R):
        return lrp.epsilon(layer, x, y, R)[:, :1]

    with pytest.raises(ValueError, match="first_only returned an array of shape"):
        plot.steps(NET, X, 0, first_only, tmp_path / "walk.html")
    data = read((tmp_path / "walk.html").read_text(encoding="utf-8"))
    last = list(data["walks"].values())[0][-1]
    assert last["k"] == "x" and last["d"] == 0 and "first_only returned" in data["values"][last["r"]]["text"]


def test_objects_that_can_be_called_and_methods_are_stepped_into():
    class Half:
        def __call__(self, layer, x, y, R):
            kept = R / 2
            return lrp.epsilon(layer, x, y, kept)

        def whole(self, layer, x, y, R):
            return lrp.epsilon(layer, x, y, R)

    twice = partial(partial(lrp.gamma), gamma=0.1)
    for rule, name in ((Half(), "__call__"), (Half().whole, "whole"), (twice, "gamma")):
        data = read(plot.steps(NET, X, 0, rule))
        assert name in {source["name"] for source in data["sources"]}


def test_what_a_rule_calls_is_stepped_over_but_reveal_cancel_is_followed():
    data = read(plot.steps(NET, X, 0, method="deeplift_reveal_cancel", x_ref=X * 0))
    events, = data["walks"].values()
    names = [data["sources"][event["s"]]["name"] for event in events]
    assert {"forward", "backward", "affine_forward", "elementwise_backward", "corners"} <= set(names)
    assert max(event["d"] for event in events) == 3 and "stabilize" not in names


def test_of_several_images_the_first_is_walked_through_with_its_own():
    x = np.array([[1.0, 2.0], [3.0, 1.0]])
    net = Network(NET.layers[:2])
    data = read(plot.steps(net, x, np.array([1, 0]), method="deeplift", x_ref=x * 0))
    events, = data["walks"].values()
    np.testing.assert_allclose(value(data, events[-1]["r"])[0], passes.deeplift(net, x[:1], x[:1] * 0, 1)[0])


def test_an_array_changed_in_place_is_seen_to_have_changed():
    def wrong(layer, x, y, R):
        R *= 0
        return lrp.epsilon(layer, x, y, R)

    for size in (2, 10_000):
        net = Network([Dense(np.full((size, 1), 1 / size))])
        data = read(plot.steps(Network([*net.layers, Dense(np.ones((1, size)))]), np.ones((1, size)), 0, wrong))
        events = [event for event in list(data["walks"].values())[0] if event["d"] == 1]
        sums = [data["values"][event["v"]["R"]]["sum"] for event in events]
        assert sums[0] == 1 and sums[-1] == 0


def test_numbers_without_end_are_shown_as_they_are():
    def unbounded(layer, x, y, R):
        s = np.full((1, 100), np.inf)
        return lrp.epsilon(layer, x, y, R * (s[:, :1] > 0))

    data = read(plot.steps(NET, X, 0, unbounded))
    s = next(data["values"][event["v"]["s"]] for event in list(data["walks"].values())[0] if "s" in event["v"])
    assert s["max"] == "inf" and set("".join(s["grid"])) == {"f"}, "a colour for zero, and the truth in words"
