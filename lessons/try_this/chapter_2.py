"""Decomposing a decision."""

from functools import partial

import numpy as np

from lessons.try_this import answers
from minixnn import Dense, Network, ReLU, attribution, datasets, models, passes
from minixnn.rules import deep_taylor, lrp


@answers("2.1", 2, "Is it on a kink still")
def a_trace_of_grey_leaves_the_kinks():
    """No. On empty paper every sum of a network without biases is exactly 0, on its kink, and there the pass answers
    0. With 0.01 added to all pixels the sums are small numbers of either sign. Of the pixels in the two outermost rows
    and columns 95 % had a gradient of exactly 0, and now none has; the mean square of the gradient there grows
    sixfold."""
    net, (images, labels) = models.load("cnn"), datasets.mnist("test")
    x, target = images[:100], labels[:100]
    rim = np.ones(x.shape, dtype=bool)
    rim[:, 2:-2, 2:-2] = False
    before, after = (passes.gradient(net, pixels, target)[0][rim] for pixels in (x, x + np.float32(0.01)))
    assert abs((before == 0).mean() - 0.95) < 0.01 and (after == 0).mean() < 0.001
    assert abs((after ** 2).mean() / (before ** 2).mean() - 5.9) < 0.3


@answers("2.2", 1, "Which layer's biases contribute most")
def the_middle_layer():
    """Those of the second dense layer: on 65 of the first 100 digits theirs is the largest of the three terms, on 34
    that of the first layer, on one that of the last. But the terms have both signs and largely cancel: on average
    -0.23, +0.14 and -0.09, which makes the missing -0.18."""
    net, (images, labels) = models.load("dense").astype(np.float64), datasets.mnist("test")
    x, target, n = images[:100].astype(np.float64), labels[:100], np.arange(100)
    A, R = net.trace(x), passes.gradient(net, x, target)
    terms = np.array([(R[l + 1] * layer.b).sum(axis=1) for l, layer in enumerate(net.layers) if isinstance(layer,
                                                                                                           Dense)])
    missing = A[-1][n, target] - (R[0] * x).reshape(100, -1).sum(axis=1)
    assert np.allclose(terms.sum(axis=0), missing)
    assert np.bincount(abs(terms).argmax(axis=0)).tolist() == [34, 65, 1]
    assert np.allclose(terms.mean(axis=1), [-0.23, 0.14, -0.09], atol=0.006) and abs(missing.mean() + 0.18) < 0.006


@answers("2.3", 2, "Which of the three numbers change")
def epsilon_keeps_what_is_uncertain():
    """Two of them. What cancels falls from 2.3 to 1.4: an output whose sum is small beside epsilon hands on little,
    and these had the large shares of both signs. The cosine of two classes' maps grows from 0.07 to 0.18: they become
    more alike. Neighbours do not, 0.23 against 0.22."""
    net, (images, labels), n = models.load("cnn"), datasets.mnist("test"), np.arange(200)
    x, target = images[:200], labels[:200]
    y = net.predict(x)
    y[n, target] = -np.inf
    inked = (x[:, :, 1:] > 0) & (x[:, :, :-1] > 0)
    for epsilon, expected in ((0, (0.07, 2.31, 0.22)), (0.25, (0.18, 1.41, 0.23))):
        R, S = (attribution.lrp(net, x, rules=partial(lrp.epsilon, epsilon=epsilon), start=np.eye(10, dtype=y.dtype)[c])
                for c in (target, y.argmax(axis=1)))
        smooth = [np.corrcoef(r[:, :-1][of], r[:, 1:][of])[0, 1] for r, of in zip(R, inked)]
        R, S = R.reshape(200, -1), S.reshape(200, -1)
        alike = (R * S).sum(axis=1) / np.sqrt((R ** 2).sum(axis=1) * (S ** 2).sum(axis=1))
        cancels = np.median(abs(R).sum(axis=1) / abs(R.sum(axis=1)))
        assert np.allclose((alike.mean(), cancels, np.mean(smooth)), expected, atol=0.01)


@answers("2.4", 1, "What becomes of the empty pixels")
def an_empty_pixel_is_half_full():
    """They receive something whatever the sign of their weight. Measured from 0, an empty pixel speaks for a neuron
    only where its weight is negative: it could excite it less by being white. Measured from -1 it lies in the middle
    of the box, and could be lower where the weight is positive, too. By hand, w = (2, -1), x = (0, 0): the parts are
    (0, 1) with low = 0 and (2, 1) with low = -1. Bounds that no image reaches make relevance of nothing."""
    neuron, x, R = Dense(np.array([[2.0], [-1.0]])), np.zeros((1, 2)), np.array([[3.0]])
    for low, expected in ((0, [[0, 3]]), (-1, [[2, 1]])):
        assert np.allclose(deep_taylor.z_box(neuron, x, x @ neuron.W, R, low=low, high=1), expected)


@answers("2.4", 2, "has no root")
def a_bias_above_one():
    """Every bias above 1. The rule takes back the first input only, from 2 to 0, and there z = -1 + b. With b = 2 the
    neuron still fires when nothing excites it; its root on the line has a negative first input, (-1/2, 1), which
    cannot occur. The theory asks for b <= 0, and so never meets this."""
    neuron = Dense(np.array([[2.0], [-1.0]]), np.array([2.0]))
    assert neuron.forward(np.array([[0.0, 1.0]])) > 0 and neuron.forward(np.array([[-0.5, 1.0]])) == 0
    assert Dense(neuron.W, np.array([1.0])).forward(np.array([[0.0, 1.0]])) == 0, "at b = 1 it is just reached"


@answers("2.5", 1, "Is it any better at (3, 2)")
def integrated_gradients_says_what_rescale_says():
    """No: it says (0, 2), as rescale does. On the straight path from (0, 0) to (3, 2) the second number is the smaller
    one all the way, so the gradient is (0, 1) at every step. The path decides; RevealCancel and Shapley values look
    off it."""
    minimum = Network([Dense(np.array([[1.0, 1.0], [0.0, -1.0]])), ReLU(), Dense(np.array([[1.0], [-1.0]]))])
    x = np.array([[3.0, 2.0]])
    assert np.allclose(attribution.integrated_gradients(minimum, x, 0), [[0, 2]])
    assert np.allclose(passes.deeplift(minimum, x, np.zeros((1, 2)), 0)[0], [[0, 2]])
    assert np.allclose(passes.deeplift_reveal_cancel(minimum, x, np.zeros((1, 2)), 0)[0], [[1, 1]])


@answers("2.5", 2, "Which contributions do you expect")
def the_same_with_the_other_sign():
    """(-1/2, -1/2). The output falls from 1 to 0, and the line between the two points is the one from before, walked
    the other way: the multipliers are again 1/2, the differences now -1."""
    net = Network([Dense(np.array([[-1.0], [-1.0]]), np.ones(1)), ReLU(), Dense(np.array([[-1.0]]), np.ones(1))])
    assert np.allclose(passes.deeplift(net, np.zeros((1, 2)), np.ones((1, 2)), 0)[0], [[-0.5, -0.5]])
    assert np.allclose(passes.deeplift(net, np.ones((1, 2)), np.zeros((1, 2)), 0)[0], [[0.5, 0.5]])
