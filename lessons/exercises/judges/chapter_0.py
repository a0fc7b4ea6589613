"""The engine: layers, their gradients, and whether a gradient is right."""
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lessons.exercises.marking import Exercise, dot, number, plus, size, some, times

# ---------------------------------------------------------------------------------------------------------- dense


def draw_dense(rng: np.random.Generator) -> dict:
    N, inputs, outputs = size(rng), size(rng), size(rng)
    b = some(rng, outputs) if rng.random() < 0.7 else np.zeros(outputs)
    return {"x": some(rng, N, inputs), "W": some(rng, inputs, outputs), "b": b}


def dense_forward(say: Callable | None, x: Any, W: Any, b: Any) -> Any:
    y = np.zeros((len(x), W.shape[1]))
    for n, k in np.ndindex(*y.shape):
        y[n, k] = sum(x[n, j] * W[j, k] for j in range(len(W))) + b[k]
        if say:
            say(f"y[{n}, {k}] = {dot(x[n], W[:, k], b[k])} = {number(y[n, k])}")
    return y


DENSE_FORWARD = Exercise(
    "dense_forward", "0.1", "y_k = sum_j x_j w_jk + b_k", draw_dense, dense_forward,
    [("the bias is left out", lambda x, W, b: x @ W),
     ("the weights are transposed", lambda x, W, b: x @ W.T + b),
     ("the bias is added once for each input", lambda x, W, b: x @ W + len(W) * b),
     ("the sum runs over the images, too", lambda x, W, b: (x @ W).sum(axis=0) + b + 0 * (x @ W)),
     ("the bias is multiplied with the weights", lambda x, W, b: (x @ W) * b)],
    ["The sum over j is a matrix product: of x (N, I) and W (I, O) it makes (N, O).",
     "NumPy writes it x @ W. A bias (O,) added to (N, O) is added to every row.",
     "return x @ W + ..."],
    axes={"x": "N I", "W": "I O", "b": "O"},
    facets={"with a bias": lambda c: c["b"].any(), "with more than one image": lambda c: len(c["x"]) > 1,
            "with more than one input": lambda c: len(c["W"]) > 1})


def draw_dense_gradient(rng: np.random.Generator) -> dict:
    N, inputs, outputs = size(rng), size(rng), size(rng)
    return {"x": some(rng, N, inputs), "W": some(rng, inputs, outputs), "dy": some(rng, N, outputs)}


def dense_gradient(say: Callable | None, x: Any, W: Any, dy: Any) -> Any:
    dx = np.zeros(x.shape)
    for n, j in np.ndindex(*dx.shape):
        dx[n, j] = sum(W[j, k] * dy[n, k] for k in range(W.shape[1]))
        if say:
            say(f"dx[{n}, {j}] = {dot(W[j], dy[n])} = {number(dx[n, j])}")
    return dx


DENSE_GRADIENT = Exercise(
    "dense_gradient", "0.1", "dL/dx_j = sum_k w_jk dL/dy_k", draw_dense_gradient, dense_gradient,
    [("the weights are not transposed", lambda x, W, dy: dy @ W),
     ("the gradient is multiplied with x: that is relevance, not a gradient", lambda x, W, dy: x * (dy @ W.T)),
     ("dy is left out", lambda x, W, dy: 0 * x + W.sum(axis=1)),
     ("the gradients of all images are added up", lambda x, W, dy: 0 * x + (dy @ W.T).sum(axis=0)),
     ("the mean is taken over the outputs in place of the sum", lambda x, W, dy: dy @ W.T / W.shape[1]),
     ("it is the gradient of the weights", lambda x, W, dy: x.T @ dy)],
    ["dx has the shape of x: (N, I). What product of dy (N, O) and W (I, O) has it?",
     "A sum over k, the columns of W: W must be turned round.",
     "W.T is W turned round: (O, I)."],
    axes={"x": "N I", "W": "I O", "dy": "N O"},
    facets={"with more than one image": lambda c: len(c["x"]) > 1,
            "with more than one output": lambda c: c["W"].shape[1] > 1})

# ----------------------------------------------------------------------------------------------------------- ReLU


def draw_relu(rng: np.random.Generator) -> dict:
    shape = size(rng), size(rng)
    return {"x": some(rng, *shape), "dy": some(rng, *shape)}


