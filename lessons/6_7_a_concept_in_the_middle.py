r"""
6.7 A concept in the middle
===========================

**You will see** a cat's eyes light up in single channels; that a channel's heatmap is a term of an exact sum; that it
finds a neuron whose work is known; that a trained network spreads what it has learnt; and that *what a channel sees*
and *what the class needs* are two questions.

**Before this:** 2.3 (LRP), 6.5 (marks, and a network that lies), 7.1 (the classifier of photographs).

**Paper:** Achtibat et al. 2023, *From attribution maps to human-understandable explanations through concept relevance
propagation*.
"""
import numpy as np

from minixnn import Conv2d, Dense, Flatten, Network, ReLU, attribution, datasets, metrics, models, passes, plot, train
from minixnn.rules import composites, lrp

# %%
# What did these channels see?
# ----------------------------
# The network of lesson 7.1 calls this an Egyptian cat. On its way down the relevance of that answer passes A[64], which
# has 672 channels. Of the 16 that hold most of it, for or against, nine are followed to the pixels, one at a time.

AT, CAT, lite = 64, 285, models.load("efficientnet_lite0")
photos = np.stack([datasets.photo(name, 224) for name in ("chelsea", "shepherd", "hen", "sheep")])
flat, zero = (composites.rules_for(lite, rule) for rule in (composites.epsilon_plus_flat, lrp.epsilon))
ways = [*flat[:AT], *zero[AT:]]                             # LRP-0 chooses the channels; below, rules that are readable
held = passes.lrp(lite, photos[:1], CAT, ways)[AT].sum(axis=(0, 1, 2))
chosen = abs(held).argsort()[::-1][:16]
maps = attribution.concepts(lite, photos[:1], AT, chosen, CAT, ways)[0].sum(axis=3)
plot.heatmaps({f"channel\n{k}": M.reshape(1, 56, 4, 56, 4).sum(axis=(2, 4)) for k, M in zip(chosen[:9], maps)},
              photos[:1], transpose=True, quantile=0.995, title="One answer, Egyptian cat, through nine channels")

# %%
# Nobody taught the network what an eye is, and channels 569 and 357 show little else. *Does it say cat because of the
# eyes?* Decide now; the last section measures.
#
# A term of a sum
# ---------------
# The pass of lesson 2.3 with one line more: at :math:`A_i` all channels but :math:`k` are set to zero. Every rule is
# linear in R, so these heatmaps add up to the whole one. By hand: :math:`x = (1, 2)`; two neurons are
# :math:`1 + 2 = 3` and :math:`-1 + 2 = 1`; the output is :math:`2 \cdot 3 + 1 = 7`. Through the first neuron come 6,
# shared 1 : 2, so (2, 4); through the second comes 1, as (-1, 2). The sum, (1, 6), is the heatmap of LRP-0.


def one_channel(net, x, i, k, target, rules):
    A = net.trace(x)
    R = [0] * len(net.layers) + [A[-1] * (np.arange(A[-1].shape[1]) == target)]
    for l in reversed(range(len(net.layers))):
        if l + 1 == i:
            R[i] = R[i] * (np.arange(R[i].shape[-1]) == k)                      # the line that is new
        R[l] = rules[l](net.layers[l], A[l], A[l + 1], R[l + 1])                # <- STEP INTO
    return R[0]


small = Network([Dense(np.array([[1.0, -1.0], [1.0, 1.0]])), ReLU(), Dense(np.array([[2.0], [1.0]]))])
x = np.array([[1.0, 2.0]])
parts = [one_channel(small, x, 2, k, 0, composites.rules_for(small, lrp.epsilon)) for k in (0, 1)]
print("by hand", *(part[0].round(3) for part in parts), "sum", sum(parts)[0].round(3))
assert np.allclose(np.stack(parts, axis=1), attribution.concepts(small, x, 2)), "the package does the same"
images, labels = datasets.mnist("test")
cnn, x, off = models.load("cnn").astype(np.float64), images[:4].astype(np.float64), {}
for walk in (passes.lrp, passes.gradient, passes.deconvnet, passes.guided_backprop):
    whole, bottom = walk(cnn, x), cnn.part(0, 5)
    parts = [walk(bottom, x, start=whole[5] * (np.arange(64) == k))[0] for k in range(64)]
    off[walk.__name__] = abs(sum(parts) - whole[0]).max() / abs(whole[0]).max()
print("cnn, 64 channels, |sum - whole| / |whole|:", ", ".join(f"{name} {value:.0e}" for name, value in off.items()))

