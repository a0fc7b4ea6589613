"""What a rule asks for, and what it is called."""
import functools
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np

from minixnn.layers.base import Layer, Rule


class HasLayers(Protocol):
    """What a composite asks of a network: its list of layers, where each takes its input, and who reads A[i]."""
    layers: list[Layer]
    inputs: list[tuple[int, ...]]

    def readers(self, i: int) -> list[int]:
        """The numbers of the layers that A[i] enters."""


Rules: TypeAlias = Rule | Sequence | Callable[[HasLayers], Sequence]    # one rule, an entry for each layer, a composite


def is_composite(rules: Rules) -> bool:
    """Whether `rules` is to be called with the network: a function that asks for one argument only."""
    return callable(rules) and len(asked := _asked(rules) or ()) == 1 and "*" not in asked


def check_arguments(rule: Rule) -> Rule:
    """`rule` itself, if it can be called with the layer, both its sides, and the relevance of its output."""
    asked = _asked(rule)
    if asked is not None and len(asked) != 4 and "*" not in asked:
        raise ValueError(f"{name_of(rule)} asks for ({', '.join(asked)}), expected a function of (layer, x, y, R): a "
                         "rule is handed both sides of its layer, the input x and the output y, and the relevance R "
                         "of y; functools.partial sets what else it needs")
    return rule


def _asked(rule):
    """The names of the arguments that have to be given to `rule`; "*" for any number, None where Python cannot tell."""
    return _left(rule) if isinstance(rule, partial) else _parameters(rule)


def _left(rule):
    """Those that a functools.partial leaves to give."""
    names = _parameters(rule.func)
    return names and tuple(name for name in names[len(rule.args):] if name not in rule.keywords)


@functools.lru_cache(maxsize=1024)
def _parameters(function):
    """The positional parameters of a function that have no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ("*",)
    return tuple(p.name for p in parameters
                 if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def name_of(rule: Rule | None) -> str:
    """How a rule is called in a table: "alpha_beta (alpha=1.0, beta=0.0)" for a partial, "" for None."""
    if rule is None:
        return ""
    knobs = getattr(rule, "keywords", {})
    shown = ", ".join(f"{k}={v}" if isinstance(v, (int, float, np.number)) else k for k, v in knobs.items())
    name = getattr(getattr(rule, "func", rule), "__name__", repr(rule))
    return f"{name} ({shown})" if shown else name
