"""Ways of writing several layers at once: do they become the layers one would have put down?"""
from functools import partial

import numpy as np
import pytest
from hypothesis import given

from minixnn import Graph, Network, passes
from minixnn.checks import strategies
from minixnn.layers import (Add, BatchNorm2d, Branches, Concat, Dense, Dropout, GlobalAvgPool, MaxPool2d, Multiply,
                            ReLU, Residual, Sigmoid, Upsample)
from minixnn.layers.folding import fold_batch_norm
from minixnn.layers.joins import by_contribution
from minixnn.rules import composites, lrp
from minixnn.train import Adam, fit
from tests.registry import conv, norm, resnet


def images(seed=1, count=3):
    return np.random.default_rng(seed).normal(size=(count, 7, 6, 2))


# --- what is written down --------------------------------------------------------------------------------------------

def test_a_residual_is_its_body_its_shortcut_and_a_sum():
    rng = np.random.default_rng(0)
    body, shortcut = [conv(rng, 2, 4), ReLU()], [conv(rng, 2, 4, 1)]
    net = Network([ReLU(), Residual(body, shortcut, epsilon=0.5)])
    assert net.layers[1:4] == [*body, *shortcut] and net.layers[4].epsilon == 0.5
    assert net.inputs == [(0,), (1,), (2,), (1,), (3, 4)]
    assert net.names == ["", "1.body.0", "1.body.1", "1.shortcut", "1.add"]
    x = images()
    by_hand = shortcut[0].forward(ReLU().forward(x)) + body[1].forward(body[0].forward(ReLU().forward(x)))
    assert np.array_equal(net.forward(x), by_hand)


def test_an_empty_chain_is_the_identity():
    net = Network([Residual([ReLU()])])
    assert [type(layer) for layer in net.layers] == [ReLU, Add] and net.inputs == [(0,), (1, 0)]
    assert Network([Branches([[], []])]).forward(np.array([[1.0, 2.0]])).tolist() == [[1, 2, 1, 2]]


def test_branches_meet_in_any_join():
    x = np.array([[1.0, -2.0]])
    for join, expected in ((Add(), [[2, -2]]), (Multiply(), [[1, 0]]), (Concat(), [[1, 0, 1, -2]]),
                           (None, [[1, 0, 1, -2]])):
        net = Network([Branches([[ReLU()], []], join)])
        assert net.forward(x).tolist() == expected
    assert Network([Branches([[ReLU()], [], [Sigmoid()]], Add())]).inputs[-1] == (1, 0, 2)


def test_one_way_of_writing_within_another():
    net = resnet()
    adds = [l for l, layer in enumerate(net.layers) if isinstance(layer, Add)]
    assert [net.inputs[l] for l in adds] == [(7, 4), (8, 2), (13, 14)]
    assert [net.names[l] for l in adds] == ["2.body.2.add", "2.add", "4.add"]
    assert not any(isinstance(layer, (Residual, Branches)) for layer in net.layers)


def test_a_graph_of_ones_own_with_skips_across():
    """A U-Net: what the way down has made is read again on the way up."""
    rng = np.random.default_rng(0)
    graph = Graph()
    fine = graph.add(0, conv(rng, 2, 3), ReLU(), name="fine")
    coarse = graph.add(fine, MaxPool2d(2), conv(rng, 3, 4), ReLU(), Upsample(2), name="coarse")
    graph.add((fine, coarse), Concat(), conv(rng, 7, 3, 1), GlobalAvgPool())
    net, x = Network(graph.layers, graph.inputs, names=graph.names), images()[:, :6]
    assert net.readers(fine) == [2, 6] and net.inputs[6] == (fine, coarse)
    assert net.names[:3] == ["fine.0", "fine.1", "coarse.0"]
    R = passes.lrp(net, x, 0, rules=partial(lrp.epsilon, epsilon=0))
    np.testing.assert_allclose(R[0], x * passes.gradient(net, x, 0)[0], atol=1e-9)


def test_a_layer_that_is_written_twice_is_shared():
    rng = np.random.default_rng(0)
    shared = Dense(rng.normal(size=(3, 3)))
    net = Network([Residual([shared, ReLU(), Residual([shared])])])
    assert net.layers[0] is net.layers[2] and "(shared)" in net.describe()
    assert [line.split()[-1] for line in net.describe().splitlines() if "Dense" in line][0] == "9"


