r"""
7.6 Which part carried it?
==========================

**You will see** how to find the part of a network that carried an answer, by putting it into another run; why the two
directions ask different things; and what a gradient, which is cheaper, sees of it and what it cannot see.

**Before this:** 2.5 (DeepLIFT), 7.4 (attention by hand), 7.5 (a vision transformer).

**Papers:** Vig et al. 2020, *Investigating gender bias in language models using causal mediation analysis*;
Heimersheim & Nanda 2024, *How to use and interpret activation patching*; Rezaei Jafari et al. 2025, *RelP: faithful and
efficient circuit discovery via relevance patching*; Olsson et al. 2022, *In-context learning and induction heads*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.layers import GELU, LayerNorm, RMSNorm, Softmax
from minixnn.models import recall, vit
from minixnn.train import Adam, fit

# %%
# Two runs that differ in one thing
# ---------------------------------
# A small trained network reads texts such as ``c5a1h7b2a``: which digit stood behind the last letter? It has two layers
# of attention, four heads each, and nothing else. In a second text two letters are exchanged, so that the answer is
# another digit. *Patching* runs the second text and puts one part of the first run into it. Does the answer come back?
# We measure the contrast, the logit of the first answer less that of the second.


def embedded(net, *texts):
    """The network behind its embedding, and what enters there: numbers, between which there is a path."""
    return (exact := net.astype(float)).part(1, len(net.layers)), *(exact.layers[0].forward(text) for text in texts)


rng = np.random.default_rng(0)
questions, answers = recall.questions(200, rng)
*others, second = recall.exchanged(questions, rng)
start = np.eye(8)[answers] - np.eye(8)[second]
net, x, letters, digits = embedded(models.load("recall"), questions, *others)
HEADS = [l + 1 for l, name in enumerate(net.names) if name.endswith("mixture")]        # A[i]: (N, heads, tokens, 8)
plot.heatmaps({f"layer {k}": [attribution.patching(net, other, x, i, axes=(1, 2), start=start).mean(axis=0)
                              for other in (letters, digits)] for k, i in enumerate(HEADS, 1)},
              names=["letters exchanged", "digits exchanged"], scale="figure",
              title="How much of the answer one head brings back\n(rows: four heads, columns: nine characters)")

# %%
# When *letters* are exchanged the third head of layer 1 brings the answer back, at the digits: it tells them which
# letter stands before it. When *digits* are exchanged it has no part. In layer 2 the last token fetches the digit.
#
# Two directions, and cheaper ways
# --------------------------------
# To put a part of the right run in asks what *suffices*; to take it out of the right run, what is *needed*. Of
# :math:`\mathrm{relu}(a + b - 1)`, AND, :math:`a` alone does not suffice, and is needed. Of
# :math:`1 - \mathrm{relu}(1 - a - b)`, OR, it suffices, and is not needed.
#
# Each part costs a forward pass. *Attribution patching* takes the difference of the runs times the gradient at the run
# that is patched into, for all parts at once. *RelP* takes the coefficients of LRP: the scale of a normalisation is
# held, an activation passes :math:`y / x`. *CP* holds attention patterns, too. DeepLIFT has coefficients of both runs.
# By hand: a softmax goes from 1:99 to 99:1 and weighs the values 1 and 0. The truth is 0.98, the gradient
# :math:`0.01 \cdot 0.99` times the way of 9.2, so 0.091. RMSNorm's :math:`y_1 - y_2` from (0, 4) to (4, 0): truth 2.83,
# gradient 1.41, since along :math:`x` it is 0; with the scale held 2.83. From (0, 4) to (0, 4.4) nothing changes: so
# says the gradient, and with the scale held it is -0.14.


def coefficients(net, x, start, held=(LayerNorm, GELU)):
    """The gradient's loop, with other coefficients where something is held: RelP; with Softmax held, too, CP."""
    A, C = net.trace(x), [0] * len(net.layers) + [start]
    for l in reversed(range(len(net.layers))):
        layer, x_l, c = net.layers[l], net.entering(A, l), C[l + 1]
        net.add_to_inputs(C, l, layer.gradient(x_l, A[l + 1], c) if not isinstance(layer, held) else
                          layer.center(layer.weigh(c) * layer.scale(x_l)) if isinstance(layer, LayerNorm) else
                          c * A[l + 1] / x_l if isinstance(layer, GELU) else 0 * x_l)
    return C


