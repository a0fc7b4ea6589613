"""The rules of attention: how relevance goes back through two products and a softmax.

    attn_lrp    every factor counts: the queries and keys, which decide where a token looks, and the values
    cp_lrp      where a token looks is taken for granted: the values receive all

In a product y = a b nothing says how much of y is a's. `attn_lrp` gives each factor half, `cp_lrp` the value all.
Each is a choice, and another way to bracket several factors changes what comes out (You et al. 2025; lesson 7.4).
The four projections inside are affine and take LRP-epsilon. The softmax of `attn_lrp` depends on where its scores lie:
a number added to all of them changes no weight, but moves relevance among the scores.
"""
from minixnn.arrays import Array, stabilize
from minixnn.layers.attention import SOFTMAX, Attention, join_heads, split_heads
from minixnn.layers.softmax import softmax_taylor
from minixnn.rules import lrp


def attn_lrp(layer: Attention, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """AttnLRP. Achtibat et al. 2024, propositions 3.1 (softmax) and 3.3 (products).

        O = A V          s = R_O / (2 O + epsilon sgn O)      R_A = A * (s V^T)           R_V = V * (A^T s)
        A = softmax(S)                                        R_S = S * (R_A - A sum R_A)
        S = Q K^T / c    s = R_S / (2 S + epsilon sgn S)      R_Q = Q * (s K) / c         R_K = K * (s^T Q) / c

    c = sqrt(d). Any x. The products conserve, but for the stabiliser; the biases of the four projections absorb, and
    so does the softmax: R_S is the linear part of a Taylor expansion at S, and what it leaves over has no input.
    """
    Q, K, V, S, A, O = layer.steps(x)                                                                   # noqa: E741
    c, H = Q.shape[-1] ** 0.5, layer.heads
    R_O = lrp.epsilon(layer.projection("o"), O, y, R, epsilon)
    s = split_heads(R_O / stabilize(2 * O, epsilon), H)                     # (N, H, T, e)
    R_A, R_V = A * (s @ V.swapaxes(-1, -2)), V * (A.swapaxes(-1, -2) @ s)
    R_S = softmax_taylor(SOFTMAX, S, A, R_A)
    s = R_S / stabilize(2 * S, epsilon)                                     # (N, H, T, T)
    R_Q, R_K = Q * (s @ K) / c, K * (s.swapaxes(-1, -2) @ Q) / c
    return sum(lrp.epsilon(layer.projection(name), x, join_heads(z), join_heads(R_z), epsilon)
               for name, z, R_z in (("q", Q, R_Q), ("k", K, R_K), ("v", V, R_V)))


def cp_lrp(layer: Attention, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Array:
    """CP-LRP, conservative propagation: the attention weights are constants. Ali et al. 2022.

        O = A V          s = R_O / (O + epsilon sgn O)        R_V = V * (A^T s)

    With A held fixed the layer is affine in x, and this is LRP-epsilon of its three steps. Any x. Conserves, but for
    the stabiliser and what the biases of the values and of the output absorb.
    """
    Q, K, V, S, A, O = layer.steps(x)                                                                   # noqa: E741
    R_O = lrp.epsilon(layer.projection("o"), O, y, R, epsilon)
    s = split_heads(R_O / stabilize(O, epsilon), layer.heads)               # (N, H, T, e)
    R_V = V * (A.swapaxes(-1, -2) @ s)
    return lrp.epsilon(layer.projection("v"), x, join_heads(V), join_heads(R_V), epsilon)
