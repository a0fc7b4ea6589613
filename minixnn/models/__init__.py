"""The networks that come with minixnn: their architectures, their weights, and the recipe that trained each.

    net = models.load("cnn")                    # weights from minixnn/data/cnn.npz
    net = models.load("efficientnet_lite0")     # a classifier of photographs: see models/efficientnet.py
    net = models.load("magika")                 # a classifier of file types: see models/magika.py
    net = models.g2p.network(letters=4)         # from letters to sounds, of words of four letters: see models/g2p.py
    net = models.adding.network("lstm0")        # adds two marked numbers: see models/adding.py
    python -m minixnn.models train cnn          # the run that made the weights; the same seed, the same network

Test images are looked at once, after training; what was found is in data/models.json.
"""
import json

from minixnn.models import adding, efficientnet, g2p, magika
from minixnn.models.recipes import CARDS, DATA, RECIPES, RECORD, train
from minixnn.network import Network
from minixnn.spelling import meant

__all__ = ["RECIPES", "adding", "g2p", "load", "names", "record", "train"]

# name: function that loads it. Trained by others; their files say by whom, and under which terms.
PUBLISHED = {"efficientnet_lite0": efficientnet.load, "magika": magika.load}

# Recurrent networks, which are written out for a length, or are several.
BY_LENGTH = {"g2p": "a network for each length: minixnn.models.g2p.network(letters=4, said=0)",
             "adding": "five networks: minixnn.models.adding.network('lstm0')"}


def names() -> list[str]:
    """The names that `load` knows: classifiers trained here and elsewhere, and the generator of digits.

    Returns
    -------
    The names, in alphabetical order.
    """
    return sorted([*RECIPES, "generator", *PUBLISHED])


def load(name: str) -> Network:
    """A trained network, in float32; its card says what it expects.

    Parameters
    ----------
    name : one of `names()`.

    Returns
    -------
    The Network.

    Raises
    ------
    ValueError : an unknown name.

    Examples
    --------
    >>> from minixnn import datasets, models
    >>> images, labels = datasets.mnist("test")
    >>> models.load("cnn").forward(images[:5]).argmax(axis=1), labels[:5]
    (array([7, 2, 1, 0, 4]), array([7, 2, 1, 0, 4]))
    """
    if name in BY_LENGTH:
        raise ValueError(f"got model {name!r}, which has {BY_LENGTH[name]}")
    if name not in names():
        raise ValueError(f"got model {name!r}, expected one of {', '.join(names())}{meant(name, names())}")
    if name in PUBLISHED:
        return PUBLISHED[name]()
    return Network.load(DATA / f"{name}.npz").with_card(**CARDS[name])


def record(name: str) -> dict[str, float]:
    """What was measured of a network that was trained here.

    Parameters
    ----------
    name : one of `names()`.

    Returns
    -------
    A dictionary: "accuracy" on the test images, from 0 to 1, "test_images", how many they are, "seed" and "epochs".

    Raises
    ------
    KeyError : a network that was trained elsewhere, or an unknown name.
    """
    return json.loads(RECORD.read_text())[name]