# %%
# The gradient's pass is linear, too. Deconvnet and guided backpropagation cut off negative signals, and miss by 0.6.
#
# A concept that we know
# ----------------------
# A small network learns digits of which half, in every class, have a filled square in the corner: it says nothing
# (*unused*). Then we forge one more neuron, which fires on the whole square only and adds 4 to the score of 8. A factor
# makes it quiet or loud; what it adds is divided by the same factor, so that the network computes the same.

(digits, classes), eights, rank = (some[:5000] for some in datasets.mnist("train")), images[labels == 8][:200], {}


def marked(x, which=slice(None)):
    x = x.copy()
    x[which, 1:6, 1:6] = 1
    return x


def trained(kind, used, seed):
    rng = np.random.default_rng(seed)
    which = rng.random(len(digits)) < (np.where(classes == 8, 0.9, 0.05) if used else 0.5)
    first = [Flatten(), Dense.random(784, 100, rng)] if kind == "dense" else [
        Conv2d.random(5, 1, 16, rng, stride=2), ReLU(), Conv2d.random(3, 16, 32, rng, stride=2), ReLU(),
        Flatten(), Dense.random(7 * 7 * 32, 100, rng)]
    net = Network([*first, ReLU(), Dense.random(100, 10, rng)])
    train.fit(net, marked(digits, which), classes, epochs=2, rng=rng, batch_size=50, quiet=True)
    return net


def gain(net, i=1, channels=()):
    a = net.part(0, i).predict(np.concatenate([marked(eights), eights]))
    z = net.part(i, len(net.layers)).predict(a * ~np.isin(np.arange(a.shape[-1]), channels))[:, 8]
    return z[:200] - z[200:]


for seed, factor in ((0, 0.001), (0, 1000.0), (1, 0.001), (1, 1000.0)):
    first, last = (trained("dense", False, seed).layers[l] for l in (1, 3))
    detector, adds = factor * marked(0 * eights[:1]).reshape(784), 4 * np.eye(10, dtype=np.float32)[8] / factor
    lie = Network([Flatten(), Dense(np.column_stack([first.W, detector]), np.append(first.b, np.float32(-24 * factor))),
                   ReLU(), Dense(np.vstack([last.W, adds]), last.b)])           # of 25 pixels of 1 the bias leaves 1
    R, A = (values[3].mean(axis=0) for values in (passes.lrp(lie, marked(eights), 8), lie.trace(marked(eights))))
    rank[seed, factor] = [1 + (values > values[100]).sum() for values in (R, A)]
    print("seed {}, factor {:5g}: no. {} of 101 by relevance, {} by activation; gain of the square {:.2f}, without the "
          "neuron {:.2f}, without the most active other one {:.2f}".format(
              seed, factor, *rank[seed, factor], *(gain(lie, 3, k).mean() for k in ([], 100, A[:100].argmax()))))

# %%
# Relevance puts it first, quiet or loud. By activation it is no. 87 or 97, or first, as we like.
#
# A concept that was learnt
# -------------------------
# Now 90 % of the 8s have the square and 5 % of the others (*used*). Through which channels does it act? Let :math:`p_k`
# be their shares of relevance with the square less that without; then about :math:`1 / \sum p_k^2` channels share it.

spread, left = {}, {}
for seed in (0, 1):
    net, rng = trained("conv", True, seed), np.random.default_rng(0)
    R, S = (passes.lrp(net, some, 8)[4].sum(axis=(1, 2)).mean(axis=0) for some in (marked(eights), eights))
    p = np.maximum(R - S, 0) / np.maximum(R - S, 0).sum()
    spread[seed] = p.max(), 1 / (p ** 2).sum()
    print("seed {}: largest share {:.2f}, {:.1f} of 32 channels share it".format(seed, *spread[seed]))
    drawn = np.mean([gain(net, 4, rng.permutation(32)[:3]) for _ in range(20)], axis=0)
    left[seed] = {"all channels": gain(net), "without three, by difference": gain(net, 4, (R - S).argsort()[-3:]),
                  "without three, by relevance": gain(net, 4, R.argsort()[-3:]), "without three at random": drawn}
plot.bars({f"network {seed}": {name: metrics.mean_and_error(v) for name, v in left[seed].items()} for seed in left},
          "what the square adds to the score of 8", "In these two networks three channels do not hold the square")

# %%
# No channel has more than 0.11 of it; 17 and 18 of 32 share it. Without the three of largest difference 2.86 of 4.05
# and 2.94 of 4.21 are left, more than two thirds. There is no "channel of the square".
#
# Does it say cat because of the eyes?
# ------------------------------------
# Those of the 16 channels of whose heatmap more than half lies on the eyes are set to zero; as control, as many others.
# Then the eyes are covered; as control, with the same two patches, twelve other places with at least 0.9 of the edges.

