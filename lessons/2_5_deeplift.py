r"""
2.5 DeepLIFT
============

**You will see** an explanation that compares with a reference instead of looking at slopes; why it is not fooled by a
saturated neuron; where its first rule fails, what the second has to do with Shapley values, and how far both get.

**Before this:** 2.2 (Taylor), 2.3 (LRP). **Walk through it**: `DeepLIFT, line by line <../walks/deeplift.html>`_.

**Papers:** Shrikumar, Greenside & Kundaje 2017, *Learning important features through propagating activation
differences*, sections 3.1 to 3.5; Ancona et al. 2018, *Towards better understanding of gradient-based attribution
methods*; Lundberg & Lee 2017, *A unified approach to interpreting model predictions*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, metrics, models, passes, plot
from minixnn.plot import diagrams

# %%
# Differences instead of derivatives
# ----------------------------------
# Choose a reference input :math:`x^0`, something that stands for "nothing there". Each activation then has a
# difference from what it would be at the reference, :math:`\Delta x_i = x_i - x_i^0`, and the output has
# :math:`\Delta f = f(x) - f(x^0)`. We want contributions :math:`C_i` that sum to it (section 3.1, "summation to
# delta"):
#
# .. math:: \sum_i C_i = \Delta f .
#
# A *multiplier* :math:`m_i = C_i / \Delta x_i` is to a difference what a derivative is to an infinitely small change,
# and multipliers are chained as derivatives are (section 3.2): through weights, :math:`m_j = \sum_k w_{jk} m_k`;
# through a ReLU, which has one input, all of the difference is due to it (the *rescale* rule, section 3.5.2; where
# :math:`\Delta x` is 0, the derivative):
#
# .. math:: m_x = m_y \frac{\Delta y}{\Delta x} .
#
# By hand, a saturated network: :math:`f = 1 - \max(1 - x_1 - x_2, 0)`, which is :math:`x_1 + x_2` up to 1 and stays
# at 1. At :math:`x = (1, 1)` the gradient is 0: a small change does nothing. From :math:`x^0 = (0, 0)` the sum inside
# goes from 1 to -1, the ReLU from 1 to 0, so the multiplier is :math:`-1 / {-2} = 1/2`, times :math:`-1` and
# :math:`-1` from the weights.

W1, W2, one = np.array([[-1.0], [-1.0]]), np.array([[-1.0]]), np.array([1.0])
saturated = Network([Dense(W1, one), ReLU(), Dense(W2, one)])
x, x_ref = np.array([[1.0, 1.0]]), np.zeros((1, 2))
z, z_ref = x @ W1 + one, x_ref @ W1 + one                                   # before the ReLU, and after it: y
y, y_ref = np.maximum(z, 0), np.maximum(z_ref, 0)
m = np.ones((1, 1)) @ W2.T                                                  # from the output, 1, through the weights
m = m * (y - y_ref) / (z - z_ref)                                           # through the ReLU
m = m @ W1.T
C = passes.deeplift(saturated, x, x_ref, 0)                                 # <- STEP INTO: A and A_ref side by side
assert np.allclose(m * (x - x_ref), C[0]), "the package does the same"
print("gradient x input", (x * passes.gradient(saturated, x, 0)[0])[0], " DeepLIFT, rescale", C[0][0])

# %%
# Where rescale fails
# -------------------
# The smaller of two numbers, :math:`f = \min(x_1, x_2) = x_1 - \max(x_1 - x_2, 0)`, needs both. (In the network
# :math:`x_1` goes through a ReLU of its own, so let the inputs be positive.) But at :math:`x = (3, 2)` rescale says
# :math:`C = (0, 2)`: inside the ReLU :math:`+3` and :math:`-2` have cancelled to 1 before the rule sees them.
#
# RevealCancel (section 3.5.3) carries what raises (:math:`\Delta x^+`) and what lowers (:math:`\Delta x^-`)
# separately and asks of each what it does to :math:`y = \mathrm{relu}(x)` if it is added first, and if it is added
# last, on average. With :math:`x^0 = 0`,
#
# .. math::
#    \Delta y^+ = \tfrac12 \bigl[ y(\Delta x^+) - y(0) \bigr]
#       + \tfrac12 \bigl[ y(\Delta x^- + \Delta x^+) - y(\Delta x^-) \bigr] ,
#
# and :math:`\Delta y^-` with the signs exchanged. By hand: :math:`\Delta y^+ = (3 + 1) / 2 = 2`,
# :math:`\Delta y^- = (0 - 2) / 2 = -1`; subtracted from :math:`x_1` that leaves :math:`C = (3 - 2, 0 + 1) = (1, 1)`.
#
# The average over all orders of adding is the *Shapley value* of game theory. RevealCancel takes it of two players at
# each neuron, plus and minus. Shapley values of all inputs would need every subset of them; Lundberg & Lee chain those
# of single layers as DeepLIFT does, from many references (DeepSHAP). For two inputs we can compute them exactly:

minimum = Network([Dense(np.array([[1.0, 1.0], [0.0, -1.0]])), ReLU(), Dense(np.array([[1.0], [-1.0]]))])
rules = {"rescale": passes.deeplift, "RevealCancel": passes.deeplift_reveal_cancel}


def shapley(net, x):
    """Each of two inputs: what it adds alone, and what it adds to the other, on average. The reference is 0."""
    one, two, both = (net.forward(x * present) for present in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]))
    return np.hstack([one + (both - two), two + (both - one)]) / 2


x = np.array([[3.0, 2.0], [2.0, 3.0]])
for name, C in {**{name: rule(minimum, x, x_ref, 0)[0] for name, rule in rules.items()},
                "Shapley": shapley(minimum, x)}.items():
    print(f"{name:12}: at (3, 2) {C[0]}, at (2, 3) {C[1]}")
grid = np.stack(np.meshgrid(np.arange(.5, 4, .75), np.arange(.55, 4, .75)), -1).reshape(-1, 2)          # (25, 2)
fields = {name: rule(minimum, grid, x_ref, 0)[0] for name, rule in rules.items()}
panels = {f"{name}: ($C_1$, $C_2$), a fifth as long": (grid, C / 5) for name, C in fields.items()}
diagrams.plane(lambda p: p.min(axis=1), panels, (0, 4.5), "min($x_1$, $x_2$): who is given credit?")

# %%
# Under rescale the arrows turn by a right angle at the diagonal, although :math:`f` has no jump there. RevealCancel
# gives half to each everywhere: here it is the Shapley value.
#
# Ten digits
# ----------
# The empty image, all zeros, is the usual reference for digits. It is a choice, and it decides what counts as a
# difference: from the mean of all digits even an empty pixel differs, and can speak for the digit by being empty.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net, digits, target = models.load("cnn"), images[ten], labels[ten]
nothing = np.zeros_like(digits[:1])
mean = datasets.mnist("train")[0].mean(axis=0, keepdims=True)
maps, off = {}, []
for name, rule, x_ref in (("rescale", passes.deeplift, nothing),
                          ("RevealCancel", passes.deeplift_reveal_cancel, nothing),
                          ("rescale from mean", passes.deeplift, mean)):
    maps[name] = rule(net, digits, x_ref, target)[0]
    delta = (net.forward(digits) - net.forward(x_ref))[np.arange(10), target]
    off.append(abs(maps[name].sum(axis=(1, 2, 3)) / delta - 1).max())
    print(f"{name:22}: contributions sum to the difference of the logits, off by {off[-1]:.0e} at most")
plot.heatmaps({name: C[::2] for name, C in maps.items()}, digits[::2], quantile=0.995,
              title="DeepLIFT: two rules, and another reference")

# %%
# In a ReLU network without biases, from the reference 0, every :math:`\Delta y / \Delta x` is 1 or 0, just the
# derivative: rescale is gradient x input there, and LRP-0 as well (Ancona et al. 2018).

assert np.allclose(maps["rescale"], digits * passes.gradient(net, digits, target)[0], atol=1e-5), "the same here"

# %%
# One question, measured
# ----------------------
# Which rule finds the better pixels? As the paper does with digits, we try to turn an a into a b by erasing ink.
# Explained is "logit of a minus logit of b", and the pixels that contribute most to it are set to 0. How far does the
# difference fall, and how many digits are then read as a b? Two controls erase the blackest ink first, or ink at
# random. A third asks no network: the image times the difference of the two classes' mean images. And as "most" changes
# with every pixel erased, each rule also ranks anew after every 20 pixels. 40 digits for each of four pairs, two
# networks; after +- stands the standard error of the mean over all 160.

counts, rng = (5, 10, 20, 40, 80, 160), np.random.default_rng(0)
of_means = metrics.baselines(*(array[:10_000] for array in datasets.mnist("train")), rng)["class means"]


def erase(x, C, count):
    """x without its `count` pixels of the largest C, those of the ranks 0, 1 ..."""
    return x * ((-C).reshape(len(x), -1).argsort(axis=1).argsort(axis=1).reshape(x.shape) >= count)


def ranked_anew(method, net, x, start):
    """x after 20, 40, 60 and 80 pixels; what is white already is left alone."""
    for _ in range(4):
        x = erase(x, np.where(x > 0, method(net, x, start=start), -np.inf), 20)
        yield x


falls, read = {}, {}                            # {network: {method: (160, counts)}}, {network: {method: (4, counts)}}
for kind in ("cnn", "dense"):
    net, falls[kind], read[kind] = models.load(kind), {}, {}
    for a, b in ((8, 3), (8, 6), (9, 1), (4, 1)):
        x = images[labels == a][:40]
        start = attribution.contrast(net, x, a, b, relevance=False)         # 1 for a, -1 for b
        both = {"RevealCancel": attribution.deeplift_reveal_cancel, "rescale": attribution.deeplift}
        maps = {name: method(net, x, start=start) for name, method in both.items()}
        maps |= {"class means, no network": of_means(net, x, a) - of_means(net, x, b),
                 "blackest ink": x + 1e-6 * rng.random(x.shape), "ink at random": (x > 0) * rng.random(x.shape)}
        erased = {name: [erase(x, C, count) for count in counts] for name, C in maps.items()}
        anew = {name: list(ranked_anew(method, net, x, start)) for name, method in both.items()}
        erased |= {f"{name}, ranked anew": [steps[k] for k in (0, 0, 0, 1, 3)] for name, steps in anew.items()}
        for name, pictures in erased.items():
            after = np.stack([net.predict(picture) for picture in pictures], axis=1)            # (40, counts, 10)
            fall = net.predict(x)[:, None] - after
            falls[kind].setdefault(name, []).append(fall[..., a] - fall[..., b])
            read[kind].setdefault(name, []).append((after.argmax(axis=2) == b).mean(axis=0))
    falls[kind] = {name: np.concatenate(fall) for name, fall in falls[kind].items()}
    print(f"\n{kind}: fall after 40 pixels, and read as b after 80: 8 to 3  8 to 6  9 to 1  4 to 1")
    for name, fall in falls[kind].items():
        print("{:26} {:6.1f} +- {:.1f}".format(name, *metrics.mean_and_error(fall[:, 3])), " " * 8,
              *(f"{share[4]:7.0%}" for share in read[kind][name]))
    print("RevealCancel less rescale, digit by digit: " + ", ".join("{} pixels {:.1f} +- {:.1f}".format(
        count, *metrics.paired(*(falls[kind][name][:, k] for name in both))[:2]) for k, count in enumerate(counts[:5])))
plot.curves(counts, {kind: {name: metrics.mean_and_error(fall) for name, fall in list(of.items())[:5]}
                     for kind, of in falls.items()}, "pixels erased", "fall of the difference of logits",
            "Erasing what speaks for a rather than b, ranked once, in two networks", xscale="log")

# %%
# In both networks both rules beat darkness and chance. Ranked once, RevealCancel is better than rescale with 40 pixels
# or more, tied with 20, worse with 5; ranked anew they are tied. In ``cnn`` the class means, which ask no network, turn
# more 8s into 3s (95 against 57 %), and at most 10 % of the 8s become a 6. In ``dense`` RevealCancel makes a 6 of 92 %.
#
# Try this
# --------
# 1. Put ``attribution.integrated_gradients(minimum, x, 0)`` beside the two rules. Is it any better at (3, 2)?
# 2. Give the saturated network the reference (1, 1) and explain (0, 0). Which contributions do you expect?

half = grid.min(axis=1, keepdims=True) / 2
assert np.allclose(fields["RevealCancel"], half) and np.allclose(shapley(minimum, grid), half), "half for each"
assert max(off) < 1e-3, "contributions sum to the difference from the reference"
for fall in falls.values():
    more = metrics.paired(fall["rescale"][:, 3], np.maximum(fall["blackest ink"], fall["ink at random"])[:, 3])
    assert more.difference > 5 * more.error, "both find better pixels than darkness or chance do"
    better = metrics.paired(fall["RevealCancel"], fall["rescale"])
    assert better.difference[3] > 3 * better.error[3] and better.difference[0] < 0, "of many pixels, but not of few"
(three, six, *_), (_, dense_six, *_) = (np.array(of["RevealCancel"])[:, 4] for of in read.values())
assert read["cnn"]["class means, no network"][0][4] > three + 0.2 and six < 0.1 < 0.5 < dense_six, "it is no law"
plot.show()
