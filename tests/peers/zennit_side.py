"""Everything that minixnn and zennit both have: rules, composites, rectified gradients, batch-norm folding.

zennit adds 1e-6 sgn(z) to every denominator unless told otherwise; our rules have no stabiliser but LRP-epsilon's
own and take R / 0 as 0. zennit lets a function be given in place of the number, so it is given ours.
"""
import dataclasses
from functools import partial

import numpy as np

from minixnn import attribution, layers, passes
from minixnn.layers.folding import fold_batch_norm
from minixnn.network import Network
from minixnn.rules import composites, deep_taylor, lrp
from tests.peers import networks
from tests.peers.agreement import ALL, NONNEGATIVE, RELU, Comparison
from tests.peers.libraries import torch, zennit

UNNORMALISED = tuple(kind for kind in ALL if kind != "normalised")
UNTIED = tuple(kind for kind in ALL if kind != "tied")      # between coarse images the last bit decides a tie
WITHOUT_MAXIMA = tuple(kind for kind in NONNEGATIVE if kind not in ("max pool", "tied"))
CONVOLUTIONAL = tuple(kind for kind in NONNEGATIVE if not kind.startswith("dense"))


def ours_to_zero(z):
    """Our `stabilize(z)` with epsilon 0, as one of zennit's stabilisers: R / 0 counts as 0."""
    return torch.where(z == 0, torch.full_like(z, torch.inf), z)


def with_rule(rule, **knobs):
    """R, beside every activation, from one of zennit's rules at all layers with weights; a rule's name or an object.

    Pools and batch normalisation get LRP-epsilon, activations hand on, as in the lists that we use.
    """
    def theirs(case):
        types, rules = zennit.types, zennit.rules
        hook = getattr(rules, rule)(**{"epsilon" if rule == "Epsilon" else "stabilizer": ours_to_zero, **knobs})
        small = rules.Epsilon(epsilon=1e-6)
        composite = zennit.composites.LayerMapComposite([
            (types.Activation, rules.Pass()), (types.AvgPool, rules.Norm(stabilizer=1e-6)), (types.BatchNorm, small),
            (types.Linear, hook)])
        return relevance(case, composite)
    return theirs


def first_and_rest(first, rest):
    """R from one rule at the first layer with weights and another at the rest; each is (name, knobs)."""
    def hook(name, knobs):
        return getattr(zennit.rules, name)(**{"epsilon" if name == "Epsilon" else "stabilizer": ours_to_zero, **knobs})

    def theirs(case):
        types, rules = zennit.types, zennit.rules
        return relevance(case, zennit.composites.SpecialFirstLayerMapComposite(
            layer_map=[(types.Activation, rules.Pass()), (types.AvgPool, rules.Norm(stabilizer=1e-6)),
                       (types.BatchNorm, rules.Epsilon(epsilon=1e-6)), (types.Linear, hook(*rest))],
            first_map=[(types.Linear, hook(*first))]))
    return theirs


def our_deep_taylor(**bounds):
    """The rules of deep Taylor, run from outputs below zero, too, where the pass itself leaves nothing."""
    return lambda case: passes.lrp(case.net, case.x, case.target, composites.deep_taylor(case.net, **bounds))


def winner_takes_all(**bounds):
    """Deep Taylor but for max pooling."""
    def explained(case):
        rules = composites.deep_taylor(case.net, **bounds)
        return passes.lrp(case.net, case.x, case.target,
                          rules=[None if isinstance(layer, layers.MaxPool2d) else rule
                                 for layer, rule in zip(case.net.layers, rules)])
    return explained


def relevance(case, composite, start=None):
    with composite.context(case.module):
        return networks.signals(case, logit(case) if start is None else start)


def logit(case):
    return case.net.forward(case.x) * case.one_hot


def ours(rule):
    """R with `rule` at layers with weights, LRP-epsilon with 1e-6 at pools and batch normalisation."""
    def explain(case):
        weighted = (layers.Conv2d, layers.Dense)
        return passes.lrp(case.net, case.x, case.target, [
            rule if isinstance(layer, weighted) else lrp.epsilon if isinstance(layer, layers.Affine) else None
            for layer in case.net.layers])
    return explain


def our_composite(composite, **knobs):
    return lambda case: passes.lrp(case.net, case.x, case.target, rules=composite(case.net, **knobs))


