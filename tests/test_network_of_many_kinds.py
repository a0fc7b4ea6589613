"""A network of many kinds of layers: gradient, relevance, DeepLIFT, its file, training."""
from functools import partial

import numpy as np
import pytest

from minixnn import Network, passes
from minixnn.layers import Dense, Embedding
from minixnn.rules import composites, lrp
from minixnn.train import Adam, fit
from tests.helpers import assert_balances, assert_deeplift_sums
from tests.registry import EXAMPLES
from tests.small_networks import conv_net, text_net

IMAGES = np.random.default_rng(5).random((3, 8, 8, 3))


def test_a_network_of_many_kinds_has_the_gradient_that_differences_show():
    net, v, h = conv_net(), np.random.default_rng(0).normal(size=IMAGES.shape), 1e-6
    came = (passes.gradient(net, IMAGES, 1)[0] * v).sum()
    expected = (net.forward(IMAGES + h * v)[:, 1] - net.forward(IMAGES - h * v)[:, 1]).sum() / (2 * h)
    assert came == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rules", [lrp.epsilon, partial(lrp.epsilon, epsilon=0.1), composites.epsilon_plus,
                                   composites.epsilon_plus_flat, composites.epsilon_alpha2_beta1,
                                   composites.epsilon_gamma_box])
def test_a_network_of_many_kinds_balances_in_the_ledger(rules):
    assert_balances(conv_net(), IMAGES, rules)


def test_deeplift_of_a_network_of_many_kinds_sums_to_the_difference():
    assert_deeplift_sums(conv_net(), IMAGES, IMAGES[:1] * 0 + 0.5, 2)


def test_a_network_of_many_kinds_comes_back_from_its_file(tmp_path):
    net = conv_net()
    net.save(tmp_path / "net.npz")
    back = Network.load(tmp_path / "net.npz")
    assert np.array_equal(back.forward(IMAGES), net.forward(IMAGES))
    assert repr(back) == repr(net) and "depthwise" not in repr(net)
    for name, (layer, shape) in EXAMPLES.items():
        Network([layer]).save(tmp_path / "layer.npz")
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        back = Network.load(tmp_path / "layer.npz")
        assert np.array_equal(back.forward(x), layer.forward(x)), name
        assert back.layers[0].settings() == layer.settings(), name


@pytest.mark.parametrize("tokens", [False, True], ids=["images", "tokens"])
def test_the_new_layers_learn(tokens):
    rng = np.random.default_rng(0)
    if tokens:
        net, x = text_net(Embedding(rng.normal(size=(9, 4)))).astype("float32"), rng.integers(0, 9, (60, 7))
        labels = (x[:, 3] > 4).astype(int)                  # a pattern that a window can find
    else:
        net, x = conv_net().astype("float32"), rng.normal(size=(60, 8, 8, 3)).astype("float32")
        labels = (x.mean(axis=(1, 2))[:, 0] > 0).astype(int)
        head = Dense(rng.normal(size=(4, 2)).astype("float32"))
        net = net.part(0, -2).then(Network([head]))         # without the softmax
    before = {(l, name): a.copy() for l, layer in enumerate(net.layers) for name, a in layer.arrays().items()
              if a is not None}
    history = fit(net, x, labels, epochs=12, rng=rng, batch_size=10, optimizer=Adam(0.01), quiet=True)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"], history
    for (l, name), a in before.items():
        assert not np.array_equal(net.layers[l].arrays()[name], a), f"{name} of {net.layers[l]!r} has not moved"
