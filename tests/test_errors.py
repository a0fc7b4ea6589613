"""Is wrong input refused where it comes in, in a sentence that tells what came, what was expected, what to do?"""
from functools import partial

import numpy as np
import pytest

from minixnn import Network, attribution, metrics, passes
from minixnn.layers import (Conv2d, Dense, Flatten, Layer, MaxPool2d, ReLU)
from minixnn.rules import lrp
from minixnn.rules import deep_taylor as dt

RNG = np.random.default_rng(0)
NET = Network([Conv2d.random(3, 1, 2, RNG), ReLU(), MaxPool2d(2), Flatten(), Dense.random(32, 3, RNG)])
IMAGES = RNG.random((4, 8, 8, 1)).astype("float32")


def one_bad(value):
    x = IMAGES.copy()
    x[2, 3, 3, 0] = value
    return x


BAD_IMAGES = {
    "a single image": (IMAGES[0], ValueError, r"Conv2d\(3x3, 1 -> 2\) got .* shape \(8, 8, 1\), expected 4 axes"),
    "no channel axis": (IMAGES[..., 0], ValueError, "expected 4 axes .*height, width, channels"),
    "one number per image": (IMAGES[:, 0, 0, 0], ValueError, r"expected a batch .*write x\[None\]"),
    "flat images": (IMAGES.reshape(4, -1), ValueError, "expected 4 axes"),
    "three channels": (IMAGES.repeat(3, axis=3), ValueError, "got images of 3 channels, expected 1; .*channel-last"),
    "channel first": (IMAGES.transpose(0, 3, 1, 2), ValueError, "got images of 8 channels, expected 1; .*channel-last"),
    "larger images": (np.ones((1, 12, 12, 1)), ValueError,
                      r"Dense\(32 -> 3\) got an array of shape \(\d, 72\), expected 32"),
    "one pixel": (np.ones((1, 1, 1, 1)), ValueError, "1 x 1 pixels, smaller than its window of 2 x 2; .*'same'"),
    "bytes": ((255 * IMAGES).astype("uint8"), ValueError, "type uint8, expected floating point; .*astype.*/ 255"),
    "whole numbers": (np.ones((1, 8, 8, 1), int), ValueError, "type int64, expected floating point"),
    "booleans": (IMAGES > 0.5, ValueError, "type bool, expected floating point"),
    "complex numbers": (IMAGES * 1j, ValueError, "type complex64, expected floating point"),
    "objects": (IMAGES.astype(object), ValueError, "type object, expected floating point"),
    "NaN": (one_bad(np.nan), ValueError, "NaN or infinite.*division by zero"),
    "infinity": (one_bad(np.inf), ValueError, "NaN or infinite"),
    "minus infinity": (one_bad(-np.inf), ValueError, "NaN or infinite"),
    "no images": (IMAGES[:0], ValueError, r"empty batch of shape \(0, 8, 8, 1\), expected at least one image"),
    "a list": (IMAGES.tolist(), TypeError, "got list, expected a NumPy or CuPy array; convert it"),
    "None": (None, TypeError, "got NoneType, expected a NumPy or CuPy array"),
}
USES = {
    "forward": lambda x: NET.forward(x), "trace": lambda x: NET.trace(x), "predict": lambda x: NET.predict(x),
    "gradient": lambda x: passes.gradient(NET, x), "deconvnet": lambda x: passes.deconvnet(NET, x),
    "guided_backprop": lambda x: passes.guided_backprop(NET, x), "lrp": lambda x: passes.lrp(NET, x),
    "deep_taylor": lambda x: passes.deep_taylor(NET, x), "deeplift": lambda x: passes.deeplift(NET, x, IMAGES[:1] * 0),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("bad", BAD_IMAGES)
def test_images_that_do_not_fit_are_refused_everywhere(bad, use):
    x, error, sentence = BAD_IMAGES[bad]
    if use == "deeplift" and bad not in ("a list", "None") and x.shape[1:] != IMAGES.shape[1:]:
        sentence = f"{sentence}|got a reference of shape"               # x and its reference cannot both fit
    if use == "predict" and bad == "None":
        sentence = f"{sentence}|NoneType"
    with pytest.raises(error, match=sentence):
        USES[use](x)


def test_large_finite_numbers_are_no_infinity():
    """Their sum overflows float32; the numbers themselves are all right."""
    x = np.full((1, 2), 3e38, "float32")
    assert Network([ReLU()]).forward(x).tolist() == x.tolist()


BAD_TARGETS = {
    "too large": (3, "got target 3, expected a class from 0 to 2"),
    "negative": (-1, "got target -1, expected a class from 0 to 2"),
    "one of many too large": ([0, 1, 7, 2], "got target 7, expected a class from 0 to 2"),
    "one of many negative": ([0, 1, -2, 2], "got target -2"),
    "too few": ([0, 1, 2], r"targets of shape \(3,\).*one for each of the 4 images"),
    "too many": ([0] * 5, r"targets of shape \(5,\)"),
    "one hot": (np.eye(3)[[0, 1, 2, 0]], r"targets of shape \(4, 3\)"),
    "a column": (np.zeros((4, 1), int), r"targets of shape \(4, 1\)"),
    "a fraction": (1.0, "type float64, expected None, one whole number"),
    "a numpy fraction": (np.float32(1.5), "type float32"),
    "fractions": ([0.0, 1, 2, 0], "type float64"),
    "a name": ("cat", "one whole number"),
    "a truth": (True, "type bool"),
    "none of them": ([], r"shape \(0,\)"),
}


@pytest.mark.parametrize("bad", BAD_TARGETS)
@pytest.mark.parametrize("use", ["gradient", "deconvnet", "guided_backprop", "lrp", "deep_taylor", "deeplift"])
def test_a_target_that_is_no_class_is_refused(use, bad):
    target, sentence = BAD_TARGETS[bad]
    reference = (0 * IMAGES,) if use == "deeplift" else ()
    with pytest.raises(ValueError, match=sentence):
        getattr(passes, use)(NET, IMAGES, *reference, target=target)


@pytest.mark.parametrize("use", ["gradient", "deconvnet", "guided_backprop", "lrp", "deep_taylor", "deeplift"])
@pytest.mark.parametrize("start, error, sentence", [
    (np.ones((4, 2)), ValueError, r"start of shape \(4, 2\), expected the output's shape \(4, 3\)"),
    (np.ones(3), ValueError, "start of shape"), (np.ones((3, 3)), ValueError, "start of shape"),
    ([[1, 0, 0]], TypeError, "got list, expected a NumPy or CuPy array")])
def test_a_start_of_another_shape_is_refused(use, start, error, sentence):
    reference = (0 * IMAGES,) if use == "deeplift" else ()
    with pytest.raises(error, match=sentence):
        getattr(passes, use)(NET, IMAGES, *reference, start=start)


@pytest.mark.parametrize("rules, sentence", [
    ([lrp.epsilon] * 4, "a list of 4 rules for 5 layers; give one entry per layer"), ([], "a list of 0 rules for 5"),
    ((lrp.epsilon,) * 6, "a list of 6 rules"),
    ("epsilon", "got rules='epsilon', a name, expected the function itself: minixnn.rules.lrp.epsilon"),
    (None, "got rules=None, expected a rule"), ({0: lrp.epsilon}, "expected a rule"),
    ([None] * 5, "layer 0 is Conv2d.*needs a rule to pass relevance on, got None"),
    ([lrp.epsilon, None, None, None, "flat"], "got 'flat' as the rule of layer 4, expected a function"),
    ([None, lrp.epsilon, None, None, lrp.epsilon], "Conv2d.*needs a rule"),
    (partial(lrp.alpha_beta, alpha=2, beta=0), "alpha=2, beta=0, expected alpha - beta = 1"),
    (partial(dt.z_box, low=0.5, high=1), "pixels outside"),
    (partial(lrp.epsilon, epsilon=-0.1), "got epsilon=-0.1, expected a small positive number, or 0"),
    (partial(lrp.epsilon, epsilon=np.nan), "got epsilon=nan"),
    (partial(lrp.gamma, gamma=-0.5), "got gamma=-0.5, expected 0 or more"),
    (partial(lrp.gamma_signed, gamma=-0.5), "got gamma=-0.5"), (partial(lrp.gamma, gamma=np.nan), "got gamma=nan"),
])
def test_rules_that_do_not_fit_the_network_are_refused(rules, sentence):
    with pytest.raises(ValueError, match=sentence):
        passes.lrp(NET, IMAGES, rules=rules)


def test_a_rule_that_changes_weights_is_refused_by_a_layer_that_has_none():
    with pytest.raises(ValueError, match="z_plus as the rule of layer 2, MaxPool2d.* which is not affine"):
        passes.lrp(NET, IMAGES, rules=[lrp.epsilon, None, dt.z_plus, None, lrp.epsilon])


def test_a_rule_where_none_can_stand_is_refused_by_layer_and_name():
    with pytest.raises(ValueError, match=r"epsilon as the rule of layer 1, ReLU\(\), which takes no other .* pass_on"):
        passes.lrp(NET, IMAGES, rules=[lrp.epsilon, lrp.epsilon, None, None, lrp.epsilon])


def test_what_a_rule_returns_is_looked_at_where_it_was_returned():
    def forgetful(layer, x, y, R):
        layer.gradient(x, y, R)

    def flattening(layer, x, y, R):
        return lrp.epsilon(layer, x, y, R).reshape(len(x), -1)

    def overflowing(layer, x, y, R):
        return lrp.epsilon(layer, x, y, R) / 0 * x
    for rule, sentence in ((forgetful, "forgetful returned None at layer 0"),
                           (flattening, r"flattening returned an array of shape .* at layer 0"),
                           (overflowing, "overflowing returned NaN or infinite relevance at layer 0")):
        with pytest.raises(ValueError, match=sentence), np.errstate(all="ignore"):
            passes.lrp(NET, IMAGES, rules=[rule, None, None, None, lrp.epsilon])


def test_the_former_signatures_are_refused_with_the_new_ones():
    with pytest.raises(ValueError, match=r"asks for \(layer, x, R\), expected a function of \(layer, x, y, R\)"):
        passes.lrp(NET, IMAGES, rules=lambda layer, x, R: R)

    class Old(Layer):
        def gradient(self, x, dy):
            return dy
    with pytest.raises(ValueError, match=r"Old.gradient takes \(x, dy\), expected \(x, y, dy\)"):
        Network([Old()])


@pytest.mark.parametrize("use", [partial(passes.lrp, rules=dt.z_plus), partial(passes.lrp, rules=lrp.gamma)])
def test_a_negative_image_is_refused_by_the_rules_for_positive_ones(use):
    with pytest.raises(ValueError, match="negative inputs, expected x >= 0"):
        use(NET, IMAGES - 0.5)


@pytest.mark.parametrize("low, high", [(0, 0.5), (0.5, 1), (1, 0), (np.full((8, 8, 1), 0.6), 1)])
def test_an_image_outside_its_box_is_refused(low, high):
    with pytest.raises(ValueError, match="outside.*such as low=0, high=1"):
        passes.deep_taylor(NET, IMAGES, low=low, high=high)


W4, ONE = np.ones((3, 3, 1, 2)), np.ones(1)


ODD = {
    "a list as reference": (lambda: passes.deeplift(NET, IMAGES, IMAGES.tolist()), TypeError, "got list, expected"),
    "no reference": (lambda: passes.deeplift(NET, IMAGES, None), TypeError, "got NoneType, expected a NumPy"),
    "NaN as start": (lambda: passes.lrp(NET, IMAGES, start=np.full((4, 3), np.nan)), ValueError, "infinite.* start"),
    "a list as weights": (lambda: Dense([[1.0, 2.0]]), TypeError, "got list, expected a NumPy"),
    "a number as bias": (lambda: Conv2d(np.ones((3, 3, 1, 2)), 1.0), TypeError, "got float, expected a NumPy"),
    "a layer without brackets": (lambda: Network([Flatten(), ReLU]), ValueError, "as layer 1, expected a layer"),
    "a number as layer": (lambda: Network([3]), ValueError, "got 3 as layer 0, expected a layer"),
    "negative noise": (lambda: attribution.smoothgrad(NET, IMAGES, noise=-1), ValueError, "noise=-1, expected a share"),
    "half a pixel of window": (lambda: attribution.occlusion(NET, IMAGES, size=2.5), ValueError, "size=2.5, expected"),
    "no shifts": (lambda: metrics.continuity("lrp_0", NET, IMAGES, shifts=[], quiet=True), ValueError, "got no shifts"),
    "no steps": (lambda: metrics.selectivity("gradient", NET, IMAGES, steps=0, quiet=True), ValueError, "got steps=0"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_only_looks_like_an_argument_is_refused_in_a_sentence(what):
    call, error, sentence = ODD[what]
    with pytest.raises(error, match=sentence):
        call()


def test_counts_may_be_whole_numbers_of_numpy():
    two = np.int64(2)
    for method in (partial(attribution.integrated_gradients, steps=two), partial(attribution.smoothgrad, samples=two),
                   partial(attribution.occlusion, size=two, stride=two), partial(attribution.lrp, batch_size=two)):
        assert method(NET, IMAGES).shape == IMAGES.shape


# --- what could only fill the memory, or end in NaN without a word ---------------------------------------------------


def test_numbers_that_outgrow_single_precision_are_said():
    net = Network([Dense(np.full((2, 2), 1e30, "f4")), ReLU(), Dense(np.full((2, 2), 1e30, "f4"))])
    x = np.ones((1, 2), "f4")
    for call in (net.forward, net.trace, net.predict, lambda x: passes.gradient(net, x)):
        with np.errstate(over="ignore"), pytest.raises(ValueError, match="grew beyond what float32 holds; .*astype"):
            call(x)
    assert np.isfinite(net.astype("f8").forward(x.astype("f8"))).all()


@pytest.mark.parametrize("reference, words", [
    (np.zeros((1, 3), np.uint8), "reference of numbers of type uint8, expected floating point"),
    (np.full((1, 3), np.nan), "NaN or infinite numbers in the reference"),
    (np.zeros((1, 2)), "got a reference of shape"),
])
def test_a_reference_is_looked_at_as_an_input_is(reference, words):
    net, x = Network([Dense(np.ones((3, 2)))]), np.ones((2, 3))
    for call in (passes.deeplift, passes.deeplift_reveal_cancel):
        with pytest.raises(ValueError, match=words):
            call(net, x, reference)
    with pytest.raises(ValueError, match=words):
        attribution.integrated_gradients(net, x, baseline=reference)
    with pytest.raises(TypeError, match="got int, expected a NumPy or CuPy array"):
        attribution.deeplift(net, x, x_ref=[0, 0])
