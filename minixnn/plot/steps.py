"""A recorded walk: a pass and its rules, line by line, as one web page to step through forwards and backwards.

    plot.steps(net, x, target=3, rules=lrp.epsilon, path="walk.html")

The page needs no server, no network and no other file. It shows the code that ran with the current line marked, the
names that exist there with their numbers, and the network with A and R at the layer in hand. The lines are those of
`minixnn/passes.py` and of the rules, a rule of your own included; what they call is stepped over.
"""
import ast
import inspect
import json
import pathlib
import sys
import textwrap
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from types import CodeType, FrameType
from typing import Any, TypeAlias

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, like, to_numpy
from minixnn.batching import some
from minixnn.files import draft_of
from minixnn.layers import Affine
from minixnn.logits import logits
from minixnn.network import Network, expect_network
from minixnn.passes import Target
from minixnn.plot.microscope import filled
from minixnn.rules import composites, lrp, reveal_cancel
from minixnn.rules.composites import Rules, name_of, rules_for

PACKAGE = pathlib.Path(__file__).parents[1]
FOLDER = PACKAGE / "data" / "steps"
NUMBERS = 64                    # arrays of at most so many entries are shown number by number
GRID = 28                       # larger ones as a grid of colours of at most so many rows and columns
WEIGHTS = 1024                  # layers of at most so many weights, written out as a matrix, say what a sum is made of
SAMPLE = 4096                   # so many entries of a large array tell whether it is still what it was
MOST_BYTES = 2 ** 20            # of a page
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"   # 63 shades: the middle one is zero
METHODS = ("lrp", "deep_taylor", "gradient", "deconvnet", "guided_backprop", "deeplift", "deeplift_reveal_cancel")
Value: TypeAlias = Any          # whatever a name stands for while a pass runs


def steps(net: Network, x: Array, target: Target = None, rules: Rules | Mapping[str, Rules] = lrp.epsilon,
          path: str | PathLike | None = None, *, method: str = "lrp", layer: int | None = None,
          title: str | None = None, **options: object) -> str:
    """Run a pass on the first image, record every line of it, and make a page to step through.

    Parameters
    ----------
    net : the Network.
    x : inputs (N, ...), of which the first is explained.
    target : the output to explain: None for the largest, or an int.
    rules : as for `passes.lrp`; or a dictionary {name: rules} of variants to switch among on the page.
    path : the file to write the page to; None for none.
    method : the pass, one of `METHODS`.
    layer : the number of the one layer whose rule is stepped into, the others being stepped over; None for all.
    title : of the page.
    options : what else the pass takes, such as x_ref.

    Returns
    -------
    The page, HTML.

    Raises
    ------
    ValueError : an unknown method or layer; a page of more than a megabyte, for which a layer must be given.
    Exception : whatever a rule raises, after the page, which ends there, has been written.
    """
    expect_network(net)
    if method not in METHODS:
        raise ValueError(f"got method={method!r}, expected one of {', '.join(METHODS)}")
    if layer is not None and not 0 <= layer < len(net.layers):
        raise ValueError(f"got layer={layer!r}, expected the number of a layer, from 0 to {len(net.layers) - 1}")
    several = isinstance(x, tuple)
    N = len(x[0] if several else x)
    options = {name: some(value, slice(1), N, several) for name, value in options.items()}
    x, target = some(x, slice(1), N, several), some(target, slice(1), N, False)
    net = logits(net) if options.get("start") is None else net              # what the pass explains
    variants = rules if isinstance(rules, Mapping) else {shown(rules) if method == "lrp" else method: rules}
    book = Book()
    recordings, error = {}, None
    for name, each in variants.items():
        given = {**options, **({"rules": rules_for(net, each)} if method == "lrp" else {})}
        functions = entered(net, method, given)
        recordings[name], failed = record(getattr(passes, method), (net, x), {"target": target, **given}, functions,
                                          book, layer)
        error = error or failed
    page = page_of(net, recordings, book, title or f"{method}, step by step")
    if len(page.encode()) > MOST_BYTES:
        raise ValueError(f"got a walk of {sum(map(len, recordings.values()))} steps, a page of "
                         f"{len(page.encode()) / 2 ** 20:.1f} megabytes, expected at most one; give layer=, the layer "
                         "to step into")
    if path is not None:
        with draft_of(path) as draft:
            draft.write_text(page, encoding="utf-8")
    if error is not None:
        raise error
    return page


