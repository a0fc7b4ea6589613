"""Activation maximisation in pixel space, with an expert, and in code space: three loops, written out."""
import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, array_module, like, to_numpy
from minixnn.network import Network, expect_network
from minixnn.layers.softmax import log_sum_exp, softmax
from minixnn.progress import progress
from minixnn.train import Adam, cosine


@dataclasses.dataclass
class Prototype:
    """Images of maximal response, one per target, and how the search for them went."""
    image: object               # (N, ...)
    target: object              # (N,), the classes
    probability: object         # (N,), softmax probability of each image's target, by the network itself
    cost: object                # (steps + 1, N), what was minimised: before each step, and after the last
    code: object = None         # (N, ...) if the search ran in code space

    def __str__(self):
        first, last = to_numpy(self.cost)[[0, -1]]
        rows = zip(to_numpy(self.target), to_numpy(self.probability), first, last)
        return "\n".join(["target  p(target)  cost before  cost after"] +
                         [f"{c:6d}  {p:9.4f}  {a:11.3f}  {b:10.3f}" for c, p, a, b in rows])


class Expert(Protocol):
    """Knows what images look like: `synthesis.GaussianMixture`, or any object with these two methods."""

    def log_density(self, x: Array) -> Array:
        """(N,), the larger the more like images."""

    def gradient(self, x: Array) -> Array:
        """The gradient of log_density, like x."""


def log_probability(y: Array, wanted: Array) -> tuple[Array, Array]:
    """Objective log p(c | x) = y_c - log sum_k exp(y_k), and its derivative with respect to the outputs y.

    Parameters
    ----------
    y : outputs (N, K), logits.
    wanted : (N, K), 1 at the target of each image and 0 elsewhere.

    Returns
    -------
    The objective (N,) and its derivative (N, K).
    """
    shifted = y - y.max(axis=1, keepdims=True)              # differences of smaller numbers are more exact
    return (shifted * wanted).sum(axis=1) - log_sum_exp(shifted)[:, 0], wanted - softmax(y)


def logit(y: Array, wanted: Array) -> tuple[Array, Array]:
    """Objective y_c: the score before softmax, as in Simonyan et al. 2014, section 2. It has no upper bound.

    A probability can be raised by making the other classes less likely, a logit cannot.

    Parameters
    ----------
    y : outputs (N, K), logits.
    wanted : (N, K), 1 at the target of each image and 0 elsewhere.

    Returns
    -------
    The objective (N,) and its derivative (N, K).
    """
    return (y * wanted).sum(axis=1), wanted


def activation_maximization(net: Network, target: int | Sequence[int] | Array, shape: tuple[int, ...] | None = None,
                            start: Array | None = None, penalty: float = 0.01, towards: float | Array = 0.0,
                            objective: Callable = log_probability, bounds: tuple[float, float] | None = None,
                            steps: int = 300, learning_rate: float = 0.05, quiet: bool = True) -> Prototype:
    """The image that maximises a class, kept small. Erhan et al. 2009; Montavon et al. 2018, section 3.1.

        x* = argmax_x  log p(c | x) - penalty ||x - towards||^2

    Parameters
    ----------
    net : the Network.
    target : a class or several, one image each.
    shape : that of one image; the search starts from an even, faint grey (at exactly 0 a network without biases has no
        gradient). Give either shape or start.
    start : the image or images to start from, (N, ...) or (1, ...).
    penalty : 0 or more.
    towards : 0, or an array like start, such as the mean image of the class: class_means(images, labels)[target].
    objective : `log_probability`, `logit`, or a function (y, wanted) like them.
    bounds : (lowest, highest) number of an image; None for no limit.
    steps : steps of the search, at least 1.
    learning_rate : of Adam, above 0, falling to 0 along a cosine.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Prototype: images (N, ...), their targets and probabilities (N,), and the cost (steps + 1, N).

    Raises
    ------
    ValueError : neither shape nor start, or both; a start or `towards` that does not fit the targets; a target that is
        no class; no steps, a learning rate of 0 or less, a penalty below 0.
    """
    target = check_target(target)
    x = prepare(net, len(target), shape, start, fill=0.01)
    towards = check_towards(towards, x)
    check_search(steps, learning_rate, penalty)
    wanted, optimizer, cost = passes.one_hot(net.forward(x), target), Adam(learning_rate), []
    for step in progress(range(steps), "activation maximisation", quiet):
        value, dy = objective(net.forward(x), wanted)
        cost.append(penalty * square(x - towards) - value)
        dx = passes.gradient(net, x, start=dy)[0] - 2 * penalty * (x - towards)     # <- the objective's gradient
        optimizer.learning_rate = learning_rate * cosine(step / steps)
        optimizer.step("x", x, -dx)                                                 # Adam goes down, we go up
        keep_inside(x, bounds)
    value, _ = objective(net.forward(x), wanted)
    cost.append(penalty * square(x - towards) - value)
    return finished(net, x, target, wanted, cost)


