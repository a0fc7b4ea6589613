"""Beyond: the ledger's balance, a control, and five faults that were reported of real libraries."""
from collections.abc import Callable
from typing import Any

import numpy as np

from lessons.exercises.judges.chapter_0 import RELU, draw_relu
from lessons.exercises.judges.chapter_2 import draw_rescale, neg, over, pos, signs
from lessons.exercises.judges.chapter_3 import guided_relu
from lessons.exercises.judges.neurons import FACETS, by_neuron, divided, draw_dense, sgn
from lessons.exercises.marking import Exercise, dot, number, plus, size, some

DENSE = {"x": "N I", "W": "I O", "b": "O", "R": "N O"}

# -------------------------------------------------------------------------------------------------------- ledger, 6.1


def draw_ledger(rng: np.random.Generator) -> dict:
    return {**draw_dense(rng), "epsilon": float(rng.choice([0.25, 0.5, 1]))}


def ledger_row(say: Callable | None, x: Any, W: Any, b: Any, R: Any, epsilon: float) -> tuple:
    inputs, bias, stabiliser = (np.zeros(len(x)) for _ in range(3))
    for n, k in np.ndindex(*R.shape):
        products = sum(x[n, j] * W[j, k] for j in range(len(W)))
        z = products + b[k]
        e = epsilon * sgn(z)
        parts = products / (z + e) * R[n, k], b[k] / (z + e) * R[n, k], e / (z + e) * R[n, k]
        for column, part in zip((inputs, bias, stabiliser), parts):
            column[n] += part
        if say:
            say(f"image {n}, output {k}: z = {dot(x[n], W[:, k], b[k])} = {number(z)}, with the stabiliser "
                f"{number(z + e)}; "
                f"R = {number(R[n, k])}")
            say(f"    inputs {number(products)}/{number(z + e)} R = {number(parts[0])}, bias "
                f"{number(b[k])}/{number(z + e)} R "
                f"= {number(parts[1])}, stabiliser {number(e)}/{number(z + e)} R = {number(parts[2])}")
    return inputs, bias, stabiliser


def row(inputs: Callable, bias: Callable, stabiliser: Callable) -> Callable:
    """A wrong row of the ledger; each part is a function of the products' sum, z, the signed epsilon and b."""
    def wrong(x, W, b, R, epsilon):
        z = x @ W + b
        e = epsilon * signs(z)
        return tuple((part(x @ W, z, e, b + 0 * z) * R).sum(1) for part in (inputs, bias, stabiliser))
    return wrong


def share_of(name: str) -> Callable:
    return lambda p, z, e, b: {"p": p, "b": b, "e": e}[name] / (z + e)


def unsigned(x: Any, W: Any, b: Any, R: Any, epsilon: float) -> tuple:
    z = x @ W + b
    return tuple((v * R / (z + epsilon)).sum(1) for v in (x @ W, b + 0 * z, epsilon + 0 * z))


P, B, S = share_of("p"), share_of("b"), share_of("e")
LEDGER = Exercise(
    "ledger_row", "6.1", """
    of R_k the inputs receive (sum_j x_j w_jk) / d_k R_k, the bias absorbs b_k / d_k R_k,
    the stabiliser epsilon sgn(z_k) / d_k R_k        d_k = z_k + epsilon sgn z_k
    summed over k, for each image: the three sum to sum_k R_k""", draw_ledger, ledger_row,
    [("the stabiliser has no sign: z + epsilon, where z is negative, too", unsigned),
     ("the bias' share is taken of z, without the stabiliser: the three do not sum to R",
      row(P, lambda p, z, e, b: over(b, z), S)),
     ("the shares are taken of z, without the stabiliser", row(
         lambda p, z, e, b: over(p, z), lambda p, z, e, b: over(b, z), S)),
     ("the bias' share is given to the inputs, too", row(lambda p, z, e, b: z / (z + e), B, S)),
     ("what the stabiliser takes is left out: 0 stands for it", row(P, B, lambda p, z, e, b: 0 * z)),
     ("bias and stabiliser are exchanged", row(P, S, B)),
     ("the bias is left out of z", lambda x, W, b, R, epsilon: row(P, B, S)(x, W, 0 * b, R, epsilon)),
     ("R is left out: shares are summed, not relevance",
      lambda x, W, b, R, epsilon: row(P, B, S)(x, W, b, 0 * R + 1, epsilon)),
     ("what is missing is given to the bias by subtraction, and the stabiliser gets none", row(
         P, lambda p, z, e, b: 1 - p / (z + e), lambda p, z, e, b: 0 * z))],
    ["z + epsilon sgn z is a sum of three: the products, the bias, the stabiliser. Each has its share of R.",
     "Compute d = z + e with e = epsilon * np.where(z >= 0, 1, -1) once, and divide each of the three by it.",
     "Sum over the outputs, axis 1. Return inputs, bias, stabiliser, each (N,)."],
    axes=DENSE, facets=FACETS, plain={"epsilon": (1.0, 0.5)})

