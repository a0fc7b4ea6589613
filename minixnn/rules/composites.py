"""Composites: which rule for which layer, by the names the field uses.

A composite is a function `composite(net) -> list` with an entry for each layer: a rule, or None for the layer's default
rule (a ReLU's `pass_on`, a max pool's `winner_takes_all`). Give it to
`passes.lrp(net, x, rules=composites.epsilon_plus)`; one with knobs is called first,
`rules=composites.epsilon_gamma_box(net, low=0, high=1)`, or becomes a functools.partial.

The thought behind them (Montavon et al. 2019, section 10.3; Kohlbrenner et al. 2020): near the output few
neurons with mixed meaning, so a rule that keeps both signs; in the convolutions many noisy contributions, so
a rule that favours the positive ones; at the pixels a rule that knows what a pixel can be.

The projections of attention are dense layers and get their rule. What neighbours a layer has follows the network's
connections: `surroundings`.
"""
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn.layers import (Affine, Conv1d, Conv2d, ConvTranspose2d, Dense, Einsum, Embedding, Identity, MatMul,
                            Multiply, Softmax)
from minixnn.layers.base import Join, Layer, Rule
from minixnn.layers.joins import half_each, signal_takes_all
from minixnn.layers.reduce import Extremum
from minixnn.rules import deep_taylor as dt
from minixnn.rules import lrp

alpha1_beta0 = partial(lrp.alpha_beta, alpha=1.0, beta=0.0)
alpha2_beta1 = partial(lrp.alpha_beta, alpha=2.0, beta=1.0)
AFFINE_RULES = (lrp.epsilon, lrp.epsilon_rms, lrp.gamma, lrp.gamma_signed, lrp.alpha_beta, lrp.flat, dt.z_plus,
                dt.w_square, dt.z_box)
CONVOLUTIONS = (Conv1d, Conv2d, ConvTranspose2d)
WEIGHTED = (Dense, *CONVOLUTIONS)               # the layers that composites have a rule of their own for


class HasLayers(Protocol):
    """What a composite asks of a network: its list of layers, where each takes its input, and who reads A[i]."""
    layers: list[Layer]
    inputs: list[tuple[int, ...]]

    def readers(self, i: int) -> list[int]:
        """The numbers of the layers that A[i] enters."""


Rules: TypeAlias = Rule | Sequence | Callable[[HasLayers], Sequence]    # one rule, an entry for each layer, a composite


class Surroundings(NamedTuple):
    """What composites ask of each activation A[i]; lists with an entry for each."""
    pixels: list[bool]          # whether it holds the network's own inputs, at most prepared, moved or pooled
    nonnegative: list[bool]     # whether it is known to be >= 0, by the kinds of the layers below
    low: list[Array | None]     # bounds of the pixels there, behind what prepares them; None where not known
    high: list[Array | None]


def surroundings(network: HasLayers, nonnegative: bool = False, low: float | Array | None = None,
                 high: float | Array | None = None) -> Surroundings:
    """Follow the connections of a network from its input, of which sign and bounds may be known.

    Pixels have bounds as long as they are pixels; where several inputs meet in a join they have none.
    """
    here = Surroundings([True], [nonnegative], [low], [high])
    for layer, sources in zip(network.layers, network.inputs):
        i = sources[0]
        mixed = isinstance(layer, (*WEIGHTED, Embedding)) or not all(here.pixels[i] for i in sources)
        positive = all(here.nonnegative[i] for i in sources) and getattr(layer, "preserves_sign", False)
        low, high = (None, None) if mixed or isinstance(layer, Join) else (here.low[i], here.high[i])
        bounds = layer.bounds(low, high) if hasattr(layer, "bounds") and low is not None else (low, high)
        here.pixels.append(not mixed)
        here.nonnegative.append(positive or getattr(layer, "nonnegative", False))
        here.low.append(bounds[0])
        here.high.append(bounds[1])
    return here


def rectified(net: HasLayers, i: int) -> bool:
    """Whether all that read A[i] cut off at once what is negative, a maximum at most between, so that it gets no R."""
    readers = net.readers(i)
    return bool(readers) and all(
        rectified(net, l + 1) if isinstance(net.layers[l], Extremum) else getattr(net.layers[l], "is_rectifier", False)
        for l in readers)


