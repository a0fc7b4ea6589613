"""Results on the disk: written whole or not at all, with a record of what made each beside it.

    five_relevance.npy      the heatmap
    five_relevance.json     network, method, options and picture that made it, and what was found

The record is written last: if it is there, everything is. --resume compares records and never keeps what another call
made.
"""
from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from minixnn.arrays import Array
from minixnn.cli import tables
from minixnn.cli.errors import CannotGoOn, say, sentence
from minixnn.cli.images import PICTURES
from minixnn.files import draft_of

if TYPE_CHECKING:
    from PIL.Image import Image


class Names:
    """names(path, what): the file that holds `what` of the picture `path`, such as out/five_heatmap.png.

    The ending of a picture or a table goes, unless several of the files would then be called alike.
    """

    def __init__(self, folder: pathlib.Path, files: list[pathlib.Path]) -> None:
        self.folder, short = folder, collections.Counter(called(path) for path in files)
        self.whole = {name for name, count in short.items() if count > 1}
        places = collections.Counter(self(path, "") for path in files)
        same = sorted({path.name for path in files if places[self(path, "")] > 1})
        if same:
            raise ValueError(f"results are called after the files, and those of several called {', '.join(same)} would "
                             "overwrite each other; explain them into different folders")

    def __call__(self, path, what):
        name = called(path)
        return self.folder / f"{path.name if name in self.whole else name}_{what}"


def called(path: pathlib.Path) -> str:
    """The name without the ending of a picture or a table."""
    return path.stem if path.suffix.lower() in PICTURES + tables.TABLES else path.name


def prepare_folder(folder: pathlib.Path) -> None:
    with cannot_write(folder):
        if folder.exists() and not folder.is_dir():
            raise CannotGoOn(f"-o names the file {folder}, expected a folder for the results")
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob("*.draft"):                # of a process that was killed while it wrote
            if not running(draft.suffixes[-2:][0].removeprefix(".")):
                draft.unlink(missing_ok=True)


def running(number: str) -> bool:
    """Whether a process of this number runs, as far as can be told."""
    if not number.isdecimal() or os.name != "posix":
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def cannot_write(path: pathlib.Path) -> Iterator[None]:
    """What the disk refuses ends the run in a sentence."""
    try:
        yield
    except OSError as error:
        why = sentence(error) if path.parent.is_dir() else f"there is no folder {path.parent}"
        raise CannotGoOn(f"cannot write {path}: {why}") from error


def save(path: pathlib.Path, content: np.ndarray | dict | str | Image) -> None:
    """Write an array as .npy, a record as JSON, a text, or a picture as PNG: all of it or nothing."""
    def write(draft):
        if isinstance(content, np.ndarray):
            np.save(draft, content)
        elif isinstance(content, (dict, str)):
            draft.write((json.dumps(content, indent=1) if isinstance(content, dict) else content).encode("utf-8"))
        else:
            content.save(draft, "PNG", compress_level=3)
    write_whole(path, write)


def save_table(path: pathlib.Path, R: Array, names: list[str] | None) -> None:
    """Relevances (N, columns) as text, under the names of the columns."""
    head = ",".join(f'"{name}"' for name in names or [f"column {k}" for k in range(R.shape[1])])
    write_whole(path, lambda draft: np.savetxt(draft, R, "%.6g", ",", header=head, comments="", encoding="utf-8"))


def write_whole(path: pathlib.Path, write: Callable) -> None:
    """Call write(file) on a draft beside `path`, then put it in its place."""
    with cannot_write(path), draft_of(path) as draft, open(draft, "wb") as file:
        write(file)


def digest_of_file(path: pathlib.Path) -> str:
    """A short name for what is in a file."""
    with open(path, "rb") as file:
        found = hashlib.sha256()
        while part := file.read(2 ** 20):
            found.update(part)
    return found.hexdigest()[:16]


def not_done(files: list[pathlib.Path], names: Names, made_by: dict[str, object], figures: tuple) -> list:
    """Those of `files` that have no result yet. CannotGoOn where a result is there that another call made.

    made_by: what makes results now; figures: endings of the pictures that belong to a picture's result.
    """
    left = []
    for path in files:
        if names(path, "relevance.npy").exists():
            different = differences(names(path, "relevance.json"), made_by, path)
            if different:
                raise CannotGoOn(f"{names(path, 'relevance.npy')} was made otherwise: {different}. Give another "
                                 "folder, or leave out --resume to explain all again")
            drawn = path.suffix.lower() != ".npy" and not tables.is_table(path)
            if not drawn or all(names(path, what).exists() for what in figures):
                continue
        left.append(path)
    return left


def say_what_is_replaced(files: list[pathlib.Path], names: Names, made_by: dict[str, object]) -> None:
    """Tell, before anything is written, that the folder has results of another method or network, how to keep both."""
    found = []
    for path in files:
        try:
            before = json.loads(names(path, "relevance.json").read_text())["made_by"]
            if before["network"] != made_by["network"]:
                found.append("by another network")
            elif before["method"] != made_by["method"]:
                found.append(f"method was {before['method']}, is {made_by['method']}")
        except (OSError, ValueError, KeyError, TypeError):          # none is there, or it is damaged
            continue
    if found:
        say(f"this call writes over results in {names.folder} ({len(found)}; {found[0]}); to keep both, stop it and "
            "give -o another folder")


def differences(record: pathlib.Path, made_by: dict[str, object], path: pathlib.Path) -> str:
    """In what a record differs from what would be made now; "" for nothing."""
    try:
        then = json.loads(record.read_text())
        before = dict(then["made_by"])
    except FileNotFoundError:
        return "it has no record of what made it"
    except (ValueError, KeyError, TypeError, OSError):
        return f"its record {record} is damaged"
    words = [f"{name} was {before.get(name)}, is {made_by[name]}" for name in made_by
             if before.get(name) != made_by[name]]
    if path.exists() and then.get("input") != digest_of_file(path):
        words.append(f"{path} has changed")
    return "; ".join(words)
