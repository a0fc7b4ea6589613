"""Does an explanation that was written to an ONNX file say, in onnxruntime, what the pass says?"""
import tempfile
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry import EXAMPLES, JOINS, MORE, POSITIVE, WRITTEN
from tests.small_networks import graphs

from minixnn import Network, datasets, models, passes
from minixnn.arrays import array_module, stabilize
from minixnn.interop import to_onnx
from minixnn.layers import (AdaptiveAvgPool2d, Add, Attention, AvgPool2d, BatchNorm2d, Branches, Concat, Conv2d,
                            ConvTranspose2d, Dense, Flatten, GlobalAvgPool, Graph, Input, Layer, MaxPool2d, Multiply,
                            Prepare, PReLU, ReLU, Reshape, Residual, Scale, Sigmoid, SumPool2d, Upsample)
from minixnn.rules import composites, deep_taylor, lrp

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
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
         "sum of chains": (Branches([[MaxPool2d(2)], [AvgPool2d(2)]], Add()), (2, 6, 8, 6)),
         "concatenation": (Branches([[Conv2d(draw(3, 3, 6, 2))], []]), (2, 6, 7, 6)),
         "gate": (Branches([[], [Conv2d(draw(1, 1, 6, 6)), Sigmoid()]], Multiply()), (2, 6, 7, 6))}
WHOLE = {**EXAMPLES, **WRITTEN, **BASIC}


@pytest.mark.parametrize("method", ["gradient", "lrp"])
@pytest.mark.parametrize("name", WHOLE)
def test_every_layer_in_a_small_network(name, method, tmp_path):
    layer, shape = WHOLE[name]
    x = draw(*shape, seed=7)
    y = Network([layer]).forward(x)
    features = int(np.prod(y.shape[1:]))
    net = Network([layer, Flatten(), Dense(draw(features, 3, seed=8) / features ** 0.5, draw(3, seed=9))])
    assert_agrees(net, x, tmp_path / "net.onnx", method=method, rules=partial(lrp.epsilon, epsilon=0.1))


ELSEWHERE = {**{name: ([layer], [draw(*shape, seed=7)]) for name, (layer, shape) in MORE.items()},
             **{name: ([layer], [np.random.default_rng(1).uniform(*bounds, shape).astype("f")])
                for name, (layer, shape, bounds) in POSITIVE.items()},
             **{name: (layer, [np.random.default_rng(k).uniform(0.5, 2, shape).astype("f")
                               for k, shape in enumerate(shapes)])
                for name, (layer, shapes) in JOINS.items() if name != "Input"}}


