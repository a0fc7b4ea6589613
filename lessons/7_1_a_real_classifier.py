r"""
7.1 A real classifier, real photographs
=======================================

**You will see** what a network that people use finds in four photographs; which rules stay clean through fifty layers;
and that the clearest heatmap is not the one that knows best what the network needs. The lesson takes 25 s on one core.

**Before this:** 2.3 (LRP and its composites), 3.5 (SmoothGrad), 4.2 (Grad-CAM), 5.2 (deletion), 6.4 (random networks).

**Papers:** Tan & Le 2019, *EfficientNet* (the network); Montavon et al. 2019, *Layer-wise relevance propagation: an
overview*, section 10.3, and Kohlbrenner et al. 2020, *Towards best practice in explaining neural network decisions
with LRP* (rules by depth); Adebayo et al. 2018 (random networks); Samek et al. 2017 (deletion).
"""
import numpy as np

from minixnn import attribution, datasets, metrics, models, passes, plot
from minixnn.rules import composites, lrp
from minixnn.rules.composites import rules_for

# %%
# Four photographs, a thousand classes
# ------------------------------------
# EfficientNet-Lite0 has 4.7 million parameters and comes with minixnn. Its first layer prepares the pixels, so that x
# holds numbers in [0, 1] and every heatmap lies on the picture. Your own photograph: ``datasets.photo("my.jpg", 224)``.

net = models.load("efficientnet_lite0")
names = ["chelsea", "coffee", "astronaut", "rocket"]
x = np.stack([datasets.photo(name, 224) for name in names])
y, p = net.predict(x), net.probabilities(x)
top = y.argmax(axis=1)
for name, line in zip(names, p):
    print(f"{name:10}", ", ".join(f"{net.card.label(int(k))} {line[k]:.1%}" for k in line.argsort()[:-4:-1]))

# %%
# Cat and coffee are right. The astronaut cannot be: ImageNet has no class for her. A missile comes second. The first
# convolution takes every second pixel, which lays a grid over the maps; sums over 2 x 2 pixels are drawn.


