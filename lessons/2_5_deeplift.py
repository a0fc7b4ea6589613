r"""
2.5 DeepLIFT
============

**You will see** an explanation that compares with a reference instead of looking at slopes; why it is not fooled by a
saturated neuron; the simple function at which its first rule fails, and the second rule that mends it.

**Before this:** 2.2 (simple Taylor decomposition), 2.3 (layer-wise relevance propagation).

**Papers:** Shrikumar, Greenside & Kundaje 2017, *Learning important features through propagating activation
differences*, sections 3.1 to 3.5; Ancona et al. 2018, *Towards better understanding of gradient-based attribution
methods*.
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, models, passes, plot
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
# By head, a saturated network: :math:`f = 1 - \max(1 - x_1 - x_2, 0)`, which is :math:`x_1 + x_2` up to 1 and stays
# at 1. At :math:`x = (1, 1)` the gradient is 0: a small change does nothing. From :math:`x^0 = (0, 0)` the sum inside
# goes from 1 to -1, the ReLU from 1 to 0, so the multiplier is :math:`-1 / {-2} = 1/2`, times :math:`-1` and
# :math:`-1` from the weights.

saturated = Network([Dense(np.array([[-1.0], [-1.0]]), b=np.array([1.0])), ReLU(),
                     Dense(np.array([[-1.0]]), b=np.array([1.0]))])
x, x_ref = np.array([[1.0, 1.0]]), np.zeros((1, 2))
print("gradient times input", (x * passes.gradient(saturated, x, 0)[0])[0])
C = passes.deeplift(saturated, x, x_ref, 0)                                 # <- STEP INTO: A and A_ref side by side
print("DeepLIFT, rescale   ", C[0][0])

# %%
# Where rescale fails
# -------------------
# The smaller of two numbers, :math:`f = \min(x_1, x_2) = x_1 - \max(x_1 - x_2, 0)`, needs both. (In the network
# :math:`x_1` goes through a ReLU of its own, so let the inputs be positive.) But at :math:`x = (3, 2)` rescale says
# :math:`C = (0, 2)`: inside the ReLU :math:`+3` and :math:`-2` have cancelled to 1 before anybody looks.
#
# RevealCancel (section 3.5.3) carries what raises (:math:`\Delta x^+`) and what lowers (:math:`\Delta x^-`)
# separately and asks of each what it does to :math:`y = \mathrm{relu}(x)`, being added first and being added last, on
# average. With :math:`x^0 = 0`,
#
# .. math::
#    \Delta y^+ = \tfrac12 \bigl[ y(\Delta x^+) - y(0) \bigr]
#       + \tfrac12 \bigl[ y(\Delta x^- + \Delta x^+) - y(\Delta x^-) \bigr] ,
#
# and :math:`\Delta y^-` with the signs exchanged. By head: :math:`\Delta y^+ = (3 + 1) / 2 = 2`,
# :math:`\Delta y^- = (0 - 2) / 2 = -1`; subtracted from :math:`x_1` that leaves :math:`C = (3 - 2, 0 + 1) = (1, 1)`.

minimum = Network([Dense(np.array([[1.0, 1.0], [0.0, -1.0]])), ReLU(), Dense(np.array([[1.0], [-1.0]]))])
x = np.array([[3.0, 2.0], [2.0, 3.0]])
rules = {"rescale": passes.deeplift, "RevealCancel": passes.deeplift_reveal_cancel}
for name, rule in rules.items():
    print(f"{name:12}: at (3, 2) {rule(minimum, x, x_ref, 0)[0][0]}, at (2, 3) {rule(minimum, x, x_ref, 0)[0][1]}")
grid = np.stack(np.meshgrid(np.arange(.5, 4, .75), np.arange(.55, 4, .75)), -1).reshape(-1, 2)          # (25, 2)
fields = {name: rule(minimum, grid, x_ref, 0)[0] for name, rule in rules.items()}
panels = {f"{name}: ($C_1$, $C_2$), a fifth as long": (grid, C / 5) for name, C in fields.items()}
diagrams.plane(lambda p: p.min(axis=1), panels, (0, 4.5), "min($x_1$, $x_2$): who is given credit?")

# %%
# Under rescale the arrows turn by a right angle at the diagonal, although :math:`f` has no jump there.
#
# Ten digits
# ----------
# The empty image, all zeros, is the usual reference for digits. It is a choice, and it decides what counts as a
# difference: against the mean of all digits even an empty pixel differs, and can speak for the digit by being empty.

images, labels = datasets.mnist("test")
ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
net, digits, target = models.load("cnn"), images[ten], labels[ten]
nothing = np.zeros_like(digits[:1])
mean = datasets.mnist("train")[0].mean(axis=0, keepdims=True)
maps, off = {}, []
for name, rule, x_ref in (("rescale", passes.deeplift, nothing),
                          ("RevealCancel", passes.deeplift_reveal_cancel, nothing),
                          ("rescale, from the mean", passes.deeplift, mean)):
    maps[name] = rule(net, digits, x_ref, target)[0]
    delta = (net.forward(digits) - net.forward(x_ref))[np.arange(10), target]
    off.append(abs(maps[name].sum(axis=(1, 2, 3)) / delta - 1).max())
    print(f"{name:22}: contributions sum to the difference of the logits, off by {off[-1]:.0e} at most")
plot.heatmaps(maps, digits, title="DeepLIFT on ten digits")

# %%
# In a ReLU network without biases, from the reference 0, every :math:`\Delta y / \Delta x` is 1 or 0, just the
# derivative: rescale is gradient times input there, and LRP-0 as well (Ancona et al. 2018). The differences begin
# with biases, with other references and with RevealCancel.

same = abs(maps["rescale"] - digits * passes.gradient(net, digits, target)[0]).max() / abs(maps["rescale"]).max()
print(f"rescale and gradient times input differ by {same:.0e} of the largest contribution")

# %%
# One question, measured
# ----------------------
# Does revealing what cancels find the better pixels? As the paper does with digits, we try to turn one digit into
# another by erasing ink. Explained is "logit of a minus logit of b"; the 157 pixels (a fifth of the image) that
# contribute most to it are set to 0, but none whose contribution is negative. The further the difference of the
# logits falls, the better they were chosen. For comparison as many inked pixels are erased at random as by rescale.
# 50 digits a line.


def largest(C, count):
    """Which pixels have the `count` largest positive contributions of each image. (50, 784) -> (50, 784)"""
    return ((-C).argsort(axis=1).argsort(axis=1) < count) & (C > 0)


rng = np.random.default_rng(0)
falls = {name: [] for name in ("at random", "rescale", "RevealCancel")}
print("\nfall of the difference:", *(f"{name:>12}" for name in falls), "  now read as b, after RevealCancel")
for a, b in ((8, 3), (8, 6), (9, 1), (4, 1)):
    x = images[labels == a][:50]
    start = attribution.contrast(net, x, a, b, relevance=False)             # 1 for a, -1 for b
    chosen = {"rescale": largest(attribution.deeplift(net, x, start=start).reshape(50, 784), 157),
              "RevealCancel": largest(attribution.deeplift_reveal_cancel(net, x, start=start).reshape(50, 784), 157)}
    lottery = (x > 0).reshape(50, 784) * rng.random((50, 784))
    chosen["at random"] = largest(lottery, chosen["rescale"].sum(axis=1, keepdims=True))
    before = net.predict(x)
    for name in falls:
        after = net.predict(x * ~chosen[name].reshape(x.shape))
        falls[name].append(((before - after)[:, a] - (before - after)[:, b]).mean())
    print(f"                {a} to {b} ", *(f"{values[-1]:12.2f}" for values in falls.values()),
          f"{(after.argmax(axis=1) == b).mean():12.0%}")

# %%
# On every line both rules choose better than chance, and RevealCancel better than rescale.
#
# Try this
# --------
# 1. Put ``attribution.integrated_gradients(minimum, x, 0)`` beside the two rules at the minimum. Is it any better
#    at (3, 2)?
# 2. Give the saturated network the reference (1, 1) and explain (0, 0). Which contributions do you expect?

assert np.allclose(fields["RevealCancel"], grid.min(axis=1, keepdims=True) / 2), "half of the minimum for each"
assert max(off) < 1e-3, "contributions sum to the difference from the reference"
assert np.all(np.diff(list(falls.values()), axis=0) > 0), "chance < rescale < RevealCancel, on every line"
plot.show()