# ------------------------------------------------------------------------------------------------------- control, 6.4


def draw_maps(rng: np.random.Generator) -> dict:
    classes, N, inputs = 2 + size(rng, 2), size(rng, 2), 1 + size(rng, 2)
    return {"maps": some(rng, classes, N, inputs), "target": rng.integers(0, classes, N)}


def most_alike(say: Callable | None, maps: Any, target: Any) -> Any:
    found = np.zeros(len(target))
    for n, t in enumerate(target):
        r, cosines = maps[t, n], {}
        for c in range(len(maps)):
            if c != t:
                s = maps[c, n]
                cosines[c] = float(r @ s) / float(np.sqrt(r @ r) * np.sqrt(s @ s))
                if say:
                    say(f"image {n}: classes {t} and {c}: ({dot(r, s)}) / (sqrt({number(r @ r)}) "
                        f"sqrt({number(s @ s)})) = "
                        f"{number(cosines[c])}")
        found[n] = max(cosines.values())
        if say:
            say(f"image {n}: the largest is {number(found[n])}")
    return found


def cosines(maps: Any, target: Any, center: bool = False) -> Any:
    """(N, classes): the cosine of each image's map for its target with that for each class."""
    maps = maps - maps.mean(-1, keepdims=True) if center else maps
    mine = maps[target, np.arange(len(target))]
    lengths = np.sqrt((maps ** 2).sum(-1)).T * np.sqrt((mine ** 2).sum(-1))[:, None]
    return np.einsum("cni,ni->nc", maps, mine) / lengths


def alike_by(choose: Callable) -> Callable:
    def wrong(explain, x, target, classes):
        maps = np.stack([explain(x, c) for c in range(classes)])
        return choose(maps, target)
    return wrong


def others(values: Any, target: Any, fill: float) -> Any:
    return np.where(np.eye(values.shape[1], dtype=bool)[target], fill, values)


def whole_batch(maps: Any, target: Any) -> Any:
    N, (classes, *_) = len(target), maps.shape
    mine = maps[target, np.arange(N)].ravel()
    found = [max(maps[c].ravel() @ mine / np.sqrt((maps[c] ** 2).sum() * (mine @ mine)) for c in range(
        classes) if c != t)
             for t in target]
    return np.array(found)


MOST_ALIKE = Exercise(
    "most_alike", "6.4", """
    for each image: the largest cosine of the map for its target with the map for another class
    cosine(r, s) = sum_i r_i s_i / ( sqrt(sum_i r_i^2) sqrt(sum_i s_i^2) )""", draw_maps, most_alike,
    [("the target is compared with itself, too: that is always 1", alike_by(lambda m, t: cosines(m, t).max(1))),
     ("the mean over the other classes is taken, not the largest: one class that gets the same map refutes the claim",
      alike_by(lambda m, t: others(cosines(m, t), t, 0).sum(1) / (len(m) - 1))),
     ("the smallest is taken, not the largest", alike_by(lambda m, t: others(cosines(m, t), t, np.inf).min(1))),
     ("the signs are lost: the absolute value of the cosine is taken",
      alike_by(lambda m, t: others(abs(cosines(m, t)), t, -1).max(1))),
     ("the maps' means are subtracted: that is a correlation, not a cosine",
      alike_by(lambda m, t: others(cosines(m, t, True), t, -np.inf).max(1))),
     ("the product is not divided by the lengths of the maps", alike_by(lambda m, t: others(
         np.einsum("cni,ni->nc", m, m[t, np.arange(len(t))]), t, -np.inf).max(1))),
     ("all images are compared at once, as one long map", alike_by(whole_batch)),
     ("the first image's target serves all images", alike_by(lambda m, t: others(
         cosines(m, t * 0 + t[0]), t * 0 + t[0], -np.inf).max(1))),
     ("only the next class is compared", alike_by(lambda m, t: cosines(m, t)[np.arange(len(t)), (t + 1) % len(m)]))],
    ["maps = np.stack([explain(x, c) for c in range(classes)]) has axes (class, image, pixel).",
     "The maps of the targets: maps[target, np.arange(len(x))].",
     "Leave the target out before you take the maximum: put -np.inf in its place."],
    axes={"maps": "C N I", "target": "N"}, arguments="explain, x, target, len(maps)",
    setup="x = maps[0]\nexplain = lambda x, c: maps[c]",
    valid=lambda c: len(c["maps"]) > 1 and c["target"].max() < len(c["maps"]) and c["maps"].any(-1).all(),
    facets={"with more than one image": lambda c: len(c["target"]) > 1,
            "with more than two classes": lambda c: len(c["maps"]) > 2})

