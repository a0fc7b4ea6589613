"""A network that draws digits: from the hidden layer of a classifier back to the image.

    code = encoder().forward(images)            # (N, 100): the last hidden layer of a classifier, standardised
    images = models.load("generator").forward(code)

How it learns, after Dosovitskiy & Brox 2016. Three things are asked of the image x' = g(c(x)) drawn from the code of
a digit x, because one alone does not do: pixels alone give a blur, features alone a noise that the classifier takes
for the digit, and a discriminator alone digits that have nothing to do with the code.

    image        ||x' - x||^2               the pixels are those of the digit
    feature      ||h(x') - h(x)||^2         so are the features of a lower layer h of the classifier
    adversarial  -log d(x')                 a discriminator d, trained meanwhile to tell drawn digits from real ones,
                                            takes it for real. Goodfellow et al. 2014
"""

import numpy as np

from minixnn import datasets
from minixnn.arrays import Array, array_module, like
from minixnn.layers import ChannelScale, Dense, Dropout, Flatten, ReLU, Sigmoid, Unflatten
from minixnn.network import Network
from minixnn.progress import progress
from minixnn.train import Adam, backpropagate, backward, cosine, cross_entropy, update

CLASSIFIER = "dense_no_bias"        # whose hidden layer is the code
CODE_LAYERS, FEATURE_LAYERS = 7, 4  # how many of its layers make up the encoder c, and the features h
REAL, DRAWN = 1, 0                  # what the discriminator says


def architecture(rng: np.random.Generator) -> Network:
    """The generator g as it is trained.

    Parameters
    ----------
    rng : the numpy.random.Generator of the first weights.

    Returns
    -------
    A Network from a hidden layer (N, 100) to images (N, 28, 28, 1) in [0, 1].
    """
    return Network([Dense.random(100, 512, rng), ReLU(),
                    Dense.random(512, 784, rng, init="glorot"), Sigmoid(), Unflatten((28, 28, 1))])


def new_discriminator(rng: np.random.Generator) -> Network:
    """The discriminator d. Needed for training only.

    Parameters
    ----------
    rng : the numpy.random.Generator of the first weights.

    Returns
    -------
    A Network from images (N, 28, 28, 1) to two outputs, DRAWN and REAL.
    """
    return Network([Flatten(), Dense.random(784, 256, rng), ReLU(), Dropout(0.3),
                    Dense.random(256, 128, rng), ReLU(), Dropout(0.3),
                    Dense.random(128, 2, rng, init="glorot")])


def hidden() -> Network:
    """The classifier up to its last hidden layer: images (N, 28, 28, 1) -> (N, 100)."""
    return Network.load(datasets.DATA / f"{CLASSIFIER}.npz").part(0, CODE_LAYERS)


def encoder() -> Network:
    """The network that computes codes which `models.load("generator")` turns back into images.

    Codes are the hidden layer, standardised: over the training digits each number has mean 0 and variance 1. So the
    code 0 is the mean of all digits, and ||z||^2 says how far away z is. The generator's first two layers undo it.

    Returns
    -------
    A Network from images (N, 28, 28, 1) to codes (N, 100).
    """
    scale = Network.load(datasets.DATA / "generator.npz").layers[0].arrays()                           # h = z W + b
    return hidden().then(Network([ChannelScale(1 / scale["W"], -scale["b"] / scale["W"])]))


