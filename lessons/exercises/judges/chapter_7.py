"""Networks in use: sums, products, and attention. A rule of a layer of several inputs takes and returns a tuple."""
from collections.abc import Callable
from typing import Any

import numpy as np

from lessons.exercises.judges.chapter_1 import probabilities
from lessons.exercises.judges.chapter_2 import over, signs
from lessons.exercises.judges.neurons import sgn
from lessons.exercises.marking import Exercise, dot, number, plus, size, some, times

SUM = "layer = None        # a sum has no weights\nx, y = (a, b), a + b"


def draw_sum(rng: np.random.Generator) -> dict:
    shape = size(rng), size(rng)
    return {"a": some(rng, *shape), "b": some(rng, *shape), "R": some(rng, *shape),
            "epsilon": float(rng.choice([0.25, 0.5, 1]))}


def sum_rule(say: Callable | None, a: Any, b: Any, R: Any, epsilon: float) -> tuple:
    R_a, R_b = np.zeros(a.shape), np.zeros(a.shape)
    for i in np.ndindex(*a.shape):
        y = a[i] + b[i]
        below = y + epsilon * sgn(y)
        R_a[i], R_b[i] = a[i] / below * R[i], b[i] / below * R[i]
        if say:
            say(f"{list(i)}: y = {plus([a[i], b[i]])} = {number(y)}, with the stabiliser {number(below)}; R_a = "
                f"{number(a[i])}/{number(below)} * {number(R[i])} = {number(R_a[i])}, R_b = "
                f"{number(b[i])}/{number(below)} * "
                f"{number(R[i])} = {number(R_b[i])}")
    return R_a, R_b


def shared(share: Callable) -> Callable:
    """A wrong rule of a sum: share(part, y, epsilon) R for each part."""
    return lambda layer, x, y, R, epsilon: tuple(share(part, y, epsilon) * R for part in x)


SUM_FACETS = {
    "where y is below 0": lambda c: (
        c["a"] + c["b"] < 0).any(),
    "where y is 0": lambda c: (
            c["a"] + c["b"] == 0).any()}
SUM_RULE = Exercise(
    "sum_rule", "7.2", "R_a = a / (y + epsilon sgn y) R,  R_b = b / (y + epsilon sgn y) R        y = a + b", draw_sum,
    sum_rule,
    [("both receive all of R: relevance is doubled", lambda layer, x, y, R, epsilon: (R + 0, R + 0)),
     ("each receives half", lambda layer, x, y, R, epsilon: (R / 2, R / 2)),
     ("the stabiliser has no sign: y + epsilon, where y is negative, too",
      shared(lambda part, y, epsilon: over(part, y + epsilon))),
     ("the stabiliser has no sign: y + epsilon, where y is negative, too; and nothing guards y = -epsilon",
      shared(lambda part, y, epsilon: part / (y + epsilon))),
     ("the sign of 0 is taken for 0, as np.sign does", shared(
      lambda part, y, epsilon: part / (y + epsilon * np.sign(y)))),
     ("the stabiliser is left out", shared(lambda part, y, epsilon: part / y)),
     ("the sizes are compared, without signs",
      lambda layer, x, y, R, epsilon: tuple(abs(p) / (abs(x[0]) + abs(x[1]) + epsilon) * R for p in x)),
     ("the two are exchanged", lambda layer, x, y, R, epsilon: tuple(
         p / (y + epsilon * signs(y)) * R for p in x[::-1])),
     ("one array is returned, not a tuple of two", lambda layer, x, y, R, epsilon: R * y / (y + epsilon * signs(y)))],
    ["A sum is a linear layer whose weights are all 1: this is LRP-epsilon of it.",
     "a, b = x unpacks the tuple; s = R / (y + ...) serves both.",
     "Return a tuple: return a * s, b * s"],
    axes={"a": "N I", "b": "N I", "R": "N I"}, setup=SUM, arguments="layer, x, y, R, epsilon", facets=SUM_FACETS,
    plain={"epsilon": (1.0, 0.5)})


