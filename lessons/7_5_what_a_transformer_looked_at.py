r"""
7.5 What a transformer looked at
================================

**You will see** where a vision transformer looks, what it makes of that, and that these are different questions: maps
of attention are put to the same test as maps of relevance.

**Before this:** 7.4 (attention by hand), 5.2 (selectivity).

**Papers:** Dosovitskiy et al. 2021, *An image is worth 16x16 words*; Abnar & Zuidema 2020, *Quantifying attention flow
in transformers* (rollout); Jain & Wallace 2019, *Attention is not explanation*; Ali et al. 2022 (CP-LRP); Achtibat et
al. 2024 (AttnLRP).
"""
from functools import partial

import numpy as np

from minixnn import attribution, datasets, ledger, metrics, models, passes, plot
from minixnn.attribution import METHODS
from minixnn.layers import LayerNorm, Softmax
from minixnn.rules import composites, identity, lrp

COUNT = 200             # digits that are measured

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


def weights(net, x):
    """The attention weights of each block, which its softmax makes, the mean over its heads: a list of (N, 16, 16)."""
    A = net.trace(x)
    return [A[l + 1].mean(axis=1) for l, layer in enumerate(net.layers) if isinstance(layer, Softmax)]


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


for A in weights(net, images[:8]):
    assert np.allclose(A.sum(axis=2), 1, atol=1e-5)
digits = [np.flatnonzero(labels == k)[0] for k in (2, 4, 7, 8)]
looked = {"attention, block 1": partial(attention, block=0), "attention, block 2": attention, "rollout": rollout}
plot.heatmaps({name: method(net, images[digits]) for name, method in looked.items()}, images[digits],
              title="How much each patch is looked at", outlines=True)

# %%
# What did it make of that?
# -------------------------
# Relevance asks another question: what does the score of the class owe to each pixel? We take gradient x input as
# the baseline, the two rules of 7.4, and DeepLIFT against an empty picture, whose contributions sum to the difference.

relevance = {"gradient x input": METHODS["gradient_times_input"], "CP-LRP": METHODS["cp_lrp"],
             "AttnLRP": METHODS["attn_lrp"], "DeepLIFT": METHODS["deeplift"]}
plot.heatmaps({name: method(net, images[digits], labels[digits]) for name, method in relevance.items()},
              images[digits], title="What each pixel adds to the score of its digit", quantile=0.995)
y, blank = net.forward(images[digits]), net.forward(images[:1] * 0)
delta = METHODS["deeplift"](net, images[digits], labels[digits]).sum(axis=(1, 2, 3))
assert np.allclose(delta, y[range(4), labels[digits]] - blank[0, labels[digits]], atol=1e-3)

# %%
# A rule for attention is not all
# -------------------------------
# Between the blocks stand normalisations, :math:`y = \gamma (x - \bar x) / s + \beta`. CP-LRP and AttnLRP hold the
# scale :math:`s` fixed, and what remains is affine. Would it do to pass relevance on unchanged, as an activation does?
# The ledger of lesson 6.1 tells what arrives of the score. The last column adds up relevance of both signs.


def unchanged(net):
    return composites.by_kind(net, lrp.epsilon, others={LayerNorm: identity})


relevance["AttnLRP, norm passed"] = partial(attribution.lrp, rules=unchanged)
some, exact = images[:50].astype("float64"), net.astype("float64")
print(f"\n{'mean of 50 digits':22} score  arrives  biases, softmax  sum of |R| at the pixels")
for name, rules in (("CP-LRP", composites.cp_lrp), ("AttnLRP", composites.attn_lrp),
                    ("AttnLRP, norm passed", unchanged)):
    R = passes.lrp(exact, some, rules=rules)                                                    # <- STEP INTO
    book = ledger.audit(exact, some, R, rules).total
    print(f"  {name:20} {book.relevance_out / 50:5.2f} {book.relevance_in / 50:8.2f} "
          f"{book.absorbed_by_bias / 50:16.2f} {abs(R[0]).sum() / 50:25.1f}")