def shown(rules: Rules) -> str:
    """What a variant is called where it has no name of its own."""
    return name_of(rules) if callable(rules) else "a list of rules"


def entered(net: Network, method: str, given: dict) -> set[CodeType]:
    """The code that steps from the loop of the pass lead into: rules, or the layers' own methods."""
    if method == "lrp":
        functions = given["rules"]
    elif method == "deep_taylor":
        functions = rules_for(net, partial(composites.deep_taylor, low=given.get("low"), high=given.get("high")))
    elif method == "deeplift_reveal_cancel":
        functions = [function for function in vars(reveal_cancel).values() if inspect.isfunction(function)
                     and function.__module__ == reveal_cancel.__name__]
    else:
        functions = [getattr(layer, method) for layer in net.layers]
    return set(filter(None, map(code_of, functions)))


def code_of(function: object) -> CodeType | None:
    """The code of a function without its knobs, of a method, or of an object that can be called."""
    while hasattr(function, "func"):
        function = function.func
    function = function if hasattr(function, "__code__") else getattr(type(function), "__call__", None)    # noqa: B004
    return getattr(function, "__code__", None)


def record(run: Callable, arguments: tuple, named: dict, functions: set[CodeType], book: "Book",
           layer: int | None = None) -> tuple[list[dict], Exception | None]:
    """Call a pass, and note each line of it, and of the functions that it calls, before the line is run.

    The tracing function of a debugger, or of what measures coverage, is restored in the end.

    Parameters
    ----------
    run : the pass.
    arguments, named : what it is called with.
    functions : the code that is stepped into.
    book : the Book that numbers sources and values.
    layer : the one layer whose rule is stepped into; None for all.

    Returns
    -------
    The events, and what was raised, or None. If something was raised the last event is the place.

    Raises
    ------
    Exception : what the pass raises before its first line.
    """
    events: list[dict] = []
    raised: list[dict] = []                     # where an exception was raised that nothing has caught yet
    frames: list[FrameType] = []                # the pass, and what has been stepped into and has not returned

    def trace(frame: FrameType, event: str, value: object) -> Callable | None:
        if frames:
            if frame.f_code not in functions or frame.f_back is not frames[-1] \
                    or layer not in (None, frames[0].f_locals.get("l")):
                return None
        elif frame.f_code is not run.__code__ or events:
            return None
        frames.append(frame)
        return local(frame, event, value)

    def local(frame: FrameType, event: str, value: object) -> Callable | None:
        if event == "line":
            raised.clear()
        if event == "exception" or not raised:
            (raised if event == "exception" else events).append(
                book.event(frame, event, value, frames.index(frame), frames[0]))
        if event == "return":
            frames.remove(frame)
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run(*arguments, **named)
    except Exception as error:
        if not events:
            raise
        return events + raised[:1], error
    finally:
        sys.settrace(before)
    return events, None


