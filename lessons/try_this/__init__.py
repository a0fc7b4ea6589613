"""Answers to "Try this" at the end of the lessons, each measured where it stands.

An answer is a function. Its docstring is the answer in words, its body computes what the words say and asserts it.
`answers("2.4", 2, "has no root")` names the lesson, the number of the question, and words of it, so that a question
that is rewritten is noticed. tests/lessons/exercises/test_try_this.py runs them all; docs/try_this.py writes the page
on which they are folded away.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

CHAPTERS = range(8)


@dataclass(frozen=True)
class Answer:
    lesson: str                             # "2.4"
    number: int                             # of the question
    words: str                              # of the question
    check: Callable


def answers(lesson: str, number: int, words: str) -> Callable[[Callable], Callable]:
    """Mark a function as the answer to a question."""
    def mark(function: Callable) -> Callable:
        function.answer = Answer(lesson, number, words, function)           # type: ignore[attr-defined]
        return function
    return mark


def every_answer() -> list[Answer]:
    """All answers, in the order of the course."""
    found = []
    for chapter in CHAPTERS:
        module = importlib.import_module(f"lessons.try_this.chapter_{chapter}")
        found += [one.answer for one in vars(module).values() if hasattr(one, "answer")]
    return sorted(found, key=lambda one: (*map(int, one.lesson.split(".")), one.number))
