"""Where is it?"""
import numpy as np

from lessons.try_this import answers
from minixnn import datasets, models


@answers("4.1", 2, "What happens to the outputs")
def a_mean_is_thinned():
    """A digit's evidence is halved: global average pooling divides the sum of its map by twice as many pixels. The
    outputs for the wide scene are close to the mean of those for its two halves (correlation 0.999). The largest
    output falls from 11.5, of a half by itself, to 5.1."""
    net = models.load("cluttered_gap")
    scenes = datasets.digit_pairs(20, seed=0)[0]
    half = scenes.shape[2] // 2
    wide = net.forward(scenes)
    mean = (net.forward(scenes[:, :, :half]) + net.forward(scenes[:, :, half:])) / 2
    assert np.corrcoef(wide.ravel(), mean.ravel())[0, 1] > 0.998
    assert abs(net.forward(scenes[:, :, :half]).max(axis=1).mean() - 11.5) < 0.1
    assert abs(wide.max(axis=1).mean() - 5.1) < 0.1
