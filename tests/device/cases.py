"""What is computed on a device and beside it: sections of cases, in the order of their worth.

A case is (name, compute): `compute(xp, dtype)` draws its numbers on the host, moves them to the array module `xp`, and
returns what it found there: an array, or lists, tuples and dictionaries of arrays. NumPy's answer in float64 is right.
"""
from functools import partial

import numpy as np

from minixnn import attribution, datasets, layers, models, passes
from minixnn.arrays import like
from minixnn.layers import (AvgPool2d, BatchNorm2d, Conv2d, Dense, Dropout, Embedding, Flatten, GlobalAvgPool,
                            MaxPool2d, PositionEmbedding, ReLU, Residual, TakeToken)
from minixnn.ledger import COLUMNS, ledger
from minixnn.network import Network
from minixnn.rules import composites, deep_taylor, lrp
from minixnn.train import SGD, Adam, fit
from tests.backends.portable import CLAIMS, FINE
from tests.backends.standin_teeth import Undefined
from tests.helpers import apply, deconvnet, deeplift, gradient, guided_backprop, relevance
from tests.registry import EXAMPLES, JOINS, MORE, POSITIVE, TOKENS, WRITTEN, draw

LAYERS = {**EXAMPLES, **MORE}
AFFINE = {name: (layer, shape) for name, (layer, shape) in LAYERS.items() if isinstance(layer, layers.Affine)}
NORMS = {name: case for name, case in EXAMPLES.items() if "Norm" in name or "Softmax" in name}
RULES = {
    "epsilon": lrp.epsilon, "LRP-0": partial(lrp.epsilon, epsilon=0), "epsilon_rms": lrp.epsilon_rms,
    "gamma_signed": lrp.gamma_signed, "alpha2_beta1": lrp.alpha_beta, "alpha1_beta0": composites.alpha1_beta0,
    "flat": lrp.flat, "w_square": deep_taylor.w_square, "z_box": partial(deep_taylor.z_box, low=-9, high=9),
    "gamma": lrp.gamma, "z_plus": deep_taylor.z_plus,
}
FOR_POSITIVE = ("gamma", "z_plus")
X = np.random.default_rng(4).random((3, 5, 5, 2), dtype="float32")
X_REF = np.random.default_rng(5).random((1, 5, 5, 2), dtype="float32")
PASSES = {
    "gradient": passes.gradient, "deconvnet": passes.deconvnet, "guided_backprop": passes.guided_backprop,
    "lrp": passes.lrp, "deep_taylor": passes.deep_taylor,
    "deep_taylor, bounds": partial(passes.deep_taylor, low=0, high=1),
    "deeplift": lambda net, x, **more: passes.deeplift(net, x, like(x, X_REF).astype(x.dtype), **more),
    "deeplift_reveal_cancel": lambda net, x, **more: passes.deeplift_reveal_cancel(
        net, x, like(x, X_REF).astype(x.dtype), **more),
    **{f"composite {name}": partial(passes.lrp, rules=getattr(composites, name)) for name in (
        "epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
        "epsilon_gamma_box", "by_depth", "deep_taylor")},
}
OF_ATTENTION = {
    "gradient": passes.gradient, "deconvnet": passes.deconvnet, "guided_backprop": passes.guided_backprop,
    "lrp": passes.lrp, "attn_lrp": partial(passes.lrp, rules=composites.attn_lrp),
    "cp_lrp": partial(passes.lrp, rules=composites.cp_lrp)}


def a_net(depth=1, bias=True):
    """Every kind of layer, the middle of it `depth` times over. bias: whether there is one before batch norm, too."""
    rng = np.random.default_rng(3)
    stack = [Conv2d.random(3, 2, 6, rng), ReLU()]
    for _ in range(depth):
        stack += [Conv2d.random(3, 6, 6, rng, bias=bias), BatchNorm2d(draw(6), draw(6), draw(6), abs(draw(6)) + 1),
                  ReLU(), MaxPool2d(2, stride=1, padding="same"), AvgPool2d(2, stride=1, padding="same")]
    return Network(stack + [MaxPool2d(2, padding="same"), Flatten(), Dense.random(54, 8, rng), ReLU(), Dropout(0.5),
                            Dense.random(8, 5, rng)])


def image_net(head):
    """A small network for images that ends in global average pooling, or in two dense layers."""
    rng = np.random.default_rng(6)
    body = [Conv2d.random(3, 2, 4, rng), ReLU(), MaxPool2d(2, padding="same"), Conv2d.random(3, 4, 6, rng), ReLU()]
    return Network(body + ([GlobalAvgPool(), Dense.random(6, 5, rng)] if head == "average" else
                           [Flatten(), Dense.random(54, 8, rng), ReLU(), Dense.random(8, 5, rng)]))


