"""Exercises that mark themselves: write a few lines, and see the smallest input on which they are wrong.

    python -m lessons.exercises start my_work           copy the tasks into the folder my_work
    python -m lessons.exercises my_work                 check them in order, and stop at the first that is not done
    python -m lessons.exercises --help                  hints, watching, progress, reports

docs/exercises.md says more, also to lecturers. `tasks` has what students get, `answers` the model answers, `judges`
what is asked of each function and what is known to go wrong; `marking.py` searches, shrinks and explains.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable


def check(function: Callable) -> None:
    """Mark a function in a notebook, and print what is to be said of it. It is known by its name."""
    from lessons.exercises import files, marking
    names = {exercise.name: stem for stem, exercise in files.numbered().items()}
    name = getattr(function, "__name__", repr(function))
    if name not in names:
        print(f"there is no exercise {name}; check is given the function that the task names, as in check(epsilon)")
        return
    try:
        untouched = files.is_untouched(inspect.getsource(function), names[name])
    except (OSError, TypeError):                # its text is not to be had
        untouched = False
    exercise = files.numbered()[names[name]]
    print(f"{name}: not written yet" if untouched else marking.mark(exercise, function).message)


given: dict[str, int] = {}


def hint(function: Callable | str) -> None:
    """Print the next hint to an exercise, which is given by its function or its name."""
    from lessons.exercises import files, marking
    name = function if isinstance(function, str) else getattr(function, "__name__", repr(function))
    hints = {exercise.name: exercise.hints for exercise in files.every_exercise()}.get(name)
    if hints is None:
        print(f"there is no exercise {name}; hint is given the function that the task names, as in hint(epsilon)")
        return
    number = given.get(name, 0) % len(hints)
    given[name] = number + 1
    print(f"hint {number + 1} of {len(hints)}: {marking.paragraph(hints[number])}")
