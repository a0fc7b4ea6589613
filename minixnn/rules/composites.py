"""Composites: which rule for which layer, by the names the field uses.

A composite is a function `composite(net) -> list` with an entry for each layer: a rule, or None for the rule that
the layer brings along (a ReLU's `pass_on`, a max pool's `winner_takes_all`). Give it to
`passes.lrp(net, x, rules=composites.epsilon_plus)`; one with knobs is called first,
`rules=composites.epsilon_gamma_box(net, low=0, high=1)`, or becomes a functools.partial.

At a block the entry is one rule for all affine layers inside, or a list for each of its chains, in a tuple.

The thought behind them (Montavon et al. 2019, section 10.3; Kohlbrenner et al. 2020): near the output few
neurons with mixed meaning, so a rule that keeps both signs; in the convolutions many noisy contributions, so
a rule that favours the positive ones; at the pixels a rule that knows what a pixel can be.
"""
from collections.abc import Sequence
from functools import partial
from typing import Any

from minixnn.arrays import Array
from minixnn.layers import (Affine, Attention, Block, Conv1d, Conv2d, ConvTranspose2d, Dense, Embedding, Identity,
                            LogSoftmax, Prepare, Product, Sum)
from minixnn.layers.base import Layer, Rule
from minixnn.layers.blocks import by_contribution, cut, half_each, signal_takes_all
from minixnn.layers.layer_norm import Normalization, scale_held_fixed
from minixnn.layers.pool import Maximum
from minixnn.rules import attention, lrp
from minixnn.rules import deep_taylor as dt
from minixnn.rules.arguments import HasLayers, check_arguments, is_composite, name_of
from minixnn.rules.signs import gives_nonnegative, rectified

alpha1_beta0 = partial(lrp.alpha_beta, alpha=1.0, beta=0.0)
alpha2_beta1 = partial(lrp.alpha_beta, alpha=2.0, beta=1.0)
BLOCK_RULES = (by_contribution, cut, half_each, signal_takes_all)
AFFINE_RULES = (lrp.epsilon, lrp.gamma, lrp.gamma_signed, lrp.alpha_beta, lrp.flat, dt.z_plus, dt.w_square, dt.z_box)
NO_WEIGHTS = {Attention: AFFINE_RULES, Normalization: AFFINE_RULES, LogSoftmax: AFFINE_RULES,
              Maximum: AFFINE_RULES[1:]}        # kind: the rules it refuses
CONVOLUTIONS = (Conv1d, Conv2d, ConvTranspose2d)


def by_kind(net: Any, conv: Rule, dense: Rule = lrp.epsilon, first: Rule | None = None,
            max_pool: Rule | None = None, signed: Rule | None = None, nonnegative: bool = False,
            others: Any = ()) -> list:
    """The rule `conv` for convolutions, `dense` for dense layers, `lrp.epsilon` as there for other affine layers.

    `first`, if given, takes the place of the rule of the first convolution or dense layer; `signed` that of `conv`
    where inputs may be negative, or outputs that no ReLU cuts off (`signs.py`; nonnegative: the network's own inputs
    are not). `max_pool` None: winner takes all. Inside blocks layers get their rules alike; sums and normalisation get
    the stabiliser of `dense`. In a block that comes first each chain has a first layer, since all see the pixels.
    `others`: {class: rule} for attention, normalisation and products. `net` may be a list of layers.
    """
    rules, epsilon = [], epsilon_of(dense)
    layers = getattr(net, "layers", net)
    for l, layer in enumerate(layers):
        if isinstance(layer, Block):
            inside = tuple(by_kind(chain.layers, conv, dense, first, max_pool, signed, nonnegative, others)
                           for chain in layer.chains)
            rules.append(block_rule(layer, inside, epsilon, others))
        elif isinstance(layer, (Dense, *CONVOLUTIONS)):
            one_sign = nonnegative and rectified(layers[l + 1:])
            usual = dense if isinstance(layer, Dense) else signed if signed and not one_sign else conv
            rules.append(usual if first is None else first)
        elif isinstance(layer, Maximum):
            rules.append(max_pool)
        else:
            usual = in_place_of(dense if is_epsilon(dense) else lrp.epsilon, layer, epsilon)
            rules.append(of_class(layer, others) or usual)
        if isinstance(layer, (Block, Dense, Embedding, *CONVOLUTIONS)):
            first = None                        # behind an embedding there are no pixels
        nonnegative = gives_nonnegative(layer, nonnegative)
    return rules


def of_class(layer: Layer, others: Any) -> Any:
    """The rule that `others`, {class: rule}, has for this layer; None if it has none."""
    return next((others[kind] for kind in others if isinstance(layer, kind)), None)


