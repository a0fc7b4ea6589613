"""Does the command line explain what it is given, and say what it cannot?"""
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from minixnn import Dense, Network, attribution, datasets, models
from minixnn.cli import main
from minixnn.cli.expected import expected


@pytest.fixture
def digit(tmp_path):
    """A test digit, and the PNG file that holds it."""
    x = np.round(datasets.mnist("test")[0][:1] * 255) / np.float32(255)
    path = tmp_path / "seven.png"
    Image.fromarray(np.uint8(x[0, ..., 0] * 255)).save(path)
    return x.astype(np.float32), path


def test_a_picture_from_a_file_is_explained_as_the_same_array_is(digit, tmp_path, capsys):
    x, path = digit
    call = ["explain", str(path), "--model", "dense", "--method", "lrp_alpha1_beta0", "-o", str(tmp_path / "o"),
            "--details"]
    assert main(call) == 0
    written = np.load(tmp_path / "o" / "seven_relevance.npy")
    expected = attribution.METHODS["lrp_alpha1_beta0"](models.load("dense"), x, None)[0]
    assert np.allclose(written, expected, atol=1e-6)
    assert {"seven_heatmap.png", "seven_overlay.png"} <= set(os.listdir(tmp_path / "o"))
    said = capsys.readouterr().out
    assert "explained 7" in said and "withheld by biases" in said


def test_an_option_reaches_the_method(digit, tmp_path):
    x, path = digit
    call = ["explain", str(path), "--model", "dense", "--method", "integrated_gradients", "-o", str(tmp_path / "o")]
    assert main([*call, "--set", "steps=3"]) == 0
    few = attribution.integrated_gradients(models.load("dense"), x, steps=3)[0]
    assert np.allclose(np.load(tmp_path / "o" / "seven_relevance.npy"), few, atol=1e-6)
    assert abs(few - attribution.integrated_gradients(models.load("dense"), x, steps=50)[0]).max() > 1e-3


def test_pictures_of_one_name_do_not_overwrite_each_other(digit, tmp_path, capsys):
    Image.open(digit[1]).save(tmp_path / "seven.jpg")
    call = ["explain", str(tmp_path), "--model", "dense", "-o", str(tmp_path / "o"), "--no-figures"]
    assert main(call) == 0
    assert {"seven.png_relevance.npy", "seven.jpg_relevance.npy"} < set(os.listdir(tmp_path / "o"))
    (tmp_path / "other").mkdir()
    Image.open(digit[1]).save(tmp_path / "other" / "seven.png")
    assert main([call[0], str(tmp_path / "other"), *call[1:]]) == 2
    assert "several called seven.png would overwrite each other" in capsys.readouterr().err


def test_the_lists_name_every_method_and_model(capsys):
    assert main(["methods"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in attribution.METHODS)
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in models.names()) and "98.94%" in said


def test_the_ledger_is_printed(digit, capsys):
    assert main(["ledger", str(digit[1]), "--model", "dense", "--rule", "epsilon", "--set", "epsilon=0.5"]) == 0
    said = capsys.readouterr().out
    assert "epsilon (epsilon=0.5)" in said and "bias" in said


def test_the_size_of_pictures_is_read_from_the_card_unless_it_is_given():
    net = models.load("cnn")
    assert expected(net) == ((28, 28, 1), None, None, None)
    assert expected(net, (30, 20)) == ((30, 20, 1), None, None, None)
    assert expected(Network(net.layers)) == ((None, None, 1), None, None, None), "nobody guesses a size"
    assert expected(Network(models.load("dense").layers)) == ((None, None, None), None, None, None)
    assert expected(Network([Dense(np.ones((7, 2)))])) == ((None, None, None), 7, None, None)


ROWS = Network([Dense(np.ones((7, 2), np.float32))])


@pytest.mark.parametrize("array, more, sentence", [
    (np.zeros((3, 4), np.float32), [], "the network takes rows of 7"),
    (np.full((2, 7), np.nan, "f4"), [], "numbers in row 0"),
    (np.zeros((2, 7), bool), [], "type bool, expected rows of 7"),
    (bytes(range(256)), [], "is no table of text"),
    (np.zeros((2, 2, 2, 2, 2), np.float32), ["--model", "dense"], "expected a picture"),
    (np.zeros((28, 28, 5), np.uint8), ["--model", "dense"], "has 5 channels, the network takes 1"),
    (np.full((28, 28), -7.0), ["--model", "dense", "--invert"], "from -7 to -7, which cannot be inverted"),
])
def test_what_is_no_table_or_picture_is_refused(say, array, more, sentence):
    ROWS.save("net.npz")
    name = "x.csv" if isinstance(array, bytes) else "x.npy"
    pathlib.Path(name).write_bytes(array) if isinstance(array, bytes) else np.save(name, array)
    status, said = say("explain", name, *(more or ["--model", "net.npz"]), "-o", "out")
    assert status == 1 and sentence in said