def with_expert(net: Network, target: int | Sequence[int] | Array, expert: Expert, shape: tuple[int, ...] | None = None,
                start: Array | None = None, weight: float = 1.0, objective: Callable = log_probability,
                bounds: tuple[float, float] | None = None, steps: int = 300, learning_rate: float = 0.02,
                quiet: bool = True) -> Prototype:
    """The image that maximises a class and is likely at all. Montavon et al. 2018, section 3.2.

        x* = argmax_x  log p(c | x) + weight log p(x)

    With weight = 1 this is, by Bayes' rule, the most likely image of the class: log p(x | c) + log p(c). Densities have
    many peaks and the search climbs the nearest, so the start matters.

    Parameters
    ----------
    net : the Network.
    target : a class or several, one image each.
    expert : a density model with `log_density(x)` (N,) and `gradient(x)` (like x), such as density.GaussianMixture.
    shape : that of one image, to start from an even, faint grey.
    start : the image or images to start from. Without shape and start each search starts on the way to the best of the
        images `expert.centres()`, see `near_best_centre`.
    weight : 0 or more.
    objective : `log_probability`, `logit`, or a function (y, wanted) like them.
    bounds : (lowest, highest) number of an image; None for no limit.
    steps : steps of the search, at least 1.
    learning_rate : of Adam, above 0, falling to 0 along a cosine.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Prototype: images (N, ...), their targets and probabilities (N,), and the cost (steps + 1, N).

    Raises
    ------
    ValueError : an expert without centres where there is no start; a start that does not fit the targets; a target that
        is no class; no steps, a learning rate of 0 or less, a weight below 0.
    """
    target = check_target(target)
    if shape is None and start is None:
        start = near_best_centre(net, target, expert)
    x = prepare(net, len(target), None if start is not None else shape, start, fill=0.01)
    check_search(steps, learning_rate, weight)
    wanted, optimizer, cost = passes.one_hot(net.forward(x), target), Adam(learning_rate), []
    for step in progress(range(steps), "activation maximisation with an expert", quiet):
        value, dy = objective(net.forward(x), wanted)
        cost.append(-weight * expert.log_density(x) - value)
        dx = passes.gradient(net, x, start=dy)[0] + weight * expert.gradient(x)
        optimizer.learning_rate = learning_rate * cosine(step / steps)
        optimizer.step("x", x, -dx)
        keep_inside(x, bounds)
    value, _ = objective(net.forward(x), wanted)
    cost.append(-weight * expert.log_density(x) - value)
    return finished(net, x, target, wanted, cost)


