"""Composites: which rule for which layer, by the names the field uses.

A composite is a function `composite(net, ...) -> list`, one entry a layer: a rule, or None where a layer takes
none; at a residual block a pair of such lists, for its body and its shortcut. Give it to
`passes.lrp(net, x, rules=composites.epsilon_plus)`; one with knobs is called first,
`rules=composites.epsilon_gamma_box(net, low=0, high=1)`.

The thought behind them (Montavon et al. 2019, section 10.3; Kohlbrenner et al. 2020): near the output few
neurons with mixed meaning, so a rule that keeps both signs; in the convolutions many noisy contributions, so
a rule that favours the positive ones; at the pixels a rule that knows what a pixel can be.
"""
from functools import partial

from minixnn.layers import Affine, Conv2d, Dense, MaxPool2d, Residual
from minixnn.layers.residual import rules_within
from minixnn.rules import deep_taylor as dt
from minixnn.rules import lrp

alpha1_beta0 = partial(lrp.alpha_beta, alpha=1.0, beta=0.0)
alpha2_beta1 = partial(lrp.alpha_beta, alpha=2.0, beta=1.0)


def composite(function):
    """Mark `function(net) -> list` as a composite, so that a pass can tell it from a rule."""
    function.composite = True
    return function


def by_kind(net, conv, dense=lrp.epsilon, first=None, max_pool=None):
    """The rule `conv` for convolutions, `dense` for dense layers, `lrp.epsilon` for other affine layers.

    `first`, if given, takes the place of the rule of the first Conv2d or Dense layer. `max_pool` None: winner takes
    all. Inside residual blocks layers get their rules alike; a block that comes first has a first layer in either
    branch, since both see the pixels. `net` may be a plain list of layers.
    """
    rules = []
    for layer in getattr(net, "layers", net):
        weighted = isinstance(layer, (Conv2d, Dense))
        if isinstance(layer, Residual):
            rules.append(tuple(by_kind(branch, conv, dense, first, max_pool) for branch in layer.branches.values()))
            first = None
        elif weighted and first is not None:
            rules.append(first)
            first = None
        elif weighted:
            rules.append(conv if isinstance(layer, Conv2d) else dense)
        elif isinstance(layer, MaxPool2d):
            rules.append(max_pool)
        else:
            rules.append(lrp.epsilon if isinstance(layer, Affine) else None)
    return rules


@composite
def epsilon_plus(net):
    """alpha1-beta0 ("z+" with bias absorbed) for convolutions, epsilon for dense layers."""
    return by_kind(net, conv=alpha1_beta0)


@composite
def epsilon_plus_flat(net):
    """As `epsilon_plus`, with the flat rule for the first layer."""
    return by_kind(net, conv=alpha1_beta0, first=lrp.flat)


@composite
def epsilon_alpha2_beta1(net):
    """alpha2-beta1 for convolutions, epsilon for dense layers."""
    return by_kind(net, conv=alpha2_beta1)


@composite
def epsilon_alpha2_beta1_flat(net):
    """As `epsilon_alpha2_beta1`, with the flat rule for the first layer."""
    return by_kind(net, conv=alpha2_beta1, first=lrp.flat)


@composite
def epsilon_gamma_box(net, low=0.0, high=1.0, gamma=0.25):
    """z^B for the first layer with pixels in [low, high], gamma for convolutions, epsilon for dense layers."""
    return by_kind(net, conv=partial(lrp.gamma, gamma=gamma), first=partial(dt.z_box, low=low, high=high))


@composite
def deep_taylor(net, low=None, high=None):
    """z^B at the pixels if bounds are given, else w^2; z+ above; pools proportional. Montavon et al. 2017."""
    if (low is None) != (high is None):
        raise ValueError(f"got low={low}, high={high}, expected both bounds of a pixel or neither")
    first = dt.w_square if low is None else partial(dt.z_box, low=low, high=high)
    return by_kind(net, conv=dt.z_plus, dense=dt.z_plus, first=first, max_pool=lrp.proportional)


def rules_for(net, rules):
    """One entry a layer, from whatever a user gives: one rule, a list with an entry a layer, or a composite."""
    if getattr(getattr(rules, "func", rules), "composite", False):      # .func: what a partial has inside
        rules = rules(net)
    if callable(rules):
        return [rules if isinstance(layer, (Affine, Residual)) else None for layer in net.layers]
    if not isinstance(rules, (list, tuple)):
        raise ValueError(f"got rules={rules!r}, expected a rule such as lrp.epsilon, a list of rules with one "
                         "entry a layer, or a composite such as composites.epsilon_plus")
    if len(rules) != len(net.layers):
        raise ValueError(f"got a list of {len(rules)} rules for {len(net.layers)} layers; give one entry a layer, "
                         "None where a layer takes no rule; net.describe() lists the layers")
    _check(net.layers, rules, "layer ")
    return list(rules)


def _check(layers, rules, place):
    """Refuse what is no rule, in words that say where it stands: "layer 3.body.0"."""
    for l, (layer, rule) in enumerate(zip(layers, rules)):
        if isinstance(layer, Residual):
            for (branch, inside), mine in zip(layer.branches.items(), rules_within(layer, rule)):
                _check(inside, mine, f"{place}{l}.{branch}.")
        elif rule is not None and not callable(rule):
            raise ValueError(f"got {rule!r} as the rule of {place}{l}, expected a function such as lrp.epsilon, or "
                             "None")
