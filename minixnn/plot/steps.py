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
import re
import sys
import textwrap
import zlib
from collections.abc import Callable, Mapping
from os import PathLike
from types import CodeType, FrameType
from typing import Any

import numpy as np

from minixnn import passes
from minixnn.arrays import Array, to_numpy
from minixnn.batching import some
from minixnn.files import draft_of
from minixnn.layers import Affine
from minixnn.logits import logits
from minixnn.network import Network, expect_network
from minixnn.passes import Target
from minixnn.rules import lrp
from minixnn.rules.arguments import Rules, name_of
from minixnn.rules.composites import AFFINE_RULES, rules_for

FOLDER = pathlib.Path(__file__).parents[1] / "data" / "steps"
NUMBERS = 64                    # arrays of at most so many entries are shown number by number
GRID = 28                       # larger ones as a grid of colours of at most so many rows and columns
WEIGHTS = 1024                  # layers of at most so many weights, written out as a matrix, say what a sum is made of
MOST_BYTES = 2 ** 20            # of a page
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"   # 63 shades: the middle one is zero
METHODS = ("lrp", "deep_taylor", "gradient", "deconvnet", "guided_backprop", "deeplift")


def steps(net: Network, x: Array, target: Target = None, rules: Rules | Mapping[str, Rules] = lrp.epsilon,
          path: str | PathLike | None = None, *, method: str = "lrp", layer: int | None = None,
          title: str | None = None, **options: Any) -> str:
    """Run a pass on the first image of x, record every line of it, and return the page, which `path` keeps as a file.

    rules: as for `passes.lrp`; or a dictionary {name: rules} of variants to switch among on the page. method: the pass,
    "lrp", or "deep_taylor", "gradient", "deconvnet", "guided_backprop", "deeplift"; options: what that pass takes, such
    as x_ref. layer: the number of the one layer whose rule is stepped into, the others being stepped over; None is all
    of them. ValueError for a page of more than a megabyte: give a layer then.
    """
    expect_network(net)
    if method not in METHODS:
        raise ValueError(f"got method={method!r}, expected one of {', '.join(METHODS)}")
    if layer is not None and not 0 <= layer < len(net.layers):
        raise ValueError(f"got layer={layer!r}, expected the number of a layer, from 0 to {len(net.layers) - 1}")
    several = isinstance(x, tuple)
    x = some(x, slice(1), len(x[0] if several else x), several)
    net = logits(net) if options.get("start") is None else net              # what the pass explains
    variants = rules if isinstance(rules, Mapping) else {shown(rules) if method == "lrp" else method: rules}
    book = Book()
    recordings = {}
    for name, each in variants.items():
        chosen = rules_for(net, each) if method == "lrp" else None
        given = {**options, **({"rules": chosen} if method == "lrp" else {})}
        functions = entered(net, method, chosen)
        recordings[name] = record(getattr(passes, method), (net, x), {"target": target, **given}, functions, book,
                                  layer)
    page = page_of(net, x, recordings, book, title or f"{method}, step by step")
    if len(page.encode()) > MOST_BYTES:
        raise ValueError(f"got a walk of {sum(map(len, recordings.values()))} steps, a page of "
                         f"{len(page.encode()) / 2 ** 20:.1f} megabytes, expected at most one; give layer=, the layer "
                         "to step into")
    if path is not None:
        with draft_of(path) as draft:
            draft.write_text(page, encoding="utf-8")
    return page


def shown(rules: Any) -> str:
    """What a variant is called where it has no name of its own."""
    return name_of(rules) if callable(rules) else "a list of rules"


def entered(net: Network, method: str, rules: Any) -> set[CodeType]:
    """The code that a step from the loop of the pass leads into: rules, or the layers' own methods."""
    if method == "deep_taylor":
        rules = [*AFFINE_RULES, lrp.proportional, *(getattr(layer, "rule", None) for layer in net.layers)]
    functions = rules or [getattr(type(layer), method, None) for layer in net.layers]
    functions = [getattr(function, "func", function) for function in functions]             # without a knob
    return {function.__code__ for function in functions if hasattr(function, "__code__")}


def record(run: Callable, arguments: tuple, named: dict, functions: set[CodeType], book: "Book",
           layer: int | None = None) -> list[dict]:
    """Call `run`, and note down each line of it, and of the `functions` that it calls, before the line is run.

    The tracing function of a debugger, or of what measures coverage, is given back in the end.
    """
    events: list[dict] = []
    loop: list[FrameType] = []                  # the frame of the pass, while it runs

    def trace(frame: FrameType, event: str, value: Any) -> Any:
        if frame.f_code is run.__code__ and not loop:
            loop.append(frame)
        elif not (loop and frame.f_back is loop[0] and frame.f_code in functions
                  and layer in (None, loop[0].f_locals.get("l"))):
            return None
        events.append(book.event(frame, "call", None, len(loop) and frame is not loop[0], loop[0]))
        return local

    def local(frame: FrameType, event: str, value: Any) -> Any:
        if event in ("line", "return"):
            events.append(book.event(frame, event, value, frame is not loop[0], loop[0]))
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run(*arguments, **named)
    finally:
        sys.settrace(before)
    return events


