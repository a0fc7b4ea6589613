"""What must hold of a whole network: each test takes a `NetworkCase` and returns an Observation, or None.

A test that cannot be made says why: it returns a sentence.
"""
import pathlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, Inputs, to_numpy
from minixnn.batching import rows
from minixnn.checks.properties import Observation, compare
from minixnn.logits import logits
from minixnn.ledger import ledger as keep_ledger
from minixnn.network import Network

STEPS = 50                      # of the path of integrated gradients, or fewer where one step takes long
SECONDS = 10


@dataclass(frozen=True)
class NetworkCase:
    """A network as it is, the same in float64, and the images for both."""
    net: Network
    sharp: Any
    x: np.ndarray
    a: np.ndarray               # x in float64, or the tokens as they are
    target: Any = None
    expected: Any = None
    other: Any = None           # in float64, a network that computes the same
    usable = True

    @property
    def explained(self) -> Any:
        """The network whose outputs methods explain: logits, where it ends in a layer that only squashes."""
        return logits(self.sharp)

    @property
    def has_numbers(self) -> Any:
        """Whether nothing but real numbers enters; there is no path to tokens."""
        return all(part.dtype.kind == "f" for part in (self.a if isinstance(self.a, tuple) else (self.a,)))

    def score(self, x: Inputs, target: Any) -> Any:
        """The output that is explained, one number per image."""
        y = self.explained.forward(x)
        return y[range(len(y)), target]

    def targets(self) -> Any:
        """The class of each image that is explained; None where the output has no classes."""
        y = self.explained.forward(self.a)
        if y.ndim != 2:
            return None
        return y.argmax(axis=1) if self.target is None else np.broadcast_to(self.target, len(y))


def each(f: Callable, x: Inputs) -> Any:
    """f(x); of several inputs, of each."""
    return tuple(map(f, x)) if isinstance(x, tuple) else f(x)


def nothing(x: Inputs) -> Any:
    """Zeros in the place of x: the reference."""
    return each(lambda a: a * 0, x)


def flat(R: Array) -> Array:
    """(N, entries): what lies beside an input, or beside all inputs."""
    parts = R if isinstance(R, tuple) else (R,)
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def outputs(case: NetworkCase) -> Observation | str | None:
    if case.expected is None:
        return "no outputs were given to compare with"
    return compare(case.expected, case.net.forward(case.x), "Expected are the outputs that were given.")


def images_apart(case: NetworkCase) -> Observation | str | None:
    if rows(case.a) < 2:
        return "there is one image only"
    alone = np.concatenate([case.sharp.forward(each(lambda a: a[n:n + 1], case.a)) for n in range(rows(case.a))])
    return compare(alone, case.sharp.forward(case.a), "The images one by one, and as a batch.")


def precision(case: NetworkCase) -> Observation | str | None:
    if not case.has_numbers:
        return compare(case.sharp.forward(case.a), case.sharp.astype(np.float32).forward(case.a), "")
    came = case.sharp.astype(np.float32).forward(each(lambda a: a.astype(np.float32), case.a))
    return compare(case.sharp.forward(case.a), came, "Expected is float64, came is float32.")


def ledger(case: NetworkCase, rules: Any) -> Observation | str | None:
    if case.targets() is None:
        return "the output has no classes to start from"
    book = keep_ledger(case.explained, case.a, case.targets(), rules, quiet=True)
    total = book.total
    row = max(book.rows, key=lambda row: abs(row.residual) / (row.moved or 1))
    if any(row.unexplained for row in book.rows):
        return "a rule of these has no account"
    return Observation(book.largest_residual, 0.0, row.residual, f"Layer {row.l} lost this on the way, of "
                       f"{total.relevance_out:.6g} that started.")


def path_integral(case: NetworkCase) -> Observation | str | None:
    """sum_i R_i = y(x) - y(0), as far as an integral by so many steps can tell"""
    targets = case.targets()
    if targets is None or not case.has_numbers:
        return "there is no path from 0 to whole numbers, or no class"
    begun = time.perf_counter()
    change = case.score(case.a, targets) - case.score(nothing(case.a), targets)
    steps = max(10, min(STEPS, int(SECONDS / (time.perf_counter() - begun) / 2)))          # a step takes about as long
    G: Any = 0
    for share in (np.arange(steps) + 0.5) / steps:
        G = G + flat(passes.gradient(case.explained, each(partial(np.multiply, share), case.a), targets)[0])
    R = flat(case.a) * G / steps
    return furthest(change, R, f"with {steps} steps")


def sums_to_difference(case: NetworkCase) -> Observation | str | None:
    """sum_i C_i = y(x) - y(0)"""
    targets = case.targets()
    if targets is None:
        return "the output has no classes to start from"
    try:
        C = flat(passes.deeplift(case.explained, case.a, each(lambda a: a[:1] * 0, case.a), targets)[0])
    except NotImplementedError as error:
        return str(error)
    return furthest(case.score(case.a, targets) - case.score(nothing(case.a), targets), C, "by DeepLIFT")


def furthest(change: Any, R: Array, how: Any) -> Any:
    """The image whose contributions miss the change of its output by most, as a share of their size."""
    off = abs(R.sum(axis=1) - change) / np.maximum(abs(R).sum(axis=1), 1e-300)
    n = int(np.nan_to_num(off, nan=np.inf).argmax())
    return Observation(float(np.nan_to_num(off, nan=np.inf)[n]), float(change[n]), float(R[n].sum()),
                       f"Image {n}: the output changes from 0 to x by what is expected, the contributions {how} sum to "
                       "what came.")


def saved(case: NetworkCase) -> Observation | str | None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.npz"
            case.net.save(path)
            again = Network.load(path)
    except ValueError as error:
        return str(error)
    return compare(case.net.forward(case.x), again.forward(case.x), "The network, and the one that was loaded.")


def device(case: NetworkCase, module: Any) -> Observation | str | None:
    came = case.sharp.on(module).forward(each(module.asarray, case.a))
    return compare(case.sharp.forward(case.a), to_numpy(came), "Expected is NumPy's answer.")


def same_outputs(case: NetworkCase) -> Observation:
    return compare(case.sharp.forward(case.a), case.other.forward(case.a), "Expected is the network, came is the "
                   "equivalent one.")


def same_explanation(case: NetworkCase, explain: Callable) -> Observation | str | None:
    """Both networks' explain(net, targets) -> what lies beside the input."""
    targets = case.targets()
    if targets is None:
        return "the output has no classes to start from"
    if not same_outputs(case).off <= 1e-7:
        return "the two do not compute the same"
    try:
        return compare(flat(explain(case.explained, targets)), flat(explain(logits(case.other), targets)),
                       "Both compute the same. Expected is what the network gets, came what the equivalent one gets.")
    except NotImplementedError as error:
        return str(error)


def same_gradient(case: NetworkCase) -> Observation | str | None:
    return same_explanation(case, lambda net, targets: passes.gradient(net, case.a, targets)[0])


def same_contributions(case: NetworkCase) -> Observation | str | None:
    reference = each(lambda a: a[:1] * 0, case.a)
    return same_explanation(case, lambda net, targets: passes.deeplift(net, case.a, reference, targets)[0])


def same_relevance(case: NetworkCase, rules: Any) -> Observation | str | None:
    return same_explanation(case, lambda net, targets: passes.lrp(net, case.a, targets, rules)[0])
