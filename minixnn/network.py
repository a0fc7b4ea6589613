"""A network is a list of layers."""
import functools
import inspect
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minixnn import layers as kinds
from minixnn.arrays import Array, array_module, expect_modest, like, require, to_numpy
from minixnn.batching import map_batches
from minixnn.card import Card, extended, squash
from minixnn.layers.base import Layer, carry_back, pass_on
from minixnn.layers.chains import every_layer
from minixnn.layers.pool import winner_takes_all
from minixnn.rules.arguments import Rules
from minixnn.rules.composites import name_of, rules_for

VERSION = 2             # of the file format; raised when an older reader could misunderstand a newer file


class Network:
    """Layers applied one after the other. `net.layers` is the list; `net.card` says what it expects, where known.

    >>> import numpy as np
    >>> from minixnn import Dense, Network, ReLU
    >>> net = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
    >>> x = np.array([[1.0, 2.0]])                             # hidden: 3 and 1; output: 7
    >>> [a.tolist() for a in net.trace(x)]
    [[[1.0, 2.0]], [[3.0, 1.0]], [[3.0, 1.0]], [[7.0]]]
    """

    def __init__(self, layers: Iterable[Layer], card: Card | None = None) -> None:
        self.layers, self.card = list(layers), card or Card()
        if not self.layers:
            raise ValueError("got no layers, expected a list such as [Flatten(), Dense(W, b)]")
        for l, layer in enumerate(self.layers):
            if isinstance(layer, type) or not hasattr(layer, "forward"):
                raise ValueError(f"got {layer!r} as layer {l}, expected a layer, such as ReLU() with its brackets")
            check_methods(type(layer))           # type: ignore[arg-type]

    def forward(self, x: Array) -> Array:
        """The output of the last layer. x (N, ...), output (N, outputs)"""
        self.check(x)
        for layer in self.layers:
            x = layer.forward(x)
        return self.card.check_outputs(check_output(x))

    def trace(self, x: Array) -> list[Array]:
        """All activations, as a list: A[l] enters layer l, and A[-1] is the output."""
        self.check(x)
        A = [x]
        for layer in self.layers:
            A.append(layer.forward(A[-1]))
        check_output(A[-1])
        return A

    def check(self, x: Array) -> None:
        """Refuse an input that would go wrong silently, or far from here."""
        check_input(x, self.layers[0])
        self.card.check(x)

    def predict(self, x: Array, batch_size: int | None = None, workers: int = 1) -> Array:
        """As `forward`, `batch_size` images at a time (None: what suits the machine), so that memory stays flat.

        workers: batches computed at a time, each by a thread of its own; -1 for as many as there are cores.
        """
        return map_batches(self.forward, x, batch_size=batch_size, workers=workers)

    def probabilities(self, x: Array, batch_size: int | None = None, workers: int = 1) -> Array:
        """As `predict`, with the Softmax or Sigmoid behind the outputs that an importer left out: see `net.card`."""
        return squash(self.card.head, self.predict(x, batch_size, workers))

    def with_card(self, mean: float | Sequence[float] | Array | None = None,
                  std: float | Sequence[float] | Array | None = None, **known: Any) -> "Network":
        """The same layers with more on the card: input_shape, labels, head, layout, as in `minixnn.card.Card`.

        mean, std: how a pixel in [0, 1] becomes what the first weights were trained on, (pixel - mean) / std; numbers,
        or one per channel. They become the first layer, `Prepare`. Such as are of pixels up to 255 are told.
        """
        layers = self.layers
        if mean is not None or std is not None:
            if isinstance(layers[0], kinds.Prepare):
                raise ValueError(f"got mean and std for a network that prepares its images already, by {layers[0]!r}; "
                                 "give pixels in [0, 1] as they are")
            a = next((a for layer in layers for a in layer.arrays().values() if a is not None), np.zeros(1, np.float32))
            given = (0 if mean is None else mean, 1 if std is None else std)
            layers = [kinds.Prepare(*(like(a, np.asarray(to_numpy(value), a.dtype)) for value in given)), *layers]
        return Network(layers, extended(self.card, layers, **known))

    def on(self, xp: ModuleType) -> "Network":
        """A copy of the network whose parameters live where the array module `xp` (numpy, cupy) keeps them."""
        return self.map_arrays(lambda array: xp.array(to_numpy(array)))

    def astype(self, dtype: DTypeLike) -> "Network":
        """A copy of the network that computes in `dtype`, for instance numpy.float64."""
        return self.map_arrays(lambda array: array.astype(dtype))

    def map_arrays(self, f: Callable[[Array], Array]) -> "Network":
        return Network([layer.map_arrays(f) if hasattr(layer, "map_arrays") else layer for layer in self.layers],
                       self.card)

    def describe(self, rules: Rules | None = None, x: Array | None = None) -> str:
        """A table, as text: layer, output shape (if an example input `x` is given), parameters, rule; then the card."""
        if x is not None:
            array_module(x)                     # refuses what is not an array
        rules = [None] * len(self.layers) if rules is None else rules_for(self, rules)
        rows = [(" l", "layer", "output shape", "parameters", "rule"), *_rows(self.layers, rules, x, "")]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *([""] if self.card.text() else []), *self.card.text()])

    def save(self, path: str | os.PathLike, dtype: DTypeLike | None = None) -> None:
        """Write architecture and weights to one .npz file, all of it or nothing.

        The file is written beside `path` and then put in its place, so a failed save leaves an old file whole.
        `dtype=numpy.float16` halves the size; loading gives float32 again.
        """
        arrays, plan = {}, []
        for l, layer in enumerate(self.layers):
            for each in every_layer([layer]):
                if getattr(kinds, type(each).__name__, None) is not type(each):
                    raise ValueError(f"layer {l} is {each!r}, not one of minixnn.layers; only those can be saved")
            own = {name: to_numpy(a) for name, a in layer.arrays().items() if a is not None}
            plan.append({"kind": type(layer).__name__, "settings": layer.settings(), "arrays": sorted(own)})
            kept = None if isinstance(layer, kinds.Prepare) else dtype            # few numbers, known to many digits
            arrays.update({f"{l}.{name}": _stored(a, kept, f"{name} of layer {l}") for name, a in own.items()})
        header = json.dumps({"format": "minixnn", "version": VERSION, "layers": plan, "card": self.card.entries()})
        draft = pathlib.Path(f"{os.fspath(path)}.{os.getpid()}.draft")
        try:
            with open(draft, "wb") as file:
                np.savez_compressed(file, architecture=np.array(header), **arrays)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Network":
        """The network that `save` wrote. ValueError if the file is damaged, foreign, or from a newer version."""
        try:
            with np.load(path, allow_pickle=False) as file:
                expect_modest(sum(entry.file_size for entry in file.zip.infolist()), os.path.getsize(path))
                require("architecture" in file, "it has no entry 'architecture'")
                header, arrays = json.loads(str(file["architecture"])), {k: file[k] for k in file.files}
            if header["format"] != "minixnn":
                raise ValueError("its architecture is not in minixnn's format")
            if header["version"] <= VERSION:
                layers = [_rebuild(l, entry, arrays) for l, entry in enumerate(header["layers"])]
                return cls(layers, Card(**header.get("card", {})))          # version 1 has none
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            raise
        except Exception as error:              # a damaged file can make the readers of it raise anything at all
            raise ValueError(f"{path} is not a network saved by minixnn, or is damaged: {error!r}. "
                             "Write it again with net.save(path)") from error
        raise ValueError(f"{path} has format version {header['version']}, this minixnn reads up to {VERSION}; "
                         "install a newer minixnn")

    def __repr__(self):
        return "Network([" + ", ".join(map(repr, self.layers)) + "])"


