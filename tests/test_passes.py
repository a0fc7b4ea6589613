"""Do the backward passes do what their methods promise, from the output to the pixels?"""
import copy
import inspect
import linecache
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minixnn import Network, passes
from minixnn.layers import (AvgPool2d, Conv2d, Dense, Dropout, Flatten, MaxPool2d, ReLU)
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt
from tests import strategies
from tests.helpers import apply, traced

pytestmark = pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")      # they are there on purpose
ZERO = partial(lrp.epsilon, epsilon=0)
ALPHA1_BETA0 = partial(lrp.alpha_beta, alpha=1, beta=0)
# max(x1, x2) for x1, x2 >= 0, of Montavon et al. 2018, section 7.1
MAX = Network([Dense(np.array([[1.0, -1, 1], [-1, 1, 1]])), ReLU(), Dense(np.full((3, 1), 0.5)), ReLU()])


def cnn(rng, bias=True, dtype="float64"):
    """Overlapping max pooling, stride, average pooling; with `bias`, biases of both signs."""
    layers = [Conv2d.random(3, 1, 6, rng, bias), ReLU(), MaxPool2d(3, 2, "same"),
              Conv2d.random((2, 3), 6, 5, rng, bias, stride=2, padding=1), ReLU(), AvgPool2d(2, 1), Flatten(),
              Dropout(0.5), Dense.random(2 * 1 * 5, 6, rng, bias), ReLU(), Dense.random(6, 3, rng, bias)]
    for layer in layers:
        if bias and hasattr(layer, "W") and layer.b is not None:
            layer.b = 0.3 * rng.normal(size=layer.b.shape)
    return Network(layers).astype(dtype)


def images(rng, N=2, dtype="float64"):
    return rng.normal(size=(N, 8, 6, 1)).astype(dtype)


EVERY_PASS = {
    "gradient": passes.gradient, "deconvnet": passes.deconvnet, "guided_backprop": passes.guided_backprop,
    "lrp": passes.lrp, "lrp, a composite": partial(passes.lrp, rules=composites.epsilon_plus_flat),
    "deep_taylor": passes.deep_taylor, "deep_taylor in a box": partial(passes.deep_taylor, low=-9, high=9),
    "deeplift": lambda net, x, *target, **start: passes.deeplift(net, x, 0 * x[:1], *target, **start),
}


@pytest.mark.parametrize("name", EVERY_PASS)
def test_a_target_is_the_largest_output_or_one_for_all_or_one_an_image(name):
    rng = np.random.default_rng(10)
    net, x = cnn(rng), images(rng, 3)
    explain, largest = EVERY_PASS[name], net.forward(x).argmax(axis=1)
    assert len(set(largest.tolist())) > 1, "a seed at which targets differ"
    assert np.array_equal(explain(net, x)[0], explain(net, x, largest)[0])
    assert np.array_equal(explain(net, x)[0], explain(net, x, [int(t) for t in largest])[0])
    for one in (2, np.int64(2), np.array(2)):
        assert np.array_equal(explain(net, x, one)[0], explain(net, x, np.array([2, 2, 2], "uint8"))[0])
    assert not np.array_equal(explain(net, x, 0)[0], explain(net, x, 1)[0])


def test_lrp_starts_from_the_logit_of_the_target_and_gradient_from_one():
    rng = np.random.default_rng(3)
    net, x = cnn(rng), images(rng)
    y = net.forward(x)
    assert passes.lrp(net, x, [2, 0])[-1].tolist() == [[0, 0, y[0, 2]], [y[1, 0], 0, 0]]
    with pytest.warns(UserWarning, match="output that is not positive.*the heatmap of such an image is zero"):
        R = passes.deep_taylor(net, x, [2, 0])
    assert R[-1].tolist() == [[0, 0, max(0, y[0, 2])], [max(0, y[1, 0]), 0, 0]] and y.min() < 0
    for explain in (passes.gradient, passes.deconvnet, passes.guided_backprop):
        assert explain(net, x, [2, 0])[-1].tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("name", EVERY_PASS)
