r"""
7.4 Attention by hand
=====================

**You will see** attention with every number on the page, why a product alone does not say how much of it is owed to one
factor, and what the two rules for attention decide. Then a task whose right answer is known tests both.

**Before this:** 2.3 (LRP), 2.5 (DeepLIFT).

**Papers:** Vaswani et al. 2017, *Attention is all you need*; Ali et al. 2022, *XAI for transformers: better
explanations through conservative propagation* (CP-LRP); Achtibat et al. 2024, *AttnLRP: attention-aware layer-wise
relevance propagation for transformers*; You et al. 2025, *When LRP diverges from leave-one-out in transformers*.

**Walk through it**, without a debugger: `attention, line by line <../walks/attention.html>`_.
"""
import numpy as np

from minixnn import Network, passes, plot
from minixnn.layers import (Attention, ChannelSelect, Embedding, Graph, Multiply, PositionEmbedding, Residual,
                            Softmax, TakeToken)
from minixnn.rules import composites, lrp

# %%
# Two tokens, one head
# --------------------
# A token is a vector of two numbers here. The first says what it looks for and what it offers, the second what it has
# to tell: token 1 is :math:`(1, 4)`, token 2 is :math:`(0, 8)`. Attention makes a query :math:`q` and a key :math:`k`
# of the first number, a value :math:`v` of the second, and each token brings home a mixture of the values:
#
# .. math:: S_{tu} = q_t k_u, \qquad A_{tu} = \frac{e^{S_{tu}}}{\sum_w e^{S_{tw}}}, \qquad O_t = \sum_u A_{tu} v_u
#
# With :math:`q = x_1` and :math:`k = \ln 3 \; x_1` token 1 has :math:`S = (\ln 3, 0)`, weights :math:`A = (3/4, 1/4)`,
# and brings home :math:`3/4 \cdot 4 + 1/4 \cdot 8 = 5`. Token 1 is what we read, and explain.
#
# ``Attention`` is a way of writing several layers at once. The network has the layers themselves, so every step has a
# place in the list of activations: the weights :math:`A` are what the ``Softmax`` makes.

log3 = np.log(3)
attention = Attention(W_q=np.array([[1.0], [0]]), W_k=np.array([[log3], [0]]), W_v=np.array([[0], [1.0]]),
                      W_o=np.eye(1))
x = np.array([[[1.0, 4.0], [0.0, 8.0]]])
net = Network([attention])
print(net.describe(x=x))
made = dict(zip(net.names, net.trace(x)[1:]))               # what each layer makes, by the name of its place
S, A, V, O = (made[f"0.{name}"] for name in ("scores", "weights", "values.1", "mixture"))
print("\nS", S[0, 0, 0], " A", A[0, 0, 0], " V", V[0, 0, :, 0], " O", O[0, 0, 0])
assert np.allclose(A[0, 0, 0], [3 / 4, 1 / 4]) and np.allclose(O[0, 0, 0], 5)

# %%
# Whose are the 5? A product does not say by itself
# -------------------------------------------------
# :math:`O` is a sum of products :math:`A_{tu} v_u`, and both factors depend on :math:`x`. How much of a product is
# owed to its first factor? *Half* is one answer (AttnLRP). But take :math:`y = x_1 x_2 x_3` at :math:`(2, 3, 4)`, the
# example of You et al.: half each gives (6, 6, 12) if :math:`x_1 x_2` is computed first, (12, 6, 6) if
# :math:`x_2 x_3` is, and (8, 8, 8) with three factors at once. The function is the same; the bracket decides.
#
# With a *reference* there is an answer that no bracket changes, the Shapley value of lesson 2.5: switch the factors on
# one by one, from zero. The last adds all 24, and each is last in a third of the orders: (8, 8, 8). The rules below are
# not that: they follow the brackets of the network.


def product(*factors):
    """A network that multiplies x1, x2, x3. factors: numbers of theirs, and tuples of those to be multiplied first."""
    graph = Graph()
    x = [graph.add(0, ChannelSelect(n, n + 1)) for n in range(3)]
    graph.add(tuple(graph.add(tuple(x[n] for n in each), Multiply()) if isinstance(each, tuple) else x[each]
                    for each in factors), Multiply())
    return Network(graph.layers, graph.inputs)