def in_code_space(net: Network, target: int | Sequence[int] | Array, generator: Network, start: Array | None = None,
                  penalty: float = 0.3, towards: float | Array = 0.0, objective: Callable = logit,
                  bounds: tuple[float, float] | None = None, steps: int = 200, learning_rate: float = 0.1,
                  quiet: bool = True) -> Prototype:
    """The code whose generated image maximises a class. Nguyen et al. 2016; Montavon et al. 2018, section 3.3.

        z* = argmax_z  logit_c(g(z)) - penalty ||z - towards||^2,      x* = g(z*)

    The objective is the logit here: a probability is 1 almost at once, and the search would end.

    Parameters
    ----------
    net : the Network.
    target : a class or several, one image each.
    generator : a Network from codes (N, code) to images, such as models.load("generator"), whose codes have mean 0 and
        variance 1.
    start : the code or codes to start from; None for `towards`.
    penalty : 0 or more.
    towards : 0, the code of no class in particular, or codes to stay near, (N, code), such as the mean code of the
        class: class_means(generator.encoder().predict(images), labels)[target].
    objective : `log_probability`, `logit`, or a function (y, wanted) like them.
    bounds : (lowest, highest) number of a code; None for no limit.
    steps : steps of the search, at least 1.
    learning_rate : of Adam, above 0, falling to 0 along a cosine.
    quiet : whether no progress bar is drawn.

    Returns
    -------
    A Prototype: images (N, ...), their targets and probabilities (N,), and the cost (steps + 1, N).
    The codes (N, code) are in it, too.

    Raises
    ------
    ValueError : a start or `towards` that does not fit the targets; a target that is no class; no steps, a learning
        rate of 0 or less, a penalty below 0.
    """
    target = check_target(target)
    if start is None and np.ndim(towards):
        start = towards
    size = generator.layers[0].arrays()["W"].shape[:1] if start is None else None  # W (code,) or (code, units)
    z = prepare(generator, len(target), size, start, fill=0.0)
    towards = check_towards(towards, z)
    check_search(steps, learning_rate, penalty)
    wanted, optimizer, cost = passes.one_hot(net.forward(generator.forward(z)), target), Adam(learning_rate), []
    for step in progress(range(steps), "activation maximisation in code space", quiet):
        x = generator.forward(z)
        value, dy = objective(net.forward(x), wanted)
        cost.append(penalty * square(z - towards) - value)
        dx = passes.gradient(net, x, start=dy)[0]                                   # through the network ...
        dz = passes.gradient(generator, z, start=dx)[0] - 2 * penalty * (z - towards)   # ... and the generator
        optimizer.learning_rate = learning_rate * cosine(step / steps)
        optimizer.step("z", z, -dz)
        keep_inside(z, bounds)
    x = generator.forward(z)
    value, _ = objective(net.forward(x), wanted)
    cost.append(penalty * square(z - towards) - value)
    return finished(net, x, target, wanted, cost, z)


def class_means(x: Array, labels: Array, classes: int = 10) -> Array:
    """The mean of the images or codes of each class: something to stay near.

    Parameters
    ----------
    x : images or codes (N, ...).
    labels : (N,), whole numbers.
    classes : how many classes there are.

    Returns
    -------
    The means, (classes, ...).

    Raises
    ------
    ValueError : not one label per image, or a class without an image.
    """
    labels = to_numpy(labels)
    empty = [c for c in range(classes) if not (labels == c).any()]
    if len(labels) != len(x) or empty:
        raise ValueError(f"got {len(labels)} labels for {len(x)} images, none of them of classes {empty}; expected "
                         f"one label per image and every class from 0 to {classes - 1}")
    return array_module(x).stack([x[like(x, labels == c)].mean(axis=0) for c in range(classes)])


def square(x: Array) -> Array:
    """||x||^2 of each image -> (N,)"""
    return (x * x).reshape(len(x), -1).sum(axis=1)


def keep_inside(x: Array, bounds: tuple[float, float] | None) -> None:
    """Put back, in place, what left the interval `bounds`; None lets it go where it likes."""
    if bounds is not None:
        x.clip(*bounds, out=x)


def finished(net: Network, x: Array, target: int | Sequence[int] | Array, wanted: Array, cost: list,
             code: Array | None = None) -> Prototype:
    """The Prototype, with the probability that the network itself gives to its targets."""
    probability = (softmax(net.forward(x)) * wanted).sum(axis=1)
    return Prototype(x, like(x, target), probability, array_module(x).stack(cost), code)


def check_target(target: int | Sequence[int] | Array) -> Array:
    """One class or several as a host array.

    Parameters
    ----------
    target : a class, or a list, range or array of classes.

    Returns
    -------
    The classes, (N,).

    Raises
    ------
    ValueError : none, or what is no whole number.
    """
    target = np.atleast_1d(np.asarray(to_numpy(target) if hasattr(target, "dtype") else list_of(target)))
    if target.ndim != 1 or len(target) == 0 or target.dtype.kind not in "iu":
        raise ValueError(f"got target={target!r}, expected a class or a list of classes, for instance range(10)")
    return target


