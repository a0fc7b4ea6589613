r"""
7.5 What a transformer looked at
================================

**You will see** where a vision transformer looks, what each pixel adds to its answer, and that these are different
questions: maps of attention and maps of relevance are put to one test, under three fillings, beside a fixed blob.

**Before this:** 7.4 (attention by hand), 5.2 (selectivity).

**Papers:** Dosovitskiy et al. 2021, *An image is worth 16x16 words*; Abnar & Zuidema 2020, *Quantifying attention flow
in transformers* (rollout); Chefer et al. 2021, *Generic attention-model explainability* (attention for one class,
eq. 5 and 6); Ali et al. 2022 (CP-LRP); Achtibat et al. 2024 (AttnLRP, proposition 3.4).
"""
from functools import partial

import numpy as np

from minixnn import attribution, datasets, ledger, metrics, models, passes, plot
from minixnn.attribution import METHODS
from minixnn.layers import LayerNorm, Softmax
from minixnn.rules import composites, identity, lrp

COUNT = 100             # digits that are measured

# %%
# The network
# -----------
# A convolution turns each of 4 x 4 patches of 7 x 7 pixels into a token of 64 numbers (a margin of two pixels around
# the patch is seen, too). Two blocks follow. In each, attention lets the tokens exchange what they know, and a small
# dense network works on each token by itself; both add their result to the token. The mean of the tokens is classified.

net, (images, labels) = models.load("vit"), datasets.mnist("test")
print(net.describe(composites.attn_lrp, images[:1], depth=1))
print(f"right on {models.record('vit')['accuracy']:.2%} of the 10,000 test digits")

# %%
# Where does it look?
# -------------------
# Row :math:`t` of the attention weights :math:`A` says how token :math:`t` mixes the others. A *map of attention* is
# the mean over heads and rows: how much a patch is looked at. *Rollout* multiplies the blocks, each as half the weights
# and half the shortcut, :math:`\tfrac12 (A + I)`, since token 3 of the last block no longer tells of patch 3 alone.
# Neither names a class. *Attention for a class* weighs :math:`A` by the gradient of that class's score.


def weights(net, x):
    """The attention weights of each block, which its softmax makes, the mean over its heads: a list of (N, 16, 16)."""
    A = net.trace(x)
    return [A[l + 1].mean(axis=1) for l, layer in enumerate(net.layers) if isinstance(layer, Softmax)]


def for_a_class(net, x, target):
    """Chefer et al. 2021: weights times their gradient, where positive; W of each block is added to the way so far."""
    A, G, R = net.trace(x), passes.gradient(net, x, target), np.eye(16)
    for l, layer in enumerate(net.layers):
        if isinstance(layer, Softmax):
            W = np.maximum(A[l + 1] * G[l + 1], 0).mean(axis=1)                         # (N, 16, 16)
            R = R + W @ R
    return on_pixels((R - np.eye(16)).mean(axis=1))


def on_pixels(tokens):
    """(N, 16) -> (N, 28, 28, 1): each patch of 7 x 7 pixels has the number of its token."""
    return tokens.reshape(-1, 4, 4, 1).repeat(7, axis=1).repeat(7, axis=2)


def attention(net, x, target=None, block=-1):
    return on_pixels(weights(net, x)[block].mean(axis=1))


def rollout(net, x, target=None):
    together = np.eye(16)
    for A in weights(net, x):
        together = (A + np.eye(16)) / 2 @ together
    return on_pixels(together.mean(axis=1))


digits = [np.flatnonzero(labels == k)[0] for k in (2, 4, 7, 8)]
looked = {"attention, block 1": partial(attention, block=0), "attention, block 2": attention, "rollout": rollout,
          "for the class": for_a_class}
plot.heatmaps({name: method(net, images[digits], labels[digits]) for name, method in looked.items()}, images[digits],
              title="How much each patch is looked at", outlines=True)

# %%
# What does it owe to each pixel?
# -------------------------------
# Relevance asks another question: what does the score of the class owe to each pixel? We take gradient x input as
# the baseline, the two rules of 7.4, and DeepLIFT against an empty picture, whose contributions sum to the difference.

relevance = {"gradient x input": METHODS["gradient_times_input"], "CP-LRP": METHODS["cp_lrp"],
             "AttnLRP": METHODS["attn_lrp"], "DeepLIFT": METHODS["deeplift"]}
plot.heatmaps({name: method(net, images[digits], labels[digits]) for name, method in relevance.items()},
              images[digits], title="What each pixel adds to the score of its digit", quantile=0.995)

# %%
# A rule for attention is not all
# -------------------------------
# Between the blocks stand normalisations, :math:`y = \gamma (x - \bar x) / s + \beta`. CP-LRP holds the scale :math:`s`
# fixed, and what remains is affine. AttnLRP's proposition 3.4 hands relevance on unchanged; the library of its authors
# holds :math:`s` fixed, and so does ours. Does it matter? The ledger of lesson 6.1 tells what arrives of the score. The
# last column adds up relevance of both signs.


def unchanged(net):
    return composites.by_kind(net, lrp.epsilon, others={LayerNorm: identity})


relevance["AttnLRP, prop. 3.4"] = partial(attribution.lrp, rules=unchanged)
some, exact = images[:50].astype("float64"), net.astype("float64")
print(f"\n{'mean of 50 digits':22} score  arrives  biases, softmax  sum of |R| at the pixels")
for name, rules in (("CP-LRP", composites.cp_lrp), ("AttnLRP", composites.attn_lrp),
                    ("AttnLRP, prop. 3.4", unchanged)):
    rules = composites.rules_for(exact, rules)
    R = passes.lrp(exact, some, rules=rules)                                                    # <- STEP INTO
    book = ledger.audit(exact, some, R, rules).total
    print(f"  {name:20} {book.relevance_out / 50:5.2f} {book.relevance_in / 50:8.2f} "
          f"{book.absorbed_by_bias / 50:16.2f} {abs(R[0]).sum() / 50:25.1f}")

