r"""
7.2 Where the relevance of a deep network goes
==============================================

**You will see** that of a logit of 8 hardly anything arrives at the pixels; which layer keeps two thirds of it, and
why; that "kept by the bias" does not mean "due to the bias"; and that two ways of writing the same network get two
different maps.

**Before this:** 6.1 (the ledger), 7.1 (the network).

**Papers:** Bach et al. 2015, equation 60 (biases absorb relevance); Guillemot et al. 2020, *Breaking batch
normalization for better explainability of deep neural networks through layer-wise relevance propagation*;
Sundararajan et al. 2017 (implementation invariance).
"""
import numpy as np

from minixnn import datasets, ledger, metrics, models, passes, plot
from minixnn.models import efficientnet
from minixnn.network import Network
from minixnn.rules import composites, lrp

net = models.load("efficientnet_lite0")
names = ["chelsea", "coffee", "astronaut", "rocket"]
x = np.stack([datasets.photo(name, 224) for name in names])
top = net.predict(x).argmax(axis=1)

# %%
# The books of one explanation
# ----------------------------
# Each row of a ledger adds up: what arrives at a layer is passed on, kept by the bias or by the stabiliser, or lost.

rules = {"LRP-epsilon-plus-flat": composites.epsilon_plus_flat, "LRP-epsilon-gamma-box": composites.epsilon_gamma_box,
         "LRP-0": lrp.epsilon}
books = {name: ledger.ledger(net, x, top, rule, quiet=True) for name, rule in rules.items()}    # <- STEP INTO
print("mean of 4 photographs           logit  to the pixels  kept by biases  by stabilisers   lost")
for name, book in books.items():
    row = book.total
    print(f"  {name:22} {row.relevance_out / 4:13.3f} {row.relevance_in / 4:14.4f} {row.absorbed_by_bias / 4:15.3f} "
          f"{row.absorbed_by_stabilizer / 4:15.5f} {row.created_or_lost / 4:6.3f}")
depth = range(len(net.layers))
left = {name: [abs(row.relevance_in) / abs(book.rows[-1].relevance_out) for row in book.rows[::-1]]
        for name, book in books.items()}
plot.curves(range(1, len(net.layers) + 1), left, "layers passed, from the logit down to the pixels",
            "share of the logit still under way", "Where does the relevance go?", yscale="log")

# %%
# The books balance. Biases keep 8.359 of 8.362 under LRP-epsilon-plus-flat, 8.248 under LRP-epsilon-gamma-box. LRP-0
# ends with -3.5: there biases both keep and add, far more than the logit.
#
# Which layers keep it?
# ---------------------

book = books["LRP-epsilon-plus-flat"]
each = {row.l: row.absorbed_by_bias / book.per_image[-1].relevance_out for row in book.per_image}
most = sorted(each, key=lambda l: -each[l].mean())[:7]
plot.bars({f"{l}: {net.layers[l]!r}": (float(each[l].mean()), float(each[l].std(ddof=1) / 2)) for l in most},
          "share of the logit kept by biases (4 photographs)", "Seven layers keep nearly all")
for l in most:
    print(f"  layer {l:2} keeps {each[l].mean():.1%} +- {each[l].std(ddof=1) / 2:.1%}: {net.layers[l]!r}")

# %%
# Why a depthwise convolution?
# ----------------------------
# Layer 42 alone keeps 68.3 %, with an error of 0.8 % over four photographs that have nothing in common. So it is no
# property of a picture. Is it one of this network, or of its architecture? As a control, the same with the numbers of
# every layer shuffled, on the first photograph.

print("\nnumbers shuffled   kept by biases         by layer 42   the layer that keeps most")
for seed in range(3):
    other = metrics.randomized(net, np.random.default_rng(seed))
    start = passes.one_hot(net.predict(x[:1]), top[:1])     # a shuffled logit may be negative; so start from 1
    rows = ledger.ledger(other, x[:1], rules=composites.epsilon_plus_flat, start=start, quiet=True).rows
    kept = {row.l: row.absorbed_by_bias for row in rows}
    first = max(kept, key=kept.get)
    print(f"  seed {seed} {sum(kept.values()):22.1%} {kept[42]:21.1%} {first:>10} with {kept[first]:.1%}: "
          f"{net.layers[first]!r}")

# %%
# Biases keep 98 % in the shuffled networks, too: that comes with the architecture, and with the sizes of its biases.
# But no layer keeps two thirds there. Layer 42 is first or second with a fifth; the rest of its share was learnt.
#
# By hand: under alpha1-beta0 a neuron with positive contributions 1 and 2 and a bias of 6 hands on
# (1 + 2) / (1 + 2 + 6), a third. A depthwise convolution sums over 9 or 25 numbers, of which few are positive, an
# ordinary one over hundreds. The bias is of one size for both: merging batch normalisation put it there.

A = net.trace(x)
print("\nmean over outputs with relevance of   positive contributions   positive bias   inputs of an output")
for l in (most[0], most[1], 44):
    layer = net.layers[l]
    positive = layer.with_weights(np.maximum(layer.W, 0), None).forward(A[l])        # x >= 0 here
    bias, alive = np.maximum(layer.b, 0) + 0 * positive, A[l + 1] > 0
    print(f"  layer {l:2} {positive[alive].mean():42.3f} {bias[alive].mean():15.3f} {layer.W[..., 0].size:16}")

# %%
# In layer 42 the inputs give 0.395 and the bias 1.046; in the 1x1 convolution behind it 38.2 and 2.0.
#
# Can the map have it back?
# -------------------------
# A rule may give the bias's share to the inputs, in proportion: leave the bias out of the denominator. As controls, the
# maps of two *classes* and of two photographs.


