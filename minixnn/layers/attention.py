"""Multi-head self-attention, taken apart. Vaswani et al. 2017, section 3.2.

    Q = x W_q + b_q,   K = x W_k + b_k,   V = x W_v + b_v      one query, key and value for each token, cut into heads
    S = Q K^T / sqrt(d)                                        how well the query of token t fits the key of token u
    A = softmax(S), along u                                    the attention weights: row t says where t looks
    O = A V                                                    what t brings home: a mixture of the values
    y = O W_o + b_o                                            the heads of O side by side, mixed

Two of the five lines multiply one part of x by another. How the relevance of a product is shared among its factors
is a decision, and `rules/attention.py` has two.
"""
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minixnn.arrays import Array, array_module, require
from minixnn.layers.base import Layer, expect_arrays, expect_rank
from minixnn.layers.dense import Dense
from minixnn.layers.softmax import Softmax

SOFTMAX = Softmax()


class Steps(NamedTuple):
    """All that attention computes on its way from x to y. H heads of width d, T tokens."""
    Q: Array                    # (N, H, T, d)
    K: Array                    # (N, H, T, d)
    V: Array                    # (N, H, T, d)
    S: Array                    # (N, H, T, T): query t, key u; far below all others where u is hidden from t
    A: Array                    # (N, H, T, T)
    O: Array                    # (N, T, H d): the heads side by side                                   # noqa: E741


PARAMETERS = ("W_q", "W_k", "W_v", "W_o", "b_q", "b_k", "b_v", "b_o")


class Projections(Layer):
    """What attention is made of: four affine maps, a number of heads, and who must not see whom."""

    def __init__(self, W_q: Array, W_k: Array, W_v: Array, W_o: Array, b_q: Array | None = None,
                 b_k: Array | None = None, b_v: Array | None = None, b_o: Array | None = None,
                 mask: Array | None = None, heads: int = 1, causal: bool = False) -> None:
        expect_arrays(b_q, b_k, b_v, b_o, mask, weights=[W_q, W_k, W_v, W_o])
        self.W_q, self.W_k, self.W_v, self.W_o = W_q, W_k, W_v, W_o
        self.b_q, self.b_k, self.b_v, self.b_o = b_q, b_k, b_v, b_o
        self.mask, self.heads, self.causal = mask, heads, causal
        if not hasattr(heads, "__index__") or heads < 1:
            raise ValueError(f"Attention got heads={heads!r}, expected a positive whole number")
        if W_q.shape != W_k.shape or W_q.shape[1] % heads or W_v.shape[1] % heads or W_o.shape[0] != W_v.shape[1]:
            raise ValueError(f"Attention got W_q {W_q.shape}, W_k {W_k.shape}, W_v {W_v.shape}, W_o {W_o.shape} and "
                             f"{heads} heads, expected W_q and W_k alike, as many rows of W_o as columns of W_v, and "
                             "columns that the heads divide")
        if mask is not None:
            require((~self.hidden(mask.shape[-1])).any(axis=-1).all(), f"{self!r} hides all tokens from one of them; "
                    "let it see itself at least")

    @classmethod
    def random(cls, channels: int, heads: int, rng: np.random.Generator, causal: bool = False,
               dtype: DTypeLike = np.float32) -> "Projections":
        """A layer to train from, of as many channels out as in."""
        W = [Dense.random(channels, channels, rng, init="glorot", dtype=dtype).W for _ in range(4)]
        return cls(*W, *(np.zeros(channels, dtype) for _ in range(4)), heads=heads, causal=causal)

    def arrays(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in (*PARAMETERS, "mask")}

    def settings(self) -> dict[str, Any]:
        return {"heads": self.heads, "causal": self.causal}

    def projection(self, name: str) -> Dense:
        """One of the four affine maps inside: "q", "k", "v" or "o", as a layer."""
        return Dense(getattr(self, f"W_{name}"), getattr(self, f"b_{name}"))

    def hidden(self, T: int) -> Array:
        """Where token t of T must not see token u, (T, T) or (N, 1, T, T); None where all see all."""
        hidden = None
        if self.causal:
            place = array_module(self.W_q).arange(T)
            hidden = place[None, :] > place[:, None]
        if self.mask is not None:
            if self.mask.shape[-2:] != (T, T):
                raise ValueError(f"{self!r} got sequences of {T} tokens, which its mask of shape {self.mask.shape} "
                                 "does not fit; expected (tokens, tokens) or (sequences, tokens, tokens)")
            masked = self.mask <= 0 if self.mask.ndim == 2 else self.mask[:, None] <= 0
            hidden = masked if hidden is None else hidden | masked
        return hidden

    def __repr__(self):
        causal = ", causal" if self.causal else ""
        mask = "" if self.mask is None else ", masked"
        return f"Attention({self.W_q.shape[0]} -> {self.W_o.shape[1]}, heads={self.heads}{causal}{mask})"