# %%
# It would not. For a score of 11.0 there is relevance of 15.8 (CP-LRP) or 9.0 (AttnLRP) on the pixels; passed on
# unchanged it becomes 127.7. A token may be nearly zero in a channel in which its normalised copy is not, and such a
# number cannot carry the relevance that it is given.
#
# Does a map know the class?
# --------------------------
# We ask each method for the class that won and for the one that came second, and correlate the two maps. A map of
# attention cannot know: no class enters its formula.

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
# The maps of attention are the same for both classes, those of relevance are not (correlations of 0.068 for CP-LRP,
# 0.073 for AttnLRP, -0.021 for DeepLIFT). And 19.4 % of the attention goes to patches where nothing is drawn.
#
# One question, measured: does the score fall when the patches of the map are erased?
# -----------------------------------------------------------------------------------
# As in lesson 5.2: rank the 16 patches once, set them to zero one by one, and take the area under the score. Small is
# good. The controls are random patches, random patches *with ink*, and ink itself. Attention gets a second chance, in
# which patches without ink come last. The second column is the difference from ink, digit by digit.

rng = np.random.default_rng(0)


def with_ink(x):
    return np.broadcast_to(x.reshape(-1, 4, 7, 4, 7).max(axis=(2, 4), keepdims=True) > 0,
                           (len(x), 4, 7, 4, 7)).reshape(x.shape)


controls = {"random": lambda net, x, target: on_pixels(rng.random((len(x), 16))),
            "random, with ink": lambda net, x, target: on_pixels(rng.random((len(x), 16))) * with_ink(x),
            "ink": lambda net, x, target: x}
maps = {"attention, block 2": attention, "rollout": rollout,
        "attention, with ink": lambda net, x, target: attention(net, x) * with_ink(x)}
areas = {name: metrics.selectivity(method, net, some, labels[:COUNT], patch=7, mode="static", quiet=True).area
         for name, method in {**controls, **maps, **relevance}.items()}
print(f"\n{f'area, {COUNT} digits':22} mean and error  less that of ink")
for name, values in areas.items():
    print("  {:20} {:6.2f} +- {:.2f}   {:+6.2f} +- {:.2f}".format(
        name, *metrics.mean_and_error(values), *metrics.mean_and_error(values - areas["ink"])))
plot.bars({name: metrics.mean_and_error(values) for name, values in areas.items() if name not in controls},
          "area under the score as patches are erased (smaller: more selective)",
          "Maps of attention do not tell what the score rests on", {name: areas[name].mean() for name in controls})

# %%
# **Verdict.** Maps of attention do not tell what the score rests on. Block 2 (3.26) and rollout (3.15) find no better
# patches than chance finds among those with ink (3.26). Told where the ink is, attention gets 2.58, and ink alone
# 2.06. The network is not to blame: CP-LRP (-0.38 ± 0.08 against ink) and AttnLRP (-0.37 ± 0.07) find what the score
# rests on, gradient x input (3.80) does not, and DeepLIFT (1.04) is ahead of all. Between the two rules for
# attention no difference is seen. The rule for the *normalisation* makes one: passed on unchanged, AttnLRP gets 3.58.
# Mind lesson 5.2, too: erasing to zero suits DeepLIFT, whose reference is zero, and another filling has another order.
#
# Try this
# --------
# 1. Take single heads in place of their mean. Is there one whose map is selective?
# 2. Rank the patches by leave-one-out, and measure that. Is DeepLIFT as good?

means = {name: values.mean() for name, values in areas.items()}
best = max(means[name] for name in ("CP-LRP", "AttnLRP", "DeepLIFT"))
assert min(means["attention, block 2"], means["rollout"]) > means["random, with ink"] - 0.5, "as good as random ink"
assert best < means["ink"] < means["attention, with ink"], "relevance beats ink, attention does not"
assert best < means["gradient x input"] - 1 and best < means["AttnLRP, norm passed"] - 0.5
assert all(alike[name][0] > 0.999 for name in looked) and all(alike[name][0] < 0.5 for name in relevance)
plot.show()