numbers = np.array([[2.0, 3.0, 4.0]])
for text, factors, expected in (("(x1 x2) x3", [(0, 1), 2], (6, 6, 12)), ("x1 (x2 x3)", [0, (1, 2)], (12, 6, 6)),
                                ("x1 x2 x3", [0, 1, 2], (8, 8, 8))):
    R = passes.lrp(product(*factors), numbers, 0, composites.attn_lrp)[0]
    print(f"{text:11}", R[0])
    assert np.allclose(R, expected)

# %%
# So a rule for attention is a decision, and each of the two in use decides otherwise:
#
# * **CP-LRP**: where a token looks is taken for granted. :math:`A` is a constant and the value takes all,
#   :math:`R_{v_u} = A_{tu} v_u R_t / O_t`.
# * **AttnLRP**: half each, so :math:`R_{A_{tu}} = R_{v_u} = A_{tu} v_u R_t / (2 O_t)`. The softmax is expanded at
#   :math:`S`, :math:`R_{S_u} = S_u (R_{A_u} - A_u \sum_w R_{A_w})`, and what arrives is halved between query and key.
#
# By hand, with :math:`R = O = 5` at token 1: CP-LRP gives the values (3, 2). AttnLRP gives them (1.5, 1), and the
# weights (1.5, 1) too. Of these 2.5 the score :math:`S = \ln 3` gets
# :math:`\ln 3 \; (1.5 - 3/4 \cdot 2.5) = -0.41`, and the softmax keeps the rest, 2.91. The sign is right: to look at
# oneself more brings a 4 in place of an 8.

reading = Network([attention, TakeToken(0)])
R_V = A[0, 0, 0] * V[0, 0, :, 0] * 5 / (2 * 5)
R_S = S[0, 0, 0] * (R_V - A[0, 0, 0] * R_V.sum())           # R_A is R_V: half each
by_hand = {"CP-LRP": np.array([[0, 3], [0, 2.0]]), "AttnLRP": np.array([[R_S[0], R_V[0]], [R_S[1], R_V[1]]])}
for name, rules in (("CP-LRP", composites.cp_lrp), ("AttnLRP", composites.attn_lrp)):
    rules = composites.rules_for(reading, rules)
    R = passes.lrp(reading, x, rules=rules)                                                        # <- STEP INTO
    print(f"{name:8} token 1 {R[0][0, 0].round(3)}, token 2 {R[0][0, 1].round(3)}, arrived {R[0].sum():.2f} of 5")
    assert np.allclose(R[0][0], by_hand[name], atol=1e-5)

# %%
# A task with a known answer
# --------------------------
# *Copy the letter behind the marker.* We write the network by hand, so we know why it answers as it does. In layer 1
# each token looks one place back, and raises a flag if it finds the marker ``*``. In layer 2 all look for the flag, and
# the value is the letter. ``sharp`` scales the scores of layer 2: 8 makes the choice nearly hard.
#
# Two places matter, and no other: the letter says *what* to copy, the marker *where*. Leave-one-out is our control: put
# a blank in place of one token and see how far the output falls.

PLACES, NAMES = 6, "abcd*."
letters, marker, flag, always, place = slice(0, 4), 4, 5, 6, slice(7, 7 + PLACES)


def matrix(rows, columns, entries):
    """Zeros, but for what `entries` puts into some: [((rows, columns), value), ...]."""
    W = np.zeros((rows, columns))
    for where, value in entries:
        W[where] = value
    return W


def copying(sharp):
    C, back = 7 + PLACES, 6 * PLACES ** 0.5 * np.eye(PLACES, k=-1)
    back[0, 0] = 6 * PLACES ** 0.5                          # the first token has none before it
    tokens = matrix(len(NAMES), C, [((slice(0, 4), letters), np.eye(4)), ((4, marker), 1)])
    places = matrix(PLACES, C, [((slice(None), place), np.eye(PLACES)), ((slice(None), always), 1)])
    look_back = Attention(matrix(C, PLACES, [((place, slice(None)), back)]),
                          matrix(C, PLACES, [((place, slice(None)), np.eye(PLACES))]),
                          matrix(C, 1, [((marker, 0), 1)]), matrix(1, C, [((0, flag), 1)]))
    copy = Attention(matrix(C, 1, [((always, 0), sharp)]), matrix(C, 1, [((flag, 0), 1)]),
                     matrix(C, 4, [((letters, slice(None)), np.eye(4))]), np.eye(4))
    return Network([Embedding(tokens), PositionEmbedding(places), Residual([look_back]), copy, TakeToken(-1)])


