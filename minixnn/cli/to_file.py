"""Explaining more images than fit into memory: results are written batch by batch, and an interrupted run continues.

    explain_to("relevance.npy", net, images, "lrp_epsilon_plus")        # images: an array, memory-mapped if you like

While it runs, the results are in relevance.npy.part and the count of what is done in relevance.npy.progress; the same
call again goes on from there. When all is done the part takes its final name.
"""
from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
import pathlib
from collections.abc import Callable
from os import PathLike
from types import ModuleType

import numpy as np

from minixnn.attribution import METHODS
from minixnn.arrays import Array, like, to_numpy
from minixnn.batching import default_batch_size, parallel_map
from minixnn.files import draft_of
from minixnn.network import Network
from minixnn.passes import Target
from minixnn.progress import progress


def explain_to(path: str | PathLike, net: Network, images: Array, method: str | Callable, target: Target = None,
               batch_size: int | None = None, quiet: bool = False, on: ModuleType = np,
               workers: int = -1) -> np.ndarray:
    """Write the heatmaps of all images to a .npy file.

    Parameters
    ----------
    path : the file.
    net : the Network.
    images : an array (N, ...); numpy.load(file, mmap_mode="r") stays on disk.
    method : a name in `attribution.METHODS`, or a function (net, x, target) -> array like x.
    target : the output to explain: None for the largest of each image, an int, or one int per image.
    batch_size : images at a time; None for as many as suit the machine.
    quiet : whether no progress bar is drawn.
    on : the array module that computes, numpy or cupy.
    workers : batches at a time, each in a thread; -1 for one per core.

    Returns
    -------
    The heatmaps, float32, memory-mapped.

    Raises
    ------
    ValueError : a part of another run beside `path`, with other images or another method; images that cannot be
        explained.
    OSError : not enough room on the disk.
    """
    explain = METHODS[method] if isinstance(method, str) else method
    path, N = pathlib.Path(path), len(images)
    part, notes = path.with_name(path.name + ".part"), path.with_name(path.name + ".progress")
    sample = to_numpy(images[::max(1, N // 64)])            # to know the images again; all may be too many to read
    run = {"method": called(explain), "shape": list(images.shape), "target": digest(target),
           "network": fingerprint(net), "images": digest(sample)}
    done = 0
    if part.exists() and notes.exists():
        before, done = progress_of(notes)
        if before != run:
            other = ", ".join(name for name in run if before.get(name) != run[name])
            raise ValueError(f"{part} belongs to another run, which differs in: {other}; finish that one, or delete "
                             f"{part} and {notes}")
    if not done:
        reserve(part, tuple(images.shape))
    heatmaps = np.lib.format.open_memmap(part, "r+")
    if heatmaps.shape != tuple(images.shape) or heatmaps.dtype != np.float32:
        raise ValueError(f"{part} holds another array than was begun there; delete it and {notes}")
    first = on.asarray(images[:1])
    size = default_batch_size(first, batch_size)

    def explain_batch(batch):
        x = on.asarray(np.asarray(images[batch], dtype=np.float32))
        targets = target if target is None or np.ndim(target) == 0 else like(x, np.asarray(target)[batch])
        return to_numpy(explain(net, x, targets))
    batches = [slice(n, min(n + size, N)) for n in range(done, N, size)]
    results = parallel_map(explain_batch, batches, workers=workers if on is np else 1)
    for batch in progress(batches, "explaining", quiet):
        heatmaps[batch] = next(results)
        heatmaps.flush()                                    # first the results, then the word that they are there
        with draft_of(notes) as draft:
            draft.write_text(json.dumps({**run, "done": batch.stop}))
    del heatmaps
    os.replace(part, path)
    notes.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def progress_of(notes: pathlib.Path) -> tuple[dict, int]:
    """What the file beside a part says of the run that began it.

    Parameters
    ----------
    notes : the file.

    Returns
    -------
    What was run, as a dictionary, and how many images are done.

    Raises
    ------
    ValueError : a damaged file.
    """
    try:
        before = json.loads(notes.read_text())
        return before, int(before.pop("done"))
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{notes} is damaged; delete it to begin anew") from error


def reserve(path: pathlib.Path, shape: tuple[int, ...]) -> None:
    """Make a .npy file for float32 numbers, with all of its room on the disk taken at once.

    If there were no room later, writing to the file through a memory map would end the process without a word.

    Parameters
    ----------
    path : the file.
    shape : of its array.

    Raises
    ------
    OSError : not enough room on the disk.
    """
    try:
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            size = 4 * math.prod(shape)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, file.tell() + size)
            else:
                for n in range(0, size, 2 ** 20):
                    file.write(bytes(min(2 ** 20, size - n)))
    except OSError as error:
        path.unlink(missing_ok=True)
        needed = f"{os.strerror(error.errno or 0)}, {4 * math.prod(shape) / 2 ** 20:,.1f} MiB are needed"
        raise OSError(error.errno, needed, str(path)) from error


def called(value: Callable) -> str:
    """A method in words, the same in every process: its name and its options."""
    if hasattr(value, "func"):                              # a functools.partial
        options = ", ".join(f"{name}={called(option)}" for name, option in getattr(value, "keywords", {}).items())
        return f"{called(value.func)}({options})"
    if inspect.ismethod(value):                             # the object decides, not the name of its method
        return f"{value.__func__.__qualname__} of {value.__self__}"
    return getattr(value, "__qualname__", None) or str(value)


def digest(value: Array | None) -> str:
    """A short name for a value, the same for the same value."""
    return hashlib.sha256(np.asarray(-1 if value is None else value).tobytes()).hexdigest()[:16]


def fingerprint(net: Network) -> str:
    """A short name for a network, the same for the same layers and weights."""
    found = hashlib.sha256(repr([net, *(layer.settings() for layer in net.layers)]).encode())
    net.map_arrays(lambda array: found.update(np.ascontiguousarray(to_numpy(array)).tobytes()))
    return found.hexdigest()[:16]
