"""What must hold of a relevance rule f: its properties, in the order in which a failure is reported.

Each test takes a `RuleCase` and returns an Observation, or None where the property says nothing. f(x, R) is short for
the rule's answer on the layer with weights W and bias b; f_k is its answer where output k alone has relevance, 1.
docs/checks.md has the list for readers.
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array, array_module, to_numpy
from minixnn.checks.as_layer import SideBySide, booked
from minixnn.checks.properties import Observation, compare, first, is_so, shown
from minixnn.checks.rule_cases import ask, neuron, one_output_each
from minixnn.layers import Affine, ChannelScale, Conv2d, Dense

if TYPE_CHECKING:
    from minixnn.checks.rule_cases import RuleCase


ROUNDED = 1e-9, 1e-6            # how far apart numbers lie that were float32 in between, as a share of their size


@first
def answers(case: RuleCase) -> Observation:
    return is_so(not case.error, case.error)


@first
def purity(case: RuleCase) -> Any:
    return None if case.error else is_so(not case.changed, f"The rule wrote into {case.changed}.")


@first
def shape(case: Any) -> Any:
    if case.error or case.changed:
        return None
    if isinstance(case.layer, SideBySide):
        expected = shown(case.layer.parts(case.x))
        return is_so(case.usable, f"It returned {shown(case.R_x)}, expected {expected}, as x is.")
    return is_so(case.usable, f"It returned {shown(case.R_x)}, expected {case.x.shape}, the shape of x.")


def dtype(case: RuleCase) -> Observation:
    for kind in ("float32", "float64"):
        layer = case.layer.map_arrays(lambda a: a.astype(kind))
        came = ask(case.rule, layer, case.x.astype(kind), case.R.astype(kind)).dtype
        if came != kind:
            return is_so(False, f"Of x and R in {kind} it made relevance in {came}.")
    thrice = compare(3 * case.R_x, ask(case.rule, case.layer, case.x, 3 * case.R), scale=case.scale)
    return is_so(not ROUNDED[0] < thrice.off < ROUNDED[1], "Of x and R in float64 it made numbers with the seven "
                 f"digits of float32: f(x, 3 R) and 3 f(x, R) differ by {thrice.off:.0e} of their size.")


def finite(case: RuleCase) -> Observation:
    good = np.isfinite(case.shares).all(axis=1)
    if good.all() and np.isfinite(case.R_x).all():
        return Observation(0.0)
    if good.all():
        return Observation(np.inf, "finite numbers", case.R_x)
    row = int(np.argmin(good))
    return Observation(np.inf, "finite numbers", case.shares[row], output=case.outputs[row])


def repeats(case: RuleCase) -> Observation:
    return compare(case.R_x, ask(case.rule, case.layer, case.x, case.R), "The same call was made twice.", case.scale)


def images_apart(case: RuleCase) -> Observation:
    other, R = case.x.reshape(-1)[::-1].reshape(case.x.shape), case.R.reshape(-1)[::-1].reshape(case.R.shape)
    alone = [ask(case.rule, case.layer, x, r) for x, r in ((case.x, case.R), (other, R))]
    both = ask(case.rule, case.layer, np.concatenate([case.x, other]), np.concatenate([case.R, R]))
    return compare(np.concatenate(alone), both, "Two images were given one by one, then as a batch; the second is the "
                   "first with its numbers in reversed order.", case.scale)


def scales(case: RuleCase) -> Observation:
    return compare(-2 * case.R_x, ask(case.rule, case.layer, case.x, -2 * case.R), "Expected is -2 f(x, R), came is "
                   "f(x, -2 R).", case.scale)


def adds(case: RuleCase) -> Observation | None:
    if case.R.size < 2:
        return None
    mask = (np.arange(case.R.size) % 2 == 0).reshape(case.R.shape)
    parts = [ask(case.rule, case.layer, case.x, case.R * some) for some in (mask, ~mask)]
    return compare(sum(parts), case.R_x, "Expected is f(x, R') + f(x, R''), where R' is R at outputs 1, 3, 5, ... and "
                   "R'' at the others; came is f(x, R' + R'').", case.scale)


def receptive_field(case: RuleCase) -> Observation | None:
    if not case.affine or case.seen.all():
        return None
    stray = np.where(case.seen, 0, case.shares)
    row = int(abs(stray).max(axis=1).argmax())
    return compare(np.where(case.seen[row], case.shares[row], 0), case.shares[row], output=case.outputs[row])


def bias_is_an_input(case: RuleCase, domain: tuple) -> Observation | None:
    """f_k with bias b_k  =  f_k without, where x and w have one entry more: 1 and b_k."""
    low, high = domain
    biased = np.flatnonzero(case.bias * case.seen.any(axis=1))[:3].tolist() if case.affine else []
    if (high is not None and high < 1) or (low is not None and low > 1):
        return None                             # an input of 1 is not in the domain
    found = []
    for row in biased:
        layer, x = neuron(case, row)
        longer = Dense(np.concatenate([layer.W, case.bias[row:row + 1, None]]), None)
        one = np.ones((1, 1))
        expected = ask(case.rule, longer, np.concatenate([x, one], axis=1), one)[0, :-1]
        found.append(compare(expected, ask(case.rule, layer, x, one)[0], "Expected is what the inputs receive where "
                             "the bias is written as one input more, of value 1 and weight b_k.",
                             output=case.outputs[row]))
    return max(found, key=offset, default=None)


def offset(observation: Observation) -> float:
    return observation.off


def signs(case: RuleCase) -> Any:
    """f(-x) with -W  =  f(x) with W"""
    if not isinstance(case.layer, Affine):
        return None
    turned = case.layer.with_weights(-case.layer.W, getattr(case.layer, "b", None))
    batch, y, signal = one_output_each(case.layer, case.x, case.outputs)
    came = np.asarray(ask(case.rule, turned, -batch, signal, y)).reshape(case.shares.shape)
    found = per_output(case, case.shares, came, "Expected is f(x) with W, came is f(-x) with -W.")
    row = case.outputs.index(found.output)
    return replace(found, columns={"-x_j": -case.x.reshape(-1), "-w_jk": -case.weights[row]})


def order(case: RuleCase) -> Observation | None:
    """f of units in another order  =  f in that order"""
    layer = case.layer
    if type(layer) is Dense:
        turned = layer.with_weights(layer.W[::-1, ::-1], reverse(layer.b))
    elif type(layer) is Conv2d and layer.W.shape[2] == case.x.shape[-1]:
        turned = layer.with_weights(layer.W[:, :, ::-1, ::-1], reverse(layer.b))
    elif type(layer) is ChannelScale:
        turned = layer.with_weights(layer.W[::-1], reverse(layer.b))
    elif isinstance(layer, Affine) and layer.W.ndim == 0:
        turned = layer                          # pools treat all channels alike
    else:
        return None
    came = ask(case.rule, turned, case.x[..., ::-1], case.R[..., ::-1])
    return compare(case.R_x[..., ::-1], came, "All units or channels were put in reversed order, with their weights.",
                   case.scale)


def reverse(b: Array | None) -> Array | None:
    return None if b is None else b[::-1]


def every_layer(case: RuleCase) -> Observation | None:
    """f_k on any affine layer  =  f on a dense layer of one output, made of the inputs that output k sees"""
    if not case.affine or (type(case.layer) is Dense and case.x.ndim == 2):
        return None
    found, one = [], np.ones((1, 1))
    for row in sorted({0, len(case.outputs) // 2, len(case.outputs) - 1}):
        if case.seen[row].any():
            layer, x = neuron(case, row)
            found.append(compare(ask(case.rule, layer, x, one)[0], case.shares[row, case.seen[row]], "Expected is "
                                 "what the same rule answers on a Dense layer made of these weights.",
                                 output=case.outputs[row]))
    return max(found, key=offset, default=None)


def definition(case: Any, formula: Any) -> Any:
    """f_k  =  definition(x, w, b_k, 1), with the x and w of the inputs that output k sees"""
    if not case.affine:
        return None
    expected, x = np.zeros_like(case.shares), case.x.reshape(-1)
    for row, seen in enumerate(case.seen):
        if seen.any():
            expected[row, seen] = formula(x[seen], case.weights[row, seen], float(case.bias[row]), 1.0)
    known = np.isfinite(expected).all(axis=1)   # a formula that divides by zero here says nothing
    return per_output(case, expected[known], case.shares[known], "", np.flatnonzero(known))


def per_output(case: RuleCase, expected: Array, came: Array, note: str, rows: Any = None) -> Any:
    """The Observation of the output whose shares are furthest from what was expected, each relative to its size."""
    rows = range(len(expected)) if rows is None else rows
    return max((compare(e, c, note, 1.0, output=case.outputs[row]) for row, e, c in zip(rows, expected, came)),
               key=offset, default=None)


def ledger(case: RuleCase) -> Any:
    """sum_k R_k - sum_j R_j - bias - stabiliser - lost = 0"""
    row, known = booked(case.layer, case.rule, case.x, case.y, case.R, case.R_x)
    if not known:
        return None
    return Observation(float((abs(row.residual) / np.maximum(row.moved, 1e-300)).max()), 0, float(row.residual[0]),
                       "Expected is no residual: the relevance that arrives, less what the account says is withheld.")


def device(case: Any, module: Any) -> Any:
    """f on arrays of `module`  =  f on NumPy's arrays"""
    layer = case.layer.map_arrays(module.asarray)
    x, R = module.asarray(case.x), module.asarray(case.R)
    came = case.rule(layer, x, layer.forward(x), R)
    if not hasattr(came, "dtype") or array_module(came) is not module:
        return is_so(False, f"Of arrays on the device it made {type(came).__name__}, on the host.")
    return compare(case.R_x, to_numpy(came), "Expected is NumPy's answer.", case.scale)
