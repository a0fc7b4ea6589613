"""What the rules of attention withhold, per step and per head.

    steps = attention.attn_lrp_steps(layer, x, y, R)            # {"softmax": Withheld, "queries": Withheld, ...}
    attention.by_head(layer, steps["softmax"].bias)             # (N, H)

The steps are the four projections, the two products and the softmax. As in every account, what is withheld comes from
the formula of the rule and never from what the rule returned.
"""
from minixnn.arrays import Array, stabilize
from minixnn.layers.attention import Attention, join_heads, split_heads
from minixnn.ledger.withheld import Withheld, division, image_sums
from minixnn.rules import lrp


def attn_lrp_steps(layer: Attention, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> dict[str, Withheld]:
    """{step: Withheld} of `rules.attention.attn_lrp`, each in the shape of what comes out of the step."""
    Q, K, V, S, A, O = layer.steps(x)                                                                   # noqa: E741
    R_O = lrp.epsilon(layer.projection("o"), O, y, R, epsilon)
    s = split_heads(R_O / stabilize(2 * O, epsilon), layer.heads)
    R_A, R_V = A * (s @ V.swapaxes(-1, -2)), V * (A.swapaxes(-1, -2) @ s)
    R_S = S * (R_A - A * R_A.sum(axis=-1, keepdims=True))
    s = R_S / stabilize(2 * S, epsilon) / Q.shape[-1] ** 0.5
    R_Q, R_K = Q * (s @ K), K * (s.swapaxes(-1, -2) @ Q)
    return {"queries": of_projection(layer, "q", Q, R_Q, epsilon), "keys": of_projection(layer, "k", K, R_K, epsilon),
            "product Q K": division(R_S, 2 * S, None, epsilon),
            # softmax_k = (its linear part, sum_j S_j dA_k / dS_j) + the rest, as a share of A_k
            "softmax": Withheld(bias=R_A * (1 - S + (A * S).sum(axis=-1, keepdims=True))),
            "values": of_projection(layer, "v", V, R_V, epsilon),
            "product A V": division(R_O, 2 * O, None, epsilon), "output": division(R, y, layer.b_o, epsilon)}


def cp_lrp_steps(layer: Attention, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> dict[str, Withheld]:
    """{step: Withheld} of `rules.attention.cp_lrp`."""
    Q, K, V, S, A, O = layer.steps(x)                                                                   # noqa: E741
    R_O = lrp.epsilon(layer.projection("o"), O, y, R, epsilon)
    s = split_heads(R_O / stabilize(O, epsilon), layer.heads)
    R_V = V * (A.swapaxes(-1, -2) @ s)
    return {"values": of_projection(layer, "v", V, R_V, epsilon),
            "product A V": division(R_O, O, None, epsilon), "output": division(R, y, layer.b_o, epsilon)}


def of_projection(layer: Attention, name: str, z: Array, R: Array, epsilon: float) -> Withheld:
    """z_k = sum_j x_j w_jk + b_k of the queries, keys or values. z and R (N, H, T, d), what is withheld (N, T, H d)"""
    return division(join_heads(R), join_heads(z), getattr(layer, f"b_{name}"), epsilon)


def by_head(layer: Attention, withheld: Array) -> Array:
    """One number for each image and head, (N, H), of an array of `attn_lrp_steps` or `cp_lrp_steps`.

    Those of the step "output" belong to no head, for the output projection mixes them all: not to be given here.
    """
    if not getattr(withheld, "ndim", 0):
        return withheld
    parts = withheld if withheld.ndim == 4 else split_heads(withheld, layer.heads)          # (N, H, T, d or T)
    return parts.sum(axis=(2, 3))


def attn_lrp(layer: Attention, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """All steps together, summed over each image (N,)."""
    return total(attn_lrp_steps(layer, x, y, R, epsilon))


def cp_lrp(layer: Attention, x: Array, y: Array, R: Array, epsilon: float = 1e-6) -> Withheld:
    """All steps together, summed over each image (N,)."""
    return total(cp_lrp_steps(layer, x, y, R, epsilon))


def total(steps: dict[str, Withheld]) -> Withheld:
    return Withheld(*(sum(image_sums(part) for part in parts) for parts in zip(*steps.values())))
