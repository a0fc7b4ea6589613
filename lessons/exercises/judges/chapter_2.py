"""Decomposing a decision: Taylor, the rules of relevance propagation, root points, DeepLIFT."""
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lessons.exercises.judges.neurons import (FACETS, LAYER, axes_of_layer, by_check_rule, by_neuron, divided,
                                              draw_dense, draw_layer, sgn, sums)
from lessons.exercises.marking import Exercise, dot, number, plus, size, some, times
from minixnn.checks import definitions

DENSE = {"x": "N I", "W": "I O", "b": "O", "R": "N O"}


def pos(v: Any) -> Any:
    return np.clip(v, 0, None)


def neg(v: Any) -> Any:
    return np.clip(v, None, 0)


def over(R: Any, z: Any) -> Any:
    """R / z, and 0 where z is 0."""
    return np.where(z == 0, 0, R / np.where(z == 0, 1, z))


def signs(z: Any) -> Any:
    return np.where(z >= 0, 1, -1)


# --------------------------------------------------------------------------------------------- simple Taylor, 2.2

def draw_taylor(rng: np.random.Generator) -> dict:
    inputs = size(rng)
    return {"a": some(rng, inputs), "q": some(rng, inputs), "x": some(rng, inputs), "root": some(rng, inputs)}


def taylor(say: Callable | None, a: Any, q: Any, x: Any, root: Any) -> Any:
    slope = a + 2 * q * root
    for j in range(len(x)) if say else ():
        say(f"input {j}: slope at the root {number(slope[j])}, times ({number(x[j])} - {number(root[j])}), is "
            f"{number(slope[j] * (x[j] - root[j]))}".replace("- -", "+ "))
    return slope * (x - root)


TAYLOR = Exercise(
    "taylor", "2.2", "R_j = df/dx_j (at the root) * (x_j - root_j)", draw_taylor, taylor,
    [("the gradient is taken at x, not at the root", lambda g, x, root: g(x) * (x - root)),
     ("it is gradient times input: the root is left out", lambda g, x, root: g(x) * x),
     ("the gradient at the root is multiplied with x, not with the way from the root", lambda g, x, root: g(root) * x),
     ("the way goes from x to the root: the sign is turned", lambda g, x, root: g(root) * (root - x)),
     ("only the gradient is returned", lambda g, x, root: g(root) + 0 * x),
     ("all entries are added up", lambda g, x, root: (g(root) * (x - root)).sum())],
    ["Taylor's expansion at a point replaces f by the plane that touches it there.",
     "So the slope is that of the root; the way is the one from there to x."],
    axes={name: "I" for name in ("a", "q", "x", "root")}, arguments="gradient, x, root",
    setup="gradient = lambda x: a + 2 * q * x        # of f(x) = sum(a x + q x^2)",
    facets={"where f is curved": lambda c: c["q"].any(), "where the root is not 0": lambda c: c["root"].any()})

# --------------------------------------------------------------------------------------------------- epsilon, 2.3


def epsilon_share(say: Callable, xs: list, ws: list, b: float, R: float, epsilon: float) -> list[float]:
    z = sum(x * w for x, w in zip(xs, ws)) + b
    say(f"z = {dot(xs, ws, b)} = {number(z)}")
    below = z + epsilon * sgn(z)
    say(f"z {'+' if z >= 0 else '-'} epsilon = {number(below)}, away from 0" + ("; sgn(0) is +1" if z == 0 else ""))
    return divided(say, [x * w for x, w in zip(xs, ws)], below, R, "z with epsilon")


def eps(x: Any, W: Any, b: Any, R: Any, epsilon: Any) -> Any:
    z = x @ W + b
    return x * ((R / (z + epsilon * signs(z))) @ W.T)


def draw_epsilon(rng: np.random.Generator) -> dict:
    return {**draw_dense(rng), "epsilon": float(rng.choice([0.25, 0.5, 1]))}


EPSILON = Exercise(
    "epsilon", "2.3", "R_j = sum_k x_j w_jk / (z_k + epsilon sgn z_k) R_k        z_k = sum_j x_j w_jk + b_k",
    draw_epsilon, by_neuron(epsilon_share),
    [("the bias is left out of z_k", lambda x, W, b, R, epsilon: eps(x, W, 0, R, epsilon)),
     ("the stabiliser has no sign: z + epsilon, where z is negative, too",
      lambda x, W, b, R, epsilon: x * ((R / (x @ W + b + epsilon)) @ W.T)),
     ("the sign of 0 is taken for 0, as np.sign does: then z = 0 is not kept away from 0",
      lambda x, W, b, R, epsilon: x * ((R / (x @ W + b + epsilon * np.sign(x @ W + b))) @ W.T)),
     ("the stabiliser is left out", lambda x, W, b, R, epsilon: x * ((R / (x @ W + b)) @ W.T)),
     ("the product with x_j is left out: a gradient stands where relevance belongs",
      lambda x, W, b, R, epsilon: (R / (x @ W + b + epsilon * signs(x @ W + b))) @ W.T),
     ("nothing is divided by z_k: it is x times the gradient", lambda x, W, b, R, epsilon: x * (R @ W.T)),
     ("the size of z is taken, without its sign",
      lambda x, W, b, R, epsilon: x * ((R / (abs(x @ W + b) + epsilon)) @ W.T)),
     ("the bias is counted twice", lambda x, W, b, R, epsilon: eps(x, W, 2 * b, R, epsilon)),
     ("epsilon is subtracted, not added", lambda x, W, b, R, epsilon: eps(x, W, b, R, -epsilon))],
    ["Four lines: z, what each output was made of; s = R / z, relevance per unit of it; c, what an input of size 1 has "
     "earned; and x * c.",
     "c sums over the outputs k: s @ W.T.",
     "The sign: np.where(z >= 0, 1, -1), for np.sign(0) is 0."],
    axes=DENSE, facets=FACETS, plain={"epsilon": (1.0, 0.5)})


def draw_any(rng: np.random.Generator) -> dict:
    return {**draw_layer(rng), "epsilon": float(rng.choice([0.25, 0.5, 1]))}


