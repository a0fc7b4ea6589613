"""Layers and rules as slow, obvious loops: what the fast code of minixnn is compared with.

Nothing here calls a verb of minixnn. A layer is unrolled into its connections: for every output k the list of
(j, w), every input j that output k sees and the weight w it has there, and the bias b_k. Inputs and outputs are
numbered in the order of a flattened image (row, column, channel). A padded pixel is no input, and has no number.

The rules then are the papers' double sums over these connections. Numbers are exact fractions: a sum that is
zero on paper is zero here, so that the conventions for zero denominators can be compared too.
"""
import math
from fractions import Fraction
from itertools import product

import numpy as np

from minixnn.layers import AdaptiveAvgPool2d, AvgPool2d, ChannelScale, Conv2d, Dense, GlobalAvgPool, MaxPool2d


def pads(padding, n, k, s):
    """(before, after) along one side of n pixels, for windows of k pixels, s apart."""
    if padding == "valid":
        return 0, 0
    outputs = -(-n // s)                            # ceil(n / s)
    short = 0
    while (n + short - k) // s + 1 < outputs or n + short < k:
        short += 1
    return short // 2, short - short // 2


def windows(layer, shape, kernel):
    """{(row, column) of an output pixel: [(i, j, row, column) of each real pixel in its window]}, row by row.

    (i, j) is the place in the window, (row, column) the place in the image (H, W).
    """
    (H, W), (kh, kw), (sh, sw) = shape, kernel, layer.stride
    if isinstance(layer.padding, str):
        (top, bottom), (left, right) = pads(layer.padding, H, kh, sh), pads(layer.padding, W, kw, sw)
    else:
        (top, bottom), (left, right) = layer.padding
    found = {}
    for out_row, first_row in enumerate(range(-top, H + bottom - kh + 1, sh)):
        for out_column, first_column in enumerate(range(-left, W + right - kw + 1, sw)):
            found[out_row, out_column] = [
                (i, j, first_row + i, first_column + j) for i in range(kh) for j in range(kw)
                if 0 <= first_row + i < H and 0 <= first_column + j < W]
    return found


def shares(n, k):
    """(first, past the last) pixel of each of the k windows that share out n pixels."""
    return [((i * n) // k, math.ceil(Fraction((i + 1) * n, k))) for i in range(k)]


def output_shape(layer, shape):
    """The shape of the output for one image of `shape`."""
    if isinstance(layer, Dense):
        return layer.W.shape[1:]
    if isinstance(layer, ChannelScale):
        return tuple(shape)
    if isinstance(layer, GlobalAvgPool):
        return (shape[2],)
    if isinstance(layer, AdaptiveAvgPool2d):
        return *layer.size, shape[2]
    is_conv = isinstance(layer, Conv2d)
    rows, columns = zip(*windows(layer, shape[:2], layer.W.shape[:2] if is_conv else layer.size))
    return max(rows) + 1, max(columns) + 1, layer.W.shape[3] if is_conv else shape[2]


def connections(layer, shape):
    """[[(j, w), ...] for every output k], [b_k for every output k]: the layer, unrolled for images of `shape`."""
    if isinstance(layer, Dense):
        weights, bias = exact(layer.W), bias_of(layer, layer.W.shape[1])
        return [[(j, weights[j][k]) for j in range(len(weights))] for k in range(layer.W.shape[1])], bias
    if isinstance(layer, ChannelScale):
        scale, bias = exact(layer.W), bias_of(layer, shape[-1])
        places = list(product(*map(range, shape)))
        return [[(j, scale[place[-1]])] for j, place in enumerate(places)], [bias[place[-1]] for place in places]
    H, W, C = shape
    if isinstance(layer, GlobalAvgPool):
        return [[((h * W + w) * C + c, Fraction(1, H * W)) for h in range(H) for w in range(W)]
                for c in range(C)], [Fraction(0)] * C
    found, biases = [], []
    if isinstance(layer, AdaptiveAvgPool2d):
        for top, bottom in shares(H, layer.size[0]):
            for left, right in shares(W, layer.size[1]):
                weight = Fraction(1, (bottom - top) * (right - left))
                pixels = [h * W + w for h in range(top, bottom) for w in range(left, right)]
                found += [[(pixel * C + c, weight) for pixel in pixels] for c in range(C)]
        return found, [Fraction(0)] * len(found)
    if isinstance(layer, Conv2d):
        kernel, outputs = exact(layer.W), layer.W.shape[3]
        bias = bias_of(layer, outputs)
        for window in windows(layer, (H, W), layer.W.shape[:2]).values():
            for o in range(outputs):
                found.append([((h * W + w) * C + c, kernel[i][j][c][o]) for i, j, h, w in window for c in range(C)])
                biases.append(bias[o])
        return found, biases
    for window in windows(layer, (H, W), layer.size).values():
        weight = Fraction(1)
        if isinstance(layer, AvgPool2d):
            weight = Fraction(1, layer.size[0] * layer.size[1] if layer.count_padding else len(window))
        for c in range(C):
            found.append([((h * W + w) * C + c, weight) for _, _, h, w in window])
            biases.append(Fraction(0))
    return found, biases


def forward(layer, x):
    """y of an affine layer, image by image and output by output."""
    links, b = connections(layer, x.shape[1:])
    y = [[b[k] + sum(image[j] * w for j, w in links[k]) for k in range(len(links))] for image in images(x)]
    return as_array(y, (len(x), *output_shape(layer, x.shape[1:])))


def gradient(layer, x, dy):
    """dL/dx of an affine layer: every output hands w dy to each of its inputs."""
    links, _ = connections(layer, x.shape[1:])
    dx = [[Fraction(0)] * (x[0].size) for _ in x]
    for n, signal in enumerate(images(dy)):
        for k, ours in enumerate(links):
            for j, w in ours:
                dx[n][j] += w * signal[k]
    return as_array(dx, x.shape)


def winners(layer, x):
    """{(n, k): j}: the input that is the maximum of window k of image n, the first of them in reading order."""
    assert isinstance(layer, MaxPool2d)
    _, H, W, C = x.shape
    found = {}
    for n, image in enumerate(images(x)):
        for place, window in enumerate(windows(layer, (H, W), layer.size).values()):
            for c in range(C):
                best = None
                for _, _, h, w in window:
                    j = (h * W + w) * C + c
                    if best is None or image[j] > image[best]:
                        best = j
                found[n, place * C + c] = best
    return found


def max_pool(layer, x):
    y = [[Fraction(0)] * int(np.prod(output_shape(layer, x.shape[1:]))) for _ in x]
    flat = images(x)
    for (n, k), j in winners(layer, x).items():
        y[n][k] = flat[n][j]
    return as_array(y, (len(x), *output_shape(layer, x.shape[1:])))


def winner_takes_all(layer, x, R):
    received = [[Fraction(0)] * x[0].size for _ in x]
    relevance = images(R)
    for (n, k), j in winners(layer, x).items():
        received[n][j] += relevance[n][k]
    return as_array(received, x.shape)


def relevance(layer, x, R, rule, **knobs):
    """`rule`, one of the papers' in vectors/oracle.py, on every image: the relevance of the inputs, shaped as x."""
    links, b = connections(layer, x.shape[1:])
    knobs = {name: Fraction(float(value)) if np.isscalar(value) else value for name, value in knobs.items()}
    received = [[Fraction(0)] * x[0].size for _ in x]
    for n, (image, relevances) in enumerate(zip(images(x), images(R))):
        for k, ours in enumerate(links):
            for j, share in zip((j for j, _ in ours), rule([(image[j], w) for j, w in ours], b[k], (), **knobs)):
                received[n][j] += share * relevances[k]
    return as_array(received, x.shape)


def exact(array):
    """The array as nested lists of fractions."""
    if array.ndim == 0:
        return Fraction(float(array))
    return [exact(part) for part in array]


def bias_of(layer, outputs):
    return [Fraction(0)] * outputs if layer.b is None else exact(layer.b)


def images(x):
    """One flat list of fractions per image."""
    return [exact(np.asarray(image, dtype=float).reshape(-1)) for image in x]


def as_array(rows, shape):
    return np.array([[float(v) for v in row] for row in rows]).reshape(shape)
