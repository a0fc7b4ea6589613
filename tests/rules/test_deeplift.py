"""DeepLIFT, with the rescale and the RevealCancel rule: does it share out the difference, and as the paper says?"""
import json
import pathlib

import numpy as np
import pytest
from tests.helpers import close
from tests import small_networks
from tests import strategies
from hypothesis import given
from hypothesis import strategies as st

import minixnn

from minixnn import Network, attribution, passes
from minixnn.layers import Dense, Dropout, Flatten, MaxPool2d, ReLU, Unflatten
from minixnn.layers.base import Layer

pytestmark = pytest.mark.filterwarnings("error")
PASSES = [passes.deeplift, passes.deeplift_reveal_cancel]
PEERS = pathlib.Path(__file__).parents[1] / "peers"
RECORDED = json.loads((PEERS / "data/deeplift_reveal_cancel.json").read_text())["cases"]
drawn_networks = st.one_of(small_networks.dense_networks(activations=small_networks.SMOOTH),
                           small_networks.conv_networks(activations=small_networks.SMOOTH))


@pytest.mark.parametrize("deeplift", PASSES)
@given(drawn_networks, st.integers(1, 3))
def test_contributions_sum_to_the_difference_at_every_layer(deeplift, drawn, images):
    net, rng, shape = drawn
    x, x_ref = rng.normal(size=(2, images, *shape))
    x_ref[:, ::2] = x[:, ::2]                               # some inputs do not differ at all
    target = rng.integers(net.forward(x).shape[1], size=images)
    difference = (net.forward(x) - net.forward(x_ref))[np.arange(images), target]
    for contributions in deeplift(net, x, x_ref, target):
        close(contributions.reshape(images, -1).sum(axis=1), difference, 1e-9)


@pytest.mark.parametrize("deeplift", PASSES)
@given(strategies.max_pools(dtype="float64"), st.integers(1, 2))
def test_max_pooling_sums_to_the_difference_with_overlaps_and_ties(deeplift, case, depth):
    pool, x, rng = case
    x_ref = strategies.grid(rng, x.shape, x.dtype)
    net = Network([pool, Flatten()])
    y, y_ref = net.forward(x), net.forward(x_ref)
    start = strategies.grid(rng, y.shape, y.dtype)
    for contributions in deeplift(net, x, x_ref, start=start):
        close(contributions.reshape(len(x), -1).sum(axis=1), (start * (y - y_ref)).sum(axis=1))


@given(strategies.max_pools(dtype="float64"))
def test_a_pixel_of_a_max_pool_gets_no_more_credit_than_it_changed(case):
    pool, x, rng = case
    x_ref = strategies.grid(rng, x.shape, x.dtype)
    net = Network([pool, Flatten()])
    windows = np.ones((1, net.forward(x).shape[1]))
    for deeplift in PASSES:
        contributions = deeplift(net, x, x_ref, start=windows)[0]
        assert (contributions * (x - x_ref) >= 0).all()
        assert (abs(contributions) <= windows.size * abs(x - x_ref) + 1e-12).all()


def test_max_pooling_worked_by_hand():
    """Windows {0, 1} and {1, 2}. From [2, 0, 1] to [1, 3, 2] the maxima go from [2, 1] to [3, 3]."""
    net = Network([MaxPool2d((1, 2), 1), Flatten()])
    x, x_ref = np.array([1., 3, 2]).reshape(1, 1, 3, 1), np.array([2., 0, 1]).reshape(1, 1, 3, 1)
    both = np.ones((1, 2))
    # Rescale: both rises, 1 and 2, are the doing of pixel 1.
    assert passes.deeplift(net, x, x_ref, start=both)[0].ravel().tolist() == [0, 3, 0]
    # RevealCancel, window {0, 1}: d+ raises the maximum from 2 to 3 alone and from 1 to 3 after d-, so by 1.5; d-
    # lowers it from 2 to 1 alone and not at all after d+, so by .5, and pixel 0 was the one that fell.
    assert passes.deeplift_reveal_cancel(net, x, x_ref, start=both)[0].ravel().tolist() == [-.5, 3.5, 0]


def test_rescale_has_the_number_that_three_libraries_agree_on():
    W, b = np.array([[1, -1], [2, -.5], [3, 2]]), np.array([.5, -.5])
    net = Network([Dense(W, b), ReLU(), Dense(np.array([[1.], [-2]]), np.array([.25]))])
    x, x_ref = np.array([[1., -1, 2]]), np.array([[0, .5, -1]])
    contributions = passes.deeplift(net, x, x_ref)[0]
    close(contributions, [[1.829192547, -3.139751553, .810559006]], 1e-9)
    close(contributions.sum(), -.5)


