"""Right answers pass, wrong ones fail, and the message names the cause."""
import ast
import pathlib
import re
import textwrap

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="Hypothesis is not installed; the extra lessons brings it")

from lessons.exercises import files, marking
from lessons.exercises.marking import mark

HERE = pathlib.Path(__file__).parent


def bodies(name):
    """[(function, the rest of its heading, body), ...] of a text of students' answers."""
    parts = re.split(r"^== (\w+)(?:: (.*))?\n", (HERE / name).read_text(encoding="utf-8"), flags=re.M)[1:]
    return list(zip(parts[::3], parts[1::3], parts[2::3]))


RIGHT, WRONG = bodies("right.txt"), bodies("wrong.txt")
EVERY = files.numbered()
NAMES = {exercise.name: stem for stem, exercise in EVERY.items()}
ANSWERS = (files.HERE / "answers").exists()


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    """Less time for a smaller case than a student is given: there are five hundred to find."""
    monkeypatch.setattr(marking, "SHRINKING", 0.3)


def handed_in(folder, name, body):
    """The verdict on a function with this body, put into the task's file as a student does."""
    text, node = files.task(NAMES[name]), files.function_in(files.task(NAMES[name]), name)
    lines = text.splitlines()
    start = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
    written = textwrap.indent(body.strip("\n"), "    ").splitlines()
    path = pathlib.Path(folder) / f"{NAMES[name]}.py"
    path.write_text("\n".join([*lines[:start], *written, *lines[node.end_lineno:]]) + "\n", encoding="utf-8")
    return files.Folder(pathlib.Path(folder)).verdict(NAMES[name], EVERY[NAMES[name]])


def test_every_exercise_has_spellings_of_students():
    assert {name for name, *_ in RIGHT} == {name for name, *_ in WRONG} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_in_other_spellings_pass(name, tmp_path):
    for body in (body for asked, _, body in RIGHT if asked == name):
        verdict = handed_in(tmp_path, name, body)
        assert verdict.ok, f"{body}\n\n{verdict.message}"


@pytest.mark.parametrize("name", NAMES)
def test_wrong_answers_of_students_fail_and_the_cause_is_named(name, tmp_path):
    for cause, body in ((cause, body) for asked, cause, body in WRONG if asked == name):
        verdict = handed_in(tmp_path, name, body)
        assert verdict.state == "wrong", body
        told = verdict.message.partition("\n\n")[2].partition("To step through it")[0]
        assert re.search(cause, " ".join(told.split())), f"{body}\n\nnames no {cause}:\n{verdict.message}"


@pytest.mark.parametrize("name", NAMES)
def test_each_mistake_is_rejected_by_its_own_cause_and_by_a_small_case(name):
    exercise, sizes = EVERY[NAMES[name]], []
    assert len(exercise.mistakes) >= 3 and 2 <= len(exercise.hints) <= 3
    for cause, mistake in exercise.mistakes:
        verdict = mark(exercise, mistake, count=60)
        assert verdict.state == "wrong" and verdict.causes[0] == cause, (cause, verdict.message)
        assert cause.split(":")[0][:60] in " ".join(verdict.message.split()) and "By hand" in verdict.message
        sizes.append(sum(np.size(value) for value in verdict.case.values() if isinstance(value, np.ndarray)))
    assert np.median(sizes) <= 16 and max(sizes) <= 40, f"to follow with a pencil: {sizes}"


@pytest.mark.skipif(not ANSWERS, reason="the model answers were taken out")
@pytest.mark.parametrize("name", NAMES)
def test_the_model_answer_is_right_in_a_thousand_cases(name, tmp_path):
    path = tmp_path / f"{NAMES[name]}.py"
    path.write_text(files.model_answer(NAMES[name]), encoding="utf-8")
    function, trouble, _ = files.read(path, name)
    assert not trouble, trouble
    verdict = mark(EVERY[NAMES[name]], function, count=1000, seconds=600, seed=1)
    assert verdict.ok and "1000 cases" in verdict.message, verdict.message
