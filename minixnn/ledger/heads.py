"""What each head of each attention withholds: the ledger, one floor deeper.

    for place, steps in heads(net, images, rules=composites.attn_lrp).items():
        print(place, {step: withheld.sum(axis=0) for step, withheld in steps.items()})      # 3.body.1 {"softmax": (H,)}
"""
from collections.abc import Iterator
from typing import Any

from minixnn import passes
from minixnn.arrays import Array
from minixnn.logits import at_logits
from minixnn.layers import Attention, Block
from minixnn.layers.base import Layer
from minixnn.ledger import attention
from minixnn.ledger.accounts import SHARES
from minixnn.network import Network
from minixnn.passes import Target
from minixnn.rules import attention as rules_of
from minixnn.rules import composites
from minixnn.rules.arguments import Rules

STEPS = {rules_of.attn_lrp: attention.attn_lrp_steps, rules_of.cp_lrp: attention.cp_lrp_steps}


def heads(net: Network, x: Array, target: Target = None, rules: Rules = composites.attn_lrp,
          start: Array | None = None) -> dict[str, dict[str, Array]]:
    """{"3.body.1": {step: what each head withholds in it, (N, H)}} for every attention in the network.

    Arguments as for `passes.lrp`. Biases, softmax, stabiliser and what is lost are taken together. The output
    projection mixes the heads; its step, "output", has one number for each image, (N,).
    """
    net = at_logits(net, start)
    rules, A = composites.rules_for(net, rules), net.trace(x)
    R, found = passes.lrp(net, x, target, rules, start), {}
    for l, layer in enumerate(net.layers):
        for place, each, *sides, rule in inside(layer, A[l], A[l + 1], R[l + 1], rules[l], str(l)):
            function = getattr(rule, "func", rule)
            if isinstance(each, Attention) and function in STEPS:
                steps = STEPS[function](each, *sides, **getattr(rule, "keywords", {}))
                found[place] = {step: sum(by_head(each, step, part) for part in parts) for step, parts in steps.items()}
    return found


def by_head(layer: Attention, step: str, part: Array) -> Array:
    """(N, H), or (N,) for the output projection; 0 for "nothing at all"."""
    if step == "output":
        return part.sum(axis=(1, 2)) if getattr(part, "ndim", 0) else part
    return attention.by_head(layer, part)


def inside(layer: Layer, x: Array, y: Array, R: Array, rule: Any, place: str) -> Iterator[tuple]:
    """(place, layer, x, y, R, rule) of the layer, and of all layers inside it if it is a block."""
    yield place, layer, x, y, R, rule
    if not isinstance(layer, Block) or getattr(rule, "func", None) not in SHARES:
        return
    traces = [chain.trace(x) for chain in layer.chains]
    knobs = {name: value for name, value in rule.keywords.items() if name != "rules"}
    shares, _ = SHARES[rule.func](layer, y, R, traces, **knobs)
    for name, chain, A, R_l, rules in zip(layer.branches, layer.chains, traces, shares, rule.keywords["rules"]):
        for l in reversed(range(len(chain.layers))):
            sides = chain.layers[l], A[l], A[l + 1], R_l, rules[l]
            yield from inside(*sides, f"{place}.{name}.{l}")
            R_l = rules[l](*sides[:4])
