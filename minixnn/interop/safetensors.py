"""Reading a safetensors file: a length, a table of contents in JSON, and the numbers. Nothing in it is executed.

    8 bytes     n, the length of the table, least significant byte first
    n bytes     {"name": {"dtype": "F32", "shape": [64, 3, 3, 3], "data_offsets": [begin, end]}, ...}
    the rest    the arrays; offsets count from here, numbers have their least significant byte first

The format is so small that reading it here costs less than a dependency. No more memory is taken than twice the size of
the file: arrays may not share bytes, and the table has at most `LONGEST` bytes.
"""
import json
import math
import os
from pathlib import Path

import numpy as np

from minixnn.arrays import Array

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
         "U8": "u1", "BOOL": "?"}
LONGEST = 2 ** 24               # bytes of a table: enough for 100,000 arrays


def read_safetensors(path: Path | str) -> dict[str, Array]:
    """The arrays of a safetensors file by name; bfloat16 becomes float32. ValueError if the file is damaged."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LONGEST):
            raise ValueError(f"{path} is not a safetensors file, or is cut off: it has {size} bytes, its table of "
                             f"contents is said to have {length}")
        try:
            table = json.loads(file.read(length))
            entries = {name: _entry(entry) for name, entry in table.items() if name != "__metadata__"}
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is not a safetensors file: its table of contents cannot be read ({error!r})"
                             ) from error
        used = sum(end - begin for *_, begin, end in entries.values())
        if used > size - 8 - length:
            raise ValueError(f"{path} is not a safetensors file, or is damaged: its arrays are said to have {used} "
                             f"bytes, there are {size - 8 - length}; each must have bytes of its own")
        return {name: _array(file, 8 + length, size, dtype, shape, begin, end, f"{path}: {name}")
                for name, (dtype, shape, begin, end) in entries.items()}


def _entry(entry):
    """(dtype, shape, begin, end) of an entry of the table, all of them of the right kind."""
    shape, (begin, end) = entry["shape"], entry["data_offsets"]
    for number in (*shape, begin, end):
        if type(number) is not int or number < 0:
            raise ValueError(f"{number!r} in place of a size")
    if begin > end or len(shape) > 32:
        raise ValueError(f"shape {shape} at bytes {begin} to {end}")
    return str(entry["dtype"]), tuple(shape), begin, end


def _array(file, start, size, dtype, shape, begin, end, name):
    """One array, once it is sure that the file holds all of it."""
    if dtype not in TYPES:
        raise ValueError(f"{name}: numbers of type {dtype!r} are not supported; expected one of {', '.join(TYPES)}")
    kind = np.dtype(TYPES[dtype])
    if not 0 <= begin <= end <= size - start or end - begin != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{name}: an array of shape {shape} and type {dtype} cannot lie at bytes {begin} to {end} "
                         f"of {size - start}; the file is cut off or damaged")
    file.seek(start + begin)
    array = np.frombuffer(file.read(end - begin), kind).reshape(shape)
    if dtype != "BF16":
        return array
    return (array.astype(np.uint32) << 16).view(np.float32)         # bfloat16 is the upper half of a float32
