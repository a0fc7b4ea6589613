"""Layers beyond the first set: rules as scalar loops, DeepLIFT's sums, what they refuse, files, whole networks."""
from functools import partial

import numpy as np
import pytest
from tests.helpers import deeplift, relevance
from tests.registry import EXAMPLES, TOKENS

from minixnn import Network, attribution, layers, ledger, passes
from minixnn.layers import (Branches, ChannelSelect, Conv1d, Conv2d, ConvTranspose2d, Dense, Embedding, Flatten,
                            GlobalAvgPool, GlobalMaxPool, LayerNorm, LocalResponseNorm, LogSoftmax, Multiply, OneHot,
                            RMSNorm, ReLU, Residual, Sigmoid, Softmax, Upsample)
from minixnn.rules import composites, deep_taylor, identity, log_taylor, lrp, scale_held_fixed, softmax_taylor
from minixnn.train import Adam, fit

AFFINE = [name for name, (layer, _) in EXAMPLES.items() if isinstance(layer, layers.Affine)]
RULES = {
    "epsilon": partial(lrp.epsilon, epsilon=0.1), "gamma": partial(lrp.gamma, gamma=0.25),
    "gamma_signed": lrp.gamma_signed, "alpha2_beta1": lrp.alpha_beta, "flat": lrp.flat, "z_plus": deep_taylor.z_plus,
    "w_square": deep_taylor.w_square, "z_box": partial(deep_taylor.z_box, low=-9, high=9),
}


def example(name, seed=0, size=1.0):
    """The layer in float64, an input of its shape, and the Generator."""
    layer, shape = EXAMPLES[name]
    rng = np.random.default_rng(seed)
    return layer.map_arrays(lambda a: a.astype("float64")), size * rng.normal(size=shape), rng


def shares(name, x, w, b):
    """The paper's shares of one output, given its inputs, their weights and its bias."""
    z = x * w
    if name == "epsilon":
        return z / (z.sum() + b + (0.1 if z.sum() + b >= 0 else -0.1))
    if name == "gamma":
        q = x * (w + 0.25 * w.clip(0))
        return q / (q.sum() + b + 0.25 * max(b, 0))
    if name == "gamma_signed":
        rises = z.sum() + b >= 0
        part = (lambda v: np.maximum(v, 0)) if rises else (lambda v: np.minimum(v, 0))
        q = z + 0.25 * part(z)
        return q / (q.sum() + b + 0.25 * part(b))
    if name == "alpha2_beta1":
        up, down = z.clip(0), z.clip(None, 0)
        return 2 * quotient(up, up.sum() + max(b, 0)) - quotient(down, down.sum() + min(b, 0))
    if name == "flat":
        return quotient((w != 0) * 1.0, (w != 0).sum())
    if name == "z_plus":
        return quotient(x * w.clip(0), (x * w.clip(0)).sum())
    if name == "w_square":
        return quotient(w * w, (w * w).sum())
    q = z - -9 * w.clip(0) - 9 * w.clip(None, 0)
    return quotient(q, q.sum())


def quotient(a, b):
    return a / b if b else 0 * a


def unrolled(layer, shape):
    """The matrix and the bias of an affine layer, found by asking what each input alone does to the output."""
    n = int(np.prod(shape))
    zero = np.zeros((1, *shape))
    b = layer.forward(zero).ravel()
    return np.stack([layer.forward(unit.reshape(1, *shape)).ravel() - b for unit in np.eye(n)]), b


@pytest.mark.parametrize("name, rule", [(name, rule) for name in AFFINE for rule in RULES if not (
    name in ("Upsample, bilinear", "Upsample, corners") and rule in ("flat", "w_square"))])     # share by the mixture
def test_every_rule_is_the_loop_over_the_layers_connections(name, rule):
    layer, x, rng = example(name)
    x = abs(x) if rule in ("gamma", "z_plus") else x
    layer = layer.with_weights(layer.W, None if layer.b is None else rng.normal(size=layer.b.shape))
    W, b = unrolled(layer, x.shape[1:])
    y = layer.forward(x)
    np.testing.assert_allclose((x.reshape(len(x), -1) @ W + b).reshape(y.shape), y, rtol=1e-9, atol=1e-9)
    R = rng.normal(size=y.shape)
    expected = np.array([sum(shares(rule, image, W[:, k], b[k]) * came[k] for k in range(W.shape[1]))
                         for image, came in zip(x.reshape(len(x), -1), R.reshape(len(x), -1))])
    assert_close(RULES[rule](layer, x, y, R), expected.reshape(x.shape), f"{rule} of {layer!r}")


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in AFFINE])
def test_the_layers_own_rule_balances_in_the_ledger(name):
    layer, x, rng = example(name)
    y = layer.forward(x)
    R = rng.normal(size=y.shape)
    book = ledger.audit(Network([layer]), x, [relevance(layer, x, R), R], [layer.rule])
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)