def test_describe_shows_what_became_of_it_folded_by_place():
    net = resnet()
    lines = net.describe(composites.epsilon_plus_flat, images()).splitlines()
    assert len(lines) == 1 + len(net.layers)
    row = next(line for line in lines if "4.shortcut" in line)
    assert "Conv2d(1x1, 4 -> 5, stride (2, 2))" in row and "A[10]" in row and "(4, 3, 5)" in row
    assert "alpha_beta" in row and "25" in row
    assert "A[13], A[14]" in next(line for line in lines if "4.add" in line)
    folded = net.describe(depth=1).splitlines()
    assert [line.split()[0] for line in folded[1:]] == ["0", "1", "2", "9", "10", "15", "16", "17"], folded
    assert "7 layers" in folded[3] and "5 layers" in folded[5]


# --- a residual network explains -------------------------------------------------------------------------------------

@given(strategies.seeds)
def test_lrp_0_of_a_bias_free_resnet_is_gradient_times_input(seed):
    net, x = resnet(seed, bias=False), images(seed + 1)
    R = passes.lrp(net, x, 0, rules=partial(lrp.epsilon, epsilon=0))
    A, dA = net.trace(x), passes.gradient(net, x, 0)
    for i in range(len(A)):
        expected = A[i] * dA[i]
        np.testing.assert_allclose(R[i], expected, atol=1e-8 * max(1, abs(expected).max()), err_msg=f"A[{i}]")


@pytest.mark.parametrize("rules", [partial(lrp.epsilon, epsilon=0), partial(lrp.gamma_signed),
                                   partial(lrp.gamma_signed, gamma=10.0)])
def test_relevance_is_conserved_without_biases(rules):
    net, x = resnet(bias=False), images()
    R = [r.reshape(3, -1).sum(axis=1) for r in passes.lrp(net, x, 1, rules=rules)]
    room = 1e-9 if rules.func is lrp.epsilon else 1e-4      # else sums have a stabiliser of 1e-6
    for i in (0, 1, 2, 9, 10, 15, 16, 17):                  # where all goes through one activation
        np.testing.assert_allclose(R[i], R[-1], rtol=room, err_msg=f"A[{i}]")


def test_a_composite_gives_each_layer_of_a_block_its_rule():
    net, plus = resnet(), composites.alpha1_beta0
    rules = composites.epsilon_plus_flat(net)
    found = {net.names[l] or str(l): rule for l, rule in enumerate(rules)}
    assert rules[0] is lrp.flat and rules[-1] is lrp.epsilon
    for name in ("2.body.0", "2.body.2.body.0", "2.body.2.body.2", "4.body.0", "4.body.2", "4.shortcut"):
        assert found[name] is plus, name
    assert composites.rules_for(net, rules)[net.names.index("2.add")] is by_contribution
    stronger = composites.rules_for(net, partial(composites.epsilon_plus, epsilon=0.25))
    assert stronger[net.names.index("2.add")].keywords == {"epsilon": 0.25}


def test_layers_in_either_branch_may_see_the_pixels():
    rng = np.random.default_rng(0)
    net = Network([Residual([conv(rng, 2, 3), ReLU(), conv(rng, 3, 3)], [conv(rng, 2, 3, 1)]), ReLU(), conv(rng, 3, 1)])
    found = composites.by_kind(net, conv=lrp.gamma, first=lrp.flat)
    assert [found[l] for l in (0, 2, 3, 6)] == [lrp.flat, lrp.gamma, lrp.flat, lrp.gamma]


def test_a_convolution_before_a_sum_is_not_rectified():
    """A ReLU behind the sum cuts off the sum, not what the convolution has made: it gets relevance of either sign."""
    rng = np.random.default_rng(0)
    net = Network([conv(rng, 2, 2), ReLU(), Residual([conv(rng, 2, 2), ReLU(), conv(rng, 2, 2)]), ReLU(),
                   GlobalAvgPool(), Dense(np.ones((2, 2)))])
    found = composites.epsilon_gamma_box(net)
    kinds = [getattr(found[l], "func", found[l]) for l in (2, 4)]
    assert kinds == [lrp.gamma, lrp.gamma_signed]