class Book:
    """What the page is made of: sources, and every value once, to which the events refer by number."""

    def __init__(self) -> None:
        self.sources: dict[CodeType, int] = {}
        self.texts: list[dict] = []
        self.numbers: dict[Any, int] = {}       # key of a value -> its number
        self.values: list[Any] = []
        self.kept: list[Any] = []               # arrays stay alive, so that no other gets their identity

    def event(self, frame: FrameType, kind: str, value: Any, inside: bool, loop: FrameType) -> dict:
        """One step: where it is, and the names that exist there."""
        names = {name: self.number_of(each) for name, each in frame.f_locals.items()
                 if not name.startswith("_") and not inspect.ismodule(each)}
        found = {"k": kind[0], "s": self.source_of(frame.f_code), "n": frame.f_lineno, "d": int(bool(inside)),
                 "l": loop.f_locals.get("l", -1), "v": names}
        if kind == "return":
            found["r"] = self.number_of(value)
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
            place = "/".join(file.parts[file.parts.index("minixnn"):]) if "minixnn" in file.parts else file.name
            self.texts.append({"name": code.co_name, "file": place, "first": first, "lines": text,
                               "doc": [begin, end]})
        return self.sources[code]

    def number_of(self, value: Any) -> int:
        """The number of a value; the same for equal ones."""
        described = self.described(value)
        key = json.dumps(described, sort_keys=True) if not isinstance(described, tuple) else described[0]
        if key not in self.numbers:
            self.numbers[key] = len(self.values)
            self.values.append(described[1] if isinstance(described, tuple) else described)
        return self.numbers[key]

    def described(self, value: Any) -> Any:
        """A value as JSON can hold it. Of arrays (key, description)."""
        if hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0:
            host = to_numpy(value)
            key = (host.shape, str(host.dtype), zlib.crc32(np.ascontiguousarray(host).tobytes()))
            return key, None if key in self.numbers else described_array(host)
        if isinstance(value, (list, tuple)) and any(hasattr(each, "dtype") for each in value):
            return {"list": [self.number_of(each) for each in value], "tuple": isinstance(value, tuple)}
        if isinstance(value, (bool, int, float, np.number)) or getattr(value, "ndim", None) == 0:
            return {"number": short(float(value)) if not isinstance(value, (bool, int)) else value}
        if callable(value) and not hasattr(value, "forward"):
            return {"text": name_of(value)}
        text = ", ".join(map(name_of, value)) if isinstance(value, list) and all(map(callable, value)) else repr(value)
        return {"text": text if len(text) <= 120 else text[:117] + "..."}


def docstring(lines: list[str]) -> tuple[int, int]:
    """Where the docstring of a function lies among its lines, [begin, end); (0, 0) if it has none."""
    try:
        first = ast.parse("\n".join(lines)).body[0].body[0]
    except (SyntaxError, AttributeError, IndexError):
        return 0, 0
    if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
        return first.lineno - 1, first.end_lineno or first.lineno
    return 0, 0


def described_array(a: np.ndarray) -> dict:
    """Shape, sum, range, and either the numbers themselves or a grid of colours, of the first image."""
    flat = a.astype(np.float64)
    found = {"shape": list(a.shape), "type": str(a.dtype), "sum": short(flat.sum()), "min": short(flat.min()),
             "max": short(flat.max())}
    if a.size <= NUMBERS:
        return {**found, "numbers": [short(v) for v in flat.ravel()]}
    grid = flat[0]
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


def short(number: float) -> Any:
    """A number to ten digits, as JSON can hold it."""
    number = float(number)
    return float(f"{number:.10g}") if np.isfinite(number) else str(number)


def page_of(net: Network, x: Any, recordings: dict[str, list[dict]], book: Book, title: str) -> str:
    """The page, as text."""
    A = net.trace(x)
    layers = [{"text": repr(layer), "name": net.names[l], "inputs": list(net.inputs[l]),
               **matrix(layer, net.entering(A, l), A[l + 1])} for l, layer in enumerate(net.layers)]
    data = {"title": title, "layers": layers, "sources": book.texts, "values": book.values, "letters": LETTERS,
            "walks": recordings}
    parts = {"style": (FOLDER / "page.css").read_text(encoding="utf-8"),
             "script": (FOLDER / "page.js").read_text(encoding="utf-8"),
             "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")}
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)


def matrix(layer: Any, x: Any, y: Array) -> dict:
    """Of a small affine layer its weights, written out as w_jk: {"w": [[...], ...], "b": [...]}; else {}."""
    if not isinstance(layer, Affine) or isinstance(x, tuple) or x[0].size * y[0].size > WEIGHTS:
        return {}
    columns = []
    for k in range(y[0].size):
        alone = y[:1] * 0
        alone.reshape(-1)[k] = 1
        columns.append(to_numpy(layer.gradient(x[:1], y[:1], alone)).reshape(-1))
    b = to_numpy(layer.forward(x[:1] * 0)).reshape(-1)
    return {"w": [[short(v) for v in row] for row in np.stack(columns, axis=1)], "b": [short(v) for v in b]}