def in_place_of(rule: Rule | None, layer: Layer, epsilon: float = 1e-6) -> Any:
    """The rule of one layer where `rule` is meant for all affine layers: others take its stabiliser only."""
    if isinstance(layer, (Affine, Block)):
        return rule
    if isinstance(layer, Attention):
        return partial(attention.attn_lrp, epsilon=epsilon)
    return partial(scale_held_fixed, epsilon=epsilon) if isinstance(layer, Normalization) else None


def epsilon_plus(net: HasLayers, epsilon: float = 1e-6) -> list:
    """alpha1-beta0 ("z+" with bias absorbed) for convolutions, epsilon for dense layers."""
    return by_kind(net, alpha1_beta0, stabilized(epsilon))


def epsilon_plus_flat(net: HasLayers, epsilon: float = 1e-6) -> list:
    """As `epsilon_plus`, with the flat rule for the first layer."""
    return by_kind(net, alpha1_beta0, stabilized(epsilon), first=lrp.flat)


def epsilon_alpha2_beta1(net: HasLayers, epsilon: float = 1e-6) -> list:
    """alpha2-beta1 for convolutions, epsilon for dense layers."""
    return by_kind(net, alpha2_beta1, stabilized(epsilon))


def epsilon_alpha2_beta1_flat(net: HasLayers, epsilon: float = 1e-6) -> list:
    """As `epsilon_alpha2_beta1`, with the flat rule for the first layer."""
    return by_kind(net, alpha2_beta1, stabilized(epsilon), first=lrp.flat)


def epsilon_gamma_box(net: HasLayers, low: float | Array = 0.0, high: float | Array = 1.0, gamma: float = 0.25,
                      epsilon: float = 1e-6) -> list:
    """z^B for the first layer with pixels in [low, high], gamma for convolutions, epsilon for dense layers.

    Where inputs of a convolution may be negative, or outputs that no ReLU cuts off, gamma_signed takes gamma's place.
    """
    low, high = prepared_bounds(net, low, high)
    return by_kind(net, partial(lrp.gamma, gamma=gamma), stabilized(epsilon), partial(dt.z_box, low=low, high=high),
                   signed=partial(lrp.gamma_signed, gamma=gamma))


def attn_lrp(net: HasLayers, epsilon: float = 1e-6) -> list:
    """For transformers: every product is halved, the scale of a normalisation held fixed. Achtibat et al. 2024."""
    rule = stabilized(epsilon)
    return by_kind(net, rule, rule, others={Attention: partial(attention.attn_lrp, epsilon=epsilon),
                                            Product: half_each})


def cp_lrp(net: HasLayers, epsilon: float = 1e-6) -> list:
    """For transformers: attention weights and the scale of a normalisation are held fixed. Ali et al. 2022."""
    rule = stabilized(epsilon)
    return by_kind(net, rule, rule, others={Attention: partial(attention.cp_lrp, epsilon=epsilon)})


def deep_taylor(net: HasLayers, low: float | Array | None = None, high: float | Array | None = None) -> list:
    """z^B at the pixels if bounds are given, else w^2; z+ above; pools proportional. Montavon et al. 2017."""
    if (low is None) != (high is None):
        raise ValueError(f"got low={low}, high={high}, expected both bounds of a pixel or neither")
    low, high = prepared_bounds(net, low, high)
    first = dt.w_square if low is None else partial(dt.z_box, low=low, high=high)
    return by_kind(net, conv=dt.z_plus, dense=dt.z_plus, first=first, max_pool=lrp.proportional)


def prepared_bounds(net: Any, low: float | Array | None, high: float | Array | None) -> tuple:
    """The bounds of the pixels as the first weights see them: behind the network's own preparation, if it has one."""
    for layer in getattr(net, "layers", net):
        if not isinstance(layer, Prepare) or low is None:
            break
        low, high = layer.bound(low), layer.bound(high)
    return low, high


def rules_for(net: Any, rules: Any) -> list[Rule]:
    """One function (layer, x, y, R) -> R for each layer, from one rule, a list of rules, or a composite.

    None stands for the layer's own rule. ValueError where a layer has none, takes no other, or the rule has other
    arguments. `net` may be a plain list of layers.
    """
    layers = getattr(net, "layers", net)
    if is_composite(rules):
        rules = rules(net)
    if callable(rules):
        rules = [in_place_of(rules, layer, epsilon_of(rules)) for layer in layers]
    if not isinstance(rules, (list, tuple)):
        raise ValueError(f"got rules={rules!r}, expected a rule such as lrp.epsilon, a list of rules with one "
                         "entry a layer, or a composite such as composites.epsilon_plus")
    return _complete(layers, rules, "layer ")