LRP_EPSILON = Exercise(
    "lrp_epsilon", "2.3", "R_j = sum_k x_j w_jk / (z_k + epsilon sgn z_k) R_k        on any layer y = W.x + b",
    draw_any, by_neuron(epsilon_share),
    [("the bias is counted twice: y has it already", lambda layer, x, y, R, epsilon: x * layer.gradient(
        x, y, R / (y + (0 if layer.b is None else layer.b) + epsilon * signs(y)))),
     ("a matrix product stands where the layer's own gradient belongs: a convolution has no matrix",
      lambda layer, x, y, R, epsilon: x * ((R / (y + epsilon * signs(y))) @ layer.W.T)),
     ("the bias is left out of z_k", lambda layer, x, y, R, epsilon: (
         lambda z: x * layer.gradient(x, y, R / (z + epsilon * signs(z))))(
             layer.with_weights(layer.W, None).forward(x))),
     ("the product with x_j is left out: a gradient stands where relevance belongs",
      lambda layer, x, y, R, epsilon: layer.gradient(x, y, R / (y + epsilon * signs(y)))),
     ("the stabiliser has no sign: z + epsilon, where z is negative, too",
      lambda layer, x, y, R, epsilon: x * layer.gradient(x, y, R / (y + epsilon))),
     ("nothing is divided by z_k: it is x times the gradient",
      lambda layer, x, y, R, epsilon: x * layer.gradient(x, y, R))],
    ["A sum over j is layer.forward, a sum over k is layer.gradient(x, y, s): so the four lines serve every layer.",
     "z is the layer's output, y, which you are handed.",
     "s = R / (z + ...), c = layer.gradient(x, y, s), return x * c"],
    axes=axes_of_layer, facets=FACETS, setup=LAYER, arguments="layer, x, y, R, epsilon", optional=("b",),
    plain={"epsilon": (1.0, 0.5)},
    also=by_check_rule(conserves="never", knobs={"epsilon": 0.25},     # a large stabiliser withholds much
                       definition=partial(definitions.epsilon, epsilon=0.25)))

# ----------------------------------------------------------------------------------------------------- gamma, 2.3


def gamma_share(say: Callable, xs: list, ws: list, b: float, R: float, gamma: float) -> list[float]:
    boosted = [w + gamma * max(w, 0) for w in ws]
    say(f"weights with gamma: {', '.join(map(number, boosted))}; bias: {number(b + gamma * max(b, 0))}")
    z = sum(x * w for x, w in zip(xs, boosted)) + b + gamma * max(b, 0)
    say(f"z = {dot(xs, boosted, b + gamma * max(b, 0))} = {number(z)}")
    return divided(say, [x * w for x, w in zip(xs, boosted)], z, R)


def with_gamma(layer: Any, x: Any, R: Any, W: Any, b: Any, back: Any = None) -> Any:
    """The mistakes' rule: z of one layer, and the way back through the weights W, or `back`."""
    forth = layer.with_weights(W, b)
    z = forth.forward(x)
    return x * (forth if back is None else layer.with_weights(back, None)).gradient(x, z, over(R, z))


def boost(v: Any, gamma: float) -> Any:
    return None if v is None else v + gamma * pos(v)


def none_cancels(case: dict) -> bool:
    """No neuron whose boosted contributions cancel to 0, where conventions differ."""
    boosted = {**case, "W": boost(case["W"], case["gamma"]), "b": boost(case["b"], case["gamma"])}
    return case["gamma"] > 0 and all(abs(z) > 1e-9 for z in sums(boosted)) and (case["x"] >= 0).all()


def draw_gamma(rng: np.random.Generator) -> dict:
    return {**draw_layer(rng, low=0), "gamma": float(rng.choice([0.5, 1, 0.25]))}


GAMMA = Exercise(
    "gamma", "2.3", """
    R_j = sum_k x_j (w_jk + gamma w_jk+) / z_k R_k
    z_k = sum_j x_j (w_jk + gamma w_jk+) + b_k + gamma b_k+        x >= 0, v+ = max(v, 0)""", draw_gamma,
    by_neuron(gamma_share),
    [("the bias is not boosted along with the weights",
      lambda layer, x, y, R, gamma: with_gamma(layer, x, R, boost(layer.W, gamma), layer.b)),
     ("the bias is left out of z_k",
      lambda layer, x, y, R, gamma: with_gamma(layer, x, R, boost(layer.W, gamma), None)),
     ("all weights are boosted, not only the positive ones", lambda layer, x, y, R, gamma: with_gamma(
         layer, x, R, (1 + gamma) * layer.W, boost(layer.b, gamma))),
     ("the denominator is y, made with the weights as they were", lambda layer, x, y, R, gamma: x * layer.with_weights(
         boost(layer.W, gamma), None).gradient(x, y, over(R, y))),
     ("the way back goes through the weights as they were", lambda layer, x, y, R, gamma: with_gamma(
         layer, x, R, boost(layer.W, gamma), boost(layer.b, gamma), layer.W)),
     ("the negative weights are boosted", lambda layer, x, y, R, gamma: with_gamma(
         layer, x, R, layer.W + gamma * neg(layer.W), None if layer.b is None else layer.b + gamma * neg(layer.b))),
     ("only the positive weights are kept", lambda layer, x, y, R, gamma: with_gamma(
         layer, x, R, gamma * pos(layer.W), None if layer.b is None else gamma * pos(layer.b))),
     ("a layer without bias was forgotten: layer.b is None there", lambda layer, x, y, R, gamma: with_gamma(
         layer, x, R, boost(layer.W, gamma), layer.b + gamma * pos(layer.b)))],
    ["layer.with_weights(W, b) is the same layer with other numbers. It has a forward and a gradient of its own.",
     "positive(v) of minixnn.arrays is max(v, 0), and leaves None as it is.",
     "z is boosted.forward(x), c is boosted.gradient(x, z, R / stabilize(z)); stabilize(z) of minixnn.arrays is z, and "
     "infinite where z is 0, so that nothing is passed back there."],
    axes=axes_of_layer, facets=FACETS, setup=LAYER, arguments="layer, x, y, R, gamma", optional=("b",),
    valid=none_cancels, plain={"gamma": (1.0, 0.5)},
    also=by_check_rule(domain="nonnegative", conserves="without bias", knobs={"gamma": 0.25},
                       definition=partial(definitions.gamma, gamma=0.25)))

# ------------------------------------------------------------------------------------------------ alpha-beta, 2.3


def alpha_beta_share(say: Callable, xs: list, ws: list, b: float, R: float, alpha: float, beta: float) -> list[float]:
    z = [x * w for x, w in zip(xs, ws)]
    up, down = [max(v, 0.0) for v in z], [min(v, 0.0) for v in z]
    say(f"z_jk = {', '.join(map(number, z))}; b = {number(b)}")
    say(f"positive: {plus(up, max(b, 0.0))} = {number(sum(up) + max(b, 0))}; negative: {plus(down, min(b, 0.0))} = "
        f"{number(sum(down) + min(b, 0))}")
    for_it = divided(lambda line: say(f"alpha {number(alpha)}, {line}"), up, sum(up) + max(b, 0), alpha * R, "the sum")
    against = divided(lambda line: say(f"beta {number(beta)}, {line}"),
                      down, sum(down) + min(b, 0), beta * R, "the sum")
    return [p - q for p, q in zip(for_it, against)]


