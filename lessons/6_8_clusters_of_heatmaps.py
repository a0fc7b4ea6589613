r"""
6.8 Clusters of heatmaps
========================

**You will see** a thousand explanations at once: which images show what a channel is used for; how two clusters of
heatmaps give away a mark that a network uses, and leave in peace one that it does not use; how the clusters are fooled
by a number added to all scores, what repairs it, and which marks they miss.

**Before this:** 6.5 (marks, and a network that lies), 6.7 (the relevance of a channel).

**Papers:** Lapuschkin et al. 2019, *Unmasking Clever Hans predictors and assessing what machines really learn* (SpRAy);
von Luxburg 2007, *A tutorial on spectral clustering*; Achtibat et al. 2023, *From attribution maps to
human-understandable explanations through concept relevance propagation* (RelMax).
"""
import numpy as np

from minixnn import Conv2d, Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, plot, train
from minixnn.rules import composites

# %%
# Which images show a channel?
# ----------------------------
# What does a channel stand for? *ActMax* answers with the images on which it is most active, *RelMax* with those on
# which it is most relevant for the right class. Here are ten of 1,000 digits each, for the three channels of the third
# convolution of ``cnn`` that hold most relevance, summed over all places.

images, labels = datasets.mnist("test")
digits, cnn, shared = (images[:1000], labels[:1000]), models.load("cnn"), {}


def best(R, n=10):
    """The n images for each channel, the first first: (N, ..., channels) -> (channels, n)."""
    return R.sum(axis=tuple(range(1, R.ndim - 1))).argsort(axis=0)[::-1][:n].T


a, upper = cnn.part(0, 8).predict(digits[0]), cnn.part(8, len(cnn.layers))
R = attribution.lrp(upper, a, digits[1])
three = R.sum(axis=(0, 1, 2)).argsort()[::-1][:3]
plot.images(np.concatenate([digits[0][best(S)[k]] for k in three for S in (a, R)]),
            rows=[f"{k}, {how}" for k in three for how in ("ActMax", "RelMax")],
            title="What do three channels of cnn stand for?")

# %%
# Channel 64 is most active on a 1, but it is 4s for which it is used. How many of 15 images do two choices have in
# common? By chance it is 15 of the number of images, 0.02 or 0.03.

gap, scenes = models.load("cluttered_gap"), datasets.cluttered_mnist(500, seed=0)[:2]
for name, net, i, (x, y) in (("cnn", cnn, 8, digits), ("cnn", cnn, 12, digits), ("cluttered_gap", gap, 6, scenes),
                             ("cluttered_gap", gap, 10, scenes)):
    a, upper = net.part(0, i).predict(x), net.part(i, len(net.layers))
    fires, R = (a.reshape(-1, a.shape[-1]) > 0).any(axis=0), attribution.lrp(upper, a, y)
    for other, S in {"ActMax": a, "RelMax by alpha1-beta0": attribution.lrp(upper, a, y, composites.alpha1_beta0),
                     "RelMax for class 8": attribution.lrp(upper, a, 8)}.items():
        same = [np.isin(*two).mean() for two in zip(best(R, 15)[fires], best(S, 15)[fires])]
        shared[name, i, other] = metrics.mean_and_error(np.array(same))
        print(f"{name:13} A[{i:2}]: RelMax and {other:22}" + " {:.2f} +- {:.2f}".format(*shared[name, i, other]))

# %%
# Further up in a network the two agree more (0.82, 0.62) than below (0.36, 0.11). Is RelMax the truer one? This does
# not say so. There is not even *one* RelMax: for the right class and for class 8 it chooses other images (0.09 to 0.42
# in common), and so it does by another rule. So name class, rule, and whether places were summed. Nor does zeroing the
# channel on either's images decide (exercise 1): it asks nearly what LRP-epsilon computes, gradient x activation.
#
# Do some images have another reason?
# -----------------------------------
# Lapuschkin et al. sort heatmaps into clusters, to find reasons that nobody has thought of (SpRAy). Each heatmap is a
# point; a point is linked, by 1, with the 20 whose heatmaps are most alike, and with all others by next to nothing. Let
# :math:`W` be these links and :math:`d_i = \sum_j W_{ij}`. The matrix :math:`L = 1 - d^{-1/2} W d^{-1/2}` has the
# eigenvalue 0. Its *second* eigenvalue is near 0 where the graph nearly falls into two, and the signs of its
# eigenvector say which two. By hand: two pairs, linked by 1 inside and by 1/4 across. Each :math:`d` is 3/2, and
# :math:`L` takes :math:`(1, 1, -1, -1)` to :math:`1 - (1 - 1/2) / (3/2) = 2/3` of itself.


