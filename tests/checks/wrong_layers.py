"""Layers with one mistake each: `WRONG` has a layer, the shape of one input, and what must name it."""
import numpy as np

from minixnn.arrays import array_module, negative, positive
from minixnn.layers import (Add, Affine, AvgPool2d, BatchNorm2d, Concat, Conv2d, Dense, Elementwise, Layer, LayerNorm,
                            MatMul, MaxPool2d, Multiply, ReLU, Tanh)
from minixnn.layers.base import pass_on
from minixnn.layers.windows import offsets, pad

RNG = np.random.default_rng(0)
W, B = RNG.integers(-3, 4, (3, 2)) / 2.0, np.array([0.5, -1.0])
KERNEL = RNG.integers(-3, 4, (2, 2, 2, 3)) / 2.0


def wrong(name, kind, *given, **methods):
    """A layer of a class of that name: `kind` with other methods, made of what is given."""
    return type(name, (kind,), methods)(*given)


def elementwise(name, forward, derivative, **methods):
    """y = forward(x), and the derivative of (x, y) that the class claims."""
    return wrong(name, Elementwise, forward=lambda self, x: forward(x),
                 derivative=lambda self, x, y: derivative(x, y), **methods)


def moved(name, forward, gradient, **methods):
    """A layer of no family, with a rule: forward of x, and gradient of (x, dy)."""
    return wrong(name, Layer, forward=lambda self, x: forward(x), gradient=lambda self, x, y, dy: gradient(x, dy),
                 rule=staticmethod(pass_on), **methods)


def other_b(found, b):
    """The gradients that were found, with another one of b."""
    return {**found, "b": b}


def tanh(x):
    return array_module(x).tanh(x)


# ------------------------------------------------------------------------------------- mistakes of more than one line

class GradientForgetsAWeight(Dense):
    def gradient(self, x, y, dy):
        W = self.W.copy()
        W[0, 0] += 0.01
        return dy @ W.T


class PoolSharesTies(MaxPool2d):
    """Overlapping windows: the last write wins instead of being added."""

    def gradient(self, x, y, dy):
        pads, size = self.place(x)
        framed = pad(x, pads, -np.inf)
        dx = array_module(x).zeros(framed.shape, dtype=dy.dtype)
        for index in offsets(self.size, self.stride, size):
            won = framed[index] == y
            dx[index] = dx[index] * (~won) + dy * won
        (top, _), (left, _) = pads
        return dx[:, top:top + x.shape[1], left:left + x.shape[2]]


class AffineThatIsNot(Affine):
    def __init__(self, W, b=None):
        self.W, self.b = W, b

    def forward(self, x):
        return positive(x @ self.W + (0 if self.b is None else self.b))

    def gradient(self, x, y, dy):
        return (dy * (y > 0)) @ self.W.T


class WeightsInPlace(Dense):
    def with_weights(self, W, b):
        self.W, self.b = W, b
        return self


class BiasTwice(Dense):
    """with_weights(W, None) is not what is linear in x."""

    def forward(self, x):
        return super().forward(x) + (x[..., :1] * 0 if self.b is None else self.b) + 0.5


class RemembersItsInput(Elementwise):
    def forward(self, x):
        self.x = x
        return x ** 2

    def derivative(self, x, y):
        return 2 * self.x


class WritesIntoItsInput(ReLU):
    def forward(self, x):
        x[x < 0] = 0
        return x


class WritesIntoTheSignal(ReLU):
    def gradient(self, x, y, dy):
        dy *= x > 0
        return dy


class WritesIntoItsOutput(Tanh):
    """gradient is handed y, which the layer above has still to see."""

    def gradient(self, x, y, dy):
        y *= y
        return dy * (1 - y)


class WritesIntoTheReference(ReLU):
    def deeplift(self, x, y, x_ref, y_ref, m):
        m = super().deeplift(x, y, x_ref, y_ref, m)
        x_ref *= 0
        return m


class CountsOnItsClass(ReLU):
    """Remembers where vars(layer) has nothing of it."""
    calls = [0]

    def forward(self, x):
        self.calls[0] += 1
        return super().forward(x) * (1 + self.calls[0] % 2 / 8)


class DerivativeOverflows(Elementwise):
    """A sigmoid whose derivative is infinity over infinity far below zero, where forward is right."""

    def forward(self, x):
        return 0.5 * (1 + tanh(0.5 * x))

    def derivative(self, x, y):
        e = array_module(x).exp(-x)
        return e / (1 + e) ** 2


class HidesItsWeights(Affine):
    """A scaling of channels whose arrays() are empty, so that it cannot be moved or cast."""

    def __init__(self, W):
        self.W, self.b = W, None

    def arrays(self):
        return {}

    def forward(self, x):
        return x * self.W

    def gradient(self, x, y, dy):
        return dy * self.W


class AddsInPlace(Add):
    def forward(self, x):
        y = x[0]
        y += x[1]
        return y


class ThirdInputForgotten(Add):
    def gradient(self, x, y, dy):
        one, other, *rest = super().gradient(x, y, dy)
        return one, other, *(part * 0 for part in rest)