def relu_gradient(say: Callable | None, x: Any, dy: Any) -> Any:
    dx = np.zeros(x.shape)
    for n, j in np.ndindex(*x.shape):
        dx[n, j] = dy[n, j] if x[n, j] > 0 else 0
        if say:
            say(f"x[{n}, {j}] = {number(x[n, j])} is "
                f"{'above 0: dy passes' if x[n, j] > 0 else 'not above 0: nothing passes'}"
                f", {number(dx[n, j])}")
    return dx


RELU = {"where an input is 0": lambda c: (c["x"] == 0).any(), "where an input is below 0": lambda c: (c["x"] < 0).any(),
        "where dy is below 0": lambda c: (c["dy"] < 0).any()}
RELU_GRADIENT = Exercise(
    "relu_gradient", "0.1", "dL/dx = dL/dy where x > 0, else 0", draw_relu, relu_gradient,
    [("a gradient passes at x = 0, too", lambda x, dy: dy * (x >= 0)),
     ("x itself is multiplied in", lambda x, dy: dy * x.clip(0)),
     ("dy is left out", lambda x, dy: 1.0 * (x > 0)),
     ("the sign of dy is looked at, not that of x: that is the deconvolutional network's signal",
      lambda x, dy: dy * (dy > 0)),
     ("negative signals are cut off, too: that is guided backpropagation", lambda x, dy: dy * (dy > 0) * (x > 0)),
     ("it is the forward function", lambda x, dy: x.clip(0))],
    ["ReLU is x where x is above 0, and 0 elsewhere. How steep is it on either side?",
     "A comparison is an array of True and False, which count as 1 and 0 in a product.",
     "dy * (x ... 0)"],
    axes={"x": "N I", "dy": "N I"}, facets=RELU)

# ------------------------------------------------------------------------------------------------ difference quotients


def draw_numeric(rng: np.random.Generator) -> dict:
    inputs = size(rng)
    return {"a": some(rng, inputs), "q": some(rng, inputs), "x": some(rng, inputs),
            "h": float(rng.choice([0.5, 1, 0.25]))}


def numeric_gradient(say: Callable | None, a: Any, q: Any, x: Any, h: float) -> Any:
    def f(x):
        return float((a * x + q * x ** 3).sum())
    slopes = np.zeros(x.shape)
    for j in range(len(x)):
        up, down = x.copy(), x.copy()
        up[j], down[j] = x[j] + h, x[j] - h
        slopes[j] = (f(up) - f(down)) / (2 * h)
        if say:
            say(f"entry {j}: f at {list(map(float, up))} is {number(f(up))}, at {list(map(float, down))} it is "
                f"{number(f(down))}")
            say(f"    ({number(f(up))} - {number(f(down))}) / (2*{number(h)}) = {number(slopes[j])}".replace(
                "- -", "+ "))
    return slopes


def quotient(low: float, high: float, over: float, one_by_one: bool = True) -> Callable:
    """A difference quotient with other steps: (f(x + high h) - f(x + low h)) / (over h)."""
    def wrong(f, x, h):
        return np.array([(f(x + high * h * e) - f(x + low * h * e)) / (over * h)
                         for e in (np.eye(len(x)) if one_by_one else np.ones((len(x), len(x))))])
    return wrong


NUMERIC_GRADIENT = Exercise(
    "numeric_gradient", "0.2", "df/dx_j ~ (f(x + h e_j) - f(x - h e_j)) / 2h          e_j: 1 at entry j, else 0",
    draw_numeric, numeric_gradient,
    [("one step is taken, forwards: the quotient must reach to both sides of x", quotient(0, 1, 1)),
     ("one step is taken, backwards: the quotient must reach to both sides of x", quotient(-1, 0, 1)),
     ("two steps are taken and the difference is divided by h, not 2 h", quotient(-1, 1, 1)),
     ("all entries are moved at a time", quotient(-1, 1, 2, False)),
     ("h is not used: the step is another one", lambda f, x, h: quotient(-1, 1, 2)(f, x, 1e-4)),
     ("the signs are exchanged", quotient(1, -1, 2)),
     ("the difference is not divided at all", lambda f, x, h: 2 * h * quotient(-1, 1, 2)(f, x, h))],
    ["A loop over j; in each round only entry j of x is moved. Work on a copy of x.",
     "up = x.copy(); up[j] += h, and likewise down. Then one quotient.",
     "The distance between the two points is 2 h."],
    axes={"a": "I", "q": "I", "x": "I"}, arguments="f, x, h", plain={"h": (1.0, 0.5)},
    setup="f = lambda x: float((a * x + q * x ** 3).sum())",
    facets={"with more than one entry": lambda c: len(c["x"]) > 1})

