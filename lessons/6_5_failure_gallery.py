r"""
6.5 A gallery of failures
=========================

**You will see** five small networks, each of which makes a well-known method fail: nothing divided by nothing,
relevance out of nothing, a unit that is dead where it matters, a slope that says nothing, and a pole.

**Before this:** 2.3 (LRP), 2.5 (DeepLIFT), 3.4 (integrated gradients), 4.3 (Grad-CAM++).

**Papers:** Bach et al. 2015, equations 58 and 60; Shrikumar et al. 2017, section 3 (saturation and thresholds);
Chattopadhay et al. 2018 (Grad-CAM++).
"""
import numpy as np

from minixnn import Dense, Network, ReLU, attribution, datasets, models, passes, plot
from minixnn.ledger import ledger
from minixnn.rules import composites, lrp

# %%
# 1. Nothing divided by nothing
# -----------------------------
# Two inputs cancel: :math:`z = 2 \cdot 1 - 1 \cdot 2 = 0`, and yet relevance arrives (from a start of one's own, or
# through rules that change :math:`z`). LRP-0 is then :math:`0/0`, or worse :math:`2/0`. Many implementations return
# NaN, and one NaN at one neuron is a NaN in every pixel below it.
#
# Ours hands nothing on where the denominator is zero, and the ledger lists what was lost. Just beside zero a tiny
# :math:`z` makes numbers that are finite and useless; a larger :math:`\epsilon` is the remedy, absorbed relevance its
# price.

x, R = np.array([[1.0, 2.0]]), np.array([[1.0]])
for weight in (-1.0, -0.999):
    neuron = Dense(np.array([[2.0], [weight]]))
    shares = {epsilon: lrp.epsilon(neuron, x, neuron.forward(x), R, epsilon)[0].round(2) for epsilon in (0, 1e-6, 0.25)}
    print(f"z = {neuron.forward(x)[0, 0]:.3f}:", ",  ".join(f"epsilon {e}: {r}" for e, r in shares.items()))

# %%
# 2. Relevance out of nothing
# ---------------------------
# alpha2-beta1 hands out :math:`2 R_k` to those who excite and takes :math:`R_k` back from those who inhibit. Where
# nobody inhibits, the total doubles; layer upon layer it doubles again. Six such layers make 64 of 1.

layers = [layer for _ in range(5) for layer in (Dense(np.array([[1.0, 0.5], [0.5, 1.0]])), ReLU())]
deep = Network([*layers, Dense(np.array([[1.0], [1.0]]))])
x = np.array([[1.0, 1.0]])
total = ledger(deep, x, 0, composites.alpha2_beta1, quiet=True).total       # <- STEP INTO
print(f"\nof {total.relevance_out:.2f} at the output {total.relevance_in:.2f} arrive at the inputs: "
      f"{total.relevance_in / total.relevance_out:.0f} times as much")

# %%
# 3. Dead where it matters
# ------------------------
# A unit that does not fire passes no gradient. :math:`f = \max(x_1 - 1, 0)` at :math:`x_1 = 0.9`: gradient, gradient
# times input, LRP and guided backpropagation all say 0, though a little more of :math:`x_1` would switch it on. They
# explain what *is* there. Occlusion says 0 too: taking away what does nothing changes nothing. Whoever asks "what is
# missing?" needs another question, such as lesson 1.1's.

off = Network([Dense(np.array([[1.0]]), np.array([-1.0])), ReLU()])
methods = {"gradient": passes.gradient, "guided backprop": passes.guided_backprop, "LRP": passes.lrp}
for name, explain in methods.items():
    print(f"{name:16} at 0.9: {explain(off, np.array([[0.9]]), 0)[0][0, 0]:.2f}"
          f"    at 1.1: {explain(off, np.array([[1.1]]), 0)[0][0, 0]:.2f}")