def product_rule(say: Callable | None, a: Any, b: Any, R: Any) -> tuple:
    for i in np.ndindex(*a.shape) if say else ():
        say(f"{list(i)}: y = {times(a[i], b[i])}: of {number(R[i])} each factor receives half, {number(R[i] / 2)}")
    return R / 2, R / 2


PRODUCT_RULE = Exercise(
    "product_rule", "7.4", "R_a = R / 2,  R_b = R / 2        y = a * b, entry by entry",
    lambda rng: {name: value for name, value in draw_sum(rng).items() if name != "epsilon"}, product_rule,
    [("both receive all of R, as a gradient times input gives: relevance is doubled", lambda layer, x, y, R: (R + 0,
                                                                                                              R + 0)),
     ("it is shared in proportion to the factors: that is the rule of a sum",
      lambda layer, x, y, R: tuple(over(p * R, x[0] + x[1]) for p in x)),
     ("the first factor receives all: that is the rule where the second is a gate", lambda layer, x, y, R: (R + 0,
                                                                                                            0 * R)),
     ("the second factor receives all: that is the rule where the first is a gate", lambda layer, x, y, R: (0 * R,
                                                                                                            R + 0)),
     ("it is multiplied with the other factor: that is a gradient", lambda layer, x, y, R: (x[1] * R, x[0] * R)),
     ("it is half of a gradient: the other factor is multiplied in",
      lambda layer, x, y, R: (x[1] * R / 2, x[0] * R / 2)),
     ("nothing is passed where y is 0", lambda layer, x, y, R: (R * (y != 0) / 2, R * (y != 0) / 2)),
     ("one array is returned, not a tuple of two", lambda layer, x, y, R: R / 2)],
    ["Nothing in a product says how much of it is whose. The rule that treats both alike gives each half.",
     "Return a tuple, one array for each factor."],
    axes={"a": "N I", "b": "N I", "R": "N I"}, setup="layer = None\nx, y = (a, b), a * b", arguments="layer, x, y, R",
    facets={"where y is 0": lambda c: (c["a"] * c["b"] == 0).any()})

# --------------------------------------------------------------------------------------------------------- attention


def draw_softmax(rng: np.random.Generator) -> dict:
    scale = 500.0 if rng.random() < 0.2 else 1.0
    return {"x": scale * some(rng, size(rng, 2), size(rng), size(rng))}


def softmax(say: Callable | None, x: Any) -> Any:
    y = np.zeros(x.shape)
    for i in np.ndindex(*x.shape[:-1]):
        e = [float(np.exp(v - x[i].max())) for v in x[i]]
        y[i] = [v / sum(e) for v in e]
        if say:
            say(f"row {list(i)}: exp(x - {number(x[i].max())}) = {', '.join(map(number, e))}; over their sum "
                f"{number(sum(e))}: "
                f"{', '.join(map(number, y[i]))}")
    return y


