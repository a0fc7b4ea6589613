"""Attention inside of torch modules and ONNX files becomes plain layers, with torch's outputs and gradients."""
import warnings

import numpy as np
import pytest

from minixnn import passes
from minixnn.interop import from_onnx, from_torch
from minixnn.layers import Softmax
from minixnn.rules import composites
from tests.peers import attention_like, libraries
from tests.peers.attention_like import HEADS, KINDS, C

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
SHAPE = (2, 8, 8)
HARD = {"scaled_dot_product_attention", "causal", "MultiheadAttention"}         # those that exporters write differently


def attentions(net):
    """The softmax of each attention."""
    return [layer for layer in net.layers if isinstance(layer, Softmax)]


def off(net, module):
    """How far outputs and gradients are from torch's, as parts of the largest."""
    x = np.random.default_rng(0).normal(size=(3, *SHAPE))
    tensor = torch.tensor(x, dtype=next(module.parameters()).dtype, requires_grad=True)
    theirs, moved = module(tensor), np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    y = net.forward(moved)
    dy = np.random.default_rng(1).normal(size=y.shape)
    theirs_dx, = torch.autograd.grad(theirs, tensor, torch.tensor(dy, dtype=tensor.dtype))
    dx = passes.gradient(net, moved, start=dy)[0].transpose(0, 3, 1, 2)
    assert abs(dx).max() > 1e-3
    return max(abs(a - b.detach().numpy()).max() / abs(a).max() for a, b in ((y, theirs), (dx, theirs_dx)))


def has_two(net, kind):
    assert len(attentions(net)) == 2, kind


@pytest.mark.parametrize("kind", KINDS)
def test_attention_in_a_module_of_torch(kind):
    module = attention_like.vit(kind)
    net = from_torch(module, SHAPE)
    has_two(net, kind)
    assert off(net, module) < 1e-12


def export(module, path, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(2, *SHAPE, dtype=next(module.parameters()).dtype),), path, **settings)
    return path


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "encoder layer"])
@pytest.mark.parametrize("size", ["any batch", "a batch of 2"])
def test_attention_in_a_file_of_the_older_exporter(kind, size, tmp_path):
    module = attention_like.vit(kind)
    axes = {"dynamic_axes": {"x": {0: "n"}}} if size == "any batch" else {}
    net = from_onnx(export(module, tmp_path / "net.onnx", dynamo=False, input_names=["x"], **axes))
    has_two(net, kind)
    assert off(net, module) < 1e-10                 # LayerNorm's epsilon is a number of single precision in a file


@pytest.mark.parametrize("kind, opset", [*((kind, opset) for kind in sorted(HARD) for opset in (None, 23)),
                                         ("one product for all three", None)])
def test_attention_in_a_file_of_the_newer_exporter(kind, opset, tmp_path):
    module = attention_like.vit(kind)
    more = {"opset_version": opset} if opset else {}
    net = from_onnx(export(module, tmp_path / "net.onnx", dynamo=True, external_data=False, verbose=False,
                           dynamic_shapes=({0: torch.export.Dim("n")},), **more))
    has_two(net, kind)
    assert off(net, module) < 1e-10


def test_all_ways_to_write_it_have_the_same_relevance():
    """Attention that is written out has the relevance of torch's module."""
    module = attention_like.vit("MultiheadAttention")
    known = from_torch(module, SHAPE)
    for kind in ("one product for all three", "scaled_dot_product_attention"):
        other = attention_like.vit(kind)
        for block, mine in zip(other.blocks, module.blocks):
            W, b = mine.attention.inner.in_proj_weight.data, mine.attention.inner.in_proj_bias.data
            block.load_state_dict({name: a for name, a in mine.state_dict().items() if "inner" not in name},
                                  strict=False)
            block.attention.out.load_state_dict(mine.attention.inner.out_proj.state_dict())
            parts = [block.attention.qkv] if kind.startswith("one") else \
                [block.attention.q, block.attention.k, block.attention.v]
            for part, rows, numbers in zip(parts, W.chunk(len(parts)), b.chunk(len(parts))):
                part.weight.data, part.bias.data = rows, numbers
        for name in ("patches", "norm", "head"):
            getattr(other, name).load_state_dict(getattr(module, name).state_dict())
        other.token.data, other.places.data = module.token.data, module.places.data
        x = np.random.default_rng(0).normal(size=(1, 8, 8, 2))
        R, expected = (passes.lrp(net, x, 0, composites.attn_lrp)[0] for net in (from_torch(other, SHAPE), known))
        np.testing.assert_allclose(R, expected, rtol=0, atol=1e-10 * abs(expected).max())