def _complete(layers, rules, place):
    """The list without None; complaints say where in the network: "layer 3.body.0"."""
    if len(rules) != len(layers):
        where = "" if place == "layer " else f" inside {place.rstrip('.')}"
        raise ValueError(f"got a list of {len(rules)} rules for {len(layers)} layers{where}; give one entry per layer, "
                         "None where a layer takes no rule; net.describe() lists the layers")
    return [_rule_of(layer, rule, f"{place}{l}") for l, (layer, rule) in enumerate(zip(layers, rules))]


def _rule_of(layer, rule, place):
    """The function for one layer, from its entry in the list."""
    own = attention.attn_lrp if isinstance(layer, Attention) else getattr(layer, "rule", None)
    if isinstance(layer, Identity):             # stands for a layer that has been left out; so does the rule for it
        return own
    if isinstance(layer, Block):
        return _inside(layer, rule, place)
    if rule is None:
        if own is None:
            raise ValueError(f"{place} is {layer!r}, which needs a rule to pass relevance on, got None; give one such "
                             "as minixnn.rules.lrp.epsilon in its place in the list, or the class a rule of its own")
        return own
    if not callable(rule):
        raise ValueError(f"got {rule!r} as the rule of {place}, expected a function such as lrp.epsilon, or None")
    if not getattr(layer, "takes_rules", True) and rule is not own:
        raise ValueError(f"got {name_of(rule)} as the rule of {place}, {layer!r}, which takes no other rule than its "
                         f"own, {name_of(own)}; give None in its place")
    function = getattr(rule, "func", rule)
    if any(isinstance(layer, kind) and function in refused for kind, refused in NO_WEIGHTS.items()):
        raise ValueError(f"got {name_of(rule)} as the rule of {place}, {layer!r}, which is not affine, so it has no "
                         f"weights to share by. Give None in its place, for {name_of(own)}; such rules stand in "
                         "minixnn.rules: identity for a normalisation, lrp.proportional for a maximum, "
                         "attention.cp_lrp for attention")
    return check_arguments(rule)


def _inside(block, rule, place):
    """A block's rule with the rules of its chains, from whatever its entry in the list is."""
    epsilon = epsilon_of(rule)
    if isinstance(rule, partial) and rule.func in BLOCK_RULES:              # complete already, or with `rules=` alone
        inside = rule.keywords.get("rules", lrp.epsilon)
        share, knobs = rule.func, {k: v for k, v in rule.keywords.items() if k != "rules"}
    elif rule in BLOCK_RULES:
        inside, share, knobs = lrp.epsilon, rule, {}
    else:
        inside, share, knobs = rule, block.rule, {"epsilon": epsilon} if isinstance(block, Sum) else {}
    if callable(inside) or inside is None:
        inside = [[in_place_of(inside, layer, epsilon) for layer in chain.layers] for chain in block.chains]
    if not isinstance(inside, (list, tuple)) or len(inside) != len(block.chains) or not all(
            isinstance(rules, (list, tuple)) for rules in inside):
        lengths = ", ".join(f"{len(layers)} for {name}" for name, layers in block.branches.items())
        raise ValueError(f"got {rule!r} as the rule of {place}, {block!r}, expected one rule for all affine layers "
                         f"inside, or a tuple with a list for each chain, one entry per layer: {lengths}; None where a "
                         "layer takes no rule")
    return partial(share, rules=[_complete(chain.layers, rules, f"{place}.{name}.") for name, chain, rules
                                 in zip(block.branches, block.chains, inside)], **knobs)


def block_rule(block: Block, rules: Sequence, epsilon: float = 1e-6, others: Any = ()) -> Any:
    """The rule a block brings along, with a list of rules for each chain and, for a sum, the stabiliser."""
    knobs = {"epsilon": epsilon} if isinstance(block, Sum) else {}
    share: Any = of_class(block, others) or block.rule
    return partial(share, rules=rules, **knobs)


def stabilized(epsilon: float) -> Rule:
    """lrp.epsilon with this stabiliser; itself for the usual one."""
    return lrp.epsilon if epsilon == 1e-6 else partial(lrp.epsilon, epsilon=epsilon)


def is_epsilon(rule: Any) -> bool:
    """Whether `rule` is lrp.epsilon, with or without a knob."""
    return getattr(rule, "func", rule) is lrp.epsilon


def epsilon_of(rule: Any, default: float = 1e-6) -> float:
    """The stabiliser of `rule` if it is lrp.epsilon with or without a knob; else the usual one."""
    return rule.keywords.get("epsilon", default) if isinstance(rule, partial) and is_epsilon(rule) else default