def approximations(net, x, other, start):
    """{method: a list with an entry beside each activation}: what putting parts of `other` into x is to bring."""
    path = [passes.gradient(net, x + (k + 0.5) / 8 * (other - x), start=start) for k in range(8)]
    C = {"gradient": passes.gradient(net, x, start=start), "norms held": coefficients(net, x, start, LayerNorm),
         "RelP": coefficients(net, x, start), "CP": coefficients(net, x, start, (LayerNorm, GELU, Softmax)),
         "integrated": [sum(each) / 8 for each in zip(*path)]}
    D = [a - b for a, b in zip(net.trace(other), net.trace(x))]
    return {**{name: [c * d for c, d in zip(each, D)] for name, each in C.items()},
            "DeepLIFT": passes.deeplift(net, other, x, start=start),                        # <- STEP INTO
            "squared difference": [d * d for d in D]}


def effects(net, x, other, i, axes, start, lists=None):
    """{method: the effect of each part of A[i]}; first what patching says, in both directions."""
    cut, lists = (axes,) if isinstance(axes, int) else axes, lists or approximations(net, x, other, start)
    return {"put in": attribution.patching(net, x, other, i, axes, start=start),
            "taken out": -attribution.patching(net, other, x, i, axes, start=start),
            **{name: each[i].sum(axis=tuple({*range(1, each[i].ndim)} - {*cut})) for name, each in lists.items()}}


up, down, sure, by_hand = np.ones((2, 1)), np.array([[1.0], [-1.0]]), np.log(99), {}
norm = Network([RMSNorm(), Dense(down)])
cases = {"AND": (Network([Dense(up, -up[0]), ReLU()]), (0, 0), (1, 1), 1),
         "OR": (Network([Dense(-up, up[0]), ReLU(), Dense(-up[:1], up[0])]), (0, 0), (1, 1), 1),
         "softmax": (Network([Softmax(), Dense(1 - (down < 0))]), (-sure, 0), (sure, 0), ()),
         "norm, far": (norm, (0, 4), (4, 0), ()), "norm, along x": (norm, (0, 4), (0, 4.4), ())}
for name, (of, *runs, axes) in cases.items():
    found = effects(of, *(np.array([run], dtype=float) for run in runs), 0, axes, up[:1])
    by_hand[name] = {method: each.ravel()[0] for method, each in found.items()}
    print(f"{name:14}" + ", ".join(f"{method} {value + 0.0:.3f}" for method, value in list(by_hand[name].items())[:-1]))

# %%
# Parts whose truth is known
# --------------------------
# In the network of 7.4 the marker stands elsewhere in the second text, and the part is the flag that tells layer 2 so.
# Then the head of layer 1 that brings most back: when letters are exchanged it says *where* to look, when digits are it
# is a part of *what* is found; in the shipped network and in one trained anew.

fresh, (new, _), *_ = recall.recall(np.random.default_rng(0)), *recall.task()
fit(fresh, new, epochs=3, quiet=True, optimizer=Adam(3e-3, decay=0.01), rng=np.random.default_rng(0))
hand, *runs = embedded(recall.by_hand(8.0), *(np.array([["abcd*.".index(each) for each in text]])
                                              for text in ("b*dcab", "bd*cab")))
parts = {"flag": effects(hand, *runs, HEADS[0], (), np.eye(4)[[2]])}
for name, (of, good, *bad) in {"": (net, x, letters, digits), "anew, ": embedded(fresh, questions, *others)}.items():
    for what, other in zip(("where", "what"), bad):
        found = effects(of, other, good, HEADS[0], 1, start)
        parts[name + what] = {method: each[:, found["put in"].mean(axis=0).argmax()] for method, each in found.items()}
print("\n" + " " * 12 + "".join(f"{name:>13}" for name in parts), *(
    f"\n{method:12}" + "".join(f"{each[method].mean():13.3f}" for each in parts.values()) for method in found), sep="")

# %%
# *What* is moved all find; *where to look* only those that know both runs. Is it the softmax? We sharpen nothing else:
# the queries of layer 2 are multiplied by a factor.

l, factors = net.names.index("3.body.queries.0"), np.array([0.25, 0.5, 1, 1.5, 2, 3])
sharper = [net.replaced(l, Dense(factor * net.layers[l].W, factor * net.layers[l].b)) for factor in factors]
series = [effects(of, letters, x, HEADS[0], 1, start) for of in sharper]
shares = {method: np.array([each[method][:, 2].mean() / each["put in"][:, 2].mean() for each in series])
          for method in ("taken out", "gradient", "CP", "integrated", "DeepLIFT")}
plot.curves(factors, shares, "sharpness of layer 2 (1: as trained)", "share of what patching in says",
            "The surer the softmax, the less a gradient sees of where to look")

# %%
# One question, measured: which approximation finds the parts of a vision transformer?
# ------------------------------------------------------------------------------------
# 100 pairs of rightly read digits: the network of 7.5 runs on one, and parts of the other run are put in. For each pair
# the correlation with patching over the parts. Controls ask no gradient: the size of the difference; the mean effect
# in the *other* pairs, which knows the place alone; patching in the other direction; and a network of random weights.