# --- normalisation ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["LayerNorm", "LayerNorm, of images", "RMSNorm", "GroupNorm"])
@pytest.mark.parametrize("epsilon", [0, 1e-6, 0.5])
def test_the_scale_held_fixed_is_epsilon_of_the_affine_map_that_remains(name, epsilon):
    layer, x, rng = example(name)
    for image in x:
        image = image[None]
        s, zero = layer.scale(image), np.zeros_like(image)

        def held(v):
            return layer.weigh(layer.center(v) * s) + (0 if layer.beta is None else layer.beta)
        b = held(zero).ravel()
        W = np.stack([held(unit.reshape(image.shape)).ravel() - b for unit in np.eye(image.size)])
        y = layer.forward(image)
        assert_close(held(image), y, "the map")
        R, z = rng.normal(size=y.shape), y.ravel()
        share = R.ravel() / (z + epsilon * np.where(z < 0, -1, 1))
        expected = (image.ravel() * (W @ share)).reshape(image.shape)
        assert_close(scale_held_fixed(layer, image, y, R, epsilon), expected, repr(layer))


def test_gradient_times_input_of_a_normalisation_is_zero():
    layer, x = RMSNorm(epsilon=0.0), np.array([[1.0, -2.0, 3.0]])
    y, R = layer.forward(x), np.array([[1.0, 2.0, 3.0]])
    assert abs((x * layer.gradient(x, y, R / y)).sum()) < 1e-12
    assert relevance(layer, x, R).sum() == pytest.approx(6, rel=1e-5)
    assert relevance(layer, x, R, identity).tolist() == R.tolist()


def test_a_normalisation_takes_a_stabiliser_and_refuses_affine_rules():
    net = Network([LayerNorm(), Dense(np.eye(3)), Residual([LayerNorm(), Dense(np.eye(3))])])
    rules = composites.rules_for(net, partial(lrp.epsilon, epsilon=0.25))
    assert rules[0].func is scale_held_fixed and rules[0].keywords == {"epsilon": 0.25}
    assert rules[2].func is scale_held_fixed and rules[2].keywords == {"epsilon": 0.25}
    for rule in (lrp.epsilon, lrp.alpha_beta, deep_taylor.z_plus):
        with pytest.raises(ValueError, match="LayerNorm.*not affine.*for scale_held_fixed.*identity"):
            composites.rules_for(net, [rule, lrp.epsilon, None, lrp.epsilon, None])


@pytest.mark.parametrize("axes, shape", [((1, 2), (1, 1, 6)), ((1, 3), (6, 1, 6)), (1, ()), ((2,), (7, 1))])
def test_a_normalisation_over_any_axes_has_the_right_gradient(axes, shape):
    rng = np.random.default_rng(0)
    layer = LayerNorm(*rng.normal(size=(2, *shape)), axes=axes, epsilon=1e-3) if shape else LayerNorm(axes=axes)
    x, v, h = rng.normal(size=(2, 6, 7, 6)), rng.normal(size=(2, 6, 7, 6)), 1e-6
    y = layer.forward(x)
    n = layer.center(x) * layer.scale(x)
    assert_close(n.mean(axis=axes), 0 * n.mean(axis=axes), "the mean")
    dy = rng.normal(size=y.shape)
    expected = (dy * (layer.forward(x + h * v) - layer.forward(x - h * v))).sum() / (2 * h)
    assert (layer.gradient(x, y, dy) * v).sum() == pytest.approx(expected, rel=1e-6)
    for name, g in layer.parameter_gradients(x, dy).items():
        a = getattr(layer, name)
        assert (g is None) == (a is None) and (a is None or g.shape == a.shape)
    x_ref = rng.normal(size=x.shape)
    came = (deeplift(layer, x, x_ref, dy) * (x - x_ref)).sum()
    assert came == pytest.approx((dy * (y - layer.forward(x_ref))).sum())


# --- softmax -------------------------------------------------------------------------------------------------------

def test_the_rule_of_a_softmax_is_input_times_derivative_for_each_output():
    x, R = np.array([[1.0, -2.0, 0.5]]), np.array([[0.3, 1.0, -0.2]])
    s = Softmax().forward(x)[0]
    expected = [x[0, j] * sum((s[k] * ((j == k) - s[j])) * R[0, k] / s[k] for k in range(3)) for j in range(3)]
    assert_close(relevance(Softmax(), x, R)[0], np.array(expected), "proposition 3.1")
    l = LogSoftmax().forward(x)[0]
    expected = [x[0, j] * sum(((j == k) - s[j]) * R[0, k] / l[k] for k in range(3)) for j in range(3)]
    came = log_taylor(LogSoftmax(), x, l[None], R, epsilon=0)
    assert_close(came[0], np.array(expected), "of the logarithm")


