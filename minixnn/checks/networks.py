"""check_network: every layer of a network at the activations that images make, and what the whole must add up to."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import ModuleType
from typing import TypeAlias

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, Inputs, to_numpy
from minixnn.batching import rows as count_of
from minixnn.checks.as_layer import SideBySide, Written, mapped, reloaded
from minixnn.checks.cases import images_apart, on_device, prepare, same_on_device
from minixnn.checks.layer_properties import properties_of_layer
from minixnn.checks.properties import Checked, CheckFailed, NetworkReport, NotAsked, Observation, Property, Row, \
    compare, states
from minixnn.checks.worked import heading, paragraph, two
from minixnn.layers import Layer, Reshape, Shift
from minixnn.layers.base import Rule
from minixnn.layers.choices import stop_at_step
from minixnn.ledger import ledger as keep_ledger
from minixnn.logits import logits
from minixnn.network import Network
from minixnn.progress import progress
from minixnn.rules import composites, lrp

IMAGES = 4                      # so many are looked at; more take longer and find little
VISIBLE = 1e20                  # scores beyond hide tokens
STEPS = 50                      # of the path of integrated gradients, or fewer where one step takes long
SECONDS = 10
Rules: TypeAlias = "Rule | Sequence[Rule | None]"       # what passes.lrp takes


@dataclass(frozen=True)
class NetworkCase:
    """A network as it is, the same in float64, and the images for both."""
    net: Network
    sharp: Network
    x: Inputs
    a: Inputs                   # x in float64, or the tokens as they are
    target: int | Sequence[int] | Array | None
    expected: Array | None
    other: Network              # in float64, a network that computes the same
    usable = True

    @property
    def explained(self) -> Network:
        """The network whose outputs methods explain: logits, where it ends in a layer that only squashes."""
        return logits(self.sharp)

    @cached_property
    def y(self) -> Array:
        """The outputs, in float64."""
        return self.sharp.forward(self.a)

    @cached_property
    def targets(self) -> Array:
        """The class of each image that is explained."""
        y = self.explained.forward(self.a)
        if y.ndim != 2:
            raise NotAsked("the output has no classes to start from")
        return y.argmax(axis=1) if self.target is None else np.broadcast_to(self.target, len(y))

    def missed(self, R: Inputs, how: str) -> Observation:
        """The image whose contributions R miss y(x) - y(0) by most, as a share of their size."""
        y, y_ref = (self.explained.forward(x)[range(count_of(x)), self.targets] for x in (self.a, nothing(self.a)))
        R, change = flat(R), y - y_ref
        off = np.nan_to_num(abs(R.sum(axis=1) - change) / np.maximum(abs(R).sum(axis=1), 1e-300), nan=np.inf)
        n = int(off.argmax())
        return Observation(float(off[n]), float(change[n]), float(R[n].sum()), f"Image {n}: the output changes from 0 "
                           f"to x by what is expected, the contributions {how} sum to what came.")

    def contributions(self, net: Network) -> Inputs:
        """Those of the inputs by DeepLIFT, in this network or the other."""
        try:
            return passes.deeplift(net, self.a, each(lambda a: a[:1], nothing(self.a)), self.targets)[0]
        except NotImplementedError as error:
            raise NotAsked(str(error)) from None


def check_network(net: Network, x: Inputs, target: int | Sequence[int] | Array | None = None,
                  rules: Rules | None = None, expected: Array | None = None, device: ModuleType | None = None,
                  quiet: bool = True, equivalent: Network | None = None) -> NetworkReport:
    """Ask the properties of every layer where images x lead, and those of the network.

    Parameters
    ----------
    net : Network
    x : array (N, ...), or a tuple of arrays
        A batch of images, or of what else enters. The first four are used.
    target : int or (N,) ints, optional
        The class that is explained; without it that of the largest output.
    rules : rule, composite or list of rules, optional
        What the ledger is kept for, as for `passes.lrp`; without it lrp.epsilon and then composites.epsilon_plus.
    expected : array, optional
        The outputs for x of whatever the network was made from, to be compared.
    device : module, optional
        An array module such as cupy, on whose arrays the network must run, too.
    quiet : bool
        False shows how far it has come.
    equivalent : Network, optional
        Another network that computes the same, such as this one with its batch normalisation folded. Both must have the
        same outputs, the same gradient, the same contributions by DeepLIFT against 0, and by `rules` the same
        relevance: "implementation invariance" (Sundararajan et al. 2017, section 2.2). Most rules depend on how a
        function is written, and then the failure says by how much the two explanations differ.

    Returns
    -------
    NetworkReport
        To print, if all holds.

    Raises
    ------
    CheckFailed
        If a property does not hold: the first, with both sides of its formula, and the table of all.
    ValueError
        If a list of rules is given for two networks.
    """
    if equivalent is not None and isinstance(rules, (list, tuple)):
        raise ValueError("got a list of rules for two networks, whose layers need not be the same; give one rule such "
                         "as lrp.epsilon, or a composite such as composites.epsilon_plus, which chooses for each")
    x = each(lambda part: to_numpy(part)[:IMAGES], x)
    sharp = net.astype(np.float64)
    case = NetworkCase(net, sharp, x, in_type(x, np.float64), target,
                       None if expected is None else to_numpy(expected)[:IMAGES],
                       sharp if equivalent is None else equivalent.astype(np.float64))
    A, A_ref = sharp.trace(case.a), sharp.trace(nothing(case.a))
    layers = [checked(sharp.layers[l], sharp.entering(A, l), sharp.entering(A_ref, l), str(l), device)
              for l in progress(range(len(sharp.layers)), "layers checked", quiet)]
    asked: Sequence[Rules] = (lrp.epsilon, composites.epsilon_plus) if rules is None else (rules,)
    properties = properties_of_network(asked, device) + ([] if equivalent is None else properties_of_pair(asked))
    whole = [Row(property) for property in properties]
    found = [row.ask(case) for row in whole]
    report = NetworkReport(layers, whole, count_of(x))
    subjects = [(f"layer {one.place}, {one.layer!r},", one.rows, one.failures) for one in layers]
    for subject, rows, observations in [*subjects, ("the network", whole, found)]:
        for row, observation in zip(rows, observations):
            if observation is not None:
                raise CheckFailed(explain(subject, row.property, observation, report), row.property.name, report)
    return report


def checked(layer: Layer, x: Inputs, x_ref: Inputs, place: str, device: ModuleType | None) -> Checked:
    """A layer, and what its properties are where x and x_ref enter it.

    What a mask adds to hide tokens is left out: no difference of outputs is left beside numbers as large as that.
    """
    name = layer
    if type(layer) is Shift and layer.b is not None and np.any(layer.b <= -VISIBLE):
        layer = mapped(layer, lambda array: array * (array > -VISIBLE))
    if isinstance(x, tuple):
        layer = SideBySide(layer, tuple(part.shape[1:] for part in x))
        x, x_ref = layer.whole(x), layer.whole(x_ref)
    y, (before, after) = layer.forward(x), getattr(layer, "rows", (1, 1))
    if before != 1 or after != 1:               # several rows of x or y belong to one image: they are asked for in one
        layer = Written(Network([Reshape(x.shape[1:], (1, before)), layer, Reshape((after, *y.shape[1:]), (after, 1))]))
        x, x_ref = (a.reshape(-1, before, *a.shape[1:]) for a in (x, x_ref))
        y = layer.forward(x)
    dy = np.random.default_rng(0).normal(size=(1, *y.shape[1:])).astype(y.dtype)
    case = prepare(layer, off_the_kinks(x[:1]) if x.dtype.kind == "f" else x[:1], x_ref[:1], dy)
    rows = [Row(property) for property in properties_of_layer(device=device)]
    return Checked(place, name, rows, [row.ask(case) for row in rows])


def off_the_kinks(x: Array) -> Array:
    """x with a little added to every entry, another each.

    Behind a ReLU many are 0 and equal, where nothing has a derivative. What is added is positive, for layers that take
    no other numbers. Scores of tokens that are hidden, far below all others, stay so.
    """
    visible = abs(x) < VISIBLE
    size = float(abs(x[visible]).mean() if visible.any() else 0) or 1.0
    return x + visible * 0.1 * size * np.random.default_rng(1).random(x.shape)


def explain(subject: str, property: Property, observation: Observation, report: NetworkReport) -> str:
    """The message: the property that fails, both sides of its formula, and the table of everything."""
    expected, came = observation.expected, observation.came
    parts = [heading(subject, property), *([paragraph(observation.note)] if observation.note else [])]
    at = ""
    if isinstance(expected, np.ndarray) and isinstance(came, np.ndarray) and expected.shape == came.shape:
        worst = np.unravel_index(np.nan_to_num(abs(expected - came), nan=np.inf).argmax(), expected.shape)
        at, expected, came = f"Furthest apart, at {list(map(int, worst))}:\n\n", expected[worst], came[worst]
    if isinstance(expected, (int, float)) and isinstance(came, (int, float)):
        shown = two(expected, came)
        parts.append(f"{at}    expected  {shown[0]}\n    came      {shown[1]}")
    return "\n\n".join([*parts, paragraph(f"Look for this: {property.cause}."), str(report)])


def each(f: Callable[[Array], Array], x: Inputs) -> Inputs:
    """f(x); of several inputs, of each."""
    return tuple(map(f, x)) if isinstance(x, tuple) else f(x)


def nothing(x: Inputs) -> Inputs:
    """The reference: zeros in the place of x; for whole numbers, such as tokens and masks, those of the last."""
    return each(lambda a: a * 0 if a.dtype.kind == "f" else np.repeat(a[-1:], len(a), axis=0), x)


def in_type(x: Inputs, dtype: type) -> Inputs:
    """The real numbers among the inputs in that type."""
    return each(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, x)


def flat(R: Inputs) -> Array:
    """(N, entries): what lies beside an input, or beside all inputs."""
    parts = R if isinstance(R, tuple) else (R,)
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


# ------------------------------------------------------------------------------------------ of a network, and of a pair

def properties_of_network(rules: Sequence[Rules], device: ModuleType | None = None) -> list[Property]:
    """The list; a ledger for each of `rules`."""
    books = [replace(ledger.given(rules=rule), name=f"ledger, {name_of(rule)}") for rule in rules]
    return [outputs, one_by_one, *books, path_integral, sums_to_difference, precision, saved, *on_device(moved, device)]


def properties_of_pair(rules: Sequence[Rules]) -> list[Property]:
    """What two networks that compute the same must have in common; the relevance by each of `rules`."""
    return [same_outputs, same_gradient, same_contributions, *(
        replace(same_relevance.given(rules=rule), name=f"the same relevance, {name_of(rule)}") for rule in rules)]


def name_of(rules: Rules) -> str:
    """How the rules are called in a report."""
    return composites.name_of(rules) if callable(rules) else "the rules given"


@states("outputs", "forward(x) = the outputs of the network that this one was made from",
        "An explanation of another function explains nothing.",
        "a kernel that was not transposed, channels in another order, padding on the other side, a bias or an "
        "activation that is missing, or images that were not prepared alike", 1e-4)
def outputs(case: NetworkCase) -> Observation:
    if case.expected is None:
        raise NotAsked("no outputs were given to compare with")
    return compare(case.expected, case.net.forward(case.x), "Expected are the outputs that were given.")


@states("images apart", images_apart.formula, images_apart.why, "a layer that still normalises over the batch")
def one_by_one(case: NetworkCase) -> Observation:
    if count_of(case.a) < 2:
        raise NotAsked("there is one image only")
    alone = np.concatenate([case.sharp.forward(each(lambda a: a[n:n + 1], case.a)) for n in range(count_of(case.a))])
    return compare(alone, case.y, "The images one by one, and as a batch.")


@states("ledger", "sum_k R_k = sum_j R_j + bias + stabiliser + lost, in every layer",
        "The accounts compute what rules withhold from their formulas alone; with it all numbers must add up.",
        "a layer that answers other numbers to a rule than to its account; the table shows which", 1e-8)
def ledger(case: NetworkCase, rules: Rules) -> Observation:
    book = keep_ledger(case.explained, case.a, case.targets, rules, quiet=True)
    if any(row.unexplained for row in book.rows):
        raise NotAsked("a rule of these has no account")
    row = max(book.rows, key=lambda row: abs(row.residual) / (row.moved or 1))
    return Observation(book.largest_residual, 0.0, row.residual, f"Layer {row.l} lost this on the way, of "
                       f"{book.total.relevance_out:.6g} that started.")


@states("integrated gradients", "sum_i R_i = y(x) - y(0)",
        "Completeness (Sundararajan et al. 2017): an integral of the derivative is the difference of the function. "
        "With finitely many steps it is so up to a few per cent.",
        "a gradient somewhere that is not the derivative of forward", 0.05)
def path_integral(case: NetworkCase) -> Observation:
    if any(part.dtype.kind != "f" for part in (case.a if isinstance(case.a, tuple) else (case.a,))):
        raise NotAsked("there is no path from 0 to whole numbers")
    if any(getattr(layer, "rule", None) is stop_at_step for layer in case.net.layers):
        raise NotAsked("it may jump where a comparison changes, and no derivative knows of a jump")
    net, begun = case.explained, time.perf_counter()
    G = flat(passes.gradient(net, case.a, case.targets)[0]) * 0
    steps = max(10, min(STEPS, int(SECONDS / (time.perf_counter() - begun))))
    for share in (np.arange(steps) + 0.5) / steps:
        G = G + flat(passes.gradient(net, each(partial(np.multiply, share), case.a), case.targets)[0])
    return case.missed(flat(case.a) * G / steps, f"with {steps} steps")


@states("DeepLIFT", "sum_i C_i = y(x) - y(0)",
        "Contributions sum to the difference of the outputs (Shrikumar et al. 2017).",
        "a layer whose multipliers do not", 1e-7)
def sums_to_difference(case: NetworkCase) -> Observation:
    return case.missed(case.contributions(case.explained), "by DeepLIFT")


@states("float32", "float32 = float64, up to rounding",
        "The network is used in float32. Where it differs much, differences of large numbers are taken somewhere.",
        "a large number that is subtracted again, or a sum of squares minus a squared sum", 1e-3)
def precision(case: NetworkCase) -> Observation:
    came = case.sharp.astype(np.float32).forward(in_type(case.a, np.float32))
    return compare(case.y, came, "Expected is float64, came is float32.")


@states("saved and loaded", "Network.load(path) = the network", "A file holds the arrays and settings of its layers.",
        "settings() leaves something out", 1e-6)
def saved(case: NetworkCase) -> Observation:
    try:
        again = reloaded(case.net)
    except ValueError as error:
        raise NotAsked(str(error)) from None
    return compare(case.net.forward(case.x), again.forward(case.x), "The network, and the one that was loaded.")


@states("device", "forward on arrays of a GPU = forward on NumPy's", same_on_device.why,
        "a function of numpy called by name", 1e-6)
def moved(case: NetworkCase, module: ModuleType) -> Observation:
    came = case.sharp.on(module).forward(each(module.asarray, case.a))
    return compare(case.y, to_numpy(came), "Expected is NumPy's answer.")


@states("the same outputs", "forward(x) = forward(x) of the equivalent network",
        "Only networks that compute the same can be asked for the same explanation.",
        "a rewriting that changes the function: a bias, a scale or a shortcut that was lost on the way", 1e-7)
def same_outputs(case: NetworkCase) -> Observation:
    return outputs_of_both(case)


def outputs_of_both(case: NetworkCase) -> Observation:
    return compare(case.y, case.other.forward(case.a), "Expected is the network, came is the equivalent one.")


def same_explanation(case: NetworkCase, explain: Callable[[Network], Inputs]) -> Observation:
    """What lies beside the input in both networks."""
    if not outputs_of_both(case).off <= same_outputs.limit:
        raise NotAsked("the two do not compute the same")
    one, other = (flat(explain(net)) for net in (case.explained, logits(case.other)))
    return compare(one, other, "Both compute the same. Expected is what the network gets, came what the equivalent one "
                   "gets.")


DEPENDS = "nothing need be wrong: it depends on how the function is written. Explain one way of writing, and say which"


@states("the same gradient", "dy/dx = dy/dx of the equivalent network",
        "A derivative belongs to the function, however it is computed.",
        "a gradient that is not the derivative of forward, or an x at which the function has a kink", 1e-6)
def same_gradient(case: NetworkCase) -> Observation:
    return same_explanation(case, lambda net: passes.gradient(net, case.a, case.targets)[0])


@states("the same contributions, DeepLIFT", "C(x) = C(x) of the equivalent network, against 0",
        "Implementation invariance (Sundararajan et al. 2017, section 2.2). DeepLIFT puts quotients in place of "
        "derivatives, and these need not obey the chain rule.", DEPENDS, 1e-3)
def same_contributions(case: NetworkCase) -> Observation:
    return same_explanation(case, case.contributions)


@states("the same relevance", "R(x) = R(x) of the equivalent network",
        "Implementation invariance (Sundararajan et al. 2017, section 2.2). A rule shares by what meets in one layer, "
        "and what does is up to the author of the network.", DEPENDS, 1e-3)
def same_relevance(case: NetworkCase, rules: Rules) -> Observation:
    return same_explanation(case, lambda net: passes.lrp(net, case.a, case.targets, rules)[0])
