"""Functions of torch and methods of tensors, as a forward calls them: read by from_torch, and from what torch exports.

Outputs and input gradients equal torch's in float64, by either way.
"""
import warnings

import numpy as np
import pytest

from minixnn import passes
from minixnn.interop import from_onnx, from_torch
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
F = torch and torch.nn.functional
C, H, W = 3, 8, 6


class Calls(torch.nn.Module if torch else object):
    """A forward f(parameters, x), and parameters of all shapes that the functions below ask for."""
    SHAPES = {"kernel": (4, C, 3, 3), "turned": (C, 4, 3, 3), "sequences": (4, C, 3), "b": (4,), "gamma": (C,),
              "beta": (C,), "last": (5, W), "rows": (7, H), "pixels": (H, W), "scale": (C, 1, 1), "slope": (1,),
              "wide": (5, C * H * W + C + H * W)}

    def __init__(self, f):
        super().__init__()
        self.f = f
        generator = torch.Generator().manual_seed(0)
        for name, shape in self.SHAPES.items():
            setattr(self, name, torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64) * 0.5))
        self.register_buffer("mean", torch.randn(C, generator=generator, dtype=torch.float64))
        self.register_buffer("variance", torch.rand(C, generator=generator, dtype=torch.float64) + 0.5)
        self.dropped, self.normed = torch.nn.Dropout(0.5), torch.nn.InstanceNorm2d(C, affine=True, dtype=torch.float64)

    def forward(self, x):
        return self.f(self, x)


