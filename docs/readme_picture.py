"""Draws the picture at the top of the README: a photograph, its classes, two maps of it; a digit below.

    python docs/readme_picture.py           writes docs/images/why.png
"""
import pathlib

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from minixnn import attribution, datasets, models, passes, plot
from minixnn.cli import control
from minixnn.layers.softmax import softmax
from minixnn.rules import composites, lrp

ROOT = pathlib.Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "why.png"


def photograph():
    """The cat in [0, 1], the five likeliest classes, the maps of the first and of it less the second, the controls.

    Maps are summed over 2 x 2 pixels. Controls: the mean |cosine| with the maps of six other classes, and the |cosine|
    with the map of the network whose weights are shuffled, as `minixnn explain` finds them.
    """
    net, by_depth = models.load("efficientnet_lite0"), attribution.METHODS["lrp_by_depth"]
    picture = Image.open(ROOT / "lessons" / "data" / "photos" / "chelsea.jpg")
    x = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC), np.float32)[None] / 255
    y = net.forward(x)
    best = y[0].argsort()[::-1][:5]
    first, second = int(best[0]), int(best[1])
    R = by_depth(net, x, first)[0]
    rather = by_depth(net, x, start=attribution.contrast(net, x, first, second))[0]
    others = control.other_classes(net.card, y.shape[1], first)
    alike = np.mean([control.alike(R, by_depth(net, x, k)[0]) for k in others])
    forgotten = control.alike(R, by_depth(control.shuffled(net), x, first)[0])
    classes = [(net.card.label(k), float(softmax(y)[0, k])) for k in best]
    maps = [each.sum(axis=2).reshape(112, 2, 112, 2).sum(axis=(1, 3)) for each in (R, rather)]
    return np.asarray(picture) / 255, classes, maps, (alike, forgotten)


def draw():
    picture, classes, maps, (alike, forgotten) = photograph()
    digits, labels = datasets.mnist("test")
    net, digit = models.load("cnn"), digits[[int(np.flatnonzero(labels == 4)[0])]]
    rules = {"LRP-0": lrp.epsilon, "LRP-γ": lrp.gamma, "α2β1": lrp.alpha_beta,
             "composite": composites.epsilon_alpha2_beta1_flat}
    with plt.rc_context({**plot.STYLE, "font.size": 11}):
        figure = plt.figure(figsize=(10, 5.2), layout="constrained", dpi=100)
        above, below = figure.subfigures(2, 1, height_ratios=(1.9, 1))
        axes = above.subplots(1, 4, width_ratios=(1, 0.62, 1, 1))
        axes[0].imshow(picture)
        axes[0].set_title("a photograph")
        axes[1].barh(range(5), [p for _, p in classes], color=["#a50f20", *["0.7"] * 4])
        axes[1].set(yticks=range(5), yticklabels=[name for name, _ in classes], xlim=(0, 0.5), xticks=(0, 0.5),
                    xticklabels=("0 %", "50 %"), title="what the network says")
        axes[1].invert_yaxis()
        titles = f"what speaks for\n{classes[0][0]}", f"rather than for\n{classes[1][0]}"
        for ax, R, title in zip(axes[2:], maps, titles):
            limit = np.quantile(abs(R), 0.995)
            ax.imshow(0.55 + 0.45 * picture.mean(axis=2), cmap="gray", vmin=0, vmax=1)
            ax.imshow(R, cmap=plot.signed_colours(), vmin=-limit, vmax=limit, extent=(-.5, 447.5, 447.5, -.5),
                      alpha=0.9 * (abs(R) / limit).clip(0, 1) ** 0.5)
            ax.set_title(title)
        above.supxlabel("red speaks for it, blue against it (LRP by depth). Of the map of any of six other "
                        f"classes, toaster among them, {alike:.2f} is in common with the left one\n(cosine, mean; "
                        "1 would be the same map); of the map of the same network with its weights shuffled, "
                        f"{forgotten:.2f}.",
                        fontsize=9)
        panels = below.subplots(1, 5)
        panels[0].imshow(digit[0, ..., 0], cmap="gray_r")
        panels[0].set_title("a digit")
        for ax, (name, rule) in zip(panels[1:], rules.items()):
            R = passes.lrp(net, digit, 4, rule)[0][0, ..., 0]
            ax.imshow(R, cmap=plot.signed_colours(), vmin=-abs(R).max(), vmax=abs(R).max())
            ax.set_title(f"why a 4: {name}")
        for ax in (axes[0], *axes[2:], *panels):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="0.85")
    figure.savefig(TARGET)
    Image.open(TARGET).convert("RGB").quantize(200).save(TARGET, optimize=True)         # half the size


if __name__ == "__main__":
    draw()
