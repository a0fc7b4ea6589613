"""Training: a loss, two optimisers, and the loop. Gradients flow through the same method that explains.

    rng = numpy.random.default_rng(0)
    net = Network([Flatten(), Dense.random(784, 100, rng), ReLU(), Dense.random(100, 10, rng)])
    history = fit(net, images, labels, epochs=3, rng=rng)

`fit`, and `update` which it calls, change the arrays of the layers in place.
"""
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np

from minixnn import tuning
from minixnn.arrays import Array, Inputs, array_module, like, to_numpy
from minixnn.layers.base import Layer
from minixnn.layers.softmax import log_sum_exp, softmax
from minixnn.network import Network, expect_network
from minixnn.progress import progress


def cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """The mean of -log p(label) over the batch, and its gradient.

    The gradient of softmax and logarithm together is p - one_hot(label), over N.

    Parameters
    ----------
    logits : (N, K).
    labels : (N,), classes from 0 to K - 1.

    Returns
    -------
    The loss, a number in nats, and its gradient with respect to the logits, (N, K).

    Raises
    ------
    ValueError : labels that are not one class for each row.
    """
    xp = array_module(logits)
    check_labels(labels, len(logits))
    if not hasattr(labels, "get") and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"got labels from {labels.min()} to {labels.max()}, expected classes from 0 to "
                         f"{logits.shape[1] - 1}, as many as the network has outputs")
    truth = (xp.arange(logits.shape[1]) == like(logits, labels)[:, None]).astype(logits.dtype)     # (N, K)
    shifted = logits - logits.max(axis=1, keepdims=True)    # differences of smaller numbers are more exact
    loss = (log_sum_exp(shifted)[:, 0] - (shifted * truth).sum(axis=1)).mean()
    return loss, (softmax(logits) - truth) / len(logits)


def check_labels(labels: Array, images: Array) -> None:
    """Refuse what is not one whole number for each image.

    Parameters
    ----------
    labels : an array.
    images : how many images there are.

    Raises
    ------
    ValueError : another shape or type.
    """
    if getattr(labels, "shape", None) != (images,) or labels.dtype.kind not in "iu":
        actual = type(labels) if not hasattr(labels, "dtype") else \
            f"an array of shape {labels.shape} and type {labels.dtype}"
        raise ValueError(f"got {actual} as labels, expected an array of {images} whole numbers, the class of each "
                         "image")


class SGD:
    """Steps against the gradient, with momentum: v = momentum v + g;  p = p - learning_rate v. Polyak 1964.

    Parameters
    ----------
    learning_rate : the length of a step; `fit` multiplies it by its schedule.
    momentum : from 0 to 1.
    decay : of weights: p is made smaller by learning_rate * decay * p each step.
    """
    __slots__ = ("learning_rate", "momentum", "decay", "state")         # a misspelt setting is an error

    def __init__(self, learning_rate: float = 0.1, momentum: float = 0.9, decay: float = 0.0) -> None:
        self.learning_rate, self.momentum, self.decay = learning_rate, momentum, decay
        self.state: dict = {}

    def step(self, key: Hashable, p: Array, g: Array) -> None:
        """Move a parameter array in place.

        Parameters
        ----------
        key : what tells parameters apart, such as (number of the layer, name).
        p : the parameter array.
        g : its gradient, like p.
        """
        v = self.state.get(key)
        v = g.copy() if v is None else self.momentum * v + g
        self.state[key] = v
        p -= self.learning_rate * (v + self.decay * p)


