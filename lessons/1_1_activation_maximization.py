r"""
1.1 Activation maximization
===========================

**You will see** images that convince a network although they are almost blank, and that what makes such an image look
like a digit comes less from the network than from the rules we give to the search.

**Before this:** 0.1 (layers and traces), 0.3 (logits, probabilities, Adam).

**Papers:** Montavon et al. 2018, *Methods for interpreting and understanding deep neural networks*, section 3.1;
Erhan et al. 2009, *Visualizing higher-layer features of a deep network*; Simonyan et al. 2014, *Deep inside
convolutional networks*, section 2 (the logit as objective); Olah et al. 2017, *Feature visualization* (jitter, blur,
many optima). Prototypes held near the mean image are lesson 1.1 of the tutorial 1202kbs/Understanding-NN.
"""
import numpy as np

from minixnn import Dense, Network, datasets, models, passes, plot, synthesis, train
from minixnn.plot import diagrams

# %%
# A climb in the space of images
# ------------------------------
# What does a network consider a typical 3? Let :math:`p(c \mid x)` be the probability that it gives to class
# :math:`c` for the image :math:`x`. We look for the image, the *prototype*, that makes it large while it stays near an
# image :math:`m` of our choice, the empty one at first:
#
# .. math:: x^* = \arg\max_x \; \log p(c \mid x) - \lambda \lVert x - m \rVert^2 .
#
# Without the penalty :math:`\lambda` the search would never end: more is always better. The search is a loop. It goes
# forward to the logits :math:`y`, back with the gradient, and moves the *image* a step uphill. The derivative of
# :math:`\log p(c \mid x)` by logit :math:`y_k` is :math:`[k = c] - p_k`, as in lesson 0.3 with the sign turned.


def climb(net, x, classes, penalty, towards=0.0, bounds=None, logit=False, jitter=0, blur=0.0, steps=300, rng=None):
    """Climb from the images x, one class for each. What `logit`, `jitter` and `blur` are for is told further below."""
    x, wanted, adam = x.copy(), np.eye(10, dtype=x.dtype)[classes], train.Adam(0.05)
    for step in range(steps):
        shift = rng.integers(-jitter, jitter + 1, 2) if jitter else (0, 0)
        moved = np.roll(x, shift, (1, 2)) if jitter else x
        dy = wanted if logit else wanted - train.softmax(net.forward(moved))
        dx = passes.gradient(net, moved, start=dy)[0]                       # <- STEP INTO: the pass of lesson 0.1
        dx = np.roll(dx, (-shift[0], -shift[1]), (1, 2)) - 2 * penalty * (x - towards)
        adam.learning_rate = 0.05 * train.cosine(step / steps)              # shorter and shorter steps
        adam.step("x", x, -dx)                                              # Adam goes down, we go up
        for axis in (1, 2) if blur else ():
            x += blur * ((np.roll(x, 1, axis) + np.roll(x, -1, axis)) / 2 - x)
        if bounds:
            x.clip(*bounds, out=x)
    return x


def norm(x):
    return np.sqrt((x ** 2).sum(axis=(1, 2, 3)))


def at_contrast(x, wanted=9.0):
    """The same images, fainter or stronger, with the norm of a digit: 9.0 is the median of real ones."""
    return x * (wanted / norm(x))[:, None, None, None]


# %%
# By hand: two inputs are themselves the logits of two classes. Class 0 becomes likelier as :math:`x_1` grows, at the
# rate :math:`1 - p`, and as :math:`x_2` falls, at the same rate. At the top the pull of the class equals the pull of
# the penalty: :math:`1 - p = 2 \lambda x_1`, and :math:`x_2 = - x_1`. The package has this loop, too.

