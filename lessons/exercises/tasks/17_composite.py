"""2.3 Which rule belongs where

A composite chooses a rule for each layer. The lowest layer with weights sees pixels and gets a rule of its own;
layers without weights bring their rule along, and get None.

    one entry per layer: `first` for the first layer with weights, `conv` for the other convolutions,
    `dense` for the other dense layers, None for layers without weights

By hand: ReLU, convolution, dense layer: None, `first`, `dense`.

Source: Montavon et al. 2019, section 10.3; Kohlbrenner et al. 2020.
"""
import numpy as np

from minixnn import Conv2d, Dense, ReLU


def composite(layers, first, conv, dense):
    """layers: a list of Conv2d, Dense and others; first, conv, dense: the rules. Returns a list of rules."""
    ...


if __name__ == "__main__":                              # the example by hand
    layers = [ReLU(), Conv2d(np.ones((1, 1, 1, 1))), Dense(np.ones((1, 1)))]
    print("expected", [None, "first", "dense"])
    print("actual  ", composite(layers, "first", "conv", "dense"))
