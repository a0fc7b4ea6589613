"""A rule on one layer with one input: what it returned, and the share of every output by itself."""
from __future__ import annotations

import copy
from dataclasses import dataclass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minixnn.arrays import Array
from minixnn.checks.properties import raised
from minixnn.layers import Affine, Dense
from minixnn.layers.base import Rule

if TYPE_CHECKING:
    from minixnn.layers.base import Layer

OUTPUTS = 16                    # of how many outputs the shares are asked; more are picked evenly


@dataclass(frozen=True)
class RuleCase:
    """x (1, ...), R in the shape of y. Rows of the matrices below are outputs, columns the inputs of a flat image.

    shares[k, j] is the relevance that input j receives where output k alone has relevance, of size 1. Of an affine
    layer weights[k, j] is what it multiplies x_j with, seen[k, j] whether output k is connected to input j at all.
    """
    rule: Rule
    layer: Any
    x: np.ndarray
    R: np.ndarray
    y: Array = None
    R_x: Array = None
    outputs: tuple = ()
    shares: Any = None
    weights: Any = None
    seen: Any = None
    bias: Any = None
    error: str = ""             # what the rule raised
    changed: str = ""           # which of its arguments it wrote into

    @property
    def usable(self) -> bool:
        return not (self.error or self.changed) and getattr(self.R_x, "shape", None) == self.x.shape

    @property
    def affine(self) -> bool:
        return self.weights is not None

    @property
    def scale(self) -> float:
        """How large relevance is before it is summed over outputs: what is left of a sum may be rounding alone."""
        sizes = abs(self.shares[np.isfinite(self.shares)])
        return float(abs(self.R).max() * sizes.max(initial=0))


def prepare(rule: Callable, layer: Layer, x: Array, R: Array) -> RuleCase:
    """The RuleCase: the rule asked once for R, on copies, and once for every output by itself."""
    y = layer.forward(x)
    begun = RuleCase(rule, layer, x, R, y)
    mine, given = copy.deepcopy(layer), {"x": x.copy(), "y": y.copy(), "R": R.copy()}
    before = list(vars(mine))
    try:
        with np.errstate(all="ignore"):
            R_x = rule(mine, *given.values())
    except Exception as error:
        return copy_with(begun, error=raised(error))
    changed = [name for name, old in (("x", x), ("y", y), ("R", R)) if not same(given[name], old)]
    changed += [f"layer.{name}" for name in vars(mine) if name not in before or not same(
        vars(mine)[name], vars(layer)[name])]
    R_x = R_x if not hasattr(R_x, "copy") else R_x.copy()
    if changed or getattr(R_x, "shape", None) != x.shape:
        return copy_with(begun, R_x=R_x, changed=" and ".join(changed))
    outputs = tuple(np.unique(np.linspace(0, y.size - 1, min(y.size, OUTPUTS)).round().astype(int)).tolist())
    try:
        found = {"R_x": R_x, "outputs": outputs, "shares": shares(rule, layer, x, outputs)}
    except Exception as error:
        return copy_with(begun, error=raised(error))
    return copy_with(begun, **found, **(unrolled(layer, x, outputs) if isinstance(layer, Affine) else {}))


def copy_with(case: RuleCase, **more: Any) -> RuleCase:
    return RuleCase(**{**vars(case), **more})


def same(a: Any, b: Any) -> bool:
    """Whether two attributes are equal: arrays by their numbers, NaN included, lists and tuples entry by entry."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dict__") and type(a) is type(b) and not callable(a):
        return vars(a).keys() == vars(b).keys() and all(same(vars(a)[name], vars(b)[name]) for name in vars(a))
    return a is b or bool(a == b)


def ask(rule: Callable, layer: Layer, x: Array, R: Array, y: Array | None = None) -> Array:
    """The rule's answer on copies, so that nothing it does to its arguments is seen here."""
    with np.errstate(all="ignore"):
        return rule(layer, x.copy(), (layer.forward(x) if y is None else y).copy(), R.copy())


def one_output_each(layer: Layer, x: Array, outputs: Any) -> tuple[Array, Array, Array]:
    """A batch with a copy of x for each of `outputs`, and signals (len(outputs), ...) of 1 at that output alone."""
    batch = np.repeat(x, len(outputs), axis=0)
    y = layer.forward(batch)
    signals = np.zeros(y.shape, y.dtype)
    signals.reshape(len(outputs), -1)[range(len(outputs)), outputs] = 1
    return batch, y, signals


def shares(rule: Callable, layer: Layer, x: Array, outputs: tuple[int, Any]) -> Array:
    batch, y, signals = one_output_each(layer, x, outputs)
    return np.asarray(ask(rule, layer, batch, signals, y)).reshape(len(outputs), -1)


def unrolled(layer: Affine, x: Array, outputs: tuple[int, Any]) -> dict[str, Array]:
    """The affine layer's weights, connections and biases, output by output."""
    batch, y, signals = one_output_each(layer, x * 0, outputs)
    ones = layer.with_weights(layer.W * 0 + 1, None)
    return {"weights": layer.gradient(batch, y, signals).reshape(len(outputs), -1),
            "seen": ones.gradient(batch, y, signals).reshape(len(outputs), -1) != 0,
            "bias": y[0].reshape(-1)[list(outputs)]}


def neuron(case: RuleCase, row: int) -> tuple[Dense, Array]:
    """Output number `row` of the case as a dense layer of its own: (layer, x (1, inputs) that it sees)."""
    seen = case.seen[row]
    bias = case.bias[row:row + 1] if getattr(case.layer, "b", None) is not None else None
    return Dense(case.weights[row, seen][:, None], bias), case.x.reshape(1, -1)[:, seen]
