"""A network brought over from a framework with channels first, by hand: as it should be, and with a mistake each.

`EXPECTED` is what the other side computes of the images X, written as loops. `imported(mistake)` is the network here.
"""
import numpy as np

from minixnn import AvgPool2d, BatchNorm2d, Conv2d, Dense, Flatten, MaxPool2d, Network, ReLU

RNG = np.random.default_rng(0)
# channels first: kernels (O, C, kh, kw), dense weights (O, I), rows numbered c h w
KERNEL, BIAS = RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)
GAMMA, BETA, MEAN, VARIANCE, EPSILON = RNG.normal(size=4), RNG.normal(size=4), RNG.normal(size=4), RNG.random(4), 0.1
WEIGHTS, OFFSET = RNG.normal(size=(16, 16)), RNG.normal(size=16)
X = RNG.random((2, 8, 8, 3))    # channels last, as images are here


def other_side(image):
    """Convolution, stride 2, one pixel of padding; batch norm; ReLU; average pool of 3, stride 2, padding 1; dense."""
    framed = np.zeros((3, 10, 10))
    framed[:, 1:9, 1:9] = image
    a = np.array([[[(framed[:, 2 * i:2 * i + 3, 2 * j:2 * j + 3] * KERNEL[o]).sum() + BIAS[o]
                    for j in range(4)] for i in range(4)] for o in range(4)])
    shape = (4, 1, 1)
    a = (a - MEAN.reshape(shape)) / np.sqrt(VARIANCE.reshape(shape) + EPSILON) * GAMMA.reshape(shape)
    a = np.maximum(a + BETA.reshape(shape), 0)
    framed = np.zeros((4, 6, 6))
    framed[:, 1:5, 1:5] = a
    a = np.array([[[framed[o, 2 * i:2 * i + 3, 2 * j:2 * j + 3].sum() / 9 for j in range(2)] for i in range(2)]
                  for o in range(4)])
    return WEIGHTS @ a.reshape(-1) + OFFSET


EXPECTED = np.array([other_side(image.transpose(2, 0, 1)) for image in X])


def imported(mistake=None):
    """The network with channels last, with the mistake of that name or none."""
    kernel = KERNEL.transpose(3, 2, 1, 0) if mistake == "rows and columns of a kernel exchanged" else (
        KERNEL.transpose(2, 3, 1, 0))
    if mistake == "a kernel turned by half a circle":
        kernel = kernel[::-1, ::-1]
    if mistake == "red and blue exchanged":
        kernel = kernel[:, :, ::-1]
    padding = {"padding at the other end": ((0, 1), (0, 1)), "padding called same": "same"}.get(mistake, 1)
    if mistake == "padding at the other end":
        padding = ((0, 2), (0, 2))
    conv = Conv2d(kernel, None if mistake == "bias forgotten" else BIAS, 2, padding)
    mean, variance = (VARIANCE, abs(MEAN)) if mistake == "mean and variance exchanged" else (MEAN, VARIANCE)
    scale, shift = (BETA, GAMMA) if mistake == "scale and shift exchanged" else (GAMMA, BETA)
    norm = BatchNorm2d(scale, shift, mean, variance, 1e-5 if mistake == "epsilon left at its default" else EPSILON)
    pool = AvgPool2d(3, 2, 1, count_padding=mistake != "padding not counted in the mean")
    if mistake == "maximum in place of the mean":
        pool = MaxPool2d(3, 2, 1)
    rows = WEIGHTS.T.reshape(4, 2, 2, 16).transpose(1, 2, 0, 3).reshape(16, 16)        # c h w -> h w c
    if mistake == "rows of the dense layer in the other order":
        rows = WEIGHTS.T
    if mistake == "dense weights not transposed":
        rows = rows.T
    relu = [] if mistake == "activation forgotten" else [ReLU()]
    return Network([conv, norm, *relu, pool, Flatten(), Dense(rows, OFFSET)])


WRONG = ["rows and columns of a kernel exchanged", "a kernel turned by half a circle", "red and blue exchanged",
         "padding at the other end", "padding called same", "bias forgotten", "mean and variance exchanged",
         "scale and shift exchanged", "epsilon left at its default", "padding not counted in the mean",
         "maximum in place of the mean", "rows of the dense layer in the other order", "dense weights not transposed",
         "activation forgotten"]