# -------------------------------------------------------------------------------------------------------- five faults


def alpha1_share(say: Callable, xs: list, ws: list, b: float, R: float) -> list[float]:
    z = [x * w for x, w in zip(xs, ws)]
    up = [max(v, 0.0) for v in z]
    say(f"z_jk = {', '.join(map(number, z))}; positive: {plus(up, max(b, 0.0))} = {number(sum(up) + max(b, 0))}")
    return divided(say, up, sum(up) + max(b, 0), R, "the sum")


def by_product(x: Any, W: Any, b: Any, R: Any) -> Any:
    up = pos(x[:, :, None] * W)
    return (up * over(R, up.sum(1) + b)[:, None]).sum(2)


REPAIR_ALPHA1 = Exercise(
    "repair_alpha1_beta0", "6.2", "R_j = sum_k (x_j w_jk)+ / (sum_j' (x_j' w_j'k)+ + b_k+) R_k        any x",
    draw_dense,
    by_neuron(alpha1_share),
    [("the weights are split by their sign, not the products: a negative input turns the sign",
      lambda x, W, b, R: x * (over(R, x @ pos(W) + pos(b)) @ pos(W).T)),
     ("negative inputs are thrown away: with a negative weight they contribute, too",
      lambda x, W, b, R: pos(x) * (over(R, pos(x) @ pos(W) + pos(b)) @ pos(W).T)),
     ("the bias is left out", lambda x, W, b, R: by_product(x, W, 0, R)),
     ("the whole bias stands in the denominator, its negative part, too", lambda x, W, b, R: by_product(x, W, b, R)),
     ("the sizes of inputs and weights are multiplied", lambda x, W, b, R: (lambda z: (z * over(
         R, z.sum(1) + pos(b))[:, None]).sum(2))(abs(x[:, :, None] * W))),
     ("only the numerator is split by products, the denominator by weights", lambda x, W, b, R: (
         pos(x[:, :, None] * W) * over(R, x @ pos(W) + pos(b))[:, None]).sum(2)),
     ("there is no guard where nothing is positive: 0 / 0", lambda x, W, b, R: (lambda z: (z * (
         R / (z.sum(1) + pos(b)))[:, None]).sum(2))(pos(x[:, :, None] * W)))],
    ["Try it with x = -1. What is positive, and what does the code take for positive?",
     "Minus times minus is plus: (x w)+ = x+ w+ + x- w-.",
     "x[:, :, None] * W has all products, with axes (image, input, output)."],
    axes=DENSE, facets=FACETS)

REPAIR_GUIDED = Exercise(
    "repair_guided_relu", "3.3", "dx = dy where x > 0 and dy > 0, else 0", draw_relu, guided_relu,
    [("only the sign of dy is looked at: a neuron that did not fire must pass nothing", lambda x, dy: dy.clip(0)),
     ("only the sign of x is looked at: negative signals must be cut off", lambda x, dy: dy * (x > 0)),
     ("a signal passes where one of the two is positive; both must be", lambda x, dy: dy * ((x > 0) | (dy > 0))),
     ("a signal passes at x = 0, too", lambda x, dy: dy.clip(0) * (x >= 0)),
     ("x itself is multiplied in", lambda x, dy: x.clip(0) * dy.clip(0))],
    ["Guided backpropagation is named for a guide: which of the two arguments does the code never look at?",
     "Springenberg et al. mask where at least one of the two is negative."],
    axes={"x": "N I", "dy": "N I"}, facets=RELU)


