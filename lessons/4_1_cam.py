r"""
4.1 Class activation maps
=========================

**You will see** how a network that was only ever told *which* digit is in a picture can show *where* it is, and how
little that takes: the last sum of the network, taken in another order.

**Before this:** 0.1 (layers and traces).

**Papers:** Zhou et al. 2016, *Learning deep features for discriminative localization*; Zhang et al. 2018, *Top-down
neural attention by excitation backprop* (the pointing game).
"""
import numpy as np

from minixnn import Dense, GlobalAvgPool, Network, attribution, datasets, metrics, models, plot

COUNT = 2000            # scenes to measure on

# %%
# Two sums that change places
# ---------------------------
# A convolutional network turns a picture into smaller and smaller images, its *feature maps* :math:`A_{ijk}` (row
# :math:`i`, column :math:`j`, map :math:`k`): each tells how strongly one pattern is present at each place. Suppose
# that the network then ends in a particular way. Every map is averaged over its :math:`h \times w` places, which is
# called global average pooling, and one linear layer makes the score :math:`y_c` of class :math:`c` from the averages,
# with weights :math:`w_{kc}` and bias :math:`b_c`:
#
# .. math:: y_c = \sum_k w_{kc} \, \frac{1}{h w} \sum_{ij} A_{ijk} + b_c .
#
# We may as well sum over the maps first and average over the places last. The number at each place is then the *class
# activation map* (CAM), and its mean is the score:
#
# .. math:: R_{ij} = \sum_k w_{kc} A_{ijk} , \qquad y_c = \frac{1}{h w} \sum_{ij} R_{ij} + b_c .
#
# By hand: two maps of two by two. The first has a 4 in its upper left corner and the weight 3, the second an 8 in
# its lower right corner and the weight -1. Their averages are 1 and 2, so :math:`y = 3 \cdot 1 - 1 \cdot 2 = 1`; the
# class activation map holds 12 and -8, and its average is 1 as well.

A = np.zeros((1, 2, 2, 2))                                  # (1 image, 2 rows, 2 columns, 2 maps)
A[0, 0, 0, 0], A[0, 1, 1, 1] = 4, 8
w = np.array([[3.0], [-1.0]])                               # (2 maps, 1 class)
head = Network([GlobalAvgPool(), Dense(w)])
R = attribution.cam(head, A, 0, layer=0, resize=False)      # <- STEP INTO
assert np.array_equal(R, A @ w[:, 0]), "the package computes the formula"
print("output", head.forward(A)[0, 0], " class activation map", R[0].tolist(), " its mean", R.mean())

# %%
# A network for scenes
# --------------------
# A scene is 40 x 40 pixels: one whole digit, and eight pieces cut from other digits around it. The network has learnt
# which digit, from 60,000 new scenes an epoch, and nobody told it where. Its last feature maps have 10 x 10 places, and
# 64 of them are summed. Here is one scene with the five largest of the terms :math:`w_{kc} A_{ijk}`, the four most
# negative ones, and the sum of all 64. The number above each is its mean, which is its part of the score.

