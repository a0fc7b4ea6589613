"""Does everything built in hold what `minixnn.checks` asks? One test for each rule, layer, block and network."""
import numpy as np
import pytest
from built_in import DRAWN, LAYERS, MADE, RULES, conv, dense, norm
from layer_examples import EXAMPLES, JOINS, MORE, TOKENS
from record_cupy import installed_cupy

from minixnn import Network, datasets, layers, models
from minixnn.checks import check_layer, check_network, check_rule, standin, strategies
from minixnn.layers import Concat, Product, ReLU, Residual, Sigmoid, Sum
from minixnn.rules import composites, lrp

CUPY, _ = installed_cupy()
DEVICES = {"standin": standin, **({"cupy": CUPY} if CUPY else {})}


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_its_formula_and_keeps_its_promises(name, device):
    rule, definition, claims = RULES[name]
    report = check_rule(rule, definition=definition, device=DEVICES[device], examples=40, **claims)
    assert {"definition", "ledger", "receptive field", "conserves"} <= set(report.held), f"not asked:\n{report}"


@pytest.mark.parametrize("rule", [layers.MaxPool2d.rule, lrp.proportional], ids=composites.name_of)
def test_a_rule_for_max_pooling_keeps_its_promises(rule):
    check_rule(rule, domain="nonnegative", layers=strategies.max_pools(), device=True)


@pytest.mark.parametrize("device", DEVICES, ids=DEVICES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_keeps_what_layers_promise(name, device):
    layer, inputs = LAYERS[name]
    report = check_layer(layer, inputs, device=DEVICES[device], examples=40 if name in DRAWN else 15)
    assert "images apart" in report.held and "saved and loaded" in report.held, report


def test_no_kind_of_layer_is_missing():
    rng = np.random.default_rng(0)
    examples = [*EXAMPLES.values(), *MORE.values(), *JOINS.values()]        # what is in MORE: test_more_layers.py
    seen = {type(layer) for layer, _ in examples} | {type(layer) for layer in TOKENS.values()}
    seen |= {type(make(rng)) for make, _ in MADE.values()} | set(strategies.KINDS)
    kinds = {getattr(layers, name) for name in layers.__all__}
    families = {layers.Affine, layers.Block, layers.Chain, layers.Elementwise, layers.Join, layers.Layer}
    missing = {kind.__name__ for kind in kinds - seen - families - {layers.Repeated}}      # the importer tests that one
    assert not missing, f"add an example of {', '.join(missing)} to tests/layer_examples.py"


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