@pytest.mark.parametrize("rule, deeplift", [("RevealCancel", passes.deeplift_reveal_cancel),
                                            ("Rescale", passes.deeplift)])
@pytest.mark.parametrize("case", RECORDED, ids=[case["name"] for case in RECORDED])
def test_the_authors_package_gives_the_same(case, rule, deeplift):
    """Its stabiliser of 1e-7 leaves differences of a few 1e-8."""
    layers = [getattr(minixnn, kind)(**{name: np.array(value) if name in ("W", "b") else value
                                        for name, value in settings.items()}) for kind, settings in case["layers"]]
    contributions = deeplift(Network(layers), np.array(case["x"]), np.array(case["x_ref"]), case["target"])[0]
    np.testing.assert_allclose(contributions, np.array(case[rule]), rtol=0, atol=1e-7)


def reveal_cancel_by_the_book(W1, b1, w2, x, x_ref):
    """Contributions of the inputs of  relu(x W1 + b1) w2,  neuron by neuron from section 3.5.3 of the paper."""
    I, K = W1.shape
    C = [0.0] * I
    for k in range(K):
        f = lambda z: max(z, 0.0)                           # noqa: E731
        z0 = sum(x_ref[i] * W1[i][k] for i in range(I)) + b1[k]
        products = [W1[i][k] * (x[i] - x_ref[i]) for i in range(I)]
        D_pos, D_neg = sum(p for p in products if p > 0), sum(p for p in products if p < 0)
        y_pos = (f(z0 + D_pos) - f(z0)) / 2 + (f(z0 + D_neg + D_pos) - f(z0 + D_neg)) / 2
        y_neg = (f(z0 + D_neg) - f(z0)) / 2 + (f(z0 + D_pos + D_neg) - f(z0 + D_pos)) / 2
        for i in range(I):
            if products[i] > 0:
                C[i] += w2[k] * y_pos * products[i] / D_pos
            elif products[i] < 0:
                C[i] += w2[k] * y_neg * products[i] / D_neg
    return C


