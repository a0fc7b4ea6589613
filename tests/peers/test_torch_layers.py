"""Every layer beside torch: outputs, and gradients by input and weights, over drawn shapes, to 1e-9 in float64.

A case is a layer of ours, the function of torch that it should be, written for arrays in our order of axes, and an
input. torch differentiates by our own arrays, so that nothing has to be sorted afterwards.
"""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minixnn import Network, passes
from minixnn import layers as kinds
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
seeds, sizes = st.integers(0, 2 ** 32 - 1), st.integers(1, 3)


def first(x):
    """Channels first: (N, H, W, C) -> (N, C, H, W), (N, T, C) -> (N, C, T)"""
    return x.movedim(-1, 1)


def last(y):
    return y.movedim(1, -1)


def functional():
    return torch.nn.functional


@st.composite
def conv(draw):
    rng, groups, (C, O) = np.random.default_rng(draw(seeds)), draw(sizes), (draw(sizes), draw(st.integers(1, 6)))
    stride, dilation = (draw(sizes), draw(sizes)), (draw(sizes), draw(sizes))
    (top, bottom), (left, right) = pads = ((draw(st.integers(0, 3)), draw(sizes)), (draw(sizes), draw(sizes)))
    kernel = draw(sizes), draw(sizes)
    size = [(k - 1) * d + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilation)]
    W, b = rng.normal(size=(*kernel, C, O * groups)), rng.normal(size=O * groups) if draw(st.booleans()) else None
    layer = kinds.Conv2d(W, b, stride, pads, dilation, groups)

    def theirs(x, W, b=None):
        padded = functional().pad(first(x), (left, right, top, bottom))
        return last(functional().conv2d(padded, W.permute(3, 2, 0, 1).contiguous(), b, stride, 0, dilation, groups))
    return layer, theirs, rng.normal(size=(draw(sizes), *size, C * groups))


@st.composite
def depthwise(draw):
    rng, C, m = np.random.default_rng(draw(seeds)), draw(st.integers(2, 6)), draw(st.integers(1, 2))
    stride, dilation, kernel = ((draw(sizes), draw(sizes)) for _ in range(3))
    W, b = rng.normal(size=(*kernel, 1, C * m)), rng.normal(size=C * m)
    layer = kinds.Conv2d(W, b, stride, 2, dilation, groups=C)
    size = [(k - 1) * d + 1 + draw(st.integers(0, 4)) for k, d in zip(kernel, dilation)]

    def theirs(x, W, b):
        return last(functional().conv2d(first(x), W.permute(3, 2, 0, 1).contiguous(), b, stride, 2, dilation, C))
    return layer, theirs, rng.normal(size=(draw(sizes), *size, C))


@st.composite
def conv_transpose(draw):
    rng, groups, (C, O) = np.random.default_rng(draw(seeds)), draw(sizes), (draw(st.integers(1, 6)), draw(sizes))
    stride, dilation, kernel = ((draw(sizes), draw(sizes)) for _ in range(3))
    padding = tuple(draw(st.integers(0, min(2, (k - 1) * d))) for k, d in zip(kernel, dilation))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation))
    W = rng.normal(size=(*kernel, C * groups, O))
    b = rng.normal(size=O * groups) if draw(st.booleans()) else None
    (p, q), shape = padding, (draw(sizes), draw(st.integers(4, 6)), draw(st.integers(4, 6)), C * groups)
    layer = kinds.ConvTranspose2d(W, b, stride, ((p, p), (q, q)), extra, dilation, groups)

    def theirs(x, W, b=None):
        return last(functional().conv_transpose2d(first(x), W.permute(2, 3, 0, 1).contiguous(), b, stride, padding,
                                                  extra, groups, dilation))
    return layer, theirs, rng.normal(size=shape)


@st.composite
def conv1d(draw):
    rng, groups, (C, O) = np.random.default_rng(draw(seeds)), draw(sizes), (draw(sizes), draw(sizes))
    k, stride, dilation, (before, after) = draw(sizes), draw(sizes), draw(sizes), (draw(sizes), draw(sizes))
    W, b = rng.normal(size=(k, C, O * groups)), rng.normal(size=O * groups) if draw(st.booleans()) else None
    layer = kinds.Conv1d(W, b, stride, (before, after), dilation, groups)

    def theirs(x, W, b=None):
        padded = functional().pad(first(x), (before, after))
        return last(functional().conv1d(padded, W.permute(2, 1, 0).contiguous(), b, stride, 0, dilation, groups))
    return layer, theirs, rng.normal(size=(draw(sizes), (k - 1) * dilation + draw(sizes), C * groups))