SOFTMAX = Exercise(
    "softmax", "7.4", "y_i = exp(x_i) / sum_j exp(x_j)        over the last axis", draw_softmax, softmax,
    [("exp grows too large to be a number: subtract the largest x of each row first",
      lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
     ("it is normalised over axis 1, not the last", lambda x: probabilities(x, 1)),
     ("it is normalised over the images", lambda x: probabilities(x, 0)),
     ("it is normalised over everything at once", lambda x: probabilities(x, None)),
     ("one maximum is subtracted for all rows: rows far below it become 0 / 0",
      lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(-1, keepdims=True)),
     ("it is not divided by the sum", lambda x: np.exp(x - x.max(-1, keepdims=True))),
     ("the sizes are divided, without exp", lambda x: abs(x) / np.maximum(abs(x).sum(-1, keepdims=True), 1e-9)),
     ("it is the logarithm of the softmax", lambda x: (lambda z: z - np.log(np.exp(z).sum(-1, keepdims=True)))(
         x - x.max(-1, keepdims=True)))],
    ["The last axis is axis=-1; keepdims=True keeps the sum beside its row.",
     "exp(x - c) / sum exp(x - c) is the same for every c: choose the largest x of the row."],
    axes={"x": "N T S"}, facets={"with large x": lambda c: abs(c["x"]).max() > 400,
                                 "with more than one row": lambda c: c["x"][..., 0].size > 1,
                                 "with more than one entry in a row": lambda c: c["x"].shape[-1] > 1})


def draw_softmax_rule(rng: np.random.Generator) -> dict:
    shape = size(rng, 2), size(rng), size(rng)
    return {"x": some(rng, *shape), "R": some(rng, *shape)}


def softmax_rule(say: Callable | None, x: Any, R: Any) -> Any:
    R_x, y = np.zeros(x.shape), softmax(None, x)
    for i in np.ndindex(*x.shape[:-1]):
        total = float(sum(R[i]))
        if say:
            say(f"row {list(i)}: y = {', '.join(map(number, y[i]))}; sum of R: {plus(R[i])} = {number(total)}")
        for j in range(x.shape[-1]):
            R_x[(*i, j)] = x[(*i, j)] * (R[(*i, j)] - y[(*i, j)] * total)
            if say:
                say(f"    entry {j}: {number(x[(*i, j)])} ({number(R[(*i, j)])} - {times(y[(*i, j)], total)}) = "
                    f"{number(R_x[(*i, j)])}")
    return R_x


SOFTMAX_RULE = Exercise(
    "softmax_rule", "7.4", "R_i = x_i (R'_i - y_i sum_j R'_j)        R': relevance of y = softmax(x)",
    draw_softmax_rule,
    softmax_rule,
    [("x is not multiplied in", lambda layer, x, y, R: R - y * R.sum(-1, keepdims=True)),
     ("it is the gradient times x: y is multiplied in, and the sum runs over y R",
      lambda layer, x, y, R: x * y * (R - (y * R).sum(-1, keepdims=True))),
     ("it is the gradient of the softmax: y (R - sum y R)",
      lambda layer, x, y, R: y * (R - (y * R).sum(-1, keepdims=True))),
     ("the sum runs over the rows, not along them", lambda layer, x, y, R: x * (R - y * R.sum(1, keepdims=True))),
     ("the sum runs over the whole batch", lambda layer, x, y, R: x * (R - y * R.sum())),
     ("relevance is passed on as it is", lambda layer, x, y, R: R + 0),
     ("the second term is added", lambda layer, x, y, R: x * (R + y * R.sum(-1, keepdims=True))),
     ("y is left out of the second term", lambda layer, x, y, R: x * (R - R.sum(-1, keepdims=True))),
     ("only the entry's own R is taken: R (1 - y)", lambda layer, x, y, R: x * R * (1 - y)),
     ("y stands in place of x", lambda layer, x, y, R: y * (R - y * R.sum(-1, keepdims=True)))],
    ["A sum of R along each row, kept beside it: R.sum(axis=-1, keepdims=True).",
     "y is handed to you: it is softmax(x)."],
    axes={"x": "N T S", "R": "N T S"}, arguments="layer, x, y, R",
    setup="layer = None\ny = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)",
    facets={"with more than one row": lambda c: c["x"][..., 0].size > 1,
            "with more than one entry in a row": lambda c: c["x"].shape[-1] > 1})


def draw_values(rng: np.random.Generator) -> dict:
    N, T, S, D = size(rng, 2), size(rng), size(rng), size(rng, 2)
    return {"A": abs(some(rng, N, T, S)), "V": some(rng, N, S, D), "R": some(rng, N, T, D),
            "epsilon": float(rng.choice([0.25, 0.5, 1]))}


def halves(say: Callable | None, A: Any, B: Any, R: Any, epsilon: float) -> tuple:
    """Of y = A B each product A_ts B_sd gives half of its share to either factor."""
    R_A, R_B = np.zeros(A.shape), np.zeros(B.shape)
    for n, t, d in np.ndindex(*R.shape):
        y = float(A[n, t] @ B[n, :, d])
        s = R[n, t, d] / (2 * y + epsilon * sgn(y))
        if say:
            say(f"output [{n}, {t}, {d}]: y = {dot(A[n, t], B[n, :, d])} = {number(y)}; R over 2 y with the "
                f"stabiliser: "
                f"{number(R[n, t, d])}/{number(2 * y + epsilon * sgn(y))} = {number(s)}")
        for j in range(A.shape[2]):
            part = A[n, t, j] * B[n, j, d] * s
            R_A[n, t, j] += part
            R_B[n, j, d] += part
            if say:
                say(f"    product {times(A[n, t, j], B[n, j, d])} receives {number(part)} for each of its factors, "
                    f"[{n}, {t}, {j}] and [{n}, {j}, {d}]")
    return R_A, R_B


def turned(a: Any) -> Any:
    return a.swapaxes(-1, -2)


def by_product(denominator: Callable, back: Callable =
               lambda A, B, s: (A * (s @ turned(B)), B * (turned(A) @ s))) -> Callable:
    return lambda layer, x, y, R, epsilon: back(*x, R / denominator(y, epsilon))


def half(y: Any, epsilon: float) -> Any:
    return 2 * y + epsilon * signs(y)


VALUES = Exercise(
    "values_rule", "7.4", """
    s = R / (2 y + epsilon sgn y),  R_A = A * (s V^T),  R_V = V * (A^T s)        y = A V, for each image""",
    draw_values,
    lambda say, A, V, R, epsilon: halves(say, A, V, R, epsilon),
    [("the 2 is left out: both factors receive all of R", by_product(lambda y, e: y + e * signs(y))),
     ("the stabiliser has no sign: 2 y + epsilon, where y is negative, too", by_product(lambda y, e: 2 * y + e)),
     ("the stabiliser is doubled, too", by_product(lambda y, e: 2 * (y + e * signs(y)))),
     ("the sign of 0 is taken for 0, as np.sign does", by_product(lambda y, e: 2 * y + e * np.sign(y))),
     ("gradients are returned: the products with A and V are left out",
      by_product(half, lambda A, V, s: (s @ turned(V), turned(A) @ s))),
     ("the values receive all, A nothing: that is CP-LRP", lambda layer, x, y, R, epsilon: (
         0 * x[0], x[1] * (turned(x[0]) @ (R / (y + epsilon * signs(y)))))),
     ("A and V are exchanged in the result", by_product(half, lambda A, V, s: (V * (turned(A) @ s),
                                                                               A * (s @ turned(V))))),
     ("A is not turned round on the way to the values", by_product(half, lambda A, V, s: (
         A * (s @ turned(V)), V * (A @ s)))),
     ("the axes of all are turned round, those of the images, too: .T turns every axis",
      by_product(half, lambda A, V, s: (A * (s @ V.T), V * (A.T @ s))))],
    ["y = A V is a sum of products A_ts V_sd; each product's share of R is halved between its factors.",
     "s first; then a product with V turned round has the shape of A, and A turned round times s that of V.",
     ".swapaxes(-1, -2) turns the last two axes; .T would turn the images' axis, too."],
    axes={"A": "N T S", "V": "N S D", "R": "N T D"}, setup="layer = None\nx, y = (A, V), A @ V",
    arguments="layer, x, y, R, epsilon", plain={"epsilon": (1.0, 0.5)},
    facets={"with more than one image": lambda c: len(c["A"]) > 1,
            "with more than one token": lambda c: c["A"].shape[2] > 1,
            "where y is below 0": lambda c: (c["A"] @ c["V"] < 0).any(),
            "where y is 0": lambda c: (c["A"] @ c["V"] == 0).any()})


def draw_scores(rng: np.random.Generator) -> dict:
    N, T, S, D = size(rng, 2), size(rng), size(rng), size(rng, 2)
    return {"Q": some(rng, N, T, D), "K": some(rng, N, S, D), "R": some(rng, N, T, S),
            "epsilon": float(rng.choice([0.25, 0.5, 1]))}


def scores_rule(say: Callable | None, Q: Any, K: Any, R: Any, epsilon: float) -> tuple:
    R_Q, R_K = halves(say, Q, turned(K), R, epsilon)
    if say:
        say("here B is K turned round: entry [n, d, s] of it is K[n, s, d]")
    return R_Q, turned(R_K)


SCORES = Exercise(
    "scores_rule", "7.4", """
    s = R / (2 y + epsilon sgn y),  R_Q = Q * (s K),  R_K = K * (s^T Q)
    y = Q K^T, the queries divided by sqrt(d) before""",
    draw_scores, scores_rule,
    [("the 2 is left out: both factors receive all of R",
      by_product(lambda y, e: y + e * signs(y), lambda Q, K, s: (Q * (s @ K), K * (turned(s) @ Q)))),
     ("the stabiliser has no sign: 2 y + epsilon, where y is negative, too",
      by_product(lambda y, e: 2 * y + e, lambda Q, K, s: (Q * (s @ K), K * (turned(s) @ Q)))),
     ("the sign of 0 is taken for 0, as np.sign does",
      by_product(lambda y, e: 2 * y + e * np.sign(y), lambda Q, K, s: (Q * (s @ K), K * (turned(s) @ Q)))),
     ("it is scaled by 1/sqrt(d) once more: the queries were scaled before", by_product(half, lambda Q, K, s: (
         Q * (s @ K) / np.sqrt(Q.shape[-1]), K * (turned(s) @ Q) / np.sqrt(Q.shape[-1])))),
     ("s is not turned round on the way to the keys", by_product(half, lambda Q, K, s: (Q * (s @ K), K * (s @ Q)))),
     ("gradients are returned: the products with Q and K are left out",
      by_product(half, lambda Q, K, s: (s @ K, turned(s) @ Q))),
     ("the queries receive all, the keys nothing",
      by_product(lambda y, e: y + e * signs(y), lambda Q, K, s: (Q * (s @ K), 0 * K))),
     ("the two are exchanged", by_product(half, lambda Q, K, s: (K * (turned(s) @ Q), Q * (s @ K)))),
     ("the rule for A V is used as it stands: here the keys enter turned round", by_product(half, lambda Q, K, s: (
         Q * (s @ turned(K)), K * (turned(Q) @ s))))],
    ["As for A V, with V = K turned round: and turning it round twice leaves it as it was.",
     "s (N, T, S) times K (N, S, D) has the shape of Q; s turned round times Q that of K."],
    axes={"Q": "N T D", "K": "N S D", "R": "N T S"}, setup="layer = None\nx, y = (Q, K), Q @ K.swapaxes(-1, -2)",
    arguments="layer, x, y, R, epsilon", plain={"epsilon": (1.0, 0.5)},
    facets={"with more than one image": lambda c: len(c["Q"]) > 1, "where y is below 0": lambda c: (
        c["Q"] @ turned(c["K"]) < 0).any(), "where y is 0": lambda c: (c["Q"] @ turned(c["K"]) == 0).any()})

# -------------------------------------------------------------------------------------------------------- recurrence


def gates(rng: np.random.Generator, *shape: int) -> Any:
    return rng.choice([0, 0.25, 0.5, 0.75, 1], shape)


def draw_cell(rng: np.random.Generator) -> dict:
    shape = size(rng), size(rng)
    return {"f": gates(rng, *shape), "c": some(rng, *shape), "i": gates(rng, *shape), "g": some(rng, *shape),
            "R": some(rng, *shape), "epsilon": float(rng.choice([0.25, 0.5, 1]))}


def cell_rule(say: Callable | None, f: Any, c: Any, i: Any, g: Any, R: Any, epsilon: float) -> tuple:
    R_c, R_g = np.zeros(f.shape), np.zeros(f.shape)
    for at in np.ndindex(*f.shape):
        old, new = f[at] * c[at], i[at] * g[at]
        below = old + new + epsilon * sgn(old + new)
        R_c[at], R_g[at] = old / below * R[at], new / below * R[at]
        if say:
            say(f"{list(at)}: y = {times(f[at], c[at])} + {times(i[at], g[at])} = {number(old + new)}, with the "
                f"stabiliser {number(below)}; R_c = {number(old)}/{number(below)} * {number(R[at])} = {number(R_c[at])}"
                f", R_g = {number(new)}/{number(below)} * {number(R[at])} = {number(R_g[at])}")
    return R_c, R_g


def of_cell(parts: Callable, below: Callable = lambda y, e: y + e * signs(y)) -> Callable:
    """A wrong rule of the cell: parts(f, c, i, g) -> the two shares, over below(y, epsilon)."""
    return lambda f, c, i, g, R, epsilon: tuple(
        part * over(R, below(f * c + i * g, epsilon)) for part in parts(f, c, i, g))


CELL = Exercise(
    "cell_rule", "7.7", """
    R_c = f c / (y + epsilon sgn y) R,  R_g = i g / (y + epsilon sgn y) R        y = f c + i g""", draw_cell, cell_rule,
    [("half of each product goes to its gate: here the signal takes all",
      of_cell(lambda f, c, i, g: (f * c / 2, i * g / 2))),
     ("the gates are left out of the shares: c over y, where f c is the part of the sum",
      of_cell(lambda f, c, i, g: (c, g))),
     ("the gates are left out of the sum as well: y is c + g", lambda f, c, i, g, R, epsilon: tuple(
         part * over(R, c + g + epsilon * signs(c + g)) for part in (c, g))),
     ("the stabiliser has no sign: y + epsilon, where y is negative, too",
      of_cell(lambda f, c, i, g: (f * c, i * g), lambda y, e: y + e)),
     ("the sign of 0 is taken for 0, as np.sign does",
      of_cell(lambda f, c, i, g: (f * c, i * g), lambda y, e: y + e * np.sign(y))),
     ("the two are exchanged", of_cell(lambda f, c, i, g: (i * g, f * c))),
     ("gradients are returned: each signal receives its gate times R", lambda f, c, i, g, R, epsilon: (f * R, i * R)),
     ("R passes to both unshared", lambda f, c, i, g, R, epsilon: (R + 0, R + 0))],
    ["First the products, old = f * c and new = i * g, and their sum y; then each receives by its share of y.",
     "What a product receives is its signal's: R_c = old / (y + ...) * R. The gate gets nothing, and is not returned."],
    axes=dict.fromkeys("fcigR", "N H"), plain={"epsilon": (1.0, 0.5)},
    facets={"where y is below 0": lambda k: (k["f"] * k["c"] + k["i"] * k["g"] < 0).any(),
            "where y is 0": lambda k: (k["f"] * k["c"] + k["i"] * k["g"] == 0).any()})


def draw_memory(rng: np.random.Generator) -> dict:
    shape = size(rng), size(rng, 2)
    return {"z": gates(rng, *shape), "n": some(rng, *shape), "R": some(rng, shape[0]),
            "epsilon": float(rng.choice([0.25, 0.5, 1]))}


def memory_rule(say: Callable | None, z: Any, n: Any, R: Any, epsilon: float) -> Any:
    R_n = np.zeros(n.shape)
    for m in range(len(n)):
        h = [0.0]
        for t in range(n.shape[1]):
            h.append((1 - z[m, t]) * n[m, t] + z[m, t] * h[-1])
        left = R[m]
        for t in reversed(range(n.shape[1])):
            new, old, below = (1 - z[m, t]) * n[m, t], z[m, t] * h[t], h[t + 1] + epsilon * sgn(h[t + 1])
            R_n[m, t], before = new / below * left, old / below * left
            if say:
                say(f"row {m}, step {t + 1}: h = {number(new)} + {number(old)} = {number(h[t + 1])}, with the "
                    f"stabiliser {number(below)}; of {number(left)} the candidate gets {number(R_n[m, t])}, the state "
                    f"before {number(before)}")
            left = before
    return R_n


def back(new: Callable = lambda z, n: (1 - z) * n, old: Callable = lambda z, h: z * h,
         below: Callable = lambda h, e: h + e * signs(h), last: bool = False) -> Callable:
    """A wrong walk back. last: R of the last state is shared at every step, in place of what is left of it."""
    def wrong(z: Any, n: Any, R: Any, epsilon: float) -> Any:
        h, R_n, left = [np.zeros(len(n))], np.zeros(n.shape), R
        for t in range(n.shape[1]):
            h.append((1 - z[:, t]) * n[:, t] + z[:, t] * h[-1])
        for t in reversed(range(n.shape[1])):
            s = over(R if last else left, below(h[t + 1], epsilon))
            R_n[:, t], left = new(z[:, t], n[:, t]) * s, old(z[:, t], h[t]) * s
        return R_n
    return wrong


MEMORY = Exercise(
    "memory_rule", "7.7", """
    h_t = (1 - z_t) n_t + z_t h_t-1,  the state before the first step is 0
    R_n_t = (1 - z_t) n_t / (h_t + epsilon sgn h_t) R_t,  R_t-1 = z_t h_t-1 / (h_t + epsilon sgn h_t) R_t""",
    draw_memory, memory_rule,
    [("every step shares the relevance of the last state: only what is left of it goes back", back(last=True)),
     ("half of each product goes to its gate: here the signal takes all",
      back(lambda z, n: (1 - z) * n / 2, lambda z, h: z * h / 2)),
     ("the gates are exchanged: z belongs to the state before, 1 - z to the candidate",
      back(lambda z, n: z * n, lambda z, h: (1 - z) * h)),
     ("the gates are left out of the shares", back(lambda z, n: n, lambda z, h: h)),
     ("the stabiliser has no sign: h + epsilon, where h is negative, too", back(below=lambda h, e: h + e)),
     ("it is walked forwards: the first step is shared first", lambda z, n, R, epsilon: back()(
         z[:, ::-1], n[:, ::-1], R, epsilon)[:, ::-1]),
     ("only the last step receives", lambda z, n, R, epsilon: back(old=lambda z, h: 0 * h)(z, n, R, epsilon))],
    ["Two loops: forwards for the states h, all of which are kept; backwards for the relevance.",
     "In the loop back: s = R / (h_t + ...); then R_n_t = (1 - z_t) n_t s, and R = z_t h_t-1 s goes on."],
    axes={"z": "N T", "n": "N T", "R": "N"}, plain={"epsilon": (1.0, 0.5)},
    facets={"with more than one sequence": lambda c: len(c["n"]) > 1, "with more than two steps": lambda c: (
        c["n"].shape[1] > 2), "where a state is 0": lambda c: any(
            h == 0 for row in zip(c["z"], c["n"]) for h in states(*row)), "where a state is below 0": lambda c: any(
                h < 0 for row in zip(c["z"], c["n"]) for h in states(*row))})


def states(z: Any, n: Any) -> list[float]:
    """h_1, h_2, ... of one sequence."""
    h = [0.0]
    for gate, candidate in zip(z, n):
        h.append((1 - gate) * candidate + gate * h[-1])
    return h[1:]


# ----------------------------------------------------------------------------------------------------- patching, 7.6


def draw_runs(rng: np.random.Generator) -> dict:
    N, inputs, hidden = size(rng, 2), size(rng), size(rng)
    return {"W": some(rng, inputs, hidden), "v": some(rng, hidden), "x": some(rng, N, inputs),
            "other": some(rng, N, inputs)}


def patch_effects(say: Callable | None, W: Any, v: Any, x: Any, other: Any) -> Any:
    found = np.zeros((len(x), len(v)))
    for n in range(len(x)):
        h, g = ([max(float(sum(run[n] * W[:, k])), 0.0) for k in range(len(v))] for run in (x, other))
        y = max(float(np.dot(h, v)), 0.0)
        if say:
            say(f"image {n}: neurons {', '.join(map(number, h))}, of the other {', '.join(map(number, g))}; y = "
                f"{number(y)}")
        for k in range(len(v)):
            put = [*h[:k], g[k], *h[k + 1:]]
            found[n, k] = max(float(np.dot(put, v)), 0.0) - y
            if say:
                say(f"    neuron {k} put in: {dot(put, v)} = {number(np.dot(put, v))}, behind the ReLU "
                    f"{number(found[n, k] + y)}; the output rises by {number(found[n, k])}")
    return found


def one_by_one(W: Any, v: Any, x: Any, other: Any, part: Callable = lambda h, g, k: g[:, k]) -> Any:
    """The outputs (N, H) with neuron k of x made into part(h, g, k), each for itself."""
    h, g = (x @ W).clip(0), (other @ W).clip(0)
    outputs = np.zeros(h.shape)
    for k in range(len(v)):
        put = h.copy()
        put[:, k] = part(h, g, k)
        outputs[:, k] = (put @ v).clip(0)
    return outputs


def of_run(x: Any, W: Any, v: Any) -> Any:
    """y of each image, (N, 1)"""
    return ((x @ W).clip(0) @ v).clip(0)[:, None]


def left_in(W: Any, v: Any, x: Any, other: Any) -> Any:
    h, found = (x @ W).clip(0), np.zeros((len(x), len(v)))
    for k in range(len(v)):
        h[:, k] = (other @ W).clip(0)[:, k]
        found[:, k] = (h @ v).clip(0)
    return found - of_run(x, W, v)


def by_gradient(W: Any, v: Any, x: Any, other: Any) -> Any:
    return ((other @ W).clip(0) - (x @ W).clip(0)) * v * (of_run(x, W, v) > 0)


PATCH_EFFECTS = Exercise(
    "patch_effects", "7.6", """
    h = relu(x W),  y(h) = relu(sum_k h_k v_k)
    effect_k = y(h with h_k of the other run) - y(h)        each k for itself""", draw_runs, patch_effects,
    [("the difference is multiplied by the gradient: that is attribution patching, right for small steps", by_gradient),
     ("the ReLU behind the sum is left out", lambda W, v, x, other: ((other @ W).clip(0) - (x @ W).clip(0)) * v),
     ("the sign is turned: what is lost, not what is gained",
      lambda W, v, x, other: of_run(x, W, v) - one_by_one(W, v, x, other)),
     ("the runs are exchanged: parts of x are put into the other run",
      lambda W, v, x, other: one_by_one(W, v, other, x) - of_run(other, W, v)),
     ("the neuron is set to 0, not to its value in the other run: that is ablation",
      lambda W, v, x, other: one_by_one(W, v, x, other, lambda h, g, k: 0) - of_run(x, W, v)),
     ("the other run's value is added to what stands there",
      lambda W, v, x, other: one_by_one(W, v, x, other, lambda h, g, k: h[:, k] + g[:, k]) - of_run(x, W, v)),
     ("neurons that were put in stay in: each needs a run of its own", left_in),
     ("all neurons are put in at once", lambda W, v, x, other: of_run(other, W, v) - of_run(x, W, v) + 0 * (x @ W)),
     ("the new output is returned, not by how much it rose",
      lambda W, v, x, other: one_by_one(W, v, x, other))],
    ["Run both: h of x and h of other. Then, for each k, a copy of h with one column of the other.",
     "put = h.copy(); put[:, k] = g[:, k]; and from there the layers above, the ReLU too.",
     "Subtract the output of x itself: an effect is a change."],
    axes={"W": "I H", "v": "H", "x": "N I", "other": "N I"},
    facets={"with more than one image": lambda c: len(c["x"]) > 1,
            "with more than one neuron": lambda c: len(c["v"]) > 1,
            "where y is 0": lambda c: (of_run(c["x"], c["W"], c["v"]) == 0).any()})

EXERCISES = [SUM_RULE, PRODUCT_RULE, SOFTMAX, SOFTMAX_RULE, VALUES, SCORES, PATCH_EFFECTS, CELL, MEMORY]