def test_any_start_of_the_outputs_shape_takes_the_place_of_the_target(name):
    rng = np.random.default_rng(4)
    net, x = cnn(rng), images(rng)
    usual = EVERY_PASS[name](net, x, 1)
    start = np.eye(3)[[1, 1]] if name == "deeplift" else usual[-1]
    assert np.array_equal(EVERY_PASS[name](net, x, start=start)[0], usual[0])
    for_all = EVERY_PASS[name](net, x, start=np.array([[1.0, -1, 0]]))[0]
    assert np.array_equal(for_all, EVERY_PASS[name](net, x, start=np.array([[1.0, -1, 0]] * 2))[0])
    double = EVERY_PASS[name](net, x, start=np.array([[2.0, -2, 0]]))[0]
    np.testing.assert_allclose(double, 2 * for_all, rtol=1e-10)


@pytest.mark.parametrize("target", [1, [0, 2], np.array([0, 2])])
def test_targets_and_starts_are_left_alone(target):
    rng = np.random.default_rng(0)
    net, x = cnn(rng, dtype="float32"), images(rng, dtype="float32")
    kept, start = copy.deepcopy(target), np.ones((1, 3))
    start.flags.writeable = False
    passes.lrp(net, x, target)
    assert np.array_equal(target, kept) and passes.lrp(net, x, start=start)[-1].dtype == np.float32


def test_a_pass_may_start_from_an_image():
    rng = np.random.default_rng(5)
    net, x = Network(cnn(rng).layers[:3]), images(rng)
    start = np.zeros(net.forward(x).shape)
    start[:, 1, 1, 0] = 1
    assert passes.gradient(net, x, start=start)[0].shape == x.shape
    with pytest.raises(ValueError, match="no classes.*start="):
        passes.gradient(net, x)


@settings(max_examples=20)
@given(strategies.seeds, st.booleans())
def test_lrp_0_is_gradient_times_input_layer_by_layer(seed, bias):
    """ReLU, affine and max-pooling layers, whatever the biases absorb on the way."""
    rng = np.random.default_rng(seed)
    net, x = cnn(rng, bias), images(rng)
    R, A, g = passes.lrp(net, x, 1, rules=ZERO), net.trace(x), passes.gradient(net, x, 1)
    for l in range(len(A)):
        np.testing.assert_allclose(R[l], A[l] * g[l], rtol=1e-6, atol=1e-9, err_msg=f"layer {l}")


@settings(max_examples=20)
@given(strategies.seeds)
def test_without_biases_the_rules_conserve_relevance(seed):
    rng = np.random.default_rng(seed)
    net, x = cnn(rng, bias=False), abs(images(rng))
    for rules in (ZERO, composites.epsilon_plus_flat, composites.epsilon_plus):
        R = passes.lrp(net, x, 0, rules=rules)
        sums = [r.sum() for r in R]
        assert sums == pytest.approx([sums[-1]] * len(sums), rel=1e-3, abs=1e-5), sums
    R = passes.deep_taylor(net, x, 0, start=np.array([[1.0, 0, 0]]))
    alive = R[-2].sum()                         # a class without any positive weight has nobody to hand it to
    assert [r.sum() for r in R[:-1]] == pytest.approx([alive] * (len(R) - 1), rel=1e-3, abs=1e-5)
    assert all((r >= 0).all() for r in R), "deep Taylor never turns relevance negative"


@settings(max_examples=20)
@given(strategies.seeds, st.sampled_from([0.5, 4.0]))
def test_without_biases_twice_the_image_has_twice_the_relevance(seed, factor):
    rng = np.random.default_rng(seed)
    net, x = cnn(rng, bias=False), abs(images(rng))
    for rules in (ZERO, lrp.alpha_beta, ALPHA1_BETA0, lrp.gamma_signed, lrp.flat):
        here, there = passes.lrp(net, x, 0, rules)[0], passes.lrp(net, factor * x, 0, rules)[0]
        np.testing.assert_allclose(there, factor * here, rtol=1e-7, atol=1e-9 * (1 + abs(here).max()))


