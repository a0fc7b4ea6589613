"""Ways of writing several layers at once. A network expands them; afterwards there are plain layers and joins.

    Residual(body, shortcut)    y = body(x) + shortcut(x); an empty shortcut is the identity. He et al. 2016
    Branches(chains, join)      y = join(chain(x), chain(x), ...), by default side by side
    Attention(...)              see `attention.py`

A chain is a list of layers through which x goes in order; an empty one is the identity. `write(graph, x)` puts the
layers down in the order in which they run and returns the number of the output. `net.describe()` shows what became of
them. What is no chain of these is written with a `Graph` of one's own.
"""
from collections.abc import Sequence
from typing import NoReturn

from minixnn.layers.base import Join, Layer
from minixnn.layers.joins import Add, Concat


class Graph:
    """Layers, and where each takes its input, while a network is written down.

        graph = Graph()                                                     # 0 is the network's input
        fine = graph.add(0, Conv2d(W1), ReLU())                             # a number: what the last of them makes
        coarse = graph.add(fine, MaxPool2d(2), Conv2d(W2), ReLU(), Upsample(2))
        graph.add((fine, coarse), Concat(), Conv2d(W3), GlobalAvgPool())    # the output is the last layer's
        net = Network(graph.layers, graph.inputs)
    """

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.inputs: list[tuple[int, ...]] = []             # inputs[l]: the numbers of what enters layers[l]
        self.names: list[str] = []                          # what each place is called, such as "3.body.0"
        self.place = ""                                     # where a way of writing stands that is being written out

    def add(self, sources: int | tuple[int, ...], *layers: "Layer | Block", name: str = "") -> int:
        """Put down layers, one behind the other; the number of the last one's output, of `sources` if there are none.

        sources: the number of what enters the first, or several if that is a join. name: what the place is called;
        of several layers each has its number behind it.
        """
        sources = sources if isinstance(sources, tuple) else (sources,)
        for n, layer in enumerate(layers):
            place = self.place + name + (f".{n}" if name and len(layers) > 1 else "")
            if isinstance(layer, Block):
                outer, self.place = self.place, f"{place or len(self.layers)}."
                sources = (layer.write(self, *sources),)
                self.place = outer
            else:
                self.layers.append(layer)
                self.inputs.append(sources)
                self.names.append(place)
                sources = (len(self.layers),)
        if len(sources) != 1:
            raise ValueError(f"got no layer for the inputs {sources}, expected a join such as Add() or Concat()")
        return sources[0]


class Block:
    """What ways of writing share: they are no layers, and say so where one is asked for."""

    def write(self, graph: Graph, *x: int) -> int:
        """Put the layers into `graph`, with the activations numbered x as inputs; the number of the output."""
        raise NotImplementedError(f"{type(self).__name__} has no write; write write(self, graph, x) -> graph.add(...)")

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("forward", "gradient", "deeplift", "arrays"):
            raise AttributeError(f"{type(self).__name__} is a way of writing several layers, and has no {name}; "
                                 f"Network([{type(self).__name__}(...)]) writes them out and has forward and trace")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Branches(Block):
    """y = join(chain(x) for each chain). chains: lists of layers; join: a layer of several inputs, such as Add()."""

    def __init__(self, chains: Sequence[Sequence[Layer | Block]], join: Join | None = None) -> None:
        self.chains, self.join = [list(chain) for chain in chains], Concat() if join is None else join
        if len(self.chains) < 2:
            raise ValueError(f"{type(self).__name__} got {len(self.chains)} chains, expected two or more lists of "
                             "layers; an empty list is the identity")

    def write(self, graph: Graph, *x: int) -> int:
        ends = tuple(graph.add(x, *chain, name=str(n)) for n, chain in enumerate(self.chains))
        return graph.add(ends, self.join, name=type(self.join).__name__.lower())

    def __repr__(self):
        return f"{type(self).__name__}({self.chains!r}, {self.join!r})"


class Residual(Block):
    """y = body(x) + shortcut(x), two lists of layers; an empty shortcut is the identity. He et al. 2016.

    epsilon: the sum's own stabiliser, see `Add`.
    """

    def __init__(self, body: Sequence[Layer | Block], shortcut: Sequence[Layer | Block] = (),
                 epsilon: float | None = None) -> None:
        self.body, self.shortcut, self.epsilon = list(body), list(shortcut), epsilon
        if not self.body:
            raise ValueError("Residual got an empty body, expected a list such as [Conv2d(W, b), ReLU()]")

    def write(self, graph: Graph, *x: int) -> int:
        body = graph.add(x, *self.body, name="body")
        shortcut = graph.add(x, *self.shortcut, name="shortcut")
        return graph.add((body, shortcut), Add(self.epsilon), name="add")

    def __repr__(self):
        return f"Residual({self.body!r}, {self.shortcut!r})" if self.shortcut else f"Residual({self.body!r})"
