"""Pictures from files, in the form that a network takes: the same steps for every kind of file.

    decode      a file becomes an array (H, W, C)
    scale       its numbers become pixels in [0, 1], or are refused where white is not known
    fit         channels and size become those that are wanted

A note says what is done to a picture. Reading PNG, JPEG and so on, and changing sizes, needs Pillow.
"""
from __future__ import annotations

import pathlib
import warnings
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from minixnn.arrays import Array, to_numpy
from minixnn.spelling import meant

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

Shape: TypeAlias = tuple[int | None, ...]       # (height, width, channels), None where any will do

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".npy")
MOST_PIXELS = 4096 * 4096       # of a picture that is explained: its activations would not fit into memory
MOST_READ = 8192 * 8192         # of a file that is made smaller
LARGE = 2048 * 2048             # a picture with more pixels is made smaller before its bytes become floats
GREY = np.array([0.299, 0.587, 0.114], np.float32)              # ITU-R BT.601, as Pillow has it


def find(paths: list[str], endings: tuple | None = PICTURES) -> list[pathlib.Path]:
    """The files among `paths`; a folder stands for the pictures in it, in the order of their names.

    endings: of the files that count as pictures; None: all do.
    """
    files: list[pathlib.Path] = []
    for path in [found for text in paths for found in named(text)]:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if not (p.is_dir() or p.name.startswith("."))
                            and (endings is None or p.suffix.lower() in endings))
            if not inside:
                there = sorted(p.name + "/" * p.is_dir() for p in path.iterdir() if not p.name.startswith("."))
                raise ValueError((f"the folder {path} has no files in it" if endings is None else
                                  f"the folder {path} has no pictures in it ({', '.join(endings)})")
                                 + (f", but {', '.join(there[:3])}{', ...' * (len(there) > 3)}" if there else "")
                                 + "; folders in a folder are not opened, so give them" * any("/" in p for p in there))
            files += inside
            others = sorted(p.name for p in path.iterdir() if p not in inside and not p.name.startswith("."))
            if others:
                warnings.warn(f"{len(others)} in the folder {path} left out, folders or no pictures by their names: "
                              f"{', '.join(others[:3])}{', ...' * (len(others) > 3)}", stacklevel=2)
        else:
            files.append(path)
    missing = [text for text in paths if not named(text)[0].exists()]
    apart = next((" ".join(paths[i:j]) for i in range(len(paths)) for j in range(i + 2, min(len(paths), i + 8) + 1)
                  if pathlib.Path(" ".join(paths[i:j])).exists()), None) if missing else None
    if apart:
        raise ValueError(f"there is no such file as {missing[0]}; to name {apart}, put it between quotes: \"{apart}\"")
    return list(dict.fromkeys(files))


def named(text: str) -> list[pathlib.Path]:
    """The files that a word of the command line names; a pattern such as *.jpg, if the shell left it as it is."""
    path = pathlib.Path(text)
    if path.exists():
        return [path]
    if "://" in text:
        local = text.removeprefix("file://")
        raise ValueError(f"{text} is an address; " + (f"give the file, {local}" if local != text else
                                                      "download the picture, and give the file"))
    path = path.expanduser()
    found = sorted(path.parent.glob(path.name)) if any(sign in path.name for sign in "*?[") else []
    return found or [path]


def read(path: str | PathLike, shape: Shape = (None, None, None), invert: bool = False, fit: str | None = None,
         pixels: int = 1) -> tuple[Array, str]:
    """(picture, note): the file as float32 of `shape` (height, width, channels), and what was done for it.

    A None keeps the file's own. invert: 1 - picture, for dark ink on white paper. fit, pixels: as on a network's card.
    ValueError if it is no picture.
    """
    array, notes = decode(path, shape[2])
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ValueError(f"holds an array of shape {array.shape}, expected one picture (height, width, channels)")
    picture = finish(array, shape, invert, notes, fit, pixels)
    return picture, ", ".join(notes)


