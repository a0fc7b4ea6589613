"""Has every rule a recorded walk, and does each say what pdb says, and what can be worked out by hand?

What needs a browser is skipped where there is none; `browser.py` drives Chromium without any other package.
"""
import ast
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from tests import browser
from minixnn import passes

ROOT = pathlib.Path(__file__).parents[2]
if not (ROOT / "docs" / "recorded_walks.py").exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
sys.path[:0] = [str(ROOT / "docs")]

import recorded_walks  # noqa: E402  (they lie in the folder named above)
import walk  # noqa: E402


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: path} of all walks."""
    folder = tmp_path_factory.mktemp("walks")
    return {path.name.removesuffix(".html"): path for path in recorded_walks.main(folder=folder)}


def read(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.S)[1])


def array(data, n):
    """Value number n of a page, as pdb would have it."""
    found = data["values"][n]
    if "numbers" in found:
        return np.array(found["numbers"], float).reshape(found["shape"])
    if "list" in found:
        return tuple(array(data, each) for each in found["list"])
    return found.get("number", found.get("text"))


def test_every_rule_has_a_walk_that_steps_into_it(pages):
    rules = recorded_walks.rules()
    assert len(rules) > 25 and {"lrp.epsilon", "deep_taylor.z_box", "joins.half_each"} <= set(rules)
    assert not set(rules) - set(pages), "give it an entry in docs/recorded_walks.py"
    for name, function in rules.items():
        data = read(pages[name])
        assert function.__name__ in {source["name"] for source in data["sources"]}, name
        for events in data["walks"].values():
            assert any(data["sources"][event["s"]]["name"] == function.__name__ and event["k"] == "r"
                       for event in events), f"{name} is entered and returns"
            assert events[-1]["k"] == "r" and events[-1]["d"] == 0


@pytest.mark.parametrize("name", recorded_walks.WALKS)
def test_what_a_page_returns_is_what_the_pass_returns(pages, name):
    title, net, x, given, *more = recorded_walks.WALKS[name]
    options = {key: value for key, value in (more[0] if more else {}).items() if key not in ("layer", "method")}
    data = read(pages[name])
    assert data["title"] == title and pages[name].stat().st_size < 100_000
    given = given.values() if isinstance(given, dict) else [given]
    for (variant, events), rules in zip(data["walks"].items(), given):
        method = more[0].get("method", "lrp") if more else "lrp"
        if method == "lrp":
            options = {"start": net.forward(x), **options, "rules": rules}
        R = getattr(passes, method)(net, x, target=0, **options)
        for mine, theirs in zip(array(data, events[-1]["r"]), R):
            np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-12, err_msg=variant)


BY_HAND = [                 # page, variant, name, what it is at the end of the rule
    ("lrp.epsilon", "epsilon 0", "returned", [[2, -2]]),                    # 2 · 1 / 1 and -1 · 2 / 1: the bias keeps 1
    ("lrp.epsilon", "epsilon 0.25", "s", [[0.8]]),                          # 1 / 1.25
    ("lrp.gamma", "gamma 1", "z", [[4]]),                                   # 2 (2 + 1) - 2 = 4 - 2 + 2
    ("lrp.gamma", "gamma 1", "returned", [[1, -0.5]]),
    ("lrp.alpha_beta", "alpha2-beta1", "returned", [[4 / 3, -1]]),          # 2 · 2 / (2 + 1), and -1 · -2 / -2
    ("lrp.alpha_beta", "alpha1-beta0", "returned", [[2 / 3, 0]]),
    ("lrp.flat", None, "returned", [[0.5, 0.5]]),
    ("deep_taylor.w_square", None, "returned", [[0.8, 0.2]]),               # 4 and 1 of 5
    ("deep_taylor.z_plus", None, "returned", [[1, 0]]),
    ("deep_taylor.z_box", None, "z", [[3]]),                                # 2 - 2 + 3
    ("deep_taylor.z_box", None, "returned", [[2 / 3, 1 / 3]]),              # 2 · 1 and (3 - 2) · 1, of 3
    ("lrp.gamma_signed", "gamma 0", "returned", [[2, 2]]),                  # y = 2 + 2 + 1 = 5 is where it starts
    ("joins.cut", None, "returned", ([[1, 2]], [[3, 4]])),
    ("joins.half_each", None, "returned", ([[1.5, 4]], [[1.5, 4]])),        # of 1 · 3 and 2 · 4
    ("joins.signal_takes_all", None, "returned", ([[3, 8]], [[0, 0]])),
    ("joins.numerator_takes_all", None, "returned", ([[1 / 3, 0.5]], [[0, 0]])),
    ("reduce.share_of_square", None, "returned", [[1.8, 3.2]]),             # 9 and 16 of 25, of 5
    ("softmax.softmax_taylor", "epsilon", "returned", [[0, np.log(3) * (1.5 - 0.75 * 1.75)]]),
]


@pytest.mark.parametrize("name, variant, what, expected", BY_HAND)
def test_numbers_on_the_pages_are_those_worked_by_hand(pages, name, variant, what, expected):
    data = read(pages[name])
    events = data["walks"].get(variant) or next(iter(data["walks"].values()))
    rule = next(event for event in events if event["k"] == "r" and event["d"] and
                data["sources"][event["s"]]["name"] == recorded_walks.rules()[name].__name__)
    found = array(data, rule["r"] if what == "returned" else rule["v"][what])
    for mine, theirs in zip(*((found, expected) if isinstance(expected, tuple) else ([found], [expected]))):
        np.testing.assert_allclose(mine, theirs, atol=2e-6)


NAMES = ("x", "y", "R", "z", "s", "c")
SCRIPT = """
import pdb, sys
sys.path[:0] = ["docs"]
import recorded_walks
from minixnn import passes
title, net, x, rules = recorded_walks.WALKS["network"][:4]
pdb.runcall(passes.lrp, net, x, 0, rules["epsilon 0.25"], net.forward(x))
"""


def test_numbers_on_a_page_are_those_that_pdb_prints(pages, tmp_path):
    """pdb steps into the rule of two layers, and is asked before each line for every array that is there."""
    asked = " + ".join(f"([['{name}', {name}.tolist()]] if '{name}' in locals() else [])" for name in NAMES)
    stop = f"{ROOT / 'minixnn' / 'passes.py'}:{walk.marked_line('minixnn/passes.py')}"
    rule = ["continue", "step", *4 * ["next", f"p {asked}"]]
    commands = [f"tbreak {stop}, l == 2", *rule, f"tbreak {stop}, l == 0", *rule, "quit", ""]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    run = subprocess.run([sys.executable, str(script)], input="\n".join(commands), cwd=ROOT, env=walk.reader(),
                         capture_output=True, encoding="utf-8", timeout=120)
    data = read(pages["network"])
    events = [event for event in data["walks"]["epsilon 0.25"] if event["k"] == "l" and event["d"] == 1
              and data["sources"][event["s"]]["name"] == "epsilon"]
    printed = [ast.literal_eval(text) for text in re.findall(r"^\(Pdb\) (\[\[.*\]\])$", run.stdout, re.M)]
    assert len(printed) == len(events) == 8, run.stdout[-2000:] + run.stderr[-2000:]
    compared = 0
    for arrays, event in zip(printed, events):
        assert {name for name, _ in arrays} == set(event["v"]) & set(NAMES)
        for name, numbers in arrays:
            np.testing.assert_allclose(array(data, event["v"][name]), numbers, rtol=1e-9)
            compared += np.size(numbers)
    assert compared >= 20, compared


# ---- in a browser


@pytest.fixture(scope="module")
def chromium():
    if browser.PROGRAM is None:
        pytest.skip("no Chromium to open the pages in (Debian: apt-get install chromium)")
    with browser.Chromium() as opened:
        yield opened
        assert not opened.complaints(), "something went wrong in a page while the tests used it"


@pytest.fixture
def network(chromium, pages):
    """The walk through a network of two layers, at its start, on a desktop."""
    chromium.screen(1280, 800)
    chromium.call("Page.navigate", url="about:blank")                       # not just another #fragment of the page
    chromium.open(pages["network"])
    return chromium


def place(page):
    """(number of the step, line that is marked, function, layer in hand)."""
    return page.evaluate("""[Number(document.getElementById("place").value),
        Number(document.querySelector("#code .now .number").textContent),
        document.querySelector("#code h2").textContent.split(" ")[0],
        (document.querySelector("#network .row.now")?.textContent ?? "").slice(0, 1)]""")


def press(page, key):
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **({"text": key} if len(key) == 1 else {}))


def click(page, what):
    page.evaluate(f"document.querySelector({what!r}).scrollIntoView({{block: 'center'}})")
    x, y = page.evaluate(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector({what!r})"
                         ".getBoundingClientRect())")
    for kind in ("Moved", "Pressed", "Released"):
        page.mouse(kind, x, y, int(kind == "Pressed"))


def hover(page, what):
    """What the tip says while the mouse is over the element that the expression `what` finds."""
    page.mouse("Moved", 1, 1)
    page.evaluate(f"({what}).scrollIntoView({{block: 'center'}})")
    x, y = page.evaluate(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(({what}).getBoundingClientRect())")
    page.mouse("Moved", x, y)
    page.settle()
    return page.evaluate("document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText")


def cell(name, n=0):
    return f"document.querySelectorAll('#names [data-name=\\'{name}\\'] .cells td')[{n}]"


def events_of(pages):
    return read(pages["network"])["walks"]["epsilon 1e-6"]


def first(events, **wanted):
    return next(n for n, event in enumerate(events) if all(event[key] == value for key, value in wanted.items()))


@pytest.mark.parametrize("use", [
    {"step": "ArrowRight", "back": "ArrowLeft", "over": "o", "layer": "l", "start": "Home"}, None],
    ids=["keys", "buttons"])
def test_one_walks_forwards_back_over_and_to_the_next_layer(network, pages, use):
    def move(what):
        press(network, use[what]) if use else click(network, f"#{what}")
        return place(network)

    events, lines = events_of(pages), []
    assert place(network)[0] == 0 and network.evaluate("document.getElementById('back').disabled")
    for n in range(1, 14):
        lines.append(move("step"))
        assert lines[-1][0] == n and lines[-1][1] == events[n]["n"]
    assert "epsilon" in {function for _, _, function, _ in lines}
    for n in range(12, 5, -1):                                              # and the same back
        assert move("back") == lines[n - 1]
    call = first(events, k="c", d=1) - 1                                    # in the loop, before the rule
    while place(network)[0] < call:
        move("step")
    number, line, function, layer = move("over")
    assert events[number]["d"] == 0 and number > call + 1 and function == "lrp" and layer == "2"
    number, *_, layer = move("layer")
    assert layer == "1" and events[number]["l"] == 1 and events[number - 1]["l"] == 2
    assert move("start")[0] == 0


def test_the_slider_goes_anywhere_and_the_last_step_has_no_next(network, pages):
    events = events_of(pages)
    network.evaluate(f"(s => {{ s.value = {len(events) - 1}; s.dispatchEvent(new Event('input')) }})"
                     "(document.getElementById('place'))")
    assert place(network)[0] == len(events) - 1
    assert network.evaluate("['step', 'over', 'layer'].every(id => document.getElementById(id).disabled)")
    assert "#epsilon%201e-6:" in network.evaluate("location.href"), "the address leads to this step"


def at_step(page, n):
    page.evaluate(f"(s => {{ s.value = {n}; s.dispatchEvent(new Event('input')) }})(document.getElementById('place'))")


def test_hovering_over_a_name_in_the_code_shows_its_value(network, pages):
    at_step(network, first(events_of(pages), k="r", d=1))
    said = hover(network, "[...document.querySelectorAll('#code .now .known')].find(each => each.textContent === 'c')")
    assert said.startswith("c\nshape (1, 2), sum 3")
    assert hover(network, "document.getElementById('title')") == ""


def test_a_number_is_traced_to_where_it_came_from(network, pages):
    events = events_of(pages)
    at_step(network, first(events, k="r", d=1, l=2))
    assert hover(network, cell("returned")) == "returned[0] = 6\nmade by: return x * c\n= 3 * 2"
    assert hover(network, cell("c", 1)) == "c[1] = 1\nmade by: c = layer.gradient(x, y, s)\n= 1 · 1"
    assert hover(network, cell("x")) == "x[0] = 3\nhanded over by lrp: x_l"
    at_step(network, first(events, k="r", d=1, l=0))
    assert hover(network, cell("c", 1)) == "c[1] = 3\nmade by: c = layer.gradient(x, y, s)\n= (2 · 1 + 0.999999 · 1)"
    at_step(network, first(events, k="r", d=0))
    assert hover(network, cell("A", 1)) == "A[0][1] = 2\nmade by: A = net.trace(x)"
    assert hover(network, cell("R_x", 1)).startswith("R_x[1] = 6\nmade by: R_x = rules[l](")


KNOWN = {"positive": lambda v: max(v, 0), "negative": lambda v: min(v, 0),
         "stabilize": lambda z, epsilon=0: z + epsilon * (1 if z >= 0 else -1) or np.inf}


def test_the_sums_that_numbers_are_traced_to_are_right(chromium, pages):
    """Of rules with weights of their own, and of joins: a sum that the page writes out gives the number it is of."""
    seen = []
    for name in ("lrp.gamma", "lrp.gamma_signed", "lrp.alpha_beta", "lrp.flat", "deep_taylor.w_square",
                 "deep_taylor.z_box", "joins.by_contribution", "joins.half_each.matrices"):
        chromium.call("Page.navigate", url="about:blank")
        chromium.open(pages[name])
        told = chromium.evaluate("""events().flatMap((event, n) => { now = n; show(); return !event.d ? [] :
            [...document.querySelectorAll("#names td")].filter(td => td.onpointerenter).map(td => {
                td.onpointerenter(); return document.getElementById("tip").innerText; }) })""")
        for tip in set(told):
            number, *_, last = tip.split("\n")
            words = set(re.findall(r"[a-zA-Z]\w*", last))
            if last.startswith("= ") and words <= set(KNOWN):               # and no name of an array
                worth = eval(last[2:].replace("·", "*"), dict(KNOWN))
                assert np.isclose(worth, float(number.partition(" = ")[2]), rtol=1e-4, atol=1e-5), (name, tip)
                seen.append("·" in last)
    assert len(seen) >= 50 and sum(seen) >= 20, (len(seen), sum(seen))


def test_what_a_line_changed_is_marked(network, pages):
    def marked():
        return network.evaluate("[...document.querySelectorAll('#names > .card.new')].map(each => each.dataset.name)")
    n = first(events_of(pages), k="l", d=1)
    changed = []
    for step in range(n, n + 5):
        at_step(network, step)
        changed.append(marked())
    assert changed == [[], ["z"], ["s"], ["c"], ["returned"]]


def test_asked_first_the_reader_answers_and_is_told(network, pages):
    n = first(events_of(pages), k="l", d=1) + 2                             # before the line that makes c
    at_step(network, n)
    click(network, "#ask")
    press(network, "ArrowRight")
    assert place(network)[0] == n, "the question comes first"
    assert network.evaluate("document.getElementById('asked').textContent") == "What will c.sum() be?"
    for letter in "2.5":
        press(network, letter)
    press_enter(network)
    assert network.evaluate("document.getElementById('verdict').textContent") == "It is 3, not 2.5."
    assert place(network)[0] == n + 1
    press(network, "ArrowRight")                                            # what will the rule return?
    for letter in "7":
        press(network, letter)
    press_enter(network)
    assert network.evaluate("document.getElementById('verdict').textContent") == "Right: 7."


def press_enter(page):
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    page.call("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)


def test_another_variant_is_looked_at_on_the_same_line(network, pages):
    at_step(network, first(events_of(pages), k="r", d=1))
    before = place(network)
    network.evaluate("(s => { s.value = 'epsilon 0.25'; s.dispatchEvent(new Event('change')) })"
                     "(document.getElementById('walk'))")
    assert place(network) == before
    assert network.evaluate(f"{cell('epsilon')} === undefined")             # a number stands in words
    assert network.evaluate("document.querySelector('[data-name=epsilon]').innerText").endswith("0.25")
    assert hover(network, cell("s")).endswith("= 7 / stabilize(7, 0.25)")
    network.evaluate("(s => { s.value = 'gamma 0.25'; s.dispatchEvent(new Event('change')) })"
                     "(document.getElementById('walk'))")
    assert place(network)[3] == "2", "another rule has other lines, but the layer stays"


@pytest.mark.parametrize("width, dark", [(1280, False), (1280, True), (390, False), (390, True)])
def test_a_page_fits_a_phone_and_is_readable_in_light_and_dark(network, pages, width, dark):
    network.screen(width, 800, dark)
    at_step(network, first(events_of(pages), k="r", d=1))
    network.settle()
    assert network.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"
    ground, text = network.evaluate("""(s => [s.backgroundColor, s.color].map(c => c.match(/[\\d.]+/g).slice(0, 3)
        .reduce((sum, c) => sum + Number(c), 0) / 3))(getComputedStyle(document.body))""")
    assert (ground < 60 and text > 200) if dark else (ground > 200 and text < 60)
    small = network.evaluate("""[...document.querySelectorAll("nav button")].map(b => b.getBoundingClientRect().height)
        .some(height => height < 30)""")
    assert not small, "a finger hits the buttons"
