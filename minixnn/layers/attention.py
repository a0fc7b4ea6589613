"""Multi-head attention, written as plain layers. Vaswani et al. 2017, section 3.2.

    Q = x W_q + b_q,   K = x W_k + b_k,   V = x W_v + b_v      Dense, three times: one query, key and value a token
    Q / sqrt(d)                                                Scale
    cut into heads                                             SplitHeads, three times; Permute turns the keys
    S = Q K^T / sqrt(d)                                        MatMul: how well query t fits key u
    S = lowest where u is hidden from t                        Hide, where there is a mask
    A = softmax(S), along u                                    Softmax: row t says where t looks
    O = A V                                                    MatMul: what t brings home, a mixture of the values
    y = O W_o + b_o                                            JoinHeads, Dense

Each line is a layer of the network, so the heads' weights are A[l + 1] beside its Softmax, what each query sends is
R[l + 1] beside its MatMul, and the papers' rules are those of these layers: `joins.half_each`,
`joins.signal_takes_all`, `softmax.softmax_taylor`. `composites.attn_lrp` and `cp_lrp` put them in their places.
"""

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module
from minixnn.layers.shape import Permute, Reshaping
from minixnn.layers.base import Layer, carry_back, expect_arrays, expect_count, expect_rank, linear_rule
from minixnn.layers.blocks import Block, Graph
from minixnn.layers.dense import Dense
from minixnn.layers.joins import Add, MatMul
from minixnn.layers.scale import Scale
from minixnn.layers.softmax import Softmax


class Attention(Block):
    """Multi-head attention: y = softmax(Q K^T / sqrt(d)) V W_o + b_o. x (N, T, C), y (N, T, O)

    W_q, W_k (C, H d), W_v (C, H e), W_o (H e, O); biases of one number per output, or None. heads: H. causal: no
    token sees those behind it. mask: (T, T), 1 where token t (rows) may see token u (columns) and 0 where u is
    hidden; each row needs a 1.

    In a graph it takes up to three inputs: x; the tokens looked at, where they are not x (cross-attention); and
    numbers that are added to the scores, (N or 1, H or 1, T, U), such as a mask for each sequence.
    """

    def __init__(self, W_q: Array, W_k: Array, W_v: Array, W_o: Array, b_q: Array | None = None,
                 b_k: Array | None = None, b_v: Array | None = None, b_o: Array | None = None,
                 mask: Array | None = None, heads: int = 1, causal: bool = False) -> None:
        expect_arrays(b_q, b_k, b_v, b_o, mask, weights=[W_q, W_k, W_v, W_o])
        expect_count(self, "heads", heads)
        if W_q.shape[1] != W_k.shape[1] or W_q.shape[1] % heads or W_v.shape[1] % heads or W_o.shape[0] != W_v.shape[1]:
            raise ValueError(f"Attention got W_q {W_q.shape}, W_k {W_k.shape}, W_v {W_v.shape}, W_o {W_o.shape} and "
                             f"{heads} heads, expected as many columns of W_q as of W_k, as many rows of W_o as "
                             "columns of W_v, and columns that the heads divide")
        self.W_q, self.W_k, self.W_v, self.W_o = W_q, W_k, W_v, W_o
        self.b_q, self.b_k, self.b_v, self.b_o = b_q, b_k, b_v, b_o
        self.mask, self.heads, self.causal = mask, heads, causal
        self.hide = Hide(mask, causal) if causal or mask is not None else None      # refuses a mask that does not fit

    @classmethod
    def random(cls, channels: int, heads: int, rng: np.random.Generator, causal: bool = False,
               dtype: DTypeLike = np.float32) -> "Attention":
        """Attention to train from, of as many channels out as in."""
        W_q, W_k, W_v, W_o = (Dense.random(channels, channels, rng, init="glorot", dtype=dtype).W for _ in range(4))
        b_q, b_k, b_v, b_o = (np.zeros(channels, dtype) for _ in range(4))
        return cls(W_q, W_k, W_v, W_o, b_q, b_k, b_v, b_o, heads=heads, causal=causal)

    def write(self, graph: Graph, *x: int) -> int:
        if not 1 <= len(x) <= 3:
            raise ValueError(f"{self!r} got {len(x)} inputs, expected one to three: tokens, tokens looked at, numbers "
                             "added to the scores")
        context, d = (x[1] if len(x) > 1 else x[0]), self.W_q.shape[1] // self.heads
        Q = graph.add(x[0], Dense(self.W_q, self.b_q), Scale(d ** -0.5), SplitHeads(self.heads), name="queries")
        K = graph.add(context, Dense(self.W_k, self.b_k), SplitHeads(self.heads), Permute((0, 2, 1)), name="keys")
        V = graph.add(context, Dense(self.W_v, self.b_v), SplitHeads(self.heads), name="values")
        S = graph.add((Q, K), MatMul(), name="scores")
        if len(x) == 3:
            S = graph.add((S, x[2]), Add(), name="mask")
        if self.hide is not None:
            S = graph.add(S, self.hide, name="mask")
        A = graph.add(S, Softmax(), name="weights")
        O = graph.add((A, V), MatMul(), name="mixture")
        return graph.add(O, JoinHeads(), Dense(self.W_o, self.b_o), name="output")

    def __repr__(self):
        causal = ", causal" if self.causal else ""
        mask = "" if self.mask is None else ", masked"
        return f"Attention({self.W_q.shape[0]} -> {self.W_o.shape[1]}, heads={self.heads}{causal}{mask})"


