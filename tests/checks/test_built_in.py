"""Does everything built in hold what `minixnn.checks` asks? One test for each rule, layer, block and network."""
import numpy as np
import pytest
from tests.checks.built_in import DOMAINS, DRAWN, JOIN_RULES, LAYERS, RULES
from hypothesis import given, settings
from tests.backends.record_cupy import installed_cupy
from tests.registry import EVERYWHERE, EXAMPLES, JOINS, MORE, TOKENS, WRITTEN
from tests.small_networks import graphs

from minixnn import Network, datasets, layers, models
from minixnn.checks import check_layer, check_network, check_rule, strategies
from minixnn.layers import (Add, Attention, BatchNorm2d, Branches, Conv2d, Dense, GlobalAvgPool, LayerNorm, Multiply,
                            ReLU, Residual, Sigmoid, Tanh, Tokens)
from minixnn.rules import composites, lrp
from tests.backends import standin

CUPY, _ = installed_cupy()
DEVICES = {"standin": standin, **({"cupy": CUPY} if CUPY else {})}


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_its_formula_and_keeps_its_promises(name, device):
    rule, definition, claims = RULES[name]
    report = check_rule(rule, definition=definition, device=DEVICES[device], examples=40, **claims)
    assert {"definition", "ledger", "receptive field", "conserves"} <= set(report.held), f"not asked:\n{report}"
    if device == "standin":
        found = check_rule(rule, domain=claims.get("domain", "any"), examples=15)
        assert found.conserves == report.conserves == claims["conserves"], found


@pytest.mark.parametrize("rule", [layers.MaxPool2d.rule, lrp.proportional], ids=composites.name_of)
def test_a_rule_for_max_pooling_keeps_its_promises(rule):
    check_rule(rule, domain="nonnegative", layers=strategies.max_pools(), device=standin)


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_keeps_what_layers_promise(name, device):
    layer, inputs = LAYERS[name]
    examples = 40 if name in DRAWN else 4 if name in WRITTEN else 15
    report = check_layer(layer, inputs, DOMAINS.get(name, "any"), device=DEVICES[device], examples=examples)
    assert {"images apart", "saved and loaded"} <= set(report.held), report
    assert name not in EVERYWHERE or {"derivative", "DeepLIFT", "type"} <= set(report.held), report


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", JOIN_RULES)
def test_a_rule_of_joins_keeps_its_promises(name, device):
    rule, join, claims = JOIN_RULES[name]
    report = check_rule(rule, join, device=DEVICES[device], examples=40, **claims)
    assert {"ledger", "conserves", "images apart", "adds over outputs"} <= set(report.held), f"not asked:\n{report}"


def test_no_kind_of_layer_is_missing():
    seen = {type(layer) for layer, _ in [*EXAMPLES.values(), *MORE.values(), *JOINS.values()]}
    seen |= set(map(type, TOKENS.values()))
    kinds = {kind for kind in map(layers.__dict__.get, layers.__all__) if issubclass(kind, layers.Layer)}
    families = {layers.Affine, layers.Elementwise, layers.Join, layers.Layer}
    missing = {kind.__name__ for kind in kinds - seen - families}
    assert not missing, f"add an example of {', '.join(missing)} to tests/registry.py"


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("name", ["cnn", "dense", "dense_no_bias", "cluttered_gap"])
def test_a_network_that_comes_along_is_right_in_every_layer(name):
    images, _ = datasets.mnist("test")
    check_network(models.load(name), images[:2])


def conv(rng, before, after):
    return Conv2d(rng.normal(size=(3, 3, before, after)), rng.normal(size=after))


def dense(rng, inputs, outputs):
    return Dense(rng.normal(size=(inputs, outputs)), rng.normal(size=outputs))


@pytest.mark.filterwarnings("ignore:the network ends in")
def test_a_network_of_every_way_of_writing_is_right_in_every_layer():
    rng = np.random.default_rng(0)
    norm = BatchNorm2d(*rng.normal(size=(3, 4)), rng.random(4) + 0.5)
    net = Network([conv(rng, 2, 4), norm, ReLU(), layers.MaxPool2d(2), Residual([conv(rng, 4, 4), ReLU()]),
                   Branches([[conv(rng, 4, 2), ReLU()], []]),
                   Branches([[layers.AvgPool2d(2)], [layers.MaxPool2d(2)]], Add()),
                   Branches([[], [conv(rng, 6, 6), Sigmoid()]], Multiply()), Tokens(),
                   Residual([LayerNorm(), Attention.random(6, 2, rng, causal=True)]), GlobalAvgPool(),
                   dense(rng, 6, 3), layers.Softmax()])
    report = check_network(net, rng.random((3, 8, 8, 2)), rules=composites.epsilon_plus, device=standin)
    assert len(report.layers) == len(net.layers) > 30


@settings(max_examples=60)
@given(graphs(kinds_between=(ReLU, Tanh)), strategies.seeds)
def test_a_random_graph_is_right_in_every_layer(drawn, seed):
    """Joins of joins, an output that a later join reads again, a layer in several places."""
    net, shape = drawn
    check_network(net, np.random.default_rng(seed).choice(strategies.grid(), (2, *shape)))