two, penalty = Network([Dense(np.eye(2))]), 0.25
top = synthesis.activation_maximization(two, 0, shape=(2,), penalty=penalty)
(x1, x2), p = top.image[0], top.probability[0]
print(f"top at ({x1:.3f}, {x2:.3f}); 1 - p = {1 - p:.3f} and 2 lambda x_1 = {2 * penalty * x1:.3f}")
axis = np.linspace(-1.8, 1.8, 7)
where = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
uphill = passes.gradient(two, where, start=[1, 0] - train.softmax(where))[0] - 2 * penalty * where
diagrams.plane(lambda x: np.log(train.softmax(x)[:, 0]) - penalty * (x ** 2).sum(axis=1),
               {"gradient of the objective, at a third of its length": (where, uphill / 3)}, (-2.2, 2.2),
               "A single top: every path leads there", points=[((x1, x2), "top")], value="objective")

# %%
# Ten prototypes
# --------------
# A dense network with 784 pixels, in three settings: :math:`m = 0` with pixels of any value; the same with pixels kept
# between paper, 0, and ink, 1; and for :math:`m` the mean image of the class, where the search then also starts.

images, labels = datasets.mnist("train")
unseen, truth = (array[:1000] for array in datasets.mnist("test"))
dense, cnn, ten = models.load("dense"), models.load("cnn"), np.arange(10)
means = synthesis.class_means(images, labels)
grey = np.full_like(means, 0.01)                                            # a faint grey to start from
found = {"near empty": climb(dense, grey, ten, 0.1), "0 to 1": climb(dense, grey, ten, 0.1, bounds=(0, 1)),
         "near the mean": climb(dense, means, ten, 0.1, towards=means)}
weak, strong = climb(dense, grey, ten, 0.001), climb(dense, grey, ten, 10.0)    # lambda 100 times less and more
package = synthesis.activation_maximization(dense, range(10), shape=(28, 28, 1), penalty=0.1)
assert np.array_equal(found["near empty"], package.image), "the loop above is the package's"
rows = {"near empty": found["near empty"], "the same at a\ndigit's contrast": at_contrast(found["near empty"]),
        "0 to 1": found["0 to 1"], "the same at a\ndigit's contrast ": at_contrast(found["0 to 1"]),
        "near the mean": found["near the mean"], "the mean itself,\nno search": means}
plot.images(np.concatenate(list(rows.values())), [f"class {c}" for c in ten], rows=list(rows), limits=(-1, 1),
            title="Ten prototypes of a dense network, on one scale: the first and the third row are nearly blank")

# %%
# The search stops when the network is convinced, and very little ink convinces it. What do others see there? We ask a
# second network, a convolutional one that learnt from the same digits, as a *judge*. It has no biases, so it is less
# sure the fainter an image is: it must judge all images at one contrast. The controls are noise, real digits, real
# digits as faint as the prototypes, and the mean images, for which nobody searched.

rng, p = np.random.default_rng(0), {}
controls = {"near empty, lambda 0.001": weak, "near empty, lambda 10": strong, "the mean images, no search": means,
            "1,000 real digits": unseen, "real digits, made faint": at_contrast(unseen, norm(package.image).mean()),
            "1,000 images of noise": rng.standard_normal(unseen.shape, dtype=np.float32)}
print("\n" + " " * 31 + "norm   p(class) by the judge: as it is   at a digit's contrast")
for name, x in (found | controls).items():
    c = ten if len(x) == 10 else truth
    as_is, p[name] = (train.softmax(cnn.predict(z))[np.arange(len(c)), c] for z in (x, at_contrast(x)))
    print(f"{name:28} {norm(x).mean():6.2f} {as_is.mean():32.3f} {p[name].mean():16.3f} "
          f"+- {p[name].std(ddof=1) / len(c) ** 0.5:.3f}")

# %%
# Near empty the norm is 0.51, an eighteenth of a digit's. At a digit's contrast the judge gives 0.20 +- 0.11, and 0.10
# to noise: such a prototype persuades its own network and no other, like an *adversarial* image. From
# :math:`\lambda` = 0.001 to 10 the norm falls from 5.2 to 0.2, and the judge stays as unsure. With pixels from 0 to 1
# it gives 0.55 +- 0.12. Near the mean it gives 1.00, but 0.98 to the mean image alone: that shape was put in by us.
#
# What we may add
# ---------------
# To get strong images we climb the logit instead, which has no upper end, with pixels from 0 to 1. Two more rules hold
# for digits and for most images. *Jitter*: a digit moved by a few pixels is the same digit, so each step sees the
# image shifted at random, by up to 3 pixels. *Blur*: neighbouring pixels are alike, so each step smooths the image,
# which damps high frequencies. And is there one optimum, or many? We compare the distance between the results of two
# random starts with the distance between two classes.