# ---------------------------------------------------------------------------------------------------- convolution


def draw_conv(rng: np.random.Generator) -> dict:
    p, q, C, outputs, stride = size(rng), size(rng), size(rng, 2), size(rng, 2), size(rng, 2)
    H, B = p + int(rng.integers(0, 3)), q + int(rng.integers(0, 3))
    return {"x": some(rng, size(rng, 2), H, B, C), "W": some(rng, p, q, C, outputs), "b": some(rng, outputs),
            "stride": stride}


def places(x: Any, kernel: tuple, stride: int) -> tuple[int, int]:
    return (x.shape[1] - kernel[0]) // stride + 1, (x.shape[2] - kernel[1]) // stride + 1


def conv_fits(case: dict) -> bool:
    return case["x"].shape[1] >= case["W"].shape[0] and case["x"].shape[2] >= case["W"].shape[1]


def conv_forward(say: Callable | None, x: Any, W: Any, b: Any, stride: int) -> Any:
    y = np.zeros((len(x), *places(x, W.shape, stride), W.shape[3]))
    for n, r, s, k in np.ndindex(*y.shape):
        part = x[n, r * stride:r * stride + W.shape[0], s * stride:s * stride + W.shape[1]]
        y[n, r, s, k] = sum(part[i] * W[(*i, k)] for i in np.ndindex(*part.shape)) + b[k]
        if say:
            say(f"y[{n}, {r}, {s}, {k}] = {dot(part.ravel(), W[..., k].ravel(), b[k])} = {number(y[n, r, s, k])}")
    return y


def conv(x: Any, W: Any, b: Any, stride: Any) -> Any:
    """The mistakes' convolution; stride: a number or a pair."""
    sr, sc = (stride, stride) if np.ndim(stride) == 0 else stride
    if x.shape[1] < W.shape[0] or x.shape[2] < W.shape[1]:
        raise ValueError("the kernel is larger than the image")
    rows, columns = (x.shape[1] - W.shape[0]) // sr + 1, (x.shape[2] - W.shape[1]) // sc + 1
    return sum(x[:, i:i + (rows - 1) * sr + 1:sr, j:j + (columns - 1) * sc + 1:sc] @ W[i, j]
               for i, j in np.ndindex(*W.shape[:2])) + b


CONV = {"with a stride": lambda c: c["stride"] > 1, "with more than one image": lambda c: len(c["x"]) > 1,
        "with more than one channel": lambda c: c["x"].shape[3] > 1,
        "with a kernel of more than one pixel": lambda c: c["W"].shape[:2] != (1, 1),
        "with a kernel that is not square": lambda c: c["W"].shape[0] != c["W"].shape[1]}
CONV_FORWARD = Exercise(
    "conv_forward", "0.1", "y[n, r, s, k] = sum_ijc x[n, r t + i, s t + j, c] W[i, j, c, k] + b[k]        t: the "
                           "stride",
    draw_conv, conv_forward,
    [("the stride is ignored", lambda x, W, b, stride: conv(x, W, b, 1)),
     ("the kernel is flipped, as in mathematics", lambda x, W, b, stride: conv(x, W[::-1, ::-1], b, stride)),
     ("rows and columns of the kernel are exchanged", lambda x, W, b, stride: conv(x, W.swapaxes(0, 1), b, stride)),
     ("the bias is left out", lambda x, W, b, stride: conv(x, W, 0, stride)),
     ("only the first channel is seen", lambda x, W, b, stride: conv(x[..., :1], W[:, :, :1], b, stride)),
     ("the stride holds for rows only", lambda x, W, b, stride: conv(x, W, b, (stride, 1))),
     ("the bias is added once for each pixel of the kernel",
      lambda x, W, b, stride: conv(x, W, b * W.shape[0] * W.shape[1], stride))],
    ["The output has (H - p) // stride + 1 rows, if the kernel has p; likewise columns.",
     "Loop over the rows r and columns s of the output. What part of x does the kernel lie on?",
     "That part, x[:, r * stride:r * stride + p, s * stride:s * stride + q], times W: "
     "np.tensordot(part, W, 3) sums over its rows, columns and channels."],
    axes={"x": "N H B C", "W": "p q C O", "b": "O"}, valid=conv_fits, plain={"stride": (1,)},
    facets={**CONV, "with a bias": lambda c: c["b"].any()})


