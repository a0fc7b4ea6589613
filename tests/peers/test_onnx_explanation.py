"""Does an explanation that was written to an ONNX file say, in onnxruntime, what the pass says?"""
from functools import partial

import numpy as np
import pytest
from registry import EXAMPLES

from minixnn import Network, datasets, models, passes
from minixnn.arrays import array_module, stabilize
from minixnn.interop import to_onnx
from minixnn.layers import (AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Concat, Conv2d, Dense, Flatten, GlobalAvgPool,
                            MaxPool2d, Prepare, Product, ReLU, Residual, Sigmoid, Sum, SumPool2d)
from minixnn.rules import composites, deep_taylor, lrp

pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

RULES = {"LRP-0": partial(lrp.epsilon, epsilon=0), "epsilon": lrp.epsilon, "gamma": lrp.gamma,
         "gamma_signed": lrp.gamma_signed, "alpha_beta": lrp.alpha_beta, "alpha1_beta0": composites.alpha1_beta0,
         "flat": lrp.flat, "w_square": deep_taylor.w_square, "z_plus": deep_taylor.z_plus,
         "epsilon_plus_flat": composites.epsilon_plus_flat, "epsilon_gamma_box": composites.epsilon_gamma_box,
         "epsilon_alpha2_beta1": composites.epsilon_alpha2_beta1, "deep_taylor": composites.deep_taylor}


def run(path, x, target, names=("output", "heatmap")):
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(path, options)
    return session.run(list(names), {"input": x, "target": np.asarray(target, np.int64)})


def assert_agrees(net, x, path, rules=lrp.epsilon, method="lrp", example=None):
    """onnxruntime's float32 within twice NumPy's own error against float64, or 1e-5 of the largest."""
    target = np.arange(len(x)) % net.forward(x).shape[1]
    to_onnx(net, path, method=method, rules=rules, input_shape=x.shape[1:], example=example)
    y, R = run(path, x, target)

    def ours(net, x):
        return passes.lrp(net, x, target, rules)[0] if method == "lrp" else passes.gradient(net, x, target)[0]
    single = ours(net, x)
    double = ours(net.astype(np.float64), x.astype(np.float64) if x.dtype.kind == "f" else x)
    room = max(1e-5 * abs(double).max(), 2 * abs(single - double).max())
    assert R.shape == single.shape and abs(R - double).max() <= room, (abs(R - double).max(), room)
    assert abs(y - net.forward(x)).max() <= 1e-4 * max(1, abs(y).max())


@pytest.mark.parametrize("name", ["dense", "cnn"])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_on_the_shipped_networks(name, rule, tmp_path):
    assert_agrees(models.load(name), datasets.mnist("test")[0][:5], tmp_path / "net.onnx", RULES[rule])


@pytest.mark.parametrize("name", ["dense", "cnn", "cluttered_gap"])
def test_gradients_of_the_shipped_networks(name, tmp_path):
    x = np.random.default_rng(0).random((4, *models.load(name).card.input_shape), dtype=np.float32)
    assert_agrees(models.load(name), x, tmp_path / "net.onnx", method="gradient")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


BASIC = {"overlapping maxima": (MaxPool2d(3, 1, "same"), (2, 6, 7, 6)),
         "strided maxima": (MaxPool2d(3, 2), (2, 7, 9, 6)),
         "average": (AvgPool2d(3, 2, 1), (2, 6, 7, 6)), "average with padding": (
             AvgPool2d(2, 1, "same", count_padding=True), (2, 6, 7, 6)), "sum": (SumPool2d((2, 3), 2), (2, 6, 7, 6)),
         "adaptive": (AdaptiveAvgPool2d((4, 3)), (2, 6, 7, 6)), "global": (GlobalAvgPool(), (2, 6, 7, 6)),
         "strided convolution": (Conv2d(draw(3, 2, 6, 4), draw(4), 2, ((1, 0), (2, 1))), (2, 6, 7, 6)),
         "batch norm": (BatchNorm2d(draw(6), draw(6, seed=1), draw(6, seed=2), abs(draw(6, seed=3))), (2, 6, 7, 6)),
         "preparation": (Prepare(draw(6), 0.5), (2, 6, 7, 6)),
         "residual": (Residual([Conv2d(draw(3, 3, 6, 6)), ReLU()], []), (2, 6, 7, 6)),
         "sum of chains": (Sum([[MaxPool2d(2)], [AvgPool2d(2)]]), (2, 6, 8, 6)),
         "concatenation": (Concat([[Conv2d(draw(3, 3, 6, 2))], []]), (2, 6, 7, 6)),
         "gate": (Product([[], [Conv2d(draw(1, 1, 6, 6)), Sigmoid()]]), (2, 6, 7, 6))}
WHOLE = {**BASIC, **{name: case for name, case in EXAMPLES.items() if "Embedding" not in name and "OneHot" not in name}}


