"""Writes the exercises as notebooks, one a chapter, for those who have no terminal.

    python -m lessons.exercises.notebooks         after a task has changed; a test says when
"""
from __future__ import annotations

import importlib
import json
import textwrap

from lessons.exercises.files import CHAPTERS, HERE, function_in, numbered, task

NOTEBOOKS = HERE / "notebooks"
TITLES = ("The engine", "What does a class look like?", "Decomposing a decision", "Looking through the gradient",
          "Where is it? Class activation maps", "Is an explanation any good?", "Beyond", "Networks in use")
CHECKOUT = 'CHECKOUT = ""'
FIRST = f"""# This notebook needs a checkout of minixnn. CHECKOUT is its folder; empty: it is above this notebook.
import pathlib
import sys

{CHECKOUT}
sys.path[:0] = [CHECKOUT] if CHECKOUT else [
    str(folder) for folder in pathlib.Path.cwd().parents if (folder / "lessons" / "exercises").is_dir()]
from lessons.exercises import check, hint"""


def notebook(chapter: int) -> str:
    """The notebook of a chapter, as text."""
    exercises = importlib.import_module(f"lessons.exercises.judges.chapter_{chapter}").EXERCISES
    stems = {exercise.name: stem for stem, exercise in numbered().items()}
    cells = [("markdown", f"# Exercises to chapter {chapter}: {TITLES[chapter]}\n\nWrite each function, run its cell, "
                          f"and "
              "run the cell below, which checks it. `hint(...)`, with the function in the brackets, in a cell of your "
              "own gives a hint. Nothing is sent "
              "anywhere."), ("code", FIRST)]
    for exercise in exercises:
        words, code = parts(task(stems[exercise.name]), exercise.name)
        cells += [("markdown", words), ("code", code), ("code", f"check({exercise.name})")]
    made = []
    for number, (kind, source) in enumerate(cells):
        one = {"cell_type": kind, "id": str(number), "metadata": {}, "source": source.splitlines(keepends=True)}
        made.append({**one, "execution_count": None, "outputs": []} if kind == "code" else one)
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
             "language_info": {"name": "python"}}
    return json.dumps({"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1,
                      ensure_ascii=False) + "\n"


def parts(text: str, name: str) -> tuple[str, str]:
    """A task as (Markdown, code): its title and words, its imports, function and example."""
    docstring, code = text.split('"""')[1], text.split('"""', 2)[2].strip("\n")
    title, _, words = docstring.strip().partition("\n\n")
    head, _, example = code.partition('if __name__ == "__main__":')
    if function_in(code, name) is None:
        raise ValueError(f"the task {name} has no function of that name")
    return f"## {title}\n\n{words}", f"{head.rstrip()}\n\n\n{textwrap.dedent(example.partition(chr(10))[2]).strip()}"


def main() -> None:
    NOTEBOOKS.mkdir(exist_ok=True)
    for chapter in range(CHAPTERS):
        (NOTEBOOKS / f"exercises_{chapter}.ipynb").write_text(notebook(chapter), encoding="utf-8")


if __name__ == "__main__":
    main()
