"""Writes docs/checks.md: the properties that `minixnn.checks` asks, from the sentences that its failures print.

    python docs/checks.py           after a change of a property; a test says when
"""
import pathlib
import textwrap

import numpy

from minixnn.checks.layer_properties import properties_of_layer
from minixnn.checks.networks import ledger, properties_of_network, properties_of_pair, same_relevance
from minixnn.checks.rule_properties import conserves_relevance, properties_of_rule

PAGE = pathlib.Path(__file__).with_name("checks.md")
ANY = (None, None)
USUAL = 1e-9                    # how far the two sides of most formulas may lie apart, as a share of their size

INTRODUCTION = """# What the checks ask

Written by `python docs/checks.py` from the sentences of `minixnn.checks`; not to be edited.

`check_rule`, `check_layer` and `check_network` search for an input on which a rule, a layer or a network breaks a
property. The search is by Hypothesis for rules and layers; a network is asked on the images that are given. What holds
is listed in a report. What does not is raised as `CheckFailed`, with the smallest case found worked out by hand.

```python
import numpy as np
from minixnn import Dense, Network, ReLU
from minixnn.checks import check_layer, check_network, check_rule
from minixnn.rules import lrp

print(check_rule(lrp.epsilon))
print(check_layer(Dense(np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([0.1, -0.1]))))
net = Network([Dense(np.array([[1.0, -2.0], [0.5, 3.0]])), ReLU(), Dense(np.array([[1.0], [2.0]]))])
print(check_network(net, np.array([[1.0, 2.0], [0.5, -1.0]])))
```

`minixnn check net.onnx pictures` asks the same of a network in a file. A property is a sentence with a formula. Most
hold for every rule, layer or network by their meaning. Some hold for one kind only. These are asked where the call
claims them, or not at all; the entry says so under *not always*. Both sides of a formula may differ by 1e-9 of their
size, unless the entry gives another number.

The order is that of the reports: of several properties that fail the first is worked out, for it tells most.

"""
RULES = """## Of a rule

`f(x, R)` is the answer of the rule on a layer with weights `W` and bias `b`; `f_k` is its answer where output `k` alone
has relevance, of size 1. The layers are dense, convolutional with strides, paddings, groups and dilations, transposed,
pooling by mean or sum, and scaling, with and without bias; the numbers have both signs, ties and zeros, unless `domain`
says otherwise.

A rule for other layers is asked with them: `check_rule(half_each, layers=MatMul)`. To a join `x` is a tuple, and so is
what its rule returns; in the table of a failure `x[1][0, 2]` is an entry of the second input.

"""
LAYERS = """## Of a layer

`f(x)` is `forward`. Inputs are drawn with both signs, ties and zeros, unless `domain` says otherwise.

A join is asked all of this about its inputs together, so `check_layer(Add())` draws two to four of them, of shapes that
it takes. A way of writing several layers, such as `Residual([...])` or `Attention(...)`, is checked as the network that
it writes, all of whose methods are passes; `check_network` then asks every layer by itself.

"""
NETWORKS = """## Of a network

`y(x)` is the output that is explained: the logit of the target. The ledger is kept for LRP-epsilon and for the
composite epsilon-plus, or for the rules that are given.

"""

PAIRS = """## Of two networks that compute the same

`check_network(net, x, rules=rule, equivalent=other)` asks all of the above of `net`, and then whether `other` is
explained alike: one that was folded, merged, factorised or otherwise written anew. Lesson 6.6 has examples, and the
table of rules says which rewriting leaves which rule alone. Without `rules` those are asked that the ledger is kept
for. From a composite each network chooses its own.

"""