def halves(W):
    d = W.sum(axis=1) ** -0.5
    values, vectors = np.linalg.eigh(np.eye(len(W)) - d[:, None] * W * d)
    return vectors[:, 1] > 0, values[1]


def links(maps, near=20):
    flat = maps.reshape(len(maps), -1) / np.linalg.norm(maps.reshape(len(maps), -1), axis=1, keepdims=True)
    W = np.full((len(maps), len(maps)), 1e-4)
    np.put_along_axis(W, (flat @ flat.T - 9 * np.eye(len(maps))).argsort(axis=1)[:, -near:], 1, axis=1)
    return np.maximum(W, W.T)


print("by hand", *halves(np.array([[0, 1, 0.25, 0.25], [1, 0, 0.25, 0.25], [0.25, 0.25, 0, 1], [0.25, 0.25, 1, 0]])))

# %%
# Now the truth is known: of 400 eights every second has a filled square in the corner. Some networks were trained with
# it on 90 % of the 8s and 5 % of the others (*used*), some with it on half of every class, so that it says nothing.
# How well do the two clusters tell the eights with a square from those without? 1 is perfect; chance is 0.04.

train_images, classes = (some[:5000] for some in datasets.mnist("train"))
eights, half, found, value, clusters = images[labels == 8][:400], np.arange(400) % 2 == 0, {}, {}, {}


def marked(x, which=slice(None), anywhere=False):
    x, rng = x.copy(), np.random.default_rng(0)
    for n in np.arange(len(x))[which]:
        row, column = rng.integers(0, 24, 2) if anywhere else (1, 1)
        x[n, row:row + 5, column:column + 5] = 1
    return x


def trained(kind, used, seed, anywhere=False):
    rng = np.random.default_rng(seed)
    which = rng.random(len(classes)) < (np.where(classes == 8, 0.9, 0.05) if used else 0.5)
    first = [Flatten(), Dense.random(784, 100, rng)] if kind == "dense" else [
        Conv2d.random(5, 1, 16, rng, stride=2), ReLU(), Conv2d.random(3, 16, 32, rng, stride=2), ReLU(),
        Flatten(), Dense.random(7 * 7 * 32, 100, rng)]
    net = Network([*first, ReLU(), Dense.random(100, 10, rng)])
    train.fit(net, marked(train_images, which, anywhere), classes, epochs=2, rng=rng, batch_size=50, quiet=True)
    return net


def told(key, maps):
    group, value[key] = halves(links(maps))
    clusters[key] = [maps[group == side].mean(axis=0) for side in (group[0], not group[0])]
    found[key] = abs(2 * (group == half).mean() - 1)
    return f"{found[key]:.2f} ({value[key]:.3f})"


nets = {f"{kind}, {'used' if used else 'unused'}, {seed}": trained(kind, used, seed) for used in (True, False)
        for kind in ("conv", "dense") for seed in (0, 1)}
x = marked(eights, half)
print("agreement of the clusters with the truth (second eigenvalue)\ninputs:", told("inputs", x))
for name, net in nets.items():
    gain = (net.predict(marked(eights)) - net.predict(eights))[:, 8].mean()
    print(f"{name:16} gain {gain:5.2f}: LRP-epsilon", told((name, "LRP"), attribution.lrp(net, x, 8)),
          "gradient x input", told((name, "g x"), attribution.gradient_times_input(net, x, 8)), "hidden neurons",
          told((name, "hidden"), net.trace(x)[-2]), "no square", told((name, "none"), attribution.lrp(net, eights, 8)))

# %%
# The inputs give the square away in any case (0.99), for it is there. Relevance does so only where the network uses it:
# 1.00 in all four, 0.07 at most in the others. It need not be LRP: gradient x input, which is the same here, does as
# well; hidden neurons do less well (0.62 to 0.95). There are always two clusters. Whether to believe in them, the
# eigenvalue says: 0.01 to 0.05 where the square is used, 0.16 and more where it is not used, or not there.
#
# Fooled, and repaired
# --------------------
# As in lesson 6.5 a neuron that fires on the square adds 4 to the scores of *all* classes. No probability changes.