def test_a_masked_input_of_a_softmax_counts_as_zero():
    x, R = np.array([[1.0, -np.inf, 2.0]]), np.array([[0.3, 0.0, 0.7]])
    for layer in (Softmax(), LogSoftmax()):
        with np.errstate(invalid="ignore"):
            came = relevance(layer, x, R)
        assert came[0, 1] == 0 and np.isfinite(came).all()
    for layer in (Softmax(), LogSoftmax()):
        x_ref, m = np.array([[0.5, -np.inf, 3.0]]), np.array([[1.0, 0.0, 2.0]])
        with np.errstate(all="raise"):
            m_x = deeplift(layer, x, x_ref, m)[:, ::2]
        y, y_ref = (layer.forward(a)[:, ::2] for a in (x, x_ref))
        assert (m_x * (x[:, ::2] - x_ref[:, ::2])).sum() == pytest.approx((m[:, ::2] * (y - y_ref)).sum())
    assert softmax_taylor(Softmax(), x, Softmax().forward(x), R)[0, 0] == pytest.approx(
        relevance(Softmax(), x[:, ::2], R[:, ::2])[0, 0])


@pytest.mark.parametrize("layer", [Softmax(), LogSoftmax()])
def test_a_softmax_neither_overflows_nor_loses_what_is_far_below(layer):
    x, x_ref = np.array([[900.0, 0.0, -900.0]]), np.array([[0.0, 900.0, 5.0]])
    y, y_ref, m = layer.forward(x), layer.forward(x_ref), np.array([[1.0, 0.5, -2.0]])
    assert np.isfinite(y).all()
    came = (layer.deeplift(x, y, x_ref, y_ref, m) * (x - x_ref)).sum()
    assert came == pytest.approx((m * (y - y_ref)).sum())


# --- embeddings ----------------------------------------------------------------------------------------------------

def text_net(first):
    rng = np.random.default_rng(3)
    channels = first.W.shape[1]
    return Network([first, Conv1d(rng.normal(size=(3, channels, 5))), ReLU(), GlobalMaxPool(),
                    Dense(rng.normal(size=(5, 3)))]).astype("float64")


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


# --- composites ----------------------------------------------------------------------------------------------------

def test_gamma_goes_where_nothing_is_negative_and_gamma_signed_elsewhere():
    W = np.random.default_rng(0).normal(size=(3, 3, 4, 4))
    conv, wide = Conv2d(W), Conv2d(np.tile(W, (1, 1, 2, 1)))
    net = Network([conv, ReLU(), conv, ReLU(), conv, layers.GELU(), conv, layers.ReLU6(), layers.MaxPool2d(2), conv,
                   layers.MaxPool2d(1), ReLU(), Residual([conv, ReLU()]), conv, ReLU(),
                   Branches([[ReLU()], [Sigmoid()]]), wide, layers.Clip(0, 9), LayerNorm(), conv, ReLU(),
                   GlobalAvgPool(), Dense(np.eye(4))])
    rules = composites.epsilon_gamma_box(net, low=-9, high=9)
    chosen = [rules[l].func.__name__ for l, layer in enumerate(net.layers) if isinstance(layer, Conv2d)]
    assert chosen == ["z_box", "gamma", "gamma_signed", "gamma_signed", "gamma", "gamma", "gamma", "gamma",
                      "gamma_signed"]
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 4))
    assert np.isfinite(passes.lrp(net, x, rules=rules)[0]).all()


