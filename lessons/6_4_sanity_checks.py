r"""
6.4 Sanity checks
=================

**You will see** which methods notice that the network has forgotten everything, and which go on drawing the same
picture.

**Before this:** 3.3 (guided backpropagation), 2.3 (LRP).

**Papers:** Adebayo et al. 2018, *Sanity checks for saliency maps*, sections 2.2 (comparing maps) and 3.1 (cascading
randomisation).
"""
import numpy as np

from minixnn import Dense, Network, ReLU, datasets, metrics, models, passes, plot
from minixnn.attribution import METHODS

COUNT = 20              # digits to measure on; more narrow the errors

# %%
# An explanation of a network ought to depend on the network. The check: replace what it has learnt by random numbers
# of the same size, one layer after the other from the output down, and explain the same class again. Call the heatmaps
# :math:`R` and :math:`R'`. If they stay alike, the method has explained the *image*.
#
# Alike how? By the rank correlation (Spearman): replace each pixel's relevance by its rank and take the ordinary
# correlation of the ranks. By head, three pixels:

one, other = np.array([[0.1, 0.9, 0.5]]), np.array([[1.0, 30.0, 2.0]])
print("ranks 1 3 2 and 1 3 2 correlate to", metrics.rank_correlation(one, other)[0])
print("signed, R and -R:", metrics.rank_correlation(one, -one)[0],
      "  their absolute values:", metrics.rank_correlation(abs(one), abs(-one))[0])

# %%
# Signed values and absolute values answer differently: a map that has turned over its signs has forgotten nothing that
# the eye sees. We look at both.
#
# Why should a method fail?
# -------------------------
# Guided backpropagation drops every negative signal on its way down. In the extreme, with weights so random that each
# unit has many positive paths to the output, *every* unit that fired gets a positive signal, whatever the layers above
# have learnt: what is left is the image seen through the first layer. z+ and alpha1-beta0 multiply positive matrices,
# whose product quickly forgets what it started from: it is nearly of rank one. A chain of four random positive layers
# shows it, explained for two different outputs:

rng = np.random.default_rng(0)
chain = Network([layer for _ in range(4) for layer in (Dense(rng.normal(size=(200, 200))), ReLU())])
x = abs(rng.normal(size=(1, 200)))
live = np.argsort(-chain.forward(x)[0])[:2]                 # two outputs that are on
for name in ("gradient", "guided_backprop"):
    explain = getattr(passes, name)
    maps = [explain(chain, x, int(k))[0] for k in live]     # <- STEP INTO guided_backprop and look at dy
    print(f"{name:16} of two different outputs, correlation {np.corrcoef(maps[0], maps[1])[0, 1]:6.2f}")
maps = [passes.deep_taylor(chain, x, int(k), low=0, high=10)[1] for k in live]
print(f"{'deep_taylor':16} of two different outputs, correlation {np.corrcoef(maps[0], maps[1])[0, 1]:6.2f}")

# %%
# On digits
# ---------
# The cnn has five layers with weights. Stage by stage one more of them forgets, beginning at the output: normal random
# weights of the old size. (``metrics.sanity_check`` does all of the following in one call, for any method.)

net, (images, labels) = models.load("cnn"), datasets.mnist("test")
x, target = images[:COUNT], labels[:COUNT]
rng, stages, names = np.random.default_rng(1), [net], ["trained"]
for l in reversed(range(len(net.layers))):
    if net.layers[l].arrays():
        layers, W = list(stages[-1].layers), net.layers[l].W
        layers[l] = layers[l].with_weights(rng.normal(0, (W ** 2).mean() ** 0.5, W.shape).astype(W.dtype), None)
        stages.append(Network(layers))
        names.append(f"{type(layers[l]).__name__} {l}")

chosen = ["gradient", "gradient_times_input", "integrated_gradients", "guided_backprop", "deconvnet", "lrp_epsilon",
          "lrp_alpha1_beta0", "lrp_epsilon_plus", "deeplift"]
maps = {name: [METHODS[name](stage, x, target) for stage in stages] for name in chosen}
ink = x > 0
alike = {"all pixels, signed": lambda R, S, n: (R[n], S[n]),
         "all pixels, absolute": lambda R, S, n: (abs(R[n]), abs(S[n])),
         "pixels with ink, absolute": lambda R, S, n: (abs(R[n][ink[n]]), abs(S[n][ink[n]]))}
found = {}
for what, pick in alike.items():
    print(f"\nrank correlation with the heatmap of the trained network: {what}, mean of {COUNT} digits")
    print(f"{'random down to':24}" + "".join(f"{name:>10}" for name in names[1:]))
    for name in chosen:
        R = maps[name][0]
        found[what, name] = [np.mean([metrics.rank_correlation(*(v.reshape(1, -1) for v in pick(R, S, n)))[0]
                                      for n in range(COUNT)]) for S in maps[name]]
        print(f"{name:24}" + "".join(f"{r:10.2f}" for r in found[what, name][1:]))

# %%
# Three tables, three answers. *Signed*, nearly everything falls to zero at once, for a bad reason: the random output
# layer turns the sign of the output, and with it of the whole map, for about half of the digits. *Absolute*, over
# all pixels, next to nothing falls: far from the ink the maps are zero before and after, and all those zeros agree.
# Only the last table, on the pixels with ink, says something about the methods: there the gradient forgets, and
# guided backpropagation and alpha1-beta0 go on as if nothing had happened.

lines = {name: found["pixels with ink, absolute", name] for name in (
    "gradient", "guided_backprop", "lrp_epsilon", "lrp_alpha1_beta0", "lrp_epsilon_plus")}
plot.curves(range(len(names)), lines, "layers randomised, from the output down",
            "rank correlation of |R| on ink", "Who notices that the network forgets?")

# %%
# What it looks like
# ------------------
# One digit, the network less and less trained from left to right. In the last column it knows nothing.

shown = ("gradient", "guided_backprop", "lrp_epsilon", "lrp_alpha1_beta0")
plot.heatmaps({name: np.stack([R[0] for R in maps[name]]) for name in shown}, np.repeat(x[:1], len(stages), axis=0),
              ["trained", *(f"{n} random" for n in range(1, len(stages)))], "The same digit while the network forgets")

# %%
# Try this
# --------
# 1. Multiply the signed maps by the sign of the output that they explain. Which table does the first become?
# 2. ``metrics.sanity_check(..., cascading=False)`` lets each layer forget alone. Is there one that all hangs on?

guided, plain = (found["pixels with ink, absolute", name] for name in ("guided_backprop", "gradient"))
assert guided[1] > plain[1] + 0.2, "the gradient notices that the output layer forgot, guided backpropagation does not"
plot.show()
