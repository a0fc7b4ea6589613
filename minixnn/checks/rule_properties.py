"""What must hold of a relevance rule f: its properties, in the order in which a failure is reported.

f(x, R) is short for the rule's answer on the layer with weights W and bias b; f_k is its answer where output k alone
has relevance, of size 1. docs/checks.md has the list for readers.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import NamedTuple, TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.as_layer import SideBySide
from minixnn.checks.cases import COMMON, Case, on_device, same_on_device
from minixnn.checks.properties import Observation, Property, Report, compare, furthest, states
from minixnn.layers import Affine, ChannelScale, Conv2d, Dense

Domain: TypeAlias = "tuple[float | None, float | None]"             # (low, high) of the inputs; None is no bound
Formula: TypeAlias = Callable[[Array, Array, float, float], Array]  # (x, w, b, R) -> shares, as in `definitions`
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


def properties_of_rule(domain: Domain, conserves: str | None, definition: Formula | None, every_kind: bool,
                       device: ModuleType | None) -> list[Property]:
    """The list, the most telling first: of several that fail, the first is reported.

    Of a claim "up to a stabiliser", and where there is no claim, the list has the property "conserves" several times,
    the strongest first; `settle` leaves one of them.
    """
    levels = levels_of(conserves)
    return [*COMMON, scales, adds, receptive_field,
            *([signs] if domain == (None, None) else []),
            *([bias_is_an_input.given(domain=domain)] if any(not level.bias for level in levels) else []),
            *[conserving(level, conserves, domain) for level in levels],
            *([stabilizer.given(domain=domain)] if levels else []), order, *([every_layer] if every_kind else []),
            *([as_defined.given(formula=definition)] if definition else []), ledger, *on_device(same_on_device, device)]


def conserving(level: Level, claim: str | None, domain: Domain) -> Property:
    """The property "conserves" at one level, in words that fit the claim."""
    claimed = f'Claimed was "{claim}".' if claim else (
        "Nothing was claimed, and none of these holds: that it conserves always, without bias, up to a stabiliser; "
        'claim conserves="never" for a rule that is not meant to.')
    weaker = CLAIMS[CLAIMS.index(claim) + 1:-1] if claim else ()
    cause = "a factor that the numerator has and the denominator has not, or a division that is missing"
    if weaker:
        cause = f"{conserves_relevance.cause}, or, if that is meant, claim {' or '.join(map(repr, weaker))}"
    return replace(conserves_relevance.given(level=level, domain=domain), cause=cause,
                   limit=1e-9 if level.factor == 1 else 1e-6,
                   why=f"{claimed} {level.asked} Outputs are asked where x_j w_jk has both signs and their sum, with "
                   "the bias and without it, is not near 0, so that no denominator is 0.")


def levels_of(claim: str | None) -> list[Level]:
    """The levels that a claim means; all where there is none."""
    return [level for level in LEVELS if claim in (None, level.claim)]


def settle(claim: str | None, report: Report) -> None:
    """Leave the strongest level of conservation that holds in the report, or the weakest if none does; say which.

    That a bias is an input like any other is kept where a bias absorbs.
    """
    rows = [row for row in report.rows if row.property.name == conserves_relevance.name]
    if not rows:
        return
    asked = [n for n, row in enumerate(rows) if row.cases]
    n = next((n for n in asked if not rows[n].broken), len(rows) - 1 if asked else 0)
    kept, level = rows[n], levels_of(claim)[n]
    absorbs = len(rows) == 1 or not (level.bias or kept.broken)
    report.rows = [row for row in report.rows if row is kept or row not in rows
                   and (row.property.name != bias_is_an_input.name or absorbs)]
    if not asked:
        report.notes.append("Whether it conserves was not asked: no case had products of both signs.")
    elif not kept.broken:
        report.conserves = level.claim
        report.notes.append(f"Conserves {level.claim}: {level.found}")


@states("scales with R", "f(x, a R) = a f(x, R)",
        "Relevance that is twice as large is shared out alike, and negative relevance as well.",
        "a part of R is cut off or squared, as in positive(R), abs(R), or a threshold")
def scales(case: Case) -> Observation:
    return compare(-2 * case.R_x, case.f(-2 * case.R), "Expected is -2 f(x, R), came is f(x, -2 R).", case.scale)


@states("adds over outputs", "f(x, R' + R'') = f(x, R') + f(x, R'')",
        "Each output shares out its own relevance, whatever the others have.",
        "R is normalised over all outputs, by its sum or its maximum")
def adds(case: Case) -> Observation | None:
    if case.R.size < 2:
        return None
    mask = (np.arange(case.R.size) % 2 == 0).reshape(case.R.shape)
    return compare(case.f(case.R * mask) + case.f(case.R * ~mask), case.R_x, "Expected is f(x, R') + f(x, R''), where "
                   "R' is R at outputs 1, 3, 5, ... and R'' at the others; came is f(x, R' + R'').", case.scale)


@states("receptive field", "R_j = 0 where no output with relevance is connected to input j",
        "An output can hand relevance only to what it was computed from.",
        "relevance is spread over the whole image, or padding is treated as input")
def receptive_field(case: Case) -> Observation | None:
    if case.affine is None or case.seen.all():
        return None
    stray = np.where(case.seen, 0, case.shares)
    row = int(abs(stray).max(axis=1).argmax())
    return compare(case.shares[row] - stray[row], case.shares[row], output=case.outputs[row])


@states("signs of inputs", "f(-x) with weights -W = f(x) with weights W",
        "Which direction of an input counts as plus is a convention. Each product x_j w_jk stays the same.",
        "the sign of a weight is looked at where that of the product is meant: W+ or W- on inputs of both signs. Split "
        "x too, or give domain='nonnegative'")
def signs(case: Case) -> Observation | None:
    if case.affine is None:
        return None
    turned = case.affine.with_weights(-case.affine.W, getattr(case.affine, "b", None))
    found = per_output(case, case.shares, case.shares_on(turned, -case.x), "Expected is f(x) with W, came is f(-x) "
                       "with -W.")
    return found and replace(found, columns={"-x_j": -case.x.reshape(-1),
                                             "-w_jk": -case.weights[case.outputs.index(found.output)]})


@states("bias is an input", "f with bias b_k = f with one input more, of value 1 and weight b_k",
        "z_k = sum_j x_j w_jk + 1 b_k: what a bias absorbs is what an input would receive in its place.",
        "the bias is missing in the denominator, counted twice, or added whole where its positive or negative part is "
        "meant")
def bias_is_an_input(case: Case, domain: Domain) -> Observation | None:
    low, high = domain
    if case.affine is None or (high is not None and high < 1) or (low is not None and low > 1):
        return None                             # an input of 1 is not in the domain
    found, one = [], np.ones((1, 1))
    for row in np.flatnonzero(case.bias * case.seen.any(axis=1))[:3].tolist():
        layer, x = neuron(case, row)
        longer = Dense(np.concatenate([layer.W, case.bias[row:row + 1, None]]), None)
        expected = case.f(one, np.concatenate([x, one], axis=1), longer)[0, :-1]
        found.append(compare(expected, case.f(one, x, layer)[0], "Expected is what the inputs receive where the bias "
                             "is written as one input more, of value 1 and weight b_k.", output=case.outputs[row]))
    return furthest(found)


@states("order of units", "f of inputs and outputs in another order = f, in that order",
        "Numbers of units and channels are names; nothing is computed from them.",
        "an index that is fixed, such as R[:, 0], or a transposed array")
def order(case: Case) -> Observation | None:
    layer = case.layer
    if not isinstance(layer, Affine) or getattr(layer, "groups", 1) > 1 or (
            type(layer) not in (Dense, Conv2d, ChannelScale) and layer.W.ndim):
        return None                             # pools, whose weight is a number, treat all channels alike
    W = np.flip(layer.W, tuple(range(-min(layer.W.ndim, 2), 0)))
    turned = layer.with_weights(W, None if layer.b is None else layer.b[::-1]) if layer.W.ndim else layer
    return compare(case.R_x[..., ::-1], case.f(case.R[..., ::-1], case.x[..., ::-1], turned), "All units or channels "
                   "were put in reversed order, with their weights.", case.scale)


@states("every layer", "f_k on any affine layer = f on the dense layer of what output k sees",
        "A convolution, a pool and a scaling are dense layers with many zeros; a padded pixel is no input.",
        "padding or absent connections are counted, or the axes of images are treated as those of vectors")
def every_layer(case: Case) -> Observation | None:
    if case.affine is None or (type(case.layer) is Dense and case.x.ndim == 2):
        return None
    found, one = [], np.ones((1, 1))
    for row in sorted({0, len(case.outputs) // 2, len(case.outputs) - 1}):
        if case.seen[row].any():
            layer, x = neuron(case, row)
            found.append(compare(case.f(one, x, layer)[0], case.shares[row, case.seen[row]], "Expected is what the "
                                 "same rule answers on a Dense layer made of these weights.", output=case.outputs[row]))
    return furthest(found)


def neuron(case: Case, row: int) -> tuple[Dense, Array]:
    """Output number `row` of the case as a dense layer of its own: (layer, x (1, inputs) that it sees)."""
    seen = case.seen[row]
    bias = case.bias[row:row + 1] if getattr(case.layer, "b", None) is not None else None
    return Dense(case.weights[row, seen][:, None], bias), case.x.reshape(1, -1)[:, seen]


@states("definition", "f_k(x)_j = definition(x, w, b_k, R_k)_j", "The formula of the paper, output by output.",
        "the code computes another formula; compare the columns above term by term")
def as_defined(case: Case, formula: Formula) -> Observation | None:
    if case.affine is None:
        return None
    expected, x = np.zeros_like(case.shares), case.x.reshape(-1)
    for row, seen in enumerate(case.seen):
        if seen.any():
            expected[row, seen] = formula(x[seen], case.weights[row, seen], float(case.bias[row]), 1.0)
    return per_output(case, expected, case.shares, "")


def per_output(case: Case, expected: Array, came: Array, note: str) -> Observation | None:
    """The Observation of the output whose shares are furthest from what was expected, each relative to its size.

    A formula that divides by zero at an output says nothing of it.
    """
    return furthest([compare(e, c, note, 1.0, output=k) for k, e, c in zip(case.outputs, expected, came)
                     if np.isfinite(e).all()])


@states("ledger", "sum_k R_k = sum_j R_j + bias + stabiliser + lost",
        "The account of this rule computes what is withheld from the formula alone; with it every number must add up.",
        "rule and account differ; compare the denominator of both")
def ledger(case: Case) -> Observation | None:
    row, known = case.booked(case.R, case.R_x)
    return Observation(float((abs(row.residual) / np.maximum(row.moved, 1e-300)).max()), 0, float(row.residual[0]),
                       "Expected is no residual: the relevance that arrives, less what the account says is withheld."
                       ) if known else None


# -------------------------------------------------------------------------------------------------------- conservation
# A rule may lose or create relevance where its denominator is 0, and nobody but its author knows the denominator. So
# only outputs are looked at where no denominator in use is 0: neither the sum of the contributions, with the bias or
# without it, nor that of the positive, of the negative ones, or of their sizes.

@states("conserves", "sum_j R_j = R_k for each output k by itself",
        "What is handed back is what there was: always, without bias (a bias absorbs its share), or up to a stabiliser "
        "(which withholds a little). A claim is held strictly; without one the check says which of them holds.",
        "a factor that the numerator has and the denominator has not, a bias that absorbs, or a stabiliser that "
        "withholds")
def conserves_relevance(case: Case, level: Level, domain: Domain) -> Observation | None:
    if case.affine is None:                     # other layers may lose all of an output, such as a window of zeros
        large = level.factor if isinstance(case.layer, SideBySide) else 1          # a join has no weights
        sums = (case.shares if large == 1 else case.shares_on(case.layer, case.x * large)).sum(axis=1)
        return worst(np.minimum(abs(sums - 1), abs(sums)), sums, case, "")
    regular = is_regular(case, case.x, domain)
    if not regular.any():
        return None
    sums, sizes = handed_back(case, case.x, level.factor, level.bias)
    off = np.where(regular, abs(sums - 1) / sizes, 0)
    if off.max() > 1e-9:                        # does it stay so once no denominator can be 0 by accident?
        low, high = domain
        center = 0 if low is None or high is None else (low + high) / 2
        x = case.x + (center - case.x) * (1 + np.arange(case.x.size).reshape(case.x.shape)) / (64 * case.x.size)
        still, sizes = handed_back(case, x, level.factor, level.bias)
        off = np.where(is_regular(case, x, domain), np.minimum(off, abs(still - 1) / sizes), 0)
    plain, _ = handed_back(case, case.x, 1.0, level.bias)
    biased = getattr(case.layer, "b", None) is not None and not level.bias
    return worst(np.nan_to_num(off, nan=np.inf), plain, case, "Output {k} had 1 to hand back; {came} arrived at the "
                 "inputs." + " The bias was taken away for this." * biased)


@states("stabiliser", "0 <= sum_j R_j / R_k <= 1",
        "A stabiliser makes the size of a denominator larger, so that it withholds relevance and never creates any.",
        "epsilon is added without the sign of z: z + epsilon is smaller than z in size where z is below zero")
def stabilizer(case: Case, domain: Domain) -> Observation | None:
    regular = is_regular(case, case.x, domain) if case.affine is not None else np.zeros(1, bool)
    if not regular.any():
        return None
    sums, sizes = handed_back(case, case.x, 1.0, False)
    far, _ = handed_back(case, case.x, HUGE, False)
    keeps = abs(far - 1) < 1e-6                 # else it does not conserve at all, which `conserves` says
    off = np.where(regular & keeps, np.maximum(sums - 1, -sums).clip(0) / sizes, 0)
    return worst(off, sums, case, "Output {k} had 1 to hand back; more arrived, or less than nothing. With weights a "
                 "hundred million times larger, 1 arrives: what is added to the denominator makes it smaller.",
                 "between 0 and 1")


def is_regular(case: Case, x: Array, domain: Domain) -> Array:
    """For each output: does it sum up contributions of both signs to something not near zero, also with its bias?"""
    low, high = domain
    z = x.reshape(1, -1) * case.weights
    regular = (z > 0).any(axis=1) & (z < 0).any(axis=1) & (abs(z.sum(axis=1)) >= 1 / 16)
    regular &= abs(z.sum(axis=1) + case.bias) >= 1 / 16
    if high is not None:                        # and a pixel inside the box, for rules that measure from its corners
        inside = (case.weights != 0) & (x.reshape(1, -1) > low) & (x.reshape(1, -1) < high)
        regular &= inside.any(axis=1)
    return regular


def handed_back(case: Case, x: Array, factor: float, bias: bool) -> tuple[Array, Array]:
    """sum_j f_k(x)_j for each output, its weights multiplied by `factor`; and the size of what was summed."""
    layer, b = case.affine, getattr(case.affine, "b", None)
    if layer is not None and (factor != 1 or not (bias or b is None)):
        layer = layer.with_weights(factor * layer.W, factor * b if bias and b is not None else None)
    found = case.shares_on(layer or case.layer, x)
    return found.sum(axis=1), np.maximum(1, abs(found).sum(axis=1))


def worst(off: Array, sums: Array, case: Case, note: str, expected: str | int = 1) -> Observation:
    """The Observation of the output with the largest distance; `sums` is what arrived of each."""
    row = int(off.argmax())
    return Observation(float(off[row]), expected, float(sums[row]), note, case.outputs[row])
