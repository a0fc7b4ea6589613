"""What a check is made of: properties, what was observed of them, the report, and the failure.

A property is one sentence that must hold, with its formula. It is a function of a case (a layer with an input, a
relevance and so on) and answers with an `Observation`: how far the two sides of its formula lie apart. A report
keeps the largest distance of each property over all cases. Hypothesis is not needed here.
"""
from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn.layers.base import Layer

Side: TypeAlias = "np.ndarray | float | str | None"                 # one side of a formula
Test: TypeAlias = "Callable[..., Observation | None]"               # of a case
SHOWN = ("derivative", "adjoint", "parameter gradients", "DeepLIFT", "images apart")        # columns of the table
FIRST = "answers", "shape", "purity"                                # asked of a case that no other can be asked of


class Usable(Protocol):
    """What a property is asked of: a `Case`, or a `NetworkCase`."""

    @property
    def usable(self) -> bool:
        """Whether more than the properties FIRST can be asked of it."""


class Failing(Usable, Protocol):
    """What a check of a layer or a rule failed on."""

    @property
    def layer(self) -> Layer:
        """The layer."""

    @property
    def x(self) -> Array:
        """Its input."""

    @property
    def R(self) -> Array:
        """The relevance of its output, if a rule was asked."""


class NotAsked(Exception):
    """Raised by a test of what it cannot ask, with the reason."""


@dataclass(frozen=True)
class Property:
    """One sentence that must hold. `test(case)` returns an Observation, or None where the sentence says nothing."""
    name: str
    formula: str
    why: str                    # why it must hold
    cause: str                  # what is usually wrong where it does not
    test: Test
    limit: float = 1e-9         # how large `off` of an Observation may be

    def given(self, **knobs: object) -> Property:
        """The same, with some arguments of its test."""
        return replace(self, test=partial(self.test, **knobs))


def states(name: str, formula: str, why: str, cause: str, limit: float = 1e-9) -> Callable[[Test], Property]:
    """Make a test a Property: a decorator, so that the sentences stand above what is computed."""
    return lambda test: Property(name, formula, why, cause, test, limit)


@dataclass(frozen=True)
class Observation:
    """Both sides of a property's formula in one case. `off` is their distance, as a share of their size."""
    off: float
    expected: Side = None
    came: Side = None
    note: str = ""              # a sentence for the reader of a failure
    output: int | None = None   # index of the output that it is about, in a flattened image; None: of all
    steps: tuple[str, ...] = ()                             # lines of arithmetic that lead to `expected`
    columns: dict[str, Array] = field(default_factory=dict)     # more columns for the table of inputs


def compare(expected: Array, came: Array, note: str = '', scale: float = 0.0, output: int | None = None) -> Observation:
    """The Observation of two arrays, measured against the largest number of both, or against `scale` if larger.

    Numbers that are not finite, on one side only, are infinitely far off.
    """
    expected, came = np.asarray(expected, dtype=float), np.asarray(came, dtype=float)
    one, other = (side if side.ndim else side.item() for side in (expected, came))
    if expected.shape != came.shape:
        note = f"{note} The shapes are {expected.shape} and {came.shape}.".strip()
        return Observation(np.inf, one, other, note, output)
    same = (expected == came) | (np.isnan(expected) & np.isnan(came))
    with np.errstate(all="ignore"):
        distance = np.where(same, 0.0, abs(expected - came))
    size = max(scale, *(abs(a[np.isfinite(a)]).max(initial=0) for a in (expected, came))) or 1.0
    off = np.nan_to_num(distance, nan=np.inf, posinf=np.inf).max(initial=0)
    return Observation(float(off / size), one, other, note, output)


def is_so(ok: bool, note: str) -> Observation:
    """The Observation of a sentence that is true or not, without numbers."""
    return Observation(0.0 if ok else np.inf, note="" if ok else note)


def furthest(found: list[Observation]) -> Observation | None:
    """The observation whose two sides lie furthest apart; None of none."""
    return max(found, key=lambda observation: observation.off, default=None)


@dataclass
class Row:
    """A property in a report: in how many cases it said something, and the largest distance found."""
    property: Property
    cases: int = 0
    largest: float = 0.0
    broken: bool = False
    note: str = ""              # why it was not asked

    def ask(self, case: Usable) -> Observation | None:
        """Ask the property of one case more; the Observation if it does not hold. What raises is far off."""
        if not case.usable and self.property.name not in FIRST:
            return None
        try:
            with np.errstate(all="ignore"):     # a division by zero shows in the numbers; it needs no warning
                observation = self.property.test(case)
        except NotAsked as reason:
            self.note, observation = str(reason), None
        except Exception as error:
            observation = Observation(np.inf, note=raised(error))
        if observation is None:
            return None
        self.cases += 1
        self.largest = max(self.largest, observation.off)
        fails = not observation.off <= self.property.limit
        self.broken = self.broken or fails
        return observation if fails else None