def ab(x: Any, W: Any, b_up: Any, b_down: Any, R: Any, alpha: float, beta: float, sign: int = -1) -> Any:
    z = x[:, :, None] * W
    up, down = pos(z), neg(z)
    return (alpha * up * over(R, up.sum(1) + b_up)[:, None]
            + sign * beta * down * over(R, down.sum(1) + b_down)[:, None]).sum(axis=2)


def ab_weights(x: Any, W: Any, b: Any, R: Any, alpha: float, beta: float) -> Any:
    up, down = x @ pos(W) + pos(b), x @ neg(W) + neg(b)
    return x * (alpha * over(R, up) @ pos(W).T - beta * over(R, down) @ neg(W).T)


def draw_alpha_beta(rng: np.random.Generator) -> dict:
    alpha, beta = ((2.0, 1.0), (1.0, 0.0), (1.5, 0.5))[rng.integers(0, 3)]
    return {**draw_dense(rng), "alpha": alpha, "beta": beta}


def parts_of(case: dict) -> list:
    """(denominator, what is divided by it) of both parts of each neuron."""
    z = case["x"][:, :, None] * case["W"]
    up, down = pos(z).sum(1) + pos(case["b"]), neg(z).sum(1) + neg(case["b"])
    return [(d[n, k], part[n, :, k]) for d, part in ((up, pos(z)), (down, neg(z))) for n, k in np.ndindex(*d.shape)]


ALPHA_BETA = Exercise(
    "alpha_beta", "2.3", """
    R_j = sum_k ( alpha z_jk+ / (sum_j z_jk+ + b_k+)  -  beta z_jk- / (sum_j z_jk- + b_k-) ) R_k
    z_jk = x_j w_jk, v+ = max(v, 0), v- = min(v, 0)""", draw_alpha_beta, by_neuron(alpha_beta_share),
    [("the whole bias stands in both denominators: b+ belongs to the positive part, b- to the negative",
      lambda x, W, b, R, alpha, beta: ab(x, W, b, b, R, alpha, beta)),
     ("the bias is left out", lambda x, W, b, R, alpha, beta: ab(x, W, 0, 0, R, alpha, beta)),
     ("the weights are split by their sign, not the products: a negative input turns the sign", ab_weights),
     ("the negative part is added, not subtracted",
      lambda x, W, b, R, alpha, beta: ab(x, W, pos(b), neg(b), R, alpha, beta, +1)),
     ("alpha and beta are exchanged", lambda x, W, b, R, alpha, beta: ab(x, W, pos(b), neg(b), R, beta, alpha)),
     ("there is no guard where nothing is positive, or nothing negative: 0 / 0",
      lambda x, W, b, R, alpha, beta: (lambda z: (alpha * pos(z) * (R / (pos(z).sum(1) + pos(b)))[:, None]
                                                  - beta * neg(z) * (R / (neg(z).sum(1) + neg(b)))[:, None]).sum(2))(
          x[:, :, None] * W)),
     ("both parts are divided by the same sum, z_k", lambda x, W, b, R, alpha, beta: (
         lambda z: ((alpha * pos(z) - beta * neg(z)) * over(R, x @ W + b)[:, None]).sum(2))(x[:, :, None] * W)),
     ("b+ and b- are exchanged", lambda x, W, b, R, alpha, beta: ab(x, W, neg(b), pos(b), R, alpha, beta))],
    ["All products at once: z = x[:, :, None] * W has axes (image, input, output). Split z by its sign.",
     "Each part has a denominator of its own: its sum over the inputs, axis 1, and the part of the bias of that sign.",
     "Where a denominator is 0 there is nothing to share by: np.where(d == 0, 1, d) below, for the part above is 0."],
    axes=DENSE, facets=FACETS, valid=lambda c: all(
        abs(s) > 1e-9 or not part.any() for s, part in parts_of(c)))

# --------------------------------------------------------------------------------------- flat, winner takes all, 2.3


def flat_share(say: Callable, xs: list, ws: list, b: float, R: float) -> list[float]:
    say(f"it sees {len(xs)} {'input, which' if len(xs) == 1 else 'inputs: each'} receives {number(R)}/{len(xs)}")
    return [R / len(xs)] * len(xs)


def flat_with(count: Callable) -> Callable:
    """A wrong flat rule: every output shares by count(layer, x, y), over its window."""
    def wrong(layer, x, y, R):
        ones = layer.with_weights(layer.W * 0 + 1, None)
        return ones.gradient(x, y, R / count(layer, x, y))
    return wrong


FLAT = Exercise(
    "flat", "2.3", "R_j = sum_k R_k / n_k        n_k: how many inputs output k sees, padding not counted", draw_layer,
    by_neuron(flat_share),
    [("padding is counted among the inputs",
      flat_with(lambda layer, x, y: np.prod(layer.W.shape[:-1]))),
     ("all inputs of the image are counted, also those that the output does not see",
      flat_with(lambda layer, x, y: x[0].size)),
     ("relevance is spread over the whole image, not over what an output sees", lambda layer, x, y, R: 0 * x + R.sum(
         axis=tuple(range(1, R.ndim)), keepdims=True).reshape(-1, *[1] * (x.ndim - 1)) / x[0].size),
     ("each input receives all of R_k: nothing is shared", flat_with(lambda layer, x, y: 1.0)),
     ("x is multiplied in: the flat rule does not look at it", lambda layer, x, y, R: (
         lambda ones, z: x * ones.gradient(x, y, over(R, z)))(layer.with_weights(layer.W * 0 + 1, None),
                                                              layer.with_weights(layer.W * 0 + 1, None).forward(x))),
     ("the bias is counted among the inputs", lambda layer, x, y, R: (lambda ones: ones.gradient(
         x, y, R / (ones.forward(x * 0 + 1) + (0 if layer.b is None else layer.b))))(
             layer.with_weights(layer.W * 0 + 1, None))),
     ("the weights decide: they are not all set to 1", lambda layer, x, y, R: (lambda same, ones: same.gradient(
         ones, y, over(R, same.forward(ones))))(layer.with_weights(layer.W, None), x * 0 + 1))],
    ["The same four lines, with every weight and every input 1, and no bias: z counts the inputs that an output sees.",
     "layer.with_weights(layer.W * 0 + 1, None) is that layer; np.ones_like(x) its input.",
     "What is padded is 0, so that forward does not count it. Do not multiply with x at the end."],
    axes=axes_of_layer, facets=FACETS, setup=LAYER, arguments="layer, x, y, R", optional=("b",),
    also=by_check_rule(conserves="always", definition=definitions.flat))


def draw_winner(rng: np.random.Generator) -> dict:
    N, count, n = size(rng, 2), size(rng, 2), 1 + size(rng)
    return {"x": some(rng, N, count, n), "R": some(rng, N, count)}


