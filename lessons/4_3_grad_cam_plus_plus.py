r"""
4.3 Grad-CAM++
==============

**You will see** what the two plus signs change, derived in three lines; that the map of two digits does become more
even; and, by controls, that it becomes even because it no longer listens to what speaks against the class.

**Before this:** 4.2 (Grad-CAM).

**Papers:** Chattopadhay et al. 2018, *Grad-CAM++: generalized gradient-based visual explanations for deep convolutional
networks*; Lerma and Lucas 2022, *Grad-CAM++ is equivalent to Grad-CAM with positive gradients*; Wang et al. 2020,
*Score-CAM*; Desai and Ramaswamy 2020, *Ablation-CAM*.
"""
from functools import partial

import numpy as np

from minixnn import Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.attribution.cam import bilinear

COUNT = 400             # scenes, and pairs of digits, to measure on

# %%
# Large objects, small objects
# ----------------------------
# Grad-CAM gives feature map :math:`k` the *mean* of its gradients :math:`g_{ijk} = \partial y_c / \partial A_{ijk}` as
# its weight. Let the gradient be 1 where the map is active and 0 elsewhere. If a picture shows one thing twice, large
# and small, and two maps answer to the two, the small one is painted pale. Grad-CAM++ sums the *positive* gradients,
#
# .. math::
#    a_k = \sum_{ij} \alpha_{ijk} \, g_{ijk}^+ , \qquad
#    \alpha_{ijk} = \frac{g_{ijk}^2}{2 g_{ijk}^2 + S_k \, g_{ijk}^3} , \qquad S_k = \sum_{ab} A_{abk} , \qquad
#    R_{ij} = \Bigl( \sum_k a_k A_{ijk} \Bigr)^+ .
#
# Where does :math:`\alpha` come from? Ask that the weights reproduce a score :math:`Y = \sum_k a_k S_k`, hold
# :math:`\alpha` constant, neglect mixed derivatives, and differentiate twice by :math:`A_{ijk}`:
#
# .. math::
#    Y &= \textstyle\sum_k \bigl( \sum_{ab} \alpha_{abk} Y'_{abk} \bigr) S_k \\
#    Y'_{ijk} &= \textstyle\sum_{ab} \alpha_{abk} Y'_{abk} + S_k \, \alpha_{ijk} Y''_{ijk} \\
#    Y''_{ijk} &= 2 \, \alpha_{ijk} Y''_{ijk} + S_k \, \alpha_{ijk} Y'''_{ijk} .
#
# The last line gives :math:`\alpha = Y'' / (2 Y'' + S Y''')`. With :math:`Y = e^{y_c}` and a network that is linear
# piece by piece :math:`Y'' = Y g^2` and :math:`Y''' = Y g^3`, and :math:`Y` cancels.
#
# By hand: four by four places, the first map 1 in four of them, the second in one only. Grad-CAM: weights 4/16 and
# 1/16, ratio 4. Grad-CAM++: four times :math:`1 / (2 + 4)` and once :math:`1 / (2 + 1)`, so 2/3 and 1/3, ratio 2.

A = np.zeros((1, 4, 4, 2))                                  # (1 image, rows, columns, maps)
A[0, :2, :2, 0] = 1
A[0, 3, 3, 1] = 1
net = Network([ReLU(), Flatten(), Dense(np.ones((32, 1)))])  # the ReLU lets the gradient through where A is active
for name in ("grad_cam", "grad_cam_plus_plus"):
    R = getattr(attribution, name)(net, A, 0, layer=0, resize=False)                # <- STEP INTO
    print(f"{name:20} on the large object {R[0, 0, 0]:.4f}, on the small one {R[0, 3, 3]:.4f}")

# %%
# Two things have changed: negative gradients no longer count, and there is an :math:`\alpha`. To tell them apart we
# write the four combinations as one function, and assert that two of them are the package's.


def weighted(net, x, target, positive, damped, layer=8):
    A = Network(net.layers[:layer]).forward(x)
    g = passes.gradient(Network(net.layers[layer:]), A, target)[0]
    S = A.sum(axis=(1, 2), keepdims=True)
    alpha = 1 / (2 + S * abs(g)) if damped else 1 / A[0, :, :, 0].size      # |g|: no pole where g is negative
    a = (alpha * (g.clip(min=0) if positive else g)).sum(axis=(1, 2), keepdims=True)
    return bilinear((a * A).sum(axis=3).clip(min=0), x.shape[1:3])[..., None]       # stretched to the image


maps = {"Grad-CAM": partial(weighted, positive=False, damped=False),
        "α only": partial(weighted, positive=False, damped=True),
        "positive gradients only": partial(weighted, positive=True, damped=False),
        "both: Grad-CAM++": partial(weighted, positive=True, damped=True)}