class Attention(Projections):
    """Multi-head self-attention: y = softmax(Q K^T / sqrt(d)) V W_o + b_o. x (N, T, C), y (N, T, O)

    W_q, W_k (C, H d), W_v (C, H e), W_o (H e, O); biases of one number per output, or None. heads: H.
    causal: no token sees those behind it. mask: (T, T) or (N, T, T), 1 where token t (rows) may see token u
    (columns) and 0 where u is hidden, as padding is: each row needs a 1. Which rule a user wants is a decision
    of its own; where none is given, `composites.rules_for` takes `rules.attention.attn_lrp`.
    """

    def steps(self, x: Array) -> tuple[Array, ...]:
        """Everything between x and y: `Steps`."""
        expect_rank(self, x, 3, "(sequences, tokens, channels)")
        Q, K, V = (split_heads(self.projection(name).forward(x), self.heads) for name in "qkv")
        S = Q @ K.swapaxes(-1, -2) / Q.shape[-1] ** 0.5                 # (N, H, T, d) @ (N, H, d, T)
        hidden = self.hidden(x.shape[1])
        if hidden is not None:
            S = array_module(x).where(hidden, np.finfo(x.dtype).min / 2, S)         # its exponential is 0
        A = SOFTMAX.forward(S)
        return Steps(Q, K, V, S, A, join_heads(A @ V))

    def forward(self, x: Array) -> Array:
        return self.projection("o").forward(self.steps(x).O)

    def gradient(self, x: Array, y: Array, dy: Array) -> Array:
        """Back through y = O W_o, O = A V, A = softmax(S), S = Q K^T / sqrt(d), and the three ways that x went in."""
        Q, K, V, S, A, O = self.steps(x)                                                                # noqa: E741
        dO = split_heads(dy @ self.W_o.T, self.heads)
        return self.back(*differentiate(Q, K, V, A, dO))

    def back(self, dQ: Array, dK: Array, dV: Array) -> Array:
        """Anything linear beside the queries, keys and values -> the same beside x."""
        return join_heads(dQ) @ self.W_q.T + join_heads(dK) @ self.W_k.T + join_heads(dV) @ self.W_v.T

    def deeplift(self, x: Array, y: Array, x_ref: Array, y_ref: Array, m: Array) -> Array:
        """Both products give each factor the mean of the other; softmax has its own. Contributions sum exactly."""
        Q, K, V, S, A, O = self.steps(x)                                                                # noqa: E741
        Q_ref, K_ref, V_ref, S_ref, A_ref, O_ref = self.steps(x_ref)
        m_O = split_heads(m @ self.W_o.T, self.heads)
        m_A, m_V = m_O @ (V + V_ref).swapaxes(-1, -2) / 2, (A + A_ref).swapaxes(-1, -2) @ m_O / 2
        m_S = SOFTMAX.deeplift(S, A, S_ref, A_ref, m_A) / Q.shape[-1] ** 0.5
        return self.back(m_S @ (K + K_ref) / 2, m_S.swapaxes(-1, -2) @ (Q + Q_ref) / 2, m_V)

    def parameter_gradients(self, x: Array, dy: Array) -> dict[str, Array]:
        return self.learn(x, None, dy)[0]

    def learn(self, x: Array, y: Array, dy: Array) -> tuple[dict[str, Array], Array]:
        Q, K, V, S, A, O = self.steps(x)                                                                # noqa: E741
        dQ, dK, dV = differentiate(Q, K, V, A, split_heads(dy @ self.W_o.T, self.heads))
        sides = {"q": (x, join_heads(dQ)), "k": (x, join_heads(dK)), "v": (x, join_heads(dV)), "o": (O, dy)}
        found = {name: self.projection(name).parameter_gradients(*pair) for name, pair in sides.items()}
        return {name: found[name[-1]][name[0]] for name in PARAMETERS}, self.back(dQ, dK, dV)


def differentiate(Q: Array, K: Array, V: Array, A: Array, dO: Array) -> tuple[Array, Array, Array]:
    """dL/dO (N, H, T, e) -> dL/dQ, dL/dK, dL/dV."""
    dA, dV = dO @ V.swapaxes(-1, -2), A.swapaxes(-1, -2) @ dO
    dS = SOFTMAX.gradient(None, A, dA) / Q.shape[-1] ** 0.5
    return dS @ K, dS.swapaxes(-1, -2) @ Q, dV


def split_heads(x: Array, heads: int) -> Array:
    """(N, T, H d) -> (N, H, T, d)"""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def join_heads(x: Array) -> Array:
    """(N, H, T, d) -> (N, T, H d)"""
    return x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1)
