"""Does an output hand back what it has? The two properties of a rule that claims so, up to a stabiliser.

A rule may lose or create relevance where its denominator is 0, and nobody but its author knows the denominator. So
only outputs are looked at where no denominator in use is 0: neither the sum of the contributions, nor that of the
positive, of the negative ones, or of their sizes.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.as_layer import SideBySide
from minixnn.checks.properties import Observation
from minixnn.checks.rule_cases import shares

if TYPE_CHECKING:
    from minixnn.checks.rule_cases import RuleCase

HUGE = 1e8                      # weights this much larger leave every share as it was and a stabiliser without effect


def is_regular(case: RuleCase, x: Array, domain: tuple) -> Array:
    """For each output: does it sum up contributions of both signs to something not near zero?"""
    low, high = domain
    z = x.reshape(1, -1) * case.weights
    regular = (z > 0).any(axis=1) & (z < 0).any(axis=1) & (abs(z.sum(axis=1)) >= 1 / 16)
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


def far_shares(case: RuleCase) -> Array:
    """The shares of a case that is not affine; of a join at inputs so large that a stabiliser does not count."""
    if not isinstance(case.layer, SideBySide):
        return case.shares
    return shares(case.rule, case.layer, case.x * HUGE ** 0.5, case.outputs)


def worst(off: Array, sums: Array, case: RuleCase, note: str, expected: str | int = 1) -> Observation:
    row = int(off.argmax())
    return Observation(float(off[row]), expected, float(sums[row]), note, output=case.outputs[row])


def conserves(case: Any, claim: str, domain: tuple) -> Observation | None:
    """sum_j f_k = 1, where no denominator is 0, and with weights so large that a stabiliser does not count."""
    if not case.affine:                         # other layers may lose all of an output, such as a window of zeros
        sums = far_shares(case).sum(axis=1)
        return worst(np.minimum(abs(sums - 1), abs(sums)), sums, case, "")
    bias = claim == "always"
    regular = is_regular(case, case.x, domain)
    if not regular.any():
        return None
    sums, sizes = handed_back(case, case.x, HUGE, bias)
    off = np.where(regular, abs(sums - 1) / sizes, 0)
    if off.max() > 1e-6:                        # does it stay so once no denominator can be 0 by accident?
        x = jittered(case.x, domain)
        still, sizes = handed_back(case, x, HUGE, bias)
        off = np.where(is_regular(case, x, domain), np.minimum(off, abs(still - 1) / sizes), 0)
    off = np.nan_to_num(off, nan=np.inf)
    plain, _ = handed_back(case, case.x, 1.0, bias)
    without = "" if bias or getattr(case.layer, "b", None) is None else " The bias was taken away for this."
    return worst(off, plain, case, f"Output {{k}} had 1 to hand back; {{came}} arrived at the inputs.{without}")


def stabilizer(case: Any, claim: str, domain: tuple) -> Observation | None:
    """0 <= sum_j f_k <= 1: what a stabiliser withholds it keeps."""
    if not case.affine:
        return None
    regular, bias = is_regular(case, case.x, domain), claim == "always"
    if not regular.any():
        return None
    sums, sizes = handed_back(case, case.x, 1.0, bias)
    far, _ = handed_back(case, case.x, HUGE, bias)
    keeps = abs(far - 1) < 1e-6                 # else it does not conserve at all, which `conserves` says
    off = np.where(regular & keeps, np.maximum(sums - 1, -sums).clip(0) / sizes, 0)
    return worst(off, sums, case, "Output {k} had 1 to hand back; more arrived, or less than nothing. With weights a "
                 "hundred million times larger, 1 arrives: what is added to the denominator makes it smaller.",
                 "between 0 and 1")