class Adam:
    """Adam, Kingma & Ba 2015, algorithm 1; with `decay` the decoupled weight decay of Loshchilov & Hutter 2019.

    Parameters
    ----------
    learning_rate : the length of a step, about; `fit` multiplies it by its schedule.
    beta1, beta2 : how much of themselves the running means of the gradient and of its square keep each step.
    epsilon : what keeps the divisor from 0.
    decay : of weights: p is made smaller by learning_rate * decay * p each step.
    """
    __slots__ = ("learning_rate", "beta1", "beta2", "epsilon", "decay", "state")

    def __init__(self, learning_rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
                 decay: float = 0.0) -> None:
        self.learning_rate, self.beta1, self.beta2 = learning_rate, beta1, beta2
        self.epsilon, self.decay = epsilon, decay
        self.state: dict = {}

    def step(self, key: Hashable, p: Array, g: Array) -> None:
        """Move a parameter array in place.

        Parameters
        ----------
        key : what tells parameters apart, such as (number of the layer, name).
        p : the parameter array.
        g : its gradient, like p.

        Raises
        ------
        TypeError : what is no array.
        """
        if key not in self.state:
            xp = array_module(p)
            self.state[key] = [0, xp.zeros_like(p), xp.zeros_like(p)]
        self.state[key][0] += 1
        t, m, v = self.state[key]
        m += (1 - self.beta1) * (g - m)                     # running mean of the gradient
        v += (1 - self.beta2) * (g * g - v)                 # and of its square
        # Both start at 0; dividing by 1 - beta^t takes that start out again.
        size = self.learning_rate * math.sqrt(1 - self.beta2 ** t) / (1 - self.beta1 ** t)
        root = array_module(v).sqrt(v)
        root += self.epsilon * math.sqrt(1 - self.beta2 ** t)
        if self.decay:
            p -= self.learning_rate * self.decay * p
        p -= size * m / root


def constant(share: float) -> float:
    """The learning rate stays as it is."""
    return 1.0


def cosine(share: float) -> float:
    """From 1 at the start of training (share 0) to 0 at its end. Loshchilov & Hutter 2017, eq. 5."""
    return 0.5 * (1 + math.cos(math.pi * share))


def backpropagate(net: Network, x: Array, labels: Array, rng: np.random.Generator) -> tuple[float, int, list]:
    """One batch forwards and backwards.

    Parameters
    ----------
    net : the Network.
    x : images (N, ...).
    labels : (N,), classes.
    rng : the numpy.random.Generator from which dropout draws.

    Returns
    -------
    The loss, the number of right answers, and the gradients [{name: gradient}, ...], one dictionary per place.

    Raises
    ------
    ValueError : labels that are not one class for each image.
    """
    layers, A = [], [x]
    for l, layer in enumerate(net.layers):
        x_l = net.entering(A, l)
        layers.append(layer.training(x_l, rng))             # dropout draws its mask here, anew at every place
        A.append(layers[-1].forward(x_l))
    loss, dy = cross_entropy(A[-1], labels)
    right = (A[-1].argmax(axis=1) == like(A[-1], labels)).sum()
    return loss, right, backward(net, A, dy, layers)[0]


def backward(net: Network, A: list, dy: Array, layers: Sequence[Layer] | None = None,
             to_input: bool = False) -> tuple[list, Inputs]:
    """Gradients of all parameters, from the gradient of the output.

    Parameters
    ----------
    net : the Network.
    A : its trace, whose entries but the first are set to None once they are no longer needed.
    dy : dL/dy, like the output.
    layers : what takes the places of the network's layers while it learns; None for these themselves.
    to_input : whether dL/dx is computed; else the pass ends at the first parameters.

    Returns
    -------
    [{name: gradient} or None, ...], one entry per place; and dL/dx.
    """
    layers = net.layers if layers is None else layers
    dA: list[Array] = [0] * len(layers) + [dy]
    learns, gradients = learning(net), []
    for l in reversed(range(len(layers))):
        x_l = net.entering(A, l)
        gradients.append(layers[l].parameter_gradients(x_l, dA[l + 1]))
        if to_input or any(learns[i] for i in net.inputs[l]):
            net.add_to_inputs(dA, l, layers[l].gradient(x_l, A[l + 1], dA[l + 1]))
        A[l + 1] = dA[l + 1] = None
    return gradients[::-1], dA[0]


def learning(net: Network) -> list[bool]:
    """For each activation A[i], whether parameters lie below it, so that its gradient is needed."""
    learns = [False]
    for layer, sources in zip(net.layers, net.inputs):
        learns.append(bool(layer.arrays()) or any(learns[i] for i in sources))
    return learns


