"""Are the walks on README and in the stepping guide what pdb prints, and does one step lead to the formula?"""
import pathlib
import re
import sys

import pytest
from tests.helpers import blind_steps

from minixnn import datasets, models, passes
from minixnn.rules import lrp

ROOT = pathlib.Path(__file__).parents[2]
if not (ROOT / "docs" / "walk.py").exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
sys.path[:0] = [str(ROOT / "docs")]

import walk  # noqa: E402  (it lies in the folder named above)


@pytest.mark.parametrize("name", walk.WALKS)
def test_a_walk_in_the_stepping_guide_is_what_pdb_prints_today(name):
    assert walk.current(name) == walk.transcript(name), "run python docs/walk.py"


@pytest.mark.parametrize("name, stops", [
    ("neuron", ["rules/lrp.py(epsilon)"]), ("resnet", ["layers/joins.py(by_contribution)"]),
    ("transformer", ["layers/joins.py(half_each)", "layers/softmax.py(softmax_taylor)"])])
def test_a_walk_goes_from_the_loop_to_the_formula_in_one_step(name, stops):
    told = walk.current(name)
    assert "***" not in told, "pdb refused a command: look at docs/stepping.md"
    assert told.count("(Pdb) step\n") == len(stops)
    found = re.findall(r"\(Pdb\) step\n--Call--\n> minixnn/([\w/.]+)\(\d+\)(\w+)\(\)", told)
    assert [f"{path}({function})" for path, function in found] == stops, told


def test_the_readme_sets_its_breakpoint_on_the_marked_line():
    said = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [int(n) for n in re.findall(r"tbreak minixnn/passes.py:(\d+)|^Line (\d+) is", said, re.M) for n in n if n]
    assert lines == [walk.marked_line("minixnn/passes.py")] * 2


def test_the_readme_says_how_many_lines_blind_stepping_takes():
    net, digit = models.load("dense"), datasets.mnist("test")[0][:1]
    passes.lrp(net, digit)                                  # what is found out once is not found out again
    steps = blind_steps(lambda: passes.lrp(net, digit, rules=lrp.epsilon), lrp.epsilon)
    said = re.search(r"^\| blind F11 [^|]*\| (\d+); 1 from the loop", (ROOT / "README.md").read_text("utf-8"), re.M)
    assert steps <= 110 and abs(int(said[1]) - steps) <= 10, f"{steps} lines; NumPy's own, which vary, are among them"