text = "bd*cab"
x, blank, TARGET = np.array([[NAMES.index(letter) for letter in text]]), np.full((1, PLACES), 5), NAMES.index("c")


def explained(net):
    """{method: one number for each token}"""
    y = net.forward(x)[0, TARGET]
    without = [net.forward(np.where(np.arange(PLACES) == t, blank, x))[0, TARGET] for t in range(PLACES)]
    return {"leave one out": y - np.array(without), "gradient x input": passes.gradient(net, x, TARGET)[0][0],
            "CP-LRP": passes.lrp(net, x, TARGET, composites.cp_lrp)[0][0],
            "AttnLRP": passes.lrp(net, x, TARGET, composites.attn_lrp)[0][0],
            "DeepLIFT": passes.deeplift(net, x, blank, TARGET)[0][0]}


A = [a[0] for layer, a in zip(copying(4).layers, copying(4).trace(x)[1:]) if isinstance(layer, Softmax)]
plot.heatmaps({"layer 1: one place back": A[0], "layer 2: at the flag": A[1]}, scale="figure", transpose=True,
              title=f"Attention weights for {text}\n(row: who looks, column: at whom)")
found = explained(copying(sharp=4))
score = copying(4).forward(x)[0, TARGET]
print(f"\n{text}: the score of c is {score:.3f}")
for name, R in found.items():
    print(f"  {name:17}" + "".join(f"{letter!r:>6} {r:6.3f}" for letter, r in zip(text, R)) + f"   sum {R.sum():.3f}")
plot.bars({name: {"the marker *": R[2], "the letter c behind it": R[3], "the four other letters": R[[0, 1, 4, 5]].sum()}
           for name, R in found.items()}, f"relevance for the answer c, whose score is {score:.2f}",
          f"Copy the letter behind the marker: {text}")

# %%
# All agree that the letter counts and that nothing else but the marker does. On the marker they part. Without it the
# score falls by 0.745 of 0.911, and CP-LRP gives it *nothing*: it took for granted where the network looks. AttnLRP
# gives it 0.040, less than gradient x input (0.318). DeepLIFT, against a text of blanks, gives 0.372 to the marker
# and 0.539 to the letter, and these sum to 0.911.
#
# One question, measured: does it depend on how sharply the network looks?
# ------------------------------------------------------------------------

sharpness = np.linspace(0.5, 12, 24)
series = {name: np.array([explained(copying(sharp))[name][2] for sharp in sharpness]) for name in found}
plot.curves(sharpness, series, "sharpness of layer 2", "relevance of the marker",
            "The surer the network looks, the less gradients see of the reason")
hard = {name: values[-1] for name, values in series.items()}
print("\nmarker, at sharpness 12: " + ", ".join(f"{name} {value:.3f}" for name, value in hard.items()))

# %%
# It does. A softmax whose weights are near 0 and 1 is flat, and what starts from its derivative sees a flat place:
# gradient x input and AttnLRP fall below 0.001, while leave-one-out stays at 0.833. This is the saturation of
# lesson 2.5. A difference from a reference sees through it here, too: DeepLIFT gives the marker 0.417.
# **Verdict.** CP-LRP answers "which values were brought home", and never "why these". AttnLRP asks for both, but has no
# answer where the softmax is sure.
#
# Try this
# --------
# 1. Add 1 to all scores of the first network, with ``b_k=np.ones(1)``. The weights are the same. What does AttnLRP say?
# 2. Blank the marker *and* the letter. Why do their two falls under leave-one-out not sum to the fall of both?

by_ledger = passes.lrp(reading, x=np.array([[[1.0, 4.0], [0.0, 8.0]]]), target=0, rules=lrp.epsilon)[0].sum()
assert np.isclose(by_ledger, 2.5 + R_S.sum(), atol=1e-5), "epsilon alone takes AttnLRP for attention"
assert found["CP-LRP"][2] == 0 and found["leave one out"][2] > 0.7, "CP-LRP does not see the marker"
assert np.isclose(found["DeepLIFT"].sum(), score) and found["DeepLIFT"][2] > 0.3, "DeepLIFT sees it, and sums up"
assert all(abs(R[[0, 1, 4, 5]]).max() < 1e-6 for R in found.values()), "only letter and marker count"
assert hard["gradient x input"] < 0.001 and hard["AttnLRP"] < 0.001 and hard["DeepLIFT"] > 0.4, "a sure softmax"
plot.show()
