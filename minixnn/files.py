"""Networks as files: one .npz with the architecture, as text, and the arrays.

Format 3 (2026) holds each layer once, and the places where it stands with the numbers of the activations that enter it:

    {"format": "minixnn", "version": 3, "card": {...},
     "layers": [{"kind": "Dense", "settings": {}, "arrays": ["W", "b"]}, ...],          arrays "0.W", "0.b", ...
     "places": [{"layer": 0, "inputs": [0], "name": "stem"}, ...]}

Formats 1 and 2 held lists of layers, some made of lists themselves; `from_nested` reads those.
"""
import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike

import numpy as np
from numpy.typing import DTypeLike

from minixnn import layers as kinds
from minixnn.arrays import Array, require, to_numpy
from minixnn.card import Card
from minixnn.layers import Add, Branches, Concat, Multiply, Prepare, Residual
from minixnn.layers.base import Layer, Settings
from minixnn.layers.blocks import Block, Graph

VERSION = 3             # of the file format; raised when an older reader could misunderstand a newer file


def save(path: str | PathLike, layers: Sequence[Layer], inputs: Sequence[tuple], names: Sequence[str], card: Card,
         dtype: DTypeLike | None = None) -> None:
    """Write a network to a file, all of it or nothing.

    Parameters
    ----------
    path : the file.
    layers, inputs, names, card : those of the Network.
    dtype : of the arrays in the file; None to keep theirs.

    Raises
    ------
    ValueError : a layer that is not one of `minixnn.layers`; numbers that are NaN, infinite or too large for `dtype`.
    OSError : the file cannot be written.
    """
    numbers: dict[int, int] = {}                # of each layer object, which may stand twice
    plan: list[dict] = []
    arrays, places = {}, []
    for l, layer in enumerate(layers):
        if id(layer) not in numbers:
            if getattr(kinds, type(layer).__name__, None) is not type(layer):
                raise ValueError(f"layer {l} is {layer!r}, not one of minixnn.layers; only those can be saved")
            n = numbers[id(layer)] = len(plan)
            own = {name: to_numpy(a) for name, a in layer.arrays().items() if a is not None}
            plan.append({"kind": type(layer).__name__, "settings": layer.settings(), "arrays": sorted(own)})
            kept = None if isinstance(layer, Prepare) else dtype            # few numbers, known to many digits
            arrays.update({f"{n}.{name}": stored(a, kept, f"{name} of layer {l}") for name, a in own.items()})
        places.append({"layer": numbers[id(layer)], "inputs": inputs[l], "name": names[l]})
    header = json.dumps({"format": "minixnn", "version": VERSION, "layers": plan, "places": places,
                         "card": card.entries()})
    with draft_of(path) as draft, open(draft, "wb") as file:
        np.savez_compressed(file, architecture=np.array(header), **arrays)