def fit(generator: Network, discriminator: Network, encoder: Network, images: Array, rng: np.random.Generator,
        epochs: int = 4, learning_rate: float = 1e-3, batch_size: int = 100, image: float = 1.0,
        feature: float = 1.0, adversarial: float = 10.0, memory: float = 0.998,
        quiet: bool = False) -> list[dict[str, float]]:
    """Train `generator` and `discriminator`, in place and in turns.

    Parameters
    ----------
    generator : from what the encoder computes to images.
    discriminator : from images to the outputs DRAWN and REAL.
    encoder : from images to what the generator starts from.
    images : (N, 28, 28, 1), in [0, 1].
    rng : the numpy.random.Generator that shuffles and drops out.
    epochs : how often the images are gone through.
    learning_rate : of both optimisers at the start, falling to 0 along a cosine.
    batch_size : images a step.
    image, feature, adversarial : weights of the three terms of the loss, see the module.
    memory : the generator becomes a running average of the one that learns, which keeps this share of itself each step.
        Two networks that learn against each other never come to rest, their average does.
    quiet : whether nothing is printed.

    Returns
    -------
    A list with one dictionary per epoch: the mean of each term, and the discriminator's loss.

    Raises
    ------
    ValueError : images that the networks do not take.
    """
    codes = encoder.predict(images, 1000)
    features = encoder.part(0, FEATURE_LAYERS)
    average = [a.copy() for a in parameters(generator)]
    drawing, judging = (Adam(learning_rate, beta1=0.5) for _ in range(2))           # beta1 as Radford et al. 2016
    history = []
    truth = np.repeat([REAL, DRAWN], batch_size)
    for epoch in range(epochs):
        order, sums = rng.permutation(len(images)), [0, 0, 0, 0]
        batches = order[:len(order) // batch_size * batch_size].reshape(-1, batch_size)
        for step, batch in enumerate(progress(batches, f"epoch {epoch + 1}/{epochs}", quiet)):
            share = (epoch + step / len(batches)) / epochs
            drawing.learning_rate = judging.learning_rate = learning_rate * cosine(share)
            batch = like(images, batch)
            x, A = images[batch], generator.trace(codes[batch])
            drawn = A[-1]
            # The discriminator's turn: real and drawn digits side by side, and the usual cross-entropy.
            judged, _, gradients = backpropagate(discriminator, array_module(x).concatenate([x, drawn]), truth, rng)
            update(judging, discriminator, gradients)
            # The generator's turn: dL/dx' of each term, then back through the generator to its weights.
            H, V = features.trace(drawn), discriminator.trace(drawn)
            missing = H[-1] - features.forward(x)
            fooled, dv = cross_entropy(V[-1], truth[:batch_size])                   # it wants to hear REAL
            dx = image * (drawn - x) / batch_size
            dx += feature * backward(features, H, missing / batch_size, to_input=True)[1]
            dx += adversarial * backward(discriminator, V, dv, to_input=True)[1]
            update(drawing, generator, backward(generator, A, dx)[0])
            for mean, a in zip(average, parameters(generator)):
                mean += (1 - memory) * (a - mean)
            sums = [s + term for s, term in zip(sums, (square(drawn - x), square(missing), fooled, judged))]
        means = [float(s) / len(batches) for s in sums]
        history.append(dict(zip(("image", "feature", "adversarial", "discriminator"), means)))
        if not quiet:
            print(f"epoch {epoch + 1}  " + "  ".join(f"{k} {v:.3f}" for k, v in history[-1].items()), flush=True)
    for mean, a in zip(average, parameters(generator)):
        a[...] = mean
    return history


def parameters(net: Network) -> list[Array]:
    """All parameter arrays of a network, in a list."""
    return [a for layer in net.layers for a in layer.arrays().values() if a is not None]


def square(x: Array) -> Array:
    """The mean over the batch of ||x||^2."""
    return (x * x).sum() / len(x)


def train(seed: int = 0, epochs: int = 4, quiet: bool = False) -> Network:
    """The recipe of the shipped generator; run it with: python -m minixnn.models train generator

    Parameters
    ----------
    seed : of all random numbers.
    epochs : how often the training digits are gone through.
    quiet : whether nothing is printed.

    Returns
    -------
    A Network from codes (N, 100) of mean 0 and variance 1 to images (N, 28, 28, 1).
    """
    rng = np.random.default_rng(seed)
    images, _ = datasets.mnist("train")
    net, code = architecture(rng), hidden()
    fit(net, new_discriminator(rng), code, images, rng, epochs=epochs, quiet=quiet)
    h = code.predict(images, 1000)
    return Network([ChannelScale(h.std(axis=0), h.mean(axis=0)), ReLU()]).then(net)         # ReLU: no h is below 0
