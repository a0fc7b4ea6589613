r"""
7.2 Where the relevance of a deep network goes
==============================================

**You will see** that of a logit of 9 hardly anything arrives at the pixels; which layer keeps two thirds of it; that
"kept by the bias" does not mean "due to the bias"; and that two ways of writing one network get two different maps.

**Before this:** 6.1 (the ledger), 7.1 (the network).

**Papers:** Bach et al. 2015, equation 60 (biases absorb relevance); Guillemot et al. 2020, *Breaking batch
normalization for better explainability of deep neural networks through layer-wise relevance propagation*;
Sundararajan et al. 2017 (implementation invariance).
"""
import numpy as np

from minixnn import datasets, ledger, metrics, models, passes, plot
from minixnn.models import efficientnet
from minixnn.rules import composites, lrp

net = models.load("efficientnet_lite0")
names = "chelsea coffee shepherd hen sheep cow castle viaduct stupa palace panda hopper".split()
x = np.stack([datasets.photo(name, 224) for name in names])
y = net.predict(x)
top, best = y.argmax(axis=1), y.max(axis=1)

# %%
# The books of twelve explanations
# --------------------------------
# What arrives at a layer is passed on, kept by the bias or by the stabiliser, or lost. ``folded(2)`` puts the layers of
# a block into one row: what they hand to each other cancels.

usual = composites.rules_for(net, composites.epsilon_plus_flat)
R = passes.lrp(net, x, rules=usual)                 # of the class that won                        # <- STEP INTO
book = ledger.audit(net, x, R, usual)
print(book.folded(2))

# %%
# The rows are sums over twelve photographs. Of 100 % of the logits 0.04 % arrive at the pixels. The biases keep the
# rest, and three quarters of it (82.9 of 112.6) in stage 7. Under LRP-0 biases also add, and relevance changes sign.

SOME = 6                                                    # photographs, where twelve would take too long
simple = passes.lrp(net, x[:SOME], top[:SOME], lrp.epsilon)
books = {"LRP-epsilon-plus-flat": book.folded(2), "LRP-0": ledger.audit(net, x[:SOME], simple, lrp.epsilon).folded(2)}
left = {name: {names[n]: [1] + [row.relevance_in[n] / rows.per_image[-1].relevance_out[n]
                                for row in rows.per_image[::-1]] for n in range(4)} for name, rows in books.items()}
plot.curves(range(len(book.folded(2).rows) + 1), left, "rows of the table passed",
            "share of the logit still under way", "Where does the relevance go? (below 0: it has changed sign)")

# %%
# Which layers keep it?
# ---------------------
# We look for the layers that keep most, and call them by their places.

kept = {row.place: row.absorbed_by_bias / book.per_image[-1].relevance_out for row in book.per_image}
most = sorted(kept, key=lambda place: -kept[place].mean())[:7]
at = {place: net.names.index(place) for place in most}
plot.bars({place: metrics.mean_and_error(kept[place]) for place in most},
          "share kept by biases", f"Seven layers keep {sum(kept[p].mean() for p in most):.0%} of the logit")
for place in most:
    mean, error = metrics.mean_and_error(kept[place])
    print(f"  {place:20} keeps {mean:.1%} +- {error:.1%}, on each photograph {kept[place].min():.0%} to "
          f"{kept[place].max():.0%}: {net.layers[at[place]]!r}")

# %%
# One layer keeps 68.1 %, and between 63 and 73 % on each of twelve photographs that have little in common. So it is no
# property of a picture. Is it one of the architecture, the weights, or the biases? On the first photograph we shuffle
# all numbers of every layer, or its weights alone, or its biases alone.

first, share = most[0], {}


def shuffled(what, rng):
    """The network with the numbers of each layer's weights W, or biases b, or both, in random order."""
    def mixed(a, name):
        return rng.permutation(a.reshape(-1)).reshape(a.shape) if name in what else a
    return net.like_this([layer if getattr(layer, "b", None) is None else
                          layer.with_weights(mixed(layer.W, "W"), mixed(layer.b, "b")) for layer in net.layers])


