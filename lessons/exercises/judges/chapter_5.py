"""Is an explanation any good? Differences with their errors, and chance as it really is."""
from collections.abc import Callable
from typing import Any

import numpy as np

from lessons.exercises.marking import Exercise, number, plus, size, some


def draw_pairs(rng: np.random.Generator) -> dict:
    n = 2 + size(rng)
    a = some(rng, n)
    return {"a": a, "b": a + some(rng, n) if rng.random() < 0.5 else some(rng, n)}


def paired_difference(say: Callable | None, a: Any, b: Any) -> tuple:
    n, d = len(a), [float(v) for v in a - b]
    mean = sum(d) / n
    variance = sum((v - mean) ** 2 for v in d) / (n - 1)
    if say:
        say(f"differences: {', '.join(map(number, d))}; mean ({plus(d)})/{n} = {number(mean)}")
        say(f"squared distances from the mean: {plus([(v - mean) ** 2 for v in d])}; over n - 1 = {n - 1}: "
            f"{number(variance)}")
        say(f"error: sqrt({number(variance)}/{n}) = {number((variance / n) ** 0.5)}")
    return mean, (variance / n) ** 0.5


PAIRED = Exercise(
    "paired_difference", "5.2", """
    d_i = a_i - b_i        mean = (1/n) sum_i d_i
    error = sqrt( (1/(n - 1)) sum_i (d_i - mean)^2 / n )""", draw_pairs, paired_difference,
    [("the errors of a and b are joined: the pairs are torn apart", lambda a, b: (
        (a - b).mean(), np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))),
     ("it is divided by n, not n - 1, as std does by itself", lambda a, b: ((a - b).mean(),
                                                                            (a - b).std() / np.sqrt(len(a)))),
     ("the spread of single differences is returned, not that of their mean",
      lambda a, b: ((a - b).mean(), (a - b).std(ddof=1))),
     ("it is divided by n, not by its root", lambda a, b: ((a - b).mean(), (a - b).std(ddof=1) / len(a))),
     ("the difference is taken the wrong way round",
      lambda a, b: ((b - a).mean(), (a - b).std(ddof=1) / np.sqrt(len(a)))),
     ("the sizes of the differences are averaged", lambda a, b: (
         abs(a - b).mean(), abs(a - b).std(ddof=1) / np.sqrt(len(a)))),
     ("the square of the error is returned", lambda a, b: ((a - b).mean(), (a - b).var(ddof=1) / len(a)))],
    ["Work with the differences alone: d = a - b. One image is easy or hard for both methods, and that cancels.",
     "np.std(d) divides by n; its argument ddof=1 makes it n - 1.",
     "The error of a mean of n numbers is their standard deviation over the root of n. Return mean, error."],
    axes={"a": "I", "b": "I"}, valid=lambda c: len(c["a"]) > 1)


def draw_scores(rng: np.random.Generator) -> dict:
    return {"score": float(rng.choice([0, 1, 2, -1, 0.5])), "controls": some(rng, size(rng, 6))}


def p_value(say: Callable | None, score: float, controls: Any) -> float:
    reached = sum(1 for c in controls if c >= score)
    if say:
        say(f"{reached} of {len(controls)} controls reach {number(score)}: (1 + {reached}) / (1 + {len(controls)})")
    return (1 + reached) / (1 + len(controls))


P_VALUE = Exercise(
    "p_value", "5.2", "p = (1 + how many controls >= score) / (1 + how many controls)", draw_scores, p_value,
    [("the score itself is not counted: p would be 0 where no control reaches it",
      lambda s, c: (c >= s).mean()),
     ("a control that equals the score is not counted", lambda s, c: (1 + (c > s).sum()) / (1 + len(c))),
     ("the controls below the score are counted", lambda s, c: (1 + (c < s).sum()) / (1 + len(c))),
     ("it is one minus p", lambda s, c: 1 - (1 + (c >= s).sum()) / (1 + len(c))),
     ("1 is added above but not below", lambda s, c: (1 + (c >= s).sum()) / len(c)),
     ("sizes are compared, without their signs", lambda s, c: (1 + (abs(c) >= abs(s)).sum()) / (1 + len(c))),
     ("a number is returned, not a share", lambda s, c: 1 + (c >= s).sum())],
    ["How often does chance do as well? Count the controls that are as large as the score or larger.",
     "The score is one of the ways in which it could have come: it is counted above and below."],
    axes={"controls": "I"}, plain={"score": (0.0, 1.0)},
    facets={"where a control equals the score": lambda c: (c["controls"] == c["score"]).any()})

EXERCISES = [PAIRED, P_VALUE]
