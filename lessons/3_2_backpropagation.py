r"""
3.2 Backpropagation: class models and saliency maps
===================================================

**You will see** two pictures that one gradient can draw: what a class looks like to a network, without any image, and
which pixels of one image matter for it.

**Before this:** 2.1 (sensitivity analysis).

**Paper:** Simonyan, Vedaldi & Zisserman 2014, *Deep inside convolutional networks: visualising image classification
models and saliency maps*, section 2 (class models) and section 3 (saliency).
"""
import numpy as np

from minixnn import Dense, Network, attribution, datasets, metrics, models, plot, synthesis

COUNT = 300             # scenes to measure on

# %%
# Two questions to one score
# --------------------------
# Let :math:`S_c(x)` be the score of class :math:`c`: its output *before* the softmax. A probability can be raised by
# making the other classes less likely; a score cannot. The first question has no image in it. Which one would please
# the class most, if large pixels cost something? It is called the *class model*,
#
# .. math:: x^* = \arg\max_x \; S_c(x) - \lambda \lVert x \rVert^2 .
#
# The second question is about an image :math:`x` that we have. Near it :math:`S_c` is almost a plane, with the slope
# :math:`w = \partial S_c / \partial x`. The *saliency* of pixel :math:`i` is how steep it is there; of a pixel with
# several channels :math:`k`, the steepest of them:
#
# .. math:: R_i = \max_k \lvert w_{ik} \rvert .
#
# By head, where :math:`S` is a plane everywhere: :math:`S = 3 x_1 - x_2` and :math:`\lambda = 1/2`. At the top the
# slope of the score and of the penalty cancel, :math:`w = 2 \lambda x^*`, so the class model is :math:`(3, -1)`. The
# saliency is :math:`(3, 1)` for every image alike.

plane = Network([Dense(np.array([[3.0], [-1.0]]))])
model = synthesis.activation_maximization(plane, 0, shape=(2,), penalty=0.5, objective=synthesis.logit)
print("class model", model.image[0].round(3) + 0.0)
print("saliency   ", attribution.saliency(plane, np.array([[5.0, 7.0]]), 0)[0])       # <- STEP INTO

# %%
# Ten class models
# ----------------
# For a deep network we climb: from a faint grey, 300 steps along the gradient. This network has no biases, so its
# score is homogeneous, :math:`S(t x) = t S(x)`: twice the image, twice the score, without end. Only the penalty stops
# the climb, and :math:`\lambda` decides little but how dark the picture is. At a smooth top :math:`w = 2 \lambda x^*`
# once more: a class model is its own saliency, with the sign left on. (Not quite: a score made of ReLUs has kinks, the
# top lies on some of them, and there :math:`w` jumps.)

net = models.load("cnn")
penalty = 0.5
model = synthesis.activation_maximization(net, range(10), shape=(28, 28, 1), penalty=penalty,
                                          objective=synthesis.logit)
score = net.forward(model.image)[np.arange(10), model.target]
dense = synthesis.activation_maximization(models.load("dense"), range(10), shape=(28, 28, 1), penalty=penalty,
                                          objective=synthesis.logit)
plot.heatmaps({"convolutional": model.image, "dense": dense.image}, None, [f"class {c}" for c in range(10)],
              "What each class would like to see: red asks for ink, blue for its absence", quantile=0.995)


def length(x):
    return np.sqrt((x ** 2).sum(axis=(1, 2, 3)))


slope = attribution.gradient(net, model.image, model.target)
cosine = (slope * model.image).sum(axis=(1, 2, 3)) / length(slope) / length(model.image)
print(f"\ncosine of a class model and the gradient there: mean {cosine.mean():.2f}, least {cosine.min():.2f}")
images, labels = datasets.mnist("test")
x, target = images[:1000], labels[:1000]
usual = net.predict(x)[np.arange(1000), target] / length(x)
print(f"score per length of the image, S / ||x||: class models {(score / length(model.image)).min():.1f} to "
      f"{(score / length(model.image)).max():.1f}, real digits {usual.min():.1f} to {usual.max():.1f}")

# %%
# The convolutional network asks for pieces of strokes, such as the two arms of the 4; the dense network, which sees
# all pixels at once, for larger forms, in which a 3 or an 8 can be read. Neither draws a digit. And yet a class model
# scores higher than any real digit of the same length: the climb has left everything that looks like one. Lessons 1.1
# to 1.3 bring it back.
#
# Ten saliency maps
# -----------------
# Now each map belongs to an image. We take the score of one class, not the sum of all: the slope of the sum would tell
# what raises every class at once.

ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
x, target = images[ten], labels[ten]
maps = {"saliency": attribution.saliency(net, x, target),
        "of all ten\nscores summed": abs(attribution.gradient(net, x, start=np.ones((10, 10), np.float32)))}
plot.heatmaps(maps, x, title="Saliency: how steep the score is at each pixel")

# %%
# A saliency has no sign, and large values lie beside the strokes as well as on them: that is where a stroke would turn
# the digit into another.
#
# One question, measured
# ----------------------
# Simonyan et al. cut objects out of photographs with nothing but saliency, so a map should find its object. We have
# scenes of one digit among pieces of others, and know the box of the digit. How much of the saliency lies in it,
# compared with the ink and with the pixels?

scenes, kinds, boxes = datasets.cluttered_mnist(COUNT, seed=1, split="test")
finder = models.load("cluttered_dense")
R = attribution.saliency(finder, scenes, kinds)
shown = [int(np.flatnonzero(kinds == digit)[0]) for digit in range(10)]
plot.overlay(scenes[shown], R[shown], [f"class {c}" for c in kinds[shown]],
             "Saliency in scenes: the green box is the digit, all else is clutter", boxes=boxes[shown], quantile=0.995)
inside = {name: metrics.inside_box(values, boxes).mean()
          for name, values in (("saliency", R), ("ink", scenes), ("pixels", np.ones_like(scenes)))}
print(f"\ninside the box, mean over {COUNT} scenes: " + ", ".join(f"{v:.1%} of the {k}" for k, v in inside.items()))
print(f"the steepest pixel lies inside in {metrics.pointing_game(R, boxes).mean():.1%} of the scenes")

# %%
# It does find the digit, without ever having been told a place. What it cannot say is which pixels speak *for* the
# class: an absolute slope tells only where the score would move.
#
# Try this
# --------
# 1. Make class models with ``objective=synthesis.log_probability``. Why do they stay so much paler?
# 2. Start the climb from a real digit, ``start=x[:10]``. Does it end in the same class models? What does that say
#    about the word "the" in "the class model"?

assert cosine.min() > 0.7, "at the top of the climb the image points along the gradient"
assert inside["saliency"] > inside["ink"] > inside["pixels"], "saliency finds the digit among clutter"
plot.show()