def winner_takes_all(say: Callable | None, x: Any, R: Any) -> Any:
    R_x = np.zeros(x.shape)
    for n, k in np.ndindex(*R.shape):
        best = max(range(x.shape[2]), key=lambda j: (x[n, k, j], -j))
        R_x[n, k, best] = R[n, k]
        if say:
            say(f"window {x[n, k].tolist()}: pixel {best} is the largest, the first if several are, and receives "
                f"{number(R[n, k])}")
    return R_x


def largest(x: Any) -> Any:
    return (x == x.max(axis=-1, keepdims=True)) * 1.0


def at(index: Any, x: Any) -> Any:
    return np.eye(x.shape[-1])[index]


WINNER = Exercise(
    "winner_takes_all", "2.3", "the first pixel that is the maximum of its window receives the window's relevance",
    draw_winner, winner_takes_all,
    [("each of several equal maxima receives R: ties create relevance", lambda x, R: largest(x) * R[..., None]),
     ("equal maxima share R", lambda x, R: largest(x) / largest(x).sum(-1, keepdims=True) * R[..., None]),
     ("the last of equal maxima receives R, not the first", lambda x, R: at(
         x.shape[-1] - 1 - x[..., ::-1].argmax(-1), x) * R[..., None]),
     ("the pixel that is largest in absolute value receives R", lambda x, R: at(abs(x).argmax(-1), x) * R[..., None]),
     ("the smallest pixel receives R", lambda x, R: at(x.argmin(-1), x) * R[..., None]),
     ("R is shared in proportion to x: that is another rule", lambda x, R: x * over(R, x.sum(-1))[..., None]),
     ("all pixels share R", lambda x, R: 0 * x + R[..., None] / x.shape[-1]),
     ("x is multiplied in", lambda x, R: x * at(x.argmax(-1), x) * R[..., None])],
    ["A row of x holds the pixels of a window. argmax gives the place of the first maximum.",
     "np.eye(n)[places] has a 1 at each place and 0 elsewhere.",
     "R[..., None] lays R beside the pixels of its window."],
    axes={"x": "N K J", "R": "N K"},
    facets={"where two pixels of a window are equal": lambda c: (largest(c["x"]).sum(-1) > 1).any(),
            "with a negative pixel": lambda c: (c["x"] < 0).any()})

# ------------------------------------------------------------------------------------------------ the loop of a pass

PASS = """from functools import partial
from minixnn import Dense, Network, ReLU
from minixnn.rules import lrp
net = Network([Dense(W1, b1), ReLU(), Dense(W2, b2)])
rules = [partial(lrp.epsilon, epsilon=1.0), lambda layer, x, y, R: R, partial(lrp.epsilon, epsilon=0.5)]"""


def draw_pass(rng: np.random.Generator) -> dict:
    N, inputs, hidden, classes = size(rng, 2), size(rng), size(rng), 1 + size(rng, 2)
    return {"x": some(rng, N, inputs), "W1": some(rng, inputs, hidden), "b1": some(rng, hidden),
            "W2": some(rng, hidden, classes), "b2": some(rng, classes), "target": int(rng.integers(0, classes))}


def lrp_pass(say: Callable | None, x: Any, W1: Any, b1: Any, W2: Any, b2: Any, target: int) -> Any:
    from minixnn import Dense, Network, ReLU, passes
    from minixnn.rules import lrp
    net = Network([Dense(W1, b1), ReLU(), Dense(W2, b2)])
    R = passes.lrp(net, x, target, [partial(lrp.epsilon, epsilon=1.0), None, partial(lrp.epsilon, epsilon=0.5)])
    if say:
        A = net.trace(x)
        for l in range(4):
            say(f"A[{l}] = {np.round(A[l], 4).tolist()}")
        say(f"R[3], the output of class {target}, all others 0: {R[3].tolist()}")
        for l in (2, 1, 0):
            say(f"R[{l}] = rules[{l}](net.layers[{l}], A[{l}], A[{l + 1}], R[{l + 1}]) = {np.round(R[l], 4).tolist()}")
    return list(R)


def a_pass(start: Callable, first: int = 0) -> Callable:
    def wrong(net, x, target, rules):
        A = net.trace(x)
        R = [None] * len(net.layers) + [start(A[-1], target)]
        for l in reversed(range(first, len(net.layers))):
            R[l] = rules[l](net.layers[l], A[l], A[l + 1], R[l + 1])
        return R
    return wrong


def target_only(y: Any, target: int) -> Any:
    return y * np.eye(y.shape[1])[target]


def reversed_rules(net: Any, x: Any, target: int, rules: Any) -> Any:
    return a_pass(target_only)(net, x, target, rules[::-1])


def y_for_x(net: Any, x: Any, target: int, rules: Any) -> Any:
    A = net.trace(x)
    R = [None] * len(net.layers) + [target_only(A[-1], target)]
    for l in reversed(range(len(net.layers))):
        R[l] = rules[l](net.layers[l], A[l + 1], A[l + 1], R[l + 1])
    return R


LRP_PASS = Exercise(
    "lrp_pass", "2.3", """
    R[L] = the output of the target, all other outputs 0
    R[l] = rules[l](layers[l], A[l], A[l + 1], R[l + 1])        l = L - 1, ..., 0""", draw_pass, lrp_pass,
    [("it starts from 1 at the target, as a gradient does, not from the output",
      a_pass(lambda y, t: np.eye(y.shape[1])[[t] * len(y)])),
     ("it starts from all outputs, not the target's alone", a_pass(lambda y, t: y)),
     ("it starts from the largest output, not the target's", a_pass(lambda y, t: y * np.eye(y.shape[1])[y.argmax(1)])),
     ("only R[0] is returned, not the list",
      lambda net, x, target, rules: a_pass(target_only)(net, x, target, rules)[0]),
     ("the list lies the wrong way round: R[0] must lie beside A[0]",
      lambda net, x, target, rules: a_pass(target_only)(net, x, target, rules)[::-1]),
     ("the output's relevance is missing at the end of the list",
      lambda net, x, target, rules: a_pass(target_only)(net, x, target, rules)[:-1]),
     ("the rules are taken in reversed order", reversed_rules),
     ("a rule is handed the layer's output in place of its input", y_for_x),
     ("the loop stops before the first layer", lambda net, x, target, rules: (
         lambda R: [R[1], *R[1:]])(a_pass(target_only, 1)(net, x, target, rules)))],
    ["A = net.trace(x) is the list of activations: A[0] is x, A[l] enters layer l, A[l + 1] leaves it.",
     "R has one entry more than there are layers. Begin with the last one and walk l down to 0.",
     "The start: y * 0 with the target's column of y put in. [None] * L + [start] is a list to fill."],
    axes={"x": "N I", "W1": "I H", "b1": "H", "W2": "H O", "b2": "O"}, setup=PASS, arguments="net, x, target, rules",
    valid=lambda c: c["target"] < c["W2"].shape[1], plain={"target": (0,)},
    facets={"with more than one class": lambda c: c["W2"].shape[1] > 1,
            "with more than one image": lambda c: len(c["x"]) > 1})

