"""check_network: every layer of a network at the activations that images make, and what the whole must add up to."""
from types import ModuleType
from typing import Any

import numpy as np

from minixnn.arrays import Array, Inputs, to_numpy
from minixnn.batching import rows as count_of
from minixnn.checks import network_tests as of
from minixnn.checks.as_layer import SideBySide, Written
from minixnn.checks.layer_cases import prepare
from minixnn.checks.layer_properties import properties_of_layer
from minixnn.checks.network_properties import properties_of_network, properties_of_pair
from minixnn.checks.properties import CheckFailed, Row, ask, short, table
from minixnn.checks.worked import paragraph, two
from minixnn.layers import Reshape
from minixnn.network import Network
from minixnn.progress import progress
from minixnn.rules import composites, lrp

IMAGES = 4                      # so many are looked at; more take longer and find little
SHOWN = ("derivative", "adjoint", "parameter gradients", "DeepLIFT", "images apart")        # columns of the table
RULES = (lrp.epsilon, composites.epsilon_plus)


class NetworkReport:
    """`layers`: [(place, layer, rows), ...]; `whole`: rows of the whole network."""

    def __init__(self, layers: Any, whole: Any, images: Any) -> None:
        self.layers, self.whole, self.images = layers, whole, images

    @property
    def broken(self) -> Any:
        """What does not hold: (place, property), the layers first; the place of the whole network is ""."""
        rows = [(place, row) for place, _, rows in self.layers for row in rows] + [("", row) for row in self.whole]
        return [(place, row.property.name) for place, row in rows if row.broken]

    def __str__(self):
        lines = [(" l  layer", *SHOWN, "other properties")]
        for place, layer, rows in self.layers:
            named = {row.property.name: row for row in rows}
            others = [row for row in rows if row.property.name not in SHOWN and row.cases]
            bad = [row.property.name for row in others if row.broken]
            lines.append((f"{place:>2}  {layer!r}", *(cell(named.get(name)) for name in SHOWN),
                          f"NO: {', '.join(bad)}" if bad else f"{len(others)} hold"))
        whole = [("the whole network", "holds", "distance", "must be below")]
        for row in self.whole:
            numbers = (short(row.largest), short(row.property.limit)) if row.cases else ("", row.note)
            whole.append((row.property.name, "NO" if row.broken else "yes" if row.cases else "-", *numbers))
        return "\n".join([f"{len(self.layers)} layers at the activations of {self.images} images: the largest distance "
                          "between both sides of each formula", *table(lines), "", *table(whole)])


def cell(row: Any) -> Any:
    """The largest distance of a property in one layer, marked where it is too large."""
    return "" if row is None or not row.cases else f"{short(row.largest)}{' NO' if row.broken else ''}"


def check_network(net: Network, x: Array, target: Any = None, rules: Any = None, expected: Array | None = None,
                  device: ModuleType | None = None, quiet: bool = True,
                  equivalent: Network | None = None) -> NetworkReport:
    """Ask the properties of every layer where images x lead, and of the network; return a report or raise CheckFailed.

    x: a batch of images, or a tuple of inputs. rules: what the ledger is kept for, as for `passes.lrp`; None for
    lrp.epsilon and then composites.epsilon_plus. expected: the outputs for x of whatever the network was made from,
    to be compared. device: an array module such as cupy, on whose arrays it must run, too. The first four images are
    used. quiet=False shows how far it has come.

    equivalent: another network that computes the same, such as this one with its batch normalisation folded. Both must
    have the same outputs, the same gradient, the same contributions by DeepLIFT against 0, and by `rules` the same
    relevance: "implementation invariance" (Sundararajan et al. 2017, section 2.2). Most rules depend on how a function
    is written, and then the failure says by how much the two explanations differ.
    """
    if equivalent is not None and isinstance(rules, (list, tuple)):
        raise ValueError("got a list of rules for two networks, whose layers need not be the same; give one rule such "
                         "as lrp.epsilon, or a composite such as composites.epsilon_plus, which chooses for each")
    x = of.each(lambda part: to_numpy(part)[:IMAGES], x)
    expected = None if expected is None else to_numpy(expected)[:IMAGES]
    sharp = net.astype(np.float64)
    a = of.each(lambda part: part.astype(np.float64) if part.dtype.kind == "f" else part, x)
    A, A_ref = sharp.trace(a), sharp.trace(of.nothing(a))
    layers = [entry_of(sharp.layers[l], sharp.entering(A, l), sharp.entering(A_ref, l), str(l), device)
              for l in progress(range(len(sharp.layers)), "layers checked", quiet)]
    other = None if equivalent is None else equivalent.astype(np.float64)
    case = of.NetworkCase(net, sharp, x, a, target, expected, other)
    asked = RULES if rules is None else (rules,)
    properties = properties_of_network(asked, device) + ([] if other is None else properties_of_pair(asked))
    whole = [row_of(p, case) for p in properties]
    report = NetworkReport([entry[:3] for entry in layers], [row for row, _ in whole], count_of(x))
    if report.broken:
        found = [(f"layer {place}, {layer!r},", row, note) for place, layer, rows, notes in layers
                 for row, note in zip(rows, notes)] + [("the network", *pair) for pair in whole]
        raise CheckFailed(explain(report, [each for each in found if each[1].broken]), first_name(report), report)
    return report


