"""Does an output hand back what it has? What a rule may claim of that, and the two properties that ask it.

A rule may lose or create relevance where its denominator is 0, and nobody but its author knows the denominator. So
only outputs are looked at where no denominator in use is 0: neither the sum of the contributions, with the bias or
without it, nor that of the positive, of the negative ones, or of their sizes.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.as_layer import SideBySide
from minixnn.checks.properties import Observation
from minixnn.checks.rule_cases import shares

if TYPE_CHECKING:
    from minixnn.checks.rule_cases import RuleCase

HUGE = 1e8                      # weights this much larger leave every share as it was and a stabiliser without effect


class Level(NamedTuple):
    """How much of an output's relevance arrives at its inputs. bias: also where it has one. factor: of its weights."""
    claim: str
    bias: bool
    factor: float
    found: str                  # what a report says where this holds
    asked: str                  # how it is asked


LEVELS = (                      # the strongest first
    Level("always", True, 1.0, "all relevance of an output arrives at its inputs, also where it has a bias.",
          "Asked of layers with and without a bias."),
    Level("without bias", False, 1.0, "a bias absorbs its share, and all else arrives at the inputs.",
          "Asked without the bias."),
    Level("up to a stabiliser", True, HUGE, "a stabiliser withholds a little, a bias nothing; all else arrives at the "
          "inputs.", "Asked with weights and biases so large that a stabiliser has no effect."),
    Level("up to a stabiliser", False, HUGE, "a bias absorbs its share and a stabiliser a little; all else arrives at "
          "the inputs.", "Asked without the bias, with weights so large that a stabiliser has no effect."))
CLAIMS = (*dict.fromkeys(level.claim for level in LEVELS), "never")


def is_regular(case: RuleCase, x: Array, domain: tuple) -> Array:
    """For each output: does it sum up contributions of both signs to something not near zero, also with its bias?"""
    low, high = domain
    z = x.reshape(1, -1) * case.weights
    regular = (z > 0).any(axis=1) & (z < 0).any(axis=1) & (abs(z.sum(axis=1)) >= 1 / 16)
    regular &= abs(z.sum(axis=1) + case.bias) >= 1 / 16
    if high is not None:                        # and a pixel inside the box, for rules that measure from its corners
        inside = (case.weights != 0) & (x.reshape(1, -1) > low) & (x.reshape(1, -1) < high)
        regular &= inside.any(axis=1)
    return regular


def jittered(x: Array, domain: tuple) -> Array:
    """x moved a little, each entry by another share: a denominator that was 0 by accident is no longer."""
    low, high = domain
    center = 0 if high is None else (low + high) / 2
    return x + (center - x) * (1 + np.arange(x.size).reshape(x.shape)) / (64 * x.size)


def handed_back(case: RuleCase, x: Array, factor: float = 1.0, bias: bool = True) -> tuple[Array, Array]:
    """sum_j f_k(x)_j for each output, its weights multiplied by `factor`; and the size of what was summed."""
    b = getattr(case.layer, "b", None)
    layer = case.layer if factor == 1 and (bias or b is None) else case.layer.with_weights(
        factor * case.layer.W, factor * b if bias and b is not None else None)
    found = shares(case.rule, layer, x, case.outputs)
    return found.sum(axis=1), np.maximum(1, abs(found).sum(axis=1))


def shares_of_others(case: RuleCase, factor: float) -> Array:
    """The shares of a case that is not affine; of a join, which has no weights, with inputs so much larger."""
    if not isinstance(case.layer, SideBySide) or factor == 1:
        return case.shares
    return shares(case.rule, case.layer, case.x * factor, case.outputs)


def worst(off: Array, sums: Array, case: RuleCase, note: str, expected: str | int = 1) -> Observation:
    row = int(off.argmax())
    return Observation(float(off[row]), expected, float(sums[row]), note, output=case.outputs[row])


def conserves(case: Any, level: Level, domain: tuple) -> Observation | None:
    """sum_j f_k = 1, where no denominator is 0, with the weights and the bias that the level asks for."""
    if not case.affine:                         # other layers may lose all of an output, such as a window of zeros
        sums = shares_of_others(case, level.factor).sum(axis=1)
        return worst(np.minimum(abs(sums - 1), abs(sums)), sums, case, "")
    regular = is_regular(case, case.x, domain)
    if not regular.any():
        return None
    sums, sizes = handed_back(case, case.x, level.factor, level.bias)
    off = np.where(regular, abs(sums - 1) / sizes, 0)
    if off.max() > 1e-9:                        # does it stay so once no denominator can be 0 by accident?
        x = jittered(case.x, domain)
        still, sizes = handed_back(case, x, level.factor, level.bias)
        off = np.where(is_regular(case, x, domain), np.minimum(off, abs(still - 1) / sizes), 0)
    off = np.nan_to_num(off, nan=np.inf)
    plain, _ = handed_back(case, case.x, 1.0, level.bias)
    biased = getattr(case.layer, "b", None) is not None and not level.bias
    return worst(off, plain, case, "Output {k} had 1 to hand back; {came} arrived at the inputs."
                 + " The bias was taken away for this." * biased)


def stabilizer(case: Any, domain: tuple) -> Observation | None:
    """0 <= sum_j f_k <= 1: what a stabiliser withholds it keeps."""
    if not case.affine:
        return None
    regular = is_regular(case, case.x, domain)
    if not regular.any():
        return None
    sums, sizes = handed_back(case, case.x, 1.0, False)
    far, _ = handed_back(case, case.x, HUGE, False)
    keeps = abs(far - 1) < 1e-6                 # else it does not conserve at all, which `conserves` says
    off = np.where(regular & keeps, np.maximum(sums - 1, -sums).clip(0) / sizes, 0)
    return worst(off, sums, case, "Output {k} had 1 to hand back; more arrived, or less than nothing. With weights a "
                 "hundred million times larger, 1 arrives: what is added to the denominator makes it smaller.",
                 "between 0 and 1")