def their_composite(name, **knobs):
    """A composite by its class name, with its own epsilon of 1e-6 for dense layers and pools.

    For pools the composites use the stabiliser, which we set to ours; so pools get their rule by name.
    """
    def theirs(case):
        pools = [(zennit.types.AvgPool, zennit.rules.Norm(stabilizer=1e-6))]
        maps = {"layer_map": pools} if "stabilizer" not in knobs else {}
        return relevance(case, getattr(zennit.composites, name)(stabilizer=ours_to_zero, **maps, **knobs))
    return theirs


def rectified(name):
    def theirs(case):
        return relevance(case, getattr(zennit.composites, name)(), start=case.one_hot)
    return theirs


def their_integrated(case):
    """Eight steps: eighths are exact in single precision, in which the points of the path are taken there."""
    with zennit.attribution.IntegratedGradients(case.module, baseline_fn=lambda x: case.reference,
                                                n_iter=8) as explainer:
        return networks.to_array(explainer(case.tensor, torch.from_numpy(case.one_hot))[1])


def folded(case):
    """Ours on the network with batch normalisation folded away."""
    rules = composites.epsilon_plus(fold_batch_norm(case.net))
    return passes.lrp(fold_batch_norm(case.net), case.x, rules=rules, start=logit(case))[0]


def folded_but_for_epsilon(case):
    """Their folded network: the emptied normalisation stays and still divides by sqrt(1 + epsilon)."""
    emptied = []
    for layer in case.net.layers:
        if isinstance(layer, layers.BatchNorm2d):
            one = np.ones_like(layer.mean)
            emptied.append(layers.BatchNorm2d(one, 0 * one, 0 * one, one, layer.epsilon))
    spread = []
    for layer in fold_batch_norm(case.net).layers:
        spread.append(layer)
        if isinstance(layer, layers.Conv2d):
            spread.append(emptied.pop(0))
    rules = [hand_on if isinstance(layer, layers.BatchNorm2d) else rule
             for layer, rule in zip(spread, composites.epsilon_plus(Network(spread)))]
    return passes.lrp(Network(spread), case.x, rules=rules, start=logit(case))[0]


def canonized(case):
    pools = [(zennit.types.AvgPool, zennit.rules.Norm(stabilizer=1e-6))]
    composite = zennit.composites.EpsilonPlus(stabilizer=ours_to_zero, layer_map=pools,
                                              canonizers=[zennit.canonizers.SequentialMergeBatchNorm()])
    return relevance(case, composite)[0]


def bias_ignored(layer, x, y, R):
    """LRP-0 of the layer without its bias."""
    unbiased = layer.with_weights(layer.W, None)
    return lrp.epsilon(unbiased, x, unbiased.forward(x), R, epsilon=0)


def squares_of_bias_too(layer, x, y, R):
    """w^2 with b^2 in the denominator."""
    squared, ones = layer.with_weights(layer.W ** 2, None if layer.b is None else layer.b ** 2), np.ones_like(x)
    return lrp.epsilon(squared, ones, squared.forward(ones), R, epsilon=0)


def hand_on(layer, x, y, R):
    """What zennit's composites do with batch normalisation: nothing."""
    return R


def box_at_convolutions_only(case):
    """epsilon_gamma_box as zennit builds it: the box is for a convolution, a dense first layer gets epsilon."""
    return passes.lrp(case.net, case.x, case.target, rules=lrp.epsilon)


def normalisation_handed_on(case):
    rules = [hand_on if isinstance(layer, layers.BatchNorm2d) else rule
             for layer, rule in zip(case.net.layers, composites.epsilon_plus(case.net))]
    return passes.lrp(case.net, case.x, case.target, rules=rules)


def at_largest(kind, seed, nonnegative):
    """The random network with the class of the largest output as each image's target."""
    case = networks.case(kind, seed, nonnegative=nonnegative)
    return dataclasses.replace(case, target=case.net.forward(case.x).argmax(axis=1))


def excited(case):
    """Evidence for a target whose output is positive: where `gamma` and `gamma_signed` are the same."""
    return bool((logit(case).sum(axis=1) > 0).all())


SIGNED = partial(deep_taylor.z_box, low=-5.0, high=5.0)
BOX = {"low": -5.0, "high": 5.0}
alpha_beta = partial(partial, lrp.alpha_beta)