@pytest.mark.parametrize("method", [None, "gradient", "lrp"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_layers_that_importers_make_and_joins_of_two_inputs(name, method, tmp_path):
    layers, x = ELSEWHERE[name]
    if isinstance(layers, list):
        net, inputs, x = Network(layers), {"input": x[0]}, x[0]
    else:
        graph = Graph()
        graph.add(tuple(graph.add(0, Input(k)) for k in range(len(x))), layers)
        net, inputs, x = Network(graph.layers, graph.inputs), {f"input{k}": part for k, part in enumerate(x)}, tuple(x)
    y, rule = net.forward(x), partial(lrp.epsilon, epsilon=0.1)
    if method is not None:
        features = int(np.prod(y.shape[1:]))
        net = net.then(Network([Reshape((features,)), Dense(draw(features, 3, seed=8) / features ** 0.5)]))
    to_onnx(net, tmp_path / "net.onnx", method=method, example=x, rules=rule)
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    if method is None:
        found, expected = session.run(["output"], inputs), y
    else:
        names = [name.replace("input", "heatmap") for name in inputs]
        found = session.run(names, {**inputs, "target": np.ones(2, int)})
        expected = (passes.gradient(net, x, 1) if method == "gradient" else passes.lrp(net, x, 1, rule))[0]
    for a, b in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True):
        assert a.shape == b.shape and abs(a - b).max() <= 2e-5 * max(1, abs(b).max())


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


def write_into(x, value):
    x[:, :1] = value
    return x


def held_in_part(x):
    part = x[:, :1]
    x[x > 0] = 1
    return part * x


def test_numpys_own_functions_of_recorded_arrays_are_written_down(tmp_path):
    def rule(layer, x, y, R):
        s = np.where(y > 0, R, 0.5 * R) / np.sqrt(1 + np.square(y))
        c = np.ones((1, 1), x.dtype) * layer.gradient(x, y, s)
        c += np.maximum(x, 0) * np.float32(0.1)
        return np.sum(c[:, :, None] * np.eye(c.shape[1], dtype=x.dtype), axis=1) + np.zeros_like(x)
    net = Network([Dense(draw(6, 5), draw(5, seed=1)), ReLU(), Dense(draw(5, 3, seed=2))])
    assert_agrees(net, draw(4, 6, seed=3), tmp_path / "net.onnx", rule)


class SumOfNeighbours(Layer):
    """A layer of the reader's own that adds into parts of an array, twice into some places."""
    rule = staticmethod(lambda layer, x, y, R: layer.gradient(x, y, R))

    def forward(self, x):
        return x[:, 1:] + x[:, :-1]

    def gradient(self, x, y, dy):
        dx = array_module(x).zeros(x.shape, dtype=dy.dtype)
        dx[:, 1:] += dy
        part = dx[:, :-1]
        part += dy
        return dx


@pytest.mark.parametrize("method", ["gradient", "lrp"])
def test_what_is_added_into_a_part_arrives_in_the_whole(method, tmp_path):
    net = Network([SumOfNeighbours(), Dense(draw(5, 3))])
    assert_agrees(net, draw(4, 6, seed=3), tmp_path / "net.onnx", method=method)


@pytest.mark.parametrize("method", ["deconvnet", "guided_backprop"])
def test_rectified_signals_are_written_down_too(method, tmp_path):
    net, x = models.load("cnn"), datasets.mnist("test")[0][:4]
    to_onnx(net, tmp_path / "net.onnx", method=method)
    expected = getattr(passes, method)(net, x, [1, 2, 3, 4])[0]
    assert abs(run(tmp_path / "net.onnx", x, [1, 2, 3, 4])[1] - expected).max() <= 1e-5 * abs(expected).max()


def across():
    """A network with skips across, a shared convolution, and joins whose outputs are read twice."""
    conv, graph = Conv2d(draw(3, 3, 4, 4) / 6, draw(4, seed=1)), Graph()
    a = graph.add(0, conv, ReLU())
    b = graph.add(a, MaxPool2d(2), conv, ReLU(), Upsample(2))
    c = graph.add((a, b), Add())
    d = graph.add((c, a, c), Concat())
    graph.add((graph.add(d, Conv2d(draw(1, 1, 12, 4, seed=2))), graph.add(c, conv, Sigmoid())), Multiply())
    graph.add(len(graph.layers), GlobalAvgPool(), Scale(0.5), Dense(draw(4, 3, seed=3)))
    return Network(graph.layers, graph.inputs)


@pytest.mark.parametrize("method", ["gradient", "lrp"])
def test_a_graph_with_skips_across_and_shared_weights(method, tmp_path):
    assert_agrees(across(), draw(2, 8, 6, 4, seed=5), tmp_path / "net.onnx", method=method,
                  rules=partial(lrp.epsilon, epsilon=0.1))
    found = onnx.load(tmp_path / "net.onnx").graph
    assert sum(node.op_type == "MaxPool" for node in found.node) == 1, "each layer runs once, with what rules ask of it"


@settings(max_examples=20)
@given(graphs(), st.sampled_from(["gradient", "lrp"]), st.integers(0, 2 ** 16))
def test_random_graphs(drawn, method, seed):
    net, shape = drawn
    with tempfile.TemporaryDirectory() as folder:
        assert_agrees(net.astype("float32"), draw(3, *shape, seed=seed), f"{folder}/net.onnx", method=method,
                      rules=partial(lrp.epsilon, epsilon=0.1))


@pytest.mark.parametrize("rules", [lrp.epsilon, composites.attn_lrp, composites.cp_lrp])
def test_a_transformer_with_the_papers_rules(rules, tmp_path):
    assert_agrees(models.load("vit"), datasets.mnist("test")[0][:3], tmp_path / "net.onnx", rules)


def test_attention_across_with_a_mask_for_each_sequence(tmp_path):
    """Three inputs: tokens, tokens looked at, and numbers added to the scores; a heatmap for each."""
    graph = Graph()
    x, context, mask = (graph.add(0, Input(k)) for k in range(3))
    attention = Attention(draw(6, 8), draw(6, 8, seed=1), draw(6, 4, seed=2), draw(4, 6, seed=3), heads=2)
    graph.add((x, context, mask), attention)
    graph.add(len(graph.layers), GlobalAvgPool(), Dense(draw(6, 3, seed=4)))
    net, path = Network(graph.layers, graph.inputs), tmp_path / "net.onnx"
    x = draw(4, 5, 6), draw(4, 7, 6, seed=1), draw(4, 1, 5, 7, seed=2)
    with pytest.raises(ValueError, match=r"expected the shape of one input; give .* 3 of them"):
        to_onnx(net, path, method="lrp", input_shape=(5, 6))
    to_onnx(net, path, method="lrp", input_shape=((5, 6), (7, 6), (1, 5, 7)))
    given = {f"input{k}": part for k, part in enumerate(x)}
    found = runtime.InferenceSession(path).run([f"heatmap{k}" for k in range(3)],
                                               {**given, "target": np.full(4, 1)})
    for R, expected in zip(found, passes.lrp(net, x, 1)[0]):
        assert R.shape == expected.shape and abs(R - expected).max() <= 1e-5 * abs(expected).max()
    to_onnx(net, path, example=tuple(part[:3] for part in x))
    assert np.allclose(runtime.InferenceSession(path).run(None, given)[0], net.forward(x), atol=1e-5)


@pytest.mark.parametrize("padding", [0, 1, ((0, 2), (1, 0))])
@pytest.mark.parametrize("output_padding", [2, (3, 1), 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_transposed_convolution_with_much_padding_of_its_output(stride, output_padding, padding, tmp_path):
    layer = ConvTranspose2d(draw(3, 3, 6, 4), draw(4, seed=1), stride, padding, output_padding)
    features = layer.forward(draw(1, 4, 5, 6)).size
    net = Network([layer, Flatten(), Dense(draw(features, 3, seed=8) / features ** 0.5)])
    for method in ("gradient", "lrp"):
        assert_agrees(net, draw(2, 4, 5, 6, seed=7), tmp_path / "net.onnx", method=method,
                      rules=partial(lrp.epsilon, epsilon=0.1))


def test_as_many_channels_as_the_example_has_images_are_no_batch(tmp_path):
    net = Network([Conv2d(draw(3, 3, 3, 3)), PReLU(draw(3)), BatchNorm2d(*(abs(draw(3, seed=k)) for k in range(4))),
                   GlobalAvgPool(), Dense(draw(3, 3))])
    for method in ("gradient", "lrp"):
        assert_agrees(net, draw(5, 6, 7, 3), tmp_path / "net.onnx", method=method)


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
    (lambda layer, x, y, R: x + R.reshape(1, -1)[:, :1],
     "layer 7.* what Reshape computes with .* differs between 2 and 3 images"),
    (lambda layer, x, y, R: np.ones(x.shape, "f") * x, "layer 7.* what Mul computes with there differs between 2 "),
    (lambda layer, x, y, R: x / len(x), "layer 7.* what Div computes with .* such as len"),
    (lambda layer, x, y, R: held_in_part(x.copy()), "layer 7.*writes into an array of which it holds a part"),
    (lambda layer, x, y, R: write_into(x[:, :, None].swapaxes(1, 2), R[:, :1, None]),
     "layer 7.*writes into an array that it sees in another shape"),
    (lambda layer, x, y, R: np.add(x, x, where=x > 0), "layer 7.*calls add in a way"),
    (lambda layer, x, y, R: 0, "the rule <lambda> returned 0 at layer 7, expected the relevance")])
def test_what_cannot_be_written_down_is_refused_by_name(rule, words, tmp_path):
    with pytest.raises((TypeError, ValueError), match=words):
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
