"""Pictures from files, in the form a network sees them; heatmaps to files.

Reading PNG and JPEG needs Pillow, which comes with matplotlib; .npy files need neither.
"""
import pathlib

import numpy as np

from minixnn.layers import AvgPool2d, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool2d, SumPool2d
from minixnn.layers.windows import pixels_to_add

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".npy")


def find(paths):
    """The files among `paths`; a folder stands for the pictures in it, in the order of their names."""
    files = []
    for path in map(pathlib.Path, paths):
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
        files += inside
    return files


def read(path, shape=None, invert=False):
    """(picture, note): the file as float32 in [0, 1] of `shape` (height, width, channels), and what was done for it.

    A size of None keeps the file's own. Transparency is laid on white, colour is turned to grey where one channel
    is asked for, and the size is changed bilinearly; the note says so. invert: 1 - picture, for dark ink on white
    paper. ValueError if the file is no picture.
    """
    height, width, channels = shape or (None, None, None)
    if pathlib.Path(path).suffix.lower() == ".npy":
        picture = np.load(path, allow_pickle=False)
        picture = picture[..., None] if picture.ndim == 2 else picture
        if picture.ndim != 3 or picture.dtype.kind not in "fu":
            raise ValueError(f"holds an array of shape {picture.shape} and type {picture.dtype}, expected one picture "
                             "(height, width, channels), in floating point or uint8")
        if height and picture.shape != (height, width, channels):
            raise ValueError(f"holds a picture of shape {picture.shape}, the network asks for {shape}; resize it")
        picture = picture / np.float32(255) if picture.dtype == np.uint8 else picture.astype(np.float32)
        return 1 - picture if invert else picture, ""
    from PIL import Image, ImageOps
    with Image.open(path) as file:
        image, notes = ImageOps.exif_transpose(file), []
        if image.mode.startswith("I") or image.mode == "F":             # 16 or 32 bits of grey
            grey = np.asarray(image, np.float32)
            image = Image.fromarray(np.uint8(255 * grey / max(grey.max(), 1)))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            notes.append("laid on white")
        if channels == 1 and image.mode not in ("L", "1"):
            notes.append("turned to grey")
        image = image.convert("L" if channels == 1 else "RGB")
        if height and image.size != (width, height):
            notes.append(f"resized from {image.width} x {image.height} to {width} x {height}")
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    picture = np.asarray(image, np.float32) / np.float32(255)
    picture = picture[..., None] if picture.ndim == 2 else picture
    return 1 - picture if invert else picture, ", ".join(notes)


def asked_for(net):
    """(height, width, channels) of the images `net` takes, found from its layers; None where any size will do.

    Channels are those of the first convolution. A network that flattens its features fixes the size: the one
    square whose features are as many as the dense layer takes.
    """
    first = next((layer for layer in net.layers if isinstance(layer, (Conv2d, Dense))), None)
    if isinstance(first, Dense):
        inputs = first.W.shape[0]
        for channels in (1, 3):
            side = round((inputs / channels) ** 0.5)
            if side * side * channels == inputs:
                return side, side, channels
        raise ValueError(f"{first!r} takes {inputs} inputs, which are no square picture; give --size")
    if first is None:
        raise ValueError(f"{net!r} has no Conv2d or Dense layer to tell what pictures it takes; give --size")
    channels = first.W.shape[2]
    if not any(isinstance(layer, Flatten) for layer in net.layers):
        return None, None, channels
    fitting = [side for side in range(1, 513) if _fits(net, side)]
    if not fitting:
        raise ValueError("no square picture of up to 512 pixels fits the network; give --size")
    usual = [side for side in (224, 227, 256, 28, 32, 40, 64, 128) if side in fitting]
    side = (usual or fitting)[0]
    return side, side, channels


def _fits(net, side):
    """Whether a picture of side x side pixels has as many features as the first dense layer takes."""
    size, channels = (side, side), None
    for layer in net.layers:
        if isinstance(layer, (Conv2d, MaxPool2d, AvgPool2d, SumPool2d)):
            kernel = layer.W.shape[:2] if isinstance(layer, Conv2d) else layer.size
            channels = layer.W.shape[3] if isinstance(layer, Conv2d) else channels
            pads = pixels_to_add(layer.padding, size, kernel, layer.stride)
            size = tuple((n + sum(p) - k) // s + 1 for n, p, k, s in zip(size, pads, kernel, layer.stride))
            if min(size) < 1:
                return False
        elif isinstance(layer, GlobalAvgPool):
            size = (1, 1)
        elif isinstance(layer, Dense):
            return size[0] * size[1] * channels == layer.W.shape[0]
    return True