# -------------------------------------------------------------------------------------------------- composites, 2.3

NAMES = ("Conv2d", "ReLU", "MaxPool2d", "Flatten", "Dense")
LAYERS = """from minixnn import Conv2d, Dense, Flatten, MaxPool2d, ReLU
made = [Conv2d(np.ones((1, 1, 1, 1))), ReLU(), MaxPool2d(2), Flatten(), Dense(np.ones((1, 1)))]
layers = [made[k] for k in kinds]
first, conv, dense = "the first rule", "the rule of convolutions", "the rule of dense layers\""""


def draw_layers(rng: np.random.Generator) -> dict:
    return {"kinds": rng.integers(0, 5, size(rng, 6))}


def composite(say: Callable | None, kinds: Any) -> list:
    rules, met = [], False
    for l, k in enumerate(kinds):
        weighted = k in (0, 4)
        rules.append(None if not weighted else "the first rule" if not met else
                     "the rule of convolutions" if k == 0 else "the rule of dense layers")
        if say:
            say(f"layer {l}: {NAMES[k]}, {'which has weights' if weighted else 'no weights'}"
                f"{', the first that does' if weighted and not met else ''}: {rules[-1]}")
        met = met or weighted
    return rules


def choose(first_is: Callable) -> Callable:
    """A wrong composite; first_is(l, layer, how many with weights came before)."""
    def wrong(layers, first, conv, dense):
        rules, before = [], 0
        for l, layer in enumerate(layers):
            kind = type(layer).__name__
            if kind not in ("Conv2d", "Dense"):
                rules.append(first if first_is(l, kind, before) and l == 0 else None)
                continue
            rules.append(first if first_is(l, kind, before) else conv if kind == "Conv2d" else dense)
            before += 1
        return rules
    return wrong


def plainly(layers: Any, first: Any, conv: Any, dense: Any) -> Any:
    return choose(lambda l, kind, before: before == 0 and kind in ("Conv2d", "Dense"))(layers, first, conv, dense)


COMPOSITE = Exercise(
    "composite", "2.3", """
    one entry per layer: `first` for the first layer with weights, `conv` for the other convolutions,
    `dense` for the other dense layers, None for layers without weights""", draw_layers, composite,
    [("the first rule goes to layer 0, whatever it is: the first layer with *weights* is meant",
      choose(lambda l, kind, before: l == 0)),
     ("the first rule is given to the first convolution only: a dense layer may be first, too",
      choose(lambda l, kind, before: kind == "Conv2d" and before == 0)),
     ("the first layer gets no rule of its own", choose(lambda l, kind, before: False)),
     ("layers without weights get no entry: the list needs one per layer",
      lambda layers, *rules: [rule for rule in plainly(layers, *rules) if rule is not None]),
     ("layers without weights get the rule of dense layers",
      lambda layers, *rules: [rules[2] if rule is None else rule for rule in plainly(layers, *rules)]),
     ("the rules of convolutions and of dense layers are exchanged",
      lambda layers, first, conv, dense: plainly(layers, first, dense, conv)),
     ("the first convolution *and* the first dense layer get the first rule",
      lambda layers, first, conv, dense: (lambda kinds: [first if kind in ("Conv2d", "Dense") and kinds.index(kind) == l
                                          else {"Conv2d": conv, "Dense": dense}.get(kind) for l, kind in
                                          enumerate(kinds)])([type(layer).__name__ for layer in layers]))],
    ["Walk through the layers with a variable that remembers whether one with weights has come already.",
     "isinstance(layer, Conv2d) and isinstance(layer, Dense) tell the kinds apart.",
     "Every layer adds one entry to the list, if only None."],
    axes={"kinds": "L"}, setup=LAYERS, arguments="layers, first, conv, dense",
    facets={"that begin with a layer without weights": lambda c: c["kinds"][0] not in (0, 4),
            "with a layer without weights": lambda c: any(k not in (0, 4) for k in c["kinds"])})

# --------------------------------------------------------------------------------------------------- deep Taylor, 2.4


def z_plus_share(say: Callable, xs: list, ws: list, b: float, R: float) -> list[float]:
    parts = [x * max(w, 0.0) for x, w in zip(xs, ws)]
    say(f"x_j w_jk+ = {', '.join(map(number, parts))}; their sum z = {number(sum(parts))}")
    return divided(say, parts, sum(parts), R)


Z_PLUS = Exercise(
    "z_plus", "2.4", "R_j = sum_k x_j w_jk+ / (sum_j' x_j' w_j'k+) R_k        x >= 0",
    lambda rng: draw_layer(rng, low=0), by_neuron(z_plus_share),
    [("the bias stands in the denominator: this rule gives it nothing",
      lambda layer, x, y, R: with_gamma(layer, x, R, pos(layer.W), layer.b)),
     ("the positive part of the bias stands in the denominator: this rule gives it nothing",
      lambda layer, x, y, R: with_gamma(layer, x, R, pos(layer.W), None if layer.b is None else pos(layer.b))),
     ("the denominator is the layer's output, made with negative weights, too",
      lambda layer, x, y, R: x * layer.with_weights(pos(layer.W), None).gradient(x, y, over(R, y))),
     ("the way back goes through all weights", lambda layer, x, y, R: with_gamma(
         layer, x, R, pos(layer.W), None, layer.W)),
     ("the way back goes through all weights", lambda layer, x, y, R: (lambda up: x * layer.gradient(
         x, y, R / (up.forward(x) + (up.forward(x) == 0))))(layer.with_weights(pos(layer.W), None))),
     ("all weights are used: it is LRP-0 without bias", lambda layer, x, y, R: with_gamma(layer, x, R, layer.W, None)),
     ("negative weights are made positive, not 0", lambda layer, x, y, R: with_gamma(layer, x, R, abs(layer.W), None)),
     ("there is no guard where no contribution is positive: 0 / 0", lambda layer, x, y, R: (
         lambda up: x * up.gradient(x, y, R / up.forward(x)))(layer.with_weights(pos(layer.W), None))),
     ("the product with x_j is left out", lambda layer, x, y, R: (lambda up: up.gradient(
         x, y, over(R, up.forward(x))))(layer.with_weights(pos(layer.W), None)))],
    ["layer.with_weights(positive(layer.W), None) is the layer with its positive weights and no bias.",
     "The four lines on that layer: z is its output, not y.",
     "stabilize(z) of minixnn.arrays guards the division where z is 0."],
    axes=axes_of_layer, facets=FACETS, setup=LAYER, arguments="layer, x, y, R", optional=("b",),
    valid=lambda c: (c["x"] >= 0).all(),
    also=by_check_rule(domain="nonnegative", conserves="always", definition=definitions.z_plus))


