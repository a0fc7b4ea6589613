r"""
7.3 Why is this file Python?
============================

**You will see** which lines and words make a network take a file for Python; how relevance passes a window that slides
over a file, two normalisations and a GELU; whether the most relevant bytes are the ones that matter, and what a byte
that is to be nothing should be; and a file that fools it.

**Before this:** 2.3 (LRP), 5.2 (deletion), 6.1 (the ledger).

**Papers:** Fratantonio et al. 2024, *Magika: AI-powered content-type detection* (the network); Ali et al. 2022, *XAI
for Transformers* (normalisation under LRP); Samek et al. 2017 (deletion).
"""
import re

import numpy as np

from minixnn import attribution, datasets, ledger, metrics, models, passes, plot
from minixnn.models import magika
from minixnn.rules import composites, lrp

# %%
# From bytes to a type
# --------------------
# The network sees 1,024 bytes from either end of a file, and the number 256 where there is no byte. Each becomes a row
# of a matrix. A window of five groups of four bytes slides over 508 places; 512 filters keep their maximum only. The
# type is the likeliest label; the thresholds by which Magika itself may answer "unknown" are not applied.

net = models.load("magika")
files = datasets.sources()                                  # of minixnn, as they were in November 2026
data = files["progress.py"]
x = magika.tokens(data)[None]                               # (1, 2048) whole numbers
p, python = net.probabilities(x)[0], net.card.index("python")
print(", ".join(f"{net.card.label(int(k))} {p[k]:.1%}" for k in p.argsort()[::-1][:3]))
for l, layer in enumerate(net.layers):
    print(f"{l:3} {layer!r}")

# %%
# Down to the bytes
# -----------------
# LRP-epsilon for what is affine. The others bring their rules: GELU passes on, the maximum gives all to its winner, a
# normalisation holds its scale fixed, :math:`y = (x - \mu) / \sigma` with :math:`\sigma` a constant. What its shift
# adds is a bias.

rules = composites.rules_for(net, lrp.epsilon)
R = passes.lrp(net, x, rules=rules)                         # of the type that won                  # <- STEP INTO
print(ledger.audit(net, x, R, rules))

# %%
# Biases and shifts keep 17 % on the way, and 83 % reach the bytes. The last normalisation in a few lines:

l = 9
A, norm = net.trace(x), net.layers[l]
centred = A[l] - A[l].mean(axis=-1, keepdims=True)
sigma = (centred ** 2).mean(axis=-1, keepdims=True) ** 0.5
s = R[l + 1] / A[l + 1]                                     # relevance per unit of y
c = s * norm.gamma / sigma                                  # back through scale and the constant sigma
c = c - c.mean(axis=-1, keepdims=True)                      # and through x - mean
print("by hand and by the package, largest difference:", f"{abs(A[l] * c - R[l]).max():.1e}")

# %%
# Lines and words
# ---------------
# A byte alone says little; the relevance of a line, or of a word, is that of its bytes.

relevance = np.zeros(len(data))
places = magika.positions(data)
np.add.at(relevance, places[places >= 0], R[0][0][places >= 0])


def words(data, relevance):
    """[(word, its relevance), ...] of all words, signs and stretches of white space."""
    return [(m.group().decode("utf-8", "replace"), float(relevance[m.start():m.end()].sum()))
            for m in re.finditer(rb"\w+|\s+|[^\w\s]", data)]


at = np.cumsum([0, *(len(line) for line in data.splitlines(True))])
plot.bars({f"{line.decode()[:44]}  {n:2}": float(relevance[a:b].sum()) for n, (line, a, b) in enumerate(
    zip(data.splitlines(), at, at[1:]), 1)}, "relevance of the line", "progress.py: what each line says for Python")
of_word = {}
for word, r in words(data, relevance):
    word = word.replace("\n", "\N{RETURN SYMBOL}").replace(" ", "\N{OPEN BOX}")
    of_word[word] = of_word.get(word, 0) + r
strongest = sorted(of_word, key=lambda word: -of_word[word])
print("\nmost for Python:    ", "  ".join(f"{word} {of_word[word]:.2f}" for word in strongest[:10]))
print("most against Python:", "  ".join(f"{word} {of_word[word]:.2f}" for word in strongest[:-5:-1]))

# %%
# Quotes come first, then ``perf_counter``, a name of Python's library, and a line end with eight spaces behind it, as
# Python indents. Braces speak against it, as do ``done`` and ``total``. Would any network say so? As a control,
# the relevance of the same words by networks whose numbers are shuffled.

print("\ncorrelation of the relevance of words with that by a shuffled network:", end="")
for seed in range(3):
    other = metrics.randomized(net, np.random.default_rng(seed))
    elsewhere = np.zeros(len(data))
    np.add.at(elsewhere, places[places >= 0], passes.lrp(other, x, python, lrp.epsilon)[0][0][places >= 0])
    pairs = zip(words(data, relevance), words(data, elsewhere))
    print(f" {np.corrcoef(np.array([(r, s) for (_, r), (_, s) in pairs]).T)[0, 1]:.2f}", end="")
print()

# %%
# They say nothing of the kind: the correlation is 0.1 or less in size.
#
# Do these bytes matter?
# ----------------------
# Thirty files of minixnn. The most relevant bytes are overwritten by line ends, and the logit is read again. Beside
# them a random order, and an order that knows nothing of the network: signs first, since programs are full of them.

