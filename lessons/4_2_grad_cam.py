r"""
4.2 Grad-CAM
============

**You will see** how gradients take the place of the weights that class activation maps need, so that any
convolutional network will do; and what the averaging of those gradients costs, layer by layer.

**Before this:** 4.1 (class activation maps), 3.3 (guided backpropagation).

**Papers:** Selvaraju et al. 2017, *Grad-CAM: visual explanations from deep networks via gradient-based localization*,
section 3; Draelos and Carin 2020, *Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks*.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Flatten, GlobalAvgPool, Network, attribution, datasets, metrics, models, passes, plot
from minixnn.attribution.cam import bilinear

COUNT = 400             # scenes to measure on

# %%
# A weight for every feature map
# ------------------------------
# A class activation map weights the feature maps :math:`A_{ijk}` (row :math:`i`, column :math:`j`, map :math:`k`) by
# the weights of the last layer. If other layers follow there is no such weight. Grad-CAM asks instead how the score
# :math:`y_c` of class :math:`c`, taken before the softmax, changes with the map, and averages the answers over its
# :math:`h \times w` places:
#
# .. math::
#    g_{ijk} = \frac{\partial y_c}{\partial A_{ijk}} , \qquad a_k = \frac{1}{h w} \sum_{ij} g_{ijk} , \qquad
#    R_{ij} = \Bigl( \sum_k a_k A_{ijk} \Bigr)^+ .
#
# The positive part leaves what speaks for the class. On a head of global average pooling and one dense layer,
# :math:`g_{ijk} = w_{kc} / (h w)` at every place: there Grad-CAM is CAM divided by :math:`h w`, and rectified.
#
# By hand, with the two maps of lesson 4.1 and their weights 3 and -1: all gradients are 3/4 and -1/4, and the map holds
# 4 times 3/4 and 8 times -1/4, so 3 and -2. CAM found 12 and -8.

A = np.zeros((1, 2, 2, 2))                                  # (1 image, 2 rows, 2 columns, 2 maps)
A[0, 0, 0, 0], A[0, 1, 1, 1] = 4, 8
pooled = Network([GlobalAvgPool(), Dense(np.array([[3.0], [-1.0]]))])
R = attribution.grad_cam(pooled, A, 0, layer=0, resize=False, rectify=False)        # <- STEP INTO
g = passes.gradient(pooled, A, 0)[0]                        # (1, 2, 2, 2)
a = g.mean(axis=(1, 2), keepdims=True)                      # (1, 1, 1, 2)
assert np.array_equal(R, (a * A).sum(axis=3)), "the package computes the formula"
print("Grad-CAM before the positive part is taken:", R[0].tolist())

# %%
# Where it breaks
# ---------------
# The average over the places assumes that a map means the same wherever it is active. A dense head may think
# otherwise. Let the first map have the weight 3 at its upper left corner and -1 at the three other places, and the
# second map none: the output is :math:`3 \cdot 4 = 12`, all due to the first map, but its weights average to nothing.
# Draelos and Carin leave the average out and call the result HiResCAM: :math:`R_{ij} = (\sum_k g_{ijk} A_{ijk})^+`.

W = np.zeros((2, 2, 2, 1))                                  # (rows, columns, maps, 1 output)
W[:, :, 0, 0] = [[3, -1], [-1, -1]]
placed = Network([Flatten(), Dense(W.reshape(8, 1))])
R = attribution.grad_cam(placed, A, 0, layer=0, resize=False)
g = passes.gradient(placed, A, 0)[0]
print("output", placed.forward(A)[0, 0], " Grad-CAM", R[0].tolist(), " without averaging",
      (g * A).sum(axis=3).clip(min=0)[0].tolist())

# %%
# Ten scenes
# ----------
# Scenes as in lesson 4.1, read by a network that ends in two dense layers. Its last feature maps are 10 x 10 before
# the last pool, ``layer=8``, and 5 x 5 after it. *Guided Grad-CAM* is Grad-CAM times guided backpropagation: the first
# tells where, the second draws fine lines.

net = models.load("cluttered_dense")
images, labels, boxes = datasets.cluttered_mnist(COUNT, seed=1, split="test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
x, target = images[ten], labels[ten]
print(f"\n{models.record('cluttered_dense')['accuracy']:.2%} of unseen scenes are read correctly")
print(net.describe(x=x))
fine, guided = partial(attribution.grad_cam, layer=8), partial(attribution.guided_grad_cam, layer=8)
shown = {"Grad-CAM": fine, "guided backpropagation": attribution.guided_backprop, "guided Grad-CAM": guided}
plot.heatmaps({name: method(net, x, target) for name, method in shown.items()}, x, [f"class {c}" for c in target],
              "Where, in what detail, and both", quantile=0.998, boxes=boxes[ten])

# %%
# One question, measured: which layer?
# ------------------------------------
# Any feature maps can be asked. We count how often the largest value lies inside the digit's box (the pointing game of
# lesson 4.1), with Grad-CAM and without its average. And we look at the assumption itself: how many of the gradients of
# a map have the sign of their mean? Chance is what the same gradients give, dealt out anew over maps and places. (After
# +- stands the standard error of the mean over the scenes.)


def unaveraged(net, x, target, layer=8):
    A = Network(net.layers[:layer]).forward(x)
    g = passes.gradient(Network(net.layers[layer:]), A, target)[0]
    return bilinear((g * A).sum(axis=3).clip(min=0), x.shape[1:3])[..., None]       # stretched as Grad-CAM is


def same_sign(layer):
    A = Network(net.layers[:layer]).forward(images)
    g = passes.gradient(Network(net.layers[layer:]), A, labels)[0]
    dealt = np.random.default_rng(0).permuted(g.reshape(COUNT, -1), axis=1).reshape(g.shape)
    return [(np.sign(h) == np.sign(h.mean(axis=(1, 2), keepdims=True)))[h != 0].mean() for h in (g, dealt)]


A, by_layer = net.trace(images[:1]), {"Grad-CAM": {}, "without averaging": {}}
print(f"\n{COUNT} scenes: the largest value lies inside")
for l in (9, 8, 6, 5, 3):
    name = f"{A[l].shape[1]} x {A[l].shape[2]} maps entering layer {l}"
    for (label, found), method in zip(by_layer.items(), (attribution.grad_cam, unaveraged)):
        found[name] = metrics.mean_and_error(metrics.pointing_game(method(net, images, labels, layer=l), boxes))
    hits = ", ".join("{} {:.1%} +- {:.1%}".format(label, *found[name]) for label, found in by_layer.items())
    print(f"  {name}: {hits}; " + "same sign {:.0%}, dealt anew {:.0%}".format(
        *same_sign(l)))
even = metrics.pointing_game(np.ones_like(images), boxes).mean()
plot.bars(by_layer, "largest value inside the box, share of scenes",
          "Averaging costs nothing in the last maps, and much below them", {"chance: the area of the box": even})

# %%
# At the last maps the average costs nothing: 97.0 % of the largest values lie inside, 97.2 % without it. In layer 6 it
# halves the hits, 47.0 % against 89.5 %, and in layer 3 Grad-CAM is close to chance, 24.2 % against 96.8 %. The maps
# still know where the digit is, as the lines without averaging show. But a map no longer stands for a part of a digit,
# only for a stroke, which speaks for the class in one place and against it in another: 53 to 56 % of the gradients have
# the sign of their mean, where chance is 51 to 55 %. So Grad-CAM is for the last maps.
#
# Does it answer the question that it was asked?
# ----------------------------------------------
# We ask for a wrong class, drawn at random, and see whether the map still points at the digit; and we compare the maps
# of the digit's class and of the strongest other one. A cosine of 1 means the same map. Maps without negative numbers
# are alike anyway, so beside it stands the cosine with the map of *another scene*.

rng = np.random.default_rng(0)
wrong = (labels + rng.integers(1, 10, COUNT)) % 10
ranked = np.argsort(net.predict(images), axis=1)
second = np.where(ranked[:, -1] == labels, ranked[:, -2], ranked[:, -1])
methods = {**shown, "without averaging": unaveraged, "gradient x input": attribution.gradient_times_input,
           "ink": lambda net, x, target: x}


def cosine(R, S):
    R, S = R.reshape(COUNT, -1), S.reshape(COUNT, -1)
    sizes = np.linalg.norm(R, axis=1) * np.linalg.norm(S, axis=1)
    return (R * S).sum(axis=1) / np.where(sizes, sizes, 1)


columns = ("inside the box", "largest inside", "asked for a wrong class", "cosine, other class", "cosine, other scene")
table = {}
print(f"\n{'':23}" + "".join(f"{column:>24}" for column in columns))
for name, method in methods.items():
    R = method(net, images, labels)
    values = (metrics.inside_box(R, boxes), metrics.pointing_game(R, boxes),
              metrics.pointing_game(method(net, images, wrong), boxes), cosine(R, method(net, images, second)),
              cosine(R, np.roll(R, 1, axis=0)))
    table[name] = [metrics.mean_and_error(value) for value in values]
    print(f"{name:23}" + "".join("{:.3f} +- {:.3f}".format(*entry).rjust(24) for entry in table[name]))

# %%
# Guided backpropagation draws nearly the same picture for either class (cosine 0.93) and points at the digit in 98.5 %
# of the scenes when asked for a *wrong* class: it shows the digit, whatever the question. Grad-CAM does so in 61 %,
# guided Grad-CAM in 83 %. Gradient x input, whose sign can turn, tells two classes apart best (cosine 0.11), and still
# has its largest value on the digit in 93 % for a wrong class. A hit in the pointing game says little about the class.
#
# Try this
# --------
# 1. Draw ``attribution.grad_cam(net, x, target, layer=8, rectify=False)``. Where is the negative part, on the digit or
#    on the pieces?
# 2. Explain one class against another: ``start=attribution.contrast(net, x, 4, 9, relevance=False)``.

averaged, kept = ({name[-1]: value for name, (value, _) in found.items()} for found in by_layer.values())
assert abs(averaged["8"] - kept["8"]) < 0.03 and kept["6"] - averaged["6"] > 0.3, "the average costs, but not on top"
assert table["guided backpropagation"][2][0] > 0.95 > 0.75 > table["Grad-CAM"][2][0], "it shows the digit anyway"
plot.show()