def draw_conv_gradient(rng: np.random.Generator) -> dict:
    case = draw_conv(rng)
    x, W, stride = case["x"], case["W"], case["stride"]
    return {"x": x, "W": W, "dy": some(rng, len(x), *places(x, W.shape, stride), W.shape[3]), "stride": stride}


def fit_dy(case: dict) -> dict:
    """dy cut to the output's height and width."""
    kernel = case["W"].shape if "W" in case else (case["size"], case["size"])
    rows, columns = places(case["x"], kernel, case["stride"])
    return {**case, "dy": case["dy"][:, :max(rows, 0), :max(columns, 0)]}


def conv_gradient_fits(case: dict) -> bool:
    return conv_fits(case) and case["dy"].shape[1:3] == places(case["x"], case["W"].shape, case["stride"])


def conv_gradient(say: Callable | None, x: Any, W: Any, dy: Any, stride: int) -> Any:
    dx, lines = np.zeros(x.shape), {}
    for n, r, s, k in np.ndindex(*dy.shape):
        for i, j, c in np.ndindex(*W.shape[:3]):
            pixel = n, r * stride + i, s * stride + j, c
            dx[pixel] += W[i, j, c, k] * dy[n, r, s, k]
            lines.setdefault(pixel, []).append(f"{times(W[i, j, c, k], dy[n, r, s, k])}")
    for pixel in np.ndindex(*x.shape) if say else ():
        say(f"dx{list(pixel)} = {plus(lines.get(pixel, ['0']))} = {number(dx[pixel])}")
    return dx


def spread(x: Any, W: Any, dy: Any, stride: int, add: bool = True) -> Any:
    """The mistakes' gradient of a convolution, which adds or writes over."""
    dx = np.zeros(x.shape)
    for r, s in np.ndindex(*dy.shape[1:3]):
        part = np.tensordot(dy[:, r, s], W, (1, 3))
        where = (slice(None), slice(r * stride, r * stride + W.shape[0]), slice(s * stride, s * stride + W.shape[1]))
        dx[where] = dx[where] + part if add else part
    return dx


CONV_GRADIENT = Exercise(
    "conv_gradient", "0.1", "dx[n, r t + i, s t + j, c] = sum over all r, s, i, j that meet there, and k, of "
    "W[i, j, c, k] dy[n, r, s, k]        t: the stride", draw_conv_gradient, conv_gradient,
    [("windows that overlap overwrite each other: what they send must be added",
      lambda x, W, dy, stride: spread(x, W, dy, stride, False)),
     ("the kernel is flipped", lambda x, W, dy, stride: spread(x, W[::-1, ::-1], dy, stride)),
     ("the stride is ignored", lambda x, W, dy, stride: spread(x, W, dy, 1)),
     ("rows and columns of the kernel are exchanged", lambda x, W, dy, stride: spread(x, W.swapaxes(0, 1), dy, stride)),
     ("it is multiplied with x: that is relevance, not a gradient", lambda x, W, dy, stride: x * spread(x, W, dy,
                                                                                                        stride)),
     ("only the first output channel sends anything",
      lambda x, W, dy, stride: spread(x, W[..., :1], dy[..., :1], stride))],
    ["Go through the same windows as on the way forwards. Each sends its dy back to the pixels it was made of.",
     "dx begins as zeros in the shape of x; to each window's part of it you add W times dy.",
     "dy[:, r, s] is (N, O), W is (p, q, C, O): np.tensordot(dy[:, r, s], W, (1, 3)) sums over O."],
    axes={"x": "N H B C", "W": "p q C O", "dy": "N . . O"}, valid=conv_gradient_fits, fit=fit_dy,
    plain={"stride": (1,)},
    facets={**CONV, "where windows overlap": lambda c: c["stride"] < max(c["W"].shape[:2]) and c["dy"].size > c[
        "dy"].shape[3] * len(c["dy"]),
            "with more than one output channel": lambda c: c["W"].shape[3] > 1})

# ------------------------------------------------------------------------------------------------------- max pooling


def draw_pool(rng: np.random.Generator) -> dict:
    p, stride = 1 + size(rng, 2), size(rng, 2)
    x = some(rng, size(rng, 2), p + int(rng.integers(0, 3)), p + int(rng.integers(0, 3)), size(rng, 2))
    return {"x": x, "dy": some(rng, len(x), *places(x, (p, p), stride), x.shape[3]), "size": p, "stride": stride}


