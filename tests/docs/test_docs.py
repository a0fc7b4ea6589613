"""Can the pages be believed: do links lead somewhere, do tables and transcripts say what the code says?

These need no build. Whether the built site is whole is asked in test_site.py.
"""
import ast
import importlib
import pathlib
import re
import sys
import urllib.parse
from functools import partial

import numpy as np
import pytest
from tests import registry

from minixnn import Dense, Network, attribution, layers, passes
from minixnn.arrays import stabilize
from minixnn.checks import check_layer, check_network, check_rule, definitions
from minixnn.rules import deep_taylor, lrp

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
if not (DOCS / "conf.py").exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS)]

import checks  # noqa: E402  (it and the next lie in the folders named above)
import docstrings  # noqa: E402
import fits  # noqa: E402
import notation  # noqa: E402

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("*.rst"))]
LESSONS = docstrings.lessons(ROOT / "lessons")
RULES = docstrings.rules(lrp, deep_taylor)


def lines_with(page, start):
    return [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(start)]


def prose(text):
    """Markdown without its fenced blocks and code spans, where brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".md"], ids=lambda page: page.name)
def test_every_link_on_a_page_leads_to_a_file(page):
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        path = urllib.parse.unquote(target.partition("#")[0])
        if path and not re.match(r"[a-z]+:", path) and not (page.parent / path).exists():
            missing.append(target)
    assert not missing, f"{page.name} links to {missing}"


def test_the_pictures_of_the_readme_are_there_and_light():
    pictures = re.findall(r"!\[.+?\]\((\S+?)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size < (600_000 if picture.endswith(".gif") else 300_000), picture


@pytest.mark.parametrize("name", RULES)
def test_the_docstring_of_a_rule_fills_its_row_of_the_table(name):
    row = docstrings.describe(RULES[name])
    assert all(row.values()), f"{name}: nothing found for {[key for key, value in row.items() if not value]}"
    assert any("R_j" in line or "z_jk" in line for line in row["formula"]), row["formula"]


@pytest.mark.parametrize("spelled, drawn", [
    ("z_k = sum_j z_jk + b_k", r"z_{k} = \sum_{j} z_{jk} + b_{k}"),
    ("R_j = sum_k z_jk / (z_k + epsilon sgn z_k) R_k",
     r"R_{j} = \sum_{k} \frac{z_{jk}}{z_{k} + \epsilon \sgn z_{k}} R_{k}"),
    ("x_j (w_jk + gamma w_jk+) / n_k", r"\frac{x_{j} \left( w_{jk} + \gamma w_{jk}^{+} \right)}{n_{k}}"),
    ("(a_j - b_j-) / (sum_j' w_j'k^2) - 1", r"\frac{a_{j} - b_{j}^{-}}{\sum_{j'} w_{j'k}^{2}} - 1"),
    ("q_j / (the same summed over j) R_k", r"\frac{q_{j}}{\text{the same summed over j}} R_{k}"),
    ("n_k = how many inputs output k sees", r"n_{k} = \text{how many inputs output k sees}"),
    ("z_k >= 0: q_jk", r"z_{k} \ge 0 :\; q_{jk}")])
def test_a_formula_is_drawn_as_it_is_spelled(spelled, drawn):
    assert notation.latex(spelled) == drawn


@pytest.mark.parametrize("wrong", ["R_j = sum_k (x_j", "x_j) R_k", "x_j ? 2"])
def test_a_formula_that_cannot_be_read_is_named(wrong):
    with pytest.raises(ValueError, match=re.escape(wrong)):
        notation.latex(wrong)


@pytest.mark.parametrize("name", RULES)
def test_every_formula_of_the_table_can_be_drawn(name):
    for line in docstrings.describe(RULES[name])["formula"]:
        drawn = notation.latex(line)
        assert drawn.count("{") == drawn.count("}") and drawn.count(r"\frac") == line.count("/"), drawn


def test_the_rows_of_the_table_are_read_as_a_person_reads_them():
    assert docstrings.describe(lrp.epsilon) == {
        "name": "LRP-epsilon", "formula": ["R_j = sum_k z_jk / (z_k + epsilon sgn z_k) R_k", "z_k = sum_j z_jk + b_k"],
        "domain": "Any x.", "conserves": "Conserves relevance but for what bias and stabiliser absorb.",
        "source": "Bach et al. 2015, eq. 58"}
    assert {"lrp.gamma", "lrp.alpha_beta", "lrp.flat", "deep_taylor.z_box"} <= set(RULES)
    assert docstrings.describe(passes.deeplift)["source"] == "Shrikumar et al. 2017, sections 3.3 and 3.5"


def test_a_rule_is_derived_in_a_lesson_that_speaks_of_it():
    for name in RULES:
        stem = docstrings.lesson_of(name, LESSONS)
        assert stem, f"no lesson derives {name}: see DERIVED_IN in docs/_ext/docstrings.py"
        spoken = name.partition(".")[2].replace("_", "[-_ ^]?").replace("signed", "(signed)?")
        assert re.search(spoken, LESSONS[stem][2], re.I), f"{stem} does not speak of {name}"


def test_every_method_has_a_lesson_named_for_it():
    behind = {getattr(method, "func", method).__name__ for method in attribution.METHODS.values()}
    assert behind == set(docstrings.EXPLAINED_IN)


@pytest.mark.parametrize("stem", LESSONS)
def test_a_lesson_opens_with_title_promise_and_papers(stem):
    title, docstring, text = LESSONS[stem]
    number = ".".join(stem.split("_")[:2])
    assert re.match(rf"{re.escape(number)} \S", title), f"{stem}: its title is {title!r}"
    assert docstring.strip().splitlines()[1] == "=" * len(title), "the rule under the title has another length"
    for opening in ("**You will see**", "**Before this:**", "**Paper"):
        assert opening in docstring, f"{stem} has no {opening}"
    assert text.rstrip().endswith("plot.show()") or "plot." not in text
    ast.parse(text)


def test_prose_becomes_restructured_text_without_changing_what_it_says():
    lines = ["A *rule* of `lrp`: |R| and x_ times w*.", "", "    R_j = sum_k z_jk", "", "Any x."]
    assert docstrings.to_rst(lines) == ["A *rule* of ``lrp``: \\|R\\| and x\\_ times w\\*.", "", "::", "",
                                        "    R_j = sum_k z_jk", "", "Any x.", ""]


def test_sections_of_a_docstring_become_lists_of_definitions():
    lines = ["What it is.", "", "Parameters", "----------", "x, y : arrays (N, D)", "    of any |size|.",
             "n : how many.", "", "Returns", "-------", "A number."]
    assert docstrings.to_rst(lines) == [
        "What it is.", "", "", ".. rubric:: Parameters", "", "``x, y``", "   arrays (N, D)", "   of any \\|size\\|.",
        "", "``n``", "   how many.", "", "", ".. rubric:: Returns", "", "A number.", ""]


def test_every_module_has_a_place_in_the_api_pages():
    sys.path.insert(0, str(DOCS / "_ext"))
    import api_pages
    listed = [name for names in api_pages.modules().values() for name in names]
    assert len(listed) == len(set(listed)) and {"minixnn.passes", "minixnn.layers.dense", "minixnn.plot"} <= set(listed)


def test_the_bibliography_names_only_what_exists():
    text = (DOCS / "bibliography.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:\w+\.)*\w+)(?:\(.*?\))?`", text):
        if name.partition(".")[0] in {"passes", "attribution", "lrp", "rules", "layers", "train", "datasets", "minixnn",
                                      "models", "interop", "plot", "metrics", "composites", "deep_taylor"}:
            assert found(name), f"docs/bibliography.md names {name}, which does not exist"


def found(name):
    """Whether `train.Adam`, `lrp.gamma` or `minixnn.synthesis` is something in minixnn."""
    parts = name.removeprefix("minixnn.").split(".")
    for start in ("minixnn", "minixnn.rules"):
        thing = importlib.import_module(start)
        try:
            for part in parts:
                path = f"{thing.__name__}.{part}"
                thing = getattr(thing, part) if hasattr(thing, part) else importlib.import_module(path)
            return True
        except (ImportError, AttributeError):
            continue
    return False


def test_the_tables_of_what_fits_are_what_is_tried_today():
    assert fits.written() == fits.PAGE.read_text(encoding="utf-8"), "run python docs/fits.py"
    nets = fits.image_net(), fits.transformer(), fits.text_net()
    kinds = {type(layer).__name__ for net in nets for layer in net.layers}
    families = {"Affine", "Attention", "Block", "Branches", "Elementwise", "GRU", "Graph", "Join", "LSTM", "Layer",
                "RNN", "Residual"}
    imported = {type(case[0]).__name__ for cases in (registry.MORE, registry.POSITIVE, registry.JOINS)
                for case in cases.values()} | {"Categories"}                # what only importers make
    missing = set(layers.__all__) - families - {"Input", "OneHot"} - kinds - imported
    assert not missing, f"add {', '.join(missing)} to a network in docs/fits.py, and run it"


def test_the_page_of_checks_lists_the_properties_that_are_asked():
    assert checks.written() == checks.PAGE.read_text(encoding="utf-8"), "run python docs/checks.py"
    asked = {"rule": check_rule(partial(lrp.epsilon, epsilon=0), conserves="without bias", device=np,
                                definition=definitions.epsilon, examples=1).rows,
             "layer": check_layer(Dense(np.eye(2)), definition=lambda x: x, device=np, examples=1).rows,
             "network": check_network(Network([Dense(np.eye(2))]), np.ones((2, 2)), device=np).whole}
    for kind, rows in asked.items():
        named = {property.name for property in checks.listed(kind)}
        assert {row.property.name.partition(",")[0] for row in rows} == named
        assert set(checks.MAY_FAIL[kind]) <= named


def test_the_table_of_composites_has_those_that_take_a_network():
    pytest.importorskip("sphinx", reason="sphinx is not installed; the extra docs brings it")
    import rule_table
    assert set(rule_table.composite_rules()) == {f"composites.{name}" for name in (
        "attn_lrp", "by_depth", "cp_lrp", "deep_taylor", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
        "epsilon_gamma_box", "epsilon_plus", "epsilon_plus_flat")}


@pytest.mark.parametrize("page, name", [("README.md", "my_rule"), ("docs/how_it_is_built.md", "absolute")])
def test_the_rule_that_a_page_writes_conserves_relevance(page, name):
    block, = (found for found in re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.M | re.S)
              if f"def {name}(" in found)
    space = {"stabilize": stabilize}
    exec(block.partition("\nR = ")[0], space)
    rng = np.random.default_rng(0)
    layer, x, R = Dense(rng.normal(size=(5, 3))), rng.normal(size=(2, 5)), rng.normal(size=(2, 3))
    R_x = space[name](layer, x, layer.forward(x), R)
    assert R_x.shape == x.shape and abs(R_x.sum(axis=1) - R.sum(axis=1)).max() < 1e-12, (R_x, R)


def test_the_layer_that_the_readme_writes_is_explained_by_every_rule():
    block, = (found for found in re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"),
                                            re.M | re.S) if "class Scale(" in found)
    space = {}
    exec(block, space)
    rng = np.random.default_rng(0)
    net, x = Network([space["Scale"](rng.normal(size=5)), Dense(rng.normal(size=(5, 3)))]), rng.random((2, 5))
    R = passes.lrp(net, x, rules=partial(lrp.epsilon, epsilon=0))
    expected = x * passes.gradient(net, x)[0]               # LRP-0 without biases
    assert abs(R[0] - expected).max() < 1e-12, (R[0], expected)


def test_home_tells_the_commands_of_the_readme():
    told = lines_with(ROOT / "README.md", "python3 -m venv .venv ")
    assert told == lines_with(DOCS / "index.md", "python3 -m venv .venv ") != []


def test_the_readme_tells_how_the_site_is_built_as_the_site_does():
    told = lines_with(ROOT / "README.md", "python3 -m venv .venv-docs ")
    assert told == lines_with(DOCS / "how_it_is_built.md", "python3 -m venv .venv-docs ") != []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_lessons_that_exist(page):
    named = re.findall(r"\blessons/(\d+_\d+_\w+)", page.read_text(encoding="utf-8"))
    assert set(named) <= set(LESSONS), set(named) - set(LESSONS)


def test_the_methods_that_which_method_when_advises_are_there():
    first = (DOCS / "which_method.md").read_text(encoding="utf-8").partition("## ")[0]
    names = set(re.findall(r"`([a-z_]+)`", first))
    assert len(names) > 6 and names <= set(attribution.METHODS), names - set(attribution.METHODS)
    for path in re.findall(r"`([a-z_]+\.[a-z_]+)", first):
        assert found(path), path


def test_every_command_of_the_command_line_is_on_its_page():
    pytest.importorskip("sphinx", reason="sphinx is not installed; the extra docs brings it")
    import command_line
    assert {"minixnn", "minixnn explain", "minixnn ledger", "minixnn microscope"} <= set(command_line.commands())


@pytest.mark.parametrize("page", [page for page in (*PAGES, *(ROOT / "lessons").glob("[0-9]*.py"))
                                  if page.name != "agreement.md"], ids=lambda page: page.name)
def test_a_method_has_one_name(page):
    """That of attribution.NAMES, as people read it; keys of METHODS are for typing."""
    others = re.findall(r"gradient (?:times|×|\*) input|input (?:times|x|×) gradient|guided back-?prop\b"
                        r"|guided back-propagation|grad ?cam\b|LRP-[εγα]|smooth grad\b",
                        page.read_text(encoding="utf-8"), re.I)
    assert not others, f"{page.name} says {others}; see minixnn.attribution.NAMES"
