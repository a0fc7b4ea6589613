r"""
1.3 Activation maximization in code space
=========================================

**You will see** prototypes with the strokes of a pen, because the search may only choose among images that a generator
can draw; how much of them comes from the search, and how much was there before it began.

**Before this:** 1.1 (activation maximization); 1.2 (with an expert) is a good companion.

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 3.3;
Nguyen et al. 2016, *Synthesizing the preferred inputs for neurons in neural networks via deep generator networks*;
Dosovitskiy & Brox 2016, *Generating images with perceptual similarity metrics based on deep networks* (the losses).
The order follows lesson 1.3 of the tutorial 1202kbs/Understanding-NN, which draws the same schematic.
"""
import numpy as np

from minixnn import Dense, Network, datasets, metrics, models, passes, plot, synthesis, train
from minixnn.plot import diagrams
from minixnn.synthesis import generator

# %%
# Choose a code, not pixels
# -------------------------
# A *generator* :math:`g` draws an image from a short *code* :math:`z`. We leave the pixels alone and move the code, so
# that the logit :math:`f_c` of the class :math:`c` grows; a penalty keeps the code near a code :math:`m`:
#
# .. math:: z^* = \arg\max_z \; f_c(g(z)) - \lambda \lVert z - m \rVert^2 , \qquad x^* = g(z^*) .
#
# The loop is that of lesson 1.1; the gradient goes back through the network to the image, and on through the generator
# to the code.


def climb(net, draw, z, classes, penalty=0.3, towards=0.0, steps=200):
    """Climb from the codes z, one class for each."""
    z, adam = z.copy(), train.Adam(0.1)
    for step in range(steps):
        x = draw.forward(z)
        dx = passes.gradient(net, x, start=passes.one_hot(net.forward(x), classes))[0]         # <- STEP INTO
        dz = passes.gradient(draw, z, start=dx)[0] - 2 * penalty * (z - towards)
        adam.learning_rate = 0.1 * train.cosine(step / steps)
        adam.step("z", z, -dz)
    return z


# %%
# By hand: a generator draws two pixels from one number, :math:`g(z) = (3z, z)`, so its images lie on a line. The logit
# is :math:`x_1 + x_2 = 4 z`. With :math:`\lambda = 1` the top of :math:`4 z - z^2` is at :math:`z = 2`, the image
# :math:`(6, 2)`. With the same penalty on free pixels both would be :math:`1/2`, off the line.

pen, score = Network([Dense(np.array([[3.0, 1.0]]))]), Network([Dense(np.ones((2, 1)))])
z = climb(score, pen, np.zeros((1, 1)), [0], penalty=1.0, steps=400)
package = synthesis.in_code_space(score, 0, pen, penalty=1.0, steps=400)
assert np.array_equal(z, package.code), "the loop above is the package's"
free = synthesis.activation_maximization(score, 0, shape=(2,), penalty=1.0, objective=synthesis.logit)
print("in code space: z =", z[0].round(2), " x =", pen.forward(z)[0].round(2), "  free pixels: x =",
      free.image[0].round(2))

# %%
# A generator of digits
# ---------------------
# Where do codes come from? From a classifier, ``dense_no_bias``: the code :math:`c(x)` of an image is its last hidden
# layer, 100 numbers, each shifted and scaled to mean 0 and variance 1. The generator learnt the way back from three
# losses, with :math:`x' = g(c(x))`, :math:`h` a lower layer of the same classifier, and :math:`d` a *discriminator*,
# which learns meanwhile to give high probabilities to real digits and low ones to drawn digits:
#
# .. math:: \lVert x' - x \rVert^2 + \lVert h(x') - h(x) \rVert^2 - 10 \log d(x') .
#
# The first alone gives blurred digits, the second noise that the classifier takes for the digit, the third digits that
# need not be the right ones. When we search, generator and classifier stay as they are, and the classifier is another
# one, ``dense``.