def blocks(R, side=2):
    """R (N, H, W, C) summed over squares of `side` pixels and over the channels: (N, H / side, W / side)"""
    N, H, W, C = R.shape
    return R.reshape(N, H // side, side, W // side, side, C).sum(axis=(2, 4, 5))


labels = [net.card.label(int(k)) for k in top]
flat = passes.lrp(net, x, top, composites.epsilon_plus_flat)                        # <- STEP INTO
plot.overlay(x, blocks(flat[0]), labels, columns=4, quantile=0.995,
             title="What is in this photograph? (LRP-epsilon-plus-flat)")

# %%
# The cat's eyes, nose and whiskers; the cup's rim and the coffee. For "bobsled" the helmet and the suit.
#
# Rules that differ by depth
# --------------------------
# A stabiliser of 1e-6 is none: LRP-epsilon with it is LRP-0. A useful one is a share of the layer's own output:


def epsilon_share(layer, x, y, R, share=0.25):
    """LRP-epsilon whose epsilon is a share of the root mean square of y."""
    return lrp.epsilon(layer, x, y, R, epsilon=float(share * (y ** 2).mean() ** 0.5))


def by_depth(net):
    """epsilon_share in the upper half of the network, gamma in the lower one, z^B at the pixels."""
    lower, upper = composites.epsilon_gamma_box(net), rules_for(net, epsilon_share)
    half = len(net.layers) // 2
    return lower[:half] + upper[half:]


rules = {"LRP-0": lrp.epsilon, "epsilon share": epsilon_share,
         "gamma alone": composites.by_kind(net, lrp.gamma, lrp.gamma, signed=lrp.gamma_signed),
         "by depth": by_depth(net)}
R = {name: passes.lrp(net, x, top, rule) for name, rule in rules.items()} | {"LRP-epsilon-plus-flat": flat}
maps, two = {name: kept[0] for name, kept in R.items()} | {"Grad-CAM": attribution.grad_cam(net, x, top)}, x[:2]
maps["SmoothGrad²"] = attribution.smoothgrad(net, two, top[:2], samples=20, kind="squared",
                                             rng=np.random.default_rng(0), workers=-1)
plot.heatmaps({name: blocks(maps[name][:2]) for name in maps}, two, labels[:2], transpose=True, quantile=0.995,
              title="One question, seven ways to ask it")

# %%
# LRP-0 is noise. With a stabiliser of a quarter of y the eyes appear; gamma and the composites draw them clearly.
# Grad-CAM has 7 x 7 places; SmoothGrad (squared gradients, 20 noisy copies) marks the head.
#
# Relevance may be conserved and still grow on both sides of zero. :math:`\sum_j |R_j| \, / \, |\sum_j R_j|` says how
# much has to cancel; 1 means that nothing does.

cancel = {name: [np.median(abs(at).reshape(4, -1).sum(1) / abs(at.reshape(4, -1).sum(1))) for at in reversed(kept)]
          for name, kept in R.items()}
plot.curves(range(len(net.layers) + 1), cancel, "layers passed, from the logit down to the pixels",
            r"$\sum |R| \; / \; |\sum R|$", "How much of the relevance cancels (median of 4 photographs)", yscale="log")
print("at the pixels:", ", ".join(f"{name} {ratio[-1]:.1f}" for name, ratio in cancel.items()))

# %%
# Under LRP-0 all but a thousandth cancels: a small difference of large numbers. The stabiliser brings the ratio of 1110
# down to 16. Gamma alone has 1.6: one rule for all layers need *not* be noise. LRP-epsilon-plus-flat cancels nothing.
#
# Rather than
# -----------
# ``contrast`` starts from the difference of two logits.

pairs = [(0, 285, 282), (0, 282, 281), (1, 967, 968), (3, 540, 657)]
asked = x[[n for n, *_ in pairs]]
start = np.concatenate([attribution.contrast(net, x[n:n + 1], k, other) for n, k, other in pairs])
differences = passes.lrp(net, asked, rules=rules["by depth"], start=start)[0]
plot.overlay(asked, blocks(differences),
             [f"{net.card.label(k)}\nrather than {net.card.label(other)}" for _, k, other in pairs], columns=4,
             quantile=0.995, title="Why this class rather than that one? (by depth)")

# %%
# Stripes on the forehead speak for the tiger cat rather than the tabby, the coffee for espresso rather than cup, towers
# for the drilling platform. Is it where the map says? Take out the 10 of 196 parts that speak most for it rather than
# for the missile; as a control 10 at random, 20 times.

SIDE, GREY = 16, 127 / 255                                  # grey is 0 for the first convolution, as its padding is


def without(x, chosen):
    """Copies of x (N, H, W, 3), the squares of chosen (N, squares) made grey."""
    kept = np.ones((len(x), 196), bool)
    np.put_along_axis(kept, chosen, False, axis=1)
    return np.where(kept.reshape(-1, 14, 14, 1).repeat(SIDE, 1).repeat(SIDE, 2), x, np.float32(GREY))


rng = np.random.default_rng(0)
squares = blocks(differences[3:], SIDE).reshape(1, -1)
chosen = np.concatenate([squares.argsort(axis=1)[:, :-11:-1], [rng.permutation(196)[:10] for _ in range(20)]])
margin = net.predict(without(x[3:4].repeat(21, 0), chosen), workers=-1)
margin = margin[:, 540] - margin[:, 657]
print(f"\ndrilling platform less missile: {y[3, 540] - y[3, 657]:+.2f}; without the squares {margin[0]:+.2f}; "
      f"without random ones {margin[1:].mean():+.2f}, standard deviation {margin[1:].std(ddof=1):.2f}")

# %%
# The two classes are level (+0.09). Without the ten squares of the map the missile is far ahead (-3.85); ten random
# ones change nothing on average (+0.11, standard deviation 0.86). The network takes the launch pad for a platform.
#
# Control 1: a random network
# ---------------------------
# The numbers of every layer are shuffled. A map of what the network has *learnt* should be no more like the shuffled
# network's than maps of different photographs are like each other.


def alike(R, S):
    """Mean and standard error of the correlation of two maps of each photograph, in squares of 8 pixels."""
    pairs = zip(blocks(R, 8).reshape(4, -1), blocks(S, 8).reshape(4, -1))
    return "{:5.2f} +- {:.2f}".format(*metrics.mean_and_error([np.corrcoef(r, s)[0, 1] for r, s in pairs]))


edges, drawn = abs(np.gradient(x, axis=1)) + abs(np.gradient(x, axis=2)), {}
one = passes.one_hot(y, top)                                # a shuffled logit may be negative; so start from 1
print("\ncorrelation of a map with  shuffled, seed 0  shuffled, seed 1  the picture's edges  the next photograph's map")
for name, rule in {"by depth": by_depth, "LRP-epsilon-plus-flat": composites.epsilon_plus_flat}.items():
    forgot = [passes.lrp(metrics.randomized(net, np.random.default_rng(seed)), x, rules=rule, start=one)[0]
              for seed in range(2)]
    drawn |= {name: blocks(maps[name][:2]), f"{name},\nshuffled": blocks(forgot[0][:2])}
    found = [alike(maps[name], other) for other in (*forgot, edges, np.roll(maps[name], 1, axis=0))]
    print(f"  {name:22}", *(f"{told:>19}" for told in found))
plot.heatmaps(drawn, two, labels[:2], transpose=True, quantile=0.995,
              title="Does a map change when the network has learnt nothing?")

# %%
# By depth it does: -0.02 and 0.03, less than maps of different photographs have in common (0.07). Under
# LRP-epsilon-plus-flat it does not change enough: 0.40 and 0.45, against 0.13. Eyes and spoon are there before anything
# is learnt, and the map follows the edges by 0.67 +- 0.06. Lesson 6.4 finds the same on digits.
#
# Control 2: deletion
# -------------------
# Squares are made grey, the most relevant first. Beside it a random order, and two maps that know nothing of the
# network: how far a pixel is from grey, and the edges.

known = {name: M for name, M in maps.items() if len(M) == 4} | {"the picture itself": abs(x - GREY), "its edges": edges}
order, left = {name: blocks(M, SIDE).reshape(4, -1) for name, M in known.items()}, {}
order |= {f"random {n}": rng.random((4, 196)) for n in range(3)}
for name, score in order.items():
    ranked = score.argsort(axis=1)[:, ::-1]
    z = np.concatenate([without(x, ranked[:, :count]) for count in (8, 16, 32, 64)])
    left[name] = (net.predict(z, workers=-1).reshape(4, 4, -1)[:, range(4), top] / y[range(4), top]).mean(axis=0)
chance = np.mean([left.pop(f"random {n}") for n in range(3)], axis=0)
result = {name: (float((v - chance).mean()), float((v - chance).std(ddof=1) / 2)) for name, v in left.items()}
plot.bars({name: result[name] for name in sorted(result, key=lambda name: result[name][0])},
          "share of the logit that is left, less that of a random order (lower is better)",
          "Do the squares matter that a map calls relevant? (4 photographs)")
print(f"\nleft of the logit, mean of 8, 16, 32 and 64 squares; random order: {chance.mean():.2f}")
for name, (mean, error) in result.items():
    print(f"  {name:20} {left[name].mean():.2f}, less random {mean:+.2f} +- {error:.2f}")

# %%
# The order of beauty is not the order of use. The noisy "epsilon share" leaves 0.58 of the logit (0.27 +- 0.12 less
# than a random order), the composite by depth 0.67, gamma 0.72. The clearest map, LRP-epsilon-plus-flat, leaves 0.81,
# which its error of 0.06 does not tell from random (0.85); edges 0.76. A map that lets nothing speak against marks what
# is striking, be it for or against. Four photographs are few: only the large gaps count.
#
# Try this
# --------
# 1. Explain a photograph of yours: ``x = datasets.photo("my.jpg", 224)[None]``, or ``minixnn explain my.jpg -o out``.
# 2. Use ``share=1.0`` in ``epsilon_share``. Does the map become cleaner, and do its squares still matter?

assert labels[:2] == ["Egyptian cat", "espresso"]
assert margin[0] < margin[1:].mean() - 3 * margin[1:].std(ddof=1), "the map names the squares that decide"
assert result["epsilon share"][0] < result["its edges"][0], "and that beats what edges know"
plot.show()
