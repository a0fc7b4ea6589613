"""One dense layer, every convention: who means what by a name, as numbers that can be checked by hand.

    W = [[1, 2, 3], [-1, -0.5, 2]] (two outputs, three inputs), b = [0.5, -0.5], x = [1, -1, 2], so z = [5.5, 3];
    R = [1, 1] at the outputs, no stabiliser. Given are the relevances of the three inputs, rounded to six digits.

Every line is computed three times: from its definition, written out below in plain NumPy; by our rule, where the
line is our convention; by the libraries that have it and are installed.
"""
from functools import partial

import numpy as np
import pytest

from minixnn import layers, passes
from minixnn.network import Network
from minixnn.rules import deep_taylor, lrp
from tests.peers import captum_side, networks, zennit_side
from tests.peers.libraries import captum, torch, zennit

W = np.array([[1.0, 2, 3], [-1, -0.5, 2]])                  # torch's way round: (outputs, inputs)
b = np.array([0.5, -0.5])
x = np.array([1.0, -1, 2])
Z = x * W                                                   # z_jk, one row per output
R = np.ones(2)


def up(a):
    return np.maximum(a, 0)


def down(a):
    return np.minimum(a, 0)


def shared(parts, bias=0):
    """sum_k of parts_k / (sum of parts_k + bias_k) R_k: what all these definitions have in common."""
    return (R / (parts.sum(axis=1) + bias)) @ parts


def boosted(g, bias):
    """The gamma rule for inputs of any sign; both z_k are positive here."""
    return shared(up(x) * (W + g * up(W)) + down(x) * (W + g * down(W)), b + g * bias)


box = Z + 3 * up(W) - 3 * down(W)                           # x w - l w+ - h w- with l = -3, h = 3

DEFINITIONS = {
    "LRP-0": ([-.151515, -.196970, 2.424242], shared(Z, b)),
    "epsilon = 1": ([-.096154, -.182692, 1.923077], shared(Z, b + 1)),
    "LRP-0, bias ignored": ([-.085714, -.257143, 2.342857], shared(Z)),
    "LRP-0, bias spread over inputs": ([-.176768, -.222222, 2.398990], shared(Z + b[:, None] / 3)),
    "alpha2 beta1": ([-.4, -.777778, 3.377778], 2 * shared(up(Z), up(b)) - shared(down(Z), down(b))),
    "alpha2 beta1, full b in both": ([-.4, -1.083333, 3.6], 2 * shared(up(Z), b) - shared(down(Z), b)),
    "alpha2 beta1, no bias": ([-.714286, -.777778, 3.492063], 2 * shared(up(Z)) - shared(down(Z))),
    "alpha1 beta0": ([.133333, .111111, 1.688889], shared(up(Z), up(b))),
    "alpha1 beta0, full b": ([.133333, .125, 1.8], shared(up(Z), b)),
    "z+ product split, no bias": ([.142857, .111111, 1.746032], shared(up(Z))),
    "z+ weights only, no bias": ([.2, -.4, 2.2], shared(x * up(W))),
    "W+ with full b": ([.181818, -.363636, 2.233766], shared(x * up(W), b)),
    "gamma = .25, signs of x split": ([-.072933, -.119671, 2.229070], boosted(.25, up(b))),
    "gamma = .25, Montavon 2019": ([-.068182, -.238636, 2.340909], shared(x * (W + .25 * up(W)), b + .25 * up(b))),
    "gamma = .25, bias unmodified": ([-.064815, -.245370, 2.361111], shared(x * (W + .25 * up(W)), b)),
    "w^2": ([.261905, .333333, 1.404762], shared(W ** 2)),
    "w^2 with b^2": ([.251994, .326156, 1.358852], shared(W ** 2, b ** 2)),
    "flat": ([.666667, .666667, .666667], shared(np.ones_like(W))),
    "zB, l = -3, h = 3": ([.316770, .316770, 1.366460], shared(box)),
}

OURS = {
    "LRP-0": partial(lrp.epsilon, epsilon=0),
    "epsilon = 1": partial(lrp.epsilon, epsilon=1),
    "alpha2 beta1": partial(lrp.alpha_beta, alpha=2.0, beta=1.0),
    "alpha1 beta0": partial(lrp.alpha_beta, alpha=1.0, beta=0.0),
    "gamma = .25, signs of x split": lrp.gamma_signed,
    "w^2": deep_taylor.w_square,
    "flat": lrp.flat,
    "zB, l = -3, h = 3": partial(deep_taylor.z_box, low=-3.0, high=3.0),
}

ZENNIT = {
    "LRP-0": ("Epsilon", {}),
    "epsilon = 1": ("Epsilon", {"epsilon": 1.0}),
    "LRP-0, bias ignored": ("Epsilon", {"zero_params": "bias"}),
    "alpha2 beta1": ("AlphaBeta", {"alpha": 2.0, "beta": 1.0}),
    "alpha2 beta1, no bias": ("AlphaBeta", {"alpha": 2.0, "beta": 1.0, "zero_params": "bias"}),
    "alpha1 beta0": ("ZPlus", {}),
    "z+ product split, no bias": ("ZPlus", {"zero_params": "bias"}),
    "gamma = .25, signs of x split": ("Gamma", {"gamma": 0.25}),
    "w^2": ("WSquare", {"zero_params": "bias"}),
    "w^2 with b^2": ("WSquare", {}),
    "flat": ("Flat", {}),
    "zB, l = -3, h = 3": ("ZBox", {"low": -3.0, "high": 3.0}),
}

