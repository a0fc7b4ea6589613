"""Where captum is wrong, with the numbers. Should a later version mend it, these tests say so."""
import dataclasses
from functools import partial

import numpy as np
import pytest

from minixnn import layers, passes
from minixnn.interop import from_torch
from minixnn.rules import lrp
from tests.peers import captum_side, networks
from tests.peers.agreement import assert_agreement


@pytest.fixture(autouse=True)
def captum_is_there(needs):
    needs("captum")


def missing(case, contributions):
    """By how much contributions miss the difference of the outputs, at worst."""
    difference = ((case.net.forward(case.x) - case.net.forward(case.x_ref)) * case.one_hot).sum(axis=1)
    return abs(contributions.reshape(len(case.x), -1).sum(axis=1) - difference).max()


def compare_sums(case, least):
    ours, theirs = missing(case, captum_side.deeplift(case)), missing(case, captum_side.their_deeplift(case))
    print(f"{case.name}: our contributions miss the difference of the outputs by {ours:.2g}, captum's by {theirs:.2g}")
    assert ours < 1e-12
    assert theirs > least, "captum now sums to the difference: compare it as an equal"


def test_contributions_through_an_activation_and_a_pool_sum_only_here():
    case = networks.case("max pool", 5)
    assert not captum_side.faithful(case)
    compare_sums(case, least=0.1)


def test_contributions_through_overlapping_windows_sum_only_here():
    seed = next(seed for seed in range(50) if overlapping(networks.case("max pool alone", seed)))
    compare_sums(networks.case("max pool alone", seed), least=0.01)


@pytest.mark.parametrize("kind", ["max pool", "max pool alone", "smooth"])
def test_captums_contributions_with_its_two_faults_mended_are_ours(kind):
    for seed in range(8):
        case = networks.case(kind, seed)
        assert_agreement(case, captum_side.deeplift(case), captum_side.as_captum_hooks_it(case, mended=True), 1e-9,
                         "passes.deeplift and captum's DeepLift, mended")


def overlapping(case):
    return any(s < k for layer in case.net.layers if isinstance(layer, layers.MaxPool2d)
               for s, k in zip(layer.stride, layer.size))


def test_relevance_survives_an_identity_behind_a_relu_here_and_not_there():
    """captum's LRP, which it reports in a tensor hook, is applied twice where Identity hands the tensor on."""
    nn = captum_side.torch.nn
    conv, then = networks.case("conv", 0), nn.Identity()
    leaves = [leaf for leaf in networks.leaves(conv.module).values() if not isinstance(leaf, nn.Identity)]
    without = dataclasses.replace(conv, module=nn.Sequential(*leaves))
    position = 1 + next(i for i, leaf in enumerate(leaves) if isinstance(leaf, nn.ReLU))
    between = dataclasses.replace(conv, module=nn.Sequential(*leaves[:position], then, *leaves[position:]))
    rules = captum_side.captum.attr._utils.lrp_rules

    def theirs(case):
        for leaf in networks.leaves(case.module).values():
            if not isinstance(leaf, (nn.ReLU, nn.Dropout)):
                leaf.rule = rules.EpsilonRule(0.25 if hasattr(leaf, "weight") else captum_side.NOTHING)
        return captum_side.attribute("LRP")(case)

    ours = passes.lrp(conv.net, conv.x, conv.target, rules=partial(lrp.epsilon, epsilon=0.25))[0]
    agreeing, astray = abs(theirs(without) - ours).max(), abs(theirs(between) - ours).max()
    print(f"largest difference {agreeing:.2g} without and {astray:.2g} with an Identity")
    assert agreeing < 1e-9
    assert astray > 1e-3, "captum's LRP now passes Identity: give it networks that have some"


def test_the_weights_of_captums_trapezoid_sum_to_less_than_one():
    """On a network without activations integrated gradients are exact: dx times the weights of the layer."""
    case = networks.case("dense", 0)
    linear = captum_side.torch.nn.Sequential(next(iter(networks.leaves(case.module).values())))
    case = dataclasses.replace(case, module=linear, net=from_torch(linear),
                               target=np.zeros(len(case.x), dtype=int))
    exact = (case.x - case.x_ref) * case.net.layers[0].W[:, 0]
    theirs = captum_side.their_integrated("riemann_trapezoid")(case)
    ours = captum_side.integrated("trapezoid")(case)
    print(f"of the exact attribution captum returns {(theirs / exact).mean():.6f}, we {(ours / exact).mean():.6f}")
    assert abs(ours - exact).max() < 1e-12
    assert np.allclose(theirs, exact * (1 - 1 / 8), rtol=1e-6)          # its weights are in single precision
