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
    "stack": (layers.Stack(2), lambda a, b: torch.stack((a, b), 2)),
    "einsum": (layers.Einsum("nhtd,nhud->nhtu"), lambda a, b: torch.einsum("nhtd,nhud->nhtu", a, b)),
}


@pytest.mark.parametrize("name", JOINS)
def test_joins(name):
    agree(*JOINS[name], draw(*SIZES), draw(*SIZES, seed=1))


# --- what needs no layer of its own --------------------------------------------------------------------------------

class Chain:
    """Layers one after the other, with a layer's methods."""

    def __init__(self, *parts):
        self.parts = parts

    def trace(self, x):
        A = [x]
        for layer in self.parts:
            A.append(layer.forward(A[-1]))
        return A

    def forward(self, x):
        return self.trace(x)[-1]

    def gradient(self, x, y, dy):
        A = self.trace(x)
        for l in reversed(range(len(self.parts))):
            dy = self.parts[l].gradient(A[l], A[l + 1], dy)
        return dy


MASK, ROWS, COLUMNS = draw(7, 4, seed=5) > 0, np.array([[0, 5], [2, 2]]), np.array([[1, 6], [0, 3]])
CHAINS = {                                      # of (2, 6, 7, 4), or images of 6 x 8 pixels
    "pixel_shuffle": (Chain(layers.Reshape((6, 8, 1, 2, 2)), layers.Permute((0, 3, 1, 4, 2)), layers.Reshape(
        (12, 16, 1))), images(lambda x: F.pixel_shuffle(x, 2)), (2, 6, 8, 4)),
    "pixel_unshuffle": (Chain(layers.Reshape((3, 2, 4, 2, 4)), layers.Permute((0, 2, 4, 1, 3)), layers.Reshape(
        (3, 4, 16))), images(lambda x: F.pixel_unshuffle(x, 2)), (2, 6, 8, 4)),
    "masked_fill": (Chain(layers.Scale(1.0 - MASK), layers.Shift(-7.0 * MASK)), lambda x: x.masked_fill(
        torch.tensor(MASK), -7.0), SIZES),
    "repeat": (layers.Gather(np.arange(18) % 6, 1), lambda x: x.repeat(1, 3, 1, 1), SIZES),
    "expand": (layers.Scale(np.ones((6, 5, 4))), lambda x: x.expand(2, 6, 5, 4), (2, 6, 1, 4)),
    "cumsum": (layers.Contract(np.triu(np.ones((7, 7))), "nhwc,wk->nhkc"), lambda x: x.cumsum(2), SIZES),
    "one minus": (Chain(layers.Scale(-1.0), layers.Shift(np.ones(1))), lambda x: 1 - x, SIZES),
    "over x": (Chain(layers.Power(-1), layers.Scale(3.0)), lambda x: 3 / x, SIZES),
    "two to the x": (Chain(layers.Scale(float(np.log(2.0))), layers.Function("exp")), lambda x: 2 ** x, SIZES),
    "p-norm": (Chain(layers.Function("abs"), layers.Power(3), layers.SumOver(-1), layers.Power(1 / 3)),
               lambda x: x.norm(p=3, dim=-1), SIZES),
    "celu": (Chain(layers.Scale(1 / 1.5), layers.ELU(), layers.Scale(1.5)), lambda x: F.celu(x, 1.5), SIZES),
    "advanced index": (layers.Gather((7 * ROWS + COLUMNS)[..., None] * 4 + np.arange(4)),
                       lambda x: x[:, torch.tensor(ROWS), torch.tensor(COLUMNS)], SIZES),
}


@pytest.mark.parametrize("name", CHAINS)
def test_compositions(name):
    layer, function, shape = CHAINS[name]
    agree(layer, function, draw(*shape))


def test_vectors_of_length_one():
    """F.normalize: x over its length, which is kept above 1e-12."""
    x, length = draw(*SIZES), Chain(layers.Norm(-1, keepdims=True), layers.Clip(low=1e-12))
    given = torch.tensor(x, requires_grad=True)
    wanted, norm = F.normalize(given, dim=-1), length.forward(x)
    y = layers.Divide().forward((x, norm))
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-12)
    dy = draw(*SIZES, seed=3)
    wanted.backward(torch.tensor(dy))
    dx, d_norm = layers.Divide().gradient((x, norm), y, dy)
    np.testing.assert_allclose(dx + length.gradient(x, norm, d_norm), given.grad.numpy(), rtol=1e-9, atol=1e-12)


