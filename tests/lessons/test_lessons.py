"""Does every lesson run, and does it have what a lesson has?"""
import ast
import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("matplotlib")
ROOT = pathlib.Path(__file__).parents[2]
LESSONS = sorted((ROOT / "lessons").glob("[0-9]*_[0-9]*_*.py"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """{lesson: (its process, the folder of its figures)}: all are run, one a core, while the tests wait for them."""
    def run(lesson):
        folder = tmp_path_factory.mktemp(lesson.stem)
        environment = {**os.environ, "MPLBACKEND": "Agg", "MINIXNN_FIGURES": str(folder), "PYTHONPATH": str(ROOT),
                       "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, str(lesson)], capture_output=True, text=True, env=environment,
                              cwd=folder), folder
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(LESSONS, pool.map(run, LESSONS)))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_to_its_closing_assert_and_saves_its_figures(lesson, runs):
    run, folder = runs[lesson]
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert "Warning" not in run.stderr, run.stderr
    assert list(folder.glob(f"{lesson.stem}_*.png")), "a lesson draws at least one figure"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_its_parts(lesson):
    text = lesson.read_text()
    header = ast.get_docstring(ast.parse(text))
    number = lesson.stem.split("_")[:2]
    assert text.startswith('r"""'), "the header is raw, so that its formulas keep their backslashes"
    assert header.startswith(".".join(number) + " "), "the title begins with the number of the file"
    for part in ("**You will see**", "**Before this:**", "**Paper"):
        assert part in header, part
    for part in ("# Try this\n", "# 1. ", "# 2. ", "# %%\n", "STEP INTO"):
        assert part in text or part == "STEP INTO" and "passes." not in text, part
    tail = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert tail[-1] == "plot.show()", "a lesson ends by showing its figures"
    assert re.search(r"^(    )?assert ", text, re.M), "a lesson closes with an assert of its idea"
    assert len(text.splitlines()) <= 200, "a lesson is a page, not a chapter"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_imports_public_names_only(lesson):
    for node in ast.walk(ast.parse(lesson.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
            names = [node.attr]
        else:
            continue
        hidden = [name for name in names if any(part.startswith("_") for part in name.split("."))]
        assert not hidden, f"line {node.lineno}: {hidden}"


def claims(lesson):
    """The messages of the asserts that close a lesson, behind its exercises; a formatted one without what varies."""
    text = lesson.read_text(encoding="utf-8")
    exercises = max(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("# Try this"))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert) and node.lineno > exercises:
            assert node.msg is not None, f"line {node.lineno} of {lesson.name} asserts something and does not say what"
            parts = node.msg.values if isinstance(node.msg, ast.JoinedStr) else [node.msg]
            yield "".join(part.value for part in parts if isinstance(part, ast.Constant)).strip(": ")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_claim_of_a_lesson_has_a_row_and_every_row_a_claim(lesson):
    page = ROOT / "docs" / "how_we_know.md"
    if not page.exists():
        pytest.skip("docs/ is not here: this is no checkout")
    number = ".".join(lesson.stem.split("_")[:2])
    section = re.search(rf"^## {re.escape(number)} .*?(?=^## |\Z)", page.read_text(encoding="utf-8"), re.M | re.S)
    assert section, f"docs/how_we_know.md has no section {number}"
    rows = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in section[0].splitlines()[4:] if line.startswith("|")]
    assert all(len(row) == 4 and all(row) for row in rows), "a claim, its assert, a control, what it was tried on"
    assert sorted(row[1] for row in rows) == sorted(claims(lesson))
