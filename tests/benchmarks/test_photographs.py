"""Do the docs quote what was measured on photographs, and is it what a method gives?"""
import json
import pathlib

import numpy as np
import pytest

from minixnn import attribution, datasets, models
from minixnn.cli.expected import usual_method
from minixnn.metrics import paired
from tests.benchmarks import photographs

ROOT = pathlib.Path(__file__).parents[2]
RECORDS = {name: json.loads(setting.record.read_text()) for name, setting in photographs.SETTINGS.items()}
RECORD = RECORDS["efficientnet_lite0"]


def column(name, what):
    return photographs.column(RECORD, name, what)


def test_the_docs_have_the_table_that_was_measured_and_readme_its_numbers():
    for name, setting in photographs.SETTINGS.items():
        table = photographs.table(RECORDS[name], setting.methods)
        assert table in (ROOT / "docs" / "which_method.md").read_text(encoding="utf-8"), name
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    alike = [column(name, "alike").mean() for name in ("lrp_by_depth", "lrp_epsilon_plus_flat", "grad_cam")]
    assert ("{:.2f} in common with such a map, {:.2f} under `lrp_epsilon_plus_flat` and {:.2f} under Grad-CAM"
            .format(*alike)) in readme and len(RECORD) == 14


def test_the_usual_method_for_photographs_answers_why_this_class():
    assert len(RECORD) >= 12 and column("lrp_by_depth", "alike").mean() <= 0.5
    for other in ("lrp_epsilon_plus_flat", "edges"):
        beside = paired(column(other, "logit"), column("lrp_by_depth", "logit"))
        assert beside.difference > 2 * beside.error, other


def test_the_usual_method_is_the_better_one_of_those_measured():
    assert usual_method(models.load("vit")) == "attn_lrp" and usual_method(models.load("cnn")) == "lrp_epsilon_plus"
    one, other = (photographs.column(RECORDS["vit"], name, "logit") for name in ("lrp_epsilon_plus", "attn_lrp"))
    beside = paired(one, other)
    assert beside.difference > 3 * beside.error
    one, other = (photographs.column(RECORDS["cnn"], name, "logit") for name in ("lrp_epsilon_plus", "lrp_by_depth"))
    assert 0 < paired(one, other).difference < 0.03


@pytest.mark.parametrize("net, picture", [("efficientnet_lite0", "chelsea"), ("cnn", "digit   3"),
                                          ("vit", "digit   3")])
def test_a_picture_measured_again_gives_the_same(net, picture):
    setting, record = photographs.SETTINGS[net], RECORDS[net]
    usual = setting.methods[0]
    again = photographs.measure(models.load(net), photographs.pictures(setting)[picture], list(record).index(picture),
                                setting._replace(methods=(usual,)))["found"]
    for name in (usual, *photographs.CONTROLS):
        for what, value in record[picture]["found"][name].items():
            assert again[name][what] == pytest.approx(value, abs=0.02), (name, what)


def test_the_eyes_are_not_why_it_says_cat():
    x, net = datasets.photo("chelsea", 224)[None], models.load("efficientnet_lite0")
    blind = x.copy()
    for top, left, bottom, right in ((58, 42, 112, 108), (78, 162, 128, 208)):
        blind[0, top:bottom, left:right] = x.mean(axis=(0, 1, 2))
    before, after = (float(net.probabilities(each)[0, 285]) for each in (x, blind))
    assert f"with {after:.0%} in place of {before:.0%}".replace("%", " %") in " ".join(
        (ROOT / "README.md").read_text(encoding="utf-8").split())
    R = attribution.METHODS["lrp_by_depth"](net, x, 285)[0].sum(axis=-1)
    inside = np.zeros(R.shape, bool)
    inside[58:112, 42:108] = inside[78:128, 162:208] = True
    assert R[inside].sum() > 2 * R[~inside].sum() * inside.mean(), "though the map shows the eyes"