def w_square_share(say: Callable, xs: list, ws: list, b: float, R: float) -> list[float]:
    say(f"w_jk^2 = {', '.join(number(w * w) for w in ws)}; their sum = {number(sum(w * w for w in ws))}")
    return divided(say, [w * w for w in ws], sum(w * w for w in ws), R, "the sum")


W_SQUARE = Exercise(
    "w_square", "2.4", "R_j = sum_k w_jk^2 / (sum_j' w_j'k^2) R_k", lambda rng: draw_dense(rng, bias=False),
    by_neuron(w_square_share),
    [("the sum runs over the outputs k, not over the inputs j: the wrong axis",
      lambda x, W, R: R @ (over(W ** 2, (W ** 2).sum(1, keepdims=True))).T),
     ("the weights are taken by their size, not squared", lambda x, W, R: over(R, abs(W).sum(0)) @ abs(W).T),
     ("x is multiplied in: this rule does not look at it", lambda x, W, R: x * (over(R, x @ W ** 2) @ (W ** 2).T)),
     ("the sum is squared, not each weight", lambda x, W, R: over(R, W.sum(0) ** 2) @ (W ** 2).T),
     ("the weights themselves are in the numerator", lambda x, W, R: over(R, (W ** 2).sum(0)) @ W.T),
     ("there is no guard where all weights are 0: 0 / 0", lambda x, W, R: (R / (W ** 2).sum(0)) @ (W ** 2).T),
     ("the sum runs over all weights of the layer", lambda x, W, R: over(R, (W ** 2).sum()) @ (W ** 2).T),
     ("nothing is divided", lambda x, W, R: R @ (W ** 2).T)],
    ["Share by V = W ** 2. Each output has a sum of its own: V over its inputs, axis 0.",
     "R / V.sum(axis=0) is (N, O); a product with V.T brings it to (N, I).",
     "Where a column of W is all 0 its sum is 0: np.where(total == 0, 1, total)."],
    axes={"x": "N I", "W": "I O", "R": "N O"}, facets=FACETS)


def z_box_share(say: Callable, xs: list, ws: list, b: float, R: float, low: float, high: float) -> list[float]:
    parts = [x * w - low * max(w, 0.0) - high * min(w, 0.0) for x, w in zip(xs, ws)]
    for j, (x, w) in enumerate(zip(xs, ws)):
        say(f"input {j}: {times(x, w)} - {times(low, max(w, 0.0))} - {times(high, min(w, 0.0))} = {number(parts[j])}")
    say(f"their sum = {number(sum(parts))}")
    return divided(say, parts, sum(parts), R, "the sum")


def box(x: Any, W: Any, R: Any, low: Any, high: Any, b: Any = 0, sign: int = 1) -> Any:
    parts = x[:, :, None] * W - sign * (low * pos(W) + high * neg(W))
    return (parts * over(R, parts.sum(1) + b)[:, None]).sum(2)


def draw_box(rng: np.random.Generator) -> dict:
    low, high = ((0.0, 1.0), (-1.0, 1.0), (-1.0, 2.0), (-0.5, 1.5))[rng.integers(0, 4)]
    case = draw_dense(rng, bias=False)
    grid = low + (high - low) * np.array([0, 0.25, 0.5, 0.75, 1])
    return {**case, "x": rng.choice(grid, case["x"].shape), "low": low, "high": high}


Z_BOX = Exercise(
    "z_box", "2.4", """
    R_j = sum_k (x_j w_jk - low w_jk+ - high w_jk-) / (the same, summed over j) R_k        low <= x_j <= high""",
    draw_box, by_neuron(z_box_share),
    [("low and high are exchanged", lambda x, W, R, low, high: box(x, W, R, high, low)),
     ("the box is left out: it is LRP-0", lambda x, W, R, low, high: box(x, W, R, 0, 0)),
     ("the bounds are added, not subtracted", lambda x, W, R, low, high: box(x, W, R, low, high, sign=-1)),
     ("only low is used, for all weights", lambda x, W, R, low, high: box(x, W, R, low, low)),
     ("the upper bound is left out", lambda x, W, R, low, high: box(x, W, R, low, 0)),
     ("the denominator is LRP-0's, without the bounds", lambda x, W, R, low, high: (
         (x[:, :, None] * W - low * pos(W) - high * neg(W)) * over(R, x @ W)[:, None]).sum(2)),
     ("there is no guard where all pixels lie in their corner: 0 / 0", lambda x, W, R, low, high: (
         lambda p: (p * (R / p.sum(1))[:, None]).sum(2))(x[:, :, None] * W - low * pos(W) - high * neg(W)))],
    ["From where is a contribution measured? From the bound that excites the neuron least: low if w > 0, else high.",
     "parts = x[:, :, None] * W - ... has axes (image, input, output); sum it over axis 1 for the denominator.",
     "Every part is 0 or more, so the sum is 0 only where all parts are."],
    axes={"x": "N I", "W": "I O", "R": "N O"}, facets=FACETS,
    valid=lambda c: (c["x"] >= c["low"]).all() and (c["x"] <= c["high"]).all())

# --------------------------------------------------------------------------------------------------- root points, 2.4


def draw_root(rng: np.random.Generator) -> dict:
    inputs = size(rng)
    return {"x": some(rng, inputs), "w": some(rng, inputs), "b": float(rng.choice([0, -1, 1, -0.5]))}


def nearest_root(say: Callable | None, x: Any, w: Any, b: float) -> Any:
    z = float(sum(x * w) + b)
    if say:
        say(f"z = {dot(x, w, b)} = {number(z)}" + ("" if z > 0 else ", not above 0: x is its own root"))
    if z <= 0:
        return x + 0.0
    square = float(sum(w * w))
    if say:
        say(f"w.w = {number(square)}, so the way is {number(z)}/{number(square)} = {number(z / square)} times w")
        say(f"there z = {dot(x - z / square * w, w, b)} = 0")
    return x - z / square * w


def to_root(length: Callable, bias: bool = True, always: bool = False, sign: int = -1) -> Callable:
    def wrong(x, w, b):
        z = x @ w + (b if bias else 0)
        return x + 0.0 if z <= 0 and not always else x + sign * z / length(w) * w
    return wrong