class Book:
    """What the page is made of: sources, and every value once, to which the events refer by number."""

    def __init__(self) -> None:
        self.sources: dict[CodeType, int] = {}
        self.texts: list[dict] = []
        self.layers: dict[int, tuple] = {}      # identity of a layer -> it, kept alive, and the number of its value
        self.numbers: dict[object, int] = {}    # key of a value -> its number
        self.values: list = []
        self.seen: dict[object, tuple] = {}     # identity and a sample of an array -> it, kept alive, and its number

    def event(self, frame: FrameType, kind: str, value: Value, depth: int, loop: FrameType) -> dict:
        """One step: where it is, how deep, and the names that exist there."""
        exist = frame.f_locals
        names = {name: self.number_of_layer(each, exist["x"], exist["y"])
                 if isinstance(each, Affine) and {"x", "y"} <= exist.keys() else self.number_of(each)
                 for name, each in exist.items() if not name.startswith("_") and not inspect.ismodule(each)}
        found = {"k": {"exception": "x"}.get(kind, kind[0]), "s": self.source_of(frame.f_code), "n": frame.f_lineno,
                 "d": depth, "l": loop.f_locals.get("l", -1), "v": names}
        if kind == "return":
            found["r"] = self.number_of(value)
        if kind == "exception":
            found["r"] = self.number_of(f"{value[0].__name__}: {value[1]}")
        return found

    def source_of(self, code: CodeType) -> int:
        """The number of a function's source."""
        if code not in self.sources:
            self.sources[code] = len(self.texts)
            try:
                lines, first = inspect.getsourcelines(code)
            except OSError:                     # typed at a prompt
                lines, first = [f"# the source of {code.co_name} is not to be had\n"], code.co_firstlineno
            text = textwrap.dedent("".join(lines)).rstrip("\n").split("\n")
            begin, end = docstring(text)
            file = pathlib.Path(code.co_filename)
            place = file.relative_to(PACKAGE.parent).as_posix() if PACKAGE in file.parents else file.name
            self.texts.append({"name": code.co_name, "file": place, "first": first, "lines": text,
                               "doc": [begin, end], "spans": spans(text)})
        return self.sources[code]

    def number_of_layer(self, layer: Affine, x: Array, y: Array) -> int:
        """The number of an affine layer that a rule holds, with its weights as a matrix where they are few."""
        if id(layer) not in self.layers:
            described = {"text": repr(layer), **matrix(layer, x, y)}
            self.layers[id(layer)] = layer, len(self.values)
            self.values.append(described)
        return self.layers[id(layer)][1]

    def number_of(self, value: Value) -> int:
        """The number of a value; the same for equal ones."""
        large = hasattr(value, "dtype") and getattr(value, "size", 0) > SAMPLE
        if large:                               # is found again by a sample, which a change in place changes too
            some = to_numpy(value.reshape(-1)[::value.size // SAMPLE])
            known = (id(value), zlib.crc32(np.ascontiguousarray(some).tobytes()))
            if known in self.seen:
                return self.seen[known][1]
        described = self.described(value)
        key = json.dumps(described, sort_keys=True) if not isinstance(described, tuple) else described[0]
        if key not in self.numbers:
            self.numbers[key] = len(self.values)
            self.values.append(described[1] if isinstance(described, tuple) else described)
        if large:
            self.seen[known] = value, self.numbers[key]
        return self.numbers[key]

    def described(self, value: Value) -> dict | tuple:
        """A value as JSON can hold it. Of arrays (key, description)."""
        if hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0:
            host = to_numpy(value)
            key = (host.shape, str(host.dtype), zlib.crc32(np.ascontiguousarray(host).tobytes()))
            return key, None if key in self.numbers else described_array(host)
        if isinstance(value, (list, tuple)) and any(hasattr(each, "dtype") for each in value):
            return {"list": [self.number_of(each) for each in value], "tuple": isinstance(value, tuple)}
        if isinstance(value, str):
            return {"text": value}
        if isinstance(value, (bool, int, float, np.number)) or getattr(value, "ndim", None) == 0:
            return {"number": short(float(value)) if not isinstance(value, (bool, int)) else value}
        if callable(value) and not hasattr(value, "forward"):
            return {"text": name_of(value)}
        text = ", ".join(map(name_of, value)) if isinstance(value, list) and all(map(callable, value)) else repr(value)
        return {"text": text if len(text) <= 120 else text[:117] + "..."}


def docstring(lines: list[str]) -> tuple[int, int]:
    """Where the docstring of a function lies among its lines, [begin, end); (0, 0) if it has none."""
    try:
        function = ast.parse("\n".join(lines)).body[0]
        first = getattr(function, "body", [])[0]
    except (SyntaxError, IndexError):
        return 0, 0
    if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
        return first.lineno - 1, first.end_lineno or first.lineno
    return 0, 0


def spans(lines: list[str]) -> list[tuple[int, int]]:
    """The statements of several lines without others inside, [begin, end) each."""
    try:
        nodes = ast.walk(ast.parse("\n".join(lines)))
    except SyntaxError:
        return []
    return [(node.lineno - 1, node.end_lineno) for node in nodes if isinstance(node, ast.stmt)
            and not hasattr(node, "body") and node.end_lineno and node.end_lineno > node.lineno]


def described_array(a: np.ndarray) -> dict:
    """Shape, sum, range, and either the numbers themselves or a grid of colours."""
    flat = a.astype(np.float64)
    found = {"shape": list(a.shape), "type": str(a.dtype), "sum": short(flat.sum()), "min": short(flat.min()),
             "max": short(flat.max())}
    if a.size <= NUMBERS:
        return {**found, "numbers": [short(v) for v in flat.ravel()]}
    grid = np.where(np.isfinite(flat), flat, 0)
    grid = grid[0] if len(grid) == 1 and grid.ndim > 1 else grid            # activations are of one image
    if grid.ndim == 1:
        side = int(np.ceil(grid.size ** 0.5))
        grid = np.pad(grid, (0, side * side - grid.size)).reshape(side, side)
    while grid.ndim > 2:                        # maps of channels as their sum, and heads (H, T, T)
        heads = grid.ndim == 3 and grid.shape[1] == grid.shape[2] != grid.shape[0]
        grid = grid.sum(axis=0 if heads else -1)
    rows, columns = (-(-n // GRID) for n in grid.shape)
    grid = np.pad(grid, [(0, -n % step) for n, step in zip(grid.shape, (rows, columns))])
    grid = grid.reshape(grid.shape[0] // rows, rows, grid.shape[1] // columns, columns).sum(axis=(1, 3))
    largest = abs(grid).max() or 1
    letters = np.round(grid / largest * 31).astype(int) + 31
    return {**found, "grid": ["".join(LETTERS[k] for k in row) for row in letters], "largest": short(largest)}


def short(number: float) -> float | str:
    """A number to ten digits, as JSON can hold it."""
    number = float(number)
    return float(f"{number:.10g}") if np.isfinite(number) else str(number)


def page_of(net: Network, recordings: dict[str, list[dict]], book: Book, title: str) -> str:
    """The page, as text."""
    layers = [{"text": repr(layer), "name": net.names[l], "inputs": list(net.inputs[l])}
              for l, layer in enumerate(net.layers)]
    data = {"title": title, "layers": layers, "sources": book.texts, "values": book.values, "letters": LETTERS,
            "walks": recordings}
    return filled(FOLDER, (FOLDER / "page.js").read_text(encoding="utf-8"), data)


def matrix(layer: Affine, x: Array, y: Array) -> dict:
    """Of a small layer its weights, written out as w_jk: {"w": [[...], ...], "b": [...]}; else {}."""
    if not hasattr(x, "shape") or not hasattr(y, "shape") or x[0].size * y[0].size > WEIGHTS:
        return {}
    ones = np.eye(y[0].size).reshape(-1, *y.shape)
    columns = [to_numpy(layer.gradient(x, y, like(y, one).astype(y.dtype))).reshape(-1) for one in ones]
    b = to_numpy(layer.forward(x * 0)).reshape(-1)
    return {"w": [[short(v) for v in row] for row in np.stack(columns, axis=1)], "b": [short(v) for v in b]}
