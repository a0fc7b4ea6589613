"""CONTRIBUTING says that a new layer is one class, and two lines in layers/__init__.py. Is that so?"""
import pathlib
import re

import numpy as np
import pytest

from minixnn import Network, attribution, layers, ledger, passes
from minixnn.checks import check_layer, check_network
from minixnn.layers import Affine, Dense, Elementwise, ReLU
from minixnn.rules import composites, deep_taylor, lrp

ROOT = pathlib.Path(__file__).parents[2]


class Cube(Elementwise):
    """y = x^3 / 3"""
    preserves_sign = True

    def forward(self, x):
        return x ** 3 / 3

    def derivative(self, x, y):
        return x ** 2


class Neighbours(Affine):
    """y_i = w (x_i + x_{i+1}) + b, with one w and one b. x (N, I), y (N, I - 1)"""

    def __init__(self, W, b=None):
        self.W, self.b = W, b

    def forward(self, x):
        y = self.W * (x[:, :-1] + x[:, 1:])
        return y if self.b is None else y + self.b

    def gradient(self, x, y, dy):
        dx = x * 0
        dx[:, :-1] += self.W * dy
        dx[:, 1:] += self.W * dy
        return dx

    def parameter_gradients(self, x, dy):
        return {"W": (dy * (x[:, :-1] + x[:, 1:])).sum(keepdims=True)[0],
                "b": None if self.b is None else dy.sum(keepdims=True)[0]}


def new_layers():
    return Cube(), Neighbours(np.array([0.7]), np.array([-0.2]))


@pytest.fixture(autouse=True)
def named(monkeypatch):
    """What the two lines in layers/__init__.py do."""
    for kind in (Cube, Neighbours):
        monkeypatch.setattr(layers, kind.__name__, kind, raising=False)
    monkeypatch.setattr(layers, "__all__", [*layers.__all__, "Cube", "Neighbours"])


@pytest.fixture
def net():
    rng = np.random.default_rng(0)
    cube, neighbours = new_layers()
    return Network([Dense(rng.normal(size=(6, 5)), rng.normal(size=5)), neighbours, ReLU(),
                    Dense(rng.normal(size=(4, 4))), cube, Dense(rng.normal(size=(4, 3)))])


@pytest.mark.parametrize("layer", new_layers(), ids=lambda layer: type(layer).__name__)
def test_a_new_layer_passes_the_checks_for_layers(layer):
    held = check_layer(layer, (6,), examples=20).held
    assert {"derivative", "DeepLIFT", "saved and loaded", "images apart", "type"} <= set(held)


def test_a_network_with_new_layers_is_checked_saved_and_described(net, tmp_path):
    x = np.random.default_rng(1).random((3, 6))
    check_network(net, x)
    net.save(tmp_path / "net.npz")
    assert np.array_equal(Network.load(tmp_path / "net.npz").forward(x), net.forward(x))
    assert "Neighbours" in net.describe(x=x) and "Cube" in net.describe(x=x)


@pytest.mark.parametrize("rules", [lrp.epsilon, lrp.alpha_beta, lrp.flat, deep_taylor.w_square, composites.epsilon_plus,
                                   composites.epsilon_plus_flat, composites.epsilon_alpha2_beta1])
def test_the_rules_reach_new_layers_and_balance(net, rules):
    book = ledger.ledger(net, np.random.default_rng(1).random((3, 6)), rules=rules, quiet=True)
    assert book.largest_residual < 1e-10 and not any(row.unexplained for row in book.rows), str(book)


def test_every_method_that_asks_for_no_images_explains_new_layers(net):
    x = np.random.default_rng(1).random((3, 6))
    for name in ("sensitivity", "gradient_times_input", "integrated_gradients", "lrp_epsilon_plus", "deeplift"):
        assert np.isfinite(attribution.METHODS[name](net, x, 1)).all(), name
    M = passes.deeplift(net, x, x * 0, 1)[0]
    np.testing.assert_allclose(M.sum(axis=1), net.forward(x)[:, 1] - net.forward(x * 0)[0, 1])


KINDS = [getattr(layers, name) for name in layers.__all__
         if name not in ("Elementwise", "ReLU", "Sigmoid", "Tanh", "Softplus")]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Elementwise)])
def test_an_elementwise_layer_is_named_in_three_lines_elsewhere_at_most(kind):
    """The four that are left out are what other layers, networks and heads are made of."""
    name, lines = re.compile(rf"\b{kind.__name__}\b"), []
    for path in (ROOT / "minixnn").rglob("*.py"):
        if "interop" not in path.parts and "models" not in path.parts and f"class {kind.__name__}(" not in (
                text := path.read_text(encoding="utf-8")):
            lines += [f"{path.name}: {line}" for line in text.splitlines() if name.search(line)]
    assert len(lines) <= 3, "\n".join(lines)