IMAGES = {
    "conv2d": lambda m, x: F.conv2d(x, m.kernel, m.b, stride=2, padding=1),
    "conv2d, dilated, without a bias": lambda m, x: F.conv2d(x, m.kernel, dilation=2, padding="same"),
    "conv_transpose2d": lambda m, x: F.conv_transpose2d(x, m.turned, m.b, 2, 1, 1),
    "linear": lambda m, x: F.linear(x, m.last),
    "a matrix times x": lambda m, x: m.rows @ x,
    "x times a matrix": lambda m, x: x @ m.last.T,
    "batch_norm": lambda m, x: F.batch_norm(x, m.mean, m.variance, m.gamma, m.beta),
    "layer_norm": lambda m, x: F.layer_norm(x, (H, W), m.pixels, m.pixels),
    "layer_norm of channels": lambda m, x: F.layer_norm(x.permute(0, 2, 3, 1), (C,), m.gamma).permute(0, 3, 1, 2),
    "group_norm": lambda m, x: F.group_norm(x, 3, m.gamma, m.beta),
    "InstanceNorm2d": lambda m, x: m.normed(x),
    "local_response_norm": lambda m, x: F.local_response_norm(x, 3, 0.5, 0.75, 2.0),
    "a norm by rsqrt and var": lambda m, x: (x - x.mean(3, keepdim=True)) * torch.rsqrt(
        x.var(3, unbiased=False, keepdim=True) + 1e-5),
    "a norm by a power of 0.5": lambda m, x: x / (x.pow(2).mean(3, keepdim=True) + 1e-5) ** 0.5,
    "dropout": lambda m, x: F.dropout(m.dropped(x), 0.5, m.training) * 2,
    "adaptive_avg_pool2d": lambda m, x: F.adaptive_avg_pool2d(x, (4, 3)),
    "adaptive_avg_pool2d, one pixel": lambda m, x: F.adaptive_avg_pool2d(x, 1),
    "adaptive_max_pool2d": lambda m, x: F.adaptive_max_pool2d(x, 1),
    "avg_pool2d": lambda m, x: F.avg_pool2d(x, 3, 2, 1),
    "avg_pool2d of real pixels": lambda m, x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "avg_pool2d, sizes rounded up": lambda m, x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "max_pool2d, sizes rounded up": lambda m, x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "max_pool2d": lambda m, x: F.max_pool2d(x, 2),
    "activations": lambda m, x: F.relu6(F.leaky_relu(x, 0.2)) + F.elu(x) + F.silu(x) + F.gelu(x) + F.mish(x),
    "hard activations": lambda m, x: F.hardtanh(x, -0.5, 2) + F.hardswish(x) + F.hardsigmoid(x),
    "clamps": lambda m, x: x.clamp(min=0) + x.clamp(max=1) + torch.clamp(x, -1, 2) + x.clamp_min(-0.5),
    "prelu and softplus": lambda m, x: F.prelu(x, m.slope) + F.softplus(x, 2) + F.selu(x),
    "maximum with a constant": lambda m, x: torch.maximum(x, torch.zeros(())),
    "softmax of rows": lambda m, x: x.softmax(dim=3) + F.log_softmax(x, dim=1),
    "two minus x": lambda m, x: 2 - x + 3 * (1 - x) / 4,
    "a scale and a shift a channel": lambda m, x: x * m.scale - m.scale,
    "square": lambda m, x: torch.square(x) + x ** 3,
    "max over an axis": lambda m, x: x.max(dim=1)[0],
    "amax over pixels": lambda m, x: x.amax((2, 3)),
    "sum over pixels": lambda m, x: x.sum((2, 3)) + x.mean(3).mean(2),
    "mean over rows": lambda m, x: x.mean(dim=2),
    "stack": lambda m, x: torch.stack([x, x.relu()], dim=2).flatten(1, 2),
    "cat of rows": lambda m, x: F.linear(torch.cat([x.flatten(1), x.mean((2, 3)), x[:, 0].flatten(1)], dim=1), m.wide),
    "cat of one": lambda m, x: torch.cat([x]).relu(),
    "narrow": lambda m, x: x.narrow(2, 1, 5),
    "an ellipsis": lambda m, x: x[..., 1:4] * 2,
    "every second pixel": lambda m, x: x[:, :, ::2, 1::2],
    "None and squeeze": lambda m, x: x[:, None].squeeze(1) * 2,
    "select": lambda m, x: x.select(1, 1) + x[:, -1],
    "chunk": lambda m, x: x.chunk(2, dim=2)[0] - x.chunk(2, dim=2)[1],
    "split": lambda m, x: x.split([2, 6], dim=2)[1],
    "unbind": lambda m, x: x.unbind(1)[0] * x.unbind(1)[2].sigmoid(),
    "unflatten": lambda m, x: x.unflatten(2, (4, 2)).mean(dim=3),
    "views": lambda m, x: x.view(x.size(0), C * H, W).transpose(1, 2).reshape(-1, W * C * H),
    "permute": lambda m, x: x.permute(0, 3, 1, 2).contiguous(),
    "expand_as": lambda m, x: x * x.mean((2, 3), keepdim=True).sigmoid().expand_as(x),
    "expand": lambda m, x: x + x.mean(1, keepdim=True).expand(-1, C, -1, -1),
    "a channel of gates": lambda m, x: x * x.mean(1, keepdim=True).sigmoid(),
    "interpolate, nearest": lambda m, x: F.interpolate(x, scale_factor=2),
    "interpolate, bilinear": lambda m, x: F.interpolate(x, size=(11, 9), mode="bilinear", align_corners=False),
    "interpolate, corners": lambda m, x: F.interpolate(x, size=(11, 9), mode="bilinear", align_corners=True),
    "pad": lambda m, x: F.pad(x, (1, 0, 2, 1)),
    "pad before a max pool": lambda m, x: F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=float("-inf")), 3),
    "pixel_shuffle": lambda m, x: F.pixel_shuffle(torch.cat([x, x], 1)[:, :4], 2),
    "channel shuffle by hand": lambda m, x: torch.cat([x, -x], 1).view(-1, 2, C, H, W).transpose(1, 2).reshape(
        -1, 2 * C, H, W),
    "sizes": lambda m, x: x.reshape(x.shape[0], -1) * x.size(2) / x.dim(),
    "in place": lambda m, x: (x * 1).add_(1).relu_(),
    "add with a factor": lambda m, x: torch.add(x, x.relu(), alpha=2),
    "variance": lambda m, x: x.var(3, keepdim=True) + x.std((1, 2), unbiased=False, keepdim=True),
    "reflected edges": lambda m, x: F.pad(x, (1, 1, 1, 1), mode="reflect") + F.pad(x, (1, 1, 1, 1), mode="replicate"),
    "picked channels": lambda m, x: x[:, [0, 2]],
    "adaptive_max_pool2d, four pixels": lambda m, x: F.adaptive_max_pool2d(x, 2),
    "clamp at an array": lambda m, x: x.clamp(m.scale.detach(), None),
    "a number for each pixel": lambda m, x: x * m.pixels,
    "softmax of a flattened image": lambda m, x: x.flatten(1).softmax(1) + 1,
    "divided by itself": lambda m, x: x / (x ** 2 + 1),
    "interpolate, bicubic": lambda m, x: F.interpolate(x, scale_factor=1.5, mode="bicubic"),
    "max_pool2d, dilated": lambda m, x: F.max_pool2d(x, 2, dilation=2),
    "flip": lambda m, x: x.flip(2),
    "rot90": lambda m, x: x.rot90(1, (2, 3)),
    "a threshold": lambda m, x: F.threshold(x, 0.1, 20.0),
    "cosine_similarity": lambda m, x: F.cosine_similarity(x, 2 * x + x.flip(1), dim=1),
    "pairwise_distance": lambda m, x: F.pairwise_distance(x, x.flip(3)),
    "a triangle": lambda m, x: x.tril() + x.triu(1),
    "any power": lambda m, x: x.sigmoid() ** 0.3 + 2 ** x,
    "roll": lambda m, x: x.roll((1, -2), (2, 3)),
    "where": lambda m, x: torch.where(x > x.mean(1, keepdim=True), x, x / 3),
    "unfold and fold": lambda m, x: F.fold(F.unfold(x, 3, padding=1, stride=2), (H, W), 3, padding=1, stride=2),
    "windows": lambda m, x: x.unfold(2, 3, 2).mean(-1) * 2,
    "an einsum": lambda m, x: torch.einsum("nchw,nchv->nwv", x, x.relu()),
    "normalize": lambda m, x: F.normalize(x, dim=1) + x.norm(dim=(2, 3), keepdim=True),
    "cumsum": lambda m, x: x.cumsum(2),
    "repeat": lambda m, x: x.repeat(1, 2, 1, 3) + x.repeat_interleave(2, 1).repeat(1, 1, 1, 3),
    "pairs of rows": lambda m, x: (x[:, 0, None] * x[:, 0, :, None]).sum(-1) + (x[:, 1, None] - x[:, 1, :, None]).abs(
        ).sum(-1),
    "a product of three": lambda m, x: torch.maximum(x, x.flip(3)) * x.abs().sqrt() * torch.exp(-x ** 2),
}
SEQUENCES = {
    "conv1d": lambda m, x: F.conv1d(x, m.sequences, m.b, padding=1),
    "max_pool1d": lambda m, x: F.max_pool1d(x, 2),
    "avg_pool1d": lambda m, x: F.avg_pool1d(x, 3, 2, 1),
    "adaptive_avg_pool1d": lambda m, x: F.adaptive_avg_pool1d(x, 1),
    "gates of a sequence": lambda m, x: x * x.mean(2, keepdim=True).sigmoid(),
}
ONLY_TORCH = {"rot90", "a threshold", "max over an axis"}                           # the exporter of files fails