# --- windows -------------------------------------------------------------------------------------------------------

SHAPES = {1: (2, 9, 4), 2: (2, 8, 7, 4), 3: (2, 5, 6, 7, 4)}


def kernel(W):
    """Our weights (..., C, O) as torch's (O, C, ...), or our transposed ones (..., C, O) as torch's (C, O, ...)."""
    return torch.tensor(np.moveaxis(W, (-1, -2), (0, 1)))


def test_convolutions_of_videos():
    for stride, padding, dilation, groups in ((1, 1, 1, 1), ((1, 2, 3), (1, 0, 2), 1, 2), (2, 1, (1, 2, 1), 4)):
        W, b = draw(2, 3, 2, 4 // groups, 8), draw(8)
        pads = [(p, p) for p in np.broadcast_to(padding, 3).tolist()]
        agree(layers.Conv3d(W, b, stride, pads, dilation, groups), images(lambda x: F.conv3d(
            x, kernel(W), torch.tensor(b), stride, padding, dilation, groups)), draw(*SHAPES[3]))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_transposed_convolutions(n):
    for stride, padding, extra, dilation, groups in ((2, 0, 0, 1, 1), (3, 1, 1, 2, 2), (2, 1, 1, 1, 4)):
        W, b = draw(*(3, 2, 3)[:n], 4, 8 // groups), draw(8)
        ours = getattr(layers, f"ConvTranspose{n}d")(W, b, stride, padding, extra, dilation, groups)
        agree(ours, images(lambda x: getattr(F, f"conv_transpose{n}d")(
            x, torch.tensor(np.moveaxis(W, (-2, -1), (0, 1))), torch.tensor(b), stride, padding, extra, groups,
            dilation)), draw(*SHAPES[n]))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("ceil", [False, True])
def test_pools(n, ceil):
    x, tried = draw(*SHAPES[n]), 0
    for size in (2, 3):
        for stride in (1, 2, 3):
            for padding in {0, size // 2}:
                settings = dict(kernel_size=size, stride=stride, padding=padding, ceil_mode=ceil)
                for dilation in (1, 2):
                    agree(getattr(layers, f"MaxPool{n}d")(size, stride, padding, ceil, dilation), images(
                        lambda x: getattr(F, f"max_pool{n}d")(x, dilation=dilation, **settings)), x)
                for counts in (False, True):
                    agree(getattr(layers, f"AvgPool{n}d")(size, stride, padding, counts, ceil), images(
                        lambda x: getattr(F, f"avg_pool{n}d")(x, count_include_pad=counts, **settings)), x)
                    tried += 1
    assert tried == 24


@pytest.mark.parametrize("n", [1, 2, 3])
def test_adaptive_pools(n):
    size = (3, 2, 5)[:n]
    agree(getattr(layers, f"AdaptiveAvgPool{n}d")(size), images(
        lambda x: getattr(F, f"adaptive_avg_pool{n}d")(x, size)), draw(*SHAPES[n]))


MODES = {"nearest": ("nearest",) * 3, "nearest-exact": ("nearest-exact",) * 3,
         "bilinear": ("linear", "bilinear", "trilinear"), "bicubic": (None, "bicubic", None)}


@pytest.mark.parametrize("mode, n, corners", [(mode, n, corners) for mode in MODES for n in (1, 2, 3) for corners in (
    False, True) if MODES[mode][n - 1] and not (corners and "nearest" in mode)])
def test_sizes(mode, n, corners):
    theirs = MODES[mode][n - 1]
    sizes, scale = (5, 13, 9)[:n], (1.7, 0.6, 2.0)[:n]
    more = {} if "nearest" in mode else {"align_corners": corners}
    agree(layers.Upsample(size=sizes, mode=mode, **more), images(lambda x: F.interpolate(
        x, size=sizes, mode=theirs, **more)), draw(*SHAPES[n]))
    agree(layers.Upsample(scale, mode=mode, **more), images(lambda x: F.interpolate(
        x, scale_factor=scale, mode=theirs, **more)), draw(*SHAPES[n]))
