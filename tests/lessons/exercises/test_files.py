"""What students and lecturers type, tasks, answers and notebooks as files."""
import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="Hypothesis is not installed; the extra lessons brings it")

from lessons import exercises
from lessons.exercises import __main__ as command
from lessons.exercises import files, marking, notebooks

ROOT = pathlib.Path(__file__).parents[3]
EVERY = files.numbered()
FIRST, SECOND = list(EVERY)[:2]
DENSE = "return x @ W + b"
needs_answers = pytest.mark.skipif(not (files.HERE / "answers").exists(), reason="the model answers were taken out")


def put(folder, stem, body):
    """Write a body in place of the dots."""
    path = folder / f"{stem}.py"
    text = path.read_text(encoding="utf-8")
    assert "    ...\n" in text
    path.write_text(text.replace("    ...\n", f"    {body}\n"), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    files.start(tmp_path / "work")
    return tmp_path / "work"


def run(*words):
    """The command as it is typed in a shell of the checkout: (status, what it printed)."""
    done = subprocess.run([sys.executable, "-m", "lessons.exercises", *map(str, words)], cwd=ROOT, text=True,
                          capture_output=True, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_there_are_tasks_answers_and_judges_of_the_same_exercises():
    assert len(EVERY) >= 25 and {path.stem for path in (files.HERE / "tasks").glob("*.py")} == set(EVERY)
    lessons = [tuple(map(int, exercise.lesson.split("."))) for exercise in EVERY.values()]
    assert all((ROOT / "lessons").glob(f"{chapter}_{number}_*.py") for chapter, number in set(lessons))
    plain = [lesson for stem, lesson in zip(EVERY, lessons) if "repair" not in stem and "sum_rule" not in stem]
    assert [chapter for chapter, _ in plain] == sorted(chapter for chapter, _ in plain), "in the order of the course"


@needs_answers
def test_each_task_has_a_model_answer_and_no_more():
    assert {path.stem for path in (files.HERE / "answers").glob("*.py")} == set(EVERY)


@pytest.mark.parametrize("stem", EVERY)
def test_a_task_names_formula_source_and_example_and_has_no_answer(stem):
    text, exercise = files.task(stem), EVERY[stem]
    words = " ".join(text.split('"""')[1].split())
    assert words.startswith(exercise.lesson) and "Source: " in words and "By hand: " in words
    assert " ".join(exercise.formula.split()) in words
    assert files.is_untouched(text, stem)
    node = files.function_in(text, exercise.name)
    assert len(node.body) == 2 and ast_of_dots(node) or "repair" in stem, "the copy for students has no answer"


def ast_of_dots(node):
    return getattr(getattr(node.body[-1], "value", None), "value", None) is ...


@needs_answers
@pytest.mark.parametrize("stem", EVERY)
def test_the_example_by_hand_comes_out_by_the_model_answer(stem):
    said = []
    space = {"__name__": "__main__", "print": lambda word, value: said.append((word.strip(), value))}
    exec(compile(files.model_answer(stem), stem, "exec"), space)
    (one, expected), (other, actual) = said
    assert (one, other) == ("expected", "actual")
    pairs = list(zip(expected, actual)) if isinstance(expected, tuple) else [(expected, actual)]
    for wanted, came in pairs:
        assert wanted == came if isinstance(wanted, list) and None in wanted else np.allclose(
            np.array(wanted, float), np.array(came, float)), f"{stem}: {wanted}, {came}"


def test_a_student_starts_writes_checks_and_goes_on(tmp_path):
    folder = tmp_path / "my work"                          # a space in the name, as folders have
    status, said = run("start", folder)
    assert status == 0 and f"{len(EVERY)} tasks" in said and str(folder / FIRST) in said
    status, said = run(folder)
    assert status == 1 and "0 of" in said and "not written yet" in said and "y_k = sum_j" in said
    put(folder, FIRST, "return x @ W")
    status, said = run(folder)
    assert status == 1 and "the bias is left out" in said and f"{folder / FIRST}.py:" in said and "F11" in said
    path = folder / f"{FIRST}.py"
    path.write_text(path.read_text().replace("return x @ W\n", f"{DENSE}\n"))
    status, said = run(folder)
    assert status == 1 and said.startswith(f"1 of {len(EVERY)} are right so far") and SECOND[3:] in said
    status, said = run("list", folder)
    assert status == 0 and re.search(rf"{FIRST} .* right", said) and re.search(rf"{SECOND} .* not written yet", said)
    status, said = run("start", folder)
    assert status == 0 and "0 tasks" in said and DENSE in path.read_text(), "nothing is overwritten"


def test_lines_of_a_message_can_be_pasted_below_the_function(folder):
    put(folder, "10_epsilon", "return x * ((R / (x @ W + epsilon)) @ W.T)")
    verdict = files.Folder(folder).verdict("10_epsilon", EVERY["10_epsilon"])
    lines = verdict.message.rpartition("call:\n\n")[2]
    path = folder / "10_epsilon.py"
    path.write_text(path.read_text() + "\n" + "\n".join(line[4:] for line in lines.splitlines()) + "\n")
    done = subprocess.run([sys.executable, path], text=True, capture_output=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr


@needs_answers
@pytest.mark.parametrize("stem", EVERY)
def test_the_lines_to_step_through_make_the_arguments_of_their_case(stem):
    exercise, seen = EVERY[stem], []
    case = marking.drawn(exercise, [5, 5])
    lines = marking.stepping(exercise, case, "").rpartition("call:\n\n")[2]
    exec(textwrap.dedent(lines), {exercise.name: lambda *arguments: seen.append(arguments)})
    exercise.call(lambda *arguments: seen.append(arguments), case)
    assert len(seen[0]) == len(seen[1])
    for one, other in zip(*seen):
        assert callable(one) or marking.unchanged(one, other), exercise.name


def test_the_page_shows_what_is_said_of_a_forgotten_bias(folder, capsys):
    page = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    put(folder, "10_epsilon", "z = x @ W; return x * ((R / (z + epsilon * np.where(z >= 0, 1, -1))) @ W.T)")
    command.main([str(folder), "--only", "epsilon"])
    shown = page.partition("```text\n")[2].partition("```")[0].replace("my_work", str(folder))
    assert shown.strip() in capsys.readouterr().out


def test_the_page_names_every_exercise():
    page = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    assert f"{len(EVERY)} small tasks" in page and "five functions to repair" in page
    assert [name for name in (exercise.name for exercise in EVERY.values()) if f"`{name}`" not in page
            and not name.startswith("repair")] == []
    assert sum("repair" in stem for stem in EVERY) == 5


def test_hints_come_one_at_a_time_and_begin_anew(folder, capsys):
    hints = EVERY[FIRST].hints
    for number in (*range(len(hints)), 0):
        assert command.main([str(folder), "--hint"]) == 0
        said = capsys.readouterr().out
        assert f"hint {number + 1} of {len(hints)}" in said
        assert [" ".join(hint.split()) in " ".join(said.split()) for hint in hints].count(True) == 1


@pytest.mark.parametrize("text, word", [
    ("def dense_forward(x, W, b:\n    return 1\n", "line 1"), ("import nothing_like_it\n", "ModuleNotFoundError"),
    ("x = 1\n", "no function dense_forward"), ("def dense_forward(x, W):\n    return x\n", "TypeError"),
    ("def dense_forward(x, W, b):\n    return undefined\n", "undefined"), ("raise SystemExit(3)\n", "SystemExit"),
    ("def dense_forward(x, W, b):\n    exit()\n", "SystemExit"), ("def dense_forward(x, W, b):\n    print('seen', "
                                                                  "1)\n", "returns None"),
    ("def dense_forward(x, W, b):\n    print('seen', x.shape)\n    return x @ W\n", "It printed:\n\n    seen (1, 1)"),
    ("def dense_forward(x, W, b):\n    return dense_forward(x, W, b)\n", "RecursionError"),
    ("def dense_forward(x, W, b):\n    return 'y'\n", "str"), ("def dense_forward(x, W, b):\n    return [[1], [2, "
                                                               "3]]\n", "list")])
def test_what_is_no_function_at_all_is_told_in_a_sentence(text, word, folder, capsys):
    (folder / f"{FIRST}.py").write_text(text)
    assert command.main([str(folder)]) == 1
    said = capsys.readouterr().out
    assert word in said and "wrong" in said, said


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="this system has no alarms")
def test_a_loop_that_does_not_end_is_ended(folder, capsys, monkeypatch):
    monkeypatch.setattr("lessons.exercises.marking.PATIENCE", 0.3)
    (folder / f"{FIRST}.py").write_text("def dense_forward(x, W, b):\n    while True:\n        try:\n            x = "
                                        "x + 1\n"
                                        "        except Exception:\n            pass\n")
    assert command.main([str(folder)]) == 1
    assert "does every loop end?" in capsys.readouterr().out


def test_what_was_right_is_marked_again_when_it_changes(folder, capsys):
    put(folder, FIRST, DENSE)
    command.main([str(folder)])
    path = folder / f"{FIRST}.py"
    path.write_text(path.read_text().replace(DENSE, "return x @ W - b"))
    command.main([str(folder)])
    assert "0 of" in capsys.readouterr().out.split("so far")[1]


def test_a_spoilt_memory_is_none(folder):
    for text in ("", "[]", "{}", '{"right": 3, "hints": []}', "\0"):
        (folder / files.REMEMBERED).write_text(text)
        assert files.Folder(folder).remembered() == {"right": {}, "hints": {}}


def test_watching_checks_again_when_a_file_is_saved(folder):
    with subprocess.Popen([sys.executable, "-u", "-m", "lessons.exercises", folder, "--watch", "--only", FIRST],
                          cwd=ROOT,
                          text=True, stdout=subprocess.PIPE) as watching:
        try:
            while "Waiting" not in watching.stdout.readline():
                pass
            time.sleep(0.1)
            put(folder, FIRST, DENSE)
            rest, _ = watching.communicate(timeout=60)
        finally:
            watching.kill()
    assert "dense_forward: right" in rest and watching.returncode == 0


def test_one_exercise_is_found_by_name_and_number(folder, capsys):
    ways = [[str(folder), "--only", name] for name in ("epsilon", "10", "10_epsilon", "10_epsilon.py")]
    for words in (*ways, [str(folder / "10_epsilon.py")]):
        assert command.main(words) == 1
        assert "10 epsilon (lesson 2.3): not written yet" in capsys.readouterr().out
    assert command.main([str(folder), "--only", "epsilom"]) == 2 and "no exercise epsilom" in capsys.readouterr().err
    assert command.main([str(folder / "nowhere")]) == 2 and "is no folder" in capsys.readouterr().err


@needs_answers
def test_a_lecturer_takes_the_answers_out_and_gets_a_table(tmp_path):
    status, said = run("answers", tmp_path / "model")
    assert status == 0 and f"{len(EVERY)} model answers" in said
    status, said = run("start", tmp_path / "ada")
    put(tmp_path / "ada", FIRST, "return x @ W")
    status, said = run(tmp_path / "model", tmp_path / "ada", "--report", tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        model, ada = csv.DictReader(file)
    assert (model["folder"], model["right"], model["of"]) == ("model", str(len(EVERY)), str(len(EVERY)))
    assert ada["right"] == "0" and ada[FIRST] == "wrong: the bias is left out" and ada[SECOND] == "not written yet"
    status, said = run(tmp_path / "ada", "--report", tmp_path / "table.csv")
    assert status == 2 and "no file is overwritten" in said


def test_without_the_answers_students_can_do_all_they_can_do_with_them(tmp_path):
    """`rm -r lessons/exercises/answers` makes the copy for students."""
    shutil.copytree(files.HERE, tmp_path / "lessons" / "exercises", ignore=shutil.ignore_patterns("answers",
                                                                                                  "__pycache__"))
    shutil.copy(ROOT / "lessons" / "__init__.py", tmp_path / "lessons")
    (tmp_path / "minixnn").symlink_to(ROOT / "minixnn")

    def here(*words):
        return subprocess.run([sys.executable, "-m", "lessons.exercises", *map(str, words)], cwd=tmp_path, text=True,
                              capture_output=True, timeout=300)
    assert here("start", "work").returncode == 0
    put(tmp_path / "work", FIRST, DENSE)
    assert "1 of" in here("work").stdout
    done = here("answers", "model")
    assert done.returncode == 2 and "taken out" in done.stderr


@pytest.mark.parametrize("chapter", range(files.CHAPTERS))
def test_a_notebook_is_current_and_checks_its_functions(chapter, tmp_path, monkeypatch, capsys):
    path = notebooks.NOTEBOOKS / f"exercises_{chapter}.ipynb"
    assert path.read_text(encoding="utf-8") == notebooks.notebook(chapter), "run python -m lessons.exercises.notebooks"
    monkeypatch.chdir(notebooks.NOTEBOOKS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    space = {"__name__": "__main__"}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            if not code.startswith("check("):
                exec(compile(code, "cell", "exec"), space)
            elif "repair" not in code:
                exec(compile(code, "cell", "exec"), space)
                assert "returns None" in capsys.readouterr().out
    exec("hint(" + code.removeprefix("check("), space)
    assert "hint 1 of" in capsys.readouterr().out
    space["hint"]("dense_forward")
    space["hint"](print)
    space["check"](print)
    said = capsys.readouterr().out
    assert "hint 1 of 3" in said and said.count("there is no exercise print") == 2
    exercises.given.clear()


def test_notebooks_in_another_folder_know_the_checkout(tmp_path):
    assert run("start", tmp_path, "--notebooks")[0] == 0
    found = json.loads((tmp_path / "exercises_0.ipynb").read_text(encoding="utf-8"))
    code = "".join(found["cells"][1]["source"])
    done = subprocess.run([sys.executable, "-c", code + "\nprint(check)"], cwd=tmp_path, text=True, capture_output=True,
                          timeout=60)
    assert "function check" in done.stdout, done.stderr
