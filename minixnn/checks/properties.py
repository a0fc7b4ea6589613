"""What a check is made of: properties, what was observed of them, the report, and the failure.

A property is one sentence that must hold, with its formula. It is a function of a case (a layer with an input, a
relevance and so on) and answers with an `Observation`: how far the two sides of its formula lie apart. A report
keeps the largest distance of each property over all cases. Hypothesis is not needed here.
"""
from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass, field
from collections.abc import Callable
from typing import Any

import numpy as np

from minixnn.arrays import Array


@dataclass(frozen=True)
class Property:
    """One sentence that must hold. `test(case)` returns an Observation, or None where the sentence says nothing."""
    name: str
    formula: str
    why: str                    # why it must hold
    cause: str                  # what is usually wrong where it does not
    test: Any = None
    limit: float = 1e-9         # how large `off` of an Observation may be


@dataclass(frozen=True)
class Observation:
    """Both sides of a property's formula in one case. `off` is their distance, as a share of their size."""
    off: float
    expected: Any = None
    came: Any = None
    note: str = ""              # a sentence for the reader of a failure
    output: Any = None       # index of the output that it is about, in a flattened image; None: of all
    steps: tuple = ()           # lines of arithmetic that lead to `expected`
    columns: dict = field(default_factory=dict)             # more columns for the table of inputs


def compare(expected: Array, came: Array, note: str = '', scale: float = 0.0, **more: Any) -> Observation:
    """The Observation of two arrays, measured against the largest number of both, or against `scale` if larger.

    Numbers that are not finite, on one side only, are infinitely far off.
    """
    expected, came = np.asarray(expected, dtype=float), np.asarray(came, dtype=float)
    if expected.shape != came.shape:
        return Observation(np.inf, expected, came, f"{note} The shapes are {expected.shape} and {came.shape}.".strip(),
                           **more)
    if not expected.size:
        return Observation(0.0, expected, came, note, **more)
    same = (expected == came) | (np.isnan(expected) & np.isnan(came))
    with np.errstate(all="ignore"):
        distance = np.where(same, 0.0, abs(expected - came))
    size = max(scale, *(abs(a[np.isfinite(a)]).max(initial=0) for a in (expected, came))) or 1.0
    off = np.nan_to_num(distance, nan=np.inf, posinf=np.inf).max()
    return Observation(float(off / size), expected, came, note, **more)


def is_so(ok: bool, note: str, **more: Any) -> Observation:
    """The Observation of a sentence that is true or not, without numbers."""
    return Observation(0.0 if ok else np.inf, note="" if ok else note, **more)


@dataclass
class Row:
    """A property in a report: in how many cases it said something, and the largest distance found."""
    property: Property
    cases: int = 0
    largest: float = 0.0
    broken: bool = False
    note: str = ""              # why it was not asked
    where: Any = None           # the strategy whose cases broke it

    def add(self, observation: Observation) -> None:
        self.cases += 1
        self.largest = max(self.largest, observation.off)
        self.broken = self.broken or not observation.off <= self.property.limit


@dataclass
class Report:
    """What was asked of `subject`, and what came out. `print(report)` shows a table."""
    subject: str
    rows: list
    cases: int = 0
    notes: list = field(default_factory=list)       # sentences below the table
    conserves: str | None = None                    # of a rule: what was found, "always" and so on

    @property
    def broken(self) -> list:
        """The names of the properties that do not hold, the most telling first."""
        return [row.property.name for row in self.rows if row.broken]

    @property
    def held(self) -> Any:
        return [row.property.name for row in self.rows if row.cases and not row.broken]

    def __str__(self):
        lines = [("property", "holds", "cases", "largest distance", "must be below")]
        for row in self.rows:
            asked = row.cases > 0
            lines.append((row.property.name, ("no" if row.broken else "yes") if asked else "-", str(row.cases),
                          short(row.largest) if asked else row.note or "says nothing here",
                          short(row.property.limit) if asked else ""))
        return "\n".join([f"{self.subject}, {self.cases} cases", *table(lines), *self.notes])


class CheckFailed(AssertionError):
    """A property does not hold. The message works the smallest case out by hand.

    property: its name.  broken: the names of all properties that failed, this one first.  report: the table.
    case: what it failed on, with `layer`, `x` and, of a rule, `R`.  expected, came: both sides of the formula.
    """

    def __init__(self, message: str, property: str, report: Any, case: Any = None,
                 observation: Observation | None = None) -> None:
        super().__init__(message)
        self.property, self.report, self.case = property, report, case
        self.broken = [property, *(name for name in report.broken if name != property)]
        self.expected = getattr(observation, "expected", None)
        self.came = getattr(observation, "came", None)


def ask(property: Property, case: Any) -> Observation | None:
    """The Observation of a property, or None where it says nothing. What raises is as far off as can be."""
    if not case.usable and not getattr(property.test, "first", False):
        return None
    try:
        with np.errstate(all="ignore"):         # a division by zero shows in the numbers; it needs no warning
            return property.test(case)
    except Exception as error:
        return Observation(np.inf, note=raised(error))


def first(test: Callable) -> Callable:
    """Mark a test that says whether a case can be used at all."""
    test.first = True                           # type: ignore[attr-defined]  # a mark on the function
    return test


def shown(answer: Any) -> str:
    """What was returned, by its shape or shapes."""
    if isinstance(answer, (tuple, list)):
        return f"a {type(answer).__name__} of {len(answer)} arrays of shapes " + " and ".join(
            str(getattr(a, "shape", repr(a))) for a in answer)
    return f"an array of shape {answer.shape}" if hasattr(answer, "shape") else repr(answer)


def raised(error: Any) -> str:
    """An exception as a sentence, with the line of the user's code where it came from."""
    frames = traceback.extract_tb(error.__traceback__ or sys.exc_info()[2])
    theirs = [frame for frame in frames if "minixnn" not in frame.filename.replace("\\", "/").split("/")] or frames
    where = f" in {theirs[-1].name}, line {theirs[-1].lineno}: {theirs[-1].line}" if theirs else ""
    return f"It raised {type(error).__name__}: {error}{where}"


def short(number: Any) -> Any:
    """0, 2e-16, 0.25: as few digits as a table needs."""
    if number == 0 or 1e-3 <= abs(number) < 1e4:
        return f"{number:.3g}"
    return f"{number:.0e}"


def table(lines: list[tuple], indent: str = '  ') -> list[str]:
    """Rows of words as lines of text, the first column to the left and the rest to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [(indent + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                                for i, (cell, w) in enumerate(zip(line, widths)))).rstrip() for line in lines]
