"""The default rule of every layer and join balances in the ledger."""
import numpy as np
import pytest

from minixnn import Network, layers, ledger, passes
from minixnn.checks.layer_cases import as_type
from minixnn.rules import lrp
from tests.registry import EVERYWHERE, EXAMPLES, JOINS, inputs


@pytest.mark.parametrize("name", [*EXAMPLES, *EVERYWHERE, *(name for name in JOINS if not name.startswith("Input"))])
def test_the_default_rule_balances_in_the_ledger(name):
    rng = np.random.default_rng(0)
    if name in JOINS:
        layer, x = inputs(name)
        net = Network([*map(layers.Input, range(len(x))), layer], [*((0,) for _ in x), tuple(range(1, len(x) + 1))])
    else:
        layer, shape, domain = EVERYWHERE[name] if name in EVERYWHERE else (*EXAMPLES[name], "any")
        net = Network([as_type(layer, "float64")])
        x = rng.normal(size=shape) if domain == "any" else rng.uniform(*domain, shape)
    rules = [lrp.epsilon if each.rule is None else None for each in net.layers]
    R = passes.lrp(net, x, rules=rules, start=rng.normal(size=net.forward(x).shape))
    book = ledger.audit(net, x, R, rules)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)