@contextlib.contextmanager
def draft_of(path: str | PathLike) -> Iterator[pathlib.Path]:
    """`with draft_of(path) as draft:` gives a file beside `path` to write to, which replaces `path` at the end.

    If that fails, the file that was at `path` stays as it is, and nothing is left beside it.

    Parameters
    ----------
    path : the file to write.

    Yields
    ------
    The draft's path.

    Raises
    ------
    OSError : the draft cannot be put in place.
    """
    draft = pathlib.Path(f"{os.fspath(path)}.{os.getpid()}.draft")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def load(path: str | PathLike) -> tuple[list, list | None, list | None, Card]:
    """The parts of the network in a file.

    Parameters
    ----------
    path : the file.

    Returns
    -------
    Layers, inputs, names and card.

    Raises
    ------
    ValueError : a file that is damaged, foreign, or of a newer version.
    OSError : no file, or one that cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            expect_modest(sum(entry.file_size for entry in file.zip.infolist()), os.path.getsize(path))
            if "architecture" not in file:
                raise ValueError("it has no entry 'architecture'")
            header, arrays = json.loads(str(file["architecture"])), {k: file[k] for k in file.files}
        if header["format"] != "minixnn":
            raise ValueError("its architecture is not in minixnn's format")
        if header["version"] <= VERSION:
            return contents(header, arrays)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:                  # a damaged file can make the readers of it raise anything at all
        raise damaged(path, error) from error
    raise ValueError(f"{path} has format version {header['version']}, this minixnn reads up to {VERSION}; "
                     "install a newer minixnn")


def expect_modest(size: int, packed: int) -> None:
    """Refuse a packed file that is small and would fill the memory.

    Parameters
    ----------
    size, packed : its bytes when unpacked, and as it lies there.

    Raises
    ------
    ValueError : it is larger than trained weights would be.
    """
    if size > 2 ** 28 and size > 200 * packed:
        raise ValueError(f"its {packed:,} bytes would be {size:,} when unpacked, which no trained weights are")


def damaged(path: str | PathLike, error: Exception) -> ValueError:
    why = "it is no archive of arrays" if "pickle" in str(error) else repr(error)
    return ValueError(f"{path} is not a network saved by minixnn, or is damaged: {why}. Write it again with "
                      "net.save(path)")


def contents(header: dict, arrays: Mapping[str, Array]) -> tuple[list, list | None, list | None, Card]:
    """What `load` returns, from the entries of a file of any version."""
    card = Card(**header.get("card", {}))                   # version 1 has none
    if header["version"] < 3:
        layers = [layer for l, entry in enumerate(header["layers"])
                  for layer in from_nested(entry, own_arrays(l, entry, arrays))]
        if '"Repeated"' in json.dumps(header["layers"]):    # a part that several branches shared stood in each
            graph = Graph()
            graph.add(0, *layers)
            return (*merged(graph), card)
        return layers, None, None, card
    layers = [rebuilt(entry["kind"], own_arrays(n, entry, arrays), entry["settings"])
              for n, entry in enumerate(header["layers"])]
    places = header["places"]
    return ([layers[place["layer"]] for place in places], [tuple(place["inputs"]) for place in places],
            [str(place["name"]) for place in places], card)


def stored(array: Array, dtype: DTypeLike | None, what: str) -> Array:
    """An array as it is written to a file. NaN and infinity are kept out of files.

    Parameters
    ----------
    array : the numbers.
    dtype : that of the file, or None for the array's.
    what : the array's name, for the error.

    Returns
    -------
    The array in `dtype`.

    Raises
    ------
    ValueError : numbers that are NaN, infinite, or too large for `dtype`.
    """
    require(np.isfinite(array).all(), f"{what} has NaN or infinite numbers: the training that made it went astray, "
            "perhaps by too large a learning rate")
    if dtype is None:
        return array
    limit = np.finfo(dtype).max
    if abs(array).max(initial=0) > limit:
        raise ValueError(f"{what} has numbers beyond {limit}, the largest that {np.dtype(dtype)} can hold; "
                         "save without dtype=")
    return array.astype(dtype)


def own_arrays(n: int, entry: dict, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of the n-th layer of a file; half precision becomes single.

    Parameters
    ----------
    n : the number of the layer.
    entry : its entry in the architecture.
    arrays : all arrays of the file.

    Returns
    -------
    {"W": ..., "b": ...}.

    Raises
    ------
    ValueError : an array that is missing, or has NaN, infinite or complex numbers.
    """
    own = {}
    for name in entry["arrays"]:
        if f"{n}.{name}" not in arrays:
            raise ValueError(f"the array {name} of layer {n} is missing")
        a = arrays[f"{n}.{name}"]
        require(a.dtype.kind in "fiu" and np.isfinite(a).all(), f"the array {name} of layer {n} has NaN, infinite or "
                "complex numbers")
        own[name] = a.astype(np.float32) if a.dtype == np.float16 else a
    return own


def rebuilt(kind: str, arrays: dict[str, Array], settings: Settings) -> Layer:
    """The layer of a kind. Only those of `minixnn.layers` are made.

    Parameters
    ----------
    kind : the name of the class.
    arrays, settings : what its constructor takes.

    Returns
    -------
    The layer.

    Raises
    ------
    ValueError : an unknown kind.
    """
    if kind not in kinds.__all__:
        raise ValueError(f"a layer is a {str(kind)[:40]!r}, which this minixnn does not know")
    return getattr(kinds, kind)(**arrays, **settings)


def from_nested(entry: dict, arrays: Mapping[str, Array]) -> list[Layer | Block]:
    """A layer of format 1 or 2, which may hold chains of layers, as a list of layers and ways of writing.

    Parameters
    ----------
    entry : {"kind": "Residual", "settings": {"body": [entry, ...], "shortcut": []}}.
    arrays : {"body.0.W": ...}.

    Returns
    -------
    The layers.

    Raises
    ------
    ValueError : an unknown kind of layer.
    """
    kind, settings = entry["kind"], dict(entry["settings"])
    if kind not in ("Residual", "Sum", "Concat", "Product", "Repeated"):
        return [rebuilt(kind, dict(arrays), settings)]
    epsilon = settings.pop("epsilon", None)
    named = settings if kind == "Residual" else {str(n): chain for n, chain in enumerate(settings["chains"])}
    chains = []
    for name, chain in named.items():
        layers: list = []
        for l, inside in enumerate(chain):
            prefix = f"{name}.{l}."
            own = {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
            layers += from_nested(inside, own)
        chains.append(layers)
    if kind == "Repeated":
        return chains[0]
    if kind == "Residual":
        return [Residual(chains[0], chains[1], epsilon=epsilon)]
    join = {"Sum": Add(epsilon), "Concat": Concat(), "Product": Multiply()}[kind]
    return [Branches(chains, join)]


def merged(graph: Graph) -> tuple[list, list, list]:
    """Layers, inputs and names of a graph in which equal layers of equal inputs are one."""
    layers, inputs, names, seen, numbers = [], [], [], {}, [0]
    for layer, sources, name in zip(graph.layers, graph.inputs, graph.names):
        sources = tuple(numbers[i] for i in sources)
        key = (type(layer), json.dumps(layer.settings()), sources,
               tuple((a.shape, a.tobytes()) for a in layer.arrays().values() if a is not None))
        if key not in seen:
            layers.append(layer)
            inputs.append(sources)
            names.append(name)
            seen[key] = len(layers)
        numbers.append(seen[key])
    return layers, inputs, names