NEAREST_ROOT = Exercise(
    "nearest_root", "2.4", """
    x~ = x - z / (w.w) w        z = x.w + b, where z > 0
    x~ = x                      where z <= 0: the neuron max(0, z) is zero there already""", draw_root, nearest_root,
    [("the way is divided by the length of w, not by its square", to_root(lambda w: np.sqrt(w @ w))),
     ("the bias is left out of z", to_root(lambda w: w @ w, bias=False)),
     ("it walks away from the root: the sign is turned", to_root(lambda w: w @ w, sign=1)),
     ("a neuron that is zero already is moved, too", to_root(lambda w: w @ w, always=True)),
     ("the way is not divided at all", to_root(lambda w: 1.0)),
     ("the way goes along x, not along w",
      lambda x, w, b: x + 0.0 if x @ w + b <= 0 else x - (x @ w + b) / (w @ w) * x),
     ("0 is returned where the neuron is zero, not x", lambda x, w, b: np.where(
         x @ w + b > 0, x - (x @ w + b) / max(w @ w, 1e-9) * w, 0))],
    ["Moving x by t w changes z by t (w.w). Which t takes z to 0?",
     "Put it back: (x - t w).w + b must be 0.",
     "if z <= 0: return x"],
    axes={"x": "I", "w": "I"}, plain={"b": (0.0, 1.0)},
    valid=lambda c: bool(c["w"].any()) and abs(c["x"] @ c["w"] + c["b"]) > 1e-9,
    facets={"with a bias": lambda c: c["b"] != 0, "where z is not above 0": lambda c: c["x"] @ c["w"] + c["b"] <= 0})


def draw_z_plus_root(rng: np.random.Generator) -> dict:
    inputs = size(rng)
    return {"x": some(rng, inputs, low=0), "w": some(rng, inputs), "b": float(rng.choice([0, -1, -0.5]))}


def z_plus_root(say: Callable | None, x: Any, w: Any, b: float) -> Any:
    z = float(sum(x * w) + b)
    v = np.where(w > 0, x, 0.0)
    if say:
        say(f"z = {dot(x, w, b)} = {number(z)}" + ("" if z > 0 else ", not above 0: x is its own root"))
    if z <= 0:
        return x + 0.0
    t = z / float(v @ w)
    if say:
        say(f"v = {v.tolist()}: x where w > 0; z falls by v.w = {dot(v, w)} = {number(v @ w)} along it")
        say(f"t = {number(z)}/{number(v @ w)} = {number(t)}; x - t v = {(x - t * v).tolist()}")
    return x - t * v


def along(direction: Callable, fall: Callable | None = None, bias: bool = True, always: bool = False) -> Callable:
    def wrong(x, w, b):
        z, v = x @ w + (b if bias else 0), direction(x, w)
        return x + 0.0 if z <= 0 and not always else x - z / (v @ w if fall is None else fall(x, w, v)) * v
    return wrong


Z_PLUS_ROOT = Exercise(
    "z_plus_root", "2.4", """
    x~ = x - t v,  v_j = x_j where w_j > 0, else 0        t = z / (v.w), z = x.w + b, where z > 0
    x~ = x                                                where z <= 0
    x >= 0 and b <= 0, so that x~ >= 0""",
    draw_z_plus_root, z_plus_root,
    [("the way goes along all of x, also where w is negative", along(lambda x, w: x)),
     ("inputs of weight 0 are taken back, too: only those with a weight above 0 are", along(lambda x, w: x * (w >= 0))),
     ("the way goes along w: that is the root of w^2", along(lambda x, w: w)),
     ("the bias is left out of z", along(lambda x, w: x * (w > 0), bias=False)),
     ("the inputs with positive weights all become 0: t = 1", lambda x, w, b: np.where(w > 0, 0, x) if x @ w + b > 0
      else x + 0.0),
     ("a neuron that is zero already is moved, too", along(lambda x, w: x * (w > 0), always=True)),
     ("the way is divided by v.v, not by v.w", along(lambda x, w: x * (w > 0), lambda x, w, v: v @ v)),
     ("the way goes along the positive weights, not the inputs", along(lambda x, w: pos(w)))],
    ["Only inputs that excite the neuron are taken back, each by the same share t of itself.",
     "v = x * (w > 0). Along v, z falls by v.w for each unit of t.",
     "t lies between 0 and 1 where b <= 0: no input becomes negative."],
    axes={"x": "I", "w": "I"}, plain={"b": (0.0, -1.0)},
    valid=lambda c: (c["x"] >= 0).all() and c["b"] <= 0 and abs(c["x"] @ c["w"] + c["b"]) > 1e-9,
    facets={"with a bias": lambda c: c["b"] != 0, "where z is not above 0": lambda c: c["x"] @ c["w"] + c["b"] <= 0,
            "with a negative weight": lambda c: (c["w"] < 0).any()})


# ------------------------------------------------------------------------------------------------------- DeepLIFT, 2.5

def draw_linear(rng: np.random.Generator) -> dict:
    N, inputs, outputs = size(rng), size(rng), size(rng)
    return {"x": some(rng, N, inputs), "x_ref": some(rng, N, inputs), "W": some(rng, inputs, outputs),
            "m": some(rng, N, outputs)}


def deeplift_linear(say: Callable | None, x: Any, x_ref: Any, W: Any, m: Any) -> Any:
    C = np.zeros(x.shape)
    for n, j in np.ndindex(*x.shape):
        multiplier = sum(W[j, k] * m[n, k] for k in range(W.shape[1]))
        C[n, j] = multiplier * (x[n, j] - x_ref[n, j])
        if say:
            say(f"input [{n}, {j}]: multiplier {dot(W[j], m[n])} = {number(multiplier)}; difference "
                f"{number(x[n, j] - x_ref[n, j])}; contribution {number(C[n, j])}")
    return C


DEEPLIFT_LINEAR = Exercise(
    "deeplift_linear", "2.5", "C_j = (sum_k w_jk m_k) (x_j - x_ref_j)        m_k: the multiplier of output k",
    draw_linear, deeplift_linear,
    [("the reference is left out: it is gradient times input", lambda x, x_ref, W, m: (m @ W.T) * x),
     ("the multipliers are returned, not the contributions", lambda x, x_ref, W, m: m @ W.T),
     ("the difference is taken the wrong way round", lambda x, x_ref, W, m: (m @ W.T) * (x_ref - x)),
     ("the size of the difference is taken, without its sign", lambda x, x_ref, W, m: (m @ W.T) * abs(x - x_ref)),
     ("the multipliers of the outputs are left out", lambda x, x_ref, W, m: W.sum(1) * (x - x_ref)),
     ("the weights are not transposed", lambda x, x_ref, W, m: (m @ W) * (x - x_ref)),
     ("it is shared in proportion, as relevance is", lambda x, x_ref, W, m: (x - x_ref) * (
         over(m, (x - x_ref) @ W) @ W.T))],
    ["A multiplier is a slope: of a linear layer it is the gradient, m @ W.T.",
     "A contribution is a multiplier times a difference from the reference."],
    axes={"x": "N I", "x_ref": "N I", "W": "I O", "m": "N O"},
    facets={"where the reference is not 0": lambda c: c["x_ref"].any(),
            "with more than one image": lambda c: len(c["x"]) > 1})


def draw_rescale(rng: np.random.Generator) -> dict:
    shape = size(rng), size(rng)
    x, x_ref = some(rng, *shape), some(rng, *shape)
    return {"x": x, "x_ref": np.where(rng.random(shape) < 0.3, x, x_ref), "m": some(rng, *shape)}


