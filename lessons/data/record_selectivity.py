"""Makes selectivity.npz, the record that lesson 5.2 reads: curves of adaptive selectivity on the first test digits.

    python lessons/data/record_selectivity.py           # 1,000 digits, eight methods: about half an hour on two cores

One array a method, (digits, 21), float16: the output of the true class after 0 to 20 removed patches of 4 x 4 pixels,
by the shipped cnn. "ink" is the image taken as its own heatmap. Deep Taylor's rules run as LRP, so that they go on
where the output has fallen below zero.
"""
import functools
import pathlib
import sys

import numpy as np

from minixnn import attribution, datasets, metrics, models
from minixnn.attribution import METHODS
from minixnn.rules import composites

NAMES = ["gradient_times_input", "gradient", "sensitivity", "guided_backprop", "lrp_alpha1_beta0", "lrp_epsilon_plus",
         "deep_taylor", "ink"]


def curves(name, count):
    """(count, 21) for one method."""
    images, labels = datasets.mnist("test")
    net, method = models.load("cnn"), METHODS.get(name) or (lambda net, x, target: x)
    if name == "deep_taylor":
        method = functools.partial(attribution.lrp, rules=composites.deep_taylor(net, low=0, high=1))
    return metrics.selectivity(method, net, images[:count], labels[:count], steps=20).curves


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    np.savez_compressed(pathlib.Path(__file__).parent / "selectivity.npz",
                        **{name: curves(name, count).astype(np.float16) for name in NAMES})
