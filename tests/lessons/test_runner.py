"""Does `python -m lessons` run what it is asked to, go on after a failure, and say so?"""
import pathlib
import subprocess
import sys

import pytest

from lessons import __main__ as runner

pytest.importorskip("matplotlib")

GOOD = '''r"""
2.3 Layer-wise <relevance>
==========================
"""
import matplotlib.pyplot as plt
from minixnn import plot
print("what the lesson says")
for _ in range({figures}):
    plt.figure(figsize=(1, 1))
plot.show()
'''
BAD = '"""1.1 A lesson that fails"""\nprint("before the fall")\nraise ArithmeticError("0/0")\n'


@pytest.fixture
def lessons(tmp_path):
    """A folder of four lessons, one of which fails, and a file that is none."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    (folder / "__main__.py").write_text("raise SystemExit('not a lesson')")
    (folder / "1_1_fails.py").write_text(BAD)
    (folder / "2_3_lrp.py").write_text(GOOD.format(figures=2))
    (folder / "2_30_other.py").write_text(GOOD.format(figures=0))
    (folder / "3_1_last.py").write_text(GOOD.format(figures=1))
    root = pathlib.Path(runner.__file__).parents[1]
    (tmp_path / "minixnn").symlink_to(root / "minixnn")         # as in a checkout, minixnn lies beside the lessons
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failing_lesson_is_named_the_others_run_and_the_status_tells(lessons, capfd):
    assert runner.main([], lessons) == 1
    out, err = capfd.readouterr()
    assert "FAILED: 1_1_fails.py" in err
    assert "ArithmeticError: 0/0" in out and "before the fall" in out
    assert "what the lesson says" not in out, "lessons that end well are quiet when several run"
    assert "3 of 4 lessons ran" in out and str(lessons.parent / "figures") in out
    lines = [line.split() for line in out.splitlines() if line.lstrip().startswith("[")]
    assert [(line[0], line[1], line[-2]) for line in lines if "FAILED" not in line] == [
        ("[2/4]", "2_30_other", "0"), ("[3/4]", "2_3_lrp", "2"), ("[4/4]", "3_1_last", "1")]
    assert names(lessons.parent / "figures") == ["2_3_lrp_1.png", "2_3_lrp_2.png", "3_1_last_1.png", "index.html"]


@pytest.mark.parametrize("name", ["2_3", "2.3", "2_3_lrp", "2_3_lrp.py", "lessons/2_3_lrp.py"])
def test_a_lesson_is_found_by_any_of_its_names_and_no_namesake(lessons, name):
    chosen, unknown = runner.choose(sorted(lessons.glob("[0-9]*.py")), [name])
    assert [lesson.stem for lesson in chosen] == ["2_3_lrp"] and not unknown


def test_a_chapter_is_all_its_lessons(lessons, capfd):
    assert runner.main(["--list", "2"], lessons) == 0
    assert capfd.readouterr().out.split()[0::4] == ["2_30_other", "2_3_lrp"]


def test_one_lesson_alone_speaks_and_figures_go_where_asked(lessons, tmp_path, capfd):
    assert runner.main(["2_3", "--out", str(tmp_path / "there")], lessons) == 0
    assert "what the lesson says" in capfd.readouterr().out
    assert names(tmp_path / "there") == ["2_3_lrp_1.png", "2_3_lrp_2.png", "index.html"]


def test_figures_no_longer_drawn_disappear_and_those_of_others_stay(lessons):
    runner.main(["2", "3"], lessons)
    (lessons / "2_3_lrp.py").write_text(GOOD.format(figures=1))
    runner.main(["2_3"], lessons)
    figures = lessons.parent / "figures"
    assert names(figures) == ["2_3_lrp_1.png", "3_1_last_1.png", "index.html"]
    page = (figures / "index.html").read_text()
    assert page.count("<img") == 2 and 'src="3_1_last_1.png"' in page
    assert "2.3 Layer-wise &lt;relevance&gt;" in page


def test_a_name_without_a_lesson_and_a_folder_without_lessons_are_errors(lessons, tmp_path, capfd):
    assert runner.main(["2_3", "9_9"], lessons) == 2
    assert "no lesson is called 9_9;" in capfd.readouterr().err
    assert not (lessons.parent / "figures").exists()
    (tmp_path / "empty").mkdir()
    assert runner.main([], tmp_path / "empty") == 2


def test_the_page_is_opened_or_its_place_told_without_a_browser(lessons, monkeypatch, capfd):
    opened = []
    monkeypatch.setattr(runner.webbrowser, "open", lambda address: opened.append(address))
    assert runner.main(["3_1", "--open"], lessons) == 0
    assert opened == [(lessons.parent / "figures" / "index.html").as_uri()]
    assert "No browser was found" in capfd.readouterr().out


def test_the_module_lists_the_lessons_of_this_checkout():
    root = pathlib.Path(runner.__file__).parents[1]
    out = subprocess.run([sys.executable, "-m", "lessons", "--list"], cwd=root, text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    for line in out.splitlines():
        number, _, name = line.partition(" ")
        assert name.strip().startswith(".".join(number.split("_")[:2])), f"the title of {number} is {name.strip()!r}"
