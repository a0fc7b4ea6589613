"""The architectures of the shipped networks and the recipe that trained each."""
import json
import pathlib
import time

import numpy as np

from minixnn import datasets
from minixnn.layers import Conv2d, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool2d, ReLU
from minixnn.layers.base import Layer
from minixnn.models import recall
from minixnn.models.vit import digits as nearby_digits
from minixnn.models.vit import vit
from minixnn.network import Network

DATA = pathlib.Path(__file__).parents[1] / "data"
RECORD = DATA / "models.json"


def dense(rng: np.random.Generator, bias: bool = True) -> Network:
    """784-512-100-10 for the 28 x 28 digits, all fully connected."""
    return Network([Flatten(), Dropout(0.2),
                    Dense.random(784, 512, rng, bias), ReLU(), Dropout(0.4),
                    Dense.random(512, 100, rng, bias), ReLU(),
                    Dense.random(100, 10, rng, bias, init="glorot")])


def dense_no_bias(rng: np.random.Generator) -> Network:
    """The same without biases: nothing can absorb relevance."""
    return dense(rng, bias=False)


def cnn(rng: np.random.Generator) -> Network:
    """Three blocks of 3x3 convolution, ReLU and max pooling, then two dense layers. No biases."""
    return Network([*block(1, 32, rng, bias=False), *block(32, 64, rng, bias=False), *block(64, 128, rng, bias=False),
                    Flatten(), Dropout(0.3), Dense.random(4 * 4 * 128, 256, rng, bias=False), ReLU(), Dropout(0.5),
                    Dense.random(256, 10, rng, bias=False, init="glorot")])


def cluttered_gap(rng: np.random.Generator) -> Network:
    """For 40 x 40 cluttered digits; ends in global average pooling and one linear layer, as CAM asks."""
    return Network([*block(1, 16, rng), *block(16, 32, rng),
                    Conv2d.random(3, 32, 64, rng), ReLU(), Conv2d.random(3, 64, 64, rng), ReLU(),
                    GlobalAvgPool(), Dense.random(64, 10, rng, init="glorot")])


def cluttered_dense(rng: np.random.Generator) -> Network:
    """For 40 x 40 cluttered digits; ends in two dense layers, where CAM does not apply and Grad-CAM does."""
    return Network([*block(1, 16, rng), *block(16, 32, rng), *block(32, 64, rng),
                    Flatten(), Dropout(0.3), Dense.random(5 * 5 * 64, 128, rng), ReLU(), Dropout(0.5),
                    Dense.random(128, 10, rng, init="glorot")])


def block(channels_in: int, channels_out: int, rng: np.random.Generator, bias: bool = True) -> list[Layer]:
    """Convolution, ReLU, pooling to half the size (rounded up)."""
    return [Conv2d.random(3, channels_in, channels_out, rng, bias), ReLU(), MaxPool2d(2, padding="same")]


def digits() -> tuple:
    """Training digits, moved by up to two pixels each time they are seen; test digits."""
    from minixnn.datasets import shifted
    return datasets.mnist("train"), datasets.mnist("test"), lambda batch, rng: shifted(batch, rng, reach=2)


def scenes() -> tuple:
    """60,000 new cluttered scenes per epoch from the training digits; 10,000 from the test digits."""
    def new(epoch):
        return datasets.cluttered_mnist(60_000, seed=1000 + epoch, split="train")[:2]
    return (new, None), datasets.cluttered_mnist(10_000, seed=1, split="test")[:2], None


# name: (architecture, data, epochs, Adam's learning rate)
RECIPES = {
    "dense": (dense, digits, 40, 1e-3),
    "dense_no_bias": (dense_no_bias, digits, 40, 1e-3),
    "cnn": (cnn, digits, 18, 1e-3),
    "cluttered_gap": (cluttered_gap, scenes, 12, 2e-3),
    "cluttered_dense": (cluttered_dense, scenes, 10, 1e-3),
    "vit": (vit, nearby_digits, 12, 2e-3),
    "recall": (recall.recall, recall.task, 10, 3e-3),
}
SEEDS = {"recall": 2}                           # the one of 0, 1 and 2 with a single head for the letter before
# name: what goes on the network's card
DIGITS, SCENES = ({"input_shape": (side, side, 1), "head": "Softmax", "fit": "squash"} for side in (28, 40))
CARDS: dict[str, dict] = {
    "dense": DIGITS, "dense_no_bias": DIGITS, "cnn": DIGITS, "cluttered_gap": SCENES, "cluttered_dense": SCENES,
    "generator": {"input_shape": (100,)}, "vit": DIGITS,
    "recall": {"input_shape": (recall.LENGTH,), "head": "Softmax", "labels": tuple(recall.DIGITS)}}


def train(name: str, seed: int | None = None, epochs: int | None = None) -> Network:
    """Train a network by its recipe, save its weights (float16), and record its accuracy on test data.

    Parameters
    ----------
    name : one of RECIPES, or "generator".
    seed : of all random numbers; None for that of the recipe.
    epochs : how often the training data are gone through; None for those of the recipe.

    Returns
    -------
    The trained Network, in float32.

    Raises
    ------
    KeyError : a name without a recipe.
    """
    from minixnn.train import Adam, accuracy, fit
    seed = SEEDS.get(name, 0) if seed is None else seed
    if name == "generator":
        return train_generator(seed, epochs or 4)
    architecture, data, usual, learning_rate = RECIPES[name]
    epochs = usual if epochs is None else epochs
    rng = np.random.default_rng(seed)
    net = architecture(rng)
    (images, labels), test, augment = data()
    print(net.describe(x=test[0][:1]), flush=True)
    start = time.perf_counter()
    fit(net, images, labels, epochs=epochs, rng=rng, optimizer=Adam(learning_rate, decay=0.01), augment=augment)
    net.with_card(**CARDS[name]).save(DATA / f"{name}.npz", dtype=np.float16)
    seconds = time.perf_counter() - start
    note(name, accuracy(Network.load(DATA / f"{name}.npz"), *test), seed, epochs, len(test[0]), seconds)
    return net


def train_generator(seed: int = 0, epochs: int = 4) -> Network:
    """Train the generator, save its weights, and record how many redrawn test digits "dense" still recognises."""
    from minixnn.synthesis import generator
    from minixnn.train import accuracy
    start = time.perf_counter()
    net = generator.train(seed, epochs)
    seconds = time.perf_counter() - start
    net.with_card(**CARDS["generator"]).save(DATA / "generator.npz", dtype=np.float16)
    images, labels = datasets.mnist("test")
    redrawn = Network.load(DATA / "generator.npz").predict(generator.encoder().predict(images))
    note("generator", accuracy(Network.load(DATA / "dense.npz"), redrawn, labels), seed, epochs, len(images), seconds)
    return net


def note(name: str, accuracy: float, seed: int, epochs: int, test_images: int, seconds: float) -> None:
    """Write the entry of a network in data/models.json."""
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    known[name] = {"accuracy": accuracy, "seed": seed, "epochs": epochs, "test_images": test_images}
    RECORD.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    print(f"{name}: {accuracy:.2%} of {test_images} test images, {seconds:.0f} s of training")
