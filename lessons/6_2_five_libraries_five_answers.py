r"""
6.2 Five libraries, five answers
================================

**You will see** one layer, one input, one relevance, and what five libraries make of it under the same name; which
line of code each difference comes from; and how much of it is left on a real network.

**Before this:** 2.3 (layer-wise relevance propagation), 6.1 (where did my relevance go?).

**Papers:** Bach et al. 2015, equations 56 to 60; Montavon et al. 2019, section 10.2.1. The numbers of the libraries
were obtained by running them: lrp_toolbox, iNNvestigate 2.1.2, Zennit 0.5.1, Captum 0.9.0, and a tutorial's own code.
"""
from functools import partial

import numpy as np

from minixnn import Dense, datasets, models, passes, plot
from minixnn.arrays import negative, positive, stabilize
from minixnn.rules import deep_taylor, lrp

# %%
# Two outputs, three inputs, biases of both signs, and one negative input on purpose: behind a ReLU and without biases
# all these conventions agree, which is why nobody notices.

W = np.array([[1.0, 2.0, 3.0], [-1.0, -0.5, 2.0]]).T        # (3 inputs, 2 outputs)
layer = Dense(W, b=np.array([0.5, -0.5]))
x, R = np.array([[1.0, -1.0, 2.0]]), np.array([[1.0, 1.0]])
print("z =", layer.forward(x))                              # 5.5 and 3

# %%
# The four steps, and what may differ
# -----------------------------------
# Every variant below shares :math:`R_k` in proportion to some :math:`z_{jk}` over some denominator. ``shared`` is that
# sentence; what a library calls a rule is a choice of its arguments.


def shared(layer, x, R, W, bias=None):
    """R_j = sum_k x_j W_jk R_k / (sum_j x_j W_jk + bias_k)"""
    part = layer.with_weights(W, bias)
    z = part.forward(x)
    s = R / stabilize(z)
    return x * part.gradient(x, z, s)


def split(layer, x, R, bias):
    """The same for the positive products alone, z_jk+: a positive input with a positive weight, or both negative."""
    same, opposite = layer.with_weights(positive(layer.W), None), layer.with_weights(negative(layer.W), None)
    z = same.forward(positive(x)) + opposite.forward(negative(x)) + bias
    s = R / stabilize(z)
    return positive(x) * same.gradient(x, z, s) + negative(x) * opposite.gradient(x, z, s)


def inhibition(layer, x, R, bias):
    """And for the negative products: split(...) of the layer with its weights turned round."""
    return split(layer.with_weights(-layer.W, None), x, R, -bias)


b, y = layer.b, layer.forward(x)
answers = {
    "LRP-0: ours and all four libraries": lrp.epsilon(layer, x, y, R, epsilon=0),
    "LRP-0, bias ignored: zennit, zero_params='bias'": shared(layer, x, R, W),
    "alpha2-beta1: ours, lrp_toolbox, zennit": lrp.alpha_beta(layer, x, y, R),                 # <- STEP INTO
    "alpha2-beta1, full b in both halves: innvestigate": 2 * split(layer, x, R, b) - inhibition(layer, x, R, b),
    "alpha2-beta1, no bias: innvestigate IB": 2 * split(layer, x, R, 0) - inhibition(layer, x, R, 0),
    "alpha1-beta0: ours, lrp_toolbox, zennit": lrp.alpha_beta(layer, x, y, R, alpha=1, beta=0),
    "alpha1-beta0, full b: innvestigate": split(layer, x, R, b),
    "alpha1-beta0, weights split, full b: captum": shared(layer, x, R, positive(W), b),
    "z+, weights split, no bias: the tutorial": shared(layer, x, R, positive(W)),
    "gamma 0.25, x split: ours (gamma_signed), zennit": lrp.gamma_signed(layer, x, y, R, gamma=0.25),
    "gamma 0.25, bias boosted: Montavon et al. 2019": shared(layer, x, R, W + positive(W) / 4, b + positive(b) / 4),
    "gamma 0.25, bias as it is: captum": shared(layer, x, R, W + positive(W) / 4, b),
    "w^2: ours, lrp_toolbox, innvestigate": deep_taylor.w_square(layer, x, y, R),
}
print(f"\n{'':52}{'R_1':>9}{'R_2':>10}{'R_3':>10}{'sum':>10}")
for name, (R_x,) in answers.items():
    print(f"{name:52}" + "".join(f"{r:10.6f}" for r in R_x)[1:] + f"{R_x.sum():10.6f}")

# %%
# There are three questions in it, and each library has answered them for itself.
#
# 1. **What is split by its sign**, the product :math:`x_j w_{jk}` (Bach et al. 2015) or the weight :math:`w_{jk}`?
#    For :math:`x \ge 0` it is the same. Split the weight where x is negative and "positive contributions" turn
#    negative, as R_2 of Captum and of the tutorial do.
# 2. **Where does the bias go?** With its sign (:math:`b_k^+` into one half, :math:`b_k^-` into the other), whole into
#    both, or nowhere. Only in the last case does relevance not leak, and then it is not the layer that is explained.
# 3. **Is the bias boosted** along with the weights under LRP-gamma?
#
# One question, measured
# ----------------------
# Does it matter? We explain a hundred digits by a network with biases and correlate the heatmaps of the variants of
# alpha1-beta0 with ours. Its inputs are not negative, so question 1 does not arise: what is left is the bias.

net, (images, labels) = models.load("dense"), datasets.mnist("test")
x, target = images[:100], labels[:100]
variants = {"ours": partial(lrp.alpha_beta, alpha=1.0, beta=0.0),
            "full b (innvestigate, captum)": lambda layer, x, y, R: shared(layer, x, R, positive(layer.W), layer.b),
            "no b (z+)": deep_taylor.z_plus}
maps = {name: passes.lrp(net, x, target, rule)[0] for name, rule in variants.items()}
print("\nalpha1-beta0 on the network `dense`: correlation with ours, and mean sum over mean logit")
logit = net.forward(x)[np.arange(100), target].mean()
for name, R in maps.items():
    alike = np.mean([np.corrcoef(r.ravel(), o.ravel())[0, 1] for r, o in zip(R, maps["ours"])])
    print(f"  {name:30}{alike:8.3f}{R.sum(axis=(1, 2, 3)).mean() / logit:8.3f}")
ten = [int(np.flatnonzero(target == digit)[0]) for digit in range(10)]
plot.heatmaps({name: R[ten] for name, R in maps.items()}, x[ten], title="alpha1-beta0, three conventions for biases")

# %%
# The pictures can hardly be told apart; the sums can. Whoever compares heatmaps by eye will never find out which
# convention a library has; whoever adds up numbers must know.
#
# Try this
# --------
# 1. Spread the bias evenly over the inputs, :math:`z_{jk} + b_k / 3` over :math:`z_k`. It conserves. Would you want it?
# 2. Make x positive. Which lines of the table become equal, and which do not?

found = {"alpha1-beta0, weights split, full b: captum": [0.181818, -0.363636, 2.233766],       # by running them
         "alpha2-beta1, full b in both halves: innvestigate": [-0.4, -1.083333, 3.6],
         "gamma 0.25, bias as it is: captum": [-0.064815, -0.245370, 2.361111]}
assert all(np.allclose(answers[name], R_x, atol=1e-6) for name, R_x in found.items())
plot.show()
