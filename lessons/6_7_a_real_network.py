r"""
6.7 A real network, real photographs
====================================

**You will see** what single feature maps of VGG-16 respond to in four photographs; six ways of asking on the same
maps; what is left of the answer at every pool; and, measured, why one rule alone is noise in a network this deep.

**Before this:** 2.3 (LRP and its composites), 2.4 (the rule for pixels), 3.3 and 3.5 (guided backpropagation and
SmoothGrad).

**Papers:** Simonyan & Zisserman 2015, *Very deep convolutional networks for large-scale image recognition* (the
network); Montavon et al. 2019, *Layer-wise relevance propagation: an overview*, section 10.3; Kohlbrenner et al. 2020,
*Towards best practice in explaining neural network decisions with LRP*.

Runs in a checkout only, where the weights are. Thirteen convolutions: it takes the better part of a minute.
"""
import numpy as np

from minixnn import Network, attribution, datasets, models, passes, plot
from minixnn.rules import composites, lrp
from minixnn.models.vgg import BLOCKS, HIGH, LOW, layer_index

SAMPLES = 3                                                 # noisy copies of each photograph for SmoothGrad

# %%
# How much of a photograph does one unit see?
# -------------------------------------------
# By head: a 3 x 3 convolution adds two steps to the side :math:`r` of what a unit sees; a pool adds one step and then
# doubles the step :math:`j`. Thirteen convolutions and the four pools between them make 196 of the 224 pixels.

r, j = 1, 1
for block, count in enumerate(BLOCKS, 1):
    r += 2 * j * count
    print(f"a unit of conv{block}_{count} sees {r:3} x {r} pixels; that of its neighbour begins {j} pixels further")
    r, j = r + j, 2 * j

# %%
# The network, cut at conv5_3
# ---------------------------
# There is no classifier on top: we explain feature maps. A pass can start from any array of the output's shape.
# ``attribution.unit`` makes one that holds a single entry and 0 elsewhere; ``channel`` one that holds a whole map.
# The padding on the way adds up to 90 pixels, so unit :math:`(5, 10)` should see rows up to 5 * 16 - 90 + 195 = 185
# and columns from 10 * 16 - 90 = 70.

net = Network(models.load("vgg16_features").layers[:layer_index("relu5_3") + 1])
names = ["chelsea", "coffee", "astronaut", "rocket"]
photos = np.stack([datasets.photo(name, 224) for name in names])
x = models.vgg_input(photos)                                # blue first, 0 to 255, less the mean colour
y = net.predict(x)                                          # (4, 14, 14, 512)
print(f"\n{len(net.layers)} layers; output {y.shape}; {np.mean(y > 0):.0%} of it is not zero")

one = attribution.unit(net, x[:1], (5, 10, 183), relevance=False)
rows, columns, _ = np.nonzero(passes.gradient(net, x[:1], start=one)[0][0])
print(f"unit (5, 10) depends on rows {rows.min()} to {rows.max()} and columns {columns.min()} to {columns.max()}")

# %%
# Six ways to ask
# ---------------
# In each photograph one map that is loud in it. The question is the same for all methods: why is this map so active?
# LRP starts from what the map holds, :math:`R_k = y_k`, gradients from the derivatives, 1 wherever it fired.

chosen = {"chelsea": 183, "coffee": 384, "astronaut": 447, "rocket": 467}
box = composites.epsilon_gamma_box(net, low=LOW, high=HIGH)     # z^B at the pixels, gamma = 0.25 above
rules = {"LRP-epsilon": lrp.epsilon, "gamma": composites.by_kind(net, conv=lrp.gamma, first=lrp.gamma_signed),
         "z+": composites.alpha1_beta0, "composite": box}
maps = {name: [] for name in [*rules, "guided", "SmoothGrad²"]}
kept = {}                                                   # of the first photograph: R at every layer, by rule
for n, name in enumerate(names):
    start = y[n:n + 1] * (np.arange(512) == chosen[name])   # as attribution.channel(net, x[n:n + 1], chosen[name])
    for rule in rules:
        R = passes.lrp(net, x[n:n + 1], rules=rules[rule], start=start)                     # <- STEP INTO
        maps[rule].append(R[0][0])
        kept.setdefault(rule, R)
    fired = np.sign(start)
    maps["guided"].append(passes.guided_backprop(net, x[n:n + 1], start=fired)[0][0])
    maps["SmoothGrad²"].append(attribution.smoothgrad(net, x[n:n + 1], start=fired, samples=SAMPLES, kind="squared",
                                                      rng=np.random.default_rng(n))[0])
plot.heatmaps(maps, photos, [f"{name}\nmap {chosen[name]}" for name in names], transpose=True, quantile=0.995,
              title="Why is this feature map active?")

