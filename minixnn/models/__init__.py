"""The networks that come with minixnn: their architectures, their weights, and the recipe that trained each.

    net = models.load("cnn")                    # weights from minixnn/data/cnn.npz
    python -m minixnn.models train cnn         # the run that made them; the same seed, the same network

Test images are looked at once, after training; what was found is in data/models.json.
"""
import json

from minixnn.models import vgg
from minixnn.models.recipes import CARDS, DATA, RECIPES, RECORD, train
from minixnn.models.vgg import vgg_input
from minixnn.network import Network

__all__ = ["RECIPES", "load", "names", "record", "train", "vgg_input"]


def names():
    """What `load` knows: the classifiers, the generator of digits, and VGG-16's convolutions (in a checkout only)."""
    return sorted([*RECIPES, "generator", "vgg16_features"])


def load(name):
    """The trained network `name`, in float32, and what it expects, on its card. ValueError if there is none."""
    if name not in names():
        raise ValueError(f"got model {name!r}, expected one of {', '.join(names())}")
    if name == "vgg16_features":
        return vgg.features()
    return Network.load(DATA / f"{name}.npz").with_card(**CARDS[name])


def record(name):
    """What is known of the shipped network: accuracy on the test images, seed, epochs."""
    return json.loads(RECORD.read_text())[name]
