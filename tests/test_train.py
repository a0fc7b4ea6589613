"""Does training do what its formulas say, and the same again from the same seed?"""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minixnn import Network, datasets
from minixnn.layers import Conv2d, Dense, Dropout, Flatten, MaxPool2d, ReLU
from minixnn.layers.softmax import softmax
from minixnn.train import SGD, Adam, accuracy, backpropagate, constant, cosine, cross_entropy, fit
from tests import strategies
from tests.helpers import assert_derivative
from tests.registry import many_kinds, text_net


def test_softmax_is_the_exponentials_share():
    p = softmax(np.log(np.array([[1.0, 2, 5]])))
    assert p[0] == pytest.approx([1 / 8, 2 / 8, 5 / 8])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_is_finite_for_logits_of_ten_thousand(dtype):
    logits = np.array([[1e4, 0, -1e4], [1e4, 0, -1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, gradient = cross_entropy(logits, np.array([0, 2]))
    assert loss == pytest.approx(1e4) and loss.dtype == gradient.dtype == dtype
    assert gradient.tolist() == [[0, 0, 0], [0.5, 0, -0.5]]


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(2, 6))
def test_cross_entropy_is_the_mean_of_minus_log_p(seed, images, classes):
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.normal(size=(images, classes)), rng.integers(0, classes, images)
    by_hand = sum(-z[k] + math.log(sum(math.exp(v) for v in z)) for z, k in zip(logits.tolist(), labels)) / images
    loss, gradient = cross_entropy(logits, labels)
    assert loss == pytest.approx(by_hand), (loss, by_hand)
    assert np.abs(gradient.sum(axis=1)).max() < 1e-12, "no logit pattern that leaves softmax alone has a gradient"


@pytest.mark.parametrize("labels, sentence", [
    (np.array([0, 3]), "labels from 0 to 3, expected classes from 0 to 2"), (np.array([-1, 0]), "labels from -1 to 0"),
    (np.array([0, 1, 2]), r"shape \(3,\) .*expected an array of 2 whole numbers"), ([0, 1], "list.*expected an array"),
    (np.array([0.0, 1]), "type float64"), (np.eye(3)[:2], r"shape \(2, 3\)"), (None, "NoneType.*as labels")])
def test_labels_that_are_no_classes_are_refused(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        cross_entropy(np.zeros((2, 3)), labels)


def test_sgd_steps_are_those_of_the_formula():
    p, optimizer = np.array([1.0, -2.0]), SGD(learning_rate=0.1, momentum=0.5)
    kept = p
    optimizer.step("p", p, np.array([2.0, 4.0]))
    assert p == pytest.approx([0.8, -2.4])                              # v = (2, 4)
    optimizer.step("p", p, np.array([1.0, 0.0]))
    assert p == pytest.approx([0.6, -2.6])                              # v = (2, 2)
    assert kept is p, "the array is moved in place"


def test_sgd_decay_pulls_towards_zero():
    p = np.array([1.0])
    SGD(learning_rate=0.1, momentum=0.9, decay=0.5).step("p", p, np.array([0.0]))
    assert p == pytest.approx([0.95])


def test_adam_steps_are_those_of_algorithm_1():
    rate, beta1, beta2, epsilon = 0.1, 0.8, 0.9, 1e-3
    p, optimizer = np.array([1.0]), Adam(rate, beta1, beta2, epsilon)
    m = v = 0.0
    expected = 1.0
    for t, g in enumerate([2.0, -1.0, 0.5], start=1):
        optimizer.step("p", p, np.array([g]))
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        expected -= rate * (m / (1 - beta1 ** t)) / (math.sqrt(v / (1 - beta2 ** t)) + epsilon)
        assert p[0] == pytest.approx(expected, rel=1e-12), f"step {t}: {p[0]}, by hand {expected}"


def test_adam_decay_is_apart_from_the_gradient():
    p = np.array([2.0])
    Adam(learning_rate=0.1, decay=0.5).step("p", p, np.array([0.0]))
    assert p == pytest.approx([1.9])


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_a_misspelt_setting_is_an_error(optimizer):
    with pytest.raises(AttributeError, match="rate"):
        optimizer.rate = 0.5


@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_an_optimiser_tells_parameters_apart_and_keeps_float32(optimizer):
    p, q = np.ones(2, "float32"), np.ones(3, "float32")
    for _ in range(2):
        optimizer.step((0, "W"), p, np.ones(2, "float32"))
        optimizer.step((0, "b"), q, -np.ones(3, "float32"))
    assert (p < 1).all() and (q > 1).all() and p.dtype == q.dtype == np.float32


def test_schedules():
    assert [constant(0), constant(0.7)] == [1, 1]
    assert [cosine(0), cosine(0.5), cosine(1)] == pytest.approx([1, 0.5, 0])


def data(n=400):
    images, labels = datasets.mnist("train")
    return images[:n], labels[:n]


def small_net(seed=0):
    rng = np.random.default_rng(seed)
    return Network([Conv2d.random(5, 1, 4, rng, stride=2), ReLU(), MaxPool2d(2), Flatten(), Dropout(0.2),
                    Dense.random(196, 10, rng)])


def weights(net):
    return [a for layer in net.layers for a in layer.arrays().values() if a is not None]


def trained(seed=1, **more):
    net = small_net()
    more = {"epochs": 2, "batch_size": 20, **more}
    history = fit(net, *data(), rng=np.random.default_rng(seed), quiet=True, **more)
    return net, history


@pytest.mark.parametrize("optimizer", [Adam(5e-3), SGD(0.05)], ids=["Adam", "SGD"])
def test_the_loss_falls_and_the_accuracy_rises(optimizer):
    net, history = trained(epochs=4, optimizer=optimizer, validation=data())
    losses = [epoch["loss"] for epoch in history]
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4]
    assert losses[-1] < 0.5 * losses[0] and losses[0] < 2.5, losses
    assert history[-1]["accuracy"] > 0.7 and history[-1]["validation"] > 0.8, history
    assert history[-1]["validation"] == accuracy(net, *data())
    assert {a.dtype for a in weights(net)} == {np.dtype("float32")}


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, again, other = trained()[0], trained()[0], trained(seed=2)[0]
    assert all(map(np.array_equal, weights(first), weights(again)))
    assert not any(map(np.array_equal, weights(first), weights(other)))


@pytest.mark.parametrize("tokens", [False, True], ids=["images", "tokens"])
def test_layers_of_many_kinds_learn(tokens):
    rng = np.random.default_rng(0)
    if tokens:
        net, x = text_net().astype("float32"), rng.integers(0, 9, (60, 7))
        labels = (x[:, 3] > 4).astype(int)                  # a pattern that a window can find
    else:
        net, x = many_kinds().astype("float32"), rng.normal(size=(60, 8, 8, 3)).astype("float32")
        labels = (x.mean(axis=(1, 2))[:, 0] > 0).astype(int)
        head = Dense(rng.normal(size=(4, 2)).astype("float32"))
        net = net.part(0, -2).then(Network([head]))         # without the softmax
    before = [a.copy() for a in weights(net)]
    history = fit(net, x, labels, epochs=12, rng=rng, batch_size=10, optimizer=Adam(0.01), quiet=True)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"], history
    assert not any(map(np.array_equal, before, weights(net)))


def test_training_happens_in_place_in_the_networks_own_arrays():
    net = small_net()
    arrays = weights(net)
    before = [a.copy() for a in arrays]
    fit(net, *data(100), epochs=1, rng=np.random.default_rng(0), quiet=True)
    assert all(a is b for a, b in zip(arrays, weights(net)))
    assert not any(map(np.array_equal, before, arrays))


def test_a_saved_network_trains_on_as_the_one_in_memory(tmp_path):
    net = trained(optimizer=Adam(5e-3))[0]
    net.save(tmp_path / "net.npz")
    back = Network.load(tmp_path / "net.npz")
    for each in (net, back):
        before = accuracy(each, *data())
        fit(each, *data(), epochs=2, rng=np.random.default_rng(5), optimizer=Adam(5e-3), batch_size=20, quiet=True)
        assert accuracy(each, *data()) > before > 0.5
    assert all(map(np.array_equal, weights(net), weights(back)))


def test_one_step_of_fit_is_the_gradient_of_the_mean_loss():
    """Momentum, decay and schedule aside, W moves by -rate dL/dW of the batch."""
    rng = np.random.default_rng(0)
    net, x, labels = Network([Dense.random(4, 3, rng)]), rng.random((5, 4)).astype("float32"), rng.integers(0, 3, 5)
    W = net.layers[0].W.copy()
    p = softmax(x @ W)
    expected = W - 0.5 * x.T @ (p - np.eye(3)[labels]) / 5
    history = fit(net, x, labels, epochs=1, rng=rng, optimizer=SGD(0.5, 0), schedule=constant, quiet=True)
    np.testing.assert_allclose(net.layers[0].W, expected, rtol=1e-5)
    assert history[0]["loss"] == pytest.approx(-np.log(p[range(5), labels]).mean(), rel=1e-5)
    assert history[0]["accuracy"] == (p.argmax(axis=1) == labels).mean()


def test_the_rate_follows_the_schedule_and_is_given_back():
    rates = []

    class Watched(SGD):
        def step(self, key, p, g):
            rates.append(self.learning_rate)

    optimizer = Watched(0.4)
    fit(Network([Flatten(), Dense(np.zeros((784, 10), "float32"))]), *data(40), epochs=2, batch_size=10, quiet=True,
        rng=np.random.default_rng(0), optimizer=optimizer)
    assert rates == pytest.approx([0.4 * cosine(n / 8) for n in range(8)])
    assert optimizer.learning_rate == 0.4


def test_every_image_is_seen_once_an_epoch_in_a_new_order():
    seen = []

    def watch(batch, rng):
        seen.append(batch[:, 0].tolist())
        return batch

    x = np.arange(25, dtype="float32")[:, None]
    fit(Network([Dense(np.zeros((1, 2), "float32"))]), x, np.zeros(25, int), epochs=2, batch_size=10, augment=watch,
        rng=np.random.default_rng(0), optimizer=SGD(0), quiet=True)
    assert [len(batch) for batch in seen] == [10, 10, 5] * 2
    first, second = sum(seen[:3], []), sum(seen[3:], [])
    assert sorted(first) == sorted(second) == x[:, 0].tolist() and first != second


def test_images_may_be_made_anew_for_every_epoch():
    asked = []

    def new(epoch):
        asked.append(epoch)
        return data(20)

    fit(small_net(), new, epochs=3, rng=np.random.default_rng(0), quiet=True)
    assert asked == [0, 1, 2]


def test_training_stops_the_way_back_at_the_first_weights():
    class Odd(ReLU):
        def gradient(self, x, y, dy):
            raise AssertionError("nobody asks for the gradient at the pixels")

    net = Network([Odd(), Dense(np.zeros((2, 2), "float32"))])
    loss, right, gradients = backpropagate(net, np.ones((1, 2), "float32"), np.array([0]), None)
    assert loss == pytest.approx(math.log(2)) and int(right) == 1
    assert not gradients[0] and set(gradients[1]) == {"W", "b"} and gradients[1]["b"] is None


def test_training_that_cannot_be_repeated_is_refused():
    with pytest.raises(ValueError, match="rng=None, expected a numpy.random.Generator"):
        fit(small_net(), *data(10))


@pytest.mark.parametrize("images, labels, sentence", [
    (np.full((2, 28, 28, 1), np.nan, "float32"), np.zeros(2, int), "NaN or infinite"),
    (np.zeros((2, 28, 28, 1), int), np.zeros(2, int), "expected floating point"),
    (np.zeros((0, 28, 28, 1)), np.zeros(0, int), "empty batch"),
    (np.zeros((2, 28, 28, 1)), np.zeros(3, int), "expected an array of 2 whole numbers"),
    (np.zeros((2, 28, 28, 1)), None, "expected an array of 2 whole numbers"),
    (np.zeros((2, 28, 28, 1)), np.array([0, 10]), "labels from 0 to 10, expected classes from 0 to 9")])
def test_data_that_nothing_can_be_learnt_from_are_refused(images, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(small_net(), images, labels, rng=np.random.default_rng(0), quiet=True)


def test_an_epoch_says_how_it_went_unless_asked_to_be_quiet(capsys):
    net = Network([Flatten(), Dense(np.zeros((784, 10), "float32"))])
    fit(net, *data(20), epochs=1, rng=np.random.default_rng(0), validation=data(20))
    said = capsys.readouterr().out
    assert all(word in said for word in ("epoch 1", "loss", "accuracy", "validation")), said
    fit(net, *data(20), epochs=1, rng=np.random.default_rng(0), quiet=True)
    out = capsys.readouterr()
    assert out.out == out.err == ""


def test_accuracy_is_the_share_of_right_answers():
    net = Network([Dense(np.eye(3, dtype="float32"))])
    assert accuracy(net, np.eye(3, dtype="float32")[[0, 1, 2, 2]], np.array([0, 1, 2, 0]), batch_size=3) == 0.75


@given(strategies.seeds, st.integers(1, 4), st.integers(2, 5))
def test_the_gradient_of_cross_entropy_is_its_derivative(seed, images, classes):
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.normal(size=(images, classes)), rng.integers(0, classes, images)
    assert_derivative(lambda z: cross_entropy(z, labels)[0], logits, cross_entropy(logits, labels)[1], rng)