net, (images, labels, boxes) = models.load("cluttered_dense"), datasets.cluttered_mnist(COUNT, seed=1, split="test")
R = {name: method(net, images, labels) for name, method in maps.items()}
assert np.allclose(R["Grad-CAM"], attribution.grad_cam(net, images, labels, layer=8), atol=1e-5)
assert np.allclose(R["both: Grad-CAM++"], attribution.grad_cam_plus_plus(net, images, labels, layer=8), atol=1e-4)

# %%
# On the scenes of lesson 4.2, does it find the digit better?

inside = {name: metrics.inside_box(r, boxes) for name, r in R.items()}
print(f"\n{COUNT} scenes{'':18}relevance inside the box    largest inside      correlation with Grad-CAM++")
for name, r in R.items():
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(r, R["both: Grad-CAM++"])]
    scores = [score for values in (inside[name], metrics.pointing_game(r, boxes), alike)
              for score in metrics.mean_and_error(values)]
    print("  {:26}{:12.1%} +- {:.1%}{:17.1%} +- {:.1%}{:18.3f} +- {:.3f}".format(name, *scores))
worse = metrics.mean_and_error(inside["both: Grad-CAM++"] - inside["Grad-CAM"])
print("Grad-CAM++ less Grad-CAM, scene by scene: {:+.1%} +- {:.1%} inside".format(*worse))

# %%
# It does not. Here ++ *localises worse*: 61.9 % of its relevance lie inside the box, 7.5 points less (+- 0.3); the
# largest value lies inside as often. And its map is nearly that of the positive gradients alone (correlation 0.995), as
# Lerma and Lucas found on other networks: :math:`\alpha` hardly matters.
#
# Two digits in one image
# -----------------------
# Now the case for which ++ was made: the same class twice. The network has learnt from single digits in 40 x 40 pixels;
# we set two beside each other. And, to see what the map does with what is *not* the class, a digit of another class.

digits, classes = datasets.mnist("test")
rng = np.random.default_rng(0)
first = rng.permutation(len(digits))[:COUNT]


def pairs(same):
    """COUNT images with two digits, and the class of the left one."""
    second = [rng.choice(np.flatnonzero((classes == c) == same)) for c in classes[first]]
    x = np.zeros((COUNT, 40, 40, 1), np.float32)
    x[:, 10:30, :20], x[:, 10:30, 20:] = digits[first, 4:24, 4:24], digits[second, 4:24, 4:24]      # all their ink
    return x, classes[first]


cases = {"the same digit twice": pairs(True), "two different digits, asked for the left one": pairs(False)}
for case, (x, c) in cases.items():
    n = np.unique(c, return_index=True)[1]                  # one of each class
    plot.heatmaps({name: method(net, x[n], c[n]) for name, method in maps.items()}, x[n],
                  [f"asked for {k}" for k in c[n]], case.capitalize())

# %%
# Take the relevance on either half of the image, as shares of both. *Evenness* is the smaller share over the larger: 1
# when both digits are painted alike. Is an even map also a *true* one? We ask the network: erase one half and see how
# far the score falls. That gives real shares to compare with. Controls: ink as a map, and Grad-CAM of a network with
# random weights. The error of a correlation is its spread over 500 draws with replacement (a bootstrap).

random = Network([metrics.reinitialized(layer, rng) if layer.arrays() else layer for layer in net.layers])
rows = {**maps, "ink": lambda net, x, c: x, "random network": lambda net, x, c: maps["Grad-CAM"](random, x, c) + 1e-9}
left, even, true, real = {}, {}, {}, None
for case, (x, c) in cases.items():
    picked, erased = (np.arange(COUNT), c), [x.copy(), x.copy()]
    erased[0][:, :, :20], erased[1][:, :, 20:] = 0, 0
    fall = np.stack([net.predict(x)[picked] - net.predict(other)[picked] for other in erased], axis=1)
    some = fall.max(axis=1) > 0                             # at least one half must speak for the class
    draws = np.random.default_rng(1).integers(0, some.sum(), (500, some.sum()))
    print(f"\n{case}, {some.sum()} images\n{'':31}left share{'':8}evenness{'':4}correlation with the real shares")
    for name, method in {"real, by erasing": lambda net, x, c: fall.clip(min=0)[:, None, :, None], **rows}.items():
        R = method(net, x, c)[some].sum(axis=(1, 3))        # by columns: 40, and two for the real shares
        share = R.reshape(len(R), 2, -1).sum(axis=2) / R.sum(axis=1, keepdims=True)
        real = share[:, 0] if name.startswith("real") else real             # the first row
        spread = np.std([np.corrcoef(share[draw, 0], real[draw])[0, 1] for draw in draws])
        left[case, name] = metrics.mean_and_error(share[:, 0])
        even[case, name] = metrics.mean_and_error(share.min(axis=1) / share.max(axis=1))
        true[case, name] = np.corrcoef(share[:, 0], real)[0, 1], spread
        print(f"  {name:26}" + "".join("{:9.3f} +- {:.3f}".format(*v[case, name]) for v in (left, even, true)))
