"""What does a class look like?"""
import numpy as np

from lessons.try_this import answers
from minixnn import datasets, models, passes, synthesis, train
from minixnn.synthesis import density


@answers("1.1", 1, "the dense one judge")
def no_better_the_other_way_round():
    """It fools only itself, too. It is sure, 0.98 on average, of images with a norm of 0.7, where a digit has 9; the
    dense network gives the class 0.18 and reads 2 of 10, where chance reads 1."""
    cnn, dense, ten = models.load("cnn"), models.load("dense"), np.arange(10)
    found = synthesis.activation_maximization(cnn, ten, penalty=0.1, start=np.full((10, 28, 28, 1), 0.01, np.float32))
    own, other = (train.softmax(net.predict(found.image)) for net in (cnn, dense))
    assert own[ten, ten].mean() > 0.95 and abs(other[ten, ten].mean() - 0.18) < 0.05
    assert (other.argmax(axis=1) == ten).sum() < 5 and np.sqrt((found.image ** 2).sum(axis=(1, 2, 3))).mean() < 1


@answers("1.1", 2, "Where does it end, with jitter and without")
def at_a_three():
    """At what the search makes of a 3, and with jitter nearer to one image, wherever it began. From 10 eights the dense
    network reads 3 in all, the judge in 8, in either way; the correlation with the 8 is 0.02 without jitter, 0.11
    with. Results from eights and from threes lie 6.2 apart without jitter, 2.3 with; the digits lay 10 apart."""
    (images, labels), cnn, dense = datasets.mnist("test"), models.load("cnn"), models.load("dense")
    eights, threes, apart = images[labels == 8][:10], images[labels == 3][:10], {}

    def climbed(x, jitter):
        """The climb of lesson 1.1 up the logit, with pixels from 0 to 1."""
        x, adam, rng = x.copy(), train.Adam(0.05), np.random.default_rng(0)
        for step in range(200):
            shift = rng.integers(-jitter, jitter + 1, 2)
            dx = passes.gradient(dense, np.roll(x, shift, (1, 2)), 3)[0]
            adam.learning_rate = 0.05 * train.cosine(step / 200)
            adam.step("x", x, 0.6 * x - np.roll(dx, -shift, (1, 2)))
            x.clip(0, 1, out=x)
        return x

    for jitter in (0, 2):
        x, other = (climbed(start, jitter) for start in (eights, threes))
        apart[jitter] = np.sqrt(((x - other) ** 2).sum(axis=(1, 2, 3))).mean()
        assert (dense.predict(x).argmax(axis=1) == 3).all() and (cnn.predict(x).argmax(axis=1) == 3).sum() >= 7
        assert np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(x, eights)]) < 0.2
    assert abs(apart[0] - 6.2) < 0.5 and abs(apart[2] - 2.3) < 0.5
    assert abs(np.sqrt(((eights - threes) ** 2).sum(axis=(1, 2, 3))).mean() - 10) < 0.5


@answers("1.2", 1, "What do the prototypes look like now")
def ten_times_the_same():
    """Ten times nearly the same grey blot: they lie 1.2 apart on average, where the lesson's are 6 apart, and the judge
    gives the class 0.19. One Gaussian has one peak, the mean of all digits, and at Bayes' weight the network cannot
    pull the images far from it."""
    expert = density.GaussianMixture.fit(datasets.mnist("train")[0][:10_000], np.random.default_rng(0), 20, 1)
    net, judge, ten = models.load("dense"), models.load("cnn"), np.arange(10)
    x = synthesis.with_expert(net, ten, expert, start=synthesis.near_best_centre(net, ten, expert)).image
    apart = [np.sqrt(((x[a] - x[b]) ** 2).sum()) for a in range(10) for b in range(a)]
    p = train.softmax(judge.predict(x * (9 / np.sqrt((x ** 2).sum(axis=(1, 2, 3), keepdims=True)))))
    assert abs(np.mean(apart) - 1.2) < 0.2 and abs(p[ten, ten].mean() - 0.19) < 0.05


@answers("1.3", 1, "draw what lies between")
def one_digit_then_the_other():
    """One digit until past the middle, then the other: the judge reads 3 up to t = 0.6 and 8 from 0.7 on, never a third
    class. Over all 45 pairs of classes it gives the two 0.80 together at t = 1/2."""
    draw, judge, dense = models.load("generator"), models.load("cnn"), models.load("dense")
    codes = synthesis.in_code_space(dense, np.arange(10), draw).code
    walk = np.stack([(1 - t) * codes[3] + t * codes[8] for t in np.linspace(0, 1, 11, dtype=np.float32)])
    assert judge.predict(draw.predict(walk)).argmax(axis=1).tolist() == 7 * [3] + 4 * [8]
    pairs = [(a, b) for a in range(10) for b in range(a)]
    p = train.softmax(judge.predict(draw.predict(np.stack([(codes[a] + codes[b]) / 2 for a, b in pairs]))))
    assert abs(np.mean([row[[a, b]].sum() for row, (a, b) in zip(p, pairs)]) - 0.80) < 0.03


@answers("1.3", 2, "before the image stops being a digit")
def it_never_did():
    """It did not. Without a penalty, after 500 steps, codes have a norm of 23 in place of 3.3; the judge still reads
    all ten, with probability 1.00. The generator's pixels cannot leave 0 to 1, however far the code goes."""
    draw, judge, dense, ten = models.load("generator"), models.load("cnn"), models.load("dense"), np.arange(10)
    found = synthesis.in_code_space(dense, ten, draw, penalty=0, steps=500)
    p = train.softmax(judge.predict(draw.predict(found.code)))
    assert abs(np.sqrt((found.code ** 2).sum(axis=1)).mean() - 23) < 2 and p[ten, ten].min() > 0.99