# %%
# It does. For a score of 11.0 there is relevance of 15.8 (CP-LRP) or 9.0 (AttnLRP) on the pixels; handed on unchanged
# it becomes 127.7. A token may be nearly zero in a channel in which its normalised copy is not.
#
# Does a map know the class?
# --------------------------
# We ask each method for the class that won and for the one that came second, and correlate the two maps.

some, second = images[:COUNT], net.predict(images[:COUNT]).argsort(axis=1)[:, -2]
first = net.predict(some).argmax(axis=1)


def correlation(a, b):
    a, b = (v.reshape(len(v), -1) - v.reshape(len(v), -1).mean(axis=1, keepdims=True) for v in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


print("\ncorrelation of the maps for the two best classes")
alike = {}
for name, method in {**looked, **relevance}.items():
    alike[name] = metrics.mean_and_error(correlation(method(net, some, first), method(net, some, second)))
    print("  {:20} {:6.3f} +- {:.3f}".format(name, *alike[name]))
empty = (some.reshape(-1, 4, 7, 4, 7).max(axis=(2, 4)) == 0).reshape(-1, 16)
share = metrics.mean_and_error((weights(net, some)[-1].mean(axis=1) * empty).sum(axis=1))
print("patches without ink: {:.1%} of all, and they get {:.1%} +- {:.1%} of the attention of block 2".format(
    empty.mean(), *share))

# %%
# Maps of attention and rollout are the same for both classes. Attention for the class is not (0.301), and maps of
# relevance still less (0.056 for CP-LRP, 0.060 for AttnLRP, -0.027 for DeepLIFT). And 21.3 % of the attention goes to
# patches where nothing is drawn.
#
# One question, measured: does the score fall when the patches of the map are painted over?
# -----------------------------------------------------------------------------------------
# As in lesson 5.2: rank the 16 patches once, paint them over one by one, and take the area under the score. Small is
# good. Paint is a choice, so we take three: zeros, which is the paper here; the mean image; noise. The controls ask no
# network: random patches *with ink*, ink itself, and a blob in the middle. Every number is paired with that of ink.

rng = np.random.default_rng(0)
controls = {"random, with ink": lambda net, x, target: on_pixels(rng.random((len(x), 16)) * ~empty),
            "blob in the middle": metrics.baselines(images, labels, rng)["blob in the middle"]}
maps = {"attention, block 2": attention, "rollout": rollout, "for the class": for_a_class}
fillings = {name: paint for name, paint in metrics.fillings(images, rng).items() if name != "black"}
known = {name: method(net, some, labels[:COUNT]) for name, method in
         {"ink": lambda net, x, target: x, **controls, **maps, **relevance}.items()}
areas, less = {}, {}
for filling, paint in fillings.items():
    area = {name: metrics.selectivity(lambda net, x, target: M, net, some, labels[:COUNT], patch=7, mode="static",
                                      value=paint, batch_size=COUNT, quiet=True).area for name, M in known.items()}
    areas[filling], less[filling] = area, {name: metrics.paired(area[name], area["ink"])[:2] for name in area}
print(f"\n{f'area less that of ink, {COUNT} digits':32}" + "".join(f"{filling:>16}" for filling in fillings))
for name in known:
    print(f"  {name:30}" + "".join("{:+8.2f} +- {:.2f}".format(*less[filling][name]) for filling in fillings))
against = {filling: metrics.paired(area["DeepLIFT"], area["rollout"]) for filling, area in areas.items()}
print("DeepLIFT less rollout: " + ", ".join("{} {:+.2f} +- {:.2f}".format(filling, *pair[:2])
                                            for filling, pair in against.items()))
plot.bars({filling: {name: value for name, value in of.items() if value[1]} for filling, of in less.items()},
          "area under the score, less that of ink (below 0: better)", "Which map is selective? It depends on the paint")

# %%
# **Verdict.** No map is best; the paint decides. Under zeros relevance is ahead of attention: DeepLIFT beats rollout by
# 2.26 +- 0.14; but zero is DeepLIFT's own reference (lesson 5.2). Under noise it is the other way round, by
# 1.38 +- 0.14, and attention for the class has the smallest area. Under the mean image a blob, which asks no network,
# beats all of them. Two sentences hold under each paint, for this network: gradient x input is worse than ink, and
# handing relevance through the normalisations unchanged is worse than holding their scale fixed. A map of attention
# answers its own question, where the network looked, and this test does not refute it. *For which class* it cannot
# say, unless it takes a gradient.
#
# Try this
# --------
# 1. Take single heads in place of their mean. Is there one whose map is selective under each paint?
# 2. Rank the patches by leave-one-out, once for each paint. Does it win under its own?

for name, than in (("AttnLRP, prop. 3.4", "AttnLRP"), ("gradient x input", "ink")):
    for worse in (metrics.paired(area[name], area[than]) for area in areas.values()):
        assert worse.difference > 2.5 * worse.error, "worse under each paint"
assert against["zeros"].difference < -5 * against["zeros"].error, "relevance is ahead under zeros"
assert against["noise"].difference > 5 * against["noise"].error, "and attention is under noise"
for name in (*maps, *relevance):
    behind = metrics.paired(areas["mean image"][name], areas["mean image"]["blob in the middle"])
    assert behind.difference > 2 * behind.error, "under the mean image a blob is ahead of all"
assert all((of[0] > 0.999) == (name in list(looked)[:3]) for name, of in alike.items()), "who knows the class"
plot.show()