draw, encode = models.load("generator"), generator.encoder()
unseen, truth = (array[:1000] for array in datasets.mnist("test"))
net, judge, ten = models.load("dense"), models.load("cnn"), np.arange(10)
nowhere = np.zeros((10, 100), dtype=np.float32)                             # the code 0, the mean of all digits
z_0 = climb(net, draw, nowhere, ten)
from_0 = draw.forward(z_0)
redrawn = draw.forward(encode.forward(unseen))
diagrams.schematic({
    "x": (0, 1, "digit x", unseen[1]), "c": (1, 1, "encoder c:\nlayers of a\nclassifier"),
    "z": (2, 1, "code z:\n100 numbers"), "g": (3, 1, "generator g"), "x'": (4, 1, "drawn x' = g(c(x))", redrawn[1]),
    "d": (5, 1, "discriminator d:\nreal or drawn?"), "image": (2, 0, "image loss\n‖x' − x‖²"),
    "feature": (2, 2, "feature loss\n‖h(x') − h(x)‖²"), "adversarial": (5, 2, "adversarial loss\n− log d(x')"),
    "z*": (2, 3, "code z,\nmoved uphill"), "g*": (3, 3, "generator g,\nfixed"),
    "x*": (4, 3, "prototype g(z)", from_0[2]), "f": (5, 3, "another classifier f,\nfixed: logit of class 2")},
    [("x", "c"), ("c", "z"), ("z", "g"), ("g", "x'"), ("x'", "d"), ("x", "image"), ("x'", "image"), ("x", "feature"),
     ("x'", "feature"), ("d", "adversarial"), ("z*", "g*"), ("g*", "x*"), ("x*", "f")],
    "Above, how the generator learnt; below, how we search", ["image", "feature", "adversarial"])

# %%
# Ten prototypes
# --------------
# Two searches: from the code 0, and from the mean code of the class, held near it. Controls: the mean *image* of the
# class; what is drawn from the mean code before any search; and, in place of the network, one with random weights.
# Last, the search for a convolutional network.

images, labels = datasets.mnist("train")
means = synthesis.class_means(encode.predict(images[:10_000]), labels[:10_000])
rng = np.random.default_rng(0)
random_net = Network([Dense.random(*layer.W.shape, rng) if hasattr(layer, "W") else layer for layer in net.layers])
random_z = climb(random_net, draw, nowhere, ten, penalty=0.05)              # weak, for its logits are small, too
found = {"mean image,\nno generator": synthesis.class_means(images, labels),
         "mean code,\nno search": draw.forward(means),
         "from the\nmean code": draw.forward(climb(net, draw, means, ten, towards=means)), "from code 0": from_0,
         "from code 0,\nrandom network": draw.forward(random_z)}
conv = draw.forward(climb(judge, draw, nowhere, ten, steps=60))
elsewhere = rng.standard_normal((10, 100), dtype=np.float32)                # other starts, for the same networks
again = draw.forward(climb(net, draw, elsewhere, ten))
conv_again = draw.forward(climb(judge, draw, elsewhere, ten, steps=60))
plot.images(np.concatenate([*found.values(), conv]), [f"class {c}" for c in ten],
            rows=[*found, "from code 0,\nconv. network"],
            title="Codes can be averaged, pixels cannot; a random network finds no digits")
far = [np.sqrt((z ** 2).sum(axis=1)).mean() for z in (z_0, random_z)]
print(f"from the code 0 the network moves the code by {far[0]:.1f}, the random network by {far[1]:.1f}")

# %%
# One question, measured
# ----------------------
# What did the search add? Three measures. The judge's :math:`p(c)`, at the contrast of a digit as in lesson 1.1. Its
# *margin*, the logit of the class less the next best, for a probability cannot tell sure from very sure. And the share
# of *grey* among the inked pixels, between 10 and 90 % of the darkest: a pen leaves little.


def norm(x):
    return np.sqrt((x ** 2).sum(axis=(1, 2, 3)))


