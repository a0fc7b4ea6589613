"""`minixnn check net.onnx [pictures]`: is a network computed and differentiated as it should be, in every layer?"""
import sys
from argparse import Namespace

import numpy as np

from minixnn.arrays import Array
from minixnn.card import largest_pixel, written
from minixnn.cli import images
from minixnn.cli.errors import say
from minixnn.cli.expected import expected, open_model
from minixnn.network import Network

IMAGES = 4                  # checked at a time
TYPES = {"tensor(uint8)": np.uint8, "tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(double)": np.float64}


def check(asked: Namespace) -> int:
    """Print the table of `check_network`; 1 where something does not hold, else 0."""
    from minixnn.checks import CheckFailed, check_network           # which need hypothesis, as no other command does
    net = open_model(asked.model, asked.size)
    x = inputs(net, asked)
    outputs, note = outputs_of(asked.model, x, net.card.layout) if asked.model.endswith(".onnx") else (None, "")
    if note:
        print(f"minixnn: {note}", file=sys.stderr)
    try:
        print(check_network(net, x, asked.target, None, outputs, quiet=False))
    except CheckFailed as failure:
        print(failure)
        return 1
    return 0


def inputs(net: Network, asked: Namespace) -> Array:
    """The pictures that were given, as many as are checked at a time; else noise of the shape that the net expects."""
    rng, shape, largest = np.random.default_rng(0), net.card.input_shape, largest_pixel(net.card, net.layers[0])
    if shape is not None and None not in shape and len(shape) == 2 and not asked.images:        # a sequence
        return rng.random((IMAGES, *shape), dtype=np.float32)
    known = expected(net, asked.size)
    if known.sequence is not None:
        raise ValueError(f"the network takes sequences, (steps, channels) = {written(known.sequence)}; check looks at "
                         "such noise where the number of steps is known, and at no files: "
                         "give the network a card with it, net.with_card(input_shape=(steps, channels))")
    height, width, channels = known.picture
    if asked.images:
        paths, found = images.find(asked.images), []
        for path in paths[:IMAGES]:
            picture, notes = images.read(path, (height, width, channels), asked.invert, net.card.fit, largest)
            say(f"{path}: {notes or 'as it is'}")
            found.append(picture)
        if len(paths) > IMAGES:
            print(f"the first {IMAGES} of {len(paths)} pictures are looked at")
        if len({picture.shape for picture in found}) != 1:
            raise ValueError("the pictures are of several sizes; give --size")
        x = np.stack(found)
    else:
        shape = (known.row,) if known.row else (height, width, channels or 1)
        if None in shape:
            raise ValueError(f"the network takes images of any size, of {shape[-1]} channels; give pictures or --size, "
                             "such as --size 64x64")
        x = rng.random((IMAGES, *shape), dtype=np.float32)
    return x if largest == 1 or x.ndim == 2 else (x * largest).round()


def outputs_of(path: str, x: Array, layout: str | None) -> tuple[Array | None, str]:
    """(what the ONNX file itself computes of the images x, ""), or (None, why that is not known)."""
    first = layout == "channels first"
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if first else x
    try:
        import onnxruntime
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
        x = x.astype(TYPES.get(session.get_inputs()[0].type, x.dtype))
        parts = [x] if not isinstance(batch, int) else [x[n:n + batch] for n in range(0, len(x), batch)]
        y = np.concatenate([session.run(None, {name: part})[0] for part in parts])
    except ImportError:
        return None, "onnxruntime is not installed, so outputs were not compared with those of the file itself"
    except Exception as error:                  # of many kinds: images of another size than the file is for, say
        return None, f"onnxruntime could not run the file on these images, so outputs were not compared: {error}"
    images_out = first and y.ndim in (4, x.ndim)            # such as the importer has with their channels last
    return (np.moveaxis(y, 1, -1) if images_out else y), ""