def by_kind(net: HasLayers, conv: Rule, dense: Rule = lrp.epsilon, first: Rule | Sequence[Rule | None] | None = None,
            max_pool: Rule | None = None, signed: Rule | None = None, nonnegative: bool = False,
            others: Mapping[type, Rule] | None = None) -> list[Rule | None]:
    """The rule `conv` for convolutions, `dense` for dense layers, `lrp.epsilon` as there for other affine layers.

    `first`, if given, takes the place of the rule of each convolution or dense layer that sees the pixels: a rule, or
    a list of them with an entry for each activation. `signed` takes that of `conv` where inputs may be negative, or
    outputs that no ReLU cuts off (nonnegative: the network's own inputs are not). `max_pool` None: winner takes all.
    Sums, products of matrices and normalisations get the stabiliser of `dense`. `others`: {class: rule}.
    """
    epsilon, here = epsilon_of(dense), surroundings(net, nonnegative)
    rules: list[Rule | None] = []
    for l, (layer, sources) in enumerate(zip(net.layers, net.inputs)):
        i = sources[0]
        if isinstance(layer, WEIGHTED):
            if isinstance(first, list) and here.pixels[i] and first[i] is None:
                raise ValueError(f"layer {l}, {layer!r}, sees pixels that have met in a join, of which no bounds are "
                                 "known for z^B; give a list of rules")
            one_sign = here.nonnegative[i] and rectified(net, l + 1)
            usual = dense if isinstance(layer, Dense) else signed if signed and not one_sign else conv
            at_pixels = first if callable(first) or first is None else first[i]
            rules.append(at_pixels if first is not None and here.pixels[i] else usual)
        elif isinstance(layer, Extremum):
            rules.append(max_pool)
        else:
            default = in_place_of(dense if is_epsilon(dense) else lrp.epsilon, layer, epsilon)
            rules.append(next((rule for kind, rule in (others or {}).items() if isinstance(layer, kind)), default))
    return rules


def in_place_of(rule: Rule | None, layer: Layer, epsilon: float = 1e-6) -> Rule | None:
    """The rule of one layer where `rule` is meant for all affine layers: others take its stabiliser only."""
    if isinstance(layer, Affine):
        return rule
    own: Rule | None = getattr(layer, "rule", None)
    return partial(own, epsilon=epsilon) if own and epsilon != 1e-6 and getattr(layer, "stabilized", False) else None


def epsilon_plus(net: HasLayers, epsilon: float = 1e-6) -> list[Rule | None]:
    """alpha1-beta0 ("z+" with bias absorbed) for convolutions, epsilon for dense layers."""
    return by_kind(net, alpha1_beta0, stabilized(epsilon))


def epsilon_plus_flat(net: HasLayers, epsilon: float = 1e-6) -> list[Rule | None]:
    """As `epsilon_plus`, with the flat rule for the first layer."""
    return by_kind(net, alpha1_beta0, stabilized(epsilon), first=lrp.flat)


def epsilon_alpha2_beta1(net: HasLayers, epsilon: float = 1e-6) -> list[Rule | None]:
    """alpha2-beta1 for convolutions, epsilon for dense layers."""
    return by_kind(net, alpha2_beta1, stabilized(epsilon))


def epsilon_alpha2_beta1_flat(net: HasLayers, epsilon: float = 1e-6) -> list[Rule | None]:
    """As `epsilon_alpha2_beta1`, with the flat rule for the first layer."""
    return by_kind(net, alpha2_beta1, stabilized(epsilon), first=lrp.flat)


def epsilon_gamma_box(net: HasLayers, low: float | Array = 0.0, high: float | Array = 1.0, gamma: float = 0.25,
                      epsilon: float = 1e-6) -> list[Rule | None]:
    """z^B for the first layer with pixels in [low, high], gamma for convolutions, epsilon for dense layers.

    Where inputs of a convolution may be negative, or outputs that no ReLU cuts off, gamma_signed takes gamma's place.
    """
    return by_kind(net, partial(lrp.gamma, gamma=gamma), stabilized(epsilon), z_boxes(net, low, high),
                   signed=partial(lrp.gamma_signed, gamma=gamma))


