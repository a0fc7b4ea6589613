"""A network is a list of layers that knows where each takes its input."""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from os import PathLike
from types import ModuleType
from typing import SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from minixnn import files
from minixnn.arrays import Array, Inputs, array_module, like, to_numpy
from minixnn.batching import map_batches
from minixnn.card import Card, extended, squash
from minixnn.layers import Prepare
from minixnn.layers.base import Layer, Rule, carry_back, pass_on
from minixnn.layers.blocks import Block, Graph
from minixnn.layers.joins import cut
from minixnn.layers.reduce import winner_takes_all
from minixnn.refusals import check_connections, check_input, check_layer, check_output, check_parts
from minixnn.rules.composites import Rules, name_of, rules_for


class Network:
    """A list of layers, and where each takes its input. `net.card` says what the network expects, where known.

    Activations are numbered: A[0] is x, the network's input, and A[l + 1] is what layer l makes. The network's output
    is the last layer's.

    Parameters
    ----------
    layers : the layers, in the order in which they run. They may be ways of writing several at once, such as `Residual`
        and `Attention`; these are written out here, so `net.layers` is longer than the list given. A layer that stands
        in several places is shared: one set of weights.
    inputs : for each layer the number of the activation that enters it, or the numbers of several; None for (l,), the
        output of the layer before.
    names : what each place is called, such as "stage2.block1.conv1".
    card : a Card; None for an empty one.

    Raises
    ------
    ValueError : no layers, what is no layer, a layer with too few or too many inputs, or one whose output nobody reads.

    Examples
    --------
    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> [a.tolist() for a in net.trace(x)]
    [[[1.0, 2.0]], [[3.0, 1.0]], [[3.0, 1.0]], [[7.0]]]
    """

    def __init__(self, layers: Iterable[Layer | Block], inputs: Sequence[Sequence[int] | int] | None = None, *,
                 names: Sequence[str] | None = None, card: Card | None = None) -> None:
        given, graph, numbers = list(layers), Graph(), [0]  # numbers[i]: where A[i] of the list as given lies now
        if not given:
            raise ValueError("got no layers, expected a list such as [Flatten(), Dense(W, b)]")
        for what, values in (("inputs", inputs), ("names", names)):
            if values is not None and len(values) != len(given):
                raise ValueError(f"got {len(values)} {what} for {len(given)} layers, expected one entry a layer")
        for l, layer in enumerate(given):
            entry: int | Sequence[int] = (l,) if inputs is None else inputs[l]
            sources = (entry,) if isinstance(entry, SupportsIndex) else tuple(entry)
            if not sources or any(not hasattr(i, "__index__") or not 0 <= i <= l for i in sources):
                raise ValueError(f"got {entry!r} as the inputs of layer {l}, {layer!r}, expected numbers from 0, the "
                                 f"network's input, to {l}, what the layer before it makes")
            name = names[l] if names else str(l) if isinstance(layer, Block) else ""
            numbers.append(graph.add(tuple(numbers[i] for i in sources), layer, name=name))
        for l, layer in enumerate(graph.layers):
            check_layer(layer, l)
        self.layers, self.inputs, self.names = graph.layers, graph.inputs, graph.names
        self.card = card or Card()
        check_connections(self)

    # Which activations enter a layer, and where what it returns on the way back belongs

    def entering(self, A: list, l: int) -> Inputs:
        """What enters layer l: A[l] in a chain; for a join, a tuple.

        Parameters
        ----------
        A : a list with an entry for each activation.
        l : the number of the layer.

        Returns
        -------
        An entry of A, or a tuple of several.
        """
        return A[self.inputs[l][0]] if len(self.inputs[l]) == 1 else tuple(A[i] for i in self.inputs[l])

    def add_to_inputs(self, R: list, l: int, R_x: Inputs) -> None:
        """Add what layer l returned on the way back to the entries of R beside its inputs: R[l] = R_x in a chain.

        Where several layers have read an activation their shares add up; for x + x both count. Nothing is added in
        place: a sum passes the same array to all its inputs.

        Parameters
        ----------
        R : the list of a pass, with an entry for each activation; 0 where nothing has arrived.
        l : the number of the layer.
        R_x : what it returned: an array, or a tuple for a join.
        """
        for i, part in zip(self.inputs[l], R_x if len(self.inputs[l]) > 1 else (R_x,)):
            R[i] = plus(R[i], part)

    def readers(self, i: int) -> list[int]:
        """The layers that read an activation.

        Parameters
        ----------
        i : the number of the activation.

        Returns
        -------
        The numbers of the layers.
        """
        return [l for l, sources in enumerate(self.inputs) if i in sources]

    # Forwards

    def forward(self, x: Array) -> Array:
        """The output of the last layer. Activations that no layer reads any more are let go.

        Parameters
        ----------
        x : inputs (N, ...), or a tuple of inputs.

        Returns
        -------
        The outputs, (N, outputs) or (N, ..., outputs).

        Raises
        ------
        ValueError : inputs that the network does not take, NaN or infinity among them; outputs that are not finite.
        TypeError : what is no array.
        """
        self.check(x)
        A, last = [x, *[None] * len(self.layers)], {i: l for l, sources in enumerate(self.inputs) for i in sources}
        for l, layer in enumerate(self.layers):
            A[l + 1] = layer.forward(self.entering(A, l))
            for i in self.inputs[l]:
                A[i] = A[i] if last[i] > l else None
        return self.card.check_outputs(check_output(A[-1]))

    def trace(self, x: Array) -> list[Array]:
        """All activations.

        Parameters
        ----------
        x : inputs (N, ...), or a tuple of inputs.

        Returns
        -------
        The list A: A[0] is x, A[l + 1] what layer l makes, and A[-1] the output.

        Raises
        ------
        ValueError : inputs that the network does not take, NaN or infinity among them; outputs that are not finite.
        TypeError : what is no array.
        """
        self.check(x)
        A = [x]
        for layer, sources in zip(self.layers, self.inputs):
            A.append(layer.forward(A[sources[0]] if len(sources) == 1 else tuple(A[i] for i in sources)))
        check_output(A[-1])
        return A

    def check(self, x: Inputs) -> None:
        """Refuse an input that would go wrong silently, or far from here.

        Parameters
        ----------
        x : inputs (N, ...), or a tuple of inputs.

        Raises
        ------
        ValueError : whole numbers where no tokens are taken, NaN or infinity, axes in another order than the card says.
        TypeError : what is no array.
        """
        if isinstance(x, tuple):
            check_parts(x, self)
            return
        check_input(x, self)
        if x.shape[1:] != self.card.input_shape:
            self.card.check(x)

    def predict(self, x: Array, batch_size: int | None = None, workers: int = 1) -> Array:
        """As `forward`, some images at a time, so that memory stays flat.

        Parameters
        ----------
        x : inputs (N, ...), or a tuple of inputs.
        batch_size : images at a time; None for what suits the machine.
        workers : batches at a time, each in a thread; -1 for one per core.

        Returns
        -------
        The outputs (N, ...).

        Raises
        ------
        ValueError : inputs that the network does not take; a wrong batch_size or workers.
        TypeError : what is no array.
        """
        return map_batches(self.forward, x, batch_size=batch_size, workers=workers)

    def probabilities(self, x: Array, batch_size: int | None = None, workers: int = 1) -> Array:
        """As `predict`, with the Softmax or Sigmoid behind the outputs that an importer left out: see `net.card`.

        Parameters
        ----------
        x, batch_size, workers : as for `predict`.

        Returns
        -------
        Probabilities, like the outputs.

        Raises
        ------
        ValueError : a card that names no head; and as for `predict`.
        """
        return squash(self.card.head, self.predict(x, batch_size, workers))

    # Other networks made of this one

    def like_this(self, layers: Sequence[Layer]) -> "Network":
        """The same connections, names and card with other layers in the same places.

        Parameters
        ----------
        layers : as many as there are.

        Returns
        -------
        The new Network.

        Raises
        ------
        ValueError : more layers, or fewer.
        """
        return Network(layers, self.inputs, names=self.names, card=self.card)

    def replaced(self, l: int, layer: Layer) -> "Network":
        """The network with another layer in place l. Activations keep their numbers.

        Parameters
        ----------
        l : the number of the layer.
        layer : the other layer.

        Returns
        -------
        The new Network.
        """
        layers = list(self.layers)
        layers[l] = layer
        return self.like_this(layers)

    def part(self, a: int, b: int) -> "Network":
        """The layers from a to b - 1 as a network of their own: its input is A[a], its output A[b].

        Its card says of inputs and of outputs what the network's does, where they are the network's.

        Parameters
        ----------
        a, b : numbers of activations; negative ones count from the end of the layers.

        Returns
        -------
        The new Network.

        Raises
        ------
        ValueError : another connection crosses one of the two cuts, since a part has one input and one output; or a and
            b are no such numbers.
        """
        count = len(self.layers)
        a, b = (n + count if n < 0 else n for n in (a, b))
        if not 0 <= a < b <= count:
            raise ValueError(f"got the part from layer {a} to layer {b}, expected 0 <= a < b <= {count}")
        for l, sources in enumerate(self.inputs):
            for i in sources:
                if i < a <= l or i < b <= l:
                    raise ValueError(f"layer {l}, {self.layers[l]!r}, takes A[{i}]: this connection crosses the cut at "
                                     f"A[{a if i < a <= l else b}]. Cut where all that goes on passes through one "
                                     "activation; net.describe() shows the connections")
        card = replace(self.card, input_shape=None, source=None, fit=None, pixels=None) if a else self.card
        card = replace(card, labels=(), head=None) if b < count else card
        return Network(self.layers[a:b], [tuple(i - a for i in sources) for sources in self.inputs[a:b]],
                       names=self.names[a:b], card=card)

    def then(self, other: "Network") -> "Network":
        """The network, and another one behind it.

        Parameters
        ----------
        other : a Network, whose input is this one's output.

        Returns
        -------
        The new Network.
        """
        count = len(self.layers)
        shifted = [tuple(i + count for i in sources) for sources in other.inputs]
        return Network([*self.layers, *other.layers], [*self.inputs, *shifted], names=[*self.names, *other.names],
                       card=replace(other.card, input_shape=self.card.input_shape, layout=self.card.layout,
                                    source=self.card.source))

    def with_card(self, mean: float | Sequence[float] | Array | None = None,
                  std: float | Sequence[float] | Array | None = None, **known: object) -> "Network":
        """The same layers with more on the card.

        Parameters
        ----------
        mean, std : how a pixel in [0, 1] becomes what the first weights were trained on, (pixel - mean) / std; numbers,
            or one per channel. They become the first layer, `Prepare`. If they are those of pixels up to 255, a warning
            says so.
        known : input_shape, labels, head, layout, source, fit, pixels, as in `minixnn.card.Card`.

        Returns
        -------
        The new Network.

        Raises
        ------
        ValueError : a network that prepares its images already, or entries that contradict the layers.
        TypeError : an entry that cards do not have.
        """
        net = self
        if mean is not None or std is not None:
            if any(isinstance(self.layers[l], Prepare) for l in self.readers(0)):
                raise ValueError("got mean and std for a network that prepares its images already, by "
                                 f"{self.layers[0]!r}; give pixels in [0, 1] as they are")
            a = next((a for layer in self.layers for a in layer.arrays().values() if a is not None),
                     np.zeros(1, np.float32))
            given = (0 if mean is None else mean, 1 if std is None else std)
            first = Prepare(*(like(a, np.asarray(to_numpy(value), a.dtype)) for value in given))
            net = Network([first], card=self.card).then(self)
        return Network(net.layers, net.inputs, names=net.names, card=extended(self.card, net.layers, **known))

    def on(self, xp: ModuleType) -> "Network":
        """A copy of the network whose parameters live where an array module keeps them.

        Parameters
        ----------
        xp : numpy or cupy.

        Returns
        -------
        The new Network.
        """
        return self.map_arrays(lambda array: xp.array(to_numpy(array)))

    def astype(self, dtype: DTypeLike) -> "Network":
        """A copy of the network that computes in another dtype.

        Parameters
        ----------
        dtype : such as numpy.float64.

        Returns
        -------
        The new Network.
        """
        return self.map_arrays(lambda array: array.astype(dtype))

    def map_arrays(self, f: Callable[[Array], Array]) -> "Network":
        """A copy of the network with other arrays. A layer that is shared stays so.

        Parameters
        ----------
        f : a function of an array.

        Returns
        -------
        The new Network.
        """
        distinct = {id(layer): layer for layer in self.layers}
        copies = {key: layer.map_arrays(f) if hasattr(layer, "map_arrays") else layer
                  for key, layer in distinct.items()}
        return self.like_this([copies[id(layer)] for layer in self.layers])

    # What it looks like

    def describe(self, rules: Rules | None = None, x: Array | None = None, depth: int | None = None) -> str:
        """A table, as text: layer, inputs, output shape, parameters, rule; then the card.

        The inputs are written only where they are not the layer before.

        Parameters
        ----------
        rules : rules, whose names are shown; None for none.
        x : an example (N, ...), whose output shapes are shown; None for none.
        depth : how many parts of the places' names to show, such as 1 for "stage2" and 2 for "stage2.block1"; the
            layers below share a line. None for a line per layer.

        Returns
        -------
        The text.

        Raises
        ------
        ValueError : rules that do not fit the layers, or an example that the network does not take.
        """
        shapes = [""] * len(self.layers) if x is None else [str(a.shape[1:]) for a in self.trace(first_image(x))[1:]]
        rules = [None] * len(self.layers) if rules is None else rules_for(self, rules)
        rows, seen = [], set()
        for l, layer in enumerate(self.layers):
            arrays = layer.arrays() if hasattr(layer, "arrays") else {}
            count = 0 if id(layer) in seen else sum(a.size for a in arrays.values() if a is not None)
            rows.append((f"{l:2d}", self.names[l], repr(layer) + (" (shared)" if arrays and id(layer) in seen else ""),
                         self.sources(l), shapes[l], count, shown_rule(layer, rules[l])))
            seen.add(id(layer))
        rows = rows if depth is None else folded(rows, depth)
        table = [(" l", "place", "layer", "inputs", "output shape", "parameters", "rule"),
                 *((*row[:5], f"{row[5]:,}" if row[5] else "", row[6]) for row in rows)]
        kept = [i for i in range(7) if i in (0, 2, 4, 5, 6) or any(row[i] for row in table[1:])]
        widths = [max(len(row[i]) for row in table) for i in range(7)]
        lines = ["  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in table]
        return "\n".join([*lines, *([""] if self.card.text() else []), *self.card.text()])

    def sources(self, l: int) -> str:
        """Where layer l takes its input, in words.

        Parameters
        ----------
        l : the number of the layer.

        Returns
        -------
        "x", or "A[i]"; several with commas between them; "" where that is the layer before.
        """
        if self.inputs[l] == (l,):
            return ""
        return ", ".join("x" if i == 0 else f"A[{i}]" for i in self.inputs[l])

    def __repr__(self):
        return "Network([" + ", ".join(map(repr, self.layers)) + "])"

    # Files

    def save(self, path: str | PathLike, dtype: DTypeLike | None = None) -> None:
        """Write architecture and weights to one .npz file, all of it or nothing.

        The file is written beside `path` and then put in its place, so a failed save leaves an old file whole.

        Parameters
        ----------
        path : the file.
        dtype : of the arrays in the file, such as numpy.float16, which halves the size; loading gives float32 again.
            None keeps theirs.

        Raises
        ------
        ValueError : layers that are not of `minixnn.layers`, or numbers that are NaN, infinite or too large for dtype.
        OSError : the file cannot be written.
        """
        files.save(path, self.layers, self.inputs, self.names, self.card, dtype)

    @classmethod
    def load(cls, path: str | PathLike) -> "Network":
        """The network that `save` wrote.

        Parameters
        ----------
        path : the file.

        Returns
        -------
        The Network.

        Raises
        ------
        ValueError : a file that is damaged, foreign, or of a newer version.
        OSError : no file, or one that cannot be read.
        """
        layers, inputs, names, card = files.load(path)
        try:
            return cls(layers, inputs, names=names, card=card)
        except (TypeError, ValueError) as error:
            raise files.damaged(path, error) from error


def plus(r: Array, more: Array) -> Array:
    """r + more; of tuples, such as the parts of an input or the pairs of RevealCancel, entry by entry."""
    if isinstance(r, int):
        return more                             # nothing has arrived there yet
    return tuple(map(plus, r, more)) if isinstance(r, tuple) else r + more


def first_image(x: Inputs) -> Inputs:
    """The first image of a batch, as a batch of one."""
    if isinstance(x, tuple):
        return tuple(map(first_image, x))
    array_module(x)                             # refuses what is not an array
    return x[:1]


def place_of(name: str, depth: int) -> str:
    """The first `depth` parts of a place's name: "stage2.block1" of "stage2.block1.conv1"."""
    return ".".join(name.split(".")[:depth])


def neighbours(names: Sequence[str], depth: int) -> list[list[int]]:
    """The numbers of the layers, those together that stand side by side in one place; what has no name stands alone."""
    return [list(group) for _, group in groupby(range(len(names)), lambda l: place_of(names[l], depth) or l)]


def folded(rows: list[tuple], depth: int) -> list[tuple]:
    """Rows of a description with those that share the first `depth` parts of their names put together."""
    rows = [(row[0], place_of(row[1], depth), *row[2:]) for row in rows]
    groups = [[rows[l] for l in some] for some in neighbours([row[1] for row in rows], depth)]
    return [group[0] if len(group) == 1 else
            (group[0][0], group[0][1], f"{len(group)} layers", group[0][3], group[-1][4], sum(row[5] for row in group),
             ", ".join(dict.fromkeys(row[6] for row in group if row[6]))) for group in groups]


def shown_rule(layer: Layer, rule: Rule | None) -> str:
    """The rule's name; nothing where the layer's own rule only passes relevance on."""
    return "" if rule is None or rule in (pass_on, carry_back, cut, winner_takes_all) else name_of(rule)


def expect_network(net: object) -> None:
    """Refuse what is no network, such as the path of one, in a sentence that says how to get it.

    Parameters
    ----------
    net : anything.

    Raises
    ------
    TypeError : no Network.
    """
    if not hasattr(net, "layers") or not hasattr(net, "trace"):
        raise TypeError(f"got {type(net).__name__} as the network, expected a minixnn.Network: Network.load(path) "
                        "reads one, minixnn.interop makes one of a torch module or an ONNX file")
