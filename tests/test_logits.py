"""A network that ends in a squashing layer: is its logit explained, by every method, and is it said once?"""
import warnings

import numpy as np
import pytest

from minixnn import Network, attribution, ledger, logits, metrics, passes
from minixnn.layers import (Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh,
                            Unflatten)
from minixnn.rules import composites, lrp

HEADS = {"Sigmoid": [Sigmoid()], "Softmax": [Softmax()], "LogSoftmax": [LogSoftmax()], "Tanh": [Tanh()],
         "Softmax, then Dropout": [Softmax(axis=1), Dropout(0.1)]}
X = np.random.default_rng(0).random((4, 5, 6, 2))


def networks(head, outputs=3):
    """(a network with this head, the same without)"""
    rng = np.random.default_rng(1)
    body = [Conv2d(rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4)), ReLU(), GlobalAvgPool(),
            Dense(rng.normal(size=(4, outputs)), rng.normal(size=outputs))]
    return Network([*body, *head]), Network(body)


def silently(f, *arguments, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*arguments, **named)


def assert_equal(came, expected):
    np.testing.assert_allclose(came, expected, rtol=1e-12, atol=1e-12 * abs(np.asarray(expected)).max())


def told(said):
    return [str(each.message) for each in said if "only squashes" in str(each.message)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", attribution.METHODS)
def test_every_method_explains_the_logit_and_says_so_once(name, head):
    net, bare = networks(HEADS[head])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        came = attribution.METHODS[name](net, X, 1, batch_size=2)
    assert_equal(came, silently(attribution.METHODS[name], bare, X, 1, batch_size=2))
    assert len(told(said)) == 1 and repr(HEADS[head][0]) in told(said)[0] and "start=" in told(said)[0], told(said)
    assert said[0].filename == __file__, "the warning points at the line that asked"


@pytest.mark.parametrize("head", HEADS)
def test_passes_go_through_a_head_and_keep_their_length(head):
    net, bare = networks(HEADS[head])
    with pytest.warns(UserWarning, match="only squashes"):
        R = passes.lrp(net, X)
    expected = passes.lrp(bare, X)
    assert [r.shape for r in R] == [a.shape for a in net.trace(X)]
    assert_equal(R[0], expected[0])
    assert_equal(R[-1], expected[-1])


def test_a_start_explains_the_output_itself_without_a_word():
    net, bare = networks([Sigmoid()])
    start, y = np.eye(3)[[1, 1, 0, 2]], net.forward(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        came = passes.gradient(net, X, start=start)[0]
    assert_equal(came, passes.gradient(bare, X, start=start * y * (1 - y))[0])


def test_rules_made_for_the_whole_network_serve_its_logits():
    net, bare = networks([Softmax()])
    for rules in (composites.epsilon_plus, composites.rules_for(net, lrp.epsilon), composites.epsilon_plus(net)):
        short = rules if callable(rules) else rules[:-1]
        assert_equal(silently(passes.lrp, net, X, 1, rules)[0], passes.lrp(bare, X, 1, short)[0])


@pytest.mark.parametrize("head", ["Softmax", "Sigmoid"])
def test_the_ledger_balances_at_the_logit_and_at_the_output(head):
    net, _ = networks(HEADS[head])
    book = silently(ledger.ledger, net, X, quiet=True)
    assert book.largest_residual < 1e-12
    R = silently(passes.lrp, net, X)
    assert ledger.audit(net, X, R, lrp.epsilon).largest_residual < 1e-12
    start = passes.target_only(net.forward(X))
    R = passes.lrp(net, X, start=start)
    assert ledger.audit(net, X, R, lrp.epsilon).largest_residual < 1e-12


def test_layers_that_squash_elsewhere_are_no_head():
    for layers in ([Dense(np.eye(2)), Sigmoid(), Dense(np.eye(2))], [Sigmoid()],
                   [Dense(np.eye(2)), ReLU()]):
        assert logits.head_of(Network(layers)) is None
    assert logits.head_of(Network([Dense(np.eye(4)), Tanh(), Unflatten((2, 2))])) == 1
    assert logits.head_of(Network([Dense(np.eye(4)), Tanh(), Flatten()])) == 1


def test_the_network_of_the_logits_keeps_its_card():
    net = networks([Softmax()])[0].with_card(labels=["a", "b", "c"])
    assert logits.logits(net).card == net.card


# --- one output ------------------------------------------------------------------------------------------------------

def test_one_output_is_the_contrast_of_class_1_and_class_0():
    net = networks([], outputs=1)[1]
    z = net.forward(X)
    assert_equal(attribution.contrast(net, X), abs(z))
    assert_equal(attribution.contrast(net, X, 1), z)
    assert_equal(attribution.contrast(net, X, 0), -z)
    assert_equal(attribution.contrast(net, X, [1, 0, 0, 1], relevance=False), [[1], [-1], [-1], [1]])
    assert_equal(attribution.contrast(net, X, 1, other=0), z)
    assert_equal(passes.lrp(net, X, 0)[-1], z)              # elsewhere target 0 is the only output
    for target, other in ((1, 1), (2, None)):
        with pytest.raises(ValueError, match="which is the target|expected a class from 0 to 1"):
            attribution.contrast(net, X, target, other)


def test_the_contrast_of_probabilities_is_refused():
    with pytest.raises(ValueError, match=r"ends in Softmax.*logits\.logits\(net\)"):
        attribution.contrast(networks([Softmax()])[0], X)


@pytest.mark.parametrize("head, outputs", [("Softmax", 3), ("Sigmoid", 1)])
def test_selectivity_measures_the_logit_or_the_probability(head, outputs):
    net, bare = networks(HEADS[head], outputs)
    for probability in (False, True):
        came, expected = (silently(metrics.selectivity, "gradient", each, X, 0, patch=2, steps=3, quiet=True,
                                   probability=probability) for each in (net, bare))
        assert_equal(came.curves, expected.curves)
    assert_equal(came.curves[:, 0], net.forward(X)[:, 0])
