"""The tasks as files: copying them, reading what a student wrote, and what is right of it so far."""
from __future__ import annotations

import ast
import hashlib
import importlib
import json
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from lessons.exercises.marking import Exercise, Verdict, mark, told

HERE = pathlib.Path(__file__).parent
CHAPTERS = 8
REMEMBERED = ".exercises.json"              # in a student's folder: texts that were right, and hints given


def every_exercise() -> list[Exercise]:
    """All exercises, in the order of the course."""
    return [exercise for chapter in range(CHAPTERS)
            for exercise in importlib.import_module(f"lessons.exercises.judges.chapter_{chapter}").EXERCISES]


def numbered() -> dict[str, Exercise]:
    """{"10_epsilon": exercise}: by the names of their files."""
    return {f"{number:02d}_{exercise.name}": exercise for number, exercise in enumerate(every_exercise(), 1)}


def task(stem: str) -> str:
    """What students get."""
    return (HERE / "tasks" / f"{stem}.py").read_text(encoding="utf-8")


def model_answer(stem: str) -> str:
    """The task with its function answered. FileNotFoundError where the answers were taken out."""
    answer = (HERE / "answers" / f"{stem}.py").read_text(encoding="utf-8")
    text, name = task(stem), stem.partition("_")[2]
    body, given = function_in(answer, name), function_in(text, name)
    if body is None or given is None:
        raise ValueError(f"{stem}.py has no function {name}")
    lines = text.splitlines()
    start = given.body[0].end_lineno if isinstance(given.body[0], ast.Expr) and isinstance(
        given.body[0].value, ast.Constant) and isinstance(given.body[0].value.value, str) else given.lineno
    written = answer.splitlines()[body.body[0].lineno - 1:body.end_lineno]
    return "\n".join([*lines[:start], *written, *lines[given.end_lineno:]]) + "\n"


def function_in(text: str, name: str) -> ast.FunctionDef | None:
    """The definition of a function in a text; None where there is none, or no Python."""
    try:
        found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    except SyntaxError:
        return None
    return found[-1] if found else None


def is_untouched(text: str, stem: str) -> bool:
    """Whether the function is as it was handed out, whatever its comments and docstring."""
    def statements(source: str) -> list[str] | None:
        node = function_in(source, stem.partition("_")[2])
        if node is None:
            return None
        return [ast.dump(one) for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value,
                                                                                                    ast.Constant)
                                                           and isinstance(one.value.value, str))]
    mine = statements(text)
    empty = [[ast.dump(one) for one in ast.parse(body).body] for body in ("", "...", "pass")]
    return mine is not None and (mine == statements(task(stem)) or mine in empty)


def start(folder: pathlib.Path, notebooks: bool = False) -> tuple[list[str], list[str]]:
    """Copy the tasks; files that are there stay as they are. Returns (names copied, names kept)."""
    folder.mkdir(parents=True, exist_ok=True)
    source = {f"{stem}.py": task(stem) for stem in numbered()}
    if notebooks:
        here = json.dumps(f"CHECKOUT = {str(HERE.parents[1])!r}")[1:-1]      # as it is written inside a notebook
        source = {path.name: path.read_text(encoding="utf-8").replace('CHECKOUT = \\"\\"', here)
                  for path in sorted((HERE / "notebooks").glob("*.ipynb"))}
    return write(folder, source)


def write(folder: pathlib.Path, texts: dict[str, str]) -> tuple[list[str], list[str]]:
    copied, kept = [], []
    for name, text in texts.items():
        try:
            with open(folder / name, "x", encoding="utf-8") as file:
                file.write(text)
            copied.append(name)
        except FileExistsError:
            kept.append(name)
    return copied, kept


def read(path: pathlib.Path, name: str) -> tuple[Callable | None, str, str]:
    """(the function, what is wrong with the file, where the function's first line is)."""
    text = path.read_text(encoding="utf-8", errors="replace")
    space: dict = {"__name__": path.stem, "__file__": str(path)}
    try:
        exec(compile(text, str(path), "exec"), space)
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        return None, (f"{path}, line {error.lineno}: this is no Python: {error.msg}"
                      + (f"\n\n    {error.text.rstrip()}" if error.text else "")), ""
    except BaseException as error:
        return None, f"{path} cannot be read; it raised {told(error)}", ""
    if not callable(space.get(name)):
        return None, (f"{path} has no function {name}; write it, or move the file away and start again, which copies "
                      "the task anew"), ""
    node = function_in(text, name)
    docstring = node is not None and ast.get_docstring(node) is not None
    line = 1 if node is None else node.body[min(int(docstring), len(node.body) - 1)].lineno
    return space[name], "", f"{path}:{line}"


@dataclass
class Folder:
    """A student's folder."""
    path: pathlib.Path

    def file(self, stem: str) -> pathlib.Path:
        return self.path / f"{stem}.py"

    def remembered(self) -> dict:
        """{"right": {stem: the text's checksum}, "hints": {stem: how many were given}}; empty where it is "
        "unreadable."""
        try:
            found = json.loads((self.path / REMEMBERED).read_text(encoding="utf-8"))
            return {"right": dict(found["right"]), "hints": dict(found["hints"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {"right": {}, "hints": {}}

    def remember(self, kind: str, stem: str, value: str | int) -> None:
        kept = self.remembered()
        kept[kind][stem] = value
        try:
            (self.path / REMEMBERED).write_text(json.dumps(kept, indent=1), encoding="utf-8")
        except OSError:
            pass                            # a folder that cannot be written to is checked anew each time

    def verdict(self, stem: str, exercise: Exercise, anew: bool = False) -> Verdict:
        """What is to be said of one exercise. A text that was right before is not marked again, unless `anew`."""
        path = self.file(stem)
        if not path.exists():
            return Verdict("missing", f"{path} is not there; python -m lessons.exercises start {self.path} copies it")
        text = path.read_text(encoding="utf-8", errors="replace")
        if is_untouched(text, stem):
            return Verdict("not written yet", f"{exercise.name} (lesson {exercise.lesson}): not written yet\n{path}")
        checksum = hashlib.sha256((text + judged_by()).encode()).hexdigest()
        if not anew and self.remembered()["right"].get(stem) == checksum:
            return Verdict("right", f"{exercise.name} (lesson {exercise.lesson}): right")
        function, trouble, place = read(path, exercise.name)
        if function is None:
            return Verdict("wrong", f"{exercise.name} (lesson {exercise.lesson}): wrong\n\n{trouble}", (trouble,))
        found = mark(exercise, function, place=place)
        if found.ok and not anew:
            self.remember("right", stem, checksum)
        return found


def judged_by() -> str:
    """A checksum of what marks: when it changes, everything is marked anew."""
    if not hasattr(judged_by, "text"):
        sources = [HERE / "marking.py", *sorted((HERE / "judges").glob("*.py"))]
        judged_by.text = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return judged_by.text