def rescale(say: Callable | None, x: Any, x_ref: Any, m: Any) -> Any:
    found = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        dx, dy = x[i] - x_ref[i], max(x[i], 0) - max(x_ref[i], 0)
        slope = dy / dx if dx else float(x[i] > 0)
        found[i] = slope * m[i]
        if say:
            say(f"{list(i)}: ReLU changes by {number(dy)}, its input by {number(dx)}: " + (
                f"slope {number(dy)}/{number(dx)} = {number(slope)}" if dx else
                f"no difference, so the gradient, {number(slope)}") + f"; times m: {number(found[i])}")
    return found


def slope(x: Any, x_ref: Any, where_equal: Any) -> Any:
    dx = x - x_ref
    return np.where(dx == 0, where_equal, (pos(x) - pos(x_ref)) / np.where(dx == 0, 1, dx))


RESCALE = Exercise(
    "rescale", "2.5", """
    m_x = (y - y_ref) / (x - x_ref) m        y = max(x, 0), y_ref = max(x_ref, 0)
    m_x = (the gradient of ReLU at x) m      where x = x_ref""", draw_rescale, rescale,
    [("the gradient at x is taken everywhere", lambda x, x_ref, m: m * (x > 0)),
     ("there is no guard where x = x_ref: 0 / 0", lambda x, x_ref, m: m * (pos(x) - pos(x_ref)) / (x - x_ref)),
     ("the multiplier is 0 where x = x_ref: it must be the gradient there", lambda x, x_ref, m: m * slope(x, x_ref, 0)),
     ("the multiplier is 1 where x = x_ref, also below 0", lambda x, x_ref, m: m * slope(x, x_ref, 1)),
     ("the reference's output is left out", lambda x, x_ref, m: m * np.where(
         x == x_ref, x > 0, pos(x) / np.where(x == x_ref, 1, x - x_ref))),
     ("the multipliers of the outputs are left out", lambda x, x_ref, m: slope(x, x_ref, x > 0)),
     ("contributions are returned, not multipliers", lambda x, x_ref, m: m * (pos(x) - pos(x_ref)))],
    ["The slope of the straight line from the reference to x, in place of the slope at x.",
     "Where x = x_ref there is no such line: np.where(dx == 0, gradient, quotient).",
     "np.where computes both sides: divide by np.where(dx == 0, 1, dx)."],
    axes={"x": "N I", "x_ref": "N I", "m": "N I"},
    facets={"where x = x_ref": lambda c: (c["x"] == c["x_ref"]).any(),
            "where x and x_ref lie on two sides of 0": lambda c: (c["x"] * c["x_ref"] < 0).any()})


def draw_reveal(rng: np.random.Generator) -> dict:
    n = size(rng)
    return {"x_ref": some(rng, n), "d_pos": abs(some(rng, n)), "d_neg": -abs(some(rng, n))}


def reveal_cancel(say: Callable | None, x_ref: Any, d_pos: Any, d_neg: Any) -> Any:
    up, down = np.zeros(x_ref.shape), np.zeros(x_ref.shape)
    for i in range(len(x_ref)):
        f0, f1, f2, f3 = (max(v, 0.0) for v in (x_ref[i], x_ref[i] + d_pos[i], x_ref[i] + d_neg[i],
                                                x_ref[i] + d_pos[i] + d_neg[i]))
        up[i], down[i] = ((f1 - f0) + (f3 - f2)) / 2, ((f2 - f0) + (f3 - f1)) / 2
        if say:
            say(f"entry {i}: f of nothing added {number(f0)}, of d+ {number(f1)}, of d- {number(f2)}, of both "
                f"{number(f3)}")
            say(f"    y+ = (({number(f1)} - {number(f0)}) + ({number(f3)} - {number(f2)})) / 2 = {number(up[i])}")
            say(f"    y- = (({number(f2)} - {number(f0)}) + ({number(f3)} - {number(f1)})) / 2 = {number(down[i])}")
    return up, down


def corners(r: Any, p: Any, n: Any) -> tuple:
    return pos(r), pos(r + p), pos(r + n), pos(r + p + n)


def reveal(combine: Callable) -> Callable:
    return lambda x_ref, d_pos, d_neg: combine(*corners(x_ref, d_pos, d_neg))


REVEAL_CANCEL = Exercise(
    "reveal_cancel", "2.5", """
    y+ = ((f(r + d+) - f(r)) + (f(r + d+ + d-) - f(r + d-))) / 2        f = max(., 0), r = x_ref
    y- = ((f(r + d-) - f(r)) + (f(r + d+ + d-) - f(r + d+))) / 2""", draw_reveal, reveal_cancel,
    [("d+ is added first only, not last, too", reveal(lambda a, b, c, d: (b - a, d - b))),
     ("each part is added to the reference alone: their sum is not the whole change",
      reveal(lambda a, b, c, d: (b - a, c - a))),
     ("the two orders are added up, not averaged", reveal(lambda a, b, c, d: (b - a + d - c, c - a + d - b))),
     ("y+ and y- are exchanged", reveal(lambda a, b, c, d: ((c - a + d - b) / 2, (b - a + d - c) / 2))),
     ("the function of the parts is taken, without the reference", lambda r, p, n: (pos(p), pos(n))),
     ("the change is shared in proportion, as rescale does", lambda r, p, n: (
         p * over(pos(r + p + n) - pos(r), p + n), n * over(pos(r + p + n) - pos(r), p + n))),
     ("each side receives half of the whole change", reveal(lambda a, b, c, d: ((d - a) / 2, (d - a) / 2))),
     ("f(r) is forgotten in both", reveal(lambda a, b, c, d: ((b + d - c) / 2, (c + d - b) / 2)))],
    ["Four values of f: of r, r + d+, r + d-, and r + d+ + d-.",
     "d+ can be added first, to r, or last, to r + d-. Take the mean of what it does in both orders.",
     "Return a pair: return y_pos, y_neg. Their sum is f(r + d+ + d-) - f(r)."],
    axes={name: "I" for name in ("x_ref", "d_pos", "d_neg")},
    valid=lambda c: (c["d_pos"] >= 0).all() and (c["d_neg"] <= 0).all(),
    facets={"where the reference is not 0": lambda c: c["x_ref"].any(),
            "where both parts are there": lambda c: (c["d_pos"] * c["d_neg"]).any()})

EXERCISES = [TAYLOR, EPSILON, LRP_EPSILON, GAMMA, ALPHA_BETA, FLAT, WINNER, LRP_PASS, COMPOSITE, Z_PLUS, W_SQUARE,
             Z_BOX, NEAREST_ROOT, Z_PLUS_ROOT, DEEPLIFT_LINEAR, RESCALE, REVEAL_CANCEL]
