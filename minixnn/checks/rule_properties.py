"""The properties of a relevance rule f: name, formula, why it must hold, what is wrong where it does not.

f(x, R) is short for the rule's answer on the layer with weights W and bias b; f_k is its answer where output k alone
has relevance, of size 1. `rule_tests.py` has the tests, docs/checks.md the list for readers.
"""
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

from minixnn.checks import rule_tests as of
from minixnn.checks.conservation import CLAIMS, LEVELS, Level
from minixnn.checks.conservation import conserves as conserves_relevance
from minixnn.checks.conservation import stabilizer
from minixnn.checks.properties import Property, Report


def properties_of_rule(domain: tuple, conserves: str | None, definition: Any, every_kind: bool,
                       device: ModuleType | None) -> list[Property]:
    """The list, the most telling first: of several that fail, the first is reported. domain: (low, high) or None.

    Of a claim "up to a stabiliser", and where there is no claim, the list has the property "conserves" several times,
    the strongest first; `settle` leaves one of them.
    """
    found = [ANSWERS, SHAPE, PURITY, TYPE, FINITE, REPEATS, IMAGES, SCALES, ADDS, FIELD]
    found += [replace(SIGNS, test=of.signs)] if domain == (None, None) else []
    levels = [level for level in LEVELS if conserves in (None, level.claim)]
    if any(not level.bias for level in levels):
        found.append(replace(BIAS, test=partial(of.bias_is_an_input, domain=domain)))
    if levels:
        found += [conserving(level, conserves, domain) for level in levels]
        found.append(replace(STABILIZER, test=partial(stabilizer, domain=domain)))
    found += [ORDER, LAYERS] if every_kind else [ORDER]
    found += [replace(DEFINITION, test=partial(of.definition, formula=definition))] if definition else []
    return [*found, LEDGER, *on_device(DEVICE, of.device, device)]


def conserving(level: Level, claim: str | None, domain: tuple) -> Property:
    """The property CONSERVES at one level, in words that fit the claim."""
    claimed = f'Claimed was "{claim}".' if claim else (
        "Nothing was claimed, and none of these holds: that it conserves always, without bias, up to a stabiliser; "
        'claim conserves="never" for a rule that is not meant to.')
    weaker = [name for name in CLAIMS[:-1] if claim and CLAIMS.index(name) > CLAIMS.index(claim)]
    cause = f"{CONSERVES.cause}, or, if that is meant, claim {' or '.join(map(repr, weaker))}" if weaker else \
        "a factor that the numerator has and the denominator has not, or a division that is missing"
    return replace(CONSERVES, cause=cause, limit=1e-9 if level.factor == 1 else 1e-6,
                   test=partial(conserves_relevance, level=level, domain=domain),
                   why=f"{claimed} {level.asked} Outputs are asked where x_j w_jk has both signs and their sum, with "
                   "the bias and without it, is not near 0, so that no denominator is 0.")


def settle(report: Report) -> None:
    """Leave the strongest level of conservation that holds in the report, or the weakest if none does; say which.

    That a bias is an input like any other is kept where a bias absorbs.
    """
    levels = [row for row in report.rows if row.property.name == CONSERVES.name]
    if not levels:
        return
    asked = [row for row in levels if row.cases]
    kept = next((row for row in asked if not row.broken), levels[-1] if asked else levels[0])
    level = kept.property.test.keywords["level"]
    absorbs = len(levels) == 1 or not (level.bias or kept.broken)
    report.rows = [row for row in report.rows if row is kept or row not in levels
                   and (row.property.name != BIAS.name or absorbs)]
    if not asked:
        report.notes.append("Whether it conserves was not asked: no case had products of both signs.")
    elif not kept.broken:
        report.conserves = level.claim
        report.notes.append(f"Conserves {level.claim}: {level.found}")


def on_device(property: Property, test: Any, device: ModuleType | None) -> list[Property]:
    """The property DEVICE for arrays of the module `device`, such as cupy; nothing where none is given.

    ValueError if it is no array module.
    """
    if device is not None and not hasattr(device, "asarray"):
        raise ValueError(f"got device={device!r}, expected an array module, such as cupy, or None to ask nothing of "
                         "arrays elsewhere")
    return [] if device is None else [replace(property, test=partial(test, module=device))]


ANSWERS = Property(
    "answers", "f(layer, x, y, R) returns on every affine layer",
    "A rule that uses only layer.forward, layer.gradient and layer.with_weights works on every affine layer.",
    "it asks for something that only some layers have, such as a matrix W with two axes", of.answers)
SHAPE = Property(
    "shape", "f(x, R) has the shape of x",
    "Each input receives one number.",
    "a sum over the wrong axis, or a return that was forgotten", of.shape)
