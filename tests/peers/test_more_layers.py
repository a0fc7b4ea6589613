"""Do the layers that importers make compute what torch's functions compute, forwards and backwards?"""
import numpy as np
import pytest

from minixnn import layers
from minixnn.layers.functions import FUNCTIONS

torch = pytest.importorskip("torch", reason="torch is not installed")
F = torch.nn.functional
SIZES = (2, 6, 7, 4)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def images(function):
    """torch's function of (N, C, ...) as one of (N, ..., C)."""
    return lambda x: function(x.movedim(-1, 1)).movedim(1, -1)


def agree(layer, function, *x):
    """Forward and gradient, in double precision; several x for a join."""
    given = [torch.tensor(a, requires_grad=True) for a in x]
    wanted = function(*given)
    ours = x if len(x) > 1 else x[0]
    y = layer.forward(ours)
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-9, atol=1e-9)
    dy = draw(*y.shape, seed=9)
    wanted.backward(torch.tensor(dy))
    found = layer.gradient(ours, y, dy)
    for dx, a in zip(found if len(x) > 1 else [found], given):
        np.testing.assert_allclose(dx, a.grad.numpy(), rtol=1e-9, atol=1e-9)


SPECIAL = {"logsigmoid": F.logsigmoid, "softsign": F.softsign}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    x = np.random.default_rng(0).uniform(*{"acosh": (1.1, 4), "log": (0.1, 4), "log1p": (-0.9, 4)}.get(
        name, (-0.9, 0.9) if name in ("acos", "asin", "atanh", "tan") else (-6, 6)), SIZES)
    agree(layers.Function(name), SPECIAL.get(name) or getattr(torch, name), x)


@pytest.mark.parametrize("exponent", [2, 3, -1, 0.5, -0.5, 1.7])
def test_powers(exponent):
    agree(layers.Power(exponent), lambda x: x ** exponent, abs(draw(*SIZES)) + 0.1)


CASES = {
    "sum": (layers.SumOver((1, -1)), lambda x: x.sum((1, 3))),
    "mean": (layers.MeanOver((2,), keepdims=True), lambda x: x.mean(2, keepdim=True)),
    "max": (layers.MaxOver((1, 2)), lambda x: x.amax((1, 2))),
    "min": (layers.MinOver(3), lambda x: x.min(3).values),
    "norm": (layers.Norm((1, 2), keepdims=True), lambda x: x.norm(dim=(1, 2), keepdim=True)),
    "softmax": (layers.Softmax(1), lambda x: x.softmax(1)),
    "log_softmax": (layers.LogSoftmax(2), lambda x: x.log_softmax(2)),
    "roll": (layers.Roll((2, -3), (1, 2)), lambda x: x.roll((2, -3), (1, 2))),
    "flip": (layers.Slice(2, None, None, -1), lambda x: x.flip(2)),
    "index_select": (layers.Gather([3, 0, 3], 2), lambda x: x.index_select(2, torch.tensor([3, 0, 3]))),
    "repeat_interleave": (layers.Gather(np.arange(12) // 2, 1), lambda x: x.repeat_interleave(2, 1)),
    "layer_norm": (layers.LayerNorm(draw(7, 4), draw(7, 4, seed=1), axes=(2, 3)), lambda x: F.layer_norm(
        x, (7, 4), *map(torch.tensor, (draw(7, 4), draw(7, 4, seed=1))))),
    "rms_norm": (layers.RMSNorm(draw(4), epsilon=1e-6), lambda x: F.rms_norm(x, (4,), torch.tensor(draw(4)), 1e-6)),
    "group_norm": (layers.GroupNorm(draw(4), draw(4, seed=1), 2), images(lambda x: F.group_norm(
        x, 2, *map(torch.tensor, (draw(4), draw(4, seed=1)))))),
    "instance_norm": (layers.GroupNorm(groups=4), images(F.instance_norm)),
    "local_response_norm": (layers.LocalResponseNorm(3, 0.5, 0.75, 2.0), images(lambda x: F.local_response_norm(
        x, 3, 0.5, 0.75, 2.0))),
    "einsum": (layers.Contract(draw(7, 5, 4), "nyhc,hkc->nyhk"),
               lambda x: torch.einsum("nyhc,hkc->nyhk", x, torch.tensor(draw(7, 5, 4)))),
    **{f"pad {mode}": (layers.Pad(((2, 1), (3, 2), (0, 0)), ours), images(lambda x, mode=mode: F.pad(
        x, (3, 2, 2, 1), mode))) for mode, ours in (("reflect", "reflect"), ("replicate", "edge"),
                                                    ("circular", "wrap"))},
}


@pytest.mark.parametrize("name", CASES)
def test_along_axes(name):
    agree(*CASES[name], draw(*SIZES))


def test_windows_of_images():
    """unfold and fold are Gather and Scatter, by indices that torch's own unfold gives."""
    place = torch.arange(6 * 7 * 4, dtype=torch.float64).reshape(1, 6, 7, 4)
    index = images(lambda x: F.unfold(x, (3, 2), stride=(2, 1)))(place)[0].long().numpy()
    agree(layers.Gather(index), images(lambda x: F.unfold(x, (3, 2), stride=(2, 1))), draw(*SIZES))
    agree(layers.Scatter(index, (6, 7, 4)), images(lambda x: F.fold(x, (6, 7), (3, 2), stride=(2, 1))),
          draw(2, *index.shape))


JOINS = {
    "maximum": (layers.Maximum(), torch.maximum), "minimum": (layers.Minimum(), torch.minimum),
    "divide": (layers.Divide(), torch.div),
    "where": (layers.Where(draw(6, 7, 1) > 0), lambda a, b: torch.where(torch.tensor(draw(6, 7, 1) > 0), a, b)),
    "stack": (layers.Stack(2), lambda a, b: torch.stack((a, b), 2)),
    "einsum": (layers.Einsum("nhtd,nhud->nhtu"), lambda a, b: torch.einsum("nhtd,nhud->nhtu", a, b)),
}


@pytest.mark.parametrize("name", JOINS)
def test_joins(name):
    agree(*JOINS[name], draw(*SIZES), draw(*SIZES, seed=1))