settings = {"0 to 1": {}, "0 to 1, blur": dict(blur=0.3), "0 to 1, jitter": dict(jitter=3)}
shown, right, apart = {}, {}, {}
print("\n" + " " * 25 + "recognised (chance: 10 %)   distance between: starts   classes")
for kind, net, judge, n, steps in (("dense", dense, cnn, 10, 100), ("conv.", cnn, dense, 2, 60)):
    starts = 0.1 * rng.random((10 * n, 28, 28, 1), dtype=np.float32)        # n for each class
    classes = np.repeat(ten, n)
    for name, setting in settings.items():
        x = at_contrast(climb(net, starts, classes, 0.3, 0.0, (0, 1), True, steps=steps, rng=rng, **setting))
        key, shown[f"{kind}\n{name}"] = (kind, name), x[::n]
        right[key] = (judge.predict(x).argmax(axis=1) == classes).reshape(10, n).mean(axis=1)      # of each class
        apart[key] = norm(x[::n] - x[1::n]).mean(), norm(x[:-n] - x[n:]).mean()
        print(f"{kind:6} {name:18} {right[key].mean():12.0%} +- {right[key].std(ddof=1) / 10 ** 0.5:.0%} "
              f"{apart[key][0]:32.1f} {apart[key][1]:9.1f}")
shown["conv.\njitter, another start"] = x[1::n]
plot.images(np.concatenate(list(shown.values())), [f"class {c}" for c in ten], rows=list(shown), limits=(0, 1),
            title="Prototypes of two networks: what jitter and blur add (all at a digit's contrast)")
gain = {}
for rule in ("blur", "jitter"):
    more = np.concatenate([right[kind, f"0 to 1, {rule}"] - right[kind, "0 to 1"] for kind in ("dense", "conv.")])
    gain[rule] = more.mean(), more.std(ddof=1) / len(more) ** 0.5
    print(f"gain by {rule}, both networks: {gain[rule][0]:.0%} +- {gain[rule][1]:.0%}")

# %%
# Jitter adds 27 +- 9 percentage points to what the judge recognises, blur 22 +- 8 from these starts: knowledge of
# images, not of the network. Two results of the dense network for one class lie 3.1 apart, its classes 10.4: near, if
# not one optimum. Those of the convolutional one lie nearly as far apart (9.9) as its classes (11.0). Its 3 has four
# arcs and its 4 is a comb: the logit grows with every stroke that speaks for the class, and nothing says that a digit
# has each stroke once. So a prototype shows what raises an output under the rules we gave. For digits, knowledge of
# digits must come in: an expert (1.2) or a generator (1.3).
#
# Try this
# --------
# 1. Let the convolutional network search near empty, ``climb(cnn, grey, ten, 0.1)``, and the dense one judge.
# 2. Start the search for a 3 at a real 8. Where does it end, with jitter and without?

assert abs((1 - top.probability[0]) - 0.5 * x1) < 1e-2, "at the top both pulls are equal"
assert package.probability.min() > 0.98 and norm(package.image).max() < 0.9, "sure, and nearly blank"
assert p["near empty"].mean() < 0.1 + 2 * p["near empty"].std(ddof=1) / 10 ** 0.5, "by chance, for the judge"
assert p["the mean images, no search"].mean() > 0.97, "near the mean, the search is not what makes the digit"
assert gain["jitter"][0] > 2 * gain["jitter"][1], "jitter helps by more than twice its error"
assert apart["dense", "0 to 1"][0] < 5 < 8 < apart["conv.", "0 to 1"][0], "nearer than classes, and as far as classes"
plot.show()