@given(strategies.seeds, st.integers(1, 5), st.integers(1, 4))
def test_reveal_cancel_is_the_papers_formula(seed, inputs, hidden):
    rng = np.random.default_rng(seed)
    W1, b1, w2 = rng.normal(size=(inputs, hidden)), rng.normal(size=hidden), rng.normal(size=hidden)
    x, x_ref = rng.normal(size=(2, 1, inputs))
    x_ref[0, :inputs // 2] = x[0, :inputs // 2]
    net = Network([Dense(W1, b1), ReLU(), Dense(w2[:, None])])
    close(passes.deeplift_reveal_cancel(net, x, x_ref)[0][0], reveal_cancel_by_the_book(W1, b1, w2, x[0], x_ref[0]))


@given(strategies.seeds, st.integers(1, 6), st.integers(1, 5))
def test_reveal_cancel_is_rescale_where_contributions_share_a_sign(seed, inputs, hidden):
    rng = np.random.default_rng(seed)
    x, x_ref = rng.normal(size=(2, 1, inputs))
    signs = rng.choice([-1, 1], size=hidden)                # the neurons may differ among each other
    W = abs(rng.normal(size=(inputs, hidden))) * np.sign(x - x_ref).T * signs
    net = Network([Dense(W, rng.normal(size=hidden)), ReLU(), small_networks.dense_layer(rng, hidden, 2)])
    for mine, theirs in zip(passes.deeplift_reveal_cancel(net, x, x_ref), passes.deeplift(net, x, x_ref)):
        close(mine, theirs)


@given(small_networks.conv_networks(), st.booleans())
def test_reveal_cancel_is_rescale_through_pools_where_all_rises_or_falls(drawn, rises):
    net, rng, shape = drawn
    for layer in net.layers[:-1]:                           # positive weights everywhere but at the output
        if hasattr(layer, "W") and np.ndim(layer.W):
            layer.W[...] = abs(layer.W)
    lower = rng.normal(size=(2, *shape))
    upper = lower + abs(rng.normal(size=lower.shape))
    x, x_ref = (upper, lower) if rises else (lower, upper)
    for mine, theirs in zip(passes.deeplift_reveal_cancel(net, x, x_ref, 0), passes.deeplift(net, x, x_ref, 0)):
        close(mine, theirs)


@given(st.floats(.01, 10), st.floats(.01, 10))
def test_the_minimum_of_two_inputs(i1, i2):
    """Shrikumar et al. 2017, figure 3: o = i1 - relu(i1 - i2). Rescale credits one input, RevealCancel both."""
    # Layers are a chain, so i1 is carried along beside i1 - i2; both are positive where they matter.
    net = Network([Dense(np.array([[1., 1], [0, -1]])), ReLU(), Dense(np.array([[1.], [-1]]))])
    x, zero = np.array([[i1, i2]]), np.zeros((1, 2))
    smaller = min(i1, i2)
    close(passes.deeplift_reveal_cancel(net, x, zero)[0], [[smaller / 2, smaller / 2]], 1e-9)
    close(passes.deeplift(net, x, zero)[0], [[0, i2]] if i1 > i2 else [[i1, 0]], 1e-9)


def test_a_saturated_neuron_still_has_a_multiplier():
    """Shrikumar et al. 2017, figure 1: h = relu(1 - i1 - i2), y = 1 - h. The gradient is 0 once i1 + i2 > 1."""
    net = Network([Dense(np.array([[-1.], [-1]]), np.array([1.])), ReLU(), Dense(np.array([[-1.]]), np.array([1.]))])
    x, zero = np.array([[1., 1]]), np.zeros((1, 2))
    assert (passes.gradient(net, x)[0] == 0).all()
    assert passes.deeplift(net, x, zero)[0].tolist() == [[.5, .5]]


def test_a_threshold_makes_no_jump():
    """Shrikumar et al. 2017, figure 2: relu(x - 10) just above its threshold."""
    net = Network([Dense(np.array([[1.]]), np.array([-10.])), ReLU()])
    x, zero = np.array([[10.001]]), np.zeros((1, 1))
    close(passes.deeplift(net, x, zero)[0], [[.001]])
    close(attribution.gradient_times_input(net, x), [[10.001]])


@given(small_networks.conv_networks(bias=False))
def test_without_biases_rescale_from_zero_is_lrp_0(drawn):
    """Ancona et al. 2018; max pooling behind a ReLU keeps it so."""
    net, rng, shape = drawn
    x = rng.normal(size=(2, *shape))
    lifted = passes.deeplift(net, x, np.zeros_like(x), 1)[0]
    close(lifted, attribution.gradient_times_input(net, x, 1))
    close(lifted, attribution.METHODS["lrp_0"](net, x, 1), 1e-7)


@pytest.mark.parametrize("name", ["deeplift", "deeplift_reveal_cancel"])
def test_several_references_are_averaged_and_one_serves_all_images(name):
    method, rng = attribution.METHODS[name], np.random.default_rng(0)
    net = Network([small_networks.dense_layer(rng, 4, 5), ReLU(), small_networks.dense_layer(rng, 5, 3)])
    x, a, b = rng.normal(size=(7, 4)), rng.normal(size=(1, 4)), rng.normal(size=(7, 4))
    close(method(net, x, 2, x_ref=a), method(net, x, 2, x_ref=np.repeat(a, 7, axis=0)))
    average = (method(net, x, 2, x_ref=a) + method(net, x, 2, x_ref=b)) / 2
    close(method(net, x, 2, x_ref=[a, b]), average)
    close(method(net, x, 2, x_ref=[a[0], b], batch_size=3), average)
    close(method(net, x, 2), getattr(passes, name)(net, x, 0 * x, 2)[0])
    assert abs(method(net, x, 2) - average).max() > .01


@pytest.mark.parametrize("deeplift", PASSES)
def test_a_reference_of_another_shape_is_refused(deeplift):
    net = Network([Dense(np.ones((3, 2)))])
    with pytest.raises(ValueError, match=r"reference of shape \(2, 4\) for inputs of shape \(5, 3\)"):
        deeplift(net, np.ones((5, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="empty list of references"):
        attribution.deeplift(net, np.ones((5, 3)), x_ref=[])


@pytest.mark.parametrize("deeplift", PASSES)
def test_layers_that_only_move_numbers_about_change_no_contribution(deeplift):
    rng = np.random.default_rng(0)
    below, above = small_networks.dense_layer(rng, 4, 6), small_networks.dense_layer(rng, 6, 3)
    x, x_ref = rng.normal(size=(2, 5, 4))
    moved = Network([below, Unflatten((3, 2, 1)), Dropout(), ReLU(), Flatten(), above])
    close(deeplift(moved, x, x_ref, 1)[0], deeplift(Network([below, ReLU(), above]), x, x_ref, 1)[0])


def test_reveal_cancel_refuses_an_unknown_kind_of_layer():
    class Square(Layer):
        def forward(self, x):
            return x * x

    with pytest.raises(NotImplementedError, match="Square has no RevealCancel rule"):
        passes.deeplift_reveal_cancel(Network([Square()]), np.ones((1, 2)), np.zeros((1, 2)))