def forged(net):
    first, last, square = net.layers[1], net.layers[3], marked(0 * eights[:1]).reshape(784)
    return Network([Flatten(), Dense(np.column_stack([first.W, square]), np.append(first.b, np.float32(-24))), ReLU(),
                    Dense(np.vstack([last.W, np.full(10, 4, np.float32)]), last.b)])


lies = {f"forged, {seed}": forged(nets[f"dense, unused, {seed}"]) for seed in (0, 1)}
for name, net in [*lies.items(), *nets.items()][:6]:
    less = {"others": net.predict(x) * (10 * np.eye(10)[8] - 1) / 9, "its rival": attribution.contrast(net, x, 8)}
    print(f"{name:16} 8: {told((name, 'LRP'), attribution.lrp(net, x, 8))}", *(
        f"8 less {how}: {told((name, how), attribution.lrp(net, x, start=start))}" for how, start in less.items()))
shown = {"used": ("dense, used, 0", "LRP"), "unused": ("dense, unused, 0", "LRP"), "forged": ("forged, 0", "LRP"),
         "forged, 8 less\nthe others": ("forged, 0", "others")}
plot.heatmaps({title: np.stack(clusters[key]) for title, key in shown.items()}, names=["one cluster", "the other"],
              transpose=True, title="Heatmaps of 400 eights, half of them with a square: the means of two clusters")

# %%
# The lie is told by heatmaps of the score of 8: 1.00, with the smallest eigenvalue of all, on networks that do not use
# the square. Explain the score of 8 *less the mean of the other nine*, and it is gone (0.14 at most), while a square
# that is used is still found (1.00). The score of 8 less that of each image's own rival does not do: its eigenvalue is
# small, too, but these are clusters of rivals. An eigenvalue says that there are clusters, not what of.
#
# What is missed
# --------------
# Now the square lies anywhere, in training and here; again 90 % of the 8s have it and 5 % of the others.

gains = {}
for kind, seed in (("conv", 0), ("dense", 1)):
    net, x = trained(kind, True, seed, anywhere=True), marked(eights, half, anywhere=True)
    gains[kind] = metrics.mean_and_error((net.predict(marked(eights, anywhere=True)) - net.predict(eights))[:, 8])
    print(f"{kind:5} gain " + "{:.2f} +- {:.2f}, clusters".format(*gains[kind]),
          told(("anywhere", kind), attribution.lrp(net, x, 8)))

# %%
# Both networks use it, and no cluster says so (0.02): heatmaps are alike where they lie on the same pixels.
#
# Try this
# --------
# 1. Set a channel of A[8] of ``cnn`` to zero on its ActMax and on its RelMax images. On which does the logit fall more?
# 2. Let only 20 of the 400 eights have the square, then only 10. Do the clusters still find it?

for name, below, above in (("cnn", 8, 12), ("cluttered_gap", 6, 10)):
    (low, error), (high, also) = shared[name, below, "ActMax"], shared[name, above, "ActMax"]
    assert high - low > 3 * (error ** 2 + also ** 2) ** 0.5, "the two agree more further up"
assert all(shared[name, i, "RelMax for class 8"][0] < 0.5 for name, i, _ in shared), "there is not one RelMax"
assert found["inputs"] > 0.9, "the inputs have the square in any case"
for name in nets:
    used = ", used" in name
    assert found[name, "LRP"] > 0.95 if used else found[name, "LRP"] < 0.2, "relevance has it where it is used"
    assert value[name, "LRP"] < 0.1 < value[name, "none"] if used else value[name, "LRP"] > 0.1, "the eigenvalue tells"
for name in lies:
    assert found[name, "LRP"] > 0.95 and value[name, "LRP"] < 0.01, "clusters are fooled"
    assert found[name, "others"] < 0.2 < 0.95 < found["dense, used, 0", "others"], "and repaired"
for kind, (mean, error) in gains.items():
    assert mean > 0.5 and found["anywhere", kind] < 0.2, "a mark without a place is missed"
plot.show()