@st.composite
def upsample(draw):
    rng, shape = np.random.default_rng(draw(seeds)), (draw(sizes), draw(st.integers(1, 6)), draw(st.integers(1, 6)), 2)
    mode = draw(st.sampled_from(kinds.upsample.MODES))
    corners = mode == "bilinear" and draw(st.booleans())
    if draw(st.booleans()):
        where = {"size": (draw(st.integers(1, 9)), draw(st.integers(1, 9)))}
    else:
        where = {"scale": tuple(draw(st.sampled_from([1.0, 1.5, 2.0, 2.3, 3.0])) for _ in range(2))}
    layer = kinds.Upsample(**where, mode=mode, align_corners=corners)

    def theirs(x):
        scale, size = where.get("scale"), where.get("size")
        return last(functional().interpolate(first(x), size, scale, mode, corners if mode == "bilinear" else None))
    return layer, theirs, rng.normal(size=shape)


@st.composite
def global_max_pool(draw):
    rng, shape = np.random.default_rng(draw(seeds)), (draw(sizes), *draw(st.lists(sizes, min_size=1, max_size=2)), 3)

    def theirs(x):
        return x.reshape(len(x), -1, x.shape[-1]).amax(dim=1)
    return kinds.GlobalMaxPool(), theirs, rng.normal(size=shape)


ACTIVATIONS = {
    "LeakyReLU": (kinds.LeakyReLU(0.2), lambda x: functional().leaky_relu(x, 0.2)),
    "PReLU": (kinds.PReLU(np.array([0.1, -0.2, 0.3])), lambda x, a: last(functional().prelu(first(x), a))),
    "PReLU, one for all": (kinds.PReLU(np.array([0.1])), lambda x, a: functional().prelu(x, a)),
    "ReLU6": (kinds.ReLU6(), lambda x: functional().relu6(x)),
    "Clip": (kinds.Clip(-1, 0.5), lambda x: functional().hardtanh(x, -1, 0.5)),
    "Clip, one side": (kinds.Clip(high=1), lambda x: x.clamp(max=1)),
    "Hardsigmoid": (kinds.Hardsigmoid(), lambda x: (x / 6 + 0.5).clamp(0, 1)),      # torch rounds 1 / 6 to float32
    "Hardswish": (kinds.Hardswish(), lambda x: functional().hardswish(x)),
    "ELU": (kinds.ELU(1.3), lambda x: functional().elu(x, 1.3)),
    "SELU": (kinds.SELU(), lambda x: functional().selu(x)),
    "GELU": (kinds.GELU(), lambda x: functional().gelu(x)),
    "GELU, tanh": (kinds.GELU("tanh"), lambda x: functional().gelu(x, approximate="tanh")),
    "SiLU": (kinds.SiLU(), lambda x: functional().silu(x)),
    "Mish": (kinds.Mish(), lambda x: functional().mish(x)),
    "Softplus": (kinds.Softplus(2.0), lambda x: functional().softplus(x, 2.0, threshold=1e9)),
    "Softmax": (kinds.Softmax(), lambda x: x.softmax(-1)),
    "Softmax over rows": (kinds.Softmax(1), lambda x: x.softmax(1)),
    "LogSoftmax": (kinds.LogSoftmax(), lambda x: x.log_softmax(-1)),
}


@st.composite
def activation(draw):
    layer, theirs = ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))]
    rng = np.random.default_rng(draw(seeds))
    return layer, theirs, draw(st.sampled_from([0.1, 1, 5, 30])) * rng.normal(size=(2, 3, draw(sizes), 3))


@st.composite
def layer_norm(draw):
    rng, shape = np.random.default_rng(draw(seeds)), (draw(sizes), draw(sizes), draw(sizes), draw(st.integers(2, 5)))
    count, kind = draw(sizes), draw(st.sampled_from([kinds.LayerNorm, kinds.RMSNorm]))
    gamma = rng.normal(size=shape[-count:]) if draw(st.booleans()) else None
    beta = rng.normal(size=shape[-count:]) if kind is kinds.LayerNorm and gamma is not None else None

    def theirs(x, gamma=None, beta=None):
        if kind is kinds.LayerNorm:
            return functional().layer_norm(x, shape[-count:], gamma, beta, 1e-3)
        return functional().rms_norm(x, shape[-count:], gamma, 1e-3)
    return kind(gamma, beta, range(-count, 0), 1e-3), theirs, rng.normal(size=shape)


@st.composite
def group_norm(draw):
    rng, groups, c = np.random.default_rng(draw(seeds)), draw(sizes), draw(sizes)
    shape = draw(sizes), *draw(st.lists(st.integers(2, 3), min_size=1, max_size=2)), groups * c
    gamma, beta = rng.normal(size=(2, groups * c)) if draw(st.booleans()) else (None, None)

    def theirs(x, gamma=None, beta=None):
        return last(functional().group_norm(first(x), groups, gamma, beta, 1e-3))
    return kinds.GroupNorm(gamma, beta, groups, 1e-3), theirs, rng.normal(size=shape)