def list_of(target: int | Sequence[int] | Array) -> int | list:
    return list(target) if hasattr(target, "__iter__") else target


def prepare(net: Network, n: int, shape: tuple[int, ...] | None, start: Array | None, fill: float) -> Array:
    """The array to start from, a copy that may be written to.

    Parameters
    ----------
    net : the Network, whose weights say in which kind of array to compute.
    n : how many targets there are.
    shape : of one start, filled with `fill`; None where `start` is given.
    start : (n, ...), or (1, ...) for all.
    fill : the number in every entry.

    Returns
    -------
    The array (n, ...).

    Raises
    ------
    ValueError : neither shape nor start, or both; a start that does not fit the targets; a network without weights.
    """
    expect_network(net)
    if (shape is None) == (start is None):
        raise ValueError("got both shape and start, or neither; expected either the shape of one image, such as "
                         "(28, 28, 1), or the images to start from")
    if start is None:
        weights = next((a for layer in net.layers for a in layer.arrays().values() if a is not None), None)
        if weights is None:
            raise ValueError("got shape= for a network without weights, which does not tell in which kind of array to "
                             "compute; give start= instead")
        return array_module(weights).full((n, *(shape or ())), fill, dtype=weights.dtype)
    if len(start) not in (1, n):
        raise ValueError(f"got {len(start)} starts for {n} targets, expected one for each, or one for all")
    return array_module(start).broadcast_to(start, (n, *start.shape[1:])).copy()


def near_best_centre(net: Network, target: Array, expert: Expert) -> Array:
    """For each target the point halfway between the mean of all the expert's centres and the best of them.

    The best is the likeliest of those that `net` gives to the target with a probability above 0.9; if there is none,
    the one with the highest. Halfway, because the centre is nearly the answer, and the search should be seen.

    Parameters
    ----------
    net : the Network.
    target : classes (N,), a host array.
    expert : a density model with `centres()` (K, ...) and `log_density(x)`.

    Returns
    -------
    Images to start from, (N, ...).

    Raises
    ------
    ValueError : an expert without a method centres().
    """
    if not hasattr(expert, "centres"):
        raise ValueError(f"{type(expert).__name__} has no method centres() to take a start from; give the shape of one "
                         "image or start, the images to start from")
    centres, best = expert.centres(), []                                            # (K, ...)
    p, likely = softmax(net.forward(centres)), expert.log_density(centres)
    for c in target.tolist():
        sure = p[:, c] > 0.9
        score = array_module(p).where(sure, likely, -np.inf) if bool(sure.any()) else p[:, c]
        best.append(centres[int(score.argmax())])
    return 0.5 * (array_module(centres).stack(best) + centres.mean(axis=0))


def check_towards(towards: float | Array, x: Array) -> Array:
    """`towards` itself, if it is a number or fits x.

    Parameters
    ----------
    towards : a number or an array.
    x : what the search starts from, (N, ...).

    Returns
    -------
    `towards`.

    Raises
    ------
    ValueError : an array of another shape.
    """
    shape = getattr(towards, "shape", ())
    if shape not in ((), x.shape, (1, *x.shape[1:])):
        raise ValueError(f"got towards of shape {shape}, expected a number or an array of shape {x.shape}, one entry "
                         "a target: class_means(images, labels)[target]")
    return towards


def check_search(steps: int, learning_rate: float, weight: float) -> None:
    """Refuse settings with which no search can be made.

    Parameters
    ----------
    steps, learning_rate, weight : as for `activation_maximization`; weight stands for its penalty, too.

    Raises
    ------
    ValueError : no steps, a learning rate of 0 or less, a weight below 0.
    """
    if steps < 1 or learning_rate <= 0 or weight < 0:
        raise ValueError(f"got steps={steps}, learning_rate={learning_rate} and a penalty or weight of {weight}, "
                         "expected at least one step, a positive learning_rate, and no negative weight")
