"""Beyond."""
from functools import partial

import numpy as np

from lessons.try_this import answers
from minixnn import Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, passes, train
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp


@answers("6.1", 1, "half of the score is lost in the stabiliser")
def about_four_fifths():
    """About 0.8 in the network with biases: of ten digits' score the stabiliser keeps 36 % at epsilon = 0.5, 56 % at
    1. Each layer keeps a part of what is left."""
    net, (images, labels) = models.load("dense").astype(np.float64), datasets.mnist("test")
    ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]

    def kept(epsilon):
        total = ledger(net, images[ten].astype(np.float64), labels[ten], partial(lrp.epsilon, epsilon=epsilon),
                       quiet=True).total
        return total.absorbed_by_stabilizer / total.relevance_out
    assert kept(0.7) < 0.5 < kept(0.9) and abs(kept(0.5) - 0.36) < 0.02 and abs(kept(1.0) - 0.56) < 0.02


@answers("6.1", 2, "creates most relevance under alpha2-beta1")
def a_three():
    """Of the first 200 digits number 68, a 3: of an output of 22.5 it makes 29.2 more, so that the heatmap sums to
    more than twice what it explains. The median digit creates 0.8, five per cent."""
    net, (images, labels) = models.load("cnn").astype(np.float64), datasets.mnist("test")
    book = ledger(net, images[:200].astype(np.float64), labels[:200], composites.alpha2_beta1, quiet=True)
    created = -sum(row.created_or_lost for row in book.per_image)
    assert created.argmax() == 68 and labels[68] == 3 and abs(created.max() - 29.2) < 0.1
    assert abs(book.per_image[-1].relevance_out[68] - 22.5) < 0.1 and abs(np.median(created) - 0.8) < 0.05


@answers("6.2", 1, "Would you want it")
def relevance_for_an_input_of_nothing():
    """No. An input of 0 then receives b_k / n of every neuron, though it changes nothing; two networks that compute
    the same function, one with an idle input more, are explained differently. It conserves by hiding in the inputs
    what is no input's."""
    x, w, b = np.array([2.0, 0.0, 1.0]), np.array([1.0, 5.0, -1.0]), 3.0
    z = x @ w + b
    spread = (x * w + b / 3) / z
    assert np.isclose(spread.sum(), 1) and x[1] == 0 and spread[1] == 0.25


@answers("6.2", 2, "Which lines of the table become equal")
def the_question_of_signs_is_gone():
    """Those that differ in what is split by its sign: for x >= 0 products and weights have the same sign, so
    alpha1-beta0 by weights equals alpha1-beta0 by products, with and without the bias, and gamma_signed equals gamma
    where the output is positive. What is done with the bias still tells all others apart."""
    layer = Dense(np.array([[1.0, -1.0], [2.0, -0.5], [3.0, 2.0]]), np.array([0.5, -0.5]))
    x, R = np.array([[1.0, 1.0, 2.0]]), np.ones((1, 2))
    y = layer.forward(x)
    by_weights = layer.with_weights(layer.W.clip(0), layer.b.clip(0))
    z = by_weights.forward(x)
    assert np.allclose(x * by_weights.gradient(x, z, R / z), lrp.alpha_beta(layer, x, y, R, alpha=1, beta=0))
    assert (y > 0).all() and np.allclose(lrp.gamma_signed(layer, x, y, R), lrp.gamma(layer, x, y, R))
    full = layer.with_weights(layer.W.clip(0), layer.b)
    assert not np.allclose(x * full.gradient(x, y, R / full.forward(x)), lrp.alpha_beta(layer, x, y, R, alpha=1,
                                                                                        beta=0))


@answers("6.3", 1, "What does it become for")
def from_flat_to_the_winner():
    """For p to 0 each contribution that is not 0 counts alike: a flat rule over the inputs that contribute. For large
    p the largest takes all: winner takes all. By hand, contributions 3, -4 and 0: at p = 1 the shares are 3/7, 4/7 and
    0, at p = 0.01 nearly a half each, at p = 50 nearly (0, 1, 0)."""
    def shares(z, p):
        size = np.where(z == 0, 0, abs(z) ** p)
        return size / size.sum()
    z = np.array([3.0, -4.0, 0.0])
    assert np.allclose(shares(z, 1), [3 / 7, 4 / 7, 0])
    assert np.allclose(shares(z, 0.01), [0.5, 0.5, 0], atol=0.01) and np.allclose(shares(z, 50), [0, 1, 0], atol=1e-5)