def draw_unpool(rng: np.random.Generator) -> dict:
    length, stride = 1 + size(rng, 2), size(rng, 2)
    x = some(rng, size(rng, 2), length + int(rng.integers(0, 4)))
    return {"x": x, "R": some(rng, len(x), (x.shape[1] - length) // stride + 1), "length": length, "stride": stride}


def unpool(say: Callable | None, x: Any, R: Any, length: int, stride: int) -> Any:
    R_x = np.zeros(x.shape)
    for n, k in np.ndindex(*R.shape):
        window = x[n, k * stride:k * stride + length]
        best = k * stride + max(range(length), key=lambda j: (window[j], -j))
        R_x[n, best] += R[n, k]
        if say:
            say(f"window {k} of image {n}, {window.tolist()}: entry {best} is its first maximum and gets "
                f"{number(R[n, k])} "
                f"more: {number(R_x[n, best])}")
    return R_x


def unpooled(place: Callable, add: bool = True) -> Callable:
    def wrong(x, R, length, stride):
        R_x = np.zeros(x.shape)
        for n, k in np.ndindex(*R.shape):
            for j in place(x[n, k * stride:k * stride + length]):
                R_x[n, k * stride + j] = R[n, k] + (R_x[n, k * stride + j] if add else 0)
        return R_x
    return wrong


REPAIR_UNPOOL = Exercise(
    "repair_unpool", "2.5", "the first maximum of each window receives its R; one that wins several windows, the sum",
    draw_unpool, unpool,
    [("an entry that wins several windows keeps the last one's R: it must receive the sum",
      unpooled(lambda w: [w.argmax()], False)),
     ("each of several equal maxima receives R", unpooled(lambda w: np.flatnonzero(w == w.max()))),
     ("the last of equal maxima receives R, not the first", unpooled(lambda w: [len(w) - 1 - w[::-1].argmax()])),
     ("the first window's R is kept, and later ones are dropped", lambda x, R, length, stride: (
         lambda R_x: R_x)(_first_kept(x, R, length, stride))),
     ("the largest R of all windows is kept, not their sum", lambda x, R, length, stride: _largest_kept(
         x, R, length, stride))],
    ["Draw a row of four numbers, with windows of two and stride 1, whose second number is the largest. Who sends to "
     "it?",
     "Writing into an array forgets what stood there.",
     "With index arrays that repeat, R_x[...] += adds once only; np.add.at adds every time."],
    axes={"x": "N T", "R": "N ."}, plain={"stride": (1,), "length": (2,)},
    fit=lambda c: {**c, "R": c["R"][:, :max((c["x"].shape[1] - c["length"]) // c["stride"] + 1, 0)]},
    valid=lambda c: c["x"].shape[1] >= c["length"] and c["R"].shape[1] == (
        c["x"].shape[1] - c["length"]) // c["stride"] + 1,
    facets={"where windows overlap": lambda c: c["stride"] < c["length"] and c["R"].shape[1] > 1})


def _first_kept(x: Any, R: Any, length: int, stride: int) -> Any:
    return _kept(x, R, length, stride, lambda got: got[0])


def _largest_kept(x: Any, R: Any, length: int, stride: int) -> Any:
    return _kept(x, R, length, stride, max)


def _kept(x: Any, R: Any, length: int, stride: int, choose: Callable) -> Any:
    R_x = np.zeros(x.shape)
    for n in range(len(x)):
        got: dict = {}
        for k in range(R.shape[1]):
            got.setdefault(k * stride + int(x[n, k * stride:k * stride + length].argmax()), []).append(R[n, k])
        for j, values in got.items():
            R_x[n, j] = choose(values)
    return R_x


def draw_levels(rng: np.random.Generator) -> dict:
    N, n = size(rng), 1 + size(rng, 2)
    return {"x": some(rng, N, n), "noise": some(rng, N, n), "level": float(rng.choice([0.5, 1, 0.25]))}


def noisy_images(say: Callable | None, x: Any, noise: Any, level: float) -> Any:
    found = np.zeros(x.shape)
    for n in range(len(x)):
        sigma = level * float(x[n].max() - x[n].min())
        found[n] = x[n] + sigma * noise[n]
        if say:
            say(f"image {n}: sigma = {number(level)} * {number(x[n].max() - x[n].min())} = {number(sigma)}; "
                f"{x[n].tolist()} + {number(sigma)} {noise[n].tolist()} = {found[n].tolist()}")
    return found


def with_range(sigma: Callable) -> Callable:
    return lambda x, noise, level: x + sigma(x, level) * noise


def extent(x: Any, axis: Any = 1) -> Any:
    return x.max(axis=axis, keepdims=True) - x.min(axis=axis, keepdims=True)


REPAIR_NOISE = Exercise(
    "repair_noise", "3.5", "image n with noise: x_n + sigma_n e_n        sigma_n = level (max x_n - min x_n)",
    draw_levels,
    noisy_images,
    [("level is divided by the range, not multiplied: a brighter image gets less noise",
      with_range(lambda x, level: level / np.where(extent(x) == 0, 1, extent(x)))),
     ("level is divided by the range, and an image of one value by 0", with_range(lambda x, level: level / extent(x))),
     ("the range of the whole batch serves every image: an image's noise depends on its neighbours",
      with_range(lambda x, level: level * extent(x, None))),
     ("the range runs over the images, pixel by pixel", with_range(lambda x, level: level * extent(x, 0))),
     ("the range is left out", with_range(lambda x, level: level)),
     ("level is left out", with_range(lambda x, level: extent(x))),
     ("only the maximum is taken", with_range(lambda x, level: level * x.max(1, keepdims=True))),
     ("the noise is not added to the image", lambda x, noise, level: level * extent(x) * noise)],
    ["Make the image twice as bright. What should happen to the noise, what does happen?",
     "A share of the range is level *times* the range.",
     "max and min of each image for itself: axis=1, keepdims=True."],
    axes={"x": "N I", "noise": "N I"}, plain={"level": (1.0, 0.5)},
    facets={"with more than one image": lambda c: len(c["x"]) > 1})


def draw_fallback(rng: np.random.Generator) -> dict:
    return draw_rescale(rng)


RESCALE_SETUP = "y, y_ref, gradient = np.maximum(x, 0), np.maximum(x_ref, 0), m * (x > 0)"


def repaired(say: Callable | None, x: Any, x_ref: Any, m: Any) -> Any:
    found = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        dx, dy = x[i] - x_ref[i], max(x[i], 0) - max(x_ref[i], 0)
        slope = m[i] * (x[i] > 0)
        found[i] = m[i] * dy / dx if dx else slope
        if say:
            say(f"{list(i)}: " + (f"m (y - y_ref) / (x - x_ref) = {number(m[i])} * {number(dy)} / {number(dx)} = "
                                  f"{number(found[i])}" if dx else f"x = x_ref: this entry's own gradient, "
                                  f"{number(slope)}"))
    return found


def multiplier(where_equal: Callable) -> Callable:
    def wrong(x, x_ref, y, y_ref, gradient, m):
        dx = x - x_ref
        return np.where(dx == 0, where_equal(gradient, m), m * (y - y_ref) / np.where(dx == 0, 1, dx))
    return wrong


REPAIR_RESCALE = Exercise(
    "repair_rescale", "2.5", """
    m_x = m (y - y_ref) / (x - x_ref)        where x differs from x_ref
    m_x = gradient                           where it does not""", draw_fallback, repaired,
    [("the first image's gradient serves the whole batch", multiplier(lambda gradient, m: gradient[0])),
     ("the multiplier is 0 where x = x_ref", multiplier(lambda gradient, m: 0)),
     ("m is passed on where x = x_ref, whatever the gradient", multiplier(lambda gradient, m: m)),
     ("there is no guard where x = x_ref: 0 / 0",
      lambda x, x_ref, y, y_ref, gradient, m: m * (y - y_ref) / (x - x_ref)),
     ("the mean gradient of the batch is taken where x = x_ref", multiplier(lambda gradient, m: gradient.mean(0))),
     ("the gradient is taken everywhere", lambda x, x_ref, y, y_ref, gradient, m: gradient + 0.0),
     ("m is multiplied in twice where x = x_ref: gradient has it already", multiplier(
      lambda gradient, m: gradient * m))],
    ["With one image it is right. What is different with two?",
     "What does gradient[0] pick, and how does np.where stretch it over the batch?"],
    axes={"x": "N I", "x_ref": "N I", "m": "N I"}, setup=RESCALE_SETUP, arguments="x, x_ref, y, y_ref, gradient, m",
    facets={"with more than one image": lambda c: len(c["x"]) > 1,
            "where x = x_ref": lambda c: (c["x"] == c["x_ref"]).any()})

# ----------------------------------------------------------------------------------------------------- channels, 6.7


def channel_maps(say: Callable | None, x: Any, W: Any, b: Any, R: Any, epsilon: float) -> Any:
    found = np.zeros((*R.shape, len(W)))
    for n, k in np.ndindex(*R.shape):
        z = sum(x[n, j] * W[j, k] for j in range(len(W))) + b[k]
        below = z + epsilon * sgn(z)
        if say:
            say(f"image {n}, channel {k}: z = {dot(x[n], W[:, k], b[k])} = {number(z)}, with the stabiliser "
                f"{number(below)}; R = {number(R[n, k])}")
        for j in range(len(W)):
            found[n, k, j] = x[n, j] * W[j, k] / below * R[n, k]
            if say:
                say(f"    input {j}: {number(x[n, j] * W[j, k])} / {number(below)} * {number(R[n, k])} = "
                    f"{number(found[n, k, j])}")
    return found


def each_channel(share: Callable) -> Callable:
    """A wrong answer: share(x, W, z, e, R) with axes (N, K, I), z and e the sum and its signed stabiliser."""
    def wrong(x, W, b, R, epsilon):
        z = x @ W + b
        return share(x[:, None, :], W.T[None], z[..., None], epsilon * signs(z)[..., None], R[..., None])
    return wrong


CHANNELS = Exercise(
    "channel_maps", "6.7", """
    R_j^(k) = x_j w_jk / (z_k + epsilon sgn z_k) R_k        z_k = sum_j x_j w_jk + b_k""", draw_ledger, channel_maps,
    [("the heatmaps are summed over the channels: that is the whole one",
      lambda x, W, b, R, epsilon: each_channel(lambda x, W, z, e, R: x * W / (z + e) * R)(x, W, b, R, epsilon).sum(1)),
     ("inputs and channels are exchanged: the heatmaps lie along the last axis",
      lambda x, W, b, R, epsilon: each_channel(lambda x, W, z, e, R: x * W / (z + e) * R)(
          x, W, b, R, epsilon).transpose(0, 2, 1)),
     ("R is left out: these are shares", each_channel(lambda x, W, z, e, R: x * W / (z + e) + 0 * R)),
     ("the whole relevance is given to every channel",
      each_channel(lambda x, W, z, e, R: x * W / (z + e) * R.sum(1, keepdims=True))),
     ("the channel itself is set to zero, and the others are kept", each_channel(
         lambda x, W, z, e, R: (x * W / (z + e) * R).sum(1, keepdims=True) - x * W / (z + e) * R)),
     ("the product with x_j is left out: a gradient stands where relevance belongs",
      each_channel(lambda x, W, z, e, R: W / (z + e) * R + 0 * x)),
     ("nothing is divided by z_k: it is x times the gradient", each_channel(lambda x, W, z, e, R: x * W * R)),
     ("the stabiliser has no sign: z + epsilon, where z is negative, too",
      each_channel(lambda x, W, z, e, R: x * W / (z + abs(e)) * R)),
     ("the stabiliser is left out", each_channel(lambda x, W, z, e, R: x * W / z * R)),
     ("the bias is left out of z_k", lambda x, W, b, R, epsilon: each_channel(
         lambda x, W, z, e, R: x * W / (z + e) * R)(x, W, 0 * b, R, epsilon))],
    ["It is LRP-epsilon without its last step, the sum over k.",
     "s = R / (z + e) has a number for each image and channel. Multiply it by W.T and x along three axes.",
     "s[:, :, None] is (N, K, 1), W.T[None] is (1, K, I), x[:, None, :] is (N, 1, I)."],
    axes=DENSE, facets=FACETS, plain={"epsilon": (1.0, 0.5)})

# --------------------------------------------------------------------------------------------------- one function, 6.6


def draw_norm(rng: np.random.Generator) -> dict:
    inputs, outputs = size(rng), size(rng)
    vectors = {name: some(rng, outputs) for name in ("b", "gain", "shift", "mean")}
    return {"W": some(rng, inputs, outputs), **vectors, "variance": rng.choice(np.array([0.0, 0.75, 3, 1, 2]), outputs),
            "epsilon": float(rng.choice([0.25, 1, 0.5]))}


def fold_norm(say: Callable | None, W: Any, b: Any, gain: Any, shift: Any, mean: Any, variance: Any,
              epsilon: float) -> tuple:
    V, c = np.zeros(W.shape), np.zeros(len(b))
    for k in range(len(b)):
        s = float(gain[k]) / float(np.sqrt(variance[k] + epsilon))
        c[k] = (b[k] - mean[k]) * s + shift[k]
        V[:, k] = W[:, k] * s
        if say:
            say(f"output {k}: s = {number(gain[k])}/sqrt({plus([variance[k], epsilon])}) = {number(s)}; weights "
                f"{', '.join(map(number, V[:, k]))}; bias ({plus([b[k], -mean[k]])}) {number(s)} + "
                f"{number(shift[k])} = {number(c[k])}")
    return V, c


def folded(bias: Callable, scale: Callable = lambda gain, v, epsilon: gain / np.sqrt(v + epsilon)) -> Callable:
    """A wrong fold: what it takes for the scale, and for the bias."""
    def wrong(W, b, gain, shift, mean, variance, epsilon):
        s = scale(gain, variance, epsilon)
        return W * s, bias(b, mean, s, shift)
    return wrong


def whole(b: Any, mean: Any, s: Any, shift: Any) -> Any:
    return (b - mean) * s + shift


FOLD_NORM = Exercise(
    "fold_norm", "6.6", """
    s_k = gain_k / sqrt(variance_k + epsilon)
    V_jk = w_jk s_k,  c_k = (b_k - mean_k) s_k + shift_k""",
    draw_norm, fold_norm,
    [("the bias is not scaled", folded(lambda b, mean, s, shift: b - mean + shift)),
     ("the mean is scaled, the bias is not", folded(lambda b, mean, s, shift: b - mean * s + shift)),
     ("the mean is left out", folded(lambda b, mean, s, shift: b * s + shift)),
     ("the mean is added, not subtracted", folded(lambda b, mean, s, shift: (b + mean) * s + shift)),
     ("the shift is scaled, too", folded(lambda b, mean, s, shift: (b - mean + shift) * s)),
     ("the shift is left out", folded(lambda b, mean, s, shift: (b - mean) * s)),
     ("the layer's own bias is left out", folded(lambda b, mean, s, shift: shift - mean * s)),
     ("the weights are not scaled", lambda W, b, gain, shift, mean, variance, epsilon: (
         W + 0, whole(b, mean, gain / np.sqrt(variance + epsilon), shift))),
     ("the root is left out: it is divided by the variance",
      folded(whole, lambda gain, v, epsilon: gain / (v + epsilon))),
     ("epsilon stands outside of the root", folded(whole, lambda gain, v, epsilon: gain / (np.sqrt(v) + epsilon))),
     ("epsilon is left out", folded(whole, lambda gain, v, epsilon: gain / np.sqrt(v))),
     ("the gain is left out", folded(whole, lambda gain, v, epsilon: 1 / np.sqrt(v + epsilon)))],
    ["What does the normalisation do with an output z_k = sum_j x_j w_jk + b_k? Write it as s_k z_k + t_k.",
     "s_k multiplies all of z_k, its bias, too; t_k = shift_k - mean_k s_k.",
     "W * s scales the columns of W (I, O), one for each output."],
    axes={"W": "I O", **{name: "O" for name in ("b", "gain", "shift", "mean", "variance")}},
    valid=lambda c: c["variance"].min() >= 0, plain={"epsilon": (1.0, 0.25)},
    facets={"with a bias": lambda c: c["b"].any(), "with a mean": lambda c: c["mean"].any(),
            "with a variance of 0": lambda c: (c["variance"] == 0).any()})

EXERCISES = [LEDGER, MOST_ALIKE, REPAIR_ALPHA1, REPAIR_GUIDED, REPAIR_UNPOOL, REPAIR_NOISE, REPAIR_RESCALE, FOLD_NORM,
             CHANNELS]
__all__ = ["EXERCISES", "neg"]
