r"""
1.2 Activation maximization with an expert
==========================================

**You will see** how a model of digits turns the noise of lesson 1.1 into digits, how a control finds out that the model
alone draws the same pictures, and when it takes both models to turn one digit into another.

**Before this:** 1.1 (activation maximization).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 3.2;
Nalisnick et al. 2019, *Detecting out-of-distribution inputs to deep generative models using typicality* (likely images
need not be typical). The tutorial 1202kbs/Understanding-NN announces this lesson and leaves it open.
"""
import numpy as np

from minixnn import Dense, Network, datasets, metrics, models, passes, plot, synthesis, train
from minixnn.synthesis import density

# %%
# A model of digits
# -----------------
# Sort 10,000 training digits into 50 heaps of similar ones, and draw the mean of each. Around each mean the digits of
# its heap scatter, in some directions more than in others: that is a Gaussian. All 50 together are a *mixture*, which
# gives a density :math:`p(x)` to any image: high near one of these means, low between and far away. It knows how digits
# look, and of no digit which class it is.

images, labels = datasets.mnist("train")
digits = density.GaussianMixture.fit(images, rng=np.random.default_rng(0))
plot.images(digits.centres()[:20], title="Twenty of the fifty means: what the expert knows of digits", limits=(-1, 1))

# %%
# Two models, one sum
# -------------------
# The network knows what tells a 3 from an 8, and nothing of what a digit is. So we ask a second model, the *expert*,
# such as the mixture, for the density :math:`p(x)` of the image among digits of all classes, and look for
#
# .. math:: x^* = \arg\max_x \; \log p(c \mid x) + \log p(x) .
#
# The sum has a meaning. By Bayes' rule :math:`p(c \mid x) \, p(x) = p(x \mid c) \, p(c)`, and :math:`p(c)` does not
# depend on :math:`x`: we find the likeliest image *of the class*, the peak of :math:`p(x \mid c)`. The loop is that of
# lesson 1.1 with the gradient of the expert in place of the penalty; a factor before each term sets its strength.


def climb(net, expert, x, classes, weight=1.0, network=1.0, steps=300, rate=0.02):
    """Climb network log p(c|x) + weight log p(x) from the images x, one class for each; the first steps are `rate`."""
    x, adam = x.copy(), train.Adam(rate)
    for step in range(steps):
        dx = network * pull(net, x, classes) + weight * expert.gradient(x)
        adam.learning_rate = rate * train.cosine(step / steps)
        adam.step("x", x, -dx)
    return x


def pull(net, x, classes):
    """The gradient of log p(c|x) by the pixels."""
    y = net.forward(x)
    return passes.gradient(net, x, start=passes.one_hot(y, classes) - train.softmax(y))[0]      # <- STEP INTO


# %%
# By hand: two classes on a line, Gaussians of width 1 around -1 and +1, equally frequent. Then :math:`p(1 \mid x) =
# 1 / (1 + e^{-2x})`, a network of one layer with the logits :math:`-x` and :math:`x`. Its :math:`\log p(1 \mid x)` has
# the derivative :math:`1 - \tanh x`, never 0: alone it climbs forever. The mixture's :math:`\log p(x)` has the
# derivative :math:`\tanh x - x`. The sum of both is :math:`1 - x`: the peak is at 1, where that of the second class is.


class TwoGaussians:                             # an expert is anything with these two methods
    def log_density(self, x):
        return np.log(0.5 * (np.exp(-(x - 1) ** 2 / 2) + np.exp(-(x + 1) ** 2 / 2)) / (2 * np.pi) ** 0.5)[:, 0]

    def gradient(self, x):
        return np.tanh(x) - x


line, expert, start = Network([Dense(np.array([[-1.0, 1.0]]))]), TwoGaussians(), np.full((1, 1), 0.01)
top = climb(line, expert, start, [1])
assert np.array_equal(top, synthesis.with_expert(line, 1, expert, start=start).image), "our loop is the package's"
print(f"the network alone, after 300 steps: x = {climb(line, expert, start, [1], weight=0)[0, 0]:.2f} and climbing; "
      f"with the expert: x = {top[0, 0]:.3f}")