CAPTUM = {
    "LRP-0": ("EpsilonRule", {"epsilon": captum_side.NOTHING}),
    "epsilon = 1": ("EpsilonRule", {"epsilon": 1.0}),
    "W+ with full b": ("Alpha1_Beta0_Rule", {}),
    "z+ weights only, no bias": ("Alpha1_Beta0_Rule", {"set_bias_to_zero": True}),
    "gamma = .25, bias unmodified": ("GammaRule", {}),
}


def case():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2)).double()
    module[0].weight.data, module[0].bias.data = torch.from_numpy(W.copy()), torch.from_numpy(b.copy())
    net = Network([layers.Dense(W.T.copy(), b)])
    return networks.Case("one dense layer", module, net, x[None], 0 * x[None], np.array([0]))


def in_zennit(rule, knobs):
    hook = getattr(zennit.rules, rule)(
        **{"epsilon" if rule == "Epsilon" else "stabilizer": zennit_side.ours_to_zero, **knobs})
    composite = zennit.composites.LayerMapComposite([(zennit.types.Linear, hook)])
    return zennit_side.relevance(case(), composite, start=R[None])[0][0]


def in_captum(rule, knobs):
    """captum starts at one output with its value. Relevance is linear in the start, so R = [1, 1] is put together."""
    one, total = case(), 0
    for k in range(2):
        one.target = np.array([k])
        total = total + captum_side.propagate(rule, **knobs)(one)[0] * R[k] / (Z.sum(axis=1) + b)[k]
    return total


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_each_definition_gives_the_numbers_printed_beside_it(definition):
    printed, computed = DEFINITIONS[definition]
    assert np.allclose(computed, printed, atol=1e-6, rtol=0), (computed, printed)   # printed with six digits


@pytest.mark.parametrize("definition", OURS)
def test_our_rules_are_the_definitions_that_we_chose(definition):
    layer = layers.Dense(W.T, b)
    ours = OURS[definition](layer, x[None], layer.forward(x[None]), R[None])[0]
    assert abs(ours - DEFINITIONS[definition][1]).max() < 1e-12, (ours, DEFINITIONS[definition][1])


def test_rules_for_nonnegative_inputs_refuse_a_negative_one():
    layer = layers.Dense(W.T, b)
    for rule in (lrp.gamma, deep_taylor.z_plus):
        with pytest.raises(ValueError, match="negative inputs"):
            rule(layer, x[None], layer.forward(x[None]), R[None])


@pytest.mark.parametrize("definition", ZENNIT)
def test_zennit_means_this_definition(definition, needs):
    needs("zennit")
    theirs = in_zennit(*ZENNIT[definition])
    assert abs(theirs - DEFINITIONS[definition][1]).max() < 1e-12, (theirs, DEFINITIONS[definition][1])


@pytest.mark.parametrize("definition", CAPTUM)
def test_captum_means_this_definition(definition, needs):
    needs("captum")
    theirs = in_captum(*CAPTUM[definition])
    assert abs(theirs - DEFINITIONS[definition][1]).max() < 1e-12, (theirs, DEFINITIONS[definition][1])


@pytest.mark.parametrize("one, other", [
    (one, other) for one in OURS for other in DEFINITIONS if other not in OURS and one.split(",")[0] in other])
def test_this_input_tells_our_convention_from_the_others_of_the_same_name(one, other):
    """The two differ in the third digit at the latest, so that no rule can be taken for its namesake."""
    assert abs(DEFINITIONS[one][1] - DEFINITIONS[other][1]).max() > 0.005


def rescale_network():
    return Network([layers.Dense(W.T, b), layers.ReLU(), layers.Dense(np.array([[1.0], [-2.0]]), np.array([0.25]))])


def test_rescale_is_what_captum_shap_and_deeplift_agree_on():
    x_ref = np.array([[0, 0.5, -1]])
    contributions = passes.deeplift(rescale_network(), x[None], x_ref)[0][0]
    assert np.allclose(contributions, [1.829192547, -3.139751553, .810559006], atol=1e-9, rtol=0), contributions
    assert abs(contributions.sum() + 0.5) < 1e-12           # the difference of the outputs


def test_captum_gives_the_same_rescale_contributions(needs):
    needs("captum")
    nn = torch.nn
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    for linear, weight, bias in ((module[0], W, b), (module[2], np.array([[1.0, -2]]), np.array([0.25]))):
        linear.weight.data, linear.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
    given = networks.Case("rescale", module, rescale_network(), x[None], np.array([[0, 0.5, -1]]), np.array([0]))
    theirs, ours = captum_side.their_deeplift(given), captum_side.deeplift(given)
    assert captum is not None and abs(theirs - ours).max() < 1e-12, (theirs, ours)
