"""Tokens: relevance is one number a position, and an embedding is OneHot and Dense."""
from functools import partial

import numpy as np
import pytest

from minixnn import Network, attribution, passes
from minixnn.layers import Dense, Embedding, OneHot
from minixnn.rules import lrp
from tests.helpers import assert_close
from tests.registry import TOKENS, text_net


@pytest.mark.parametrize("first", TOKENS.values(), ids=TOKENS)
def test_relevance_of_tokens_is_one_number_a_position(first):
    net, x = text_net(first), np.random.default_rng(0).integers(0, 9, (4, 7))
    y = net.forward(x).max(axis=1)
    R = passes.lrp(net, x, rules=partial(lrp.epsilon, epsilon=0))
    assert R[0].shape == x.shape and R[1].shape == (4, 7, first.W.shape[1])
    np.testing.assert_allclose(R[0].sum(axis=1), y, rtol=1e-9)
    np.testing.assert_allclose(passes.gradient(net, x)[0].sum(axis=1), y, rtol=1e-9)
    x_ref = np.random.default_rng(1).integers(0, 9, (1, 7))
    M = passes.deeplift(net, x, x_ref, 1)[0]
    np.testing.assert_allclose(M.sum(axis=1), net.forward(x)[:, 1] - net.forward(x_ref)[:, 1], rtol=1e-9)
    assert (M[x == x_ref[0]] == 0).all()


def test_a_one_hot_layer_and_a_dense_one_are_an_embedding():
    rng, x = np.random.default_rng(0), np.random.default_rng(0).integers(0, 6, (3, 5))
    W = rng.normal(size=(6, 4))
    assert_close(Network([OneHot(6), Dense(W)]).forward(x), Embedding(W).forward(x), "embedding")
    dy = rng.normal(size=(3, 5, 4))
    expected = Dense(W).parameter_gradients(OneHot(6).forward(x), dy)["W"]
    assert_close(Embedding(W).parameter_gradients(x, dy)["W"], expected, "dW")


def test_numbers_that_are_no_tokens_are_refused():
    net = text_net(OneHot(9))
    with pytest.raises(ValueError, match="OneHot.*tokens outside 0 to 8"):
        net.forward(np.array([[3, 9]]))
    with pytest.raises(ValueError, match="float64.*expected whole numbers"):
        net.forward(np.ones((1, 4)))


def test_heatmaps_of_tokens_are_no_whole_numbers():
    net, x = text_net(OneHot(9)), np.random.default_rng(0).integers(0, 9, (4, 7))
    for batch_size in (None, 2):
        R = attribution.lrp(net, x, rules=partial(lrp.epsilon, epsilon=0), batch_size=batch_size)
        np.testing.assert_allclose(R, passes.lrp(net, x, rules=partial(lrp.epsilon, epsilon=0))[0])