net = models.load("cluttered_gap")
images, labels, boxes = datasets.cluttered_mnist(COUNT, seed=1, split="test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
print(f"\n{models.record('cluttered_gap')['accuracy']:.2%} of unseen scenes are read correctly")
print(net.describe(x=images[:1]))

scene, c = images[ten[3]:ten[3] + 1], 3
A = net.trace(scene)[-3]                                                    # (1, 10, 10, 64), what enters the pool
terms = (A * net.layers[-1].W[:, c])[0].transpose(2, 0, 1)                  # (64, 10, 10)
order = np.argsort(terms.sum(axis=(1, 2)))
strongest = [*order[:-6:-1], *order[:4]]
R = attribution.cam(net, scene, c, resize=False)
y = net.forward(scene)[0, c]
print(f"\nmean of the map {R.mean():.4f}  + bias {net.layers[-1].b[c]:.4f}  = score {y:.4f}")
plot.overlay(np.repeat(scene, 10, axis=0), [*terms[strongest], R[0]],
             [*(f"map {k}: {terms[k].mean():+.2f}" for k in strongest), f"all 64: {R.mean():+.2f}"],
             "The class activation map of a 3: weighted feature maps and their sum", scale="figure", quantile=0.99)

# %%
# From a map to a box
# -------------------
# The map is stretched to the size of the scene, bilinearly, corners upon corners. Zhou et al. make a box of it: keep
# the places above 20 % of the maximum, and put a box around what is connected (we take the part that contains the
# maximum). A box counts as right if it covers the true one well: the area of both, divided by the area of either
# (*intersection over union*), is above one half.


def found_boxes(maps, share=0.2):
    """(N, H, W) -> (N, 4): around all places above `share` of the maximum that are connected with it."""
    top = maps.max(axis=(1, 2), keepdims=True)
    keep, part, before = maps >= share * top, maps == top, None
    while before is None or (part != before).any():
        before, p = part, np.pad(part, ((0, 0), (1, 1), (1, 1)))            # grow by one pixel in four directions
        part = keep & (part | p[:, :-2, 1:-1] | p[:, 2:, 1:-1] | p[:, 1:-1, :-2] | p[:, 1:-1, 2:])
    rows, columns = part.any(axis=2), part.any(axis=1)
    return np.stack([rows.argmax(1), columns.argmax(1), rows.shape[1] - rows[:, ::-1].argmax(1),
                     columns.shape[1] - columns[:, ::-1].argmax(1)], axis=1)


def overlap(a, b):
    """Intersection over union of boxes (N, 4): top, left, bottom, right."""
    sides = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(min=0)
    both = sides.prod(axis=1)
    return both / ((a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - both)


maps = attribution.cam(net, images, labels)
plot.overlay(images[ten], maps[ten], [f"class {k}" for k in labels[ten]], "The true box (green) and "
             "the box made of the class activation map (dashed)", boxes=boxes[ten],
             found=found_boxes(maps[ten, ..., 0]))

# %%
# One question, measured: does it find the digit, or the middle?
# --------------------------------------------------------------
# Three numbers: the share of the positive relevance inside the true box; how often the largest value lies inside, which
# is the *pointing game* of Zhang et al. 2018, here without their margin; and how often the box is right. Each needs
# controls. An even map gets the share of the scene that the box covers. Digits mostly lie near the middle, so we judge
# the maps by the boxes of *other* scenes. A map of ink only shows where ink is. The maps of an untrained network show
# what its architecture does alone. And the map of a *wrong* class, drawn at random, shows whether the class matters.

rng = np.random.default_rng(0)
untrained = Network([metrics.reinitialized(layer, rng) if layer.arrays() else layer for layer in net.layers])
wrong_class = (labels + rng.integers(1, 10, COUNT)) % 10
rows = {"class activation map": (maps, boxes),
        "map of a wrong class": (attribution.cam(net, images, wrong_class), boxes),
        "another scene's box": (maps, np.roll(boxes, 1, axis=0)), "ink": (images, boxes),
        "untrained network": (attribution.cam(untrained, images, labels), boxes),
        "even map": (np.ones_like(images), boxes)}
names = ("relevance inside", "largest inside", "box is right")
scores = {name: {} for name in names}
print(f"\n{COUNT} scenes, mean and standard error" + "".join(f"{name:>18}" for name in names))
for row, (R, judge) in rows.items():
    values = (metrics.inside_box(R, judge), metrics.pointing_game(R, judge),
              overlap(found_boxes(R.sum(axis=3)), judge) > 0.5)
    for name, value in zip(names, values):
        scores[name][row] = metrics.mean_and_error(value)
    print(f"  {row:33}" + "".join("{:8.1%} +- {:.1%}".format(*scores[name][row]).rjust(18) for name in names))
middle = overlap(np.tile([10, 10, 30, 30], (COUNT, 1)), boxes) > 0.5
print("  {:33}{:>54}".format("a fixed box in the middle", "{:.1%} +- {:.1%}".format(*metrics.mean_and_error(middle))))
plot.bars(scores, "share of relevance, share of scenes", "Class activation maps and their controls")

# %%
# The maps pass: 78.9 % of the relevance lies inside the box, twice as much as of the ink (38.9 %) and four times as
# much as of an even map (19.0 %), and the largest value lies inside in 99.2 % of the scenes. The box of another scene
# still gets 65.4 % of the largest values, so most of that number is won by pointing near the middle; and a fixed box
# there is right in 39.6 % of the scenes. The map of a
# *wrong* class points at the digit in 72.0 % of the scenes: a good part of a class activation map says "here is a
# digit", and not "here is this digit".
#
# And when the network errs: did it look in the wrong place? We explain the wrong class that it chose.

chosen = net.predict(images).argmax(axis=1)
wrong = np.flatnonzero(chosen != labels)
R_wrong = attribution.cam(net, images[wrong], chosen[wrong])
print(f"\n{len(wrong)} scenes were misread; the map of the chosen class has its maximum inside the box in "
      f"{metrics.pointing_game(R_wrong, boxes[wrong]).sum():.0f} of them")
plot.overlay(images[wrong[:5]], R_wrong[:5], [f"a {labels[n]}, taken for a {chosen[n]}" for n in wrong[:5]],
             "Misread scenes: what spoke for the wrong class", boxes=boxes[wrong[:5]])

# %%
# In 24 of 25 it looked at the digit and misread it, at times together with what lies beside it. A map that points at
# the right place is no sign that the answer is right.
#
# The method needs this one kind of head. Put a second dense layer behind the average and the sums no longer change
# places, since a ReLU stands between them. Lesson 4.2 goes on from there.
#
# Try this
# --------
# 1. Vary ``share``, the threshold of the boxes. Why do high thresholds make boxes that are too small?
# 2. A scene twice as wide goes through the same network, ``datasets.digit_pairs(1, seed=0)``: global average pooling
#    fits any size. What happens to the outputs, and why?

whole = attribution.cam(net, scene, c, resize=False).mean() + net.layers[-1].b[c]
assert np.isclose(whole, y, rtol=1e-4), "the mean of the map and the bias are the output"
inside, hits, right = scores.values()
assert inside["class activation map"][0] > 1.5 * inside["ink"][0], "the map finds the digit among the ink of others"
assert hits["class activation map"][0] > hits["another scene's box"][0] + 0.2, "and not merely the middle"
assert 0.6 < hits["map of a wrong class"][0] < 0.8, "but the map of a wrong class often points at it too"
plot.show()