def a_transformer():
    """Letters, their places, attention and a dense layer past which is added, normalised."""
    rng = np.random.default_rng(11)
    attention = WRITTEN["Attention"][0]
    dense = [Dense.random(6, 12, rng), layers.GELU(), Dense.random(12, 6, rng)]
    return Network([Embedding(draw(9, 6)), PositionEmbedding(draw(9, 6)),
                    Residual([layers.LayerNorm(draw(6)), attention]), Residual([layers.RMSNorm(draw(6)), *dense]),
                    TakeToken(-1), Dense.random(6, 4, rng)])


def moved(xp, dtype, *things):
    """Arrays, tuples of them, layers and networks on `xp`, with numbers of `dtype` where they are not whole."""
    def move(array):
        return xp.asarray(array.astype(dtype) if array.dtype.kind == "f" else array)
    return [thing if thing is None else move(thing) if isinstance(thing, np.ndarray) else
            tuple(map(move, thing)) if isinstance(thing, tuple) else thing.map_arrays(move) for thing in things]


def of_layer(layer, x, x_ref, method, xp, dtype):
    """One method of a layer, a join too (x a tuple), on `xp`."""
    dy = draw(*layer.forward(x).shape, seed=6)
    layer, x, x_ref, dy = moved(xp, dtype, layer, x, x_ref, dy)
    if method == "forward":
        return layer.forward(x)
    if method == "parameter_gradients":
        return layer.parameter_gradients(x, dy)
    if method == "deeplift":
        return deeplift(layer, x, x_ref, dy)
    if method == "half_each":
        return apply(layers.joins.half_each, layer, x, dy)
    if isinstance(x, tuple) and method == "rule":
        return apply(layer.rule, layer, x, dy)
    rule = (lrp.epsilon,) if method == "rule" and isinstance(layer, layers.Affine) else ()
    return {"gradient": gradient, "deconvnet": deconvnet, "guided_backprop": guided_backprop,
            "rule": relevance}[method](layer, x, dy, *rule)


METHODS = ("forward", "gradient", "rule", "deeplift", "parameter_gradients", "deconvnet", "guided_backprop")


def of_layers():
    """Each layer and each join x each method."""
    cases = [(name, layer, draw(*shape), draw(*shape, seed=5)) for name, (layer, shape) in LAYERS.items()]
    rng = np.random.default_rng(0)
    cases += [(name, layer, *rng.uniform(*bounds, (2, *shape)).astype("float32"))
              for name, (layer, shape, bounds) in POSITIVE.items()]
    cases += [(name, layer, *rng.integers(0, 9, (2, 2, 5))) for name, layer in TOKENS.items()]
    for name, layer, x, x_ref in cases:
        for method in METHODS[:-2] if name in TOKENS else METHODS:
            yield f"{name}: {method}", partial(of_layer, layer, x, x_ref, method)
    for name, (layer, shapes) in JOINS.items():
        x, x_ref = (tuple(draw(*shape, seed=seed + n) for n, shape in enumerate(shapes)) for seed in (0, 10))
        products = ("half_each",) if isinstance(layer, (layers.Multiply, layers.MatMul)) else ()
        for method in ("forward", "gradient", "rule", "deeplift", *products):
            yield f"{name}: {method}", partial(of_layer, layer, x, x_ref, method)


def of_rule(layer, x, rule, xp, dtype):
    R = draw(*layer.forward(x).shape, seed=6)
    return apply(rule, *moved(xp, dtype, layer, x, R))


def of_rules():
    """Each rule on each affine layer."""
    for name, (layer, shape) in AFFINE.items():
        for rule in RULES:
            x = abs(draw(*shape)) if rule in FOR_POSITIVE else draw(*shape)
            yield f"{rule}, {name}", partial(of_rule, layer, x, RULES[rule])
    yield "proportional, MaxPool2d", partial(of_rule, MaxPool2d(2), abs(draw(2, 6, 7, 6)), lrp.proportional)


def of_pass(make, x, run, xp, dtype, **more):
    return run(*moved(xp, dtype, make(), x), **more)


def of_passes():
    """Each pass and composite, then each attribution."""
    for name, run in PASSES.items():
        for target in (None, 2, np.array([0, 4, 1])):
            yield f"{name}, target {target}", partial(of_pass, a_net, X, run, target=target)
    for name, method in attribution.METHODS.items():
        yield name, partial(of_pass, partial(image_net, "average" if name == "cam" else "dense"), X, method)


def written(layer, shape, run, xp, dtype):
    """A pass through a way of writing several layers, of a start for all of its outputs."""
    start = draw(*Network([layer]).forward(draw(*shape)).shape, seed=6)
    net, x, x_ref, start = moved(xp, dtype, Network([layer]), draw(*shape), draw(*shape, seed=5), start)
    return passes.deeplift(net, x, x_ref, start=start) if run is None else run(net, x, start=start)