axis = np.linspace(-4, 4, 81)[:, None]
log_p, log_px = np.log(train.softmax(line.forward(axis))[:, 1]), expert.log_density(axis)
plot.curves(axis[:, 0], {"log p(c|x), network": log_p, "log p(x), expert": log_px, "their sum": log_p + log_px}, "x",
            "logarithm", "Two models: the sum peaks where the class does, at 1")

# %%
# Ten prototypes, and where they come from
# ---------------------------------------
# The mixture has its Gaussians in the 50 directions in which digits differ most; what lies in the other 734 directions,
# the *rest*, counts as white noise. The density has many peaks, and short steps end on a near one. So the start is
# halfway between the mean of all Gaussians and the centre of the best for the class, which the network picks. The
# control is the expert alone from the same start.

unseen, truth = (array[:1000] for array in datasets.mnist("test"))
net, judge, ten, expert = models.load("dense"), models.load("cnn"), np.arange(10), digits
start = synthesis.near_best_centre(net, ten, expert)
noise = synthesis.activation_maximization(net, ten, shape=(28, 28, 1), penalty=0.1).image
found = {"no expert (1.1)": noise, "start": start, "with expert": climb(net, expert, start, ten),
         "expert alone": climb(net, expert, start, ten, network=0)}


def norm(x):
    return np.sqrt((x ** 2).sum(axis=(1, 2, 3)))


def judged(x, classes):
    """p(class) of each image by the judge at a digit's contrast, as in lesson 1.1."""
    return train.softmax(judge.predict(x * (9 / norm(x))[:, None, None, None]))[np.arange(len(x)), classes]


plot.images(np.concatenate(list(found.values())), [f"class {c}" for c in ten], rows=list(found), limits=(-1, 1),
            title="The last two rows are the same digits: the expert draws them, with the network or without")
for name, x in found.items():
    print("{:16} p(class) by another network {:.3f} +- {:.3f}".format(name, *metrics.mean_and_error(judged(x, ten))))
apart = norm(found["with expert"] - found["expert alone"]) / norm(found["with expert"])
stronger = norm(expert.gradient(start)) / norm(pull(net, start, ten))
print(f"with expert and expert alone differ by {apart.min():.1%} to {apart.max():.1%}; at the start the expert's "
      f"gradient is {stronger.min():.0f} to {stronger.max():.0f} times as long as the network's")

# %%
# With the expert a judge recognises all ten (0.999). Without the network it recognises them, too (0.998), and the
# images differ by 0.2 % to 8.7 %: these prototypes are the expert's, and the network only chose the start. The two
# terms are not equally strong: at the start the expert's gradient is 3 to 50 times as long.
#
# From one digit to another
# -------------------------
# So we put a weight before :math:`\log p(x)`, and start where the class is not: at 40 digits of other classes, four for
# each class. Controls: each model alone; a network with random weights; steps a fifth as long; and another network in
# place of the first. (After +- stands the standard error: how far the mean of 40 other digits may lie.)

rng, second = np.random.default_rng(1), models.load("dense_no_bias")
random_net = Network([Dense.random(*layer.W.shape, rng) if hasattr(layer, "W") else layer for layer in net.layers])
classes = np.tile(ten, 4)
start = np.stack([unseen[rng.choice(np.flatnonzero(truth != c))] for c in classes])
runs = {"network alone": (net, 0, 1, 0.1)} | {f"both, weight {w:g}": (net, w, 1, 0.1) for w in (0.01, 0.1, 1)} | {
    "expert alone": (net, 1, 0, 0.1), "random network,\nweight 0.01": (random_net, 0.01, 1, 0.1),
    "short steps,\nweight 0.01": (net, 0.01, 1, 0.02), "second network,\nalone": (second, 0, 1, 0.1),
    "second network,\nweight 0.01": (second, 0.01, 1, 0.1)}