def finish(array: Array, shape: Shape, invert: bool, notes: list[str], fit: str | None = None,
           pixels: int = 1) -> Array:
    """An array (H, W, C) of any numbers as a picture of `shape` in float32; what is done is added to `notes`."""
    array = reduced(array, shape, notes, fit)
    picture = scale(array, notes, pixels)
    if invert:
        if picture.min() < 0 or picture.max() > 1:
            raise ValueError(f"holds numbers from {picture.min():.3g} to {picture.max():.3g}, which cannot be "
                             "inverted; expected 0 (black) to 1 (white)")
        picture = 1 - picture
    size = [n for n in shape[:2] if n is not None]
    if fit == "crop" and len(size) == 2:
        picture = cut(picture, size, notes)
    picture = fitted(picture, shape, notes, fit)
    if dark_on_light(picture):
        notes.append("dark ink on light paper" + (", after --invert; leave that out" if invert else "; give --invert")
                     + " if the network was trained on light ink, as those for digits were")
    return picture


def reduced(array: Array, shape: Shape, notes: list[str], fit: str | None = None) -> Array:
    """A large array of bytes (H, W, 1 or 3) made smaller by means over whole squares, before it becomes floats.

    It stays four times as high and wide as what is wanted, so that resizing has something to choose from.
    """
    height, width, channels = array.shape
    if array.dtype != np.uint8 or height * width <= LARGE or channels not in (1, 3):
        return array
    size = [n for n in shape[:2] if n is not None]
    if len(size) < 2:
        expect_few(height, width)
        return array
    array = cut(array, size, notes) if fit == "crop" else array
    times = min(n // (4 * m) for n, m in zip(array.shape, size))
    if times < 2:
        return array
    from PIL import Image
    notes.append(f"reduced from {array.shape[0]} x {array.shape[1]} by means over {times} x {times} pixels")
    small = np.asarray(Image.fromarray(np.ascontiguousarray(array[..., 0] if channels == 1 else array)).reduce(times))
    return small.reshape(*small.shape[:2], channels)


def expect_few(height: int, width: int) -> None:
    """Refuse more pixels than can be explained."""
    if height * width > MOST_PIXELS:
        raise ValueError(f"has {height} x {width} pixels, expected at most {MOST_PIXELS}; give a smaller --size")


def dark_on_light(picture: Array) -> bool:
    """Whether a picture of one channel is light along its edges and has something dark within."""
    if picture.shape[2] != 1 or min(picture.shape[:2]) < 3:
        return False
    edges = np.concatenate([picture[[0, -1]].ravel(), picture[1:-1, [0, -1]].ravel()])
    return bool(np.median(edges) > 0.6 and picture.mean() > 0.5 and picture.min() < np.median(edges) - 0.3)


def cut(picture: Array, size: Sequence[int], notes: list[str]) -> Array:
    """The largest part in the middle of a picture (H, W, C) that has the proportions of `size` (height, width)."""
    scale = min(n / m for n, m in zip(picture.shape, size))
    height, width = (max(1, round(m * scale)) for m in size)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    if (height, width) != picture.shape[:2]:
        notes.append(f"cut to the {height} x {width} pixels in its middle")
    return picture[top:top + height, left:left + width]


def decode(path: str | PathLike, channels: int | None = None) -> tuple[Array, list[str]]:
    """(array, notes): what is in a .npy file as it is; a picture as (H, W) or (H, W, 3), 8 or 16 bits or floats.

    channels: how many are wanted; a file that has as many, and other than 1 or 3, is taken as it is.
    """
    path = pathlib.Path(path)
    expect_file(path)
    return (load(path), []) if path.suffix.lower() == ".npy" else decode_picture(path, channels)


def expect_file(path: pathlib.Path) -> None:
    """Refuse what is not there, and what may never end, as a device or a pipe."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(f"{path} is a link to {path.readlink()}, and there is no such file")
    if not path.exists():
        there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"there is no such file as {path}{meant(path.name, there)}")
    if not path.is_file():
        raise ValueError("is no file that could be read")


class NoPixels(ValueError):
    """A file of a kind that is known and holds no pixels. The sentence says what to do."""


def expect_pixels(path: pathlib.Path) -> None:
    """Refuse by name what people take for a picture and Pillow does not read."""
    with open(path, "rb") as file:
        head = file.read(256)
    brand, begin = head[8:12], head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise NoPixels("is an empty file; copy or download it again")
    if head[4:8] == b"ftyp" and brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
        raise NoPixels("is a HEIC picture, as telephones take them, which Pillow does not read; save it as JPEG or PNG")
    if head[4:8] == b"ftyp" and brand not in (b"avif", b"avis"):
        raise NoPixels("is a film or another container; save one picture of it as JPEG or PNG")
    if begin.startswith(b"<svg") or begin.startswith(b"<?xml") and path.suffix.lower() == ".svg":
        raise NoPixels("is a drawing of lines (SVG), which has no pixels; save it as PNG")
    if begin.startswith(b"%pdf"):
        raise NoPixels("is a PDF, which has no pixels of its own; save its page as PNG")
    if head.startswith(b"PK\3\4"):
        raise NoPixels("is an archive (.zip, .npz, .docx), not a picture; give the pictures in it, arrays as .npy")
    if begin.startswith((b"<!doctype html", b"<html")):
        raise NoPixels("is a web page, not the picture on it; download the picture itself")


def load(path: pathlib.Path) -> np.ndarray:
    """The array of a .npy file, left on the disk until it is used."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "object" in str(error):
            raise ValueError("holds Python objects, expected an array of numbers") from error
        raise
    if not isinstance(array, np.ndarray):
        raise ValueError("is a .npz archive by another name, expected a single array")
    if array.size == 0:
        raise ValueError(f"holds an empty array of shape {array.shape}")
    return array


def decode_picture(path: pathlib.Path, channels: int | None = None) -> tuple[Array, list[str]]:
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("reading pictures needs Pillow, which is not installed; give .npy files, or install it with: "
                          "pip install pillow") from error
    expect_pixels(path)
    try:
        opened = Image.open(path)
    except UnidentifiedImageError as error:
        raise ValueError("is no picture of a kind that Pillow reads, or is damaged") from error
    with opened as file:
        notes, frames = [], getattr(file, "n_frames", 1)
        if file.width * file.height > MOST_READ:
            raise ValueError(f"has {file.width} x {file.height} pixels, expected at most {MOST_READ}; make it smaller")
        if frames > 1:
            notes.append(f"the first of {frames} frames")
        image = ImageOps.exif_transpose(file) if file.getexif().get(0x0112, 1) != 1 else file       # without a copy
        if image.mode == "F" or image.mode.startswith("I"):
            return grey_numbers(image, file.format), notes
        if len(image.getbands()) == channels and channels not in (1, 3):
            notes.append(f"its {channels} channels ({', '.join(image.getbands())}) taken as they are")
            return np.asarray(image), notes
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            notes.append("laid on white")
            return np.asarray(image.convert("RGB")), notes
        kind = "L" if image.mode in ("L", "1") else "RGB"
        return np.asarray(image if image.mode == kind else image.convert(kind)), notes


def grey_numbers(image: Opened, format: str | None) -> Array:
    """A picture of one channel with more than 8 bits. Pillow opens 16 bits of a PNG as 32 bits, or as 16."""
    array = np.asarray(image)
    if image.mode.startswith("I;16") or image.mode == "I" and format == "PNG":
        return array.astype(np.uint16)
    if image.mode == "F":
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError(f"holds floating-point numbers from {array.min():.4g} to {array.max():.4g}, expected 0 "
                             "(black) to 1 (white)")
        return array
    raise ValueError("holds signed or 32-bit whole numbers, of which it is not known what is white; save it with 8 or "
                     "16 bits without a sign, or as a .npy file of numbers from 0 to 1")


def scale(array: Array, notes: list[str], pixels: int = 1) -> Array:
    """Numbers of any type as float32: whole ones by the largest that their type holds, floats as they are.

    pixels: the largest that the network takes; floats from 0 to 255 are divided for a network that takes them so.
    """
    kind = array.dtype
    if kind == np.uint8:
        return array / np.float32(255)
    if kind == np.uint16:
        notes.append("16 bits, divided by 65535")
        return array / np.float32(65535)
    if kind == np.bool_:
        notes.append("true is white")
        return array.astype(np.float32)
    if kind.kind != "f":
        raise ValueError(f"holds numbers of type {kind}, of which it is not known what is white; expected uint8, "
                         "uint16, or floating point from 0 (black) to 1 (white)")
    with np.errstate(over="ignore"):                        # said below
        picture = to_numpy(array).astype(np.float32)
    if not np.isfinite(picture).all():
        raise ValueError("holds NaN or infinite numbers" if not np.isfinite(array).all() else
                         "holds numbers too large for single precision")
    if pixels == 255 and picture.min() >= 0 and 1 < picture.max() <= 255:
        notes.append("numbers from 0 to 255, as the network takes them")
        return picture / np.float32(255)
    if picture.min() < 0 or picture.max() > 1:
        bytes_ = bool(picture.min() >= 0 and 2 < picture.max() <= 255)
        notes.append(f"numbers from {picture.min():.3g} to {picture.max():.3g} taken as they are"
                     + "; if they are pixels up to 255, write array.astype('uint8')" * bytes_)
    return picture


def fitted(picture: Array, shape: Shape, notes: list[str], fit: str | None = None) -> Array:
    """A picture (H, W, C) with the channels and of the size that are wanted; None: as it is."""
    height, width, channels = shape
    if channels not in (None, picture.shape[2]):
        if picture.shape[0] == channels and picture.shape[2] not in (1, 3):
            raise ValueError(f"holds an array of shape {picture.shape}, expected (height, width, {channels}); if "
                             "channels come first, write array.transpose(1, 2, 0)")
        if {channels, picture.shape[2]} != {1, 3}:
            white = ", once its transparency is laid on white" * ("laid on white" in notes)
            raise ValueError(f"has {picture.shape[2]} channels{white}, the network takes {channels}")
        if channels == 1:
            notes.append("turned to grey")
        picture = (picture @ GREY)[..., None] if channels == 1 else picture.repeat(3, axis=2)
    size = picture.shape[0] if height is None else height, picture.shape[1] if width is None else width
    expect_few(*size)
    if size != picture.shape[:2]:
        change = size[0] * picture.shape[1] / (size[1] * picture.shape[0])
        squashed = ", squashed" + ", as nothing says that it is to be cut (--fit crop)" * (fit is None)
        notes.append(f"resized from {picture.shape[0]} x {picture.shape[1]} to {size[0]} x {size[1]}"
                     + squashed * (abs(change - 1) > 0.02))
        picture = resize(picture, size, fit == "crop")
    return np.ascontiguousarray(picture, np.float32)


def resize(picture: Array, size: tuple[int, ...], bicubic: bool = False) -> Array:
    """Bilinearly or bicubically, and smoothed where it becomes smaller, channel by channel. size: (height, width)

    Bicubically with 8 bits, as the photographs were resized that classifiers are trained on.
    """
    from PIL import Image
    bicubic = bicubic and picture.min() >= 0 and picture.max() <= 1
    kind = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    channels = np.ascontiguousarray(picture.transpose(2, 0, 1))
    if bicubic:
        channels = (255 * channels + 0.5).astype(np.uint8)
    height, width = size
    resized = np.stack([np.asarray(Image.fromarray(channel).resize((width, height), kind)) for channel in channels],
                       axis=-1)
    return resized / np.float32(255) if bicubic else resized


class Batch:
    """The images of a 4-D .npy file, prepared when they are asked for: `len`, `shape` and slices, as of an array."""

    def __init__(self, array: Array, shape: Shape, invert: bool, fit: str | None = None, pixels: int = 1) -> None:
        self.array, self.how, self.last = array, (shape, invert), (fit, pixels)
        self.notes: list[str] = []
        self.shape = (len(array), *finish(array[0], *self.how, self.notes, *self.last).shape)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, part):
        first, stop, step = part.indices(len(self))
        pictures = []
        for n in range(first, stop, step):
            try:
                pictures.append(finish(self.array[n], *self.how, [], *self.last))
            except ValueError as error:
                raise ValueError(f"image {n} {error}") from error
        return np.stack(pictures)