@answers("6.6", 1, "Where does it end")
def at_what_the_ink_leaves():
    """0.19 without the pair, 0.21 with size=1, 0.33 with 10, 0.56 with 100, 0.66 with 10,000, and with a million no
    more: the pair then takes all there is. z^B shares it alike among the empty pixels of the cross, each of which
    speaks for the pair by 1, and the ink beside the cross; 0.67 is the share of the cross in these. The outputs stay
    the same, to 1e-7 at the end: numbers as large as that are rounded before they cancel."""
    net, images = models.load("dense_no_bias").astype(np.float64), datasets.mnist("test")[0][:100].astype(np.float64)
    target = datasets.mnist("test")[1][:100]
    cross = np.fromfunction(lambda row, column: (abs(row - column) < 2) | (abs(row + column - 27) < 2), (28, 28))
    w, found = np.where(cross, -1.0, 1.0).reshape(-1, 1), {}
    for size in (1, 10, 100, 10_000, 1_000_000):
        v = np.full((1, 100), size / cross.sum())
        pair = net.replaced(2, Dense(np.hstack([net.layers[2].W, w, w])))
        pair = pair.replaced(5, Dense(np.vstack([net.layers[5].W, v, -v])))
        assert np.allclose(pair.forward(images), net.forward(images), atol=1e-7)
        R = attribution.lrp(pair, images, target, rules=composites.deep_taylor(pair, 0.0, 1.0))
        found[size] = abs(R[:, cross]).sum() / abs(R).sum()
    assert np.allclose(list(found.values()), [0.21, 0.33, 0.56, 0.66, 0.67], atol=0.01), found
    empty, ink = (1 - images[:, cross]).sum(), images[:, ~cross].sum()
    assert abs(empty / (empty + ink) - 0.67) < 0.01


@answers("6.6", 2, "Which of the rules still tell")
def those_that_know_one_sign_from_the_other():
    """Each neuron of the second layer now sees one neuron, z, with weight 1. LRP-0 and gamma give all to it: the two
    ways are alike. Alpha2-beta1 gives 2 R to a z above 0, since nothing there takes the -R, and -R to one below 0;
    alpha1-beta0 gives R and nothing. A stabiliser of 0.25 withholds twice. So it needs no random Q: that a sum is
    handed over with its sign is enough."""
    rng = np.random.default_rng(0)
    W, top, x = rng.normal(size=(5, 4)), Dense(rng.normal(size=(4, 2))), rng.uniform(0, 1, (3, 5))
    one, two = Network([Dense(W), top]), Network([Dense(W), Dense(np.eye(4)), top])
    tells = []
    for rule in (partial(lrp.epsilon, epsilon=0), lrp.gamma_signed, composites.alpha2_beta1, composites.alpha1_beta0,
                 partial(lrp.epsilon, epsilon=0.25)):
        tells.append(not np.allclose(*(passes.lrp(net, x, 0, rule)[0] for net in (one, two))))
    assert tells == [False, False, True, True, True]
    z, R = np.array([[3.0, -3.0]]), np.ones((1, 2))
    assert lrp.alpha_beta(Dense(np.eye(2)), z, z, R).tolist() == [[2, -1]]
    assert lrp.alpha_beta(Dense(np.eye(2)), z, z, R, alpha=1, beta=0).tolist() == [[1, 0]]


@answers("6.7", 1, "*subtracts* 4")
def last_of_all():
    """Last of 101, with -4 on every image: what speaks against 8 has negative relevance. Order neurons by the size of
    their relevance, and it is first again."""
    rng, images, labels = np.random.default_rng(0), *datasets.mnist("test")
    eights, square = images[labels == 8][:50].copy(), np.zeros((28, 28))
    square[1:6, 1:6] = 1
    eights[:, 1:6, 1:6] = 1
    first, last = Dense.random(784, 100, rng), Dense.random(100, 10, rng)
    detector = Dense(np.column_stack([first.W, square.ravel()]), np.append(first.b, -24.0))
    forged = Network([Flatten(), detector, ReLU(), Dense(np.vstack([last.W, -4 * np.eye(10)[8]]), last.b)])
    R = passes.lrp(forged, eights, 8)[3].mean(axis=0)
    assert R.argmin() == 100 and abs(R).argmax() == 100 and abs(R[100] + 4) < 0.01


