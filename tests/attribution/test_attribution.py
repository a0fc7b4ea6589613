"""Heatmaps: does each method answer what its paper says, for any number of images, and in little memory?"""
from functools import partial

import numpy as np
import pytest
from tests.helpers import close
from tests import small_networks
from hypothesis import given
from hypothesis import strategies as st

from minixnn import Network, attribution, models, passes
from minixnn.attribution.gradients import path
from minixnn.attribution import METHODS
from minixnn.layers import Conv2d, Dense, Embedding, Flatten, GlobalAvgPool, MaxPool2d, ReLU, Tanh
from minixnn.layers.base import Layer
from minixnn.rules import composites, lrp

LRP = ["lrp_0", "lrp_epsilon", "lrp_gamma", "lrp_alpha1_beta0", "lrp_alpha2_beta1", "lrp_epsilon_plus",
       "lrp_epsilon_plus_flat", "lrp_epsilon_alpha2_beta1", "lrp_epsilon_gamma_box", "lrp_by_depth",
       "deep_taylor"]
NAMES = ["gradient", "sensitivity", "saliency", "gradient_times_input", "integrated_gradients", "smoothgrad",
         "occlusion", "deconvnet", "guided_backprop", *LRP, "deeplift", "deeplift_reveal_cancel", "cam", "grad_cam",
         "grad_cam_plus_plus", "guided_grad_cam", "score_cam", "ablation_cam", "attn_lrp", "cp_lrp"]
QUADRATURES = ["midpoint", "left", "right", "trapezoid"]
# The networks here have biases of both signs and outputs of both signs, of which deep Taylor warns.
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore:deep Taylor got")]


def gap_network(channels=1, seed=0):
    """A network that every method can explain: 8 x 8 images, overlapping max pooling, CAM's head."""
    rng = np.random.default_rng(seed)
    return Network([small_networks.conv_layer(rng, channels, 4), ReLU(), MaxPool2d(3, 2, padding="same"),
                    small_networks.conv_layer(rng, 4, 5), ReLU(), GlobalAvgPool(),
                    small_networks.dense_layer(rng, 5, 3)])


def test_methods_names_every_method():
    assert sorted(METHODS) == sorted(NAMES)


