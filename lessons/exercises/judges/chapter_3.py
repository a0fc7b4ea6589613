"""Looking through the gradient: guided backpropagation, integrated gradients, SmoothGrad."""
from collections.abc import Callable
from typing import Any

import numpy as np

from lessons.exercises.judges.chapter_0 import RELU, draw_relu
from lessons.exercises.marking import Exercise, number, plus, size, some


def guided_relu(say: Callable | None, x: Any, dy: Any) -> Any:
    dx = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        dx[i] = dy[i] if x[i] > 0 and dy[i] > 0 else 0
        if say:
            say(f"{list(i)}: x = {number(x[i])} {'fired' if x[i] > 0 else 'did not fire'}, dy = {number(dy[i])} is "
                f"{'above' if dy[i] > 0 else 'not above'} 0: {number(dx[i])}")
    return dx


GUIDED_RELU = Exercise(
    "guided_relu", "3.3", "dx = dy where x > 0 and dy > 0, else 0", draw_relu, guided_relu,
    [("only the sign of dy is looked at: that is the deconvolutional network", lambda x, dy: dy * (dy > 0)),
     ("only the sign of x is looked at: that is plain backpropagation", lambda x, dy: dy * (x > 0)),
     ("the size of dy is passed, also where it is negative", lambda x, dy: abs(dy) * (x > 0)),
     ("dy is left out: 1 is passed where both hold", lambda x, dy: 1.0 * (x > 0) * (dy > 0)),
     ("x itself is multiplied in", lambda x, dy: x.clip(0) * dy.clip(0)),
     ("a signal passes where one of the two is positive; both must be", lambda x, dy: dy * ((x > 0) | (dy > 0))),
     ("a signal passes at x = 0, too", lambda x, dy: dy * (x >= 0) * (dy > 0))],
    ["Two conditions, each an array of True and False: the neuron fired, and the signal is positive.",
     "Arrays of conditions are joined by &, each in brackets; or multiplied."],
    axes={"x": "N I", "dy": "N I"}, facets=RELU)


def draw_path(rng: np.random.Generator) -> dict:
    n = size(rng)
    return {"a": some(rng, n), "q": some(rng, n), "x": some(rng, n), "x_ref": some(rng, n),
            "steps": int(rng.integers(1, 5))}


def integrated_gradients(say: Callable | None, a: Any, q: Any, x: Any, x_ref: Any, steps: int) -> Any:
    slopes = []
    for k in range(1, steps + 1):
        t = (k - 0.5) / steps
        point = x_ref + t * (x - x_ref)
        slopes.append(a + q * point ** 2)
        if say:
            say(f"t = ({k} - 1/2)/{steps} = {number(t)}: point {point.tolist()}, gradient {slopes[-1].tolist()}")
    mean = sum(slopes) / steps
    for j in range(len(x)) if say else ():
        say(f"entry {j}: {number(x[j] - x_ref[j])}, the way, times ({plus([s[j] for s in slopes])})/{steps}, the "
            f"mean, = "
            f"{number((x[j] - x_ref[j]) * mean[j])}")
    return (x - x_ref) * mean


def along(points: Callable, way: Callable = lambda x, x_ref: x - x_ref, mean: bool = True) -> Callable:
    def wrong(gradient, x, x_ref, steps):
        slopes = sum(gradient(x_ref + t * (x - x_ref)) for t in points(steps))
        return way(x, x_ref) * slopes / (steps if mean else 1)
    return wrong


def middles(steps: int) -> Any:
    return (np.arange(steps) + 0.5) / steps