def measures(x, classes):
    """p(class), margin and share of grey of each image."""
    y = judge.predict(x * (9 / norm(x))[:, None, None, None])
    n, dark = np.arange(len(x)), x / x.max(axis=(1, 2, 3), keepdims=True)
    others = np.where(np.eye(10)[classes] == 1, -np.inf, y).max(axis=1)
    grey = ((dark > 0.1) & (dark < 0.9)).sum(axis=(1, 2, 3)) / (dark > 0.1).sum(axis=(1, 2, 3))
    return train.softmax(y)[n, classes], y[n, classes] - others, grey


random_codes = draw.predict(rng.standard_normal((1000, 100), dtype=np.float32))
print("\n" + " " * 27 + "p(class) by a judge         margin     share of grey")
result = {}
for name, x in ({"random codes": random_codes, "code 0, no search": draw.forward(nowhere)} | found |
                {"real digits": unseen, "real digits, redrawn": redrawn}).items():
    values = measures(x, ten if len(x) == 10 else truth)
    result[name] = [(v.mean(), v.std(ddof=1) / len(v) ** 0.5) for v in values]
    print(f"{' '.join(name.split()):28}", *(f"{m:8.{d}f} +- {e:.{d}f}" for (m, e), d in zip(result[name], (3, 1, 2))))
apart = {"two networks": (from_0, conv), "one network (dense), two starts": (from_0, again),
         "one network (cnn), two starts": (conv, conv_again)}
for name, (one, other) in apart.items():
    apart[name] = norm(one - other)
    print("{:32} same class {:.1f} +- {:.1f} apart, neighbouring classes {:.1f}".format(
        name, *metrics.mean_and_error(apart[name]), norm(one - np.roll(other, 1, axis=0)).mean()))

# %%
# The search, watched: stopped earlier and later, from the code 0 towards each class.

watched = {f"after {steps}": draw.forward(climb(net, draw, nowhere, ten, steps=steps)) for steps in (1, 3, 10, 30, 100)}
plot.images(np.concatenate(list(watched.values())), [f"class {c}" for c in ten], rows=list(watched),
            title="From one code to ten digits, after so many steps")

# %%
# The mean image is 96 % grey, with a margin of 6.4 +- 0.9. What the generator draws from the mean code has 15.6 +- 0.9
# before any search, as much as real digits (15.1 +- 0.2): codes can be averaged, pixels cannot. The search from there
# leaves the margin where it is (16.3 +- 0.9) and darkens the strokes: grey falls from 85 to 59 %, real digits have 53.
# From the code 0 it does all the work: from p = 0.10 to 1.00. A random network ends at 0.12 +- 0.05, with strokes of no
# digit. So the strokes are the generator's and the class is the network's. Do two networks ask for different digits?
# Theirs are 6.5 +- 0.6 apart, where classes are 8.7 apart. But one network from two starts asks for digits as far apart
# (5.9 +- 0.9 and 7.0 +- 0.5): what differs may be the search alone, and one pair of prototypes tells nothing sure about
# a network.
#
# Try this
# --------
# 1. Walk from one prototype to another, ``(1 - t) * z_0[3] + t * z_0[8]``, and draw what lies between.
# 2. Lower the penalty to 0 and raise ``steps``. How far can the code go before the image stops being a digit?

p, margin = ({name: values[k] for name, values in result.items()} for k in (0, 1))
(a, error_a), (b, error_b) = margin["mean code,\nno search"], margin["from the\nmean code"]
assert abs(a - b) < 2 * (error_a ** 2 + error_b ** 2) ** 0.5, "near the mean code the search adds nothing for the judge"
assert p["from code 0"][0] > 0.95 and p["from code 0,\nrandom network"][0] < 0.35, "the class is the network's"
two, same = apart["two networks"], apart["one network (cnn), two starts"]
assert abs(two.mean() - same.mean()) < 2, "two networks differ no more than one does from two starts"
plot.show()
