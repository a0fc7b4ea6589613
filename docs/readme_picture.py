"""Draws the picture at the top of the README: a photograph, what the network sees in it, and why; a digit below.

    python docs/readme_picture.py           writes docs/images/why.png
"""
import pathlib

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from minixnn import attribution, datasets, models, passes, plot  # noqa: E402
from minixnn.rules import composites, lrp  # noqa: E402

ROOT = pathlib.Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "why.png"


def photograph():
    """The cat in [0, 1], the five likeliest classes, and the relevance of Egyptian cat, summed over 2 x 2 pixels."""
    net = models.load("efficientnet_lite0")
    picture = Image.open(ROOT / "lessons" / "data" / "photos" / "chelsea.jpg")
    x = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC), np.float32)[None] / 255
    p = net.probabilities(x)[0]
    best = p.argsort()[::-1][:5]
    R = attribution.lrp(net, x, int(best[0]), composites.epsilon_plus_flat)[0].sum(axis=2)
    classes = [(net.card.label(k), float(p[k])) for k in best]
    return np.asarray(picture) / 255, classes, R.reshape(112, 2, 112, 2).sum(axis=(1, 3))


def draw():
    picture, classes, R = photograph()
    digits, labels = datasets.mnist("test")
    net, digit = models.load("cnn"), digits[[int(np.flatnonzero(labels == 4)[0])]]
    rules = {"LRP-0": lrp.epsilon, "LRP-γ": lrp.gamma, "α2β1": lrp.alpha_beta,
             "composite": composites.epsilon_alpha2_beta1_flat}
    with plt.rc_context({**plot.STYLE, "font.size": 11}):
        figure = plt.figure(figsize=(10, 5.2), layout="constrained", dpi=100)
        above, below = figure.subfigures(2, 1, height_ratios=(2.1, 1))
        axes = above.subplots(1, 3, width_ratios=(1, 1, 1.05))
        axes[0].imshow(picture)
        axes[0].set_title("a photograph")
        axes[1].barh(range(5), [p for _, p in classes], color=["#a50f20", *["0.7"] * 4])
        axes[1].set(yticks=range(5), yticklabels=[name for name, _ in classes], xlim=(0, 0.5), xticks=(0, 0.5),
                    xticklabels=("0 %", "50 %"), title="what the network says")
        axes[1].set_box_aspect(0.9)
        axes[1].invert_yaxis()
        limit = np.quantile(abs(R), 0.995)
        axes[2].imshow(0.55 + 0.45 * picture.mean(axis=2), cmap="gray", vmin=0, vmax=1)
        axes[2].imshow(R, cmap=plot.signed_colours(), vmin=-limit, vmax=limit, extent=(-.5, 447.5, 447.5, -.5),
                       alpha=0.9 * (abs(R) / limit).clip(0, 1) ** 0.5)
        axes[2].set_title("why “Egyptian cat”: LRP-ε⁺, flat")
        panels = below.subplots(1, 5)
        panels[0].imshow(digit[0, ..., 0], cmap="gray_r")
        panels[0].set_title("a digit")
        for ax, (name, rule) in zip(panels[1:], rules.items()):
            R = passes.lrp(net, digit, 4, rule)[0][0, ..., 0]
            ax.imshow(R, cmap=plot.signed_colours(), vmin=-abs(R).max(), vmax=abs(R).max())
            ax.set_title(f"why a 4: {name}")
        for ax in (axes[0], axes[2], *panels):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="0.85")
    figure.savefig(TARGET)
    Image.open(TARGET).convert("RGB").quantize(200).save(TARGET, optimize=True)         # half the size


if __name__ == "__main__":
    draw()
