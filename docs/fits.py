"""Writes the tables of docs/fits.md: which rules and methods fit which layers, tried out on two small networks.

    python docs/fits.py             after a change of layers, rules or their sentences; a test says when
"""
import pathlib
import warnings

import numpy as np

from minixnn import Network, attribution, layers

PAGE = pathlib.Path(__file__).with_name("fits.md")
BEGIN, END = "<!-- written by docs/fits.py: begin {} -->\n", "<!-- end -->\n"


def image_net():
    """Every kind of layer that images or vectors go through."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
    conv, pointwise = normal(3, 3, 8, 8), normal(1, 1, 8, 8)
    gate = [layers.AdaptiveAvgPool2d(1), layers.Conv2d(pointwise), layers.Sigmoid()]
    between = [layers.LeakyReLU(), layers.PReLU(normal(8)), layers.ELU(), layers.SELU(), layers.GELU(), layers.SiLU(),
               layers.Mish(), layers.Hardswish(), layers.Softplus(), layers.Tanh(), layers.Clip(-1, 1)]
    return Network([
        layers.Conv2d(normal(3, 3, 3, 8), -abs(normal(8))), layers.ReLU(), layers.MaxPool2d(2), layers.Conv2d(conv),
        layers.BatchNorm2d(*rng.normal(size=(3, 8)), rng.random(8) + 0.5), *between,
        layers.Conv2d(normal(3, 3, 1, 8), groups=8), layers.ReLU6(),
        layers.Residual([layers.Conv2d(conv), layers.Hardsigmoid()]), layers.ChannelShuffle(2),
        layers.Branches([[layers.ChannelSelect(0, 4)], [layers.ChannelSelect(4)]], layers.Concat()),
        layers.Branches([[], gate], layers.Multiply()), layers.LayerNorm(), layers.RMSNorm(),
        layers.GroupNorm(groups=2), layers.LocalResponseNorm(), layers.ConvTranspose2d(normal(2, 2, 8, 8), stride=2),
        layers.AvgPool2d(2),
        layers.SumPool2d(2), layers.Upsample(2), layers.Pad(((1, 1), (0, 0), (0, 0))), layers.Slice(1, 1, 3),
        layers.Permute((1, 0, 2)), layers.Reshape((2, 4, 8)), layers.ChannelScale(normal(8)), layers.GlobalAvgPool(),
        layers.Dropout(), layers.Unflatten((2, 2, 2)), layers.Flatten(), layers.Identity(), layers.Dense(normal(8, 6)),
        layers.Softmax(), layers.LogSoftmax(), layers.Dense(normal(6, 4)), layers.Sigmoid()])


def text_net():
    """Tokens, their embeddings and places, and a convolution over the steps."""
    rng = np.random.default_rng(1)
    return Network([layers.Embedding(rng.normal(size=(9, 5))), layers.PositionEmbedding(rng.normal(size=(7, 5))),
                    layers.Conv1d(rng.normal(size=(3, 5, 4))), layers.ReLU(), layers.GlobalMaxPool(),
                    layers.Dense(rng.normal(size=(4, 3)))])


def transformer():
    """Prepared pixels, patches of an image as tokens, and attention."""
    rng = np.random.default_rng(3)
    attention = layers.Attention(*rng.normal(size=(4, 6, 6)) / 3, heads=2, causal=True)
    return Network([layers.Prepare(0.5, 0.25), layers.Conv2d(rng.normal(size=(4, 4, 3, 6)) / 5, stride=4),
                    layers.Tokens(), layers.ClassToken(rng.normal(size=6)),
                    layers.Residual([layers.LayerNorm(), attention]), layers.TakeToken(0),
                    layers.Dense(rng.normal(size=(6, 3)))]).astype(np.float64)


def tables():
    """{name: table as text}"""
    rng = np.random.default_rng(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"images": attribution.fits(image_net(), rng.random((2, 8, 8, 3))),
                "transformer": attribution.fits(transformer(), rng.random((2, 8, 8, 3))),
                "tokens": attribution.fits(text_net(), rng.integers(0, 9, (2, 7)))}


def written():
    """The page with the tables of today."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        before, _, rest = page.partition(BEGIN.format(name))
        page = f"{before}{BEGIN.format(name)}```text\n{table}\n```\n{END}{rest.partition(END)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
