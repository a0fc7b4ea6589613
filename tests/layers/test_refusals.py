"""What a layer cannot mean, or cannot take, is refused in a sentence."""
import numpy as np
import pytest

from minixnn import Network, layers, passes
from minixnn.layers import ChannelSelect, Conv1d, Conv2d, ConvTranspose2d, Dense, LayerNorm, Softmax, Upsample
from tests.helpers import draw


@pytest.mark.parametrize("make, sentence", [
    (lambda: Conv2d(np.ones((3, 3, 1, 4)), groups=3), "groups=3 for 4 channels"),
    (lambda: ConvTranspose2d(np.ones((3, 3, 4, 1)), padding="same"), "expected the pixels to cut off"),
    (lambda: Conv1d(np.ones((3, 3, 1, 4))), "expected 3 axes"),
    (lambda: Upsample(), "expected one of the two"),
    (lambda: Upsample(2, mode="cubic"), "expected one of nearest"),
    (lambda: layers.Clip(1, 0), "expected low < high"),
    (lambda: LayerNorm(axes=(0, 1)), "without the axis 0 of the images"),
    (lambda: LayerNorm(axes=3).forward(np.ones((2, 3))), "lacks one of these axes"),
    (lambda: LayerNorm(np.ones(4)).forward(np.ones((2, 3))), r"expected \(4,\) as its last axes"),
    (lambda: layers.GELU("sigmoid"), "'none' or 'tanh'"),
    (lambda: layers.ChannelShuffle(4).forward(np.ones((1, 6))), "6 channels, which 4 does not divide"),
    (lambda: ChannelSelect(7).forward(np.ones((1, 6))), "of which nothing is left"),
    (lambda: Conv2d(np.ones((1, 1, 2, 4)), groups=2).forward(np.ones((1, 3, 3, 2))), "2 channels, expected 4"),
    (lambda: passes.deeplift_reveal_cancel(Network([Softmax(), Dense(np.eye(2))]), np.ones((1, 2)),
                                           np.zeros((1, 2)), 0), "Softmax has no RevealCancel rule"),
    (lambda: layers.Function("argmax"), "expected one of abs"),
    (lambda: layers.Power(0), "expected a number other than 0"),
    (lambda: layers.SumOver(0), "without the axis 0"),
    (lambda: layers.SumOver(()), "one or more"),
    (lambda: layers.MaxOver(3).forward(draw(2, 3)), "lacks one of these axes"),
    (lambda: layers.Softmax(0), "the axis of the images"),
    (lambda: layers.Stack(0), "the axis of the images"),
    (lambda: layers.Stack().forward((draw(2, 3), draw(2, 4))), "expected one"),
    (lambda: layers.Gather(np.array([1, 2]), 0), "that of the images"),
    (lambda: layers.Gather(np.array([1.0]), 1), "expected whole numbers"),
    (lambda: layers.Gather(np.array([1, 7]), 1).forward(draw(2, 3)), "indices from 1 to 7, for 3 numbers"),
    (lambda: layers.Scatter(np.array([1, 9]), (2, 3)), "indices from 1 to 9, for 6 numbers"),
    (lambda: layers.Scatter(np.array([1, 2]), (2, 3)).forward(draw(2, 3)), "expected .inputs, "),
    (lambda: layers.Roll((1,), (0,)), "not the axis 0"),
    (lambda: layers.Slice(1, step=0), "other than 0"),
    (lambda: layers.Pad(((1, 1),), "around"), "expected 'constant'"),
    (lambda: layers.Reshape((3,), rows=(0, 1)), "how many rows"),
    (lambda: layers.Scale(draw(2, 3)).forward(draw(2, 3)), "behind the images"),
    (lambda: layers.Shift(draw(2)).forward(draw(2, 3)), "behind the images"),
    (lambda: layers.Einsum("ij,jk->ik"), "begin with one letter"),
    (lambda: layers.Einsum("n...j,njk->nk"), "each letter an axis"),
    (lambda: layers.Einsum("nij,njk->nik").forward((draw(2, 3, 4), draw(2, 5, 6))), "got arrays of shapes"),
    (lambda: layers.Contract(draw(2, 3), "nij,njk->nik"), "which W lacks"),
])
def test_what_cannot_be_meant_is_refused_in_a_sentence(make, sentence):
    with pytest.raises((ValueError, NotImplementedError), match=sentence):
        make()