def test_every_method_has_one_name_to_be_read():
    read = attribution.NAMES
    assert sorted(read) == sorted(METHODS) and len(set(read.values())) == len(METHODS), read
    assert not [name for name in read.values() if "_" in name]
    assert read["lrp_epsilon"] == "LRP-epsilon" and read["lrp_0"] == "LRP-0" and read["deep_taylor"] == "deep Taylor"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_gives_heatmaps_of_the_images_shape_and_type(name, dtype, channels):
    net, rng = gap_network(channels).astype(dtype), np.random.default_rng(1)
    x, target = rng.random((100, 8, 8, channels)).astype(dtype), rng.integers(3, size=100)
    before = x.copy()
    R = METHODS[name](net, x, target)
    assert R.shape == x.shape and R.dtype == x.dtype and np.isfinite(R).all() and abs(R).max() > 0
    assert (x == before).all()
    alone = METHODS[name](net, x[:1], target[:1])
    assert alone.shape == (1, 8, 8, channels) and alone.dtype == x.dtype
    close(alone, METHODS[name](net, x[:1], int(target[0])))
    if name != "smoothgrad":                                # whose noise differs from image to image
        close(METHODS[name](net, x[7:8], target[7:8]), R[7:8], 2e-4 if dtype == "float32" else 1e-9)
    close(alone, R[:1], 2e-4 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_size_of_a_batch_changes_nothing(name):
    net, rng = gap_network(3), np.random.default_rng(1)
    x, target = rng.random((7, 8, 8, 3)), rng.integers(3, size=7)
    whole = METHODS[name](net, x, target)
    for batch_size, given_as in ((1, np.array), (3, list), (1000, tuple)):
        close(METHODS[name](net, x, given_as(target), batch_size=batch_size), whole)
    close(METHODS[name](net, x, None, batch_size=3), METHODS[name](net, x, net.forward(x).argmax(axis=1)))


class Watch(Layer):
    """A layer that does nothing but note how many images pass."""
    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return x

    def gradient(self, x, y, dy):
        return dy


@pytest.mark.parametrize("images, batch_size", [(1, 20), (7, 20), (20, 20), (45, 20), (3, 2)])
@pytest.mark.parametrize("method", [partial(attribution.integrated_gradients, steps=30),
                                    partial(attribution.smoothgrad, samples=30),
                                    partial(attribution.occlusion, size=2)], ids=["integrated", "smooth", "occlusion"])
def test_memory_holds_one_batch_and_batches_are_full(method, images, batch_size):
    watch = Watch()
    net = Network([watch, *gap_network().layers])
    x = np.random.default_rng(0).random((images, 8, 8, 1))
    method(net, x, 0, batch_size=batch_size)
    assert max(watch.seen) <= batch_size
    copies = 16 if method.func is attribution.occlusion else 30
    fewest = -(-copies // max(1, batch_size // min(images, batch_size))) * -(-images // batch_size)
    assert len(watch.seen) <= fewest + -(-images // batch_size), watch.seen     # one more each for the clean images


@pytest.mark.parametrize("name", ["gradient", "lrp_epsilon", "deep_taylor", "deeplift", "integrated_gradients", "cam"])
def test_targets_and_batches_that_do_not_fit_are_refused_in_a_sentence(name):
    net, x = gap_network(), np.zeros((4, 8, 8, 1))
    with pytest.raises(ValueError, match="got 2 targets, starts or references for 4 images"):
        METHODS[name](net, x, [0, 1], batch_size=2)
    with pytest.raises(ValueError, match="target 3, expected a class from 0 to 2"):
        METHODS[name](net, x, 3)
    with pytest.raises(ValueError, match="empty batch"):
        METHODS[name](net, x[:0])
    for batch_size in (0, 2.5):
        with pytest.raises(ValueError, match=f"batch_size={batch_size}"):
            METHODS[name](net, x, batch_size=batch_size)


def test_heatmaps_have_the_precision_of_the_images_not_of_the_network():
    x = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
    for name in NAMES:
        for batch_size in (2, 3):                           # in several parts, and in one
            assert METHODS[name](gap_network(), x, batch_size=batch_size).dtype == "float32", name


# --- gradients ---------------------------------------------------------------------------------------------------

@given(small_networks.conv_networks())
def test_what_is_made_of_the_gradient(drawn):
    net, rng, shape = drawn
    x, target = rng.normal(size=(3, *shape)), rng.integers(3, size=3)
    dx = passes.gradient(net, x, target)[0]
    close(attribution.gradient(net, x, target), dx)
    close(attribution.sensitivity(net, x, target), dx ** 2)
    close(attribution.gradient_times_input(net, x, target), x * dx)
    saliency = attribution.saliency(net, x, target)
    for n, i, j, c in np.ndindex(x.shape):
        close(saliency[n, i, j, c], max(abs(dx[n, i, j, k]) for k in range(shape[2])))


def test_saliency_without_channels_is_the_absolute_gradient():
    net = Network([Dense(np.array([[1., 2], [-3, 4]]))])
    assert attribution.saliency(net, np.ones((1, 2)), 0).tolist() == [[1, 3]]


@given(small_networks.conv_networks(bias=False))
def test_without_biases_gradient_times_input_is_lrp_0(drawn):
    net, rng, shape = drawn
    x = rng.normal(size=(2, *shape))
    R = attribution.gradient_times_input(net, x, 1)
    close(R.reshape(2, -1).sum(axis=1), net.forward(x)[:, 1], 1e-9)
    close(METHODS["lrp_0"](net, x, 1), R, 1e-7)


@given(small_networks.conv_networks())
def test_deconvnet_and_guided_backprop_are_their_passes(drawn):
    net, rng, shape = drawn
    x, target = rng.normal(size=(3, *shape)), rng.integers(3, size=3)
    close(attribution.deconvnet(net, x, target, batch_size=2), passes.deconvnet(net, x, target)[0])
    close(attribution.guided_backprop(net, x, target, batch_size=2), passes.guided_backprop(net, x, target)[0])


# --- the maximum of two inputs, Montavon et al. 2018, section 7.1 --------------------------------------------------

MAXIMUM = Network([Dense(np.array([[1., -1, 1], [-1, 1, 1]])), ReLU(), Dense(np.full((3, 1), .5)), ReLU()])


@given(st.floats(0, 10), st.floats(0, 10))
def test_the_maximum_of_two_inputs(x1, x2):
    if min(x1, x2) < 1e-3 or abs(x1 - x2) < 1e-3:
        x1, x2 = x1 + 1, x2 + 3                             # away from the kinks, at which derivatives are a choice
    x, first = np.array([[x1, x2]]), x1 > x2
    assert MAXIMUM.forward(x)[0, 0] == pytest.approx(max(x1, x2), abs=1e-12)
    close(attribution.sensitivity(MAXIMUM, x), [[1, 0]] if first else [[0, 1]])
    close(attribution.gradient_times_input(MAXIMUM, x), [[x1, 0]] if first else [[0, x2]])
    z_plus = [rule and partial(rule) for rule in composites.rules_for(MAXIMUM, composites.deep_taylor)]
    R = attribution.lrp(MAXIMUM, x, rules=[composites.dt.z_plus, None, z_plus[2], None])
    close(R, [[x1 - x2 / 2, x2 / 2]] if first else [[x1 / 2, x2 - x1 / 2]])


def test_on_the_diagonal_the_derivative_of_zero_at_zero_shares_equally():
    x = np.array([[3., 3]])
    close(attribution.gradient(MAXIMUM, x), [[.5, .5]])
    close(attribution.lrp(MAXIMUM, x, rules=composites.dt.z_plus), [[1.5, 1.5]])


# --- integrated gradients -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", QUADRATURES)
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_the_weights_sum_to_one_and_the_points_lie_on_the_path(method, steps):
    t, weights = path(steps, method)
    assert sum(weights) == pytest.approx(1, abs=1e-14) and len(t) == len(weights)
    assert t.min() >= 0 and t.max() <= 1
    middle = {"left": .5 - .5 / steps, "right": .5 + .5 / steps}.get(method, .5)
    assert sum(weights * t) == pytest.approx(middle, abs=1e-14)             # the integral of t


@pytest.mark.parametrize("method", QUADRATURES)
@given(small_networks.conv_networks(activations=small_networks.SMOOTH), st.integers(1, 6))
def test_integrated_gradients_is_the_papers_sum(method, drawn, steps):
    net, rng, shape = drawn
    x, baseline = rng.normal(size=(2, 2, *shape))
    expected = np.zeros_like(x)
    for n in range(2):
        weights = [1 / steps] * steps
        if method == "trapezoid":
            weights = [.5 / steps, *weights[1:], .5 / steps]
        for k, weight in enumerate(weights):
            t = (k + {"midpoint": .5, "right": 1}.get(method, 0)) / steps
            point = baseline[n] + t * (x[n] - baseline[n])
            expected[n] += weight * passes.gradient(net, point[None], 1)[0][0]
        expected[n] *= x[n] - baseline[n]
    close(attribution.integrated_gradients(net, x, 1, baseline, steps, method), expected)


@pytest.mark.parametrize("method, order", [("midpoint", 2), ("trapezoid", 2), ("left", 1), ("right", 1)])
def test_completeness_comes_with_the_steps_at_the_rate_of_the_quadrature(method, order):
    rng = np.random.default_rng(0)
    net = Network([small_networks.conv_layer(rng, 2, 3), Tanh(), Flatten(), small_networks.dense_layer(rng, 75, 3)])
    x, baseline = rng.normal(size=(2, 6, 5, 5, 2)) / 4
    error = [abs(attribution.integrated_gradients(net, x, 1, baseline, steps, method, return_error=True)[1]).max()
             for steps in (20, 40, 80, 160)]
    for coarse, fine in zip(error, error[1:]):
        assert coarse / fine == pytest.approx(2 ** order, rel=.15), error
    assert error[-1] < {1: .05, 2: 1e-3}[order], error


@given(small_networks.conv_networks())
def test_completeness_comes_with_the_steps_where_the_path_has_kinks_too(drawn):
    net, rng, shape = drawn
    x = rng.normal(size=(1, *shape))
    y = net.forward(x)[:, 0] - net.forward(0 * x)[:, 0]
    R, error = attribution.integrated_gradients(net, x, 0, steps=2000, return_error=True)
    close(error, R.sum() - y)
    scale = abs(attribution.gradient_times_input(net, x, 0)).sum() + abs(y[0]) + 1
    assert abs(error[0]) < 1e-2 * scale, (error, scale)


@pytest.mark.parametrize("method", QUADRATURES)
def test_a_linear_network_is_integrated_exactly_in_one_step(method):
    rng = np.random.default_rng(0)
    net = Network([Flatten(), small_networks.dense_layer(rng, 12, 3)])
    x, baseline = rng.normal(size=(4, 2, 2, 3)), rng.normal(size=(1, 2, 2, 3))
    for steps in (1, 3):
        R, error = attribution.integrated_gradients(net, x, 2, baseline, steps, method, return_error=True, batch_size=3)
        close(error, np.zeros(4))
        close(R, (x - baseline) * net.layers[1].W[:, 2].reshape(2, 2, 3))


def test_a_baseline_is_an_array_a_number_or_zero():
    net, x = gap_network(), np.random.default_rng(0).random((3, 8, 8, 1))
    R = attribution.integrated_gradients
    close(R(net, x), R(net, x, baseline=0 * x))
    close(R(net, x, baseline=.5), R(net, x, baseline=0 * x[:1] + .5))
    assert abs(R(net, x, baseline=.5) - R(net, x)).max() > 1e-3
    with pytest.raises(ValueError, match="reference of shape"):
        R(net, x, baseline=np.zeros((1, 8, 8, 2)))


def test_the_target_is_decided_once_on_the_clean_image():
    """y = (x, 1): the first output is the largest at x = 3, the second on the way there."""
    net = Network([Dense(np.array([[1., 0]]), np.array([0., 1]))])
    x = np.array([[3.]])
    close(attribution.integrated_gradients(net, x, steps=3), [[3]])
    wide = Network([Dense(np.array([[1., 0], [0, 0]]), np.array([0., 1]))])
    close(attribution.smoothgrad(wide, np.array([[1.1, 0]]), noise=5.), [[1, 0]])
    image = Network([Flatten(), Dense(np.array([[1., 0], [0, .5]]), np.array([0., .9]))])
    covered = attribution.occlusion(image, np.array([[2., 1]]).reshape(1, 1, 2, 1), size=1)
    assert covered.ravel().tolist() == [2, 0]               # and not: 2 - 1.4, where the other class took over


@pytest.mark.parametrize("knobs, sentence", [({"steps": 0}, "steps=0"), ({"steps": 2.5}, "steps=2.5"),
                                             ({"method": "simpson"}, "expected one of midpoint, left, right")])
def test_a_quadrature_that_there_is_not_is_refused(knobs, sentence):
    with pytest.raises(ValueError, match=sentence):
        attribution.integrated_gradients(gap_network(), np.ones((1, 8, 8, 1)), **knobs)


# --- SmoothGrad ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", [attribution.gradient, METHODS["lrp_epsilon_plus"]])
def test_smoothgrad_is_the_mean_over_noisy_copies(method):
    net, x = gap_network(2), np.random.default_rng(0).normal(size=(3, 8, 8, 2))
    target = np.array([0, 2, 1])
    maps = np.zeros((9, *x.shape))
    for n, stream in enumerate(np.random.default_rng(7).spawn(3)):
        for k in range(9):
            noise = .2 * (x[n].max() - x[n].min()) * stream.standard_normal(x[n].shape)
            maps[k, n] = method(net, (x[n] + noise)[None], int(target[n]))[0]
    for kind, expected in (("mean", maps.mean(axis=0)), ("squared", (maps ** 2).mean(axis=0)),
                           ("variance", maps.var(axis=0))):
        R = attribution.smoothgrad(net, x, target, method, np.random.default_rng(7), .2, 9, kind, batch_size=4)
        close(R, expected)


def test_smoothgrad_repeats_itself_with_the_same_generator_only():
    net, x = gap_network(), np.random.default_rng(0).random((4, 8, 8, 1))
    one = attribution.smoothgrad(net, x, rng=np.random.default_rng(1), samples=5)
    assert (one == attribution.smoothgrad(net, x, rng=np.random.default_rng(1), samples=5)).all()
    assert (one == attribution.smoothgrad(net, x, rng=1, samples=5)).all()
    assert abs(one - attribution.smoothgrad(net, x, rng=2, samples=5)).max() > 1e-4
    assert (attribution.smoothgrad(net, x, samples=5) == attribution.smoothgrad(net, x, samples=5)).all()
    same = attribution.smoothgrad(net, np.repeat(x[:1], 2, axis=0), samples=5)
    assert abs(same[0] - same[1]).max() > 1e-4              # each image has noise of its own


def test_without_noise_smoothgrad_is_the_gradient_and_nothing_varies():
    net, x = gap_network().astype("float32"), np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
    dx = attribution.gradient(net, x)
    close(attribution.smoothgrad(net, x, noise=0, samples=3), dx, 1e-6)
    close(attribution.smoothgrad(net, x, noise=0, samples=3, kind="squared"), dx ** 2, 1e-6)
    assert (attribution.smoothgrad(net, x, noise=0, samples=4, kind="variance") == 0).all()


def test_smoothgrad_refuses_what_it_does_not_know():
    for knobs, sentence in (({"kind": "median"}, 'expected "mean", "squared"'), ({"samples": 0}, "samples=0")):
        with pytest.raises(ValueError, match=sentence):
            attribution.smoothgrad(gap_network(), np.ones((1, 8, 8, 1)), **knobs)


# --- occlusion ----------------------------------------------------------------------------------------------------

@given(small_networks.conv_networks(), st.data())
def test_occlusion_is_the_mean_fall_over_the_windows_that_hold_a_pixel(drawn, data):
    net, rng, (H, W, C) = drawn
    size = data.draw(st.tuples(st.integers(1, H), st.integers(1, W)))
    stride = tuple(data.draw(st.integers(1, s)) for s in size)
    x, target = rng.normal(size=(2, H, W, C)), rng.integers(3, size=2)
    falls = [[[[] for _ in range(W)] for _ in range(H)] for _ in x]
    for n, image in enumerate(x):
        tops, lefts = ([k * s for k in range(99) if k == 0 or (k - 1) * s + window < pixels]
                       for s, window, pixels in zip(stride, size, (H, W)))
        for top in tops:
            for left in lefts:
                covered = image.copy()
                covered[top:top + size[0], left:left + size[1]] = .25
                fall = (net.forward(image[None]) - net.forward(covered[None]))[0, target[n]]
                for i in range(top, min(top + size[0], H)):
                    for j in range(left, min(left + size[1], W)):
                        falls[n][i][j].append(fall)
    expected = np.array([[[[np.mean(falls[n][i][j])] * C for j in range(W)] for i in range(H)] for n in range(2)])
    close(attribution.occlusion(net, x, target, size, stride, .25), expected)


def test_occlusion_by_pixels_of_a_linear_net_is_gradient_times_input():
    rng = np.random.default_rng(0)
    net = Network([Flatten(), small_networks.dense_layer(rng, 20, 3)])
    x = rng.normal(size=(2, 4, 5, 1))
    close(attribution.occlusion(net, x, 1, size=1), attribution.gradient_times_input(net, x, 1))
    mean = rng.normal(size=(1, 1, 1))
    close(attribution.occlusion(net, x, 1, size=1, value=mean), (x - mean) * attribution.gradient(net, x, 1))


@pytest.mark.parametrize("size, stride", [(9, 1), (2, 3), (0, 1), (2, 0)])
def test_windows_that_do_not_cover_the_image_are_refused(size, stride):
    with pytest.raises(ValueError, match="expected 1 <= stride <= size <= image|expected a positive whole number"):
        attribution.occlusion(gap_network(), np.ones((1, 8, 8, 1)), 0, size, stride)


# --- LRP and deep Taylor ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, rules", [
    ("lrp_0", partial(lrp.epsilon, epsilon=0)), ("lrp_epsilon", lrp.epsilon), ("lrp_gamma", lrp.gamma_signed),
    ("lrp_alpha1_beta0", partial(lrp.alpha_beta, alpha=1, beta=0)), ("lrp_alpha2_beta1", lrp.alpha_beta),
    ("lrp_epsilon_plus", composites.epsilon_plus), ("lrp_epsilon_plus_flat", composites.epsilon_plus_flat),
    ("lrp_epsilon_alpha2_beta1", composites.epsilon_alpha2_beta1),
    ("lrp_epsilon_gamma_box", partial(composites.epsilon_gamma_box, low=0, high=1)),
    ("deep_taylor", partial(composites.deep_taylor, low=0, high=1))])
def test_methods_of_lrp_are_the_pass_with_their_rules(name, rules):
    net, rng = gap_network(3), np.random.default_rng(1)
    x, target = rng.random((5, 8, 8, 3)), rng.integers(3, size=5)
    if getattr(rules, "func", rules).__module__ == composites.__name__:
        rules = rules(net)
    start = passes.target_only(net.forward(x), target)
    expected = passes.lrp(net, x, rules=rules, start=np.maximum(start, 0) if name == "deep_taylor" else start)[0]
    close(METHODS[name](net, x, target, batch_size=2), expected)
    others = [METHODS[other](net, x, target) for other in LRP if {other, name} != {"lrp_0", "lrp_epsilon"}
              and other != name]
    assert min(abs(METHODS[name](net, x, target) - R).max() for R in others) > 1e-4


def test_deep_taylor_has_bounds_or_none():
    net, x = gap_network(), np.random.default_rng(0).normal(size=(3, 8, 8, 1))
    close(attribution.deep_taylor(net, x, 1, low=None, high=None), passes.deep_taylor(net, x, 1)[0])
    close(attribution.deep_taylor(net, x, 1, low=-5, high=5), passes.deep_taylor(net, x, 1, -5, 5)[0])
    with pytest.raises(ValueError, match=r"outside \[low, high\]"):
        attribution.deep_taylor(net, x, 1)


def test_deep_taylor_warns_of_positive_biases_only_and_by_layer():
    W, x = np.ones((1, 1, 1, 2)), np.ones((1, 3, 3, 1))

    def net(b):
        return Network([Conv2d(W, np.array([-1., 0])), ReLU(), GlobalAvgPool(), Dense(np.ones((2, 2)), b)])

    with pytest.warns(UserWarning, match="positive biases") as warned:
        passes.deep_taylor(net(np.array([-1., .1])), x)
    assert len(warned) == 1 and "positive biases in layer 3 (Dense(2 -> 2))" in str(warned[0].message)
    assert warned[0].filename == __file__                   # it points at who asked
    with pytest.warns(UserWarning, match="positive biases"):
        attribution.deep_taylor(net(np.array([1., 1])), x)


@pytest.mark.filterwarnings("error::UserWarning")
def test_deep_taylor_is_silent_where_no_bias_is_positive():
    b = np.array([-1., 0])
    for bias in (b, None):
        net = Network([Conv2d(np.ones((1, 1, 1, 2)), b), ReLU(), GlobalAvgPool(), Dense(np.ones((2, 2)), bias)])
        passes.deep_taylor(net, np.ones((1, 3, 3, 1)))


# --- what to start from -------------------------------------------------------------------------------------------

@given(small_networks.conv_networks(bias=False))
def test_a_contrast_explains_the_difference_of_two_outputs(drawn):
    net, rng, shape = drawn
    x, target, other = rng.normal(size=(3, *shape)), np.array([0, 1, 2]), np.array([1, 0, 0])
    y = net.forward(x)
    difference = y[range(3), target] - y[range(3), other]
    relevance = attribution.contrast(net, x, target, other, batch_size=2)
    R = METHODS["lrp_0"](net, x, start=relevance, batch_size=2)
    close(R.reshape(3, -1).sum(axis=1), difference, 1e-7)
    derivatives = attribution.contrast(net, x, target, other, relevance=False)
    R = attribution.gradient_times_input(net, x, start=derivatives)
    close(R.reshape(3, -1).sum(axis=1), difference, 1e-9)
    close(R, attribution.gradient_times_input(net, x, target) - attribution.gradient_times_input(net, x, other))
    R, error = attribution.integrated_gradients(net, x, start=derivatives, steps=5, return_error=True, batch_size=2)
    close(error, R.reshape(3, -1).sum(axis=1) - difference)


def test_a_contrast_is_against_the_runner_up_unless_told_otherwise():
    net = Network([Dense(np.eye(4))])
    x = np.array([[1., 4, 3, 2], [-1, -4, -2, -3]])
    assert attribution.contrast(net, x).tolist() == [[0, 4, -3, 0], [-1, 0, 2, 0]]
    assert attribution.contrast(net, x, 3, relevance=False).tolist() == [[0, -1, 0, 1], [-1, 0, 0, 1]]


def test_a_unit_and_a_channel_inside_a_network():
    net, x = gap_network(), np.random.default_rng(0).random((3, 8, 8, 1))
    features = Network(net.layers[:5])
    A = features.forward(x)
    i, j, c = np.unravel_index(A[0].argmax(), A[0].shape)
    at = attribution.unit(features, x, (i, j, c), batch_size=2)
    assert at.shape == A.shape and (at != 0).sum() <= 3 and (at[:, i, j, c] == A[:, i, j, c]).all()
    close(attribution.gradient(features, x, start=attribution.unit(features, x, (i, j, c), relevance=False)),
          passes.gradient(features, x, start=(np.indices(A.shape[1:])[2] == c)[None] * (at[:1] != 0) * 1.)[0])
    everywhere = attribution.channel(features, x, c)
    assert (everywhere[..., c] == A[..., c]).all() and everywhere.sum() == A[..., c].sum()
    assert attribution.channel(features, x, c, relevance=False).sum() == 3 * A[0, :, :, 0].size
    assert attribution.unit(net, x, 2).tolist() == [[0, 0, y] for y in net.forward(x)[:, 2]]


def test_tokens_are_explained_by_the_path_between_their_embeddings():
    rng = np.random.default_rng(0)
    net = Network([Embedding(rng.normal(size=(5, 3))), Flatten(), Dense(rng.normal(size=(12, 6))), ReLU(),
                   Dense(rng.normal(size=(6, 2)))])
    x, baseline = np.array([[0, 3, 3, 1], [2, 4, 0, 0]]), np.array([[1, 1, 1, 1]])
    R = attribution.integrated_gradients(net, x, 0, baseline, steps=400)
    assert R.shape == x.shape and R.dtype == np.float64 and R[0, 3] == 0, "the last token is the baseline's"
    np.testing.assert_allclose(R.sum(axis=1), (net.forward(x) - net.forward(baseline))[:, 0], atol=2e-2)
    np.testing.assert_array_equal(attribution.gradient_times_input(net, x, 0), attribution.gradient(net, x, 0))
    with pytest.raises(ValueError, match="no small noise can be added"):
        attribution.smoothgrad(net, x)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(0, 28, 28, 1), (0, 40, 40, 1)])
def test_a_batch_without_images_is_refused_in_one_sentence(name, shape):
    net = models.load("cnn" if shape[1] == 28 else "cluttered_gap")
    for target in (None, 3, np.zeros(0, int)):
        with pytest.raises(ValueError, match="got an empty batch of shape|expected at least one"):
            METHODS[name](net, np.zeros(shape, "f4"), target)
