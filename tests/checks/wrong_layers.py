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


class GradientNotTransposed(Dense):
    """Of a square matrix, so that the shapes fit."""

    def gradient(self, x, y, dy):
        return dy @ self.W


class GradientForgetsAWeight(Dense):
    def gradient(self, x, y, dy):
        W = self.W.copy()
        W[0, 0] += 0.01
        return dy @ W.T


class ReLUOpenBelowZero(ReLU):
    def gradient(self, x, y, dy):
        return dy * (x < 0)


class ReLUByOutputOfSignal(ReLU):
    """deconvnet's rule in place of the gradient."""

    def gradient(self, x, y, dy):
        return positive(dy)


class TanhDerivativeAtOutput(Elementwise):
    """1 - tanh(y)^2 in place of 1 - y^2."""

    def forward(self, x):
        return array_module(x).tanh(x)

    def derivative(self, x, y):
        return 1 - array_module(y).tanh(y) ** 2


class SigmoidHalf(Elementwise):
    def forward(self, x):
        return 0.5 * (1 + array_module(x).tanh(0.5 * x))

    def derivative(self, x, y):
        return 0.5 * y * (1 - y)


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


class AverageForgetsTheCount(AvgPool2d):
    def gradient(self, x, y, dy):
        return super().gradient(x, y, dy) * (self.size[0] * self.size[1])


class AffineThatIsNot(Affine):
    def __init__(self, W, b=None):
        self.W, self.b = W, b

    def forward(self, x):
        return positive(x @ self.W + (0 if self.b is None else self.b))

    def gradient(self, x, y, dy):
        return (dy * (y > 0)) @ self.W.T


class WeightsKeepTheBias(Dense):
    def with_weights(self, W, b):
        return WeightsKeepTheBias(W, self.b)


class WeightsInPlace(Dense):
    def with_weights(self, W, b):
        self.W, self.b = W, b
        return self


class BiasTwice(Dense):
    """with_weights(W, None) is not what is linear in x."""

    def forward(self, x):
        return super().forward(x) + (x[..., :1] * 0 if self.b is None else self.b) + 0.5

    def with_weights(self, W, b):
        return BiasTwice(W, b)


class ForgetsItsGradientOfBias(Dense):
    def parameter_gradients(self, x, dy):
        found = super().parameter_gradients(x, dy)
        return {"W": found["W"], "b": dy.mean(axis=0)}


class GradientOfWeightsTransposed(Dense):
    def parameter_gradients(self, x, dy):
        return {"W": dy.T @ x, "b": dy.sum(axis=0)}


class GradientOfWeightsOfTheFirstImage(Dense):
    def parameter_gradients(self, x, dy):
        return {"W": x[:1].T @ dy[:1], "b": dy.sum(axis=0)}


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


class CentersTheBatch(Layer):
    """Minus the mean over the images."""
    rule = staticmethod(pass_on)

    def forward(self, x):
        return x - x.mean(axis=0)

    def gradient(self, x, y, dy):
        return dy - dy.mean(axis=0)

    def deeplift(self, x, y, x_ref, y_ref, m):
        return m


class DropsWhenExplaining(Layer):
    rng = np.random.default_rng(0)

    def forward(self, x):
        return x * (self.rng.random(x.shape) > 0.3)

    def gradient(self, x, y, dy):
        return dy


class InDoublePrecision(ReLU):
    def forward(self, x):
        return np.maximum(x, np.zeros(x.shape))


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


class RescaleByGradient(Elementwise):
    def forward(self, x):
        return x ** 3

    def derivative(self, x, y):
        return 3 * x ** 2

    def deeplift(self, x, y, x_ref, y_ref, m):
        return m * self.derivative(x, y)


class PoolLiftsByGradient(MaxPool2d):
    def deeplift(self, x, y, x_ref, y_ref, m):
        return self.gradient(x, y, m)


class ZeroOverZero(Elementwise):
    """x / |x|, whose reference point is 0 / 0; its derivative is 0."""

    def forward(self, x):
        return x / abs(x)

    def derivative(self, x, y):
        return 0 * x


class Overflows(Elementwise):
    """Softplus as it stands in the books."""

    def forward(self, x):
        xp = array_module(x)
        return xp.log(1 + xp.exp(x))

    def derivative(self, x, y):
        return 1 / (1 + array_module(x).exp(-x))


class LosesTheBatch(Layer):
    rule = staticmethod(pass_on)

    def forward(self, x):
        return x.reshape(-1)

    def gradient(self, x, y, dy):
        return dy.reshape(x.shape)


class GradientOfFlatShape(Layer):
    rule = staticmethod(pass_on)

    def forward(self, x):
        return x.reshape(len(x), -1)

    def gradient(self, x, y, dy):
        return dy


