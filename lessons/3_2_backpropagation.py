r"""
3.2 Backpropagation: class models and saliency maps
===================================================

**You will see** two pictures that one gradient can draw: what a class would like to see, without any image, and where
one image is steep; and how little of the second is needed to "find the object".

**Before this:** 2.1 (sensitivity analysis).

**Papers:** Simonyan, Vedaldi & Zisserman 2014, *Deep inside convolutional networks: visualising image classification
models and saliency maps*, section 2 (class models) and section 3 (saliency); Zhang et al. 2018, *Top-down neural
attention by excitation backprop* (the pointing game).
"""
from functools import partial

import numpy as np

from minixnn import Dense, Network, attribution, datasets, metrics, models, passes, plot, synthesis

# %%
# Two questions to one score
# --------------------------
# Let :math:`S_c(x)` be the score of class :math:`c`: its output *before* the softmax. A probability can be raised by
# making the other classes less likely; a score cannot. The first question has no image in it: which one has the highest
# score, if large pixels cost something? It is called the *class model*,
#
# .. math:: x^* = \arg\max_x \; S_c(x) - \lambda \lVert x \rVert^2 .
#
# The second question is about an image :math:`x` that we have. Near it :math:`S_c` is almost a plane, with the slope
# :math:`w = \partial S_c / \partial x`. The *saliency* of pixel :math:`i` is how steep it is there; of a pixel with
# several channels :math:`k`, the steepest of them:
#
# .. math:: R_i = \max_k \lvert w_{ik} \rvert .
#
# By hand, where :math:`S` is a plane everywhere: :math:`S = 3 x_1 - x_2` and :math:`\lambda = 1/2`. At the top the
# slope of the score and of the penalty cancel, :math:`w = 2 \lambda x^*`, so the class model is :math:`(3, -1)`. The
# saliency is :math:`(3, 1)` for every image alike.

plane = Network([Dense(np.array([[3.0], [-1.0]]))])
model = synthesis.activation_maximization(plane, 0, shape=(2,), penalty=0.5, objective=synthesis.logit)
print("class model", model.image[0].round(3) + 0.0)
x = np.array([[5.0, 7.0]])
R = abs(passes.gradient(plane, x, 0)[0])                                    # <- STEP INTO
assert np.array_equal(R, attribution.saliency(plane, x, 0)), "the package does the same"
print("saliency   ", R[0])

# %%
# Ten class models
# ----------------
# For a deep network we climb: from a faint grey, 300 steps along the gradient. This network has no biases, so its
# score is homogeneous, :math:`S(t x) = t S(x)`: twice the image, twice the score, without end. Only the penalty stops
# the climb, and :math:`\lambda` decides little but how dark the picture is. At a smooth maximum again
# :math:`w = 2 \lambda x^*`: a class model is its own saliency, with the sign left on. (Not quite: a score made of ReLUs
# has kinks, the maximum lies on some of them, and there :math:`w` jumps.)

net, rng = models.load("cnn"), np.random.default_rng(0)
climb = partial(synthesis.activation_maximization, shape=(28, 28, 1), penalty=0.5, objective=synthesis.logit)
model, of_dense = climb(net, range(10)), climb(models.load("dense"), range(10))
plot.images(np.concatenate([model.image[::2], of_dense.image[::2]]), [f"class {c}" for c in range(0, 10, 2)], columns=5,
            rows=["convolutional", "dense"], limits=(-1, 1),
            title="Class models: ink raises the score (black) or lowers it (green)")


def length(x):
    return np.sqrt((x ** 2).sum(axis=(1, 2, 3)))


def cosine(x, w):
    return ((x * w).sum(axis=(1, 2, 3)) / length(x) / length(w)).mean()


slope = attribution.gradient(net, model.image, model.target)
at_the_top, by_chance = cosine(model.image, slope), cosine(model.image, np.roll(slope, 1, axis=0))
print(f"cosine of a class model and the gradient there: {at_the_top:.2f}; of another class: {by_chance:.2f}")
images, labels = datasets.mnist("test")
x, target = images[:1000], labels[:1000]
noise = rng.standard_normal(x.shape, dtype=np.float32)
print("score for each unit of length, S / ||x||:")
for name, pictures, classes in (("class models", model.image, model.target), ("digits", x, target),
                                ("noise", noise, target)):
    S = net.predict(pictures)[np.arange(len(pictures)), classes] / length(pictures)
    print(f"  {name:14} {S.mean():4.1f} on average, from {S.min():.1f} to {S.max():.1f}")

# %%
# The convolutional network asks for pieces of strokes, such as the two arms of the 4; the dense network, which sees
# all pixels at once, for larger forms. Neither draws a digit. And yet the score for each unit of length is 5.9 or more
# for class models, and 3.2 at most for 1,000 digits (noise: 0): the climb has left everything that looks like a digit.
# Lessons 1.1 to 1.3 bring it back.
#
# Saliency maps
# -------------
# Now each map belongs to an image. We take the score of one class, not the sum of all: the slope of the sum would tell
# what raises every class at once. And we look at two networks, because of the trap of lesson 2.1: ``cnn`` has no
# biases, and where its neurons see empty paper only, its gradient is 0 by convention. ``dense`` is not on such a kink.