class SplitHeads(Reshaping):
    """(N, T, H d) -> (N, H, T, d): each head gets its part of every token's channels."""
    rule = staticmethod(carry_back)

    def __init__(self, heads: int) -> None:
        expect_count(self, "heads", heads)
        self.heads = heads

    def forward(self, x: Array) -> Array:
        expect_rank(self, x, 3, "(sequences, tokens, channels)")
        if x.shape[-1] % self.heads:
            raise ValueError(f"{self!r} got {x.shape[-1]} channels, which {self.heads} heads do not divide")
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy.swapaxes(1, 2).reshape(x.shape)


class JoinHeads(Reshaping):
    """(N, H, T, d) -> (N, T, H d): the heads side by side."""
    rule = staticmethod(carry_back)

    def forward(self, x: Array) -> Array:
        expect_rank(self, x, 4, "(sequences, heads, tokens, channels)")
        return x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        N, H, T, d = x.shape
        return dy.reshape(N, T, H, d).swapaxes(1, 2)


def lose_hidden(layer: "Hide", x: Array, y: Array, R: Array) -> Array:
    """The rule of hidden scores: what comes to them is lost, the rest goes on. Behind a softmax nothing comes there."""
    return layer.gradient(x, y, R)


class Hide(Layer):
    """y = x where token t may see token u, else a number far below all others. x, y (N, H, T, U)

    Its exponential is 0; it is finite, so that no rule meets 0 times infinity. mask: (T, U), 1 where u may be seen and
    0 where it is hidden. causal: those behind t are hidden, for any number of tokens. What is hidden receives nothing.
    """
    rule, takes_rules, array_names, deeplift = staticmethod(lose_hidden), False, ("mask",), linear_rule

    def __init__(self, mask: Array | None = None, causal: bool = False) -> None:
        self.mask, self.causal = mask, causal
        if mask is None and not causal:
            raise ValueError("Hide got neither a mask nor causal=True, expected one of them: it would hide nothing")
        if mask is None:
            return
        expect_arrays(mask)
        if mask.ndim != 2:
            raise ValueError(f"got a mask of shape {mask.shape}, expected (tokens, tokens); a mask for each sequence "
                             "is an input of the network: add it to the scores, as Attention's third input")
        if not bool(self.visible(mask).any(axis=-1).all()):
            raise ValueError(f"{self!r} hides all tokens from one of them; let it see itself at least")

    def visible(self, x: Array) -> Array:
        """Where token t sees token u, (T, U), for scores x (..., T, U)."""
        T, U = x.shape[-2:]
        if self.mask is not None and self.mask.shape != (T, U):
            raise ValueError(f"{self!r} got scores of {T} tokens for {U}, which its mask of shape {self.mask.shape} "
                             "does not fit")
        if self.mask is not None and not self.causal:
            return self.mask > 0
        xp = array_module(x)
        past = xp.arange(U)[None, :] <= xp.arange(T)[:, None]
        return past if self.mask is None else past & (self.mask > 0)

    def forward(self, x: Array) -> Array:
        expect_rank(self, x, 4, "(sequences, heads, tokens, tokens)")
        return array_module(x).where(self.visible(x), x, x.dtype.type(np.finfo(x.dtype).min / 2))

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        return dy * self.visible(x)

    def __repr__(self):
        said = ["causal"] * self.causal
        if self.mask is not None:
            said.append(f"mask of {self.mask.shape[0]} x {self.mask.shape[1]}")
        return f"Hide({', '.join(said)})"