# %%
# 4. A slope that says nothing
# ----------------------------
# Saturation and a step: :math:`f = 1 - \max(1 - x, 0)` is flat beyond 1, and :math:`g = \max(x - 10, 0)` begins at
# 10. Just behind the step gradient times input jumps from 0 to 10, a size that the output never had. Methods that
# compare with a reference see the difference that there is: DeepLIFT and integrated gradients sum to it.

f = Network([Dense(np.array([[-1.0]]), np.array([1.0])), ReLU(), Dense(np.array([[-1.0]]), np.array([1.0]))])
g = Network([Dense(np.array([[1.0]]), np.array([-10.0])), ReLU()])
print(f"\n{'':22}{'f - f(0)':>10}{'grad x input':>14}{'DeepLIFT':>10}{'IG':>8}")
for name, net, value in (("saturated, x = 2", f, 2.0), ("step, x = 9.9", g, 9.9), ("step, x = 10.1", g, 10.1)):
    x = np.array([[value]])
    row = [net.forward(x) - net.forward(0 * x), attribution.gradient_times_input(net, x, 0),
           attribution.deeplift(net, x, 0), attribution.integrated_gradients(net, x, 0, steps=1000)]
    print(f"{name:22}{row[0][0, 0]:10.2f}{row[1][0, 0]:14.2f}{row[2][0, 0]:10.2f}{row[3][0, 0]:8.2f}")

# %%
# DeepLIFT fails where a unit is flat at the point *and* at the reference but not between: the bump
# :math:`h = \max(1 - |x|, 0)` at :math:`x = 2` with the reference -2. That is right in a way, the difference is 0; but
# a heatmap of zeros does not tell that the two ends agree by accident.
#
# 5. A pole
# ---------
# The weights of Grad-CAM++, :math:`\alpha = g^2 / (2 g^2 + \sum_{ab} A_{ab}\, g^3)`, have a denominator that changes
# its sign at :math:`g = -2 / \sum A`: for a negative gradient of just that size :math:`\alpha` explodes. Here is the
# weight of one channel as its gradient passes by.

A_sum = 4.0
g = np.linspace(-1.2, 0.6, 1801)
denominator = 2 * g ** 2 + A_sum * g ** 3
alpha = np.where(abs(denominator) > 1e-9, g ** 2 / np.where(abs(denominator) > 1e-9, denominator, 1), 0)
plot.curves(g, {"alpha": np.clip(alpha, -20, 20)}, "gradient g", "weight alpha (cut at 20)",
            "Grad-CAM++: the weight has a pole at g = -2 / sum(A) = -0.5")

# %%
# One question, measured
# ----------------------
# Does the pole matter in practice? Grad-CAM++ multiplies :math:`\alpha` by the *positive* part of the gradient, where
# there is no pole, so the explosion is multiplied by zero. And how often do digits meet the other failures?

net, (images, labels) = models.load("cnn"), datasets.mnist("test")
x = images[:200]
A, C = net.trace(x), passes.lrp(net, x, rules=composites.alpha2_beta1)
print("\nin the cnn, 200 digits")
for l, layer in enumerate(net.layers):
    if isinstance(layer, ReLU):
        print(f"  layer {l:2}: units that do not fire {np.mean(A[l] <= 0):.0%},"
              f"  pre-activations within 1e-3 of zero {np.mean(abs(A[l]) < 1e-3):.2%}")
grown = C[0].sum() / C[-1].sum()
print(f"  alpha2-beta1 at the pixels: {grown:.2f} times the output")

# %%
# Nearly all the sums close to zero in the first layer are the black ground of the image, where nothing arrives either:
# 0/0 is common, and harmless once it is defined.
#
# Try this
# --------
# 1. In 2, replace one weight 0.5 by -0.5. How many of the six doublings are left?
# 2. Build the bump of 4 from three ReLU and find a reference with which DeepLIFT sees it.

assert np.isclose(total.relevance_in, 2 ** 6 * total.relevance_out), "one doubling for each of the six dense layers"
assert np.isfinite(lrp.epsilon(Dense(np.array([[2.0], [-1.0]])), np.array([[1.0, 2.0]]), np.zeros((1, 1)), R, 0)).all()
plot.show()