@dataclass
class Report:
    """What was asked of `subject`, and what came out. `print(report)` shows a table."""
    subject: str
    rows: list[Row]
    cases: int = 0
    notes: list[str] = field(default_factory=list)          # sentences below the table
    conserves: str | None = None                            # of a rule: what was found, "always" and so on

    @property
    def broken(self) -> list[str]:
        """The names of the properties that do not hold, the most telling first."""
        return [row.property.name for row in self.rows if row.broken]

    @property
    def held(self) -> list[str]:
        """The names of the properties that were asked and hold."""
        return [row.property.name for row in self.rows if row.cases and not row.broken]

    def __str__(self):
        lines = [("property", "holds", "cases", "largest distance", "must be below")]
        for row in self.rows:
            asked = row.cases > 0
            lines.append((row.property.name, ("no" if row.broken else "yes") if asked else "-", str(row.cases),
                          short(row.largest) if asked else row.note or "says nothing here",
                          short(row.property.limit) if asked else ""))
        return "\n".join([f"{self.subject}, {self.cases} cases", *table(lines), *self.notes])


class Checked(NamedTuple):
    """A layer of the network, with the row of each property, and what was observed where it does not hold."""
    place: str
    layer: Layer
    rows: list[Row]
    failures: list[Observation | None]


class NetworkReport:
    """`layers`: [(place, layer, rows, observations), ...]; `whole`: rows of the whole network."""

    def __init__(self, layers: list[Checked], whole: list[Row], images: int) -> None:
        self.layers, self.whole, self.images = layers, whole, images

    @property
    def broken(self) -> list[tuple[str, str]]:
        """What does not hold: (place, property), the layers first; the place of the whole network is ""."""
        rows = [(layer.place, row) for layer in self.layers for row in layer.rows] + [("", row) for row in self.whole]
        return [(place, row.property.name) for place, row in rows if row.broken]

    def __str__(self):
        lines = [(" l  layer", *SHOWN, "other properties")]
        for place, layer, rows, _ in self.layers:
            named = {row.property.name: row for row in rows if row.cases}
            others = [row for name, row in named.items() if name not in SHOWN]
            bad = [row.property.name for row in others if row.broken]
            lines.append((f"{place:>2}  {layer!r}", *(f"{short(named[name].largest)}{' NO' * named[name].broken}"
                                                      if name in named else "" for name in SHOWN),
                          f"NO: {', '.join(bad)}" if bad else f"{len(others)} hold"))
        whole = [("the whole network", "holds", "distance", "must be below")]
        for row in self.whole:
            numbers = (short(row.largest), short(row.property.limit)) if row.cases else ("", row.note)
            whole.append((row.property.name, "NO" if row.broken else "yes" if row.cases else "-", *numbers))
        return "\n".join([f"{len(self.layers)} layers at the activations of {self.images} images: the largest distance "
                          "between both sides of each formula", *table(lines), "", *table(whole)])


class CheckFailed(AssertionError):
    """A property does not hold. The message works the smallest case out by hand.

    property: its name.  broken: the names of all properties that failed, this one first.  report: the table.
    case: what it failed on, with `layer`, `x` and, of a rule, `R`.  expected, came: both sides of the formula.
    """

    def __init__(self, message: str, property: str, report: Report | NetworkReport, case: Failing | None = None,
                 observation: Observation | None = None) -> None:
        super().__init__(message)
        self.property, self.report, self.case = property, report, case
        self.broken = [property, *(name for name in report.broken if name != property)]
        self.expected = getattr(observation, "expected", None)
        self.came = getattr(observation, "came", None)


def raised(error: Exception) -> str:
    """An exception as a sentence, with the line of the user's code where it came from."""
    frames = traceback.extract_tb(error.__traceback__ or sys.exc_info()[2])
    theirs = [frame for frame in frames if "minixnn" not in frame.filename.replace("\\", "/").split("/")] or frames
    where = f" in {theirs[-1].name}, line {theirs[-1].lineno}: {theirs[-1].line}" if theirs else ""
    return f"It raised {type(error).__name__}: {error}{where}"


def short(number: float) -> str:
    """0, 2e-16, 0.25: as few digits as a table needs."""
    return f"{number:.3g}" if number == 0 or 1e-3 <= abs(number) < 1e4 else f"{number:.0e}"


def table(lines: list[tuple[str, ...]], indent: str = '  ') -> list[str]:
    """Rows of words as lines of text, the first column to the left and the rest to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [(indent + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                                for i, (cell, w) in enumerate(zip(line, widths)))).rstrip() for line in lines]
