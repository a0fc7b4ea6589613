"""The bytes of a file in the colours of their relevance: a view for the terminal, and a page of HTML.

A text is shown as text, anything else as rows of 16 bytes in hexadecimal numbers. Where the network has seen a byte
twice, as in files that are shorter than its two windows together, its relevance is the sum of both.
"""
from __future__ import annotations

import html
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from minixnn.arrays import Array
from minixnn.attribution import NAMES
from minixnn.cli import drawing, errors, results
from minixnn.models import magika

Line: TypeAlias = list[tuple[str, float | None]]    # pieces of text, and the relevance of each, if any

PAGE = "relevance.html"
ROW = 16                                            # bytes in a row of numbers
QUANTILE = 0.99                                     # of |R|, at which colours end
NOTE = "The type is the likeliest label; the thresholds by which Magika answers \"unknown\" are not applied."
STYLE = """body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
pre { font: 14px/1.45 monospace; white-space: pre-wrap; word-break: break-all; border: 1px solid #ccc; padding: 1em }
i { color: #888 } s { text-decoration: none; color: #888 }"""


class Run(Protocol):
    """What is read of the run that explains: what was asked for, which figures are written, and how files are named."""
    asked: Namespace
    figures: tuple[str, ...]
    names: Callable


def write(run: Run, path: Path, data: bytes, R: Array, said: dict) -> None:
    """The page, and the text in the terminal, of a file of bytes."""
    lines, limit = coloured(data, R)
    show(run, path, said["saw"], f"{NAMES[run.asked.method]}, {said['explained']}", lines, limit, NOTE)


def write_tokens(run: Run, path: Path, lines: list[Line], told: list[str]) -> None:
    """As `write`, for sequences of tokens, with the line that is printed for each."""
    limit = max((abs(r) for line in lines for _, r in line if r is not None), default=0) or 1.0
    what = told[0].partition(": ")[2] if len(told) == 1 else f"{len(told)} sequences"
    show(run, path, NAMES[run.asked.method], what, lines, limit)


def show(run: Run, path: Path, title: str, what: str, lines: list[Line], limit: float, note: str = "") -> None:
    """Write the page beside the other results, and show the text in the terminal if that is wanted."""
    if run.figures:
        results.save(run.names(path, PAGE), page(errors.visible(f"{path.name}: {title}"), errors.visible(what),
                                                      lines, limit, note))
    if run.asked.color == "always" or run.asked.color == "auto" and can_colour():
        print(terminal(lines, limit))


def can_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def coloured(data: bytes, R: Array) -> tuple[list[Line], float]:
    """(lines, limit): each line a list of (text, relevance), None where there is none; and where colours end."""
    relevance, seen = per_byte(data, R)
    show = text_lines if is_text(data) else hex_lines
    lines: list[Line] = []
    done = 0
    for begin, end in stretches(seen):
        if begin > done:
            lines.append([(f"... {begin - done:,} bytes that the network does not use ...", None)])
        lines += show(data, relevance, begin, end)
        done = end
    if len(data) > done:
        lines.append([(f"... {len(data) - done:,} bytes that the network does not use ...", None)])
    sizes = abs(np.array([r for line in lines for _, r in line if r is not None]))
    return lines, float(np.quantile(sizes, QUANTILE)) or float(sizes.max()) or 1.0


def per_byte(data: bytes, R: Array) -> tuple[Array, Array]:
    """(relevance (bytes,), which bytes the network has seen) from the relevance R (positions,)."""
    places = magika.positions(data)
    relevance, seen = np.zeros(len(data)), np.zeros(len(data), bool)
    np.add.at(relevance, places[places >= 0], R[places >= 0])
    seen[places[places >= 0]] = True
    return relevance, seen


def stretches(seen: Array) -> list[tuple[int, ...]]:
    """[(begin, end), ...] of the bytes that were seen."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(int), [0]])))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist()))


def is_text(data: bytes) -> bool:
    """Whether a file's beginning is UTF-8 without control characters other than those of a text."""
    head = data[:magika.REACH]
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) == len(data):           # else a letter was cut in two
            return False
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)


def text_lines(data: bytes, relevance: Array, begin: int, end: int) -> list[Line]:
    """Lines of (character, relevance of its bytes together)."""
    lines: list[Line] = [[]]
    at = begin
    while at < end:
        size = next((n for low, n in ((0xf0, 4), (0xe0, 3), (0xc0, 2)) if data[at] >= low), 1)
        size = min(size, end - at)
        letter = data[at:at + size].decode("utf-8", "replace")
        lines[-1].append((visible(letter), float(relevance[at:at + size].sum())))
        if letter == "\n":
            lines.append([])
        at += size
    return lines if lines[-1] else lines[:-1]


def visible(letter: str) -> str:
    """A control character, or the end of a line, as a printable sign, so that a file cannot control the terminal."""
    if letter == "\n":
        return "\N{RETURN SYMBOL}"
    if letter == "\t":
        return "    "
    if letter.isprintable():
        return letter
    return chr(0x2400 + ord(letter)) if ord(letter) < 32 else "\N{REPLACEMENT CHARACTER}"


def hex_lines(data: bytes, relevance: Array, begin: int, end: int) -> list[Line]:
    """Rows of 16 bytes: the place, the numbers, and the letters that they would be."""
    lines = []
    for at in range(begin, end, ROW):
        row = range(at, min(at + ROW, end))
        numbers = [(f"{data[n]:02x} ", float(relevance[n])) for n in row]
        letters = [(chr(data[n]) if 32 < data[n] < 127 else "\N{MIDDLE DOT}", float(relevance[n])) for n in row]
        lines.append([(f"{at:08x}  ", None), *numbers, ("   " * (ROW - len(row)) + " ", None), *letters])
    return lines


def shade(r: float, limit: float) -> tuple[list[int], bool]:
    """The colour of a relevance, as three bytes, and whether black letters can be read on it."""
    colour = [int(part) for part in 255 * drawing.colours(np.array([[r]]).clip(-limit, limit), limit)[0, 0] + 0.5]
    return colour, sum(colour) > 380


def terminal(lines: list[Line], limit: float) -> str:
    """The lines with the codes of a terminal that knows 24-bit colours."""
    def piece(text, r):
        if r is None or abs(r) < 0.02 * limit:
            return text
        (red, green, blue), light = shade(r, limit)
        return f"\x1b[{30 if light else 97};48;2;{red};{green};{blue}m{text}\x1b[0m"
    return "\n".join("".join(piece(text, r) for text, r in line) for line in lines)


def page(title: str, what: str, lines: list[Line], limit: float, note: str) -> str:
    """A page that needs no other file; the pointer on a letter, or on a token, shows its number."""
    def piece(text, r):
        text = html.escape(text)
        if r is None:
            return f"<i>{text}</i>"
        (red, green, blue), light = shade(r, limit)
        ink = "" if light else ";color:#fff"
        return f'<span style="background:#{red:02x}{green:02x}{blue:02x}{ink}" title="{r:+.3g}">{text}</span>'
    body = "\n".join("".join(piece(text, r) for text, r in line) for line in lines)
    ends, unit = (f"{100 * QUANTILE:g} % quantile of", "letter") if note else ("largest", "token")
    return (f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
            f"<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n<p>{html.escape(what)}. Red speaks for it, blue "
            f"against it; colours end at {limit:.3g}, the {ends} |R|. Point at a {unit} to read its relevance. "
            f"{html.escape(note)}</p>\n<pre>{body}</pre>\n</html>\n")