def conv_net(seed=0):
    """Many kinds at once: depthwise, groups, gates, shuffles, a transposed convolution, normalisation."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
    gate = [layers.AdaptiveAvgPool2d(1), Conv2d(normal(1, 1, 8, 8)), layers.Hardsigmoid()]
    return Network([
        Conv2d(normal(3, 3, 3, 8), normal(8), 2, 1), layers.Hardswish(),
        Conv2d(normal(3, 3, 1, 8), normal(8), groups=8), layers.ReLU6(), Branches([[], gate], Multiply()),
        Residual([LayerNorm(normal(8)), Conv2d(normal(1, 1, 8, 8)), layers.GELU()]),
        layers.ChannelShuffle(2), Branches([[ChannelSelect(0, 4)], [ChannelSelect(4), layers.SiLU()]]),
        Conv2d(normal(3, 3, 4, 8), normal(8), groups=2, dilation=2), layers.PReLU(normal(8)),
        ConvTranspose2d(normal(3, 3, 8, 6), normal(6), 2, 1, 1), LocalResponseNorm(3, 0.1),
        Upsample(2, mode="bilinear"), layers.GroupNorm(groups=2), layers.Mish(), GlobalMaxPool(),
        Dense(normal(6, 4), normal(4)), Softmax(), Dense(normal(4, 3), normal(3))])


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
    book = ledger.ledger(conv_net(), IMAGES, rules=rules, quiet=True)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)


def test_deeplift_of_a_network_of_many_kinds_sums_to_the_difference():
    net, x_ref = conv_net(), IMAGES[:1] * 0 + 0.5
    came = passes.deeplift(net, IMAGES, x_ref, 2)[0].reshape(3, -1).sum(axis=1)
    np.testing.assert_allclose(came, net.forward(IMAGES)[:, 2] - net.forward(x_ref)[:, 2], rtol=1e-9)


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


def assert_close(came, expected, what):
    assert came.shape == expected.shape, f"{what}: shape {came.shape}, expected {expected.shape}"
    off = abs(came - expected)
    assert off.max() <= 1e-9 * max(1, abs(expected).max()), \
        f"{what}: came {came.flat[off.argmax()]}, expected {expected.flat[off.argmax()]}"


@pytest.mark.parametrize("make, sentence", [
    (lambda: Conv2d(np.ones((3, 3, 1, 4)), groups=3), "groups=3 for 4 channels"),
    (lambda: ConvTranspose2d(np.ones((3, 3, 4, 1)), padding="same"), "expected the pixels to cut off"),
    (lambda: Conv1d(np.ones((3, 3, 1, 4))), "expected 3 axes"),
    (lambda: Upsample(), "expected one of the two"),
    (lambda: Upsample(2, mode="cubic"), "expected one of nearest"),
    (lambda: layers.Clip(1, 0), "expected low < high"),
    (lambda: LayerNorm(axes=(0, 1)), "without the axis 0 of the images"),
    (lambda: LayerNorm(axes=3).forward(np.ones((2, 3))), "lacks one of these axes"),
    (lambda: LayerNorm(np.ones(4)).forward(np.ones((2, 3))), r"expected \(4,\) as its last axes"),
    (lambda: layers.GELU("sigmoid"), "'none' or 'tanh'"),
    (lambda: layers.ChannelShuffle(4).forward(np.ones((1, 6))), "6 channels, which 4 does not divide"),
    (lambda: ChannelSelect(7).forward(np.ones((1, 6))), "of which nothing is left"),
    (lambda: Conv2d(np.ones((1, 1, 2, 4)), groups=2).forward(np.ones((1, 3, 3, 2))), "2 channels, expected 4"),
    (lambda: passes.deeplift_reveal_cancel(Network([Softmax(), Dense(np.eye(2))]), np.ones((1, 2)),
                                           np.zeros((1, 2)), 0), "Softmax has no RevealCancel rule"),
])
def test_what_cannot_be_meant_is_refused_in_a_sentence(make, sentence):
    with pytest.raises((ValueError, NotImplementedError), match=sentence):
        make()


# --- training --------------------------------------------------------------------------------------------------------

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


# --- what fits -----------------------------------------------------------------------------------------------------

def test_the_table_of_what_fits_says_what_each_layer_and_method_answers():
    table = attribution.fits(conv_net(), IMAGES)
    layer_lines, method_lines, sentences = (part.splitlines() for part in table.split("\n\n"))
    found = {line.split("  ")[0]: line for line in reversed(layer_lines)}
    assert {type(layer).__name__ for layer in conv_net().layers} < set(found)
    assert "every rule" in found["Conv2d"] and "gamma [1] z_plus [2]" in found["Upsample"]
    assert "scale_held_fixed identity" in found["LayerNorm"] and "the others [" in found["LayerNorm"]
    assert "  8  " in found["LayerNorm"] and "pass_on" in found["GELU"] and "no other" in found["GELU"]
    methods = {line.split()[0]: " ".join(line.split()[1:]) for line in method_lines[1:]}
    assert set(attribution.METHODS) < set(methods) and methods["lrp_epsilon"] == methods["deeplift"] == "yes"
    numbers = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in sentences}
    assert "Multiply has no RevealCancel rule" in numbers[methods["deeplift_reveal_cancel"]]
    assert "z_plus got negative inputs" in numbers[methods["deep_taylor"]]
    assert "cam needs a network that ends in GlobalAvgPool" in numbers[methods["cam"]]
    used = " ".join(layer_lines + method_lines)
    assert all(number in used for number in numbers), "a sentence that no cell refers to"


def test_the_table_of_what_fits_has_numbers_for_warnings():
    net = Network([Flatten(), Dense(np.eye(4)), ReLU(), Dense(np.eye(4)), Sigmoid()])
    table = attribution.fits(net, np.random.default_rng(0).random((2, 2, 2, 1)))
    line = next(line for line in table.splitlines() if line.startswith("lrp_0"))
    number = line.split()[-1]
    assert line.split()[1] == "yes" and "only squashes" in table.partition(f"\n{number} ")[2].splitlines()[0]
