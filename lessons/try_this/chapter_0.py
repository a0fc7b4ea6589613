"""The engine."""
from functools import partial

import numpy as np

from lessons.try_this import answers
from minixnn import Dense, Flatten, Network, ReLU, datasets, models, passes, train
from minixnn.rules import composites, lrp


@answers("0.1", 1, "Say the gradient before you run it")
def other_neurons_fire():
    """The hidden sums are 1 + 3 = 4, 1 - 3 = -2 and -1 + 3 = 2: now the second neuron is silent, and the third fires.
    So the gradient is (1 - 3, 1 + 3) = (-2, 4). It was (3, -1): another set of neurons, another linear function."""
    W1, W2 = np.array([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]), np.array([[1.0], [2.0], [3.0]])
    small = Network([Dense(W1), ReLU(), Dense(W2, np.array([-1.0]))])
    assert np.array_equal(small.trace(np.array([[1.0, 3.0]]))[1], [[4, -2, 2]])
    assert np.array_equal(passes.gradient(small, np.array([[1.0, 3.0]]), 0)[0], [[-2, 4]])
    assert np.array_equal(passes.gradient(small, np.array([[3.0, 1.0]]), 0)[0], [[3, -1]])


@answers("0.2", 2, "What does the difference say, what the pass")
def half_and_nothing():
    """The difference says 1/2, at every step: forwards the neuron rises by h, backwards it does not move. The pass
    says 0, by convention. Neither is wrong: there are two slopes, 1 and 0, and the one takes their mean, the other the
    left."""
    neuron = Network([ReLU()])
    for h in (1.0, 0.1, 1e-6):
        up, down = neuron.forward(np.array([[h]])), neuron.forward(np.array([[-h]]))
        assert np.isclose((up - down) / (2 * h), 0.5)
    assert passes.gradient(neuron, np.zeros((1, 1)), 0)[0] == 0


@answers("0.3", 2, "How far does one linear map come")
def most_of_the_way():
    """To 91.8 % of the test digits, after three rounds through 20,000 images; with the ReLU it is 94.1 %. Two dense
    layers without anything between them are one: x W1 W2. What the ReLU adds is small in per cent and nearly a third
    of the mistakes."""
    (images, labels), test = datasets.mnist("train"), datasets.mnist("test")
    right = []
    for between in ([], [ReLU()]):
        rng = np.random.default_rng(0)
        net = Network([Flatten(), Dense.random(784, 100, rng), *between, Dense.random(100, 10, rng)])
        train.fit(net, images[:20_000], labels[:20_000], epochs=3, rng=rng, batch_size=50, quiet=True)
        right.append(train.accuracy(net, *test))
    assert abs(right[0] - 0.918) < 0.005 and abs(right[1] - 0.941) < 0.005


@answers("0.0", 2, "How large does relevance become on the way")
def four_times_what_there_is():
    """Four times as large as what there is to share, and half of that is gone again at the pixels: the sizes of the
    relevance over their sum are 1.0 at the output, 1.6 behind the convolutions, 3.0, 4.0, and 2.3 at the pixels, the
    median of 50 digits. With the page's rules it is never more than 1.6, and 1.0 at the pixels."""
    net, x = models.load("cnn").astype(np.float64), datasets.mnist("test")[0][:50].astype(np.float64)

    def sizes(rules):
        return [np.median(abs(R).reshape(50, -1).sum(axis=1) / abs(R.reshape(50, -1).sum(axis=1)))
                for R in passes.lrp(net, x, rules=rules)]
    by_zero = sizes(partial(lrp.epsilon, epsilon=0))
    assert np.allclose([by_zero[i] for i in (-1, 9, 6, 3, 0)], [1.0, 1.6, 3.0, 4.0, 2.3], atol=0.1)
    assert max(sizes(composites.epsilon_plus)) < 1.7 and sizes(composites.epsilon_plus)[0] < 1.01
