"""Does output k have the name in line k of a file of labels, or is it said that it cannot?"""
import pathlib

import numpy as np
import pytest
from PIL import Image

from minixnn import Conv2d, Dense, Network, ReLU
from minixnn.card import Card, outputs_of
from minixnn.layers import Flatten, GlobalAvgPool, Softmax


def net(outputs=4, **card):
    """Output 2 is the largest, always."""
    W = np.zeros((12, outputs), "f4")
    W[:, 2 if outputs > 2 else 0] = 1
    return Network([Flatten(), Dense(W)]).with_card(input_shape=(2, 2, 3), pixels=1, **card)


@pytest.fixture
def said(say):
    Image.new("RGB", (2, 2), (200, 100, 50)).save("p.png")

    def of(network, labels):
        network.save("net.npz")
        pathlib.Path("labels.txt").write_bytes(labels.encode())
        return say("explain", "p.png", "--model", "net.npz", "--labels", "labels.txt", "-o", "o", "--no-figures")
    return of


@pytest.mark.parametrize("text", ["ant\nbee\ncat\ndog\n", "ant\nbee\ncat\ndog", "ant\n\ncat\ndog\n",
                                  "\nbee\ncat\ndog\n", "ant\r\n\r\ncat\r\ndog\r\n", "ant\nbee\ncat\n\n",
                                  "\n\ncat\n\n\n\n",
                                  "\ufeffant\nbee\ncat\ndog\n", "ant\nbe\u2028e\ncat\ndog\n"])
def test_an_output_has_the_name_in_its_line(said, text):
    status, words = said(net(), text)
    assert status == 0 and "explained cat (" in words, words


def test_an_output_without_a_name_is_called_by_its_number(said):
    status, words = said(net(), "ant\nbee\n\ndog\n")
    assert status == 0 and "explained 2 (" in words, words


@pytest.mark.parametrize("text, count", [("ant\nbee\ncat\n", 3), ("background\nant\nbee\ncat\ndog\n", 5), ("", 1),
                                         ("ant\n\n\n\nbee\n", 5), ("ant bee cat dog\n", 1)])
def test_labels_that_are_not_as_many_as_outputs_are_refused(said, text, count):
    status, words = said(net(), text)
    assert status == 2 and f"got {count} labels" in words and "has 4 outputs" in words, words


def test_a_single_output_has_two_labels_or_one(said):
    assert said(net(1, head="Sigmoid"), "no\nyes\n")[0] == 0 and said(net(1), "how much\n")[0] == 0
    assert said(net(1), "a\nb\nc\n")[0] == 2


def test_labels_are_counted_from_python_too():
    for layers, outputs in (([Flatten(), Dense(np.eye(12, 4))], 4),
                            ([Conv2d(np.ones((1, 1, 3, 5))), GlobalAvgPool()], 5),
                            ([Flatten(), Dense(np.eye(12, 4)), Softmax()], 4), ([ReLU()], None)):
        assert outputs_of(layers) == outputs
        if outputs:
            with pytest.raises(ValueError, match=f"got 2 labels .* has {outputs} outputs"):
                Network(layers).with_card(labels=["a", "b"])


def test_labels_are_counted_when_it_runs_where_layers_do_not_tell():
    of_maps = Network([Flatten()], card=Card(labels=("a", "b", "c")))
    assert of_maps.forward(np.ones((1, 1, 1, 3))).shape == (1, 3)
    with pytest.raises(ValueError, match="got 3 labels .* has 12 outputs"):
        of_maps.forward(np.ones((1, 2, 2, 3)))
