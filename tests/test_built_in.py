"""Does everything built in hold what `minixnn.checks` asks? One test for each rule, layer, block and network."""
from functools import partial

import numpy as np
import pytest
from layer_examples import EXAMPLES, TOKENS
from record_cupy import installed_cupy

from minixnn import Network, datasets, layers, models
from minixnn.checks import check_layer, check_network, check_rule, definitions, standin, strategies
from minixnn.layers import (BatchNorm2d, Concat, Conv2d, Dense, Dropout, Flatten, Prepare, Product, ReLU, Residual,
                            Sigmoid, Sum, Tanh, Unflatten)
from minixnn.rules import composites, lrp
from minixnn.rules import deep_taylor as dt

CUPY, _ = installed_cupy()
DEVICES = {"standin": standin, **({"cupy": CUPY} if CUPY else {})}
ABSORBING, POSITIVE = {"conserves": "without bias"}, {"domain": "nonnegative"}
RULES = {
    "LRP-0": (partial(lrp.epsilon, epsilon=0), partial(definitions.epsilon, epsilon=0), ABSORBING),
    "epsilon": (lrp.epsilon, definitions.epsilon, ABSORBING),
    "epsilon = 0.5": (partial(lrp.epsilon, epsilon=0.5), partial(definitions.epsilon, epsilon=0.5), ABSORBING),
    "gamma": (lrp.gamma, definitions.gamma, {**ABSORBING, **POSITIVE}),
    "gamma = 2": (partial(lrp.gamma, gamma=2), partial(definitions.gamma, gamma=2), {**ABSORBING, **POSITIVE}),
    "gamma_signed": (lrp.gamma_signed, definitions.gamma_signed, ABSORBING),
    "gamma_signed = 0.4": (partial(lrp.gamma_signed, gamma=.4), partial(definitions.gamma_signed, gamma=.4), ABSORBING),
    "alpha2 beta1": (lrp.alpha_beta, definitions.alpha_beta, ABSORBING),
    "alpha1 beta0": (composites.alpha1_beta0, partial(definitions.alpha_beta, alpha=1, beta=0), ABSORBING),
    "alpha1.5 beta0.5, x >= 0": (partial(lrp.alpha_beta, alpha=1.5, beta=.5),
                                 partial(definitions.alpha_beta, alpha=1.5, beta=.5), {**ABSORBING, **POSITIVE}),
    "flat": (lrp.flat, definitions.flat, {}),
    "z_plus": (dt.z_plus, definitions.z_plus, POSITIVE),
    "w_square": (dt.w_square, definitions.w_square, {}),
    "z_box": (partial(dt.z_box, low=-2.5, high=3), partial(definitions.z_box, low=-2.5, high=3), {"domain": (-2.5, 3)}),
    "z_box of pixels": (partial(dt.z_box, low=0, high=1), partial(definitions.z_box, low=0, high=1),
                        {"domain": (0, 1)}),
}


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_its_formula_and_keeps_its_promises(name, device):
    rule, definition, claims = RULES[name]
    report = check_rule(rule, definition=definition, device=DEVICES[device], examples=40, **claims)
    assert {"definition", "ledger", "receptive field", "conserves"} <= set(report.held), f"not asked:\n{report}"


@pytest.mark.parametrize("rule", [layers.MaxPool2d.rule, lrp.proportional], ids=composites.name_of)
def test_a_rule_for_max_pooling_keeps_its_promises(rule):
    check_rule(rule, domain="nonnegative", layers=strategies.max_pools(), device=True)


DRAWN = {"Dense": strategies.dense_layers(), "Conv2d": strategies.convolutions(),
         "Conv1d": strategies.sequence_convolutions(), "ConvTranspose2d": strategies.transposed_convolutions(),
         "pools that average": strategies.average_pools(), "global pools": strategies.global_pools(),
         "ChannelScale": strategies.channel_scales(), "MaxPool2d": strategies.max_pools(),
         "activations": strategies.activations(), "Upsample": strategies.upsamplings()}


def dense(rng, inputs, outputs):
    return Dense(rng.normal(size=(inputs, outputs)), rng.normal(size=outputs))