many = np.stack([magika.tokens(source) for name, source in files.items() if name != "progress.py"])
rng = np.random.default_rng(0)
letter = (many >= 97) & (many <= 122) | (many == 32)
order = {"LRP-epsilon": passes.lrp(net, many, python, lrp.epsilon)[0],
         "LRP-epsilon of a shuffled network": passes.lrp(other, many, python, lrp.epsilon)[0],
         "gradient x input": attribution.gradient(net, many, python),
         "signs first": ~letter + rng.random(many.shape) / 2, "random": rng.random(many.shape)}
counts, curves, still = [0, 16, 64, 128, 256, 512], {}, {}
for name, score in order.items():
    ranked = np.where(many == magika.PADDING, -np.inf, score).argsort(axis=1)[:, ::-1]
    logits, kinds = [], []
    for count in counts:
        z = many.copy()
        np.put_along_axis(z, ranked[:, :count], ord("\n"), axis=1)
        y = net.predict(z)
        logits.append(y[:, python])
        kinds.append(y.argmax(axis=1) == python)
    curves[name] = metrics.mean_and_error(np.array(logits).T)
    still[name] = np.mean(kinds, axis=1)
plot.curves(counts, curves, "bytes overwritten by line ends", "logit of python",
            "Do the bytes matter that a method calls relevant? (30 files, standard error)")
print("\nstill called python after so many bytes ", *(f"{count:6}" for count in counts))
for name, share in still.items():
    print(f"  {name:36}", *(f"{value:6.0%}" for value in share))

# %%
# The order matters: with 128 of 2,048 bytes gone by LRP's about half of the files are Python no more (53 % still are),
# by the others nearly all are. But does the file fall because these bytes are gone, or because so many line ends are
# there? As a control, other bytes to overwrite with.

print("\n128 bytes overwritten with: still python by LRP's order; its logit less that of a random order")
fall = {}
for paint, byte in {"line ends": ord("\n"), "spaces": ord(" "), "letters e": ord("e"), "zeros": 0}.items():
    y = {}
    for name in ("LRP-epsilon", "random"):
        z = many.copy()
        ranked = np.where(many == magika.PADDING, -np.inf, order[name]).argsort(axis=1)[:, ::-1]
        np.put_along_axis(z, ranked[:, :128], byte, axis=1)
        y[name] = net.predict(z)
    fall[paint] = metrics.paired(y["LRP-epsilon"][:, python], y["random"][:, python])
    print(f"  {paint:10} {np.mean(y['LRP-epsilon'].argmax(axis=1) == python):5.0%}   {fall[paint].difference:+.2f} +- "
          f"{fall[paint].error:.2f}")

# %%
# The bytes matter, whatever is written over them: the logit falls by 4.5 to 8.0 more than in a random order, with an
# error below 0.3. *How many files flip* is a matter of the byte: half with line ends, 3 % with spaces or the letter e.
#
# A file that fools it
# --------------------
# A Python program of two lines, with a text in front that quotes a program in C. It is still Python, and runs. The
# control has a text of the same length, in English.

program = "for n in range(10):\n    print(n * n)\n"
quoted = '#include <stdio.h>\n#include <stdlib.h>\n\nint main(int argc, char **argv) {\n    return 0;\n}\n'
sentence = "The squares of the first ten numbers, one a line, from the smallest to the largest.\n"
english = (2 * sentence)[:len(quoted) - 1] + "\n"
longer = "import sys\n\n\ndef square(n):\n    return n * n\n\n\nfor n in range(10):\n    print(square(n))\n"
cases = {"longer, after C": f'"""\n{quoted}"""\n{longer}', "the program": program,
         "after English": f'"""\n{english}"""\n{program}', "after C": f'"""\n{quoted}"""\n{program}'}
found = {}
for name, text in cases.items():
    compile(text, name, "exec")
    q = net.probabilities(magika.tokens(text.encode())[None])[0]
    found[name] = net.card.label(int(q.argmax()))
    print(f"{name:16}", ", ".join(f"{net.card.label(int(k))} {q[k]:.1%}" for k in q.argsort()[::-1][:2]))
fooled = cases["after C"].encode()
x = magika.tokens(fooled)[None]
start = attribution.contrast(net, x, net.card.index("c"), python)
relevance, places = np.zeros(len(fooled)), magika.positions(fooled)
np.add.at(relevance, places[places >= 0], passes.lrp(net, x, rules=lrp.epsilon, start=start)[0][0][places >= 0])
lines, at = {}, 0
for number, line in enumerate(cases["after C"].splitlines(), 1):
    lines[f"{line}  {number}"] = float(relevance[at:at + len(line) + 1].sum())
    at += len(line) + 1
plot.bars(lines, "relevance: C rather than Python", "Why is this Python program taken for C?")

# %%
# A text in front makes the short program *more* Python if it is English (54.6 % to 99.7 %), and C if it quotes C
# (87.3 %). The lines of C speak for C, those of Python against it. It takes a *short* program: one of nine lines, with
# the same C in front, is Python still (99.5 %).
#
# Try this
# --------
# 1. Read a file of yours, or all of ``files``, in capitals, or without indentation: is it Python still?
# 2. Quote the C behind the program rather than in front of it. What is it now?

assert abs(A[l] * c - R[l]).max() < 1e-3, "the rule of a normalisation, by hand"
assert all(each.difference < -5 * each.error for each in fall.values()), "the bytes matter, whatever is put there"
assert still["LRP-epsilon"][3] < 0.7 < 0.9 < min(still["random"][3], still["signs first"][3]), "half of the files"
assert found["after C"] == "c" != "python" == found["longer, after C"], "a short program is fooled, a longer one is not"
plot.show()
