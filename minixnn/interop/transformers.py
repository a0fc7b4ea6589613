"""Transformers of torch: nn.MultiheadAttention and nn.TransformerEncoder.

    net = from_encoder(module)                              # MultiheadAttention, TransformerEncoderLayer or -Encoder

Torch's linear maps are (outputs, inputs), and the three that make queries, keys and values are one below the other.
Sequences are (N, T, C), as with batch_first=True.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minixnn.arrays import Array, to_numpy
from minixnn.layers import GELU, Attention, Dense, LayerNorm, ReLU, Residual
from minixnn.network import Network

if TYPE_CHECKING:
    from minixnn.layers.base import Layer


def from_encoder(module: Any) -> Network:
    """nn.MultiheadAttention, nn.TransformerEncoderLayer or nn.TransformerEncoder of torch as a Network."""
    return Network(encoder_layers(module))


def encoder_layers(module: Any) -> list:
    """The layers and ways of writing of torch's module. MultiheadAttention is read as self-attention."""
    kind = type(module).__name__
    state = Arrays(module.state_dict())
    if kind == "MultiheadAttention":
        return state.emptied([attention(state, "in_proj_", "out_proj", module.num_heads)])
    if kind not in ("TransformerEncoder", "TransformerEncoderLayer"):
        raise ValueError(f"got a {kind}, expected nn.MultiheadAttention, nn.TransformerEncoderLayer or "
                         "nn.TransformerEncoder; from_torch reads other modules")
    several, layers = kind == "TransformerEncoder", []
    for n, each in enumerate(module.layers if several else [module]):
        layers += block(state, f"layers.{n}." if several else "", each.self_attn.num_heads, activation(each),
                        each.norm_first, each.norm1.eps)
    if several and module.norm is not None:
        layers.append(norm(state, "norm", module.norm.eps))
    return state.emptied(layers)


def block(state: Arrays, prefix: str, heads: int, between: Layer, norm_first: bool, epsilon: float) -> list[Layer]:
    """Attention, then a dense network for each token, each added to what entered it: two Residuals and two LayerNorms.

    Their LayerNorm comes first inside of the body (norm_first), or behind the sum, as in Vaswani et al. 2017.
    """
    looks = [attention(state, f"{prefix}self_attn.in_proj_", f"{prefix}self_attn.out_proj", heads)]
    thinks = [dense(state, f"{prefix}linear1"), between, dense(state, f"{prefix}linear2")]
    first, second = (norm(state, f"{prefix}norm{n}", epsilon) for n in (1, 2))
    if norm_first:
        return [Residual([first, *looks]), Residual([second, *thinks])]
    return [Residual(looks), first, Residual(thinks), second]


def attention(state: Arrays, qkv: str, out: str, heads: int) -> Layer:
    """Attention from torch's two linear maps; the first holds queries, keys and values, one below the other."""
    if f"{qkv}weight" not in state:
        raise ValueError(f"got no {qkv}weight, expected queries, keys and values in one array, which torch has where "
                         "all three have as many channels as the input")
    W: Array = state.take(f"{qkv}weight")
    W_o, b_o = state.pair(out)
    b = state.take(f"{qkv}bias")
    q, k, v = (slice(n * len(W) // 3, (n + 1) * len(W) // 3) for n in range(3))
    b_q, b_k, b_v = (None if b is None else b[third] for third in (q, k, v))
    return Attention(W[q].T, W[k].T, W[v].T, W_o.T, b_q, b_k, b_v, b_o, heads=heads)


def activation(layer: Any) -> Layer:
    """The activation between the two dense layers of an encoder layer: a function of torch, or a module."""
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__).lower()
    if name not in ("relu", "gelu"):
        raise ValueError(f"got an encoder layer with the activation {name}, expected relu or gelu")
    return ReLU() if name == "relu" else GELU(getattr(layer.activation, "approximate", "none"))


def dense(state: Arrays, name: str) -> Layer:
    W, b = state.pair(name)
    return Dense(W.T, b)


def norm(state: Arrays, name: str, epsilon: float) -> Layer:
    return LayerNorm(*state.pair(name), epsilon=epsilon)


class Arrays(dict):
    """Weights by name, each to be taken once."""

    def __init__(self, state: Any) -> None:
        super().__init__({name: to_numpy(a.detach().cpu() if hasattr(a, "detach") else a).copy()
                          for name, a in state.items()})

    def take(self, name: str) -> Array | None:
        return self.pop(name, None)

    def pair(self, name: str) -> tuple:
        """Weight and bias; the bias may be None."""
        if f"{name}.weight" not in self:
            raise ValueError(f"got no {name}.weight, expected it among the weights of a transformer")
        return self.take(f"{name}.weight"), self.take(f"{name}.bias")

    def emptied(self, layers: Any) -> Any:
        """`layers`, if every array has been taken; a name left over would be a layer left out."""
        if self:
            raise ValueError(f"got weights that belong to no layer we know: {', '.join(sorted(self)[:5])}; expected a "
                             "transformer without other parts than attention, LayerNorm and dense layers")
        return layers