def by_depth(net: HasLayers, low: float | Array = 0.0, high: float | Array = 1.0, gamma: float = 0.25,
             share: float = 0.25) -> list[Rule | None]:
    """As `epsilon_gamma_box` in the lower half of the convolutions and dense layers, epsilon_rms in the upper half.

    Montavon et al. 2019, section 10.3: a rule for each depth. Near the output a stabiliser in proportion to the outputs
    leaves the few neurons that matter; below, gamma favours what is positive; at the pixels z^B knows their bounds.
    """
    lower, upper = epsilon_gamma_box(net, low, high, gamma), partial(lrp.epsilon_rms, share=share)
    weighted = [l for l, layer in enumerate(net.layers) if isinstance(layer, WEIGHTED)]
    half = weighted[len(weighted) // 2] if weighted else 0
    return [*lower[:half], *(in_place_of(upper, layer) for layer in net.layers[half:])]


def attn_lrp(net: HasLayers, epsilon: float = 1e-6) -> list[Rule | None]:
    """For transformers: every product is halved, the scale of a normalisation held fixed. Achtibat et al. 2024.

    Their proposition 3.4 hands a normalisation's relevance on as it is; their library, LXT, holds the scale fixed, and
    so does this.
    """
    rule = stabilized(epsilon)
    return by_kind(net, rule, rule, others={Multiply: half_each})           # which matrices have by default


def cp_lrp(net: HasLayers, epsilon: float = 1e-6) -> list[Rule | None]:
    """For transformers: attention weights and the scale of a normalisation are held fixed. Ali et al. 2022.

    Where a softmax enters a product of matrices, the other factor takes all.
    """
    rule = stabilized(epsilon)
    rules = by_kind(net, rule, rule)
    for l, layer in enumerate(net.layers):
        constant = [behind_softmax(net, i) for i in net.inputs[l]]
        if isinstance(layer, (MatMul, Einsum)) and sum(constant) == 1:
            rules[l] = partial(signal_takes_all, signal=constant.index(False), epsilon=epsilon)
    return rules


def behind_softmax(net: HasLayers, i: int) -> bool:
    """Whether A[i] is what a softmax makes, at most moved or scaled since."""
    while i > 0:
        layer = net.layers[i - 1]
        if isinstance(layer, Softmax) or isinstance(layer, (*WEIGHTED, Join)):
            return isinstance(layer, Softmax)
        i = net.inputs[i - 1][0]
    return False


def deep_taylor(net: HasLayers, low: float | Array | None = None,
                high: float | Array | None = None) -> list[Rule | None]:
    """z^B at the pixels if bounds are given, else w^2; z+ above; pools proportional. Montavon et al. 2017."""
    if (low is None) != (high is None):
        raise ValueError(f"got low={low}, high={high}, expected both bounds of a pixel or neither")
    first = dt.w_square if low is None else z_boxes(net, low, high)
    return by_kind(net, conv=dt.z_plus, dense=dt.z_plus, first=first, max_pool=lrp.proportional)


def z_boxes(net: HasLayers, low: float | Array, high: float | Array) -> list[Rule | None]:
    """z^B for each activation, with the bounds of the pixels as they are there: behind what prepares them."""
    here = surroundings(net, low=low, high=high)
    return [None if low is None else partial(dt.z_box, low=low, high=high) for low, high in zip(here.low, here.high)]


class Chosen(list):
    """A complete list of rules for one network, as `rules_for` returns it: nothing is left to choose or to check."""

    def __init__(self, net: HasLayers, rules: Iterable[Rule | None]) -> None:
        super().__init__(rules)
        self.net = net


def rules_for(net: HasLayers, rules: Rules) -> list[Rule]:
    """One function (layer, x, y, R) -> R for each layer, from one rule, a list of rules, or a composite.

    None stands for the layer's default rule. ValueError where a layer has none, takes no other, or the rule has other
    arguments.
    """
    if isinstance(rules, Chosen) and rules.net is net:
        return rules
    if callable(rules) and not is_composite(rules):
        return for_all(net, check_arguments(rules), epsilon_of(rules))
    rules = rules(net) if callable(rules) else rules
    if isinstance(rules, str):
        place = next((name for name, module in (("lrp", lrp), ("deep_taylor", dt)) if hasattr(module, rules)), None)
        place = "composites" if place is None and rules in globals() and callable(globals()[rules]) else place
        raise ValueError(f"got rules={rules!r}, a name, expected the function itself"
                         + (f": minixnn.rules.{place}.{rules}" if place else ", such as minixnn.rules.lrp.epsilon"))
    if not isinstance(rules, (list, tuple)):
        raise ValueError(f"got rules={rules!r}, expected a rule such as lrp.epsilon, a list of rules with one "
                         "entry a layer, or a composite such as composites.epsilon_plus")
    if len(rules) != len(net.layers):
        raise ValueError(f"got a list of {len(rules)} rules for {len(net.layers)} layers; give one entry per layer, "
                         "None where a layer takes no rule; net.describe() lists the layers")
    chosen = Chosen(net, rules)
    for l, layer in enumerate(net.layers):
        own = getattr(layer, "rule", None)
        if rules[l] is None or isinstance(layer, Identity):                 # which stands for one that was left out
            chosen[l] = own
        if chosen[l] is None or chosen[l] is not own:
            check_rule(chosen[l], layer, l)
    return chosen


def for_all(net: HasLayers, rule: Rule, epsilon: float) -> list[Rule]:
    """`rule` for every affine layer; the others have their default rules, with its stabiliser."""
    rules = Chosen(net, [rule if isinstance(layer, Affine) else getattr(layer, "rule", None) for layer in net.layers])
    if epsilon != 1e-6:
        rules = Chosen(net, [in_place_of(rule, layer, epsilon) or own for layer, own in zip(net.layers, rules)])
    if None in rules:
        check_rule(None, net.layers[rules.index(None)], rules.index(None))
    return rules


def check_rule(rule: Rule | None, layer: Layer, l: int) -> None:
    """Refuse what cannot be the rule of this layer, in a sentence that says what can."""
    own = getattr(layer, "rule", None)
    if rule is None:
        raise ValueError(f"layer {l} is {layer!r}, which needs a rule to pass relevance on, got None; give one such "
                         "as minixnn.rules.lrp.epsilon in its place in the list, or the class a rule of its own")
    if not callable(rule):
        raise ValueError(f"got {rule!r} as the rule of layer {l}, expected a function such as lrp.epsilon, or None")
    function, taken = getattr(rule, "func", rule), getattr(layer, "affine_rules", None)
    if not getattr(layer, "takes_rules", True) and function is not own:
        raise ValueError(f"got {name_of(rule)} as the rule of layer {l}, {layer!r}, which takes no other rule than its "
                         f"own, {name_of(own)}; give None in its place")
    if taken is not None and function in AFFINE_RULES and function.__name__ not in taken:
        raise ValueError(f"got {name_of(rule)} as the rule of layer {l}, {layer!r}, which is not affine, so it has no "
                         f"weights to share by. Give None in its place, for {name_of(own)}; such rules stand in "
                         "minixnn.rules: identity for a normalisation, lrp.proportional for a maximum, "
                         "signal_takes_all for a product")
    check_arguments(rule)


def stabilized(epsilon: float) -> Rule:
    """lrp.epsilon with this stabiliser; itself for the usual one."""
    return lrp.epsilon if epsilon == 1e-6 else partial(lrp.epsilon, epsilon=epsilon)


def is_epsilon(rule: Rule | None) -> bool:
    """Whether `rule` is lrp.epsilon, with or without a knob."""
    return getattr(rule, "func", rule) is lrp.epsilon


def epsilon_of(rule: Rules, default: float = 1e-6) -> float:
    """The stabiliser of `rule` if it is lrp.epsilon with or without a knob; else the usual one."""
    return rule.keywords.get("epsilon", default) if isinstance(rule, partial) and is_epsilon(rule) else default


# What a rule asks for, and what it is called

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