def first_name(report: Any) -> Any:
    return report.broken[0][1]


def entry_of(layer: Any, x: Inputs, x_ref: Inputs, place: Any, device: ModuleType | None) -> Any:
    """(place, layer, rows, observations) of a layer."""
    name = layer
    if isinstance(x, tuple):
        layer = SideBySide(layer, tuple(part.shape[1:] for part in x))
        x, x_ref = layer.whole(x), layer.whole(x_ref)
    y, (before, after) = layer.forward(x), getattr(layer, "rows", (1, 1))
    if before != 1 or after != 1:               # several rows of x or y belong to one image: they are asked for in one
        layer = Written(Network([Reshape(x.shape[1:], (1, before)), layer, Reshape((after, *y.shape[1:]), (after, 1))]))
        x, x_ref = (a.reshape(-1, before, *a.shape[1:]) for a in (x, x_ref))
        y = layer.forward(x)
    dy = np.random.default_rng(0).normal(size=(1, *y.shape[1:])).astype(y.dtype)
    apart = off_the_kinks(x[:1]) if x.dtype.kind == "f" else x[:1]
    case = prepare((layer, apart, x_ref[:1], dy))
    found, notes = zip(*[row_of(p, case) for p in properties_of_layer(device=device)])
    return place, name, found, notes


def off_the_kinks(x: Inputs) -> Any:
    """x with a little added to every entry, another each.

    Behind a ReLU many are 0 and equal, where nothing has a derivative. What is added is positive, for layers that take
    no other numbers. Scores of tokens that are hidden, far below all others, stay so.
    """
    visible = abs(x) < 1e100
    size = float(abs(x[visible]).mean() if visible.any() else 0) or 1.0
    return x + visible * 0.1 * size * np.random.default_rng(1).random(x.shape)


def row_of(property: Any, case: Any) -> Any:
    """(row, observation): one property asked once."""
    row, observation = Row(property), ask(property, case)
    if isinstance(observation, str):
        row.note, observation = observation, None           # why it could not be asked
    if observation is not None:
        row.add(observation)
    return row, observation


def explain(report: Any, found: Any) -> Any:
    """The message: the first property that fails, both sides of its formula, and the table of everything."""
    subject, row, observation = found[0]
    parts = [f'{subject} fails "{row.property.name}".', f"    {row.property.formula}", paragraph(row.property.why)]
    parts += [paragraph(observation.note)] if observation.note else []
    sides = [observation.expected, observation.came]
    if all(np.ndim(side) == 0 and not isinstance(side, (str, type(None))) for side in sides):
        parts.append("\n".join(f"    {name:8}  {value}" for name, value in zip(("expected", "came"), two(*sides))))
    elif all(isinstance(side, np.ndarray) and side.shape == sides[0].shape for side in sides):
        worst = np.unravel_index(np.nan_to_num(abs(sides[0] - sides[1]), nan=np.inf).argmax(), sides[0].shape)
        shown = two(float(sides[0][worst]), float(sides[1][worst]))
        parts.append(f"Furthest apart, at {list(map(int, worst))}:\n\n"
                     f"    expected  {shown[0]}\n    came      {shown[1]}")
    parts.append(paragraph(f"Look for this: {row.property.cause}."))
    return "\n\n".join([*parts, str(report)])
