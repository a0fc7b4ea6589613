r"""
4.3 Grad-CAM++
==============

**You will see** what the two plus signs change; that they do make the maps of two digits more even; and what is paid
for it: the map looks at the other digit too.

**Before this:** 4.2 (Grad-CAM).

**Paper:** Chattopadhay et al. 2018, *Grad-CAM++: generalized gradient-based visual explanations for deep convolutional
networks*.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.attribution.cam import bilinear

COUNT = 300             # pairs of digits to measure on

# %%
# Large objects, small objects
# ----------------------------
# Grad-CAM gives feature map :math:`k` the *mean* of its gradients :math:`g_{ijk} = \partial y_c / \partial A_{ijk}` as
# its weight. Suppose that the gradient is 1 where the map is active and 0 elsewhere. Then a map that is active in
# many places gets a large weight, one that is active in few a small one: if a picture shows the same thing twice, once
# large and once small, and two maps answer to the two, the small one is painted pale. Grad-CAM++ takes a weighted
# *sum* of the positive gradients in place of the mean,
#
# .. math::
#    a_k = \sum_{ij} \alpha_{ijk} \, g_{ijk}^+ , \qquad
#    \alpha_{ijk} = \frac{g_{ijk}^2}{2 g_{ijk}^2 + S_k \, g_{ijk}^3} , \qquad S_k = \sum_{ab} A_{abk} , \qquad
#    R_{ij} = \Bigl( \sum_k a_k A_{ijk} \Bigr)^+ ,
#
# and :math:`\alpha = 0` where :math:`g = 0`. The paper gets :math:`\alpha` by asking that :math:`\sum_k a_k S_k` be the
# score and differentiating that twice, with the exponential of the output as the score and a network that is linear
# piece by piece; it holds the :math:`\alpha` constant meanwhile. We take the formula as it stands.
#
# By head: four by four places, the first map 1 in four of them, the second in one only. Grad-CAM: weights 4/16 and
# 1/16. Grad-CAM++: four times :math:`1 / (2 + 4)` and once :math:`1 / (2 + 1)`, so 2/3 and 1/3. The ratio fell from 4
# to 2.

A = np.zeros((1, 4, 4, 2))                                  # (1 image, rows, columns, maps)
A[0, :2, :2, 0] = 1
A[0, 3, 3, 1] = 1
net = Network([ReLU(), Flatten(), Dense(np.ones((32, 1)))])  # the ReLU lets the gradient through where A is active
for name in ("grad_cam", "grad_cam_plus_plus"):
    R = getattr(attribution, name)(net, A, 0, layer=0, resize=False)                # <- STEP INTO
    print(f"{name:20} on the large object {R[0, 0, 0]:.4f}, on the small one {R[0, 3, 3]:.4f}")

# %%
# Two more things have changed, and both will matter. Negative gradients no longer count. And large ones are damped,
# for :math:`\alpha g = g / (2 + S_k g)` never exceeds :math:`1 / S_k`.
#
# Ten scenes
# ----------

net = models.load("cluttered_dense")
images, labels, boxes = datasets.cluttered_mnist(200, seed=1, split="test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
plus = partial(attribution.grad_cam_plus_plus, layer=8)     # the maps before the last pool, as in lesson 4.2
plain = partial(attribution.grad_cam, layer=8)
plot.overlay(images[ten], plus(net, images[ten], labels[ten]), [f"class {c}" for c in range(10)],
             "Grad-CAM++ on the scenes of lesson 4.2", boxes=boxes[ten])
for name, method in (("Grad-CAM", plain), ("Grad-CAM++", plus)):
    found = metrics.localization(method, net, images, boxes, labels, quiet=True)
    print(f"{name:10} {len(images)} scenes: inside the box {found.inside.mean():.1%} of the relevance, "
          f"largest value inside in {found.hits.mean():.1%}")

# %%
# Two digits in one image
# -----------------------
# Now the case for which ++ was made: the same class twice. The network takes 40 x 40 pixels and has learnt from single
# digits; we set two beside each other. And, to know what the map does with something that is *not* the class, a digit
# of another class beside the first.

digits, classes = datasets.mnist("test")
rng = np.random.default_rng(0)
first = rng.permutation(len(digits))[:COUNT]


def pairs(same):
    """COUNT images with two digits, and their classes (COUNT, 2), the left one first."""
    second = [rng.choice(np.flatnonzero((classes == c) == same)) for c in classes[first]]
    x = np.zeros((COUNT, 40, 40, 1), np.float32)
    x[:, 10:30, :20], x[:, 10:30, 20:] = digits[first, 4:24, 4:24], digits[second, 4:24, 4:24]      # all their ink
    return x, np.stack([classes[first], classes[second]], axis=1)


cases = {"the same digit twice": pairs(True), "two different digits, asked for the left one": pairs(False)}
for case, (x, c) in cases.items():
    several = np.unique(c[:, 0], return_index=True)[1]      # one of each class
    titles = [str(left) if left == right else f"{left}, not {right}" for left, right in c[several]]
    plot.heatmaps({name: method(net, x[several], c[several, 0]) for name, method in
                   (("Grad-CAM", plain), ("Grad-CAM++", plus))}, x[several], titles, case.capitalize())

# %%
# One question, measured: what is ++ for?
# ---------------------------------------
# Take the relevance on either half of the image, as shares of both. *Evenness* is the smaller share over the larger: 1
# when both digits are painted alike. Is an even map also a *true* one? We can ask the network: erase one half and see
# how far the output of the class falls. That gives shares of the output, to which the map's can be compared. A third
# map is in between: Grad-CAM whose mean is over the positive gradients only, without any :math:`\alpha`.


def positive_only(net, x, target, layer=8):
    A = Network(net.layers[:layer]).forward(x)
    g = passes.gradient(Network(net.layers[layer:]), A, target)[0]
    R = (A * g.clip(min=0).mean(axis=(1, 2), keepdims=True)).sum(axis=3)
    return bilinear(R, x.shape[1:3])[..., None]


def halves(R):
    """The relevance on the left and the right half of each image (N, 2), as shares of both."""
    sums = np.stack([R[:, :, :20].sum(axis=(1, 2, 3)), R[:, :, 20:].sum(axis=(1, 2, 3))], axis=1)
    return sums / sums.sum(axis=1, keepdims=True)


found = {}
for case, (x, c) in cases.items():
    picked = np.arange(COUNT), c[:, 0]
    y, without = net.predict(x)[picked], []
    for half in (slice(0, 20), slice(20, 40)):
        erased = x.copy()
        erased[:, :, half] = 0
        without.append(net.predict(erased)[picked])
    fall = (y - np.stack(without)).T                        # (COUNT, 2), by erasing left and right
    some = fall.max(axis=1) > 0                             # at least one half must speak for the class
    real = fall.clip(min=0)[some] / fall.clip(min=0)[some].sum(axis=1, keepdims=True)
    print(f"\n{case}: {some.sum()} images; the output, {y.mean():.2f}, becomes {without[0].mean():.2f} without the "
          f"left and {without[1].mean():.2f} without the right")
    print(f"{'':28} left share   evenness   correlation with the real shares")
    print(f"  {'real, by erasing':25} {real[:, 0].mean():11.1%} {(real.min(1) / real.max(1)).mean():10.2f}")
    for name, method in (("Grad-CAM", plain), ("positive gradients only", positive_only), ("Grad-CAM++", plus)):
        share = halves(method(net, x, c[:, 0]))[some]
        even, true = (share.min(1) / share.max(1)).mean(), np.corrcoef(share[:, 0], real[:, 0])[0, 1]
        found[case, name] = share[:, 0].mean(), even, true
        print(f"  {name:25} {share[:, 0].mean():11.1%} {even:10.2f} {true:10.2f}")

# %%
# With the same digit twice, ++ is indeed the more even: what it promised. But the network itself is *less* even than
# any of the maps; it leans on one of the two digits, and ++ hides that a little better. And with two different digits
# ++ puts a large part of its relevance on the one that was not asked for, although erasing that digit makes the output
# *rise*. Most of this comes from dropping the negative gradients, not from :math:`\alpha`: they were what told
# the map where the class is not.
#
# So: ++ finds all that excites the feature maps, Grad-CAM what speaks for the class. This is one small network that has
# learnt from single digits; the paper measured on photographs, and its conclusion is another one.
#
# Try this
# --------
# 1. Give the right digit half of its ink, ``x[:, :, 20:] *= 0.5``. Which map still shows it?
# 2. ``models.load("cluttered_gap")`` reads ``datasets.digit_pairs`` (40 x 80). There :math:`g` is the same at every
#    place of a map. What is left of the formula?

same, different = cases
assert found[same, "Grad-CAM++"][1] > found[same, "Grad-CAM"][1], "two equal digits are painted more evenly"
assert found[different, "Grad-CAM++"][0] < found[different, "Grad-CAM"][0] - 0.1, "and two different ones are, too"
plot.show()
