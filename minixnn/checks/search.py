"""The search: ask every property of every case that Hypothesis draws, then shrink a case in which one fails."""
import sys
import time
import traceback

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from minixnn.checks.properties import CheckFailed, Observation, Report, Row
from minixnn.checks.shrinking import simplified

SEARCHING = 6.0                 # seconds of the processor after which the cases so far have to do
SHRINKING = 3.0                 # likewise for the search for a smaller case


class Broken(Exception):
    """A property failed: what tells Hypothesis to look for a smaller case."""


def check(subject, properties, kinds, prepare, explain, examples, number):
    """The Report of `properties` over so many `examples` of each of the strategies `kinds`; CheckFailed if one fails.

    prepare(drawn) makes a case of what a strategy draws, with an attribute `usable`: False where the first properties
    failed, so that no other need be asked. explain(property, case, observation, report) is the message of a failure.
    `number` seeds the search: the same number, the same cases.
    """
    report, where, until = Report(subject, [Row(p) for p in properties]), {}, time.thread_time() + SEARCHING
    for cases in kinds:                         # the simple kinds first: a property that has failed is not asked again
        explore(report, cases, prepare, examples, number, until)
        for name in report.broken:
            where.setdefault(name, cases)
    broken = [row.property for row in report.rows if row.broken]
    if not broken:
        return report
    case, observation = smallest(broken[0], where[broken[0].name], prepare, examples, number)
    error = CheckFailed(explain(broken[0], case, observation, report), broken[0].name, report, case, observation)
    raise error from None


def explore(report, cases, prepare, examples, number, until):
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


def smallest(property, cases, prepare, examples, number):
    """(case, observation): the simplest case in which the property fails that is found in a few seconds."""
    failing, until = [], time.thread_time() + SHRINKING

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


def size(drawn):
    """How many numbers there are to read in a case, and how many are not 0."""
    layer, *arrays = drawn
    numbers = np.concatenate([np.ravel(a) for a in (*arrays, *layer.arrays().values()) if a is not None])
    return numbers.size, np.count_nonzero(numbers)


def ask(property, case):
    """The Observation of a property, or None where it says nothing. What raises is as far off as can be."""
    if not case.usable and not getattr(property.test, "first", False):
        return None
    try:
        with np.errstate(all="ignore"):         # a division by zero shows in the numbers; it needs no warning
            return property.test(case)
    except Exception as error:
        return Observation(np.inf, note=raised(error))


def first(test):
    """Mark a test that says whether a case can be used at all."""
    test.first = True
    return test


def quiet(examples, phases):
    return settings(max_examples=examples, phases=phases, database=None, deadline=None, print_blob=False,
                    derandomize=False, report_multiple_bugs=False, verbosity=Verbosity.quiet,
                    suppress_health_check=list(HealthCheck))


def raised(error):
    """An exception as a sentence, with the line of the user's code where it came from."""
    frames = traceback.extract_tb(error.__traceback__ or sys.exc_info()[2])
    theirs = [frame for frame in frames if "minixnn" not in frame.filename.replace("\\", "/").split("/")] or frames
    where = f" in {theirs[-1].name}, line {theirs[-1].lineno}: {theirs[-1].line}" if theirs else ""
    return f"It raised {type(error).__name__}: {error}{where}"