# %%
# The map of the cat fires for her eyes, that of the cup for its rim, that of the astronaut for the visor of the helmet,
# that of the rocket for the rocket. LRP-epsilon is noise; SmoothGrad (mean of squared gradients) tells roughly where.
# Guided backpropagation is sharp, and draws much that the map does not ask for, the astronaut's face for example;
# lesson 6.4 has the reason. Gamma and z+ answer the question, but in outlines: a pixel close to the mean colour has an
# :math:`x_j` of about 0, and no product with it counts. The rule for pixels in the composite fills these in.
#
# Different maps, different answers
# ---------------------------------
# An explanation should change with the question. Three maps for each photograph, with the composite.

others = {"chelsea": (214, 309), "coffee": (406, 129), "astronaut": (87, 443), "rocket": (21, 238)}
pictures, overlays, titles = [], [], []
for n, name in enumerate(names):
    pictures += [photos[n]] * 3
    titles += [f"{name}, map {index}" for index in (chosen[name], *others[name])]
    overlays.append(maps["composite"][n])
    for index in others[name]:
        start = y[n:n + 1] * (np.arange(512) == index)
        overlays.append(passes.lrp(net, x[n:n + 1], rules=box, start=start)[0][0])
plot.overlay(pictures, overlays, titles, columns=6, quantile=0.995, title="Three feature maps in each photograph")

# %%
# Two photographs, one question
# -----------------------------
# A start may join two images. ``attribution.similarity`` weighs the maps of one photograph by how active they are in
# another, so that the start sums to the scalar product of the two: what in the one resembles the other?

pairs = [(0, 2), (2, 3)]
shared = [passes.lrp(net, x[a:a + 1], rules=box, start=attribution.similarity(net, x[a:a + 1], x[b:b + 1]))[0][0]
          for a, b in pairs]
plot.overlay(photos[[a for a, _ in pairs]], shared, [f"what {names[a]} shares with {names[b]}" for a, b in pairs],
             quantile=0.995, title="What in one photograph resembles another?")

# %%
# What every layer keeps
# ----------------------
# R lies beside every activation. At the top it says roughly where; below each pool it gains the resolution of one more
# block. Nothing is lost on the way but what biases absorb.

levels = [f"pool{block}" for block in (5, 4, 3, 2, 1)]
at = [kept["composite"][layer_index(level)][0] for level in levels] + [maps["composite"][0]]
titles = [f"{R.shape[0]} x {R.shape[1]}\n{where}" for R, where in zip(at, [*(f"into {p}" for p in levels), "pixels"])]
plot.heatmaps({title: [R.sum(axis=2)] for title, R in zip(titles, at)}, transpose=True, quantile=0.995,
              title="The cat's eyes, from conv5_3 down to the pixels (composite)")

# %%
# Why one rule alone is noise
# ---------------------------
# Relevance may be conserved and still grow on both sides of zero, ever more for and ever more against. How much has to
# cancel is :math:`\sum_j |R_j| \, / \, |\sum_j R_j|`; 1 means that nothing does.

layers = [l for l, layer in enumerate(net.layers) if type(layer).__name__ == "Conv2d"][::-1]
cancel = {rule: np.array([abs(R[l]).sum() / abs(R[l].sum()) for l in layers]) for rule, R in kept.items()}
plot.curves(range(1, 14), cancel, "convolutions passed, from conv5_3 down to the pixels",
            r"$\sum |R| \; / \; |\sum R|$", "How much of the relevance cancels", yscale="log")
print("\nhow much cancels   below conv5_3   at the pixels")
for rule, ratio in cancel.items():
    print(f"  {rule:14} {ratio[0]:14.1f} {ratio[-1]:15.1f}")

# %%
# Under LRP-epsilon every layer mixes for and against once more, and what is left at the pixels is the small difference
# of large numbers. z+ never cancels anything, because nothing may speak against: it shows too much. Gamma lets both
# sides speak where maps have a meaning, near the top, and damps the noise below; z\ :sup:`B` takes over at the pixels.
# That is a composite: each rule where its weakness does not show.
#
# Try this
# --------
# 1. Start ``passes.lrp`` from ``attribution.unit(net, x[:1], (5, 10, 183))``, one entry only. Which eye is it?
# 2. Explain the difference of two maps, ``channel(net, x[1:2], 384) - channel(net, x[1:2], 406)``: rim against spoon.

assert rows.max() <= 185 and columns.min() >= 70, "no unit can depend on what it does not see"
assert cancel["LRP-epsilon"][-1] > 5 * cancel["composite"][-1], "a composite is to keep relevance from cancelling"
assert np.allclose(cancel["z+"][:-1], 1, rtol=1e-3), "z+ gives positive relevance to positive activations"
plot.show()