def of_attention():
    """Each pass through attention, residual blocks and branches; through a transformer; through each norm."""
    tokens = np.random.default_rng(0).integers(0, 9, (2, 9))
    for name, run in OF_ATTENTION.items():
        if run not in (passes.deconvnet, passes.guided_backprop):
            yield f"a transformer: {name}", partial(of_pass, a_transformer, tokens, run)
    for name, (layer, shape) in {**WRITTEN, **NORMS}.items():
        for way, run in {**OF_ATTENTION, "deeplift": None}.items():
            yield f"{name}: {way}", partial(written, layer, shape, run)


def of_ledger(rules, xp, dtype):
    """The columns of a ledger, in float64, whatever the dtype: its residual is to be 1e-10."""
    net, x = moved(xp, "float64", a_net(), X)
    kept = ledger(net, x, [0, 4, 1], rules, batch_size=2)
    if not kept.largest_residual < 1e-10:
        raise AssertionError(f"the ledger is off by {kept.largest_residual:.1e}, expected less than 1e-10")
    return [np.array([getattr(row, column) for column in COLUMNS if getattr(row, column) is not None], float)
            for row in [*kept.rows, kept.total]]


def of_training(optimizer, xp, dtype):
    """The parameters after two steps. A bias before batch norm is left out: its gradient is rounding errors alone."""
    rng = np.random.default_rng(7)
    images, labels = rng.random((16, 5, 5, 2)).astype(dtype), rng.integers(0, 5, 16)
    net, x = moved(xp, dtype, a_net(bias=False), images)
    history = fit(net, x, labels, epochs=1, batch_size=8, rng=np.random.default_rng(8), optimizer=optimizer(),
                  quiet=True)
    return [np.array([history[0]["loss"]]), [layer.arrays() for layer in net.layers]]


def lesson_2_3(rules, xp, dtype):
    """LRP's maps of ten digits by the shipped network, as in lesson 2.3."""
    net, images = moved(xp, dtype, models.load("cnn"), ten_digits())
    return passes.lrp(net, images, np.arange(10), rules)[0]


def ten_digits():
    images, labels = datasets.mnist("test")
    return images[[int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]]


def lesson_4_1(xp, dtype):
    """Class activation maps of twenty scenes, as in lesson 4.1."""
    images, labels, _ = datasets.cluttered_mnist(20, seed=1, split="test")
    net, images = moved(xp, dtype, models.load("cluttered_gap"), images)
    return attribution.cam(net, images, labels)


def lesson_7_4(rules, xp, dtype):
    """Relevance through attention by hand, as in lesson 7.4."""
    by_hand = layers.Attention(np.array([[1.0], [0]]), np.array([[np.log(3)], [0]]), np.array([[0], [1.0]]), np.eye(1))
    x = np.array([[[1.0, 4.0], [0.0, 8.0]]])
    net, x = moved(xp, dtype, Network([by_hand, TakeToken(0)]), x)
    return passes.lrp(net, x, rules=rules)


def of_lessons():
    """What lessons 2.3, 4.1 and 7.4 compute."""
    for name in ("alpha1_beta0", "by_depth", "epsilon_gamma_box", "epsilon_plus", "epsilon_plus_flat"):
        yield f"2.3, {name}", partial(lesson_2_3, getattr(composites, name))
    yield "2.3, LRP-epsilon", partial(lesson_2_3, lrp.epsilon)
    yield "4.1, CAM", lesson_4_1
    for name in ("attn_lrp", "cp_lrp"):
        yield f"7.4, {name}", partial(lesson_7_4, getattr(composites, name))


def claim(holds, xp, dtype):
    """1 if the device does what the stand-in takes for granted; the stand-in may refuse it instead."""
    try:
        return np.array([float(bool(holds(xp)))]) if xp is not np else np.ones(1)
    except Undefined:
        return np.ones(1)


def of_copies():
    """Copies and views, operators and functions; then what the stand-in says that CuPy does."""
    for name, code in FINE.items():
        yield name, lambda xp, dtype, code=code: code(xp, xp.asarray(draw(3, 4).astype(dtype)))
    for sentence, holds in CLAIMS.items():
        yield sentence, partial(claim, holds)


SECTIONS = {
    "copies and views": of_copies,
    "layers": of_layers,
    "rules": of_rules,
    "passes": of_passes,
    "attention and norms": of_attention,
    "ledger": lambda: ((rules.__name__, partial(of_ledger, rules)) for rules in (
        lrp.epsilon, lrp.alpha_beta, lrp.gamma_signed, composites.epsilon_plus_flat, composites.epsilon_gamma_box,
        composites.deep_taylor)),
    "training": lambda: ((optimizer.__name__, partial(of_training, optimizer)) for optimizer in (Adam, SGD)),
    "lessons": of_lessons,
}