PURITY = Property(
    "purity", "layer, x, y and R are the same before and after",
    "The pass and the next rule use these arrays again.",
    "an operation in place, such as R *= ... or x[x < 0] = 0; work on a copy", of.purity)
TYPE = Property(
    "type", "float32 in, float32 out; float64 in, float64 out",
    "A float64 array in between doubles memory and time; a float32 one loses nine digits.",
    "an array made without dtype, such as numpy.zeros(shape), numpy.array of a number, or astype on the way", of.dtype)
FINITE = Property(
    "finite", "no NaN, no infinity",
    "Relevance is a number. Where nothing adds up to z, z is 0 and R / z is not a number.",
    "a division without stabiliser; minixnn.arrays.stabilize(z) turns 0 into a denominator that hands nothing back",
    of.finite)
REPEATS = Property(
    "repeats", "f(x, R) = f(x, R)",
    "The same layer, input and relevance have one explanation.",
    "random numbers, or something remembered from the call before", of.repeats, 1e-12)
IMAGES = Property(
    "images apart", "f([x, x'], [R, R']) = [f(x, R), f(x', R')]",
    "The explanation of an image must not depend on what else is in the batch.",
    "a sum, mean or maximum over all axes, the first included", of.images_apart)
SCALES = Property(
    "scales with R", "f(x, a R) = a f(x, R)",
    "Relevance that is twice as large is shared out alike, and negative relevance as well.",
    "a part of R is cut off or squared, as in positive(R), abs(R), or a threshold", of.scales)
ADDS = Property(
    "adds over outputs", "f(x, R' + R'') = f(x, R') + f(x, R'')",
    "Each output shares out its own relevance, whatever the others have.",
    "R is normalised over all outputs, by its sum or its maximum", of.adds)
FIELD = Property(
    "receptive field", "R_j = 0 where no output with relevance is connected to input j",
    "An output can hand relevance only to what it was computed from.",
    "relevance is spread over the whole image, or padding is treated as input", of.receptive_field)
SIGNS = Property(
    "signs of inputs", "f(-x) with weights -W = f(x) with weights W",
    "Which direction of an input counts as plus is a convention. Each product x_j w_jk stays the same.",
    "the sign of a weight is looked at where that of the product is meant: W+ or W- on inputs of both signs. Split "
    "x too, or give domain='nonnegative'", None)
BIAS = Property(
    "bias is an input", "f with bias b_k = f with one input more, of value 1 and weight b_k",
    "z_k = sum_j x_j w_jk + 1 b_k: what a bias absorbs is what an input would receive in its place.",
    "the bias is missing in the denominator, counted twice, or added whole where its positive or negative part is "
    "meant", None)
CONSERVES = Property(
    "conserves", "sum_j R_j = R_k for each output k by itself",
    "What is handed back is what there was: always, without bias (a bias absorbs its share), or up to a stabiliser "
    "(which withholds a little). A claim is held strictly; without one the check says which of them holds.",
    "a factor that the numerator has and the denominator has not, a bias that absorbs, or a stabiliser that withholds")
STABILIZER = Property(
    "stabiliser", "0 <= sum_j R_j / R_k <= 1",
    "A stabiliser makes the size of a denominator larger, so that it withholds relevance and never creates any.",
    "epsilon is added without the sign of z: z + epsilon is smaller than z in size where z is below zero", None)
ORDER = Property(
    "order of units", "f of inputs and outputs in another order = f, in that order",
    "Numbers of units and channels are names; nothing is computed from them.",
    "an index that is fixed, such as R[:, 0], or a transposed array", of.order)
LAYERS = Property(
    "every layer", "f_k on any affine layer = f on the dense layer of what output k sees",
    "A convolution, a pool and a scaling are dense layers with many zeros; a padded pixel is no input.",
    "padding or absent connections are counted, or the axes of images are treated as those of vectors", of.every_layer)
DEFINITION = Property(
    "definition", "f_k(x)_j = definition(x, w, b_k, R_k)_j",
    "The formula of the paper, output by output.",
    "the code computes another formula; compare the columns above term by term", None)
LEDGER = Property(
    "ledger", "sum_k R_k = sum_j R_j + bias + stabiliser + lost",
    "The account of this rule computes what is withheld from the formula alone; with it every number must add up.",
    "rule and account differ; compare the denominator of both", of.ledger)
DEVICE = Property(
    "device", "f on arrays of a GPU = f on NumPy's arrays",
    "An array knows where it lives, and what is computed from it lives there too.",
    "a function of numpy called by name; write xp = array_module(x) and xp.maximum(x, 0)")