def _rows(layers, rules, x, place):
    """Lines of a description, a block followed by those of the layers inside, 4.body.0 and so on."""
    x = None if x is None else x[:1]
    for l, (layer, rule) in enumerate(zip(layers, rules)):
        y = None if x is None else layer.forward(x)
        arrays = layer.arrays() if hasattr(layer, "arrays") else {}
        count = sum(a.size for a in arrays.values() if a is not None)
        yield (f"{place}{l}" if place else f"{l:2d}", repr(layer),
               "" if y is None else str(y.shape[1:]), f"{count:,}" if count else "", _shown(layer, rule))
        within = getattr(rule, "keywords", {}).get("rules")
        for n, (name, inside) in enumerate(getattr(layer, "branches", {}).items()):
            yield from _rows(inside, within[n] if within else [None] * len(inside), x, f"{place or '  '}{l}.{name}.")
        x = y


def _shown(layer, rule):
    """The rule's name; nothing where the layer's own rule only passes relevance on."""
    return "" if rule is None or rule in (pass_on, carry_back, winner_takes_all) else name_of(rule)


def _stored(array, dtype, what):
    """`array` in the `dtype` of the file, if its numbers fit into that. NaN and infinity are kept out of files."""
    require(np.isfinite(array).all(), f"{what} has NaN or infinite numbers: the training that made it went astray, "
            "perhaps by too large a learning rate")
    if dtype is None:
        return array
    limit = np.finfo(dtype).max
    if abs(array).max(initial=0) > limit:
        raise ValueError(f"{what} has numbers beyond {limit}, the largest that {np.dtype(dtype)} can hold; "
                         "save without dtype=")
    return array.astype(dtype)