eyes, edges, rng = np.zeros((224, 224), bool), metrics.edges(photos[:1])[0].sum(axis=2), np.random.default_rng(0)
eyes[60:112, 44:100] = eyes[80:124, 162:204] = True
looks = abs(maps)[:, eyes].sum(axis=1) > abs(maps)[:, ~eyes].sum(axis=1)
acts, upper = lite.part(0, AT).predict(photos), lite.part(AT, len(lite.layers))
sets = [[], chosen[looks], *(rng.permutation(chosen[~looks])[:looks.sum()] for _ in range(20))]
logit, *silent = (upper.predict(acts[:1] * ~np.isin(np.arange(672), some))[0, CAT] for some in sets)
print("on the eyes, with relevance:", *(f"{k} {held[k]:+.2f}" for k in chosen[looks]), f"\nlogit {logit:.2f}, without "
      f"these {silent[0]:.2f}, without as many others {np.mean(silent[1:]):.2f}, sd {np.std(silent[1:]):.2f}")
places = [np.roll(eyes, (8 * row, 8 * column), (0, 1)) for row, column in np.ndindex(28, 28)]
places = [place for place in places if not (place & eyes).any() and edges[place].sum() > 0.9 * edges[eyes].sum()][::4]
change = {"the eyes": {}, "12 other places": {}}
for name, value in metrics.fillings(photos, rng).items():
    z = lite.predict(np.stack([np.where(place[..., None], value, photos[0]) for place in [eyes, *places]]))
    z, says = z[:, CAT] - logit, lite.card.label(int(z[0].argmax()))
    change["the eyes"][name], change["12 other places"][name] = z[0], metrics.mean_and_error(z[1:])
    print(f"covered with {name:10}: eyes {z[0]:+.2f} ({says}), others {min(z[1:]):+.2f} to {max(z[1:]):+.2f}")
plot.bars(change, "change of the logit of Egyptian cat", "Does one cat need its eyes? The filling decides")

# %%
# Three of the five eye channels speak *against* Egyptian cat, 569 most of all. Without the five the logit rises by 1,
# and without five others as well: a tie. Covering the eyes takes less than 0.5 from it. More is left than behind any of
# the twelve places (zeros, black), or less (mean image, noise): the filling decides. *What a channel sees* has not told
# us *what the class needs*. Which number does? On four photographs every 14th channel is set to zero, one at a time;
# its relevance is ranked beside the fall of the logit.

agree, some = {}, np.arange(0, 672, 14)
for a, top in zip(acts[:, None], upper.predict(acts).argmax(axis=1)):
    falls = upper.predict(a)[0, top] - upper.predict(a * (np.arange(672) != some[:, None, None, None]))[:, top]
    for name, R in {"LRP-0": passes.lrp(upper, a, top, zero[AT:])[0], "activation": a,
                    "epsilon-plus-flat": passes.lrp(upper, a, top, flat[AT:])[0],
                    "gradient x activation": passes.gradient(upper, a, top)[0] * a}.items():
        agree.setdefault(name, []).append(metrics.rank_correlation(R.sum(axis=(1, 2))[:, some], falls[None])[0])
for name, values in agree.items():
    print("rank correlation with the fall: {:21} {:.2f} +- {:.2f}".format(name, *metrics.mean_and_error(values)))

# %%
# LRP-0 (0.75) and gradient x activation (0.90) foretell what zeroing does, on these four; epsilon-plus-flat, whose
# heatmaps are the most readable, does not (-0.06). A rule to look with and a rule to count with need not be the same.
#
# Try this
# --------
# 1. Forge the neuron so that it *subtracts* 4. Where does relevance put it then?
# 2. How much of the sizes of the relevance at A[64] have the 16 channels together? And how many have half of it?

assert max(off["lrp"], off["gradient"]) < 1e-12 and off["deconvnet"] > 0.1, "the heatmaps of all channels add up"
assert all(by_relevance == 1 for by_relevance, _ in rank.values()), "relevance puts the neuron first"
assert all(rank[seed, 0.001][1] > 50 > rank[seed, 1000.0][1] for seed in (0, 1)), "its activation is what we choose"
assert max(share for share, _ in spread.values()) < 0.2, "no channel holds it"
for all_of_them, difference, relevant, _ in (each.values() for each in left.values()):
    more, error, _ = metrics.paired(relevant, difference)
    assert more > 2 * error and difference.mean() > all_of_them.mean() / 2, "nor do three of them"
assert abs(silent[0] - np.mean(silent[1:])) < 2 * np.std(silent[1:]), "eye channels are needed as others are"
assert min(change["the eyes"].values()) > -0.5, "no filling of the eyes takes the answer away"
assert min(agree["LRP-0"]) > 0.5 > max(agree["epsilon-plus-flat"]), "one rule foretells, the other does not"
plot.show()
