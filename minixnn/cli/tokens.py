"""Tokens for networks that take whole numbers: from a .npy file, a file of text, or the command line itself.

A line of a text is one sequence. Its tokens are whole numbers, as a tokenizer makes them, or words of a
vocabulary as they are written there; nothing is cut into pieces here. Names of tokens are for reading the result.
"""
from __future__ import annotations

import json
import pathlib
import re

import numpy as np

from minixnn.arrays import Array
from minixnn.cli import images
from minixnn.cli.errors import sentence
from minixnn.cli.expected import lines
from minixnn.cli.text import Line, visible
from minixnn.spelling import meant

NUMBER = re.compile(r"\d+")
APART = re.compile(r"[\s,;\[\]()]+")            # between whole numbers: "101, 7592", "[101, 7592]", "101 7592"
MOST_LETTERS = 10_000_000                       # of a file of text, or of a vocabulary
BEGINS = ("\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}", "\N{LOWER ONE EIGHTH BLOCK}")     # marks of a word's beginning
INSIDE = "##"                                   # mark of a piece that continues a word


def is_list(text: str) -> bool:
    """Whether a word of the command line is a list of tokens, and not the name of a file."""
    parts = [part for part in APART.split(text) if part]
    return len(parts) > 1 and all(map(NUMBER.fullmatch, parts)) and not pathlib.Path(text).exists()


def vocabulary(path: str | None) -> dict[int, str] | None:
    """{number: name}: of a file with a name in each line, of vocab.json, or of tokenizer.json."""
    if path is None:
        return None
    if not path.lower().endswith(".json"):
        return dict(enumerate(lines(path, what="vocabulary")))
    try:
        images.expect_file(pathlib.Path(path))
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        found = found["model"]["vocab"] if isinstance(found, dict) and isinstance(found.get("model"), dict) else found
        if isinstance(found, list):
            return {k: each if isinstance(each, str) else str(each[0]) for k, each in enumerate(found)}
        return {int(number): str(name) for name, number in found.items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"--vocabulary {path} cannot be read: {sentence(error)}; expected a line for each token, in "
                         'the order of their numbers, or a .json file {"name": number, ...}') from error


def read(path: pathlib.Path, given: str | None, count: int | None, length: int | None,
         names: dict[int, str] | None) -> list[Array]:
    """The sequences in a file, or in the text `given` on the command line: [(tokens,), ...] of whole numbers.

    count: how many tokens there are; length: how many a sequence must have; None where that is free.
    """
    if given is None and not path.exists() and not path.suffix:
        raise FileNotFoundError(f"there is no such file as {path}; tokens are given as numbers, \"101, 7592\", and a "
                                "text in a .txt file")
    if given is None:
        images.expect_file(path)
    if given is None and path.suffix.lower() == ".npy":
        array = images.load(path)
        if array.dtype.kind not in "iu" or array.ndim not in (1, 2):
            raise ValueError(f"holds an array of shape {array.shape} and type {array.dtype}, expected whole numbers, "
                             "(tokens,) or (sequences, tokens)")
        found = [np.array(row, np.int64) for row in (array[None] if array.ndim == 1 else array)]
    else:
        found = from_text(text_of(path) if given is None else given, names)
    for n, row in enumerate(found):
        where = f"sequence {n}" if len(found) > 1 else "the sequence"
        if length not in (None, len(row)):
            raise ValueError(f"has {len(row)} tokens in {where}, the network takes {length}; fill or cut it as its "
                             "tokenizer does")
        wrong = row[(row < 0) | (row >= (count or np.inf))]
        if len(wrong):
            raise ValueError(f"has the token {wrong[0]} in {where}, the network knows 0 to {count and count - 1}; was "
                             "it made by another tokenizer?")
    return found


def text_of(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        data = file.read(MOST_LETTERS + 1)
    if len(data) > MOST_LETTERS:
        raise ValueError(f"has more than {MOST_LETTERS} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is no text in UTF-8, expected tokens: whole numbers, a line for each sequence, or a .npy "
                         "file of them") from error


def from_text(text: str, names: dict[int, str] | None) -> list[Array]:
    """The tokens of each line that is not empty."""
    rows = [line for line in text.splitlines() if line.strip()]
    if not rows:
        raise ValueError("is empty, expected a line of tokens for each sequence")
    parts = [[part for part in APART.split(line) if part] for line in rows]
    if all(NUMBER.fullmatch(part) for row in parts for part in row) and all(parts):
        return [np.array([min(int(part), 2 ** 62) for part in row], np.int64) for row in parts]
    numbers = {} if names is None else {name: number for number, name in reversed(names.items())}
    found = []
    for n, line in enumerate(rows):
        row = [next((numbers[spelt] for spelt in (word, *(mark + word for mark in BEGINS), word.lower())
                     if spelt in numbers), word) for word in line.split()]
        strange = next((word for word in row if isinstance(word, str)), None)
        if strange is not None:
            raise ValueError(f"has {strange!r} in line {n + 1}, " + (
                "expected whole numbers, the tokens that your tokenizer makes of a text; give --vocabulary FILE to "
                "write words that stand in it" if names is None else
                f"which is no word of the vocabulary{meant(strange, numbers)}; words are taken as they stand there, so "
                "give the numbers that the network's tokenizer makes of the text"))
        found.append(np.array(row, np.int64))
    return found


def written(row: Array, names: dict[int, str] | None) -> list[str]:
    """The tokens of a sequence as text that can be read in one go: with the spaces between words."""
    words = [str(int(token)) if names is None else names.get(int(token), f"[{int(token)}]") for token in row]
    if names is not None and any(name.startswith(BEGINS) for name in names.values()):
        return [re.sub(f"^({'|'.join(BEGINS)})", " ", word) for word in words]
    return [word.removeprefix(INSIDE) if word.startswith(INSIDE) and n else " " * bool(n) + word
            for n, word in enumerate(words)]


def shown(words: list[str], R: Array) -> Line:
    """A line of a page."""
    return [("".join(map(visible, word)), float(r)) for word, r in zip(words, R)]


def together(maps: list[Array]) -> Array:
    """Relevances of sequences, (sequences, tokens); NaN stands behind those that are shorter than the longest."""
    found = np.full((len(maps), max(map(len, maps))), np.nan, maps[0].dtype)
    for row, R in zip(found, maps):
        row[:len(R)] = R
    return found


__all__ = ["is_list", "read", "shown", "together", "vocabulary", "written"]