def without_bias(layer, x, y, R):
    """alpha1-beta0, the bias left out: relevance is conserved wherever an input contributes."""
    return lrp.alpha_beta(layer.with_weights(layer.W, None), x, y, R, alpha=1.0, beta=0.0)


def conserving(net):
    return composites.by_kind(net, conv=without_bias, first=lrp.flat)


def squares(R):
    return R.reshape(len(R), 28, 8, 28, 8, 3).sum(axis=(2, 4, 5)).reshape(len(R), -1)


def alike(one, other):
    """The correlation of two maps of each photograph, in squares of 8 pixels."""
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(squares(one), squares(other))])


def told(values):
    return f"{values.mean():.3f} +- {values.std(ddof=1) / 2:.3f}"


usual = passes.lrp(net, x, top, composites.epsilon_plus_flat)[0]
whole = passes.lrp(net, x, top, conserving)[0]
second = net.predict(x).argsort(axis=1)[:, -2]
rival = passes.lrp(net, x, second, composites.epsilon_plus_flat)[0]
mixed = alike(usual, usual[[1, 2, 3, 0]])
print(f"\narrives at the pixels: {usual.sum() / 4:.4f}, with the bias left out {whole.sum() / 4:.3f} of "
      f"{book.total.relevance_out / 4:.3f}")
R = passes.lrp(net, x, top, conserving)[43]
alone = net.layers[42].with_weights(np.maximum(net.layers[42].W, 0), None).forward(A[42]) == 0
print(f"of the relevance of layer 42, {(R * alone).sum() / R.sum():.0%} lies at outputs that no input raises")
print(f"correlation of the two maps {told(alike(usual, whole))}; of two classes' maps {told(alike(usual, rival))}; "
      f"of two photographs' maps {told(mixed)}")

# %%
# It cannot. Even so only 0.417 of 8.362 arrive, for 67 % of the relevance of layer 42 lies at outputs that no input
# raises: they are above 0 by their bias alone, and there is nobody to hand it to. The two maps correlate by 0.915. That
# sounds like much; but so do the maps of two classes (0.947), and 0.915 is therefore no small change. Maps of different
# photographs are at 0.134.
#
# Is it the biases' doing, then?
# ------------------------------
# "Kept by biases" is what the *rule* does. What do the biases do? A grey picture holds nothing, so its logit is theirs;
# and without the biases of the layer that keeps most the network should suffer, if they matter that much.

grey = net.predict(np.full_like(x[:1], 127 / 255))[0]
logit = net.predict(x)[range(4), top]
print(f"\nlogits of the photographs {told(logit)}; of a grey picture for the same classes {told(grey[top])}")
for l in (layer for layer in most if hasattr(net.layers[layer], "W")):
    layers = list(net.layers)
    layers[l] = layers[l].with_weights(layers[l].W, layers[l].b * 0)
    print(f"without the biases of layer {l:2}: {told(Network(layers, net.card).predict(x)[range(4), top])}")

# %%
# A grey picture gets 0.02: biases alone do not make the logit. And what a layer's biases keep says little of what they
# do. Without those of layer 42, which keep two thirds, the logit rises from 8.4 to 11.8 on average; without those of
# layer 44, which keep a twentieth, 0.4 is left, and without those of layer 34 less than nothing. "Kept by the bias" is
# a fact about the rule: a positive bias stands in its denominator.
#
# Two networks, one function
# --------------------------
# Batch normalisation scales and shifts what a convolution has computed. The loader merges the two, so that rules see
# one affine layer. Without that, the network computes the same; does it get the same maps?

apart = efficientnet.load(folded=False)
print(f"\nlargest difference of the logits {abs(apart.predict(x) - net.predict(x)).max():.0e}")
maps = {}
for name, rule in {"LRP-0": lrp.epsilon, "LRP-epsilon-plus-flat": composites.epsilon_plus_flat}.items():
    maps[f"{name},\nmerged"] = passes.lrp(net, x[:2], top[:2], rule)[0]
    maps[f"{name},\napart"] = passes.lrp(apart, x[:2], top[:2], rule)[0]
    merged, other = list(maps.values())[-2:]
    print(f"  {name:22} correlation of the maps, merged and apart: "
          + ", ".join(f"{r:.3f}" for r in alike(merged, other)))
plot.heatmaps({name: R.reshape(2, 112, 2, 112, 2, 3).sum(axis=(2, 4)) for name, R in maps.items()}, x[:2],
              [net.card.label(int(k)) for k in top[:2]], transpose=True, quantile=0.995,
              title="The same function, written in two ways")

# %%
# LRP-0 cannot tell them apart (1.000): it is gradient x input, and depends on the function only. The maps of
# LRP-epsilon-plus-flat correlate by 0.3 and 0.06: alpha1-beta0 splits what a convolution *alone* adds up, with another
# bias before merging than after. It is not implementation invariant, as most rules with a name are not. So say which
# network was explained. minixnn merges when it loads, as the papers do.
#
# Try this
# --------
# 1. ``print(books["LRP-epsilon-plus-flat"])`` and find the residuals.
# 2. Explain ``net.astype("float64")`` and look at them again.

assert max(book.largest_residual for book in books.values()) < 1e-5, "every layer's books balance"
assert each[42].mean() > 0.5 and each[42].std(ddof=1) < 0.05
assert alike(maps["LRP-0,\nmerged"], maps["LRP-0,\napart"]).min() > 0.99
assert alike(maps["LRP-epsilon-plus-flat,\nmerged"], maps["LRP-epsilon-plus-flat,\napart"]).max() < 0.6
plot.show()
