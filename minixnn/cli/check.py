"""`minixnn check`: is a network computed, differentiated and explained as it should be, in every layer?"""
import sys

import numpy as np

from minixnn.checks.networks import IMAGES, check_network
from minixnn.checks.properties import CheckFailed
from minixnn.layers import Dense


def run(net, x, rules=None, target=None, path=None):
    """Print the table of `check_network`; 1 where something does not hold, else 0. path: the file it came from."""
    expected, note = outputs_of(path, x) if str(path).endswith(".onnx") else (None, "")
    try:
        print(check_network(net, x, target, rules, expected, quiet=False))
    except CheckFailed as failure:
        print(failure)
        return 1
    finally:
        if note:
            print(f"minixnn: {note}", file=sys.stderr)
    return 0


def noise(net, shape):
    """Images of random pixels, for want of pictures. shape: (height, width, channels), as the network asks."""
    if None in shape:
        raise ValueError(f"the network takes images of any size, and {shape[2]} channels; give pictures or --size, "
                         "such as --size 64x64")
    return np.random.default_rng(0).random((IMAGES, *shape), dtype=np.float32)


def vectors(net):
    """Random inputs of a network that begins with a dense layer; None where it does not."""
    if not isinstance(net.layers[0], Dense):
        return None
    return np.random.default_rng(0).normal(size=(IMAGES, net.layers[0].W.shape[0])).astype(np.float32)


def outputs_of(path, x):
    """(what the ONNX file itself computes of the images x, ""), or (None, why that is not known)."""
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x
    try:
        import onnxruntime
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
        parts = [x] if not isinstance(batch, int) else [x[n:n + batch] for n in range(0, len(x), batch)]
        y = np.concatenate([session.run(None, {name: part})[0] for part in parts])
    except ImportError:
        return None, "onnxruntime is not installed, so outputs were not compared with those of the file itself"
    except Exception as error:                  # of many kinds: images of another size than the file is for, say
        return None, f"onnxruntime could not run the file on these images, so outputs were not compared: {error}"
    return (y.transpose(0, 2, 3, 1) if y.ndim == 4 else y), ""
