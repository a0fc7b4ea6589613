"""What does a class look like? The gradient that a search for the likeliest image climbs."""
from collections.abc import Callable
from typing import Any

import numpy as np

from lessons.exercises.marking import Exercise, number, plus, size, some


def draw(rng: np.random.Generator) -> dict:
    N, classes = size(rng), 1 + size(rng, 2)
    scale = 500.0 if rng.random() < 0.2 else 1.0
    return {"y": scale * some(rng, N, classes), "target": rng.integers(0, classes, N)}


def log_probability_gradient(say: Callable | None, y: Any, target: Any) -> Any:
    found = np.zeros(y.shape)
    for n in range(len(y)):
        top = y[n].max()
        e = [float(np.exp(v - top)) for v in y[n]]
        if say:
            say(f"image {n}: exp(y - {number(top)}) = {', '.join(map(number, e))}; sum = {plus(e)} = {number(sum(e))}")
        for k in range(y.shape[1]):
            found[n, k] = (k == target[n]) - e[k] / sum(e)
            if say:
                say(f"    class {k}: {int(k == target[n])} - {number(e[k])}/{number(sum(e))} = {number(found[n, k])}")
    return found


def probabilities(y: Any, axis: int | None = 1) -> Any:
    e = np.exp(y - y.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def chosen(y: Any, target: Any) -> Any:
    return np.eye(y.shape[1])[target]


def unshifted(y: Any, target: Any) -> Any:
    e = np.exp(y)
    return chosen(y, target) - e / e.sum(axis=1, keepdims=True)


def of_probability(y: Any, target: Any) -> Any:
    p = probabilities(y)
    return (p * chosen(y, target)).sum(axis=1, keepdims=True) * (chosen(y, target) - p)


EXERCISES = [Exercise(
    "log_probability_gradient", "1.1", "d log p_t / dy_k = [k = t] - p_k        p_k = exp(y_k) / sum_k' exp(y_k')",
    draw,
    log_probability_gradient,
    [("exp grows too large to be a number: subtract the largest y of each image first", unshifted),
     ("the sign is turned: it walks downhill, as training does", lambda y, target: probabilities(y) - chosen(y,
                                                                                                             target)),
     ("it is the gradient of the probability, not of its logarithm", of_probability),
     ("the probabilities are normalised over the images, not over the classes",
      lambda y, target: chosen(y, target) - probabilities(y, 0)),
     ("the probabilities are normalised over the whole batch",
      lambda y, target: chosen(y, target) - probabilities(y, None)),
     ("it is divided by the number of images: each has a gradient of its own",
      lambda y, target: (chosen(y, target) - probabilities(y)) / len(y)),
     ("it is the gradient of the output y itself", chosen),
     ("only the target's entry is filled in", lambda y, target: chosen(y, target) * (1 - probabilities(y)))],
    ["First the probabilities, along axis 1. exp(y - c) / sum exp(y - c) is the same for every number c.",
     "y.max(axis=1, keepdims=True) is a good c: no exp grows above 1.",
     "np.eye(classes)[target] has a row for each image with a 1 at its target."],
    axes={"y": "N K", "target": "N"}, valid=lambda c: c["target"].max() < c["y"].shape[1],
    facets={"with more than one image": lambda c: len(c["y"]) > 1, "with large y": lambda c: abs(c["y"]).max() > 400})]