# When a right rule, layer or network may break a property, or is not asked.
MAY_FAIL = {
    "rule": {
        "finite":
            "Asked at zeros and ties too, where a formula with a bare division is undefined: a rule has to say "
            "what becomes of 0 / 0.",
        "repeats":
            "A rule that draws random numbers breaks it by intent; give it a generator with the same seed in "
            "each call.",
        "scales with R":
            "A rule that treats evidence for and against differently, such as one that keeps R+ alone, breaks it "
            "by intent. Such rules explain another question than R asks.",
        "adds over outputs":
            "Rules that compare outputs with each other, by a sum or a maximum over the layer, break it by "
            "intent.",
        "receptive field": "Any rule that works through `layer.forward` and `layer.gradient` keeps it.",
        "signs of inputs": "Asked with domain='any' only. z+ and gamma are for x >= 0 and break it on other inputs.",
        "bias is an input":
            "Asked with conserves='without bias', and where a bias absorbs by what the check finds. The rules of deep "
            "Taylor give a bias no share; for them conserves='always' is the claim.",
        "conserves":
            "Not asked with conserves='never'. Where all products x_j w_jk have one sign, alpha-beta has no input for "
            "one of its parts and z+ may have none at all, so only outputs with both signs are asked; a rule without a "
            "division, such as x times the gradient of R, does not conserve. Claim 'never' for a rule that is not "
            "meant to. Up to a stabiliser the sums may differ by 1e-6 of their size.",
        "stabiliser": "Not asked with conserves='never'.",
        "order of units":
            "A rule with a bound for each pixel, such as z^B with arrays, is asked with bounds that are numbers.",
        "every layer": "Asked where layers of every kind are drawn, not where `layers` gives a strategy of its own.",
        "definition": "Asked where `definition` is given, and on outputs where the formula is finite.",
        "ledger":
            "Asked of rules that have an account in `minixnn.ledger.accounts`; other rules are a black box to the "
            "ledger.",
        "device": "Asked where `device` is given."},
    "layer": {
        "answers": "A layer that is for x > 0 is asked with domain=(0.1, 3), say.",
        "repeats": "Dropout is the identity here: explaining is not training.",
        "images apart":
            "Batch normalisation in training breaks it; the layer here uses the statistics that were learned.",
        "affine": "Asked of classes derived from Affine.",
        "derivative":
            "Whole numbers, such as tokens, have no derivative and are not asked. A layer whose gradient is "
            "another function by intent, such as a straight-through estimator, breaks it.",
        "adjoint": "Asked of classes derived from Affine.",
        "weights": "Asked of classes derived from Affine.",
        "parameter gradients": "Asked where the class has `parameter_gradients`.",
        "DeepLIFT":
            "Asked where the class has `deeplift`. A product of two functions of x has no multipliers that are "
            "its alone; what a layer decides must sum to the difference all the same.",
        "backward signals": "Asked of classes derived from Affine.",
        "own rule": "Asked where the class has a `rule`.",
        "overflow": "Asked of numbers that float32 can hold.",
        "saved and loaded": "Asked where the class says what its settings are.",
        "definition": "Asked where `definition` is given.",
        "device": "Asked where `device` is given. A layer for NumPy alone may call numpy by name."},
    "network": {
        "outputs": "Asked where the outputs of the original are given.",
        "images apart": "Asked with two images or more.",
        "ledger": "Asked where every rule has an account.",
        "integrated gradients":
            "An integral by 50 steps misses kinks that lie close together: up to a twentieth is let pass. Tokens "
            "have no path from 0 and are not asked.",
        "DeepLIFT": "Asked where every layer has multipliers.",
        "float32":
            "A network that subtracts large numbers breaks it although each layer is right: rounding is then as "
            "large as the result.",
        "saved and loaded":
            "A layer class that is not in `minixnn.layers` cannot be saved by name; the report says so.",
        "device": "Asked where `device` is given."},
    "pair": {
        "the same gradient": "Asked, as what follows, where the outputs are the same.",
        "the same contributions, DeepLIFT":
            "Products in other brackets and rectifiers one behind the other break it. Asked where every layer has "
            "multipliers.",
        "the same relevance":
            "Rules that look at signs or at the size of a sum break it by intent; LRP-0 does not where what is written "
            "otherwise is affine."}}


def listed(kind):
    """All properties of a "rule", a "layer", a "network" or a "pair" of networks, in the order of the reports."""
    if kind == "rule":
        found = properties_of_rule(ANY, "without bias", definition=abs, every_kind=True, device=numpy)
        return [conserves_relevance if p.name == conserves_relevance.name else p for p in found]
    if kind == "layer":
        return properties_of_layer(definition=abs, device=numpy)
    if kind == "pair":
        return [*properties_of_pair([]), same_relevance]
    return [ledger if p.name.startswith("ledger") else p for p in properties_of_network([None], device=numpy)]


def written():
    """The whole page, as it should be."""
    parts = [(RULES, "rule"), (LAYERS, "layer"), (NETWORKS, "network"), (PAIRS, "pair")]
    return INTRODUCTION + "\n".join(head + "\n".join(entry(p, MAY_FAIL[kind].get(p.name, "")) for p in listed(kind))
                                    for head, kind in parts)


def entry(property, may_fail):
    """One property: its name, its formula, why it must hold, and where it fails."""
    sentences = [property.why, f"**Where it fails:** {property.cause}."]
    if may_fail:
        sentences.append(f"**Not always:** {may_fail}")
    if property.limit != USUAL:
        sentences.append(f"The two sides may differ by {property.limit:.0e} of their size.")
    return f"### {property.name}\n\n`{property.formula}`\n\n" + textwrap.fill(
        " ".join(sentences), 120, break_long_words=False, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
    print(f"written: {PAGE}")