class CutsFromTheBack(Concat):
    def gradient(self, x, y, dy):
        n = x[0].shape[-1]
        return dy[..., -n:], dy[..., :-n]


class CutsInEqualParts(Concat):
    def gradient(self, x, y, dy):
        return tuple(array_module(dy).split(dy, len(x), axis=-1)) if dy.shape[-1] % len(x) == 0 else super().gradient(
            x, y, dy)


class SplitsSigns(Layer):
    """[x+, x-] on the last axis: right, and of no family. Nothing may be found."""

    def forward(self, x):
        return array_module(x).concatenate([positive(x), negative(x)], axis=-1)

    def gradient(self, x, y, dy):
        n = x.shape[-1]
        return dy[..., :n] * (x > 0) + dy[..., n:] * (x < 0)


WRONG = [
    # joins
    (wrong("ForgetsTheCopies", Add, gradient=lambda self, x, y, dy: (dy,) * len(x)), ((2, 3), (1, 3)), "shape"),
    (wrong("AnswersInAList", Add, gradient=lambda self, x, y, dy: list(Add.gradient(self, x, y, dy))), ((3,), (3,)),
     "shape"),
    (AddsInPlace(), ((3,), (3,)), "purity"),
    (wrong("AddsTheMeanOfTheBatch", Add, forward=lambda self, x: x[0] + x[1].mean(axis=0, keepdims=True)),
     ((3,), (3,)), "images apart"),
    (ThirdInputForgotten(), None, "derivative"),
    (wrong("FactorsExchanged", Multiply, gradient=lambda self, x, y, dy: tuple(dy * a for a in x)), ((3,), (3,)),
     "derivative"),
    # y over the factor is the derivative, but for factors of 0
    (wrong("ProductOverTheFactor", Multiply, gradient=lambda self, x, y, dy: tuple(dy * y / (a + (a == 0)) for a in x)),
     ((3,), (3,)), "derivative"),
    (wrong("ProductLiftsByGradient", Multiply,
           deeplift=lambda self, x, y, x_ref, y_ref, m: self.gradient(x, y, m)), ((3,), (3,)), "DeepLIFT"),
    (CutsFromTheBack(), ((2,), (2,)), "derivative"),
    (CutsInEqualParts(), None, "shape"),
    # square, so that the shapes fit
    (wrong("MatricesNotTransposed", MatMul, gradient=lambda self, x, y, dy: (dy @ x[1], x[0] @ dy)), ((2, 2), (2, 2)),
     "derivative"),

    # derivatives
    (wrong("GradientNotTransposed", Dense, W[:2], gradient=lambda self, x, y, dy: dy @ self.W), (2,), "derivative"),
    (GradientForgetsAWeight(W, B), (3,), "derivative"),
    (wrong("ReLUOpenBelowZero", ReLU, gradient=lambda self, x, y, dy: dy * (x < 0)), (3,), "derivative"),
    # deconvnet's rule in place of the gradient
    (wrong("ReLUByOutputOfSignal", ReLU, gradient=lambda self, x, y, dy: positive(dy)), (3,), "derivative"),
    # 1 - tanh(y)^2 in place of 1 - y^2
    (elementwise("TanhDerivativeAtOutput", tanh, lambda x, y: 1 - tanh(y) ** 2), (3,), "derivative"),
    (elementwise("SigmoidHalf", lambda x: 0.5 * (1 + tanh(0.5 * x)), lambda x, y: 0.5 * y * (1 - y)), (2,),
     "derivative"),
    (PoolSharesTies(2, 1), (3, 3, 1), "derivative"),
    (wrong("AverageForgetsTheCount", AvgPool2d, 2, gradient=lambda self, x, y, dy: 4 * AvgPool2d.gradient(
        self, x, y, dy)), (4, 4, 1), "derivative"),
    (wrong("WrongAtStrides", Conv2d, KERNEL, None, 2, gradient=lambda self, x, y, dy: np.roll(Conv2d.gradient(
        self, x, y, dy), max(self.stride) - 1, axis=1)), (4, 4, 2), "derivative"),
    # [x, -x], whose way back forgets the sign
    (wrong("SharesWrongConcat", Layer, forward=lambda self, x: array_module(x).concatenate([x, -x], axis=-1),
           gradient=lambda self, x, y, dy: dy[..., :x.shape[-1]] + dy[..., x.shape[-1]:]), (3,), "derivative"),

    # affine layers
    (AffineThatIsNot(W, B), (3,), "affine"),
    (wrong("WeightsKeepTheBias", Dense, W, B, with_weights=lambda self, W, b: type(self)(W, self.b)), (3,), "weights"),
    (WeightsInPlace(W, B), (3,), "weights"),
    (BiasTwice(W, B), (3,), "weights"),
    (wrong("ExchangesThePaddings", Conv2d, KERNEL, None, 1, ((0, 1), (1, 1)), with_weights=lambda self, W, b: Conv2d(
        W, b, self.stride, self.padding[::-1])), (3, 3, 2), "weights"),
    (wrong("AffineThatRectifies", Dense, W, B, guided_backprop=lambda self, x, y, dy: positive(
        self.gradient(x, y, dy))), (3,), "backward signals"),
    (wrong("MeanGradientOfBias", Dense, W, B, parameter_gradients=lambda self, x, dy: other_b(
        Dense.parameter_gradients(self, x, dy), dy.mean(axis=0))), (3,), "images apart"),
    # the wrong sign where b is below zero
    (wrong("GradientOfBiasUnsigned", Dense, W, B, parameter_gradients=lambda self, x, dy: other_b(
        Dense.parameter_gradients(self, x, dy), dy.sum(axis=0) * (1 - 2 * (self.b < 0)).astype(dy.dtype))), (3,),
     "parameter gradients"),
    (wrong("GradientOfWeightsTransposed", Dense, W, B, parameter_gradients=lambda self, x, dy: {
        "W": dy.T @ x, "b": dy.sum(axis=0)}), (3,), "shape"),
    (wrong("GradientOfWeightsOfTheFirstImage", Dense, W, B, parameter_gradients=lambda self, x, dy: {
        "W": x[:1].T @ dy[:1], "b": dy.sum(axis=0)}), (3,), "images apart"),
    (wrong("GradientOfWeightsOfTheFirstStep", Dense, W, B, parameter_gradients=lambda self, x, dy:
           Dense.parameter_gradients(self, x[:, 0], dy[:, 0])), (2, 3), "parameter gradients"),

    # what is remembered, written into, or of another type
    (RemembersItsInput(), (3,), "purity"),
    (WritesIntoItsInput(), (3,), "purity"),
    (WritesIntoTheSignal(), (3,), "purity"),
    (WritesIntoItsOutput(), (3,), "purity"),
    (WritesIntoTheReference(), (3,), "purity"),
    (moved("CentersTheBatch", lambda x: x - x.mean(axis=0), lambda x, dy: dy - dy.mean(axis=0),
           deeplift=lambda self, x, y, x_ref, y_ref, m: m), (3,), "images apart"),
    # each image gets the mean signal of the batch: nothing of an image alone
    (wrong("GradientMixesImages", ReLU, gradient=lambda self, x, y, dy: ReLU.gradient(
        self, x, y, dy.mean(axis=0, keepdims=True) + dy * 0)), (3,), "images apart"),
    (moved("DropsWhenExplaining", lambda x: x * (RNG.random(x.shape) > 0.3), lambda x, dy: dy), (3,), "repeats"),
    (CountsOnItsClass(), (3,), "repeats"),
    (wrong("InDoublePrecision", ReLU, forward=lambda self, x: np.maximum(x, np.zeros(x.shape))), (3,), "type"),
    # NumPy 2 makes float64 of float32 times a float64 scalar
    (elementwise("DerivativeInDoublePrecision", lambda x: x ** 3, lambda x, y: np.float64(3) * x ** 2), (3,), "type"),
    (HidesItsWeights(np.array([1.0, -2.0])), (2,), "type"),

    # numbers that are not finite, DeepLIFT, the own rule, files, devices
    # x / |x|, whose reference point is 0 / 0; its derivative is 0
    (elementwise("ZeroOverZero", lambda x: x / abs(x), lambda x, y: 0 * x), (3,), "finite"),
    # softplus as it stands in the books
    (elementwise("Overflows", lambda x: array_module(x).log(1 + array_module(x).exp(x)),
                 lambda x, y: 1 / (1 + array_module(x).exp(-x))), (3,), "overflow"),
    (DerivativeOverflows(), (3,), "overflow"),
    (elementwise("RescaleByGradient", lambda x: x ** 3, lambda x, y: 3 * x ** 2,
                 deeplift=lambda self, x, y, x_ref, y_ref, m: 3 * m * x ** 2), (3,), "DeepLIFT"),
    (wrong("PoolLiftsByGradient", MaxPool2d, 2, 1, deeplift=lambda self, x, y, x_ref, y_ref, m: self.gradient(x, y, m)),
     (3, 3, 1), "DeepLIFT"),
    (moved("LosesTheBatch", lambda x: x.reshape(-1), lambda x, dy: dy.reshape(x.shape)), (3,), "shape"),
    (moved("GradientOfFlatShape", lambda x: x.reshape(len(x), -1), lambda x, dy: dy), (2, 2), "shape"),
    (wrong("RuleForPositiveRelevance", ReLU, rule=staticmethod(lambda layer, x, y, R: positive(R))), (3,), "own rule"),
    (wrong("ForgetsItsStride", Conv2d, KERNEL, None, 2, settings=lambda self: {"padding": self.padding}), (4, 4, 2),
     "saved and loaded"),
    (wrong("NormForgetsItsEpsilon", BatchNorm2d, *np.ones((4, 2)), 0.5, settings=lambda self: {}), (2, 2, 2),
     "saved and loaded"),
    (wrong("RoundsItsEpsilon", LayerNorm, settings=lambda self: {"epsilon": round(self.epsilon, 1)}), (3,),
     "saved and loaded"),
    (wrong("OnTheHost", ReLU, forward=lambda self, x: np.where(x > 0, x, x * 0)), (3,), "device"),
]