@st.composite
def local_response_norm(draw):
    rng, C, size = np.random.default_rng(draw(seeds)), draw(st.integers(1, 7)), draw(st.integers(1, 6))
    layer = kinds.LocalResponseNorm(size, alpha=0.3, beta=0.75, k=1.5)

    def theirs(x):
        return last(functional().local_response_norm(first(x), size, 0.3, 0.75, 1.5))
    return layer, theirs, 3 * rng.normal(size=(draw(sizes), 2, 2, C))


@st.composite
def channels(draw):
    rng, groups, c = np.random.default_rng(draw(seeds)), draw(sizes), draw(st.integers(2, 4))
    layer, theirs = draw(st.sampled_from([
        (kinds.ChannelShuffle(groups), lambda x: last(functional().channel_shuffle(first(x), groups))),
        (kinds.ChannelSelect(1), lambda x: x[..., 1:]), (kinds.ChannelSelect(stop=2), lambda x: x[..., :2])]))
    return layer, theirs, rng.normal(size=(2, 3, 2, groups * c))


@st.composite
def tokens(draw):
    rng, shape = np.random.default_rng(draw(seeds)), (draw(sizes), draw(st.integers(1, 5)), draw(sizes))
    layer, theirs = draw(st.sampled_from([
        (kinds.PositionEmbedding(rng.normal(size=shape[1:])), lambda x, b: x + b),
        (kinds.ClassToken(rng.normal(size=shape[2])), lambda x, token: torch.cat([token.expand(len(x), 1, -1), x], 1)),
        (kinds.TakeToken(-1), lambda x: x[:, -1])]))
    return layer, theirs, rng.normal(size=shape)


KINDS = {"Conv2d": conv, "depthwise": depthwise, "ConvTranspose2d": conv_transpose, "Conv1d": conv1d,
         "Upsample": upsample, "GlobalMaxPool": global_max_pool, "activation": activation, "LayerNorm": layer_norm,
         "GroupNorm": group_norm, "LocalResponseNorm": local_response_norm, "channels": channels,
         "tokens": tokens}


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_layer_and_its_gradients_are_those_of_torch(name, data):
    layer, theirs, x = data.draw(KINDS[name]())
    arrays = {name: a for name, a in layer.arrays().items() if a is not None}
    x_theirs, *tensors = (torch.tensor(a, requires_grad=True) for a in (x, *arrays.values()))
    y_theirs = theirs(x_theirs, **dict(zip(arrays, tensors)))
    y = layer.forward(x)
    assert_equal(y, y_theirs, f"{layer!r}, output")
    dy = np.random.default_rng(0).normal(size=y.shape)
    grads = torch.autograd.grad(y_theirs, (x_theirs, *tensors), torch.tensor(dy), allow_unused=True)
    assert_equal(layer.gradient(x, y, dy), grads[0], f"{layer!r}, dx")
    found = layer.parameter_gradients(x, dy)
    for name, expected in zip(arrays, grads[1:]):
        if expected is None and name == "mask":             # says who sees whom, and is not learnt
            continue
        assert_equal(found[name], expected, f"{layer!r}, d{name}")


def assert_equal(came, expected, what):
    expected = expected.detach().numpy()
    assert came.shape == expected.shape, f"{what}: shape {came.shape}, expected {expected.shape}"
    off = abs(came - expected)
    assert off.max() <= 1e-9 * max(1, abs(expected).max()), \
        f"{what}: came {came.flat[off.argmax()]}, expected {expected.flat[off.argmax()]}"


@settings(max_examples=40)
@given(seed=seeds, heads=sizes, causal=st.booleans(), biased=st.booleans(), masked=st.booleans())
def test_attention_and_its_gradient_are_those_of_torch(seed, heads, causal, biased, masked):
    """Torch's four matrices lie the other way round, and three of them in one."""
    rng = np.random.default_rng(seed)
    d, T, n = rng.integers(1, 5, size=3)
    C = int(heads * d)
    W, b = rng.normal(size=(4, C, C)), rng.normal(size=(4, C)) if biased else [None] * 4
    mask = (rng.random((T, T)) + np.eye(T) > 0.4).astype("float64") if masked else None
    hidden = (np.zeros((T, T), bool) if mask is None else mask == 0) | (np.triu(np.ones((T, T), bool), 1) & causal)
    net, x, dy = Network([kinds.Attention(*W, *b, mask, heads, causal)]), *rng.normal(size=(2, n, T, C))
    theirs = torch.tensor(x, requires_grad=True)
    y = functional().multi_head_attention_forward(
        *[theirs.transpose(0, 1)] * 3, C, heads, torch.tensor(np.concatenate([w.T for w in W[:3]])),
        torch.tensor(np.concatenate(b[:3])) if biased else None, None, None, False, 0.0, torch.tensor(W[3].T),
        torch.tensor(b[3]) if biased else None, attn_mask=torch.tensor(hidden), need_weights=False)[0].transpose(0, 1)
    assert_equal(net.forward(x), y, "output")
    expected, = torch.autograd.grad(y, theirs, torch.tensor(dy))
    assert_equal(passes.gradient(net, x, start=dy)[0], expected, "dx")