def _rebuild(l, entry, arrays):
    """Layer l of a saved network."""
    if entry["kind"] not in kinds.__all__:
        raise ValueError(f"layer {l} is a {entry['kind']!r}, which this minixnn does not know")
    own = {}
    for name in entry["arrays"]:
        if f"{l}.{name}" not in arrays:
            raise ValueError(f"the array {name} of layer {l} is missing")
        a = arrays[f"{l}.{name}"]
        require(a.dtype.kind in "fiu" and np.isfinite(a).all(), f"the array {name} of layer {l} has NaN, infinite or "
                "complex numbers")
        own[name] = a.astype(np.float32) if a.dtype == np.float16 else a
    return getattr(kinds, entry["kind"])(**own, **entry["settings"])


@functools.cache
def check_methods(kind: type) -> None:
    """Refuse a class whose gradient still has the former arguments (x, dy)."""
    gradient = getattr(kind, "gradient", None)
    if gradient is None:
        raise ValueError(f"{kind.__name__} has no gradient; write gradient(self, x, y, dy) -> dx, or derive it from "
                         "minixnn.layers.Layer")
    names = list(inspect.signature(gradient).parameters.values())
    if len(names) < 4 and not any(p.kind is p.VAR_POSITIONAL for p in names):
        raise ValueError(f"{kind.__name__}.gradient takes ({', '.join(p.name for p in names[1:])}), expected (x, y, "
                         "dy): a layer is handed both its sides, the input x and the output y = forward(x)")


def expect_network(net: object) -> None:
    """Refuse what is no network, such as the path of one, in a sentence that says how to get it."""
    if not hasattr(net, "layers") or not hasattr(net, "trace"):
        raise TypeError(f"got {type(net).__name__} as the network, expected a minixnn.Network: Network.load(path) "
                        "reads one, minixnn.interop makes one of a torch module or an ONNX file")


def check_input(x: Array, first: Layer | None = None) -> None:
    """Refuse what would go wrong silently, or far from here: no images, whole numbers, NaN and infinity.

    first: the layer that x enters. An Embedding takes whole numbers, and looks at them itself.
    """
    xp = array_module(x)
    if x.ndim < 2:
        raise ValueError(f"got an array of shape {x.shape}, expected a batch with the images along the first "
                         "axis; write x[None] for a single image")
    if len(x) == 0:
        raise ValueError(f"got an empty batch of shape {x.shape}, expected at least one image")
    if getattr(first, "takes_integers", False) and x.dtype.kind in "iu":
        return
    if x.dtype.kind != "f":
        raise ValueError(f"got numbers of type {x.dtype}, expected floating point; convert the images as the network "
                         "was trained on them: x.astype('float32') / 255, undivided where card.pixels is 255")
    require(xp.isfinite(x).all(), "got NaN or infinite numbers in the input, expected finite ones; look for a division "
            "by zero where the images are prepared")


def check_output(y: Array) -> Array:
    """`y` itself, if its numbers are finite, as those of the input and of the weights are."""
    require(array_module(y).isfinite(y).all(), "the network's output has NaN or infinite numbers: they grew beyond "
            f"what {y.dtype} holds; compute in double precision, net.astype('float64'), or look for inputs that were "
            "not prepared as in training")
    return y