def update(optimizer: SGD | Adam, net: Network, gradients: list[dict[str, Array]]) -> None:
    """One step of all parameters of a network, in place.

    A layer that stands in several places has one set of parameters: their gradients add up, and it takes one step.

    Parameters
    ----------
    optimizer : an SGD or Adam.
    net : the Network.
    gradients : [{name: gradient} or None, ...], one entry per place.
    """
    first: dict[int, int] = {}                  # the first place of each layer, by its identity
    totals: dict[tuple[int, str], Array] = {}
    for l, layer in enumerate(net.layers):
        for name, g in (gradients[l] or {}).items():
            if g is not None:
                key = (first.setdefault(id(layer), l), name)
                totals[key] = totals[key] + g if key in totals else g
    for (l, name), g in totals.items():
        optimizer.step((l, name), net.layers[l].arrays()[name], g)


def fit(net: Network, images: Array, labels: Array | None = None, epochs: int = 5,
        rng: np.random.Generator | None = None, optimizer: SGD | Adam | None = None, batch_size: int = 100,
        schedule: Callable[[float], float] = cosine, augment: Callable | None = None,
        validation: tuple[Array, Array] | None = None, quiet: bool = False) -> list[dict[str, float]]:
    """Train a network in place on softmax cross-entropy. A saved network can be loaded and trained on.

    The shape of the images is noted on the network's card, if none stands there.

    Parameters
    ----------
    net : the Network.
    images, labels : (N, ...) and (N,); or a function epoch -> (images, labels) that makes new ones, and None.
    epochs : how often the images are gone through.
    rng : the numpy.random.Generator that shuffles, drops out and augments; the same seed gives the same network.
    optimizer : an SGD or Adam; None for Adam().
    batch_size : images a step.
    schedule : a function of the share of training that is done, from 0 to 1; it multiplies the optimiser's
        learning_rate.
    augment : a function (batch, rng) -> batch, or None.
    validation : (images, labels) on which accuracy is measured after each epoch, or None.
    quiet : whether nothing is printed.

    Returns
    -------
    A list with one dictionary per epoch: "epoch", "loss", "accuracy", and "validation" where it was asked for.

    Raises
    ------
    ValueError : an rng that is no Generator, labels that are not one class per image, images that the network does not
        take.
    TypeError : what is no Network.
    """
    expect_network(net)
    if rng is None or not hasattr(rng, "permutation"):
        raise ValueError(f"got rng={rng!r}, expected a numpy.random.Generator such as numpy.random.default_rng(0): "
                         "training draws random numbers and is to be repeatable")
    tuning.tune()
    optimizer = optimizer or Adam()
    full_rate, history = optimizer.learning_rate, []
    for epoch in range(epochs):
        x: Array
        y: Array
        x, y = images(epoch) if callable(images) else (images, labels)
        net.check(x)
        check_labels(y, len(x))
        if net.card.input_shape is None:
            net.card = replace(net.card, input_shape=x.shape[1:])
        order, loss_sum, right_sum = rng.permutation(len(x)), 0.0, 0
        steps = [order[n:n + batch_size] for n in range(0, len(x), batch_size)]
        for n, some in enumerate(progress(steps, f"epoch {epoch + 1}/{epochs}", quiet)):
            optimizer.learning_rate = full_rate * schedule((epoch + n / len(steps)) / epochs)
            batch, truth = x[like(x, some)], y[like(y, some)]
            if augment is not None:
                batch = augment(batch, rng)
            loss, right, gradients = backpropagate(net, batch, truth, rng)
            update(optimizer, net, gradients)
            loss_sum, right_sum = loss_sum + loss * len(batch), right_sum + right
        history.append({"epoch": epoch + 1, "loss": float(loss_sum) / len(x), "accuracy": float(right_sum) / len(x)})
        if validation is not None:
            history[-1]["validation"] = accuracy(net, *validation)
        if not quiet:
            print("  ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in history[-1].items()),
                  flush=True)
    optimizer.learning_rate = full_rate
    return history


def accuracy(net: Network, images: Array, labels: Array, batch_size: int | None = None) -> float:
    """The share of images whose largest output is their label.

    Parameters
    ----------
    net : the Network.
    images : (N, ...).
    labels : (N,), classes.
    batch_size : images at a time; None for as many as suit the machine.

    Returns
    -------
    A number from 0 to 1.

    Raises
    ------
    ValueError : images that the network does not take.
    """
    found = to_numpy(net.predict(images, batch_size)).argmax(axis=1)
    return float((found == to_numpy(labels)).mean())