def test_deep_taylor_takes_w_square_or_z_box_at_the_pixels():
    x = np.array([[4.0, 1]])
    above = passes.lrp(MAX, x, 0, rules=dt.z_plus)[1]
    assert np.array_equal(passes.deep_taylor(MAX, x, 0)[0], apply(dt.w_square, MAX.layers[0], x, above))
    box = apply(dt.z_box, MAX.layers[0], x, above, 0, 5)
    assert np.array_equal(passes.deep_taylor(MAX, x, 0, low=0, high=5)[0], box)


def test_deconvnet_and_guided_backprop_rectify_at_every_relu():
    W1, W2 = np.array([[1.0, -1], [1, 1]]), np.array([[1.0, -2], [-1, 3]])
    net, x = Network([Dense(W1), ReLU(), Dense(W2), ReLU(), Dense(np.array([[1.0], [1]]))]), np.array([[2.0, 1]])
    hidden = np.maximum(x @ W1, 0)                                      # (3, 0): the second unit is silent
    assert hidden.tolist() == [[3, 0]] and (hidden @ W2).tolist() == [[3, -6]]
    assert passes.gradient(net, x)[0].tolist() == [[1, 1]]              # 1 -> (1, 0) -> (1, -1) -> (1, 0) -> W1
    assert passes.deconvnet(net, x)[0].tolist() == [[-2, 2]]            # 1 -> (1, 1) -> (-1, 2) -> (0, 2)
    assert passes.guided_backprop(net, x)[0].tolist() == [[1, 1]]       # 1 -> (1, 0) -> (1, -1) -> (1, 0)
    assert passes.guided_backprop(net, x, start=-np.ones((1, 1)))[0].tolist() == [[0, 0]]
    assert passes.gradient(net, x, start=-np.ones((1, 1)))[0].tolist() == [[-1, -1]]


def test_deeplift_takes_one_reference_for_all_or_one_an_image():
    rng = np.random.default_rng(7)
    net, x = cnn(rng, dtype="float32"), images(rng, 3, "float32")
    one = images(rng, 1)                                                # float64 on purpose
    R = passes.deeplift(net, x, one)[0]
    assert R.dtype == np.float32
    assert np.array_equal(R, passes.deeplift(net, x, np.repeat(one, 3, axis=0))[0])
    for misfit in (images(rng, 2), one[:, :7], one[0]):
        with pytest.raises(ValueError, match="reference of shape.*one reference to all"):
            passes.deeplift(net, x, misfit)


RULES = [lrp.epsilon, lrp.gamma, lrp.gamma_signed, lrp.alpha_beta, lrp.flat, dt.z_plus, dt.w_square,
         partial(dt.z_box, low=-9, high=9), lrp.proportional]


def frames_below(pass_, call):
    """For every line `z = ...` run in a rule: how many frames it stands below the pass `pass_`."""
    code, found = inspect.unwrap(pass_).__code__, []

    def trace(frame, event, argument):
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and "rules" in frame.f_code.co_filename and line.startswith("z = "):
            depth, above = 0, frame
            while above is not None and above.f_code is not code:
                depth, above = depth + 1, above.f_back
            found.append(depth if above is not None else -1)
        return trace
    traced(call, trace)
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: getattr(rule, "func", rule).__name__)
def test_the_lines_of_a_rule_stand_one_frame_below_the_pass(rule):
    rng = np.random.default_rng(8)
    net, x = cnn(rng), images(rng)
    least_negative = rule not in (lrp.gamma, dt.z_plus)
    pooling = rule is lrp.proportional
    rules = [rule if pooling == isinstance(layer, MaxPool2d) and (pooling or hasattr(layer, "W")) else
             lrp.flat if hasattr(layer, "W") else None for layer in net.layers]
    depths = frames_below(passes.lrp, lambda: passes.lrp(net, x if least_negative else abs(x), rules=rules))
    assert len(depths) >= 4 and set(depths) == {1}, depths