shown, say = {"start": start[:10]}, {}
print("\np(class) by another network, 40 digits of other classes")
for name, (n, weight, network, rate) in runs.items():
    x = climb(n, expert, start, classes, weight, network, steps=150, rate=rate)
    shown[name], say[name] = x[:10], judged(x, classes)
    print("{:32} {:5.2f} +- {:.2f}".format(" ".join(name.split()), *metrics.mean_and_error(say[name])))
better = {name: metrics.paired(say[both], say[alone]) for name, both, alone in (
    ("both less the network alone", "both, weight 0.01", "network alone"),
    ("both less the expert alone", "both, weight 0.01", "expert alone"),
    ("the same for the second network", "second network,\nweight 0.01", "second network,\nalone"))}
for name, (difference, error, share) in better.items():
    print(f"{name:32} {difference:5.2f} +- {error:.2f}, more for {share:.0%} of the digits")
plot.images(np.concatenate([shown[name] for name in list(shown)[:-2]]), [f"class {c}" for c in ten],
            rows=list(shown)[:-2], limits=(-1, 1),
            title="Asked to become another digit: the network alone draws noise, the expert alone keeps the old one")

# %%
# From a digit of another class both models together reach 0.67 +- 0.06, at the weight 0.01. The network alone reaches
# 0.27, and draws what looks like noise; the expert alone and a random network reach 0.00. Digit by digit both models
# gain 0.40 +- 0.07 over the network alone, and for a second network 0.38 +- 0.07. So here it takes both: the network to
# say where to go, the expert to stay among digits. At the weight 1, that of Bayes' rule, the expert overrules the
# network: 0.08. And with steps a fifth as long the climb ends near its start: 0.18.
#
# One question, measured
# ----------------------
# Are the prototypes likely images? The log-density is that of the 50 numbers plus that of the rest :math:`r`, which
# has the variance :math:`v` in each direction: :math:`- \lVert r \rVert^2 / 2 v` and a constant. A digit has about
# :math:`\lVert r \rVert^2 = 734 v`, so an image without a rest gains :math:`734 / 2 = 367`, whatever it shows.
# Controls: the same digits without their rest, the empty image, and the noise of lesson 1.1.

kinds = {"unseen digits": unseen, "upside down": unseen[:, ::-1], "the empty image": unseen[:1] * 0,
         "without their rest": unseen - expert.parts(unseen)[1].reshape(unseen.shape)} | found
level = {name: np.median(expert.log_density(x)) for name, x in kinds.items()}
for name, x in kinds.items():
    missing = 367 - np.median((expert.parts(x)[1] ** 2).sum(axis=1)) / (2 * expert.v)
    print(f"{name:18} log p(x) = {level[name]:.0f}, of which for a missing rest {missing:5.0f}")
print(f"the likeliest of 1,000 unseen digits: {expert.log_density(unseen).max():.0f}")

# %%
# The prototypes (921) are likelier than every real digit (850). So are the empty image (918) and the noise of lesson
# 1.1 (908): it is the missing rest, without which the same digits rise from 544 to 899. The likeliest image is not a
# typical one, and to this expert likely means smooth. Of the *network* a prototype tells no more than what changes
# when the expert stays and the network goes.
#
# Try this
# --------
# 1. Fit the expert with ``directions=20, clusters=1``: one Gaussian. What do the prototypes look like now?
# 2. Fit an expert to the images of one class and climb it with ``network=0``. Is the network still needed?

assert abs(top[0, 0] - 1) < 0.01, "the sum has the peak of the class"
assert apart.max() < 0.1 and judged(found["expert alone"], ten)[0] > 0.95, "at the weight 1 the expert draws alone"
assert all(more.difference > 3 * more.error for more in better.values()), "to another digit it takes both models"
assert level["with expert"] - level["the empty image"] < 10, "likelier than digits are, and so is an empty image"
assert abs(level["without their rest"] - level["unseen digits"] - 367) < 37, "half a nat for each missing direction"
plot.show()
