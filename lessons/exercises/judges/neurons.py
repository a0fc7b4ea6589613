"""A layer neuron by neuron: what a relevance rule does, written as the loop over outputs that the papers write."""
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lessons.exercises.marking import SAME, dot, maybe, number, plus, size, some, times

LAYER = """from minixnn import Conv2d, Dense
layer = Dense(W, b) if W.ndim == 2 else Conv2d(W, b, padding="same")
y = layer.forward(x)"""
FACETS = {"with more than one image": lambda c: len(c["x"]) > 1,
          "with more than one output": lambda c: c["W"].shape[-1] > 1,
          "with more than one input": lambda c: c["x"][0].size > 1,
          "with a negative input": lambda c: (c["x"] < 0).any(),
          "with a bias": lambda c: c.get("b") is not None and c["b"].any(),
          "with a convolution": lambda c: c["W"].ndim == 4,
          "where some z_k is below 0": lambda c: any(z < 0 for z in sums(c)),
          "where some z_k is 0": lambda c: any(z == 0 for z in sums(c))}
# kept out of the search: the answer hangs on rounding there


def draw_dense(rng: np.random.Generator, low: float | None = None, bias: bool = True) -> dict:
    """x, W, b and R of a dense layer."""
    N, inputs, outputs = size(rng), size(rng), size(rng)
    case = {"x": some(rng, N, inputs, low=low), "W": some(rng, inputs, outputs)}
    if bias:
        case["b"] = some(rng, outputs) if rng.random() < 0.7 else np.zeros(outputs)
    return {**case, "R": some(rng, N, outputs)}


def draw_layer(rng: np.random.Generator, low: float | None = None) -> dict:
    """x, W, b and R of a dense layer or a convolution with padding."""
    outputs = size(rng, 2)
    if rng.random() < 0.5:
        W, shape, above = some(rng, size(rng), outputs), (), ()
        x = some(rng, size(rng, 2), len(W), low=low)
    else:
        W = some(rng, int(rng.choice([1, 3])), int(rng.choice([1, 3])), size(rng, 2), outputs)
        shape = size(rng), size(rng)
        x, above = some(rng, size(rng, 2), *shape, W.shape[2], low=low), shape
    return {"x": x, "W": W, "b": maybe(rng, some(rng, outputs)), "R": some(rng, len(x), *above, outputs)}


def axes_of_layer(case: dict) -> dict[str, str]:
    """Which axes go together; a kernel's rows and columns stay odd, and so are not taken away one by one."""
    if case["W"].ndim == 2:
        return {"x": "N I", "W": "I O", "b": "O", "R": "N O"}
    return {"x": "N H B I", "W": ". . I O", "b": "O", "R": "N H B O"}


def neurons(x: Any, W: Any, b: Any, R: Any) -> Iterator[tuple]:
    """(index of the output, indices of the inputs it sees, their weights, its bias) for each neuron and image."""
    for index in np.ndindex(*R.shape):
        n, k = index[0], index[-1]
        bias = 0.0 if b is None else float(b[k])
        if W.ndim == 2:
            yield index, [(n, j) for j in range(len(W))], [float(w) for w in W[:, k]], bias
            continue
        seen, weights = [], []
        for i, j, c in np.ndindex(*W.shape[:3]):
            r, s = index[1] + i - W.shape[0] // 2, index[2] + j - W.shape[1] // 2
            if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
                seen.append((n, r, s, c))
                weights.append(float(W[i, j, c, k]))
        yield index, seen, weights, bias


def sums(case: dict) -> list[float]:
    """z_k of every neuron."""
    b = case.get("b")
    return [sum(case["x"][j] * w for j, w in zip(seen, weights)) + bias
            for _, seen, weights, bias in neurons(case["x"], case["W"], b, case["R"])]


def by_neuron(share: Callable) -> Callable:
    """The right answer of a rule: share(say, xs, ws, bias, R, **knobs) is what each input of one neuron receives."""
    def right(say: Callable | None, x: Any, W: Any, R: Any, b: Any = None, **knobs: Any) -> Any:
        R_x = np.zeros(x.shape)
        for index, seen, weights, bias in neurons(x, W, b, R):
            told: list[str] = []
            received = share(told.append, [float(x[j]) for j in seen], weights, bias, float(R[index]), **knobs)
            for j, r in zip(seen, received):
                R_x[j] += r
            if say:
                say(f"output {list(index)}:")
                for line in told:
                    say(f"    {line}")
        for j in np.ndindex(*x.shape) if say and R.size > 1 else ():
            say(f"R_x{list(j)} = {number(R_x[j])}, over all outputs")
        return R_x
    return right


def divided(say: Callable, parts: list[float], z: float, R: float, name: str = "z") -> list[float]:
    """part / z R, and 0 where z is 0; with a line for each input."""
    if z == 0:
        say(f"{name} is 0: nothing is passed back")
        return [0.0] * len(parts)
    for j, part in enumerate(parts):
        say(f"input {j}: {number(part)} / {number(z)} * {number(R)} = {number(part / z * R)}")
    return [part / z * R for part in parts]


def sgn(z: float) -> int:
    return 1 if z >= 0 else -1


def by_check_rule(**claims: Any) -> Callable:
    """A further check of a rule: minixnn.checks.check_rule on layers of every kind; what is rounding alone passes."""
    def also(rule: Callable) -> None:
        from minixnn.checks import CheckFailed, check_rule
        knobs = claims.get("knobs", {})

        def asked(layer: Any, x: Any, y: Any, R: Any) -> Any:
            R_x = rule(layer, x, y, R, **knobs)
            return R_x.astype(x.dtype) if hasattr(R_x, "astype") else R_x
        asked.__name__ = rule.__name__
        try:
            check_rule(asked, examples=12, **{name: claim for name, claim in claims.items() if name != "knobs"})
        except CheckFailed as failure:
            if any(row.broken and row.largest > SAME for row in failure.report.rows):
                raise AssertionError("It is right on dense layers and plain convolutions. minixnn.checks.check_rule "
                                     f"asked it on every kind of layer:\n\n{failure}") from None
    return also


__all__ = ["FACETS", "LAYER", "axes_of_layer", "by_check_rule", "by_neuron", "divided", "dot", "draw_dense",
           "draw_layer", "neurons", "number", "plus", "sgn", "sums", "times"]
