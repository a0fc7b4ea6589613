"""check_rule: is a function (layer, x, y, R) -> R a relevance rule, on every kind of layer and number?"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from minixnn.checks import search, strategies
from minixnn.checks.as_layer import SideBySide
from minixnn.checks.conservation import CLAIMS
from minixnn.checks.drawn import drawn_layers, with_shapes
from minixnn.checks.properties import Report
from minixnn.checks.rule_cases import prepare
from minixnn.checks.rule_properties import properties_of_rule, settle
from minixnn.checks.worked_rules import explain_rule
from minixnn.rules.composites import check_arguments, name_of

if TYPE_CHECKING:
    from minixnn.checks.rule_cases import RuleCase


def check_rule(rule: Callable, layers: Any = None, domain: str | tuple[float, float] = "any",
               conserves: str | None = None, definition: Callable | None = None, device: ModuleType | None = None,
               examples: int = 50, seed: int = 0) -> Report:
    """Ask the properties of a relevance rule, and return a report; CheckFailed where one does not hold.

    rule: a function (layer, x, y, R) -> relevance of x. domain: the inputs it is for, "any", "nonnegative" or a pair
    (low, high). definition: the formula for one output, a function (x, w, b, R) -> shares, such as those in
    `checks.definitions`.

    conserves: whether the inputs of an output receive all of its relevance where no denominator is 0: "always",
    "without bias" (a bias absorbs its share), "up to a stabiliser" (which withholds a little, and a bias may absorb),
    or "never". None: the check finds the strongest of the first three that holds, and says so, as `report.conserves`
    and below its table; that none holds is a failure.

    layers: what it is a rule for, in place of affine layers of every kind: a layer, a class such as MatMul, a function
    that makes one, or a strategy of pairs (layer, input shape). A join's rule gets and returns tuples.

    device: an array module such as cupy, whose arrays must have the same answers. examples: how many cases of each kind
    are drawn. seed: another number, other cases.
    """
    low, high = bounds(domain)
    if conserves is not None and conserves not in CLAIMS:
        raise ValueError(f"got conserves={conserves!r}, expected one of {', '.join(map(repr, CLAIMS))}; or None to "
                         "find out")
    properties = properties_of_rule((low, high), conserves, definition, layers is None, device)
    check_arguments(rule)
    kinds = strategies.affine_kinds() if layers is None else [with_shapes(drawn_layers(layers))]
    return search.check(f"the rule {name_of(rule)}", properties, [rule_cases(kind, low, high) for kind in kinds],
                        partial(prepared, rule), partial(explain_rule, rule), examples, seed, settle)


def bounds(domain: Any) -> tuple:
    """(low, high) of the inputs, None where there is no bound."""
    if domain in ("any", "nonnegative"):
        return (None if domain == "any" else 0.0), None
    try:
        low, high = map(float, domain)
        if low < high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError(f"got domain={domain!r}, expected 'any', 'nonnegative' or a pair of numbers (low, high)")


@st.composite
def rule_cases(draw: st.DrawFn, layers: Any, low: Any, high: Any) -> Any:
    """(layer, x, R): one image, and relevance of both signs for its output."""
    layer, x = draw(strategies.cases(layers, low, high))
    if isinstance(x, tuple):
        layer = SideBySide(layer, tuple(part.shape[1:] for part in x))
        x = layer.whole(x)
    return layer, x, draw(strategies.arrays(layer.forward(x).shape))


def prepared(rule: Callable, drawn: Any) -> RuleCase:
    layer = drawn[0]
    return prepare(layer.as_rule(rule) if isinstance(layer, SideBySide) else rule, *drawn)