print(f"\nshuffled        kept by all biases   by {first}   the place that keeps most")
for what in ("W and b", "W", "b"):
    for seed in range(2):
        rows = ledger.ledger(shuffled(what, np.random.default_rng(seed)), x[:1], rules=composites.epsilon_plus_flat,
                             start=passes.one_hot(y[:1], top[:1]), quiet=True).rows     # a logit may be negative
        each = {row.place: row.absorbed_by_bias for row in rows}
        share[what, seed], largest = each[first], max(each, key=each.get)
        print(f"  {what:8} seed {seed} {sum(each.values()):17.1%} {each[first]:22.1%}   {largest}")

# %%
# With the weights in another order the layer keeps under a fifth, with the biases in another order nine tenths or more.
# So its large share comes neither from the architecture alone nor from where the biases stand, but with the learnt
# weights. That all biases together keep 98 % comes with any weights.
#
# By hand: with contributions 1 and 2 and a bias of 6 a neuron hands on (1 + 2) / (1 + 2 + 6), a third.
#
# Can the map have it back?
# -------------------------
# A rule may give the bias's share to the inputs, in proportion: leave the bias out of the denominator. As controls, the
# maps of two *classes* and of two photographs.

l, A = at[first], net.trace(x)
positive = net.layers[l].with_weights(np.maximum(net.layers[l].W, 0), None).forward(A[l])       # x >= 0 here


def without_bias(layer, x, y, R):
    """alpha1-beta0, the bias left out: relevance is conserved wherever an input contributes."""
    return lrp.alpha_beta(layer.with_weights(layer.W, None), x, y, R, alpha=1.0, beta=0.0)


def alike(one, other):
    """The correlation of two maps of each photograph, in squares of 8 pixels."""
    one, other = (R.reshape(len(R), 28, 8, 28, 8, 3).sum(axis=(2, 4, 5)).reshape(len(R), -1) for R in (one, other))
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(one, other)])


def told(values):
    return "{:.3f} +- {:.3f}".format(*metrics.mean_and_error(values))


few, of = x[:SOME], R[0][:SOME]
whole = passes.lrp(net, few, top[:SOME], composites.by_kind(net, conv=without_bias, first=lrp.flat))
rival = passes.lrp(net, few, y[:SOME].argsort(axis=1)[:, -2], usual)[0]
changed, classes, mixed = alike(of, whole[0]), alike(of, rival), alike(of, np.roll(of, 1, axis=0))
less, alone = metrics.paired(changed, classes), whole[l + 1] * (positive[:SOME] == 0)
print(f"\narrives: {of.sum() / SOME:.4f}, bias left out {whole[0].sum() / SOME:.3f}, of {best[:SOME].mean():.3f}\n"
      f"of what comes to {first}, {alone.sum() / whole[l + 1].sum():.0%} lies at outputs that no input raises\n"
      f"correlation of the two maps {told(changed)}; of two classes' maps {told(classes)}; of two photographs' maps "
      f"{told(mixed)}\nthe first less the second {less.difference:.3f} +- {less.error:.3f}")

# %%
# It cannot. Even so 0.574 of 9.696 arrive: 65 % of the relevance of this layer lies at outputs that no input raises.
# They are above 0 by their bias alone, and there is nobody to give it to. The two maps correlate by 0.915. That sounds
# like much, but the maps of two classes correlate by more, photograph by photograph by 0.076 +- 0.006.
#
# Is it the biases' doing, then?
# ------------------------------
# "Kept by biases" is what the *rule* does. What do the biases do? A grey picture holds nothing, so its logit is theirs.
# Then we set those of one layer to zero. All logits may rise together; what counts is the *rank* of the class.

grey = net.predict(np.full_like(x[:1], 127 / 255))[0]
print(f"\nlogits of the photographs {told(best)}; of a grey picture for the same classes {told(grey[top])}\n"
      "without the biases of   which keep   logit                 rises on   rank: median, and on how many it is 1")
