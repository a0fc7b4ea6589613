"""From files to inputs of a network. A file that cannot be read is named and left out; the others are still read."""
from __future__ import annotations

import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minixnn.arrays import Array
from minixnn.card import largest_pixel
from minixnn.cli import images, tables, tokens
from minixnn.cli.errors import CannotGoOn, sentence, visible
from minixnn.cli.expected import expected, of_unit_pixels, open_model, prepares, usual_model
from minixnn.layers import Flatten
from minixnn.models import magika
from minixnn.network import Network

TOGETHER, NUMBERS = 16, 2 ** 24             # pictures, and numbers in them, that are explained in one batch at most


@dataclass
class Item:
    """What a file holds, as inputs of a network."""
    path: Path
    kind: str                       # "picture", "rows", "text", or "array", a file of several pictures
    net: Network                    # which takes them
    inputs: list[Array]             # batches; of sequences of tokens one each, since they may differ in length
    note: str = ""                  # says what was done to it
    words: list | None = None       # the names of the columns of rows; of a text, for each sequence that of each token
    data: bytes | None = None       # of a file that is explained byte by byte

    @property
    def x(self) -> Array:
        """The first batch: (1, H, W, C), (N, columns), (N, steps, channels), or (1, tokens)."""
        return self.inputs[0]

    @property
    def more(self) -> str:
        """The note, as the end of a line."""
        return f" ({self.note})" if self.note else ""


class Reader:
    """The network that was asked for, and files as its inputs. `status` becomes 1 when one is left out."""

    def __init__(self, asked: Namespace) -> None:
        asked.model = asked.model or usual_model(asked.images)
        net = open_model(asked.model, asked.size, asked.mean, asked.std, asked.labels)
        self.asked, self.net, self.status, self.done, self.failed = asked, net, 0, 0, 0
        self.expected = expected(net, asked.size)
        self.bytes = net.card.source == "bytes"
        if asked.vocabulary is not None and self.expected.tokens is None:
            raise ValueError("got --vocabulary, but the network takes no tokens; leave it out")
        self.vocabulary, self.given = tokens.vocabulary(asked.vocabulary), dict[Path, str]()
        self.how = asked.fit or net.card.fit, largest_pixel(net.card, net.layers[0])
        self.of_pictures = of_unit_pixels(net)
        if self.expected.row is not None:                       # pictures may be given, too: their pixels in a row
            self.of_pictures = Network([Flatten()]).then(self.of_pictures)
        elif self.expected.picture[2] == 3 and self.of_pictures is net and not prepares(net):
            warnings.warn("the network takes three channels, and nothing says how pixels were prepared when it was "
                          "trained, so they enter from 0 to 1; give --mean and --std (0 and 1, if that is right)",
                          stacklevel=2)

    def find(self) -> list[Path]:
        if self.bytes:
            return images.find(self.asked.images, None)
        if self.expected.tokens is not None:
            texts = [text for text in self.asked.images if tokens.is_list(text)]
            self.given = {Path(f"tokens{n or ''}"): text for n, text in enumerate(texts)}
            files = [text for text in self.asked.images if text not in texts]
            return [*self.given, *(images.find(files, (".npy", ".txt")) if files else [])]
        rows = self.expected.row is not None or self.expected.sequence is not None
        return images.find(self.asked.images, images.PICTURES + tables.TABLES * rows)

    def left_out(self, path: Path, error: Exception) -> None:
        print(visible(f"minixnn: {path} left out: {sentence(error)}"), file=sys.stderr)
        self.status, self.failed = 1, self.failed + 1

    def read(self, path: Path) -> Item | None:
        """What is in the file; None, and a message, if it cannot be read."""
        try:
            return self.opened(path)
        except ImportError as error:
            raise CannotGoOn(str(error)) from error
        except Exception as error:                              # damaged files make their readers raise anything at all
            self.left_out(path, error)
        return None

    def opened(self, path: Path) -> Item:
        row, shape, invert = self.expected.row, self.expected.picture, self.asked.invert
        if self.bytes:
            images.expect_file(path)
            data = path.read_bytes()
            return Item(path, "picture", self.of_pictures, [magika.tokens(data)[None]], data=data)
        if self.expected.tokens is not None:
            count, length = self.expected.tokens
            found = tokens.read(path, self.given.get(path), count, length, self.vocabulary)
            return Item(path, "text", self.net, [row[None] for row in found],
                        words=[tokens.written(row, self.vocabulary) for row in found])
        if self.expected.sequence is not None:
            images.expect_file(path)
            return self.rows(path, *tables.sequences(path, self.expected.sequence, self.asked.header))
        if tables.is_table(path):
            if row is None:
                raise ValueError(f"is a table by its name, {path.suffix}, but the network takes pictures; give them, "
                                 "or a network for tables; if it is a picture, call it .jpg or .png")
            return self.rows(path, *tables.read(path, row, self.asked.header))
        array, notes = images.decode(path, shape[2])
        if row is not None and array.ndim < 3 and array.shape[-1] == row and path.suffix.lower() == ".npy":
            return self.rows(path, *tables.from_array(array, row))
        if array.ndim == 4:
            batch = images.Batch(array, shape, invert, *self.how)
            self.check_row(batch.shape[1:])
            return Item(path, "array", self.of_pictures, [batch], ", ".join(batch.notes))
        array = array[..., None] if array.ndim == 2 else array
        if array.ndim != 3:
            raise ValueError(f"holds an array of shape {array.shape}, expected a picture (height, width, channels), or "
                             "several (images, height, width, channels)")
        if None not in shape and array.shape[1:] == (np.prod(shape), 1) and len(array) != shape[0]:
            raise ValueError(f"holds an array of shape {array.shape[:2]}, which looks like flattened images, expected "
                             f"(images, {', '.join(map(str, shape))}); write array.reshape(-1, "
                             f"{', '.join(map(str, shape))})")
        if row is not None and array.shape[2] == 3 and array.shape[0] * array.shape[1] == row:
            shape = (*shape[:2], 1)
        picture = images.finish(array, shape, invert, notes, *self.how)
        self.check_row(picture.shape)
        return Item(path, "picture", self.of_pictures, [picture[None]], ", ".join(notes))

    def rows(self, path: Path, x: Array, names: list[str] | None, note: str) -> Item:
        return Item(path, "rows", self.net, [x], note, names)

    def check_row(self, shape: tuple[int, ...]) -> None:
        if self.expected.row not in (None, np.prod(shape)):
            raise ValueError(f"has {' x '.join(map(str, shape))} numbers, the network takes rows of "
                             f"{self.expected.row}; give such rows as a .csv or .npy file, or of a grey picture with "
                             f"{self.expected.row} pixels its --size HEIGHTxWIDTH")

    def groups(self, paths: Iterator[Path]) -> Iterator[list[Item]]:
        """Pictures some at a time, as many as fit into memory; tables and arrays of images each alone."""
        waiting: list[Item] = []
        for item in map(self.read, paths):
            if item is not None and item.kind == "picture":
                waiting.append(item)
            elif item is not None:
                yield [item]
            if len(waiting) == TOGETHER or sum(picture.x.size for picture in waiting) > NUMBERS:
                yield waiting
                waiting = []
        if waiting:
            yield waiting