same, different = cases
gap, (x, c) = models.load("cluttered_gap"), cases[same]
halves = [maps[name](gap, x, c, layer=len(gap.layers) - 2).sum(axis=(1, 3)).reshape(COUNT, 2, -1).sum(axis=2) + 1e-9
          for name in ("both: Grad-CAM++", "Grad-CAM")]
on_gap = metrics.paired(*(half.min(axis=1) / half.max(axis=1) for half in halves))
print("\nthe network with global average pooling, the same digit twice: evenness of Grad-CAM++ less that of Grad-CAM "
      "{:.3f} +- {:.3f}".format(*on_gap))
plot.bars({name: left[different, name] for name in rows}, "share of the relevance on the digit that was asked for",
          "Two different digits", {"real, by erasing": left[different, "real, by erasing"][0], "no preference": 0.5})

# %%
# With the same digit twice, ++ is indeed the more even in this network, 0.76 against 0.71; in the one that ends in
# global average pooling the two are tied (0.005 +- 0.006 apart). But ink is as even (0.75), and the network
# itself is less even (0.58): it leans on one of the digits, and ++ follows it less well (correlation 0.68 +- 0.03;
# Grad-CAM 0.76 +- 0.02). With two different digits ++ has 61 % on the one asked for, Grad-CAM 80 %, ink 51 %; erasing
# tells that it should be 96 %. The figure shows the cause: :math:`\alpha` alone changes nothing, positive gradients
# alone do nearly everything. The negative gradients told the map where the class is not.
#
# This is one small network that learnt from single digits; the paper measured on photographs, with another conclusion.
#
# Without a gradient
# ------------------
# Score-CAM shows the network the scene through each feature map, and takes a softmax of the outputs as weights.
# Ablation-CAM sets each map to zero and takes the fall of the output. Controls, on 12 scenes: the map of another class,
# the map of shuffled weights, and the mean of all feature maps, which knows no class. How alike are they (cosine)?

few, at, forgot = images[:12], labels[:12], metrics.randomized(net, np.random.default_rng(0))
mean_map, alike = bilinear(net.trace(few)[8].mean(axis=3), (40, 40)).reshape(12, -1), {}
print("\nalike, 12 scenes    the map of the next class     of shuffled weights      the mean of the feature maps")
for name in ("grad_cam", "score_cam", "ablation_cam"):
    method = partial(getattr(attribution, name), layer=8)
    R, other, shuffled = (method(*each).reshape(12, -1) for each in ((net, few, at), (net, few, (at + 1) % 10),
                                                                     (forgot, few, at)))
    alike[name] = [metrics.mean_and_error((R * S).sum(axis=1) / np.sqrt((R ** 2).sum(axis=1) * (S ** 2).sum(axis=1)
                                          + 1e-12)) for S in (other, shuffled, mean_map)]
    print(f"{attribution.NAMES[name]:14}" + "".join("{:18.2f} +- {:.2f}".format(*value) for value in alike[name]))

# %%
# Score-CAM's map is largely there for the next class, too (0.78 +- 0.06 in common; Grad-CAM 0.29 +- 0.08): here it says
# where something is. Ablation-CAM's changes with the class as Grad-CAM's does (0.31 +- 0.09).
#
# Try this
# --------
# 1. Give the right digit half of its ink, ``x[:, :, 20:] *= 0.5``. Which map still shows it?
# 2. ``models.load("cluttered_gap")`` reads ``datasets.digit_pairs`` (40 x 80). There :math:`g` is the same at every
#    place of a map. What is left of the formula?

plus, plain = "both: Grad-CAM++", "Grad-CAM"
assert worse[0] + 3 * worse[1] < 0, "it localises worse here"
assert even[same, plus][0] > even[same, plain][0] > 0.1 + even[same, "real, by erasing"][0], "more even, less true"
assert left[different, plus][0] < left[different, plain][0] - 0.1, "and two different ones are, too"
assert alike["score_cam"][0][0] > 0.3 + max(alike[name][0][0] for name in ("grad_cam", "ablation_cam")), "any class"
assert abs(left[different, "α only"][0] - left[different, plain][0]) < 0.03, "the sign does it, not alpha"
plot.show()
