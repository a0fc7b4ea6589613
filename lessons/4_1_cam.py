r"""
4.1 Class activation maps
=========================

**You will see** how a network that was only ever told *which* digit is in a picture can show *where* it is, and how
little that takes: the last sum of the network, taken in another order.

**Before this:** 0.1 (layers and traces).

**Paper:** Zhou et al. 2016, *Learning deep features for discriminative localization*.
"""
import numpy as np

from minixnn import Dense, GlobalAvgPool, Network, attribution, datasets, metrics, models, passes, plot

COUNT = 2000            # scenes to measure on

# %%
# Two sums that change places
# ---------------------------
# The network must end in a particular way. Its last images, the *feature maps* :math:`A_{ijk}` (row :math:`i`, column
# :math:`j`, map :math:`k`), are averaged over their :math:`h \times w` places: global average pooling. One linear layer
# makes the output :math:`y_c` of class :math:`c` from the averages, with weights :math:`w_{kc}` and bias :math:`b_c`:
#
# .. math:: y_c = \sum_k w_{kc} \, \frac{1}{h w} \sum_{ij} A_{ijk} + b_c .
#
# Nothing stops us from summing over the maps first and averaging over the places last. What stands at each place then
# is the *class activation map*:
#
# .. math:: R_{ij} = \sum_k w_{kc} A_{ijk} , \qquad y_c = \frac{1}{h w} \sum_{ij} R_{ij} + b_c .
#
# By head: two maps of two by two. The first has a 4 in its upper left corner and the weight 3, the second an 8 in
# its lower right corner and the weight -1. Their averages are 1 and 2, so :math:`y = 3 \cdot 1 - 1 \cdot 2 = 1`; the
# class activation map holds 12 and -8, and its average is 1 as well.

A = np.zeros((1, 2, 2, 2))                                  # (1 image, 2 rows, 2 columns, 2 maps)
A[0, 0, 0, 0], A[0, 1, 1, 1] = 4, 8
head = Network([GlobalAvgPool(), Dense(np.array([[3.0], [-1.0]]))])
R = attribution.cam(head, A, 0, layer=0, resize=False)      # <- STEP INTO
print("output", head.forward(A)[0, 0], " class activation map", R[0].tolist(), " its mean", R.mean())

# %%
# A network for scenes
# --------------------
# A scene is 40 x 40 pixels: one whole digit anywhere, and eight pieces cut from other digits around it. The network
# has learnt which digit, from 60,000 new scenes an epoch, and nobody told it where. Its feature maps have 10 x 10
# places, and 64 of them are summed.

net = models.load("cluttered_gap")
images, labels, boxes = datasets.cluttered_mnist(COUNT, seed=1, split="test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
print(f"\n{models.record('cluttered_gap')['accuracy']:.2%} of unseen scenes are read correctly")
print(net.describe(x=images[:1]))

# %%
# One scene, taken apart: the four terms :math:`w_{kc} A_{ijk}` that are largest in sum, the four most negative, and the
# sum of all 64.

scene, c = images[ten[3]:ten[3] + 1], 3
A = net.trace(scene)[-3]                                                    # (1, 10, 10, 64), what enters the pool
terms = (A * net.layers[-1].W[:, c])[0].transpose(2, 0, 1)                  # (64, 10, 10)
order = np.argsort(terms.sum(axis=(1, 2)))
strongest = [*order[:-5:-1], *order[:4]]
R = attribution.cam(net, scene, c, resize=False)
y = net.forward(scene)[0, c]
print(f"\nmean of the map {R.mean():.4f}  + bias {net.layers[-1].b[c]:.4f}  = output {y:.4f}")
plot.heatmaps({"w A": [*terms[strongest], R[0]]}, None, [*(f"map {k}" for k in strongest), "sum of all"],
              "A class activation map is a weighted sum of feature maps (here for the class 3)", scale="figure",
              quantile=0.99)

# %%
# Ten scenes
# ----------
# The map is stretched to the size of the scene, bilinearly, corners upon corners. Green frames are the boxes of the
# digits, which the network never saw.

maps = attribution.cam(net, images[ten], labels[ten])
plot.overlay(images[ten], maps, [f"class {c}" for c in labels[ten]],
             "Class activation maps: where each class was found", boxes=boxes[ten])

# %%
# How sharp can it be? One place of the feature maps sees far more than the four by four pixels that it is drawn over.
# Going down from it, each 3 x 3 convolution adds a margin and each pooling doubles: :math:`3, 5, 10, 12, 24, 26`. A map
# that spills over the edge of a digit may still have been computed from the digit alone.

feature = Network(net.layers[:10])                                          # as far as A
start = attribution.unit(feature, scene, (5, 5, slice(None)), relevance=False)
rows, columns = np.nonzero(passes.gradient(feature, scene, start=start)[0][0, :, :, 0])
print(f"\nthe place (5, 5) depends on pixels in rows {rows.min()} to {rows.max()}, columns {columns.min()} to "
      f"{columns.max()}")

# %%
# One question, measured
# ----------------------
# How much of the positive relevance lies inside the digit's box? We compare with the share of the scene that the box
# covers, which an even map would get, and with the share of the ink in it, which a map would get that merely shows
# where ink is. The *pointing game* asks whether the largest value lies inside.

R = attribution.cam(net, images, labels)
inside, hits = metrics.inside_box(R, boxes), metrics.pointing_game(R, boxes)
even, ink = metrics.inside_box(np.ones_like(images), boxes), metrics.inside_box(images, boxes)
print(f"\n{COUNT} scenes: inside the box lie {inside.mean():.1%} of the positive relevance, {ink.mean():.1%} of the "
      f"ink, {even.mean():.1%} of the pixels")
print(f"the largest value lies inside in {hits.mean():.1%} of the scenes")

# %%
# And when the network errs: did it look in the wrong place? We explain the wrong class that it chose.

chosen = net.predict(images).argmax(axis=1)
wrong = chosen != labels
R_wrong = attribution.cam(net, images[wrong], chosen[wrong])
hits_wrong = metrics.pointing_game(R_wrong, boxes[wrong])
print(f"{wrong.sum()} scenes were misread; in {hits_wrong.sum():.0f} of them the map of the chosen class has its "
      "maximum inside the box")
some = np.flatnonzero(wrong)[:5]
plot.overlay(images[some], R_wrong[:5], [f"a {labels[n]}, taken for a {chosen[n]}" for n in some],
             "Misread scenes: what spoke for the wrong class", boxes=boxes[some])

# %%
# Nearly always it looked at the digit and misread it, at times together with what lies beside it: the first of the five
# is a 1 that makes a tolerable 4 with the piece on its left. So a map that points at the right place is no sign that
# the answer is right.
#
# Where the method ends: it needs this one kind of head. Put a second dense layer behind the average and the sums no
# longer change places, since a ReLU stands between them. Lesson 4.2 goes on from there.
#
# Try this
# --------
# 1. Draw the map of the class with the second largest output. Does it lie elsewhere, or is it a paler copy?
# 2. A scene twice as wide goes through the same network, ``datasets.digit_pairs(1, seed=0)``: global average pooling
#    fits any size. What happens to the outputs, and why?

whole = attribution.cam(net, scene, c, resize=False).mean() + net.layers[-1].b[c]
assert np.isclose(whole, y, rtol=1e-4), "the mean of the map and the bias are the output"
assert inside.mean() > 1.5 * ink.mean(), "the map finds the digit among the ink of others"
plot.show()