five = [int(np.flatnonzero(labels == digit)[0]) for digit in range(0, 10, 2)]
maps = {name: attribution.saliency(models.load(name), images[five], labels[five]) for name in ("cnn", "dense")}
plot.heatmaps(maps, images[five], title="Saliency: how steep the score is. The white of cnn is a convention (2.1)")
for name, R in maps.items():
    ink = images[five] > 0
    print(f"{name:6} mean saliency on ink {R[ink].mean():.2f}, beside it {R[~ink].mean():.2f}, exactly 0 at "
          f"{(R == 0).mean():.0%} of the pixels")

# %%
# In ``cnn`` the saliency seems to belong to the strokes, 0.44 on ink and 0.12 beside it; but half the pixels are
# exactly 0, and lesson 2.1 measures larger slopes there than on ink. ``dense`` can be believed: 0.15 on ink, and 0.26
# beside it, where a stroke would turn the digit into another.
#
# One question, measured
# ----------------------
# Can a saliency map find an object? Simonyan et al. cut objects out of photographs with it: not with saliency alone,
# but with a segmentation by colour (GraphCut) that starts from the most and the least salient pixels. We have scenes of
# one digit among pieces of others, know the box of the digit, and ask how much of the saliency lies in it, and how
# often the steepest pixel does (the *pointing game*). The controls: the saliency for a wrong class; the ink; and a blur
# in the middle of the image, which has seen neither the scene nor the network.

scenes, kinds, boxes = datasets.cluttered_mnist(3000, seed=1, split="test")
top, left, bottom, right = boxes.T
off = (top > 20) | (bottom < 20) | (left > 20) | (right < 20)               # no middle pixel, 19 or 20, in the box
finder, blur = models.load("cluttered_dense"), np.exp(-(np.arange(40) - 19.5) ** 2 / 50)
inside, hits = {}, {}
for group, chosen in (("any scenes", np.arange(300)), ("the middle not in the box", np.flatnonzero(off))):
    x, classes, box = scenes[chosen], kinds[chosen], boxes[chosen]
    wrong = (classes + rng.integers(1, 10, len(x))) % 10
    maps = {"saliency": attribution.saliency(finder, x, classes),
            "|gradient x input|": abs(attribution.gradient_times_input(finder, x, classes)),
            "of a wrong class": attribution.saliency(finder, x, wrong), "the ink": x, "all pixels alike": x * 0 + 1,
            "blur in the middle": np.broadcast_to(np.outer(blur, blur)[:, :, None], x.shape)}
    inside[group] = {name: metrics.mean_and_error(metrics.inside_box(R, box)) for name, R in maps.items()}
    hits[group] = {name: metrics.mean_and_error(metrics.pointing_game(R, box)) for name, R in maps.items()}
    print(f"\n{len(x)} scenes, {group:27} share inside     largest pixel inside")
    for name in maps:
        print("{:38} {:5.1%} +- {:.1%} {:16.0%} +- {:.0%}".format(name, *inside[group][name], *hits[group][name]))
    if group == "any scenes":
        shown = [int(np.flatnonzero(classes == digit)[0]) for digit in range(10)]
        plot.overlay(x[shown], maps["saliency"][shown], [f"class {c}" for c in classes[shown]], quantile=0.995,
                     title="Saliency in scenes: the green box is the digit, all else is clutter", boxes=box[shown])
plot.bars(hits, "the largest pixel lies inside the box", "Pointing at the digit: a blur in the middle is hard to beat")

# %%
# Saliency puts 50 % into the box (ink: 39 %) and points at the digit in 92 % of the scenes. That sounds good, until one
# looks at the control: the blur has 67 % and 95 %, for most digits lie near the middle. Only where they do not can a
# method show what it knows. There the steepest pixel is right in 79 % of the scenes, the blur in 0 %: saliency does
# find the digit, without ever having been told a place. But it mostly finds *a* digit: asked for a wrong class it
# points there in 64 %. And of its sum only 31 % lies in the box, of the ink 27 %; times the input it does better, 96 %
# and 68 %. (The regular grid in the background
# is a kink once more: where a max pool sees equal numbers, the first of them receives everything.)
#
# Try this
# --------
# 1. Make class models with ``objective=synthesis.log_probability``. Why do they stay so much paler?
# 2. Start the climb from a real digit, ``start=x[:10]``. Does it end in the same class models? What does that say
#    about the word "the" in "the class model"?

assert at_the_top > 0.7 > 0.3 > abs(by_chance), "at the top of the climb the image points along the gradient"
assert hits["any scenes"]["blur in the middle"][0] > hits["any scenes"]["saliency"][0], "the blur wins by its place"
far = hits["the middle not in the box"]
assert far["saliency"][0] > far["blur in the middle"][0] + 0.5, "and loses where the digit is elsewhere"
plot.show()
