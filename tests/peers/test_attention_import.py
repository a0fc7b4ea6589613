"""Attention in torch modules and ONNX files becomes plain layers, with the outputs and gradients that torch has."""
import warnings

import numpy as np
import pytest

from minixnn import layers, passes
from minixnn.interop import from_onnx, from_torch
from minixnn.rules import composites
from tests.peers import attention_like, libraries
from tests.peers.attention_like import HEADS, KINDS, C

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
SHAPE = (2, 8, 8)
HARD = {"scaled_dot_product_attention", "causal", "MultiheadAttention"}         # those that exporters write differently


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


def has_two(net):
    """Each attention is two products of matrices with a softmax between them."""
    kinds = [type(layer) for layer in net.layers]
    assert kinds.count(layers.MatMul) == 4 and kinds.count(layers.Softmax) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_attention_in_a_module_of_torch(kind):
    module = attention_like.vit(kind)
    net = from_torch(module, SHAPE)
    has_two(net)
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
    has_two(net)
    assert off(net, module) < 1e-10                 # LayerNorm's epsilon is a number of single precision in a file


@pytest.mark.parametrize("kind, opset", [*((kind, opset) for kind in sorted(HARD) for opset in (None, 23)),
                                         ("one product for all three", None)])
def test_attention_in_a_file_of_the_newer_exporter(kind, opset, tmp_path):
    module = attention_like.vit(kind)
    more = {"opset_version": opset} if opset else {}
    net = from_onnx(export(module, tmp_path / "net.onnx", dynamo=True, external_data=False, verbose=False,
                           dynamic_shapes=({0: torch.export.Dim("n")},), **more))
    has_two(net)
    assert off(net, module) < 1e-10


def test_all_ways_to_write_it_have_the_same_relevance():
    """Attention read from a graph has the relevance of the layer that torch's module becomes."""
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


LOOKS = {
    "other queries": lambda self, x: self.inner(self.other(x), x, x)[0],
    "its weights": lambda self, x: self.inner(x, x, x)[1] @ x,
    "a constant mask": lambda self, x: self.inner(x, x, x, attn_mask=self.causal, need_weights=False)[0],
    "numbers added to the scores": lambda self, x: self.inner(x, x, x, attn_mask=self.distance)[0],
    "distances": lambda self, x: (x @ x.transpose(1, 2) + self.distance).softmax(-1) @ x,
    "sigmoids": lambda self, x: (x @ x.transpose(1, 2)).sigmoid() @ x,
    "softmax over queries": lambda self, x: (x @ x.transpose(1, 2)).softmax(1) @ x,
    "other values": lambda self, x: (x @ x.transpose(1, 2)).softmax(-1) @ x.relu(),
    "without projections": lambda self, x: torch.nn.functional.scaled_dot_product_attention(x, x, x),
    "chosen scores": lambda self, x: torch.where(self.causal, x @ x.transpose(1, 2), 0.5).softmax(-1) @ x,
}


@pytest.mark.parametrize("name", LOOKS)
def test_attention_of_any_kind(name):
    module = Looks(LOOKS[name]).double().eval()
    x = torch.tensor(np.random.default_rng(0).normal(size=(3, 5, C)), requires_grad=True)
    theirs, net = module(x), from_torch(module, (5, C))
    dy = torch.tensor(np.random.default_rng(1).normal(size=theirs.shape))
    dx, = torch.autograd.grad(theirs, x, dy)
    np.testing.assert_allclose(net.forward(x.detach().numpy()), theirs.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(passes.gradient(net, x.detach().numpy(), start=dy.numpy())[0], dx.numpy(), atol=1e-12)


def test_dropout_that_is_left_on_is_refused():
    look = Looks(lambda self, x: torch.nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.5))
    with pytest.raises(ValueError, match="dropout_p=0.5 draws at random"):
        from_torch(look.eval(), (5, C))


@pytest.mark.parametrize("place", [0, -1, 2])
def test_one_token_of_a_sequence_is_one_layer(place):
    module = Looks(lambda self, x: self.other(x)).eval()
    whole = torch.nn.Sequential(module, Taking(place))
    assert from_torch(whole, (5, C)).layers[-1].index == place


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