(images, labels), reader = (each[:2000] for each in datasets.mnist("test")), models.load("vit")
pairs = rng.permutation(np.flatnonzero(reader.predict(images).argmax(axis=1) == labels))[:300].reshape(-1, 2)
a, b = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]][:100].T
good, bad, start = images[a], images[b], np.eye(10)[labels[a]] - np.eye(10)[labels[b]]
sites = {"tokens": (3, 1), "MLP 1": (22, 1), "attention 2": (37, 1), "token, head": (15, (1, 2))}      # 15: of block 1
alike = {}
for kind, of in (("random weights", vit.vit(np.random.default_rng(0))), ("vit", reader)):
    lists = approximations(of, bad, good, start)
    for site, (i, axes) in sites.items():
        found = effects(of, bad, good, i, axes, start, lists)
        P = found.pop("put in")
        found["mean of other pairs"] = (P.sum(axis=0) - P) / 99
        alike[kind, site] = {method: np.array([np.corrcoef(p.ravel(), m.ravel())[0, 1] for p, m in zip(P, M)])
                             for method, M in found.items()}
print("\n" + " " * 20 + "".join(f"{site:>17}" for site in sites) + "   random weights: the same", *(
    f"\n{method:20}" + "".join("{:8.2f} +- {:.2f} ".format(*metrics.mean_and_error(alike["vit", site][method]))
                               for site in sites)
    + "".join(f"{alike['random weights', site][method].mean():7.2f}" for site in sites) for method in found), sep="")
moved = [attribution.patching(reader, bad, good, 3, 1, start=start, share=share) for share in (0.01, 0.1, 0.3, 1.0)]
by_step = {method: [np.mean([np.corrcoef(p, m)[0, 1] for p, m in zip(P, lists[method][3].sum(axis=2))]) for P in moved]
           for method in lists}
print("\ntokens moved by 0.01, 0.1, 0.3 of the way, and all of it", *(
    f"\n{method:20}" + "".join(f"{value:8.2f}" for value in by_step[method]) for method in list(by_step)[:-1]), sep="")
plot.bars({method: {site: metrics.mean_and_error(alike["vit", site][method]) for site in sites} for method in
           ("gradient", "RelP", "integrated", "DeepLIFT", "mean of other pairs", "squared difference")},
          "correlation with patching over the parts, 100 pairs", "Which approximation finds the parts of the vit")

# %%
# **Verdict**, of this vit. Patching answers for one part and one direction; the two agree by 0.34 to 0.78. A gradient
# is right for small steps (1.00 at a hundredth of the way), hardly for all of it (0.15). What RelP gains it gains by
# holding what normalisations divide by: 0.35 at the tokens, 0.53 at attention 2; its rules for activations and
# attention add 0.07 at most. At the tokens it is not ahead of the mean of *other* pairs, and for small steps wrong.
# *Where to look* a sure softmax hides from gradients, and CP holds it fixed; DeepLIFT saw 0.94 of it in the trained
# network. It is not best everywhere: at single tokens of heads the gradient is, 0.80 to 0.68. With random weights they
# agree about as well: agreement is no sign of learning. What is redundant hides from single patches (OR, question 1).
#
# Try this
# --------
# 1. Write the third head of layer 1 into the place of the second, too. What does the score lose without one, or both?
# 2. Train ``recall.recall(rng, blocks=1)``. How often is it right, and why so often?

assert [round(by_hand[c][way]) for c in ("AND", "OR") for way in ("put in", "taken out")] == [0, 1, 1, 0], "two ways"
for name, of in parts.items():
    share = {method: of[method].mean() / of["put in"].mean() for method in ("gradient", "CP", "integrated", "DeepLIFT")}
    assert min(share["integrated"], share["DeepLIFT"]) > 0.9, "both runs find what and where"
    one = share["gradient"], share["CP"]
    assert min(one) > 0.75 if "what" in name else max(one) < 0.4, "one run finds what, not where"
assert (np.diff(shares["gradient"]) < 0).all() and shares["gradient"][-1] < 0.1 < 0.9 < shares["DeepLIFT"].min(), "sure"
for of in (alike["vit", site] for site in list(sites)[:3]):
    held = metrics.paired(of["norms held"], of["gradient"])
    assert held.difference > 3 * max(held.error, abs((of["CP"] - of["norms held"]).mean())), "the norm's rule does it"
less, best = (metrics.paired(*(alike["vit", site][method] for method in methods)) for site, methods in (
    ("tokens", ("RelP", "mean of other pairs")), ("token, head", ("gradient", "DeepLIFT"))))
assert less.difference < 2 * less.error and by_step["gradient"][0] > 0.99 > 0.6 > by_step["RelP"][0], "step and place"
assert best.difference > 3 * best.error, "DeepLIFT is not best everywhere"
plot.show()