def pool_fits(case: dict) -> bool:
    p = case["size"]
    return min(case["x"].shape[1:3]) >= p and case["dy"].shape[1:3] == places(case["x"], (p, p), case["stride"])


def windows(dy: Any, size: int, stride: int) -> Iterator:
    """((r, s), the slices of its window) for each output."""
    for r, s in np.ndindex(*dy.shape[1:3]):
        yield (r, s), (slice(r * stride, r * stride + size), slice(s * stride, s * stride + size))


def max_pool_gradient(say: Callable | None, x: Any, dy: Any, size: int, stride: int) -> Any:
    dx = np.zeros(x.shape)
    for (r, s), (rows, columns) in windows(dy, size, stride):
        for n, c in np.ndindex(len(x), x.shape[3]):
            window, best = x[n, rows, columns, c], None
            for i, j in np.ndindex(size, size):
                if best is None or window[i, j] > window[best]:
                    best = i, j
            pixel = n, rows.start + best[0], columns.start + best[1], c
            dx[pixel] += dy[n, r, s, c]
            if say:
                equal = int((window == window[best]).sum())
                say(f"window {window.tolist()}: its maximum {number(window[best])} stands at {list(pixel)}"
                    f"{', and is the first of ' + str(equal) if equal > 1 else ''}; dx there gets "
                    f"{number(dy[n, r, s, c])}")
    return dx


def pooled(share: Callable, add: bool = True) -> Callable:
    """A wrong gradient: share(window (N, p, p, C)) says which part each pixel gets."""
    def wrong(x, dy, size, stride):
        dx = np.zeros(x.shape)
        for (r, s), (rows, columns) in windows(dy, size, stride):
            got = share(x[:, rows, columns]) * dy[:, r:r + 1, s:s + 1]
            dx[:, rows, columns] = dx[:, rows, columns] + got if add else np.where(got != 0, got, dx[:, rows, columns])
        return dx
    return wrong


def winners(window: Any) -> Any:
    return (window == window.max(axis=(1, 2), keepdims=True)).astype(float)


def only(window: Any, order: int) -> Any:
    """1 at the first (order 1) or last (-1) maximum."""
    N, p, q, C = window.shape
    flat = winners(window).reshape(N, p * q, C)[:, ::order]
    return ((flat.cumsum(axis=1) == 1) & (flat == 1))[:, ::order].reshape(window.shape).astype(float)


MAX_POOL_GRADIENT = Exercise(
    "max_pool_gradient", "0.1", "the first pixel of a window that is its maximum gets the window's dy, the others "
                                "nothing",
    draw_pool, max_pool_gradient,
    [("each of several equal maxima gets dy: ties count twice", pooled(winners)),
     ("equal maxima share dy", pooled(lambda w: winners(w) / winners(w).sum(axis=(1, 2), keepdims=True))),
     ("the last of equal maxima gets dy, not the first", pooled(lambda w: only(w, -1))),
     ("windows that overlap overwrite each other: what they send must be added", pooled(lambda w: only(w, 1), False)),
     ("all pixels get the same, as in average pooling", pooled(lambda w: 0 * w + 1 / w[0, ..., 0].size)),
     ("the pixel that is largest in absolute value gets dy", pooled(lambda w: only(abs(w), 1)))],
    ["dx begins as zeros. For each window, image and channel find the place of the maximum, and add dy there.",
     "argmax returns the first of equal maxima, as an index into the flattened window.",
     "np.unravel_index(window.argmax(), window.shape) makes row and column of it. And a pixel may win twice: +=."],
    axes={"x": "N H B C", "dy": "N . . C"}, valid=pool_fits, fit=fit_dy, plain={"stride": (2,), "size": (2,)},
    facets={"where two pixels of a window are equal": lambda c: any(
                (winners(c["x"][:, rows, columns]).sum(axis=(1, 2)) > 1).any()
                for _, (rows, columns) in windows(c["dy"], c["size"], c["stride"])),
            "where windows overlap": lambda c: c["stride"] < c["size"] and max(c["dy"].shape[1:3]) > 1})

EXERCISES = [DENSE_FORWARD, DENSE_GRADIENT, RELU_GRADIENT, NUMERIC_GRADIENT, CONV_FORWARD, CONV_GRADIENT,
             MAX_POOL_GRADIENT]