class ForgetsItsStride(Conv2d):
    def settings(self):
        return {"padding": self.padding}


class NormForgetsItsEpsilon(BatchNorm2d):
    def settings(self):
        return {}


class AffineThatRectifies(Dense):
    def guided_backprop(self, x, y, dy):
        return positive(self.gradient(x, y, dy))


class RuleForPositiveRelevance(ReLU):
    def passes(layer, x, y, R):
        return positive(R)
    rule = staticmethod(passes)


class OnTheHost(ReLU):
    def forward(self, x):
        return np.where(x > 0, x, x * 0)


class SharesWrongConcat(Layer):
    """[x, -x] on the last axis, whose way back forgets the sign."""

    def forward(self, x):
        return array_module(x).concatenate([x, -x], axis=-1)

    def gradient(self, x, y, dy):
        n = x.shape[-1]
        return dy[..., :n] + dy[..., n:]


class SplitsSigns(Layer):
    """[x+, x-] on the last axis: right, and of no family. Nothing may be found."""

    def forward(self, x):
        return array_module(x).concatenate([positive(x), negative(x)], axis=-1)

    def gradient(self, x, y, dy):
        n = x.shape[-1]
        return dy[..., :n] * (x > 0) + dy[..., n:] * (x < 0)


class ForgetsTheCopies(Add):
    """A term that is repeated has to get the sum over its copies."""

    def gradient(self, x, y, dy):
        return (dy,) * len(x)


class AnswersInAList(Add):
    def gradient(self, x, y, dy):
        return list(super().gradient(x, y, dy))


class AddsInPlace(Add):
    def forward(self, x):
        y = x[0]
        y += x[1]
        return y


class AddsTheMeanOfTheBatch(Add):
    def forward(self, x):
        return x[0] + x[1].mean(axis=0, keepdims=True)


class FactorsExchanged(Multiply):
    """The derivative by a factor is the other one."""

    def gradient(self, x, y, dy):
        return tuple(dy * a for a in x)


class ProductLiftsByGradient(Multiply):
    def deeplift(self, x, y, x_ref, y_ref, m):
        return self.gradient(x, y, m)


class CutsFromTheBack(Concat):
    def gradient(self, x, y, dy):
        n = x[0].shape[-1]
        return dy[..., -n:], dy[..., :-n]


class MatricesNotTransposed(MatMul):
    """Of square matrices, so that the shapes fit."""

    def gradient(self, x, y, dy):
        a, b = x
        return dy @ b, a @ dy


class WrongAtStrides(Conv2d):
    def gradient(self, x, y, dy):
        dx = super().gradient(x, y, dy)
        return dx if max(self.stride) == 1 else np.roll(dx, 1, axis=1)


class KeepsThePaddingOfRows(Conv2d):
    """with_weights pads rows as columns should be."""

    def with_weights(self, W, b):
        return Conv2d(W, b, self.stride, self.padding[::-1])


class GradientOfBiasUnsigned(Dense):
    """The wrong sign where b is below zero."""

    def parameter_gradients(self, x, dy):
        found = super().parameter_gradients(x, dy)
        return {"W": found["W"], "b": found["b"] * (1 - 2 * (self.b < 0)).astype(dy.dtype)}


class GradientOfWeightsOfTheFirstStep(Dense):
    def parameter_gradients(self, x, dy):
        return super().parameter_gradients(x[:, 0], dy[:, 0])


class GradientMixesImages(ReLU):
    """Each image gets the mean signal of the batch: nothing of an image alone."""

    def gradient(self, x, y, dy):
        return super().gradient(x, y, dy.mean(axis=0, keepdims=True) + dy * 0)


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


class DerivativeInDoublePrecision(Elementwise):
    """NumPy 2 makes float64 of float32 times a float64 scalar."""

    def forward(self, x):
        return x ** 3

    def derivative(self, x, y):
        return np.float64(3) * x ** 2


class CountsOnItsClass(ReLU):
    """Remembers where vars(layer) has nothing of it."""
    calls = [0]

    def forward(self, x):
        self.calls[0] += 1
        return super().forward(x) * (1 + self.calls[0] % 2 / 8)


class DerivativeOverflows(Elementwise):
    """A sigmoid whose derivative is infinity over infinity far below zero, where forward is right."""

    def forward(self, x):
        return 0.5 * (1 + array_module(x).tanh(0.5 * x))

    def derivative(self, x, y):
        e = array_module(x).exp(-x)
        return e / (1 + e) ** 2


class RoundsItsEpsilon(LayerNorm):
    def settings(self):
        return {"epsilon": round(self.epsilon, 1)}


