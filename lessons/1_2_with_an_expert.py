r"""
1.2 Activation maximization with an expert
==========================================

**You will see** how a model of what digits look like turns the noise of lesson 1.1 into digits, why the two together
follow from Bayes' rule, and that the likeliest image is not a typical one.

**Before this:** 1.1 (activation maximization).

**Paper:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 3.2.
"""
import numpy as np

from minixnn import Dense, Network, datasets, models, plot, synthesis, train
from minixnn.synthesis import density

# %%
# Two judges
# ----------
# The network knows what tells a 3 from an 8, and nothing of what a digit is. So we ask a second model, the *expert*,
# for the density :math:`p(x)` of the image among all digits of whatever class, and look for
#
# .. math:: x^* = \arg\max_x \; \log p(c \mid x) + \log p(x) .
#
# The sum has a meaning. By Bayes' rule :math:`p(c \mid x) \, p(x) = p(x \mid c) \, p(c)`, and :math:`p(c)` does not
# depend on :math:`x`: we find the likeliest image *of the class*, the peak of :math:`p(x \mid c)`.
#
# By head: two classes on a line, Gaussians of width 1 around -1 and +1, equally frequent. Then :math:`p(x)` is their
# mixture, and :math:`p(1 \mid x) = 1 / (1 + e^{-2x})`, a network of one layer with the logits :math:`-x` and :math:`x`.
# The network alone wants :math:`x` as large as possible. Both together must find the peak of the second Gaussian, 1.

line = Network([Dense(np.array([[-1.0, 1.0]]))])
one = np.ones((1, 1))
expert = density.GaussianMixture(mean=np.zeros(1), U=one, log_pi=np.log([0.5, 0.5]), m=np.array([[-1.0], [1.0]]),
                                 P=np.stack([one, one]), v=1.0, shape=(1,))
alone = synthesis.activation_maximization(line, 1, shape=(1,), penalty=0.0)
both = synthesis.with_expert(line, 1, expert, shape=(1,))                   # <- STEP INTO
print(f"the network alone, after 300 steps: x = {alone.image[0, 0]:.3f} and climbing; with the expert: "
      f"x = {both.image[0, 0]:.3f}")

axis = np.linspace(-4, 4, 81)[:, None]
log_p = np.log(train.softmax(line.forward(axis))[:, 1])
plot.curves(axis[:, 0], {"log p(c|x), the network": log_p, "log p(x), the expert": expert.log_density(axis),
                         "their sum": log_p + expert.log_density(axis)}, "x", "logarithm",
            "Two judges: the sum peaks where the class does, at 1")

# %%
# An expert for digits
# --------------------
# A mixture of 50 Gaussians in the 50 directions in which digits differ most, fitted to 10,000 training digits. Does it
# know digits? A test: the density of digits that it never saw, and of the same digits with something done to them.

images, labels = datasets.mnist("train")
expert = density.GaussianMixture.fit(images, rng=np.random.default_rng(0))
unseen = datasets.mnist("test")[0][:1000]
rng = np.random.default_rng(1)
changed = {"unseen digits": unseen, "upside down": unseen[:, ::-1], "pixels shuffled": unseen.reshape(1000, -1)[
    :, rng.permutation(784)].reshape(unseen.shape), "with noise of 0.1": unseen + 0.1 * rng.standard_normal(
    unseen.shape, dtype=np.float32), "the empty image": unseen[:1] * 0}
print("\nlog p(x), median")
level = {name: np.median(expert.log_density(x)) for name, x in changed.items()}
for name, value in level.items():
    print(f"  {name:20} {value:9.0f}")
plot.images(expert.centres()[:20], None, "Twenty of the expert's fifty Gaussians: their means")

# %%
# It tells digits from most else. But the empty image it finds likelier than the digits! A density is no measure of how
# typical something is: in 784 dimensions the peak of a density lies where hardly any image is. We meet that again
# below.
#
# Ten prototypes
# --------------
# With the expert, and without it as in lesson 1.1. The density has many peaks, and the climb ends on the nearest;
# so it starts halfway between the mean of all Gaussians and the best one for the class.

net = models.load("dense")
start = synthesis.near_best_centre(net, np.arange(10), expert)
found = {"no expert": synthesis.activation_maximization(net, range(10), shape=(28, 28, 1), penalty=0.1),
         "no expert,\nsame start": synthesis.activation_maximization(net, range(10), start=start, penalty=0.1),
         "with expert": synthesis.with_expert(net, range(10), expert)}
rows = {"start": start} | {name: result.image for name, result in found.items()}
plot.heatmaps(rows, None, [f"class {c}" for c in range(10)],
              "Prototypes without and with a model of what digits look like (red is ink, blue less than none)")

# %%
# How much of an expert?
# ----------------------
# A weight before :math:`\log p(x)` lets one judge speak louder: 1 is Bayes' rule, 0 the network alone. Here all starts
# are the mean of the training digits, so that nothing is given away.

mean = images.mean(axis=0, keepdims=True)
weights = (0.0001, 0.01, 1.0)
other = models.load("cnn")
grid, names = {}, [f"class {c}" for c in range(10)]
print("\nweight    p(class) by the network    by another network")
for weight in weights:
    result = synthesis.with_expert(net, range(10), expert, start=mean, weight=weight, steps=150)
    grid[f"weight {weight:g}"] = result.image
    judged = train.softmax(other.forward(result.image))[np.arange(10), range(10)]
    print(f"{weight:7g} {result.probability.mean():18.3f} {judged.mean():23.3f}")
plot.heatmaps(grid, None, names, "From the mean of all digits, with an ever louder expert")

# %%
# A faint expert leaves noise, a loud one from such a start overrules the network: the climb ends on the peak of the
# density that is nearest, whatever class is asked for. That is why the start above was chosen with care.
#
# One question, measured
# ----------------------
# Are the prototypes digits? We ask another network, as in lesson 1.1, and the expert itself.

print("\np(class), mean of ten      the network    another network      log p(x), median")
other_sure = {}
for name, result in found.items():
    other_sure[name] = train.softmax(other.forward(result.image))[np.arange(10), range(10)].mean()
    print(f"{name.replace(chr(10), ' '):22} {result.probability.mean():14.3f} {other_sure[name]:16.3f} "
          f"{np.median(expert.log_density(result.image)):20.0f}")
highest = expert.log_density(unseen).max()
print(f"the likeliest of 1,000 unseen digits has log p(x) = {highest:.0f}")

# %%
# With the expert both networks agree on what they see. And the prototypes are *likelier* than every real digit: smooth,
# of medium width, without any hand's peculiarities. The likeliest image of a class is an ideal, not an example, as no
# one is as average as the average.
#
# Try this
# --------
# 1. Fit the expert with ``directions=20, clusters=1``: one Gaussian. What do the prototypes look like now?
# 2. Fit an expert to each class on its own and climb its :math:`\log p(x)` with ``weight=1`` and any network. Is the
#    network still needed?

assert abs(both.image[0, 0] - 1) < 0.01, "the two judges find the peak of the class"
assert other_sure["with expert"] > 0.9 > 0.5 > other_sure["no expert"], "the expert makes digits of prototypes"
assert np.median(expert.log_density(found["with expert"].image)) > highest, "likelier than any real digit"
plot.show()
