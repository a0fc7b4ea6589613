"""Images to explain: the MNIST digits, scenes made from them, and photographs.

Nothing is downloaded. Images are float32 in [0, 1], channels last; every random choice is made by a seed or a generator
that the caller gives, so that the same call gives the same images on every machine.
"""
import functools
import gzip
import hashlib
import math
import pathlib
import zipfile
import zlib

import numpy as np

from minixnn.arrays import Array, array_module, like

DATA = pathlib.Path(__file__).parent / "data"
# of the checkout that the package is in; else of the one that the process runs in, as a notebook beside a wheel does
CHECKOUTS = (pathlib.Path(__file__).parents[1], pathlib.Path.cwd(), *pathlib.Path.cwd().parents)
PHOTOS = next((found for found in (root / "lessons" / "data" / "photos" for root in CHECKOUTS) if found.is_dir()),
              CHECKOUTS[0] / "lessons" / "data" / "photos")

# File, SHA-256 of its decompressed bytes, length of the header, shape of what follows.
FILES = {
    ("train", "images"): ("train-images-idx3-ubyte.gz", 16, (60000, 28, 28),
                          "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train", "labels"): ("train-labels-idx1-ubyte.gz", 8, (60000,),
                          "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("test", "images"): ("t10k-images-idx3-ubyte.gz", 16, (10000, 28, 28),
                         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("test", "labels"): ("t10k-labels-idx1-ubyte.gz", 8, (10000,),
                         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def mnist(split: str) -> tuple[Array, Array]:
    """The MNIST digits, LeCun et al. 1998.

    The files are checked against their published SHA-256 once per process.

    Parameters
    ----------
    split : "train", 60,000 digits, or "test", 10,000 digits.

    Returns
    -------
    Images (N, 28, 28, 1), float32 in [0, 1], bright ink on a background of zeros; and labels (N,), int64. Both are
    copies of the caller's own.

    Raises
    ------
    ValueError : an unknown split, or a file that is damaged.
    FileNotFoundError : a file that is missing.
    """
    images, labels = _digits(split)
    return images[..., None] / np.float32(255), labels.astype(np.int64)


def cluttered_mnist(n: int, seed: int, split: str = "train", size: int = 40, pieces: int = 8,
                    piece: int = 8) -> tuple[Array, Array, Array]:
    """Digits at random places among pieces of other digits, after Mnih et al. 2014, section 4.1.

    Each image is a background of zeros. One whole digit lies anywhere on it; square pieces cut from other digits lie
    anywhere else. In the paper pieces may cover the digit; here they keep off its box, so that all ink inside the box
    belongs to the digit and all ink outside does not: a heatmap can be scored. (A piece that finds no free place in 50
    draws is left out, which happens on backgrounds much smaller than 40 pixels.) Each digit of the split is used once
    before any is used again: 10,000 images of the test split hold every test digit exactly once.

    Parameters
    ----------
    n : how many images.
    seed : of all random choices.
    split : "train", 60,000 digits, or "test", 10,000 digits.
    size : pixels of an image, high and wide, at least 28.
    pieces : in each image.
    piece : pixels of a piece, high and wide, from 1 to 20.

    Returns
    -------
    Images (n, size, size, 1), float32 in [0, 1]; labels (n,), int64, of the whole digit; and boxes (n, 4), int64: top,
    left, bottom, right, tight around its ink, so that image[top:bottom, left:right] holds it.

    Raises
    ------
    ValueError : an unknown split, or a number out of these bounds.
    """
    digits, labels = _digits(split)
    _expect_whole("n", n, 1)
    _expect_whole("size", size, 28)
    _expect_whole("pieces", pieces, 0)
    if not 1 <= piece <= 20:
        raise ValueError(f"got piece={piece}, expected 1 to 20: MNIST's ink fills a square of 20 pixels")
    rng = np.random.default_rng(seed)
    chosen = np.resize(rng.permutation(len(digits)), n)
    canvas = np.zeros((n, size, size), np.uint8)
    places = rng.integers(0, size - 27, (n, 2))
    boxes = _boxes(digits[chosen], places)
    _paint(canvas, digits[chosen], places)
    for _ in range(pieces):
        others = (chosen + rng.integers(1, len(digits), n)) % len(digits)       # never the digit itself
        top, left = rng.integers(4, 25 - piece, (2, n))                         # from the square that holds the ink
        cut = _windows(digits, piece, piece)[others, top, left]
        _paint(canvas, cut, _places_beside(boxes, size, piece, rng))
    return canvas[..., None] / np.float32(255), labels[chosen].astype(np.int64), boxes


def digit_pairs(n: int, seed: int, split: str = "test", size: int = 40, same: bool | None = None) -> tuple[Array, ...]:
    """Two digits side by side in one image, each anywhere in its half. For Grad-CAM++ and for two targets at once.

    Parameters
    ----------
    n : how many images.
    seed : of all random choices.
    split : "train", 60,000 digits, or "test", 10,000 digits.
    size : pixels of each half, high and wide, at least 28.
    same : True for two digits of one class, False for different classes, None for either.

    Returns
    -------
    Images (n, size, 2 size, 1), float32 in [0, 1]; labels (n, 2), int64, left digit first; and boxes (n, 2, 4), int64:
    top, left, bottom, right, tight around the ink of either.

    Raises
    ------
    ValueError : an unknown split, a number out of these bounds, or another `same`.
    """
    digits, labels = _digits(split)
    _expect_whole("n", n, 1)
    _expect_whole("size", size, 28)
    if same not in (True, False, None):
        raise ValueError(f"got same={same!r}, expected True (one class twice), False (two classes) or None (either)")
    rng = np.random.default_rng(seed)
    first = np.resize(rng.permutation(len(digits)), n)
    step = {True: np.zeros(n, int), False: rng.integers(1, 10, n), None: rng.integers(0, 10, n)}[same]
    classes = (labels[first] + step) % 10
    of_class = np.argsort(labels, kind="stable")                # all the zeros, then all the ones, ...
    count = np.bincount(labels, minlength=10)
    start = np.cumsum(count) - count
    second = of_class[start[classes] + rng.integers(0, count[classes])]
    canvas = np.zeros((n, size, 2 * size), np.uint8)
    boxes = np.empty((n, 2, 4), np.int64)
    for half, chosen in enumerate((first, second)):
        places = rng.integers(0, size - 27, (n, 2)) + (0, half * size)      # the right half begins at column `size`
        boxes[:, half] = _boxes(digits[chosen], places)
        _paint(canvas, digits[chosen], places)
    return canvas[..., None] / np.float32(255), labels[np.stack([first, second], 1)].astype(np.int64), boxes


def shifted(images: Array, rng: np.random.Generator, reach: int = 2) -> Array:
    """Every image moved by its own whole number of pixels, up to `reach` in each direction, zeros filling in.

    A digit that has moved is still that digit: training draws new copies every epoch, and never sees the same twice.

    Parameters
    ----------
    images : (N, H, W, C), NumPy or CuPy, any dtype.
    rng : the numpy.random.Generator that draws the shifts.
    reach : pixels, 0 or more.

    Returns
    -------
    A new array like `images`.

    Raises
    ------
    ValueError : other axes, an rng that is no Generator, a reach below 0.
    TypeError : what is no array.
    """
    _expect_whole("reach", reach, 0)
    array_module(images)                        # refuses what is not an array
    if not hasattr(rng, "integers"):
        raise ValueError(f"got rng={rng!r}, expected a numpy.random.Generator such as numpy.random.default_rng(0)")
    if images.ndim != 4:
        raise ValueError(f"got images of shape {images.shape}, expected (N, H, W, C); reshape them first")
    n, height, width, channels = images.shape
    padded = array_module(images).zeros((n, height + 2 * reach, width + 2 * reach, channels), images.dtype)
    padded[:, reach:reach + height, reach:reach + width] = images
    down, right = rng.integers(0, 2 * reach + 1, (2, n))
    rows = down[:, None] + np.arange(height)
    columns = right[:, None] + np.arange(width)
    return padded[like(images, np.arange(n)[:, None, None]), like(images, rows[:, :, None]),
                  like(images, columns[:, None, :])]


def photo(name: str, size: int | None = None) -> Array:
    """A photograph, such as "chelsea" (a cat), "coffee" or "castle". Needs Pillow.

    The photographs are part of a checkout only, not of the installed package: lessons/data/photos, where
    ATTRIBUTION.txt says whose they are.

    Parameters
    ----------
    name : of a photograph; or the path of a file of yours, of which the square in its middle is taken.
    size : pixels, high and wide; None for those of the file, 256 or 448.

    Returns
    -------
    (H, W, 3) float32 in [0, 1], red first.

    Raises
    ------
    ValueError : an unknown name, or a file that is no picture.
    FileNotFoundError : no checkout.
    ImportError : Pillow is not installed.
    """
    if pathlib.Path(name).is_file():
        from minixnn.cli import images
        return images.read(name, (size, size, 3), fit="crop")[0]
    if not PHOTOS.is_dir():
        raise FileNotFoundError(f"there is no folder {PHOTOS}: the photographs come with the repository, not with the "
                                "installed package; clone the repository and run from there")
    names = sorted(path.stem for path in PHOTOS.glob("*.jpg"))
    if name not in names:
        raise ValueError(f"got photo {name!r}, expected one of {', '.join(names)}")
    from PIL import Image
    with Image.open(PHOTOS / f"{name}.jpg") as image:
        picture = image.convert("RGB")
        if size is not None:
            picture = picture.resize((size, size), Image.Resampling.BICUBIC)
        return np.asarray(picture, np.float32) / np.float32(255)


def record(name: str) -> dict[str, Array]:
    """Numbers that were measured once for a lesson. Part of a checkout only (lessons/data), like the photographs.

    Parameters
    ----------
    name : "selectivity" for lesson 5.2, "reading" for 7.7.

    Returns
    -------
    {name: array}.

    Raises
    ------
    FileNotFoundError : an unknown name, or no checkout.
    """
    path = PHOTOS.parent / f"{name}.npz"
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: records come with the repository, not with the installed "
                                "package; clone the repository and run from there")
    with np.load(path) as arrays:
        return dict(arrays)


def sources() -> dict[str, bytes]:
    """Thirty-one Python files: the thirty longest of minixnn 0.2 in November 2026, and progress.py.

    For networks that tell the type of a file. They are kept as they were then, so that what is measured on them stays.

    Returns
    -------
    {name: bytes}.
    """
    with zipfile.ZipFile(DATA / "sources.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def words() -> dict[str, list[list[str]]]:
    """600 English words and their pronunciations.

    From the CMU Pronouncing Dictionary (data/LICENSE-cmudict.txt): drawn at random among the 5,000 words of three to
    ten letters that are most frequent.

    Returns
    -------
    {"city": [["S", "IH1", "T", "IY0"], ...]}, in alphabetical order.
    """
    lines = (DATA / "words.txt").read_text(encoding="utf-8").splitlines()
    return {word: [each.split() for each in ways.split(" | ")] for word, ways in (line.split("  ") for line in lines)}


@functools.cache
def _digits(split):
    """Images (N, 28, 28) and labels (N,) of a split as they lie in the files, uint8, not to be written to."""
    if split not in ("train", "test"):
        raise ValueError(f'got split {split!r}, expected "train" (60,000 digits) or "test" (10,000 digits)')
    arrays = []
    for kind in ("images", "labels"):
        name, header, shape, digest = FILES[split, kind]
        data = _verified(DATA / name, digest, header + math.prod(shape))
        arrays.append(np.frombuffer(data, np.uint8, offset=header).reshape(shape))
    return arrays


def _verified(path, digest, size):
    """The decompressed bytes of a file, if they are the published ones. No more than `size` of them are unpacked."""
    remedy = f"restore it with: git checkout -- minixnn/data/{path.name} (or install minixnn anew)"
    if not path.exists():
        raise FileNotFoundError(f"the data file {path} is missing; {remedy}")
    try:
        with gzip.open(path) as file:
            data = file.read(size + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"the data file {path} is truncated or damaged ({error}); {remedy}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ValueError(f"the data file {path} is not the published one: SHA-256 of its content is {found}, "
                         f"expected {digest}; {remedy}")
    return data


def _windows(images, height, width, writeable=False):
    """Every window of an (N, H, W) array without copying: result[n, top, left] is a (height, width) picture."""
    return np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2), writeable=writeable)


def _places_beside(boxes, size, piece, rng):
    """A corner (top, left) for a square of `piece` pixels clear of each box; (-1, -1) where 50 draws found none."""
    places = np.full((len(boxes), 2), -1)
    for _ in range(50):
        waiting = np.flatnonzero(places[:, 0] < 0)
        draw = rng.integers(0, size - piece + 1, (len(waiting), 2))
        clear = (draw + piece <= boxes[waiting, :2]) | (draw >= boxes[waiting, 2:])     # above or below, left or right
        clear = clear.any(axis=1)
        places[waiting[clear]] = draw[clear]
    return places


def _paint(canvas, pictures, places):
    """Lay pictures[n] on canvas[n] with its corner at places[n], the brighter pixel winning; none where it is -1."""
    who = np.flatnonzero(places[:, 0] >= 0)
    top, left = places[who].T
    windows = _windows(canvas, *pictures.shape[1:], writeable=True)
    windows[who, top, left] = np.maximum(windows[who, top, left], pictures[who])


def _boxes(pictures, places):
    """Top, left, bottom, right of the ink of pictures[n] laid at places[n]; bottom and right are just past it."""
    rows, columns = pictures.any(axis=2), pictures.any(axis=1)
    corners = np.stack([rows.argmax(1), columns.argmax(1),
                        28 - rows[:, ::-1].argmax(1), 28 - columns[:, ::-1].argmax(1)], axis=1)
    return corners + np.tile(places, 2)


def _expect_whole(name, value, least):
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"got {name}={value!r}, expected a whole number, {least} or more")