def test_z_box_knows_no_bounds_of_pixels_that_have_met():
    rng = np.random.default_rng(0)
    net = Network([Residual([MaxPool2d(3, 1, 1)]), conv(rng, 2, 2), GlobalAvgPool()])
    with pytest.raises(ValueError, match="layer 2, Conv2d.*pixels that have met in a join"):
        passes.lrp(net, images().clip(0, 1), 0, rules=composites.epsilon_gamma_box)


def test_deep_taylor_goes_through_blocks_and_names_their_positive_biases():
    net = resnet(bias=False)
    R = passes.deep_taylor(net, images(), 0, low=-9, high=9)
    assert composites.deep_taylor(net)[net.names.index("2.body.2.body.0")].__name__ == "z_plus"
    assert np.isfinite(R[0]).all()
    with pytest.warns(UserWarning, match=r"positive biases in layer 0 .*, 2 \(Conv2d"):
        passes.deep_taylor(resnet(), images(), 0, low=-9, high=9)


def test_rectified_gradients_go_through_both_branches():
    """With all weights and signals positive nothing is rectified: all three are the gradient."""
    rng = np.random.default_rng(0)
    net = Network([Residual([Dense(rng.random((4, 4))), ReLU()]), ReLU(), Residual(
        [Dense(rng.random((4, 2)))], [Dense(rng.random((4, 2)))])])
    x, dy = rng.random((2, 4)), rng.random((2, 2))
    for method in (passes.deconvnet, passes.guided_backprop):
        assert np.allclose(method(net, x, start=dy)[0], passes.gradient(net, x, start=dy)[0])
    net, x, dy = Network([Residual([ReLU()])]), -x, -rng.random((2, 4))     # all negative: only the identity hands back
    assert np.array_equal(passes.guided_backprop(net, x, start=dy)[0], dy)
    assert np.array_equal(passes.deconvnet(net, x, start=-dy)[0], -2 * dy)


# --- learns, travels -------------------------------------------------------------------------------------------------

def test_a_resnet_learns_with_masks_and_running_statistics():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 6, 6, 2)), rng.integers(0, 3, 60)
    x += labels[:, None, None, None]
    net = resnet(normalised=True).then(Network([Dropout(0.1)]))
    before = net.layers[1].mean.copy()
    history = fit(net, x, labels, epochs=8, rng=rng, batch_size=20, optimizer=Adam(0.02), quiet=True)
    assert history[-1]["loss"] < history[0]["loss"] / 2, history
    assert not np.allclose(net.layers[1].mean, before)


def test_folding_batch_normalisation_leaves_the_function_as_it_is():
    net, x = resnet(normalised=True), images()
    folded = fold_batch_norm(net)
    assert not any(isinstance(layer, BatchNorm2d) for layer in folded.layers)
    assert any(isinstance(layer, BatchNorm2d) for layer in net.layers)                      # the original keeps its own
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-10)


def test_a_normalisation_that_cannot_be_folded_is_named_by_its_place():
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match=r"layer 1\.shortcut, BatchNorm2d.* behind ReLU"):
        fold_batch_norm(Network([ReLU(), Residual([ReLU()], [norm(rng, 2)])]))


def test_nothing_is_folded_into_a_branch_that_somebody_else_reads():
    rng = np.random.default_rng(0)
    first = conv(rng, 2, 2)
    net = Network([first, norm(rng, 2), ReLU(), Add()], [0, 1, 2, (3, 1)])              # A[1] goes round the norm
    with pytest.warns(UserWarning, match="left a ChannelScale"):
        folded = fold_batch_norm(net)
    assert folded.layers[0] is first
    np.testing.assert_allclose(folded.forward(images()), net.forward(images()), rtol=1e-10)


def test_a_shared_layer_is_not_folded_into():
    rng = np.random.default_rng(0)
    shared = conv(rng, 2, 2)
    net, x = Network([shared, norm(rng, 2), ReLU(), shared, GlobalAvgPool()]), images()
    with pytest.warns(UserWarning, match="left a ChannelScale"):
        folded = fold_batch_norm(net)
    assert folded.layers.count(shared) == 2
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-10)