class Looks(torch.nn.Module if torch else object):
    """x plus what `look` makes of it with an nn.MultiheadAttention."""

    def __init__(self, look, **settings):
        super().__init__()
        self.look, self.other = look, torch.nn.Linear(C, C)
        self.inner = torch.nn.MultiheadAttention(C, HEADS, batch_first=True, **settings)
        self.register_buffer("causal", torch.ones(5, 5, dtype=torch.bool).triu(1))
        self.register_buffer("distance", -(torch.arange(5.)[:, None] - torch.arange(5.)).abs())

    def forward(self, x):
        return x + self.look(self, x)


class Taking(torch.nn.Module if torch else object):
    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, x):
        return x[:, self.place]


def of_sequences(net, module):
    """As `off`, for sequences."""
    x = np.random.default_rng(0).normal(size=(3, 5, C))
    tensor = torch.tensor(x, requires_grad=True)
    theirs, y = module(tensor), net.forward(x)
    dy = np.random.default_rng(1).normal(size=y.shape)
    theirs_dx, = torch.autograd.grad(theirs, tensor, torch.tensor(dy))
    dx = passes.gradient(net, x, start=dy)[0]
    return max(abs(a - b.detach().numpy()).max() / abs(a).max() for a, b in ((y, theirs), (dx, theirs_dx)))


def test_a_mask_may_be_a_constant():
    module = Looks(lambda self, x: self.inner(x, x, x, attn_mask=self.causal, need_weights=False)[0]).double().eval()
    assert of_sequences(from_torch(module, (5, C)), module) < 1e-12
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(
        C, HEADS, 20, batch_first=True), 2, enable_nested_tensor=False)
    band = torch.ones(5, 5).triu(-1).tril(1) == 0

    class Banded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder
            self.register_buffer("band", band)

        def forward(self, x):
            return self.encoder(x, mask=self.band).mean(dim=1)
    module = Banded().double().eval()
    assert of_sequences(from_torch(module, (5, C)), module) < 1e-12


@pytest.mark.parametrize("look", [
    lambda self, x: self.inner(self.other(x), x, x)[0],                     # queries of other tokens
    lambda self, x: self.inner(x, x, x)[1] @ x,                             # the weights themselves
    lambda self, x: self.inner(x, x, x, attn_mask=self.distance.to(x.dtype))[0],            # added numbers
    lambda self, x: (x @ x.transpose(1, 2) + self.distance).softmax(-1) @ x,
    lambda self, x: (x @ x.transpose(1, 2)).sigmoid() @ x,
    lambda self, x: (x @ x.transpose(1, 2)).softmax(1) @ x,
    lambda self, x: (x @ x.transpose(1, 2)).softmax(-1) @ x.relu(),
    lambda self, x: torch.nn.functional.scaled_dot_product_attention(x, x, x),
    lambda self, x: torch.where(self.causal, x @ x.transpose(1, 2), 0.5).softmax(-1) @ x,
], ids=range(9))
def test_attention_of_any_form_is_plain_layers(look):
    module = Looks(look).double().eval()
    assert of_sequences(from_torch(module, (5, C)), module) < 1e-12


@pytest.mark.parametrize("place", [0, -1, 2])
def test_one_token_of_a_sequence_is_one_layer(place):
    module = Looks(lambda self, x: self.other(x)).eval()
    whole = torch.nn.Sequential(module, Taking(place))
    x = torch.randn(3, 5, C)
    expected = whole(x).detach().numpy()
    np.testing.assert_allclose(from_torch(whole, (5, C)).forward(x.numpy()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("causal", [0, 1])
def test_the_attention_of_onnx_itself_takes_its_heads_side_by_side(causal, tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.helper.make_tensor_value_info
    nodes = [*(helper.make_node("MatMul", ["x", name], [name.lower()]) for name in ("Q", "K", "V")),
             helper.make_node("Attention", ["q", "k", "v"], ["y"], is_causal=causal, q_num_heads=HEADS,
                              kv_num_heads=HEADS, scale=0.7)]
    W = {name: np.random.default_rng(place).normal(size=(C, C)) for place, name in enumerate("QKV")}
    model = helper.make_model(helper.make_graph(
        nodes, "attention", [tensor("x", onnx.TensorProto.DOUBLE, ["n", 5, C])],
        [tensor("y", onnx.TensorProto.DOUBLE, ["n", 5, C])],
        [onnx.numpy_helper.from_array(a, name) for name, a in W.items()]), opset_imports=[helper.make_opsetid("", 23)])
    onnx.save(model, tmp_path / "net.onnx")
    x = np.random.default_rng(3).normal(size=(2, 5, C))
    q, k, v = (torch.tensor(x @ a).view(2, 5, HEADS, C // HEADS).transpose(1, 2) for a in W.values())
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=bool(causal), scale=0.7)
    net = from_onnx(tmp_path / "net.onnx")
    np.testing.assert_allclose(net.forward(x), expected.transpose(1, 2).flatten(2).numpy(), rtol=0, atol=1e-6)
