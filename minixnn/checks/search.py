"""The search: ask every property of every case that Hypothesis draws, then shrink a case in which one fails."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from minixnn.arrays import Array
from minixnn.checks.properties import CheckFailed, Report, Row, ask
from minixnn.checks.shrinking import simplified

if TYPE_CHECKING:
    from minixnn.checks.properties import Property
    from minixnn.layers.base import Layer

SEARCHING = 6.0                 # seconds of the processor after which the cases so far have to do
SHRINKING = 3.0                 # likewise for the search for a smaller case


class Broken(Exception):
    """A property failed: what tells Hypothesis to look for a smaller case."""


def check(subject: str, properties: list[Property], kinds: list, prepare: Any, explain: Any, examples: int,
          number: int, settle: Callable = lambda report: None) -> Any:
    """The Report of `properties` over so many `examples` of each of the strategies `kinds`; CheckFailed if one fails.

    prepare(drawn) makes a case of what a strategy draws, with an attribute `usable`: False where the first properties
    failed, so that no other need be asked. explain(property, case, observation, report) is the message of a failure.
    `number` seeds the search: the same number, the same cases. settle(report): what is left of it, once all was asked.
    """
    report, until = Report(subject, [Row(p) for p in properties]), time.thread_time() + SEARCHING
    for cases in kinds:                         # the simple kinds first: a property that has failed is not asked again
        explore(report, cases, prepare, examples, number, until)
        for row in report.rows:
            row.where = cases if row.broken and row.where is None else row.where
    settle(report)
    if "device" not in [row.property.name for row in report.rows]:
        report.notes.append("Arrays of a device were not asked: give device=, an array module such as cupy.")
    broken = [row for row in report.rows if row.broken]
    if not broken:
        return report
    worst = broken[0].property
    case, observation = smallest(worst, broken[0].where, prepare, examples, number)
    error = CheckFailed(explain(worst, case, observation, report), worst.name, report, case, observation)
    raise error from None


def explore(report: Report, cases: Any, prepare: Any, examples: int, number: int, until: float) -> None:
    """Add what was observed to the rows of the report."""
    @seed(number)
    @quiet(examples, [Phase.generate])
    @given(cases)
    def walk(drawn):
        if report.cases and time.thread_time() > until:
            return
        case = prepare(drawn)
        report.cases += 1
        for row in report.rows:
            observation = None if row.broken else ask(row.property, case)
            if observation is not None:
                row.add(observation)
    walk()


def smallest(property: Property, cases: Any, prepare: Any, examples: int, number: int) -> Any:
    """(case, observation): the simplest case in which the property fails that is found in a few seconds."""
    until = time.thread_time() + SHRINKING
    failing: list = []

    def fails(drawn):
        observation = ask(property, prepare(drawn))
        return observation is not None and not observation.off <= property.limit

    @seed(number)
    @quiet(examples, [Phase.generate, Phase.shrink])
    @given(cases)
    def walk(drawn):
        if not (failing and time.thread_time() > until) and fails(drawn):
            failing.append(drawn)
            raise Broken
    try:
        walk()
    except Exception:                           # Broken; or Hypothesis saw that time was up
        pass
    best = simplified(min(reversed(failing), key=size), fails, time.thread_time() + SHRINKING / 2)
    case = prepare(best)
    return case, ask(property, case)


def size(drawn: tuple[Layer, Array, Array]) -> Any:
    """How many numbers there are to read in a case, and how many are not 0."""
    layer, *arrays = drawn
    numbers = np.concatenate([np.ravel(a) for a in (*arrays, *layer.arrays().values()) if a is not None])
    return numbers.size, np.count_nonzero(numbers)


def quiet(examples: int, phases: list[Phase]) -> settings:
    return settings(max_examples=examples, phases=phases, database=None, deadline=None, print_blob=False,
                    derandomize=False, report_multiple_bugs=False, verbosity=Verbosity.quiet,
                    suppress_health_check=list(HealthCheck))