class ThirdInputForgotten(Add):
    def gradient(self, x, y, dy):
        one, other, *rest = super().gradient(x, y, dy)
        return one, other, *(part * 0 for part in rest)


class ProductOverTheFactor(Multiply):
    """The derivative by a factor is y over that factor, but for factors of 0."""

    def gradient(self, x, y, dy):
        return tuple(dy * y / (a + (a == 0)) for a in x)


class CutsInEqualParts(Concat):
    def gradient(self, x, y, dy):
        return tuple(array_module(dy).split(dy, len(x), axis=-1)) if dy.shape[-1] % len(x) == 0 else super().gradient(
            x, y, dy)


WRONG = [
    (WrongAtStrides(KERNEL, stride=2), (4, 4, 2), "derivative"),
    (KeepsThePaddingOfRows(KERNEL, padding=((0, 1), (1, 1))), (3, 3, 2), "weights"),
    (GradientOfBiasUnsigned(W, B), (3,), "parameter gradients"),
    (GradientOfWeightsOfTheFirstStep(W, B), (2, 3), "parameter gradients"),
    (GradientMixesImages(), (3,), "images apart"),
    (WritesIntoItsOutput(), (3,), "purity"),
    (WritesIntoTheReference(), (3,), "purity"),
    (DerivativeInDoublePrecision(), (3,), "type"),
    (CountsOnItsClass(), (3,), "repeats"),
    (DerivativeOverflows(), (3,), "overflow"),
    (RoundsItsEpsilon(), (3,), "saved and loaded"),
    (ThirdInputForgotten(), None, "derivative"),
    (ProductOverTheFactor(), ((3,), (3,)), "derivative"),
    (CutsInEqualParts(), None, "shape"),
    (ForgetsTheCopies(), ((2, 3), (1, 3)), "shape"),
    (AnswersInAList(), ((3,), (3,)), "shape"),
    (AddsInPlace(), ((3,), (3,)), "purity"),
    (AddsTheMeanOfTheBatch(), ((3,), (3,)), "images apart"),
    (FactorsExchanged(), ((3,), (3,)), "derivative"),
    (ProductLiftsByGradient(), ((3,), (3,)), "DeepLIFT"),
    (CutsFromTheBack(), ((2,), (2,)), "derivative"),
    (MatricesNotTransposed(), ((2, 2), (2, 2)), "derivative"),
    (GradientNotTransposed(W[:2]), (2,), "derivative"),
    (GradientForgetsAWeight(W, B), (3,), "derivative"),
    (ReLUOpenBelowZero(), (3,), "derivative"),
    (ReLUByOutputOfSignal(), (3,), "derivative"),
    (TanhDerivativeAtOutput(), (3,), "derivative"),
    (SigmoidHalf(), (2,), "derivative"),
    (PoolSharesTies(2, 1), (3, 3, 1), "derivative"),
    (AverageForgetsTheCount(2), (4, 4, 1), "derivative"),
    (SharesWrongConcat(), (3,), "derivative"),
    (AffineThatIsNot(W, B), (3,), "affine"),
    (WeightsKeepTheBias(W, B), (3,), "weights"),
    (WeightsInPlace(W, B), (3,), "weights"),
    (BiasTwice(W, B), (3,), "weights"),
    (ForgetsItsGradientOfBias(W, B), (3,), "images apart"),
    (GradientOfWeightsTransposed(W, B), (3,), "shape"),
    (GradientOfWeightsOfTheFirstImage(W, B), (3,), "images apart"),
    (RemembersItsInput(), (3,), "purity"),
    (WritesIntoItsInput(), (3,), "purity"),
    (WritesIntoTheSignal(), (3,), "purity"),
    (CentersTheBatch(), (3,), "images apart"),
    (DropsWhenExplaining(), (3,), "repeats"),
    (InDoublePrecision(), (3,), "type"),
    (HidesItsWeights(np.array([1.0, -2.0])), (2,), "type"),
    (RescaleByGradient(), (3,), "DeepLIFT"),
    (PoolLiftsByGradient(2, 1), (3, 3, 1), "DeepLIFT"),
    (ZeroOverZero(), (3,), "finite"),
    (Overflows(), (3,), "overflow"),
    (LosesTheBatch(), (3,), "shape"),
    (GradientOfFlatShape(), (2, 2), "shape"),
    (ForgetsItsStride(KERNEL, stride=2), (4, 4, 2), "saved and loaded"),
    (NormForgetsItsEpsilon(*np.ones((4, 2)), epsilon=0.5), (2, 2, 2), "saved and loaded"),
    (AffineThatRectifies(W, B), (3,), "backward signals"),
    (RuleForPositiveRelevance(), (3,), "own rule"),
    (OnTheHost(), (3,), "device"),
]
