r"""
1.1 Activation maximization
===========================

**You will see** images that a network made up to please itself, what holds such an image back from becoming noise, and
whether another network recognises it.

**Before this:** 0.1 (layers and traces).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 3.1;
Erhan et al. 2009, *Visualizing higher-layer features of a deep network*.
"""
import numpy as np

from minixnn import Dense, Network, datasets, models, passes, plot, synthesis, train
from minixnn.plot import diagrams

# %%
# A climb in the space of images
# ------------------------------
# What does a network take for a typical 3? Let :math:`p(c \mid x)` be the probability that it gives to class
# :math:`c` for the image :math:`x`. We look for the image, the *prototype*, that makes it large, while it stays near an
# image :math:`m` that we choose, the empty one at first:
#
# .. math:: x^* = \arg\max_x \; \log p(c \mid x) - \lambda \lVert x - m \rVert^2 .
#
# The penalty :math:`\lambda` keeps the search from running away: without it more is always better. We climb by
# the gradient, found by the same backward pass that explains networks, only that now the *image* is changed by it.
#
# By head: two inputs are at once the logits of two classes. Class 0 becomes likelier as :math:`x_1` grows, at the rate
# :math:`1 - p`, and as :math:`x_2` falls, at the same rate. At the top the pull of the class and the pull
# of the penalty are equal: :math:`1 - p = 2 \lambda x_1`, and :math:`x_2 = - x_1`.

two = Network([Dense(np.eye(2))])
penalty = 0.25
top = synthesis.activation_maximization(two, 0, shape=(2,), penalty=penalty)            # <- STEP INTO
(x1, x2), p = top.image[0], top.probability[0]
print(f"top at ({x1:.3f}, {x2:.3f}); 1 - p = {1 - p:.3f} and 2 lambda x_1 = {2 * penalty * x1:.3f}")


def objective(x):
    return np.log(train.softmax(two.forward(x))[:, 0]) - penalty * (x ** 2).sum(axis=1)


axis = np.linspace(-1.8, 1.8, 7)
where = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
value, dy = synthesis.log_probability(two.forward(where), passes.one_hot(where, 0))
slope = passes.gradient(two, where, start=dy)[0] - 2 * penalty * where
diagrams.plane(objective, {"slope of the objective, a third as long": (where, slope / 3)}, (-2.2, 2.2),
               "Every way leads to the top", points=[((x1, x2), "top")])

# %%
# Ten prototypes, three ways to hold them
# ---------------------------------------
# A dense network with 784 pixels to play with. We try :math:`m = 0` with pixels of any value; the same with pixels
# that must stay between paper, 0, and ink, 1; and for :math:`m` the mean image of the class, from which the search then
# also starts.

images, labels = datasets.mnist("train")
net = models.load("dense")
means = synthesis.class_means(images, labels)
ways = {"near empty": dict(shape=(28, 28, 1)),
        "near empty,\n0 to 1": dict(shape=(28, 28, 1), bounds=(0, 1)),
        "near the mean": dict(start=means, towards=means)}
found = {name: synthesis.activation_maximization(net, range(10), penalty=0.1, **way) for name, way in ways.items()}
plot.heatmaps({name: result.image for name, result in found.items()}, None, [f"class {c}" for c in range(10)],
              "Prototypes of a dense network: what it calls a digit (red is ink, blue less than none)")
print("\nten prototypes near the empty image, pixels of any value\n" + str(found["near empty"]))

# %%
# The network is sure of all of them. Held near the empty image, it asks for no digit at all but for whatever separates
# the classes: a bar here, no ink there, pixels at the border where no digit has any, and so nothing was learnt that
# could contradict. Held near the mean, the prototype is a blurred digit, and its shape has been put in by us.
#
# The climb
# ---------
# The cost, which is the objective with its sign turned, against the steps. The first steps are too long and the cost
# rises once; then it falls and stays.

cost = {f"class {c}": found["near empty"].cost[:, c] for c in (0, 1, 5, 8)}
plot.curves(np.arange(len(found["near empty"].cost)), cost, "step", "-log p + penalty",
            "The climb: surely a digit after a few dozen steps", yscale="log")

# %%
# How strong a penalty?
# ---------------------
# The class 3, held near the empty image and near its mean, from weak to strong.

strengths = (0.001, 0.01, 0.1, 1.0, 10.0)
rows = {"near empty": [], "near the mean": []}
sure = {name: [] for name in rows}
for strength in strengths:
    for name in rows:
        way = dict(shape=(28, 28, 1)) if name == "near empty" else dict(start=means[3:4], towards=means[3:4])
        result = synthesis.activation_maximization(net, 3, penalty=strength, **way)
        rows[name].append(result.image[0])
        sure[name].append(result.probability[0])
plot.heatmaps({name: np.stack(row) for name, row in rows.items()}, None, [f"λ = {s:g}" for s in strengths],
              "A 3, ever closer to where it is held")
print("\nlambda         ", *(f"{s:8g}" for s in strengths))
for name, values in sure.items():
    print(f"p, {name:13}", *(f"{p:8.3f}" for p in values))

# %%
# One question, measured
# ----------------------
# Are these pictures of digits, or pictures of this network? We show them to another network, a convolutional one, that
# learnt from the same digits. What both recognise belongs to the digits.

other = models.load("cnn")
print("\np(class), mean of ten prototypes     the network itself    another network")
judged = {}
for name, result in found.items():
    judged[name] = train.softmax(other.forward(result.image))[np.arange(10), result.target].mean()
    print(f"{name.replace(chr(10), ' '):24} {result.probability.mean():24.3f} {judged[name]:18.3f}")
of_means = train.softmax(net.forward(means)).diagonal(), train.softmax(other.forward(means)).diagonal()
print(f"{'the mean images':24} {of_means[0].mean():24.3f} {of_means[1].mean():18.3f}")

# %%
# Another network does little better than guessing, one in ten, unless we hold the prototype near a digit; and the mean
# images themselves, before any climb, are recognised too. So activation maximisation alone tells how the *network*
# separates its classes. To see digits, knowledge of digits must come in from outside: an expert (lesson 1.2) or a
# generator (lesson 1.3).
#
# Try this
# --------
# 1. Use the other network, ``models.load("cnn")``, for the search and ``dense`` as the judge.
# 2. Ask for the logit, ``objective=synthesis.logit``, with the same penalty. Why is the picture so much darker?

assert abs((1 - p) - 2 * penalty * x1) < 1e-2, "at the top both pulls are equal"
assert min(result.probability.min() for result in found.values()) > 0.9, "the network is sure of its own prototypes"
assert judged["near empty"] < 0.5 < judged["near the mean"], "another network is not, unless held near digits"
plot.show()