@pytest.mark.parametrize("method", ["gradient", "lrp"])
@pytest.mark.parametrize("name", WHOLE)
def test_every_layer_in_a_small_network(name, method, tmp_path):
    layer, shape = WHOLE[name]
    x = draw(*shape, seed=7)
    y = layer.forward(x)
    features = int(np.prod(y.shape[1:]))
    net = Network([layer, Flatten(), Dense(draw(features, 3, seed=8) / features ** 0.5, draw(3, seed=9))])
    assert_agrees(net, x, tmp_path / "net.onnx", method=method, rules=partial(lrp.epsilon, epsilon=0.1))


def test_a_rule_of_the_readers_own_is_written_down_too(tmp_path):
    def by_size(layer, x, y, R):
        size = layer.with_weights(abs(layer.W), None)
        z = size.forward(abs(x))
        s = R / stabilize(z)
        c = array_module(x).where(x > 0, size.gradient(abs(x), z, s), 0.5 * size.gradient(abs(x), z, s))
        return abs(x) * c
    assert_agrees(models.load("cnn"), datasets.mnist("test")[0][:3], tmp_path / "net.onnx", by_size)


def test_a_rule_may_call_what_the_recorded_functions_offer(tmp_path):
    """Every function at least once. Infinite and missing numbers do not occur, so what guards them does nothing."""
    def rule(layer, x, y, R):
        xp = array_module(x)
        x_pos, x_neg = xp.maximum(x, 0), xp.minimum(x, xp.zeros_like(x))
        size = xp.expm1(xp.log1p(xp.sqrt(x_pos ** 2)))                      # x+ again
        z = xp.where(xp.isfinite(y), y, xp.ones_like(y)) + xp.full(y.shape, 1e-3)
        s = xp.where(xp.isnan(R) | xp.isinf(R), 0, R) / stabilize(z)
        c = layer.gradient(x, y, s)
        both = xp.concatenate([(size + x_neg) * c, xp.broadcast_to(c[:, :1] * 0, c.shape)], axis=-1)
        return both[..., :c.shape[-1]] + xp.floor(xp.abs(c) * 0) * xp.sign(c) * xp.tanh(xp.exp(c * 0))
    net = Network([Dense(draw(6, 5), draw(5, seed=1)), ReLU(), Dense(draw(5, 3, seed=2))])
    assert_agrees(net, draw(4, 6, seed=3), tmp_path / "net.onnx", rule)


@pytest.mark.parametrize("call, sentence", [
    (lambda xp, x: xp.sort(x), "calls sort, for which no graph is written; it may call .*maximum"),
    (lambda xp, x: xp.concatenate([x, x], axis=0)[:len(x)], "joins arrays along the batch")])
def test_a_function_that_cannot_be_recorded_is_named(call, sentence, tmp_path):
    def rule(layer, x, y, R):
        return call(array_module(x), x) * layer.gradient(x, y, R)
    with pytest.raises((TypeError, ValueError), match=sentence):
        to_onnx(Network([Dense(draw(6, 5))]), tmp_path / "net.onnx", method="lrp", rules=rule, input_shape=(6,))


def test_relevance_beside_every_layer_is_there_on_request(tmp_path):
    net, x = models.load("dense"), datasets.mnist("test")[0][:4]
    to_onnx(net, tmp_path / "net.onnx", method="lrp", rules=lrp.epsilon, every_layer=True)
    expected = passes.lrp(net, x, 3)
    found = run(tmp_path / "net.onnx", x, [3] * 4, [f"R{l}" for l in range(len(expected))])
    for R, E in zip(found, expected):
        assert R.shape == E.shape and abs(R - E).max() <= 1e-5 * abs(E).max()


@pytest.mark.parametrize("rule, words", [
    (lambda layer, x, y, R: R @ layer.W.T if R.sum() > 0 else x, "layer 7.*asked whether a condition .* cannot branch"),
    (lambda layer, x, y, R: np.asarray(x), "asked for the numbers of an array"),
    (lambda layer, x, y, R: layer.gradient(x, y, R.reshape(-1)), "merges images of the batch"),
    (lambda layer, x, y, R: 0, "a int came back, expected a recorded array")])
def test_what_cannot_be_written_down_is_refused_by_name(rule, words, tmp_path):
    with pytest.raises(TypeError, match=words):
        to_onnx(models.load("dense"), tmp_path / "net.onnx", method="lrp", rules=rule)
    with pytest.raises(ValueError, match="got method='saliency'"):
        to_onnx(models.load("dense"), tmp_path / "net.onnx", method="saliency")
    assert not list(tmp_path.iterdir()), "a failed export leaves no file"


def test_a_domain_is_a_condition_on_the_example(tmp_path):
    net, x = models.load("cnn"), datasets.mnist("test")[0][:3]
    with pytest.raises(ValueError, match="gamma got negative inputs"):
        to_onnx(net, tmp_path / "net.onnx", method="lrp", rules=lrp.gamma, example=x - 1)


def test_the_classifier_of_photographs_explains_in_onnxruntime(tmp_path):
    net = models.load("efficientnet_lite0")
    x = np.random.default_rng(0).random((2, 96, 96, 3), dtype=np.float32)
    assert_agrees(net.with_card(input_shape=(None, None, 3)), x, tmp_path / "net.onnx", composites.epsilon_plus_flat)