def agrees(net, module, x, bound=1e-8):                 # torch's hardsigmoid has its sixth in single precision
    tensor = torch.tensor(x, requires_grad=True)
    theirs = module(tensor)
    moved = net.card.layout == "channels first"
    mine = np.ascontiguousarray(np.moveaxis(x, 1, -1) if moved else x)
    y = net.forward(mine)
    back = moved and y.ndim in (4, x.ndim)
    expected = theirs.detach().numpy()
    close(np.moveaxis(y, -1, 1) if back else y, expected, bound, "outputs")
    dy = np.random.default_rng(1).normal(size=expected.shape)
    dx = passes.gradient(net, mine, start=np.moveaxis(dy, 1, -1) if back else dy)[0]
    expected, = torch.autograd.grad(theirs, tensor, torch.tensor(dy))
    close(np.moveaxis(dx, -1, 1) if moved else dx, expected.numpy(), bound, "gradients")


def close(came, expected, bound, what):
    assert came.shape == expected.shape, f"{what}: {came.shape}, expected {expected.shape}"
    off = abs(came - expected).max() / abs(expected).max()
    assert off < bound, f"{what} differ by {off:.1e} of the largest"


def case(name):
    """(module, an input)"""
    shape = (2, C, H, W) if name in IMAGES else (2, C, 9)
    return Calls({**IMAGES, **SEQUENCES}[name]).eval(), np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("name", [*IMAGES, *SEQUENCES])
def test_a_function_in_a_forward(name):
    module, x = case(name)
    agrees(from_torch(module, x.shape[1:]), module, x)


@pytest.mark.parametrize("name", [name for name in (*IMAGES, *SEQUENCES) if name not in ONLY_TORCH])
@pytest.mark.parametrize("size", ["any batch", "two"])
def test_a_function_in_an_exported_file(name, size, tmp_path):
    module, x = case(name)
    axes = {"dynamic_axes": {"x": {0: "n"}}} if size == "any batch" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, torch.tensor(x), tmp_path / "net.onnx", dynamo=False, input_names=["x"], **axes)
        net = from_onnx(tmp_path / "net.onnx")
    agrees(net, module, x, bound=1e-6)                      # a file has scales and epsilons in single precision


@pytest.mark.parametrize("f, sentence", [
    (lambda m, x: F.dropout(x), "draws at random whenever it runs"),
    (lambda m, x: F.interpolate(x, size=(4, 3), mode="bilinear", antialias=True), "antialias=True is not supported"),
    (lambda m, x: F.batch_norm(x, None, None, training=True), "normalises by the statistics of the batch"),
    (lambda m, x: F.conv2d(x, x[:1, :, :3, :3]), "takes some of the images of a batch"),
    (lambda m, x: x.max(dim=1)[1] * 1.0, "a place, or a label, is no number"),
    (lambda m, x: x.expand(2, 2, C, H, W), "torch.export cannot read it"),
    (lambda m, x: x[:, :, :0], "does not depend on the input"),
    (lambda m, x: x[:1] * 2, "takes some of the images of a batch"),
    (lambda m, x: x.reshape(-1, 2, H), "torch.export cannot read it|expected one row for each image"),
    (lambda m, x: x.mean(0, keepdim=True) + x, "the batch is one of them"),
    (lambda m, x: torch.fft.rfft2(x).real, "not supported"),
    (lambda m, x: x.grad * x, "does not take inputs of shape"),
])
def test_what_cannot_be_read_is_refused_in_a_sentence(f, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_torch(Calls(f).eval(), (C, H, W))


def test_what_depends_on_a_size_that_is_not_known_asks_for_the_shape():
    for f in (lambda m, x: F.conv2d(x, m.kernel).reshape(-1, 96), lambda m, x: x.mean((2, 3)) * x.shape[2]):
        with pytest.raises(ValueError, match="input_shape="):
            from_torch(Calls(f).eval())