INTEGRATED_GRADIENTS = Exercise(
    "integrated_gradients", "3.4", """
    R = (x - x_ref) * (1/m) sum_k gradient(x_ref + t_k (x - x_ref))        t_k = (k - 1/2) / m,  k = 1, ..., m""",
    draw_path, integrated_gradients,
    [("the gradient is taken at the left ends of the pieces, not in their middles", along(lambda m: np.arange(m) / m)),
     ("the gradient is taken at the right ends of the pieces, not in their middles",
      along(lambda m: (np.arange(m) + 1) / m)),
     ("the points run from end to end, as np.linspace(0, 1, m) does", along(lambda m: np.linspace(0, 1, m))),
     ("the trapezoid rule is taken, not the middles of the pieces", lambda g, x, x_ref, steps: (x - x_ref) * sum(
         (g(x_ref + k / steps * (x - x_ref)) + g(x_ref + (k + 1) / steps * (x - x_ref))) / 2
         for k in range(steps)) / steps),
     ("it is multiplied with x, not with the way from the reference", along(middles, lambda x, x_ref: x)),
     ("the way is left out: it is a mean gradient", along(middles, lambda x, x_ref: 1 + 0 * x)),
     ("the gradients are added up, not averaged", along(middles, mean=False)),
     ("the path begins at 0, not at the reference", lambda g, x, x_ref, steps: (x - x_ref) * sum(
         g(t * x) for t in middles(steps)) / steps),
     ("the gradient is taken at x alone", along(lambda m: np.ones(m))),
     ("the path runs the other way, and so does the sign", along(middles, lambda x, x_ref: x_ref - x))],
    ["Cut the path from x_ref to x into m pieces, and take the gradient in the middle of each.",
     "t = (np.arange(steps) + 0.5) / steps has all the places; the point of one is x_ref + t[k] * (x - x_ref).",
     "A mean over the points, times the way x - x_ref."],
    axes={name: "I" for name in ("a", "q", "x", "x_ref")}, arguments="gradient, x, x_ref, steps",
    setup="gradient = lambda x: a + q * x ** 2", plain={"steps": (1, 2, 3)},
    facets={"where the reference is not 0": lambda c: c["x_ref"].any(),
            "with more than one step": lambda c: c["steps"] > 1,
            "where the gradient changes on the way": lambda c: c["q"].any()})


def draw_noise(rng: np.random.Generator) -> dict:
    n, samples = 1 + size(rng, 2), size(rng)
    return {"a": some(rng, n), "q": some(rng, n), "x": some(rng, n), "noise": some(rng, samples, n),
            "level": float(rng.choice([0.5, 1, 0.25]))}


def smoothgrad(say: Callable | None, a: Any, q: Any, x: Any, noise: Any, level: float) -> Any:
    spread = level * float(x.max() - x.min())
    if say:
        say(f"deviation: {number(level)} ({number(x.max())} - {number(x.min())}) = {number(spread)}".replace("- -",
            "+ "))
    found = []
    for e in noise:
        found.append(a + q * (x + spread * e) ** 2)
        if say:
            say(f"noise {e.tolist()}: image {(x + spread * e).tolist()}, gradient {found[-1].tolist()}")
    if say:
        say(f"their mean: {(sum(found) / len(found)).tolist()}")
    return sum(found) / len(found)


def noisy(spread: Callable, join: Callable = lambda found: np.mean(found, axis=0)) -> Callable:
    return lambda gradient, x, noise, level: join([gradient(x + spread(x, level) * e) for e in noise])


def of_range(x: Any, level: float) -> float:
    return level * (x.max() - x.min())


SMOOTHGRAD = Exercise(
    "smoothgrad", "3.5", """
    R = (1/S) sum_s gradient(x + sigma e_s)        sigma = level (max x - min x), e_s: row s of noise""",
    draw_noise, smoothgrad,
    [("the noise is as large as level, whatever the range of x", noisy(lambda x, level: level)),
     ("the noise is not scaled at all", noisy(lambda x, level: 1)),
     ("the range of x is left out of it: only its maximum counts", noisy(lambda x, level: level * x.max())),
     ("the standard deviation of x stands where its range belongs", noisy(lambda x, level: level * x.std())),
     ("the noise is averaged before the gradient is taken",
      lambda g, x, noise, level: g(x + of_range(x, level) * noise.mean(0))),
     ("the gradients are added up, not averaged", noisy(of_range, lambda found: np.sum(found, axis=0))),
     ("the size of the gradients is averaged: their signs are lost",
      noisy(of_range, lambda found: np.mean(np.abs(found), axis=0))),
     ("the mean runs over the pixels, too", noisy(of_range, lambda found: 0 * np.mean(found, axis=0) + np.mean(found))),
     ("the gradient is taken without noise", lambda g, x, noise, level: g(x))],
    ["One gradient for each row of noise; then their mean, axis 0.",
     "How large the noise is depends on the image: level is a share of the distance between its extremes.",
     "np.mean([gradient(x + sigma * e) for e in noise], axis=0)"],
    axes={"a": "I", "q": "I", "x": "I", "noise": "S I"}, arguments="gradient, x, noise, level",
    setup="gradient = lambda x: a + q * x ** 2", plain={"level": (1.0, 0.5)},
    facets={"with more than one sample": lambda c: len(c["noise"]) > 1,
            "where the range of x is not 1": lambda c: c["x"].max() - c["x"].min() != 1,
            "where the gradient changes with x": lambda c: c["q"].any()})

EXERCISES = [GUIDED_RELU, INTEGRATED_GRADIENTS, SMOOTHGRAD]
