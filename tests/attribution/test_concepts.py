"""Concept relevance: are a channel's maps what a loop over neurons says, and do they sum to the whole?"""
import numpy as np
import pytest

from minixnn import Dense, Network, ReLU, Residual, attribution, passes
from minixnn.layers import Conv2d, Flatten, GlobalAvgPool, Input, MaxPool2d
from minixnn.rules import composites, lrp
from tests import small_networks

RULES = [lrp.epsilon, lrp.gamma_signed, lrp.flat, composites.alpha1_beta0, composites.alpha2_beta1,
         composites.epsilon_plus_flat, composites.epsilon_gamma_box, composites.by_depth]


def network(seed=0):
    """Two convolutions and a dense layer, with biases, for images of 8 x 8 pixels and 2 channels."""
    rng = np.random.default_rng(seed)
    return Network([small_networks.conv_layer(rng, 2, 4), ReLU(), MaxPool2d(3, 2, padding="same"),
                    small_networks.conv_layer(rng, 4, 5), ReLU(), GlobalAvgPool(),
                    small_networks.dense_layer(rng, 5, 3)])


def images(count=3, seed=1):
    return np.random.default_rng(seed).uniform(0, 1, (count, 8, 8, 2))


@pytest.mark.parametrize("rules", RULES, ids=composites.name_of)
@pytest.mark.parametrize("i", [1, 2, 3, 5, 6])
def test_the_maps_of_all_channels_sum_to_the_whole(i, rules):
    net, x, target = network(), images(), [0, 2, 1]
    maps = attribution.concepts(net, x, i, target=target, rules=rules)
    assert maps.shape == (3, {1: 4, 2: 4, 3: 4, 5: 5, 6: 5}[i], *x.shape[1:])
    np.testing.assert_allclose(maps.sum(axis=1), attribution.lrp(net, x, target, rules), atol=1e-12)


def test_a_channel_is_what_a_loop_over_neurons_says():
    rng = np.random.default_rng(3)
    W1, b1, W2 = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(4, 2))
    x = rng.normal(size=(2, 3))
    net = Network([Dense(W1, b1), ReLU(), Dense(W2)])
    maps = attribution.concepts(net, x, 2, target=1, rules=lrp.epsilon)
    for n in range(2):
        z = [b1[k] + sum(x[n, j] * W1[j, k] for j in range(3)) for k in range(4)]
        y = sum(max(z[k], 0) * W2[k, 1] for k in range(4))
        for k in range(4):
            R_k = max(z[k], 0) * W2[k, 1] / (y + np.sign(y) * 1e-6) * y
            expected = [x[n, j] * W1[j, k] / (z[k] + np.sign(z[k]) * 1e-6) * R_k for j in range(3)]
            np.testing.assert_allclose(maps[n, k], expected, atol=1e-12)


def test_a_channel_alone_is_the_pass_with_the_others_silenced_by_hand():
    net, x = network(), images()
    R = passes.lrp(net, x, 1, composites.epsilon_plus)
    rules = composites.epsilon_plus(net)
    for k in range(5):
        S = np.zeros_like(R[5])
        S[..., k] = R[5][..., k]
        for l in reversed(range(5)):
            rule = rules[l] or net.layers[l].rule
            S = rule(net.layers[l], net.trace(x)[l], net.trace(x)[l + 1], S)
        np.testing.assert_allclose(attribution.concepts(net, x, 5, [k], 1, composites.epsilon_plus)[:, 0], S)


def test_chosen_channels_come_in_their_order_and_batches_change_nothing():
    net, x = network(), images(7)
    every = attribution.concepts(net, x, 5)                 # of each image's largest output
    np.testing.assert_allclose(attribution.concepts(net, x, 5, (3, 0), batch_size=2), every[:, [3, 0]])


def test_a_start_takes_the_place_of_the_target():
    net, x = network(), images()
    start = attribution.contrast(net, x, 1, 2)
    maps = attribution.concepts(net, x, 2, start=start)
    np.testing.assert_allclose(maps.sum(axis=1), attribution.lrp(net, x, start=start), atol=1e-12)


def test_what_goes_past_the_activation_is_refused():
    rng = np.random.default_rng(0)
    body = [Dense.random(4, 4, rng), ReLU(), Dense.random(4, 4, rng)]
    net = Network([Dense.random(3, 4, rng), Residual(body), Dense.random(4, 2, rng)])
    x = rng.normal(size=(2, 3)).astype(np.float32)
    inside, behind = 3, len(net.layers) - 1                 # a hidden layer of the body; what the sum makes
    with pytest.raises(ValueError, match="crosses the cut"):
        attribution.concepts(net, x, inside)
    maps = attribution.concepts(net, x, behind)
    np.testing.assert_allclose(maps.sum(axis=1), attribution.lrp(net, x), atol=1e-5)


@pytest.mark.parametrize("i, channels, sentence", [
    (0, None, "from 1 to 6"), (7, None, "from 1 to 6"), (-1, None, "from 1 to 6"), (5, [5], "from 0 to 4"),
    (5, [-1], "from 0 to 4"), (5, [], "from 0 to 4")])
def test_places_and_channels_that_there_are_not_are_refused(i, channels, sentence):
    with pytest.raises(ValueError, match=sentence):
        attribution.concepts(network(), images(), i, channels)


def test_several_inputs_are_refused():
    rng = np.random.default_rng(0)
    net = Network([Input(0), Flatten(), Dense.random(4, 2, rng)])
    with pytest.raises(NotImplementedError, match="one input"):
        attribution.concepts(net, (rng.normal(size=(1, 4)),), 1)


def test_float32_stays_float32():
    net = network().astype(np.float32)
    assert isinstance(net.layers[0], Conv2d)
    assert attribution.concepts(net, images().astype(np.float32), 5, [0]).dtype == np.float32


def test_a_network_with_a_card_is_cut_without_the_names_of_its_outputs():
    net, x = network().with_card(input_shape=(8, 8, 2), labels=["a", "b", "c"], head="Softmax", pixels=1), images()
    lower, upper = net.part(0, 5), net.part(5, 7)
    assert (lower.card.labels, lower.card.head, lower.card.input_shape) == ((), None, (8, 8, 2))
    assert (upper.card.labels, upper.card.head, upper.card.input_shape) == (("a", "b", "c"), "Softmax", None)
    assert upper.card.pixels is None
    np.testing.assert_allclose(upper.forward(lower.forward(x)), net.forward(x))
    np.testing.assert_allclose(attribution.concepts(net, x, 5).sum(axis=1), attribution.lrp(net, x), atol=1e-12)