rank, answers = {}, ""
for place in most:
    layer = net.layers[at[place]]
    z = net.replaced(at[place], layer.with_weights(layer.W, 0 * layer.b)).predict(x)
    logit = z[range(len(x)), top]
    rank[place] = (z > logit[:, None]).sum(axis=1) + 1
    answers = answers or ", ".join(net.card.label(int(k)) for k in z.argmax(axis=1))
    print(f"  {place:20} {kept[place].mean():11.1%}   {told(logit):20} {(logit > best).sum():6} of {len(x)} "
          f"{np.median(rank[place]):10.1f} {(rank[place] == 1).sum():10}")
print(f"answers without the biases of {first}: {answers}")

# %%
# A grey picture gets 0.01: biases alone do not make the logit. Without those of the layer that keeps two thirds, the
# logit *rises* on 9 of 12 photographs. Does the network do well without them? No: the class falls to rank 2.5 in the
# median, five photographs keep it, and three are taken for a carton. But without those of stage5.block0.3, which keep
# 2.3 %, the class is lost on all (median rank 464.5), and without those of three others that keep as much, 9 or 10 of
# 12 are still right. So what biases keep does not tell how much the network needs them: it is a fact about the rule.
#
# Two networks, one function
# --------------------------
# Batch normalisation scales and shifts what a convolution has computed. The loader merges the two, so that rules see
# one affine layer. Without that, the network computes the same; does it get the same maps?

maps, same, apart = {}, {}, efficientnet.load(folded=False)
print(f"\nlargest difference of the logits {abs(apart.predict(few) - y[:SOME]).max():.0e}")
for name, rule, merged in (("LRP-0", lrp.epsilon, simple[0]),
                           ("LRP-epsilon-plus-flat", composites.epsilon_plus_flat, of)):
    other = passes.lrp(apart, few, top[:SOME], rule)[0]
    maps |= {f"{name},\nmerged": merged[:2], f"{name},\napart": other[:2]}
    same[name] = alike(merged, other)
    print(f"  {name:22} correlation of the maps, merged and apart: {told(same[name])}, smallest {same[name].min():.3f}")
plot.heatmaps({name: M.reshape(2, 112, 2, 112, 2, 3).sum(axis=(2, 4)) for name, M in maps.items()}, x[:2],
              [net.card.label(int(k)) for k in top[:2]], transpose=True, quantile=0.995,
              title="The same function, written in two ways")

# %%
# LRP-0 gives both the same map (1.000). The maps of LRP-epsilon-plus-flat correlate by 0.379 +- 0.093. By hand: a
# convolution has contributions 3 and -1, so 2; a normalisation doubles that and adds 1, so 5. *Apart*, the
# normalisation hands on 4/5 of R, and alpha1-beta0 gives all of it to the first input: 0.80. *Merged*, the
# contributions are 6 and -2 with a bias of 1, and the first input gets 6/7 = 0.86. Under LRP-0 it gets
# :math:`4/5 \cdot 3/2` apart and 6/5 merged, which is the same. Most rules with a name depend on how a network is
# written; so say which one was explained. minixnn merges when it loads, as the papers do.
#
# Try this
# --------
# 1. Set the biases of *all* layers to zero. What becomes of the ranks?
# 2. LRP-0 is *not* gradient x input here: a ReLU6 passes relevance on above 6, where its gradient is 0. Walk down as
#    ``passes.lrp`` does, with ``R_x * (x_l < 6)`` for these layers, down to what ``Prepare`` makes. Is it then?

assert book.largest_residual < 1e-5, "every layer's books balance"
(mean, error), needed = metrics.mean_and_error(kept[first]), max(most, key=lambda place: np.median(rank[place]))
assert mean - 3 * error > 0.6 and kept[first].min() > 0.5, "one layer keeps two thirds, whatever the picture"
assert max(share[what, seed] for what in ("W", "W and b") for seed in range(2)) < 0.3 < 0.6 < share["b", 1], "weights"
assert less.difference < -3 * less.error, "leaving the bias out changes the map by more than another class does"
assert np.median(rank[first]) < 20 < 100 < np.median(rank[needed]), "kept is not needed"
assert kept[needed].mean() < mean / 10, "the layer that is needed most keeps little"
assert same["LRP-0"].min() > 0.99 and same["LRP-epsilon-plus-flat"].mean() < 0.7, "one function, two maps"
plot.show()