COMPARISONS = [
    Comparison("lrp.epsilon (epsilon=0)", "zennit", "Epsilon(0)", ours(partial(lrp.epsilon, epsilon=0)),
               with_rule("Epsilon"), kinds=ALL + ("shipped",)),
    Comparison("lrp.epsilon", "zennit", "Epsilon(1e-6)", ours(lrp.epsilon), with_rule("Epsilon", epsilon=1e-6),
               kinds=ALL + ("shipped",)),
    Comparison("lrp.epsilon (epsilon=0.25)", "zennit", "Epsilon(0.25)", ours(partial(lrp.epsilon, epsilon=0.25)),
               with_rule("Epsilon", epsilon=0.25)),
    Comparison("lrp.epsilon (epsilon=0)", "zennit", "Epsilon(0, zero_params='bias')",
               ours(partial(lrp.epsilon, epsilon=0)), with_rule("Epsilon", zero_params="bias"), kinds=("dense", "conv"),
               explained=ours(bias_ignored), note="there the bias is ignored, here it absorbs"),
    Comparison("lrp.gamma_signed", "zennit", "Gamma(0.25)", ours(lrp.gamma_signed), with_rule("Gamma"),
               kinds=ALL + ("shipped",)),
    Comparison("lrp.gamma_signed (gamma=2)", "zennit", "Gamma(2)", ours(partial(lrp.gamma_signed, gamma=2.0)),
               with_rule("Gamma", gamma=2.0)),
    Comparison("lrp.gamma", "zennit", "Gamma(0.25)", ours(lrp.gamma), with_rule("Gamma"),
               kinds=NONNEGATIVE + ("shipped",), nonnegative=True, only=excited, draw=at_largest,
               note="inputs x >= 0 and targets with a positive output"),
    Comparison("lrp.gamma", "zennit", "Gamma(0.25)", ours(lrp.gamma), with_rule("Gamma"), kinds=("dense", "conv"),
               nonnegative=True, only=lambda case: not excited(case), explained=ours(lrp.gamma_signed),
               note="some target's output is negative: there its negative parts are boosted, here always the positive"),
    Comparison("lrp.alpha_beta (alpha=2, beta=1)", "zennit", "AlphaBeta(2, 1)", ours(alpha_beta(alpha=2.0, beta=1.0)),
               with_rule("AlphaBeta", alpha=2.0, beta=1.0), kinds=ALL + ("shipped",)),
    Comparison("lrp.alpha_beta (alpha=1.5, beta=0.5)", "zennit", "AlphaBeta(1.5, 0.5)",
               ours(alpha_beta(alpha=1.5, beta=0.5)), with_rule("AlphaBeta", alpha=1.5, beta=0.5)),
    Comparison("lrp.alpha_beta (alpha=1, beta=0)", "zennit", "ZPlus()", ours(alpha_beta(alpha=1.0, beta=0.0)),
               with_rule("ZPlus"), kinds=ALL + ("shipped",)),
    Comparison("deep_taylor.z_plus", "zennit", "ZPlus(zero_params='bias')", ours(deep_taylor.z_plus),
               with_rule("ZPlus", zero_params="bias"), kinds=NONNEGATIVE + ("shipped",), nonnegative=True,
               note="inputs x >= 0"),
    Comparison("deep_taylor.z_plus", "zennit", "ZPlus()", ours(deep_taylor.z_plus), with_rule("ZPlus"),
               kinds=("dense", "conv"), nonnegative=True, explained=ours(alpha_beta(alpha=1.0, beta=0.0)),
               note="there b+ absorbs, here nothing"),
    Comparison("deep_taylor.z_box", "zennit", "ZBox(-5, 5), then Epsilon(1e-6)",
               lambda case: passes.lrp(case.net, case.x, case.target, rules=composites.by_kind(
                   case.net, lrp.epsilon, first=SIGNED)),
               first_and_rest(("ZBox", BOX), ("Epsilon", {"epsilon": 1e-6}))),
    *(Comparison(f"passes.deep_taylor ({bounds})", "zennit", f"{first[0]}, then ZPlus(zero_params='bias')",
                 our_deep_taylor(**low_high), first_and_rest(first, ("ZPlus", {"zero_params": "bias"})), kinds=kinds,
                 explained=explained and explained(**low_high), note=note)
      for bounds, low_high, first in (("low=-5, high=5", BOX, ("ZBox", BOX)),
                                      ("no bounds", {}, ("WSquare", {"zero_params": "bias"})))
      for kinds, explained, note in (
          (WITHOUT_MAXIMA, None, ""),
          (("max pool",), winner_takes_all,
           "there the largest input of a max pool takes all, here shares are in proportion"))),
    Comparison("deep_taylor.w_square", "zennit", "WSquare(zero_params='bias')", ours(deep_taylor.w_square),
               with_rule("WSquare", zero_params="bias")),
    Comparison("deep_taylor.w_square", "zennit", "WSquare()", ours(deep_taylor.w_square), with_rule("WSquare"),
               kinds=("dense", "conv"), explained=ours(squares_of_bias_too), note="there b^2 absorbs, here nothing"),
    Comparison("lrp.flat", "zennit", "Flat()", ours(lrp.flat), with_rule("Flat"), kinds=ALL + ("shipped",)),
    Comparison("composites.epsilon_plus", "zennit", "EpsilonPlus()", our_composite(composites.epsilon_plus),
               their_composite("EpsilonPlus"), kinds=UNNORMALISED + ("shipped",)),
    Comparison("composites.epsilon_plus", "zennit", "EpsilonPlus()", our_composite(composites.epsilon_plus),
               their_composite("EpsilonPlus"), kinds=("normalised",), explained=normalisation_handed_on,
               note="there batch normalisation hands R on, here it is an affine layer under LRP-epsilon"),
    Comparison("fold_batch_norm, then composites.epsilon_plus", "zennit",
               "EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])", folded, canonized, kinds=("normalised",),
               explained=folded_but_for_epsilon,
               note="there the emptied normalisation still divides by sqrt(1 + 1e-5), so that the folded network is "
                    "not quite the same function"),
    Comparison("composites.epsilon_alpha2_beta1", "zennit", "EpsilonAlpha2Beta1()",
               our_composite(composites.epsilon_alpha2_beta1), their_composite("EpsilonAlpha2Beta1"),
               kinds=UNNORMALISED + ("shipped",)),
    Comparison("composites.epsilon_plus_flat", "zennit", "EpsilonPlusFlat()",
               our_composite(composites.epsilon_plus_flat), their_composite("EpsilonPlusFlat"),
               kinds=UNNORMALISED + ("shipped",)),
    Comparison("composites.epsilon_alpha2_beta1_flat", "zennit", "EpsilonAlpha2Beta1Flat()",
               our_composite(composites.epsilon_alpha2_beta1_flat), their_composite("EpsilonAlpha2Beta1Flat"),
               kinds=UNNORMALISED + ("shipped",)),
    Comparison("composites.epsilon_gamma_box", "zennit", "EpsilonGammaBox(-5, 5)",
               our_composite(composites.epsilon_gamma_box, **BOX), their_composite("EpsilonGammaBox", **BOX),
               kinds=CONVOLUTIONAL + ("shipped",)),
    Comparison("composites.epsilon_gamma_box", "zennit", "EpsilonGammaBox(-5, 5)",
               our_composite(composites.epsilon_gamma_box, **BOX), their_composite("EpsilonGammaBox", **BOX),
               kinds=("dense",), explained=box_at_convolutions_only,
               note="there the box is for a convolution, here for the first layer of either kind"),
    Comparison("lrp.alpha_beta (alpha=1, beta=0)", "zennit", "ExcitationBackprop()",
               ours(alpha_beta(alpha=1.0, beta=0.0)), their_composite("ExcitationBackprop"), kinds=RELU),
    Comparison("passes.deconvnet", "zennit", "DeconvNet()",
               lambda case: passes.deconvnet(case.net, case.x, case.target), rectified("DeconvNet"),
               kinds=RELU + ("shipped",)),
    Comparison("passes.guided_backprop", "zennit", "GuidedBackprop()",
               lambda case: passes.guided_backprop(case.net, case.x, case.target), rectified("GuidedBackprop"),
               kinds=RELU + ("normalised", "shipped")),
    Comparison("attribution.integrated_gradients (method='right')", "zennit", "IntegratedGradients(n_iter=8)",
               lambda case: attribution.integrated_gradients(case.net, case.x, case.target, case.x_ref, steps=8,
                                                             method="right"), their_integrated, kinds=UNTIED),
]