def conv(rng, before, after, stride=1):
    return Conv2d(rng.normal(size=(3, 3, before, after)), rng.normal(size=after), stride)


def norm(rng, channels):
    return BatchNorm2d(*rng.normal(size=(3, channels)), rng.random(channels) + 0.5)


MADE = {                                        # of a Generator: blocks, and what has no weights to draw
    "Residual": (lambda rng: Residual([conv(rng, 2, 3), norm(rng, 3), ReLU(), conv(rng, 3, 2)]), (4, 5, 2)),
    "Residual, with a shortcut": (lambda rng: Residual([conv(rng, 2, 3, 2), Dropout()], [conv(rng, 2, 3, 2)]),
                                  (5, 4, 2)),
    "Sum": (lambda rng: Sum([[dense(rng, 3, 4), Tanh()], [dense(rng, 3, 4), ReLU()], [dense(rng, 3, 4)]]), (3,)),
    "Concat": (lambda rng: Concat([[conv(rng, 2, 3), ReLU()], [], [conv(rng, 2, 1)]]), (4, 3, 2)),
    "Product": (lambda rng: Product([[dense(rng, 3, 4)], [dense(rng, 3, 4), Sigmoid()]]), (3,)),
    "a block in a block": (lambda rng: Residual([Concat([[dense(rng, 3, 1)], [dense(rng, 3, 2), ReLU()]])]), (3,)),
    "Repeated": (lambda rng: layers.Repeated([[dense(rng, 3, 2), Tanh()]]), (3,)),
    "BatchNorm2d": (lambda rng: norm(rng, 3), (2, 3, 3)), "Flatten": (lambda rng: Flatten(), (2, 3, 2)),
    "Unflatten": (lambda rng: Unflatten((2, 3)), (6,)), "Dropout": (lambda rng: Dropout(0.5), (3, 2)),
    "Prepare": (lambda rng: Prepare(rng.normal(size=3), rng.random(3) + 0.5), (2, 2, 3)),
}
LAYERS = {**{name: (kind, None) for name, kind in DRAWN.items()},
          **{name: (layer, shape[1:]) for name, (layer, shape) in EXAMPLES.items()}, **MADE,
          **{name: (layer, np.arange(9).reshape(1, 9)) for name, layer in TOKENS.items()}}


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_keeps_what_layers_promise(name, device):
    layer, inputs = LAYERS[name]
    report = check_layer(layer, inputs, device=DEVICES[device], examples=40 if name in DRAWN else 15)
    assert "images apart" in report.held and "saved and loaded" in report.held, report


def test_no_kind_of_layer_is_missing():
    rng = np.random.default_rng(0)
    seen = {type(layer) for layer, _ in EXAMPLES.values()} | {type(layer) for layer in TOKENS.values()}
    seen |= {type(make(rng)) for make, _ in MADE.values()} | set(strategies.KINDS)
    kinds = {getattr(layers, name) for name in layers.__all__}
    families = {layers.Affine, layers.Block, layers.Chain, layers.Elementwise, layers.Layer}
    assert kinds - seen - {layers.Repeated} == families, "Repeated is a Concat of one chain, tested by the importer"


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("name", ["cnn", "dense", "dense_no_bias", "cluttered_gap"])
def test_a_network_that_comes_along_is_right_in_every_layer(name):
    images, _ = datasets.mnist("test")
    check_network(models.load(name), images[:2])


@pytest.mark.filterwarnings("ignore:the network ends in")
def test_a_network_of_every_kind_of_layer_is_right_in_every_layer():
    rng = np.random.default_rng(0)
    made = [conv(rng, 2, 4), norm(rng, 4), ReLU(), layers.MaxPool2d(2), Residual([conv(rng, 4, 4), ReLU()]),
            Concat([[conv(rng, 4, 2), ReLU()], []]), Sum([[layers.AvgPool2d(2)], [layers.MaxPool2d(2)]]),
            Product([[], [conv(rng, 6, 6), Sigmoid()]]), layers.GlobalAvgPool(), dense(rng, 6, 3), layers.Softmax()]
    report = check_network(Network(made), rng.random((3, 8, 8, 2)), rules=composites.epsilon_plus, device=True)
    assert len(report.layers) == len(made) + 8, "those inside blocks, too"