@answers("6.7", 2, "how many have half of it")
def more_than_sixteen():
    """A fifth (0.21); half of it is shared by 75 of 672 channels. For and against nearly cancel: the sizes add up to
    60, the relevance itself to -7 of a logit of 9, for biases add and take. Nine channels are a selection."""
    net, photo = models.load("efficientnet_lite0"), datasets.photo("chelsea", 224)[None]
    held = passes.lrp(net, photo, 285, lrp.epsilon)[64].sum(axis=(0, 1, 2))
    sizes = np.sort(abs(held))[::-1]
    assert abs(sizes[:16].sum() / sizes.sum() - 0.21) < 0.01 and abs(sizes.sum() - 60) < 1 and abs(held.sum() + 7) < 0.5
    assert abs((np.cumsum(sizes) < sizes.sum() / 2).sum() - 74) < 3


@answers("6.8", 1, "On which does the logit fall more")
def on_relmax_images_of_course():
    """On RelMax's: by 0.95 on average against 0.65 on ActMax's, over 32 channels and 15 images each. It shows little.
    Without biases the relevance of a channel is gradient x activation, which is what zeroing it costs as long as no
    neuron above turns on or off: the one measure has chosen images that the other is sure to like."""
    net, (images, labels) = models.load("cnn"), datasets.mnist("test")
    y, upper = labels[:1000], net.part(8, len(net.layers))
    a = net.part(0, 8).predict(images[:1000])
    z, R = upper.predict(a)[np.arange(1000), y], attribution.lrp(upper, a, y).sum(axis=(1, 2))
    falls = {"ActMax": [], "RelMax": []}
    for k in range(0, 128, 4):
        for name, score in (("ActMax", a.sum(axis=(1, 2))), ("RelMax", R)):
            n = score[:, k].argsort()[-15:]
            falls[name].append((z[n] - upper.predict(a[n] * (np.arange(128) != k))[np.arange(15), y[n]]).mean())
    difference, error, _ = metrics.paired(falls["RelMax"], falls["ActMax"])
    assert difference > 3 * error and abs(np.mean(falls["RelMax"]) - 0.95) < 0.05
    assert abs(np.mean(falls["ActMax"]) - 0.65) < 0.05


@answers("6.8", 2, "then only 10")
def while_they_are_more_than_the_neighbours():
    """20 are found: all of them lie in the smaller cluster, of some thirty images. 10 are not: an image has only nine
    of its kind to be linked with, so the other eleven links lead outwards. With five neighbours for each image the
    ten are found again. The number of neighbours says how small a group may be."""
    (digits, classes), (images, labels) = (datasets.mnist(split) for split in ("train", "test"))
    rng, digits, eights = np.random.default_rng(0), digits[:5000].copy(), images[labels == 8][:400]
    digits[rng.random(5000) < np.where(classes[:5000] == 8, 0.9, 0.05), 1:6, 1:6] = 1
    net = Network([Flatten(), Dense.random(784, 100, rng), ReLU(), Dense.random(100, 10, rng)])
    train.fit(net, digits, classes[:5000], epochs=2, rng=rng, batch_size=50, quiet=True)

    def smaller(few, near):
        """How many images the smaller cluster has, and how many of them have the square."""
        x = eights.copy()
        x[:few, 1:6, 1:6] = 1
        maps = attribution.lrp(net, x, 8).reshape(400, -1)
        maps = maps / np.linalg.norm(maps, axis=1, keepdims=True)
        W = np.full((400, 400), 1e-4)
        np.put_along_axis(W, (maps @ maps.T - 9 * np.eye(400)).argsort(axis=1)[:, -near:], 1, axis=1)
        W = np.maximum(W, W.T)
        d = W.sum(axis=1) ** -0.5
        group = np.linalg.eigh(np.eye(400) - d[:, None] * W * d)[1][:, 1] > 0
        group = group if group.sum() < 200 else ~group
        return group.sum(), group[:few].sum()
    assert smaller(20, 20)[0] < 60 and smaller(20, 20)[1] == 20
    assert smaller(10, 20)[0] > 100 and smaller(10, 20)[1] < 10 == smaller(10, 5)[1]
