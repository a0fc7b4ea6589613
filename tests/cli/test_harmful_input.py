"""Is a file, or a name, that means harm answered in a sentence, within a second and a few megabytes?"""
import gzip
import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from minixnn import Conv2d, Dense, Network, datasets
from minixnn.cli.errors import visible
from minixnn.layers import Flatten


@pytest.fixture
def said(say):
    """A function: (status, everything that was said) of a call of the command line, in a folder with a network."""
    net().save("net.npz")
    Image.new("RGB", (2, 2), (200, 100, 50)).save("p.png")
    return say


def net(**card):
    return Network([Flatten(), Dense(np.eye(12, 3, dtype="f4"))]).with_card(input_shape=(2, 2, 3), pixels=1, **card)


@pytest.mark.parametrize("call", [["explain", "p.png", "--model", "net.npz", "-o", ""], ["microscope", "-o", ""],
                                  ["explain", "", "--model", "net.npz", "-o", "o"], ["ledger", ""],
                                  ["explain", "p.png", "--model", "", "-o", "o"]])
def test_an_empty_name_is_not_the_folder_in_which_one_is(said, call, tmp_path):
    before = set(os.listdir(tmp_path))
    status, words = said(*call)
    assert status == 2 and "got an empty name" in words and set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("make", [lambda path: os.symlink("/dev/zero", path), os.mkfifo, os.mkdir,
                                  lambda path: open(path, "wb").truncate(3 * 10 ** 9),
                                  lambda path: open(path, "wb").write(b"\xff\xfe\x00")])
def test_labels_are_read_from_a_file_that_ends(said, make):
    make("labels")
    status, words = said("explain", "p.png", "--model", "net.npz", "--labels", "labels", "-o", "o")
    assert status == 2 and "--labels labels cannot be read" in words, words


def packed(name, of_zeros):
    """A network file whose array `name` is `of_zeros` megabytes of zeros."""
    arrays = dict(np.load("net.npz"))
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for each, array in arrays.items():
            with archive.open(f"{each}.npy", "w", force_zip64=True) as file:
                if each == name:
                    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False,
                                                                "shape": (of_zeros, 2 ** 18)})
                    for _ in range(of_zeros):
                        file.write(bytes(2 ** 20))
                else:
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    file.write(buffer.getvalue())


@pytest.mark.parametrize("name", ["1.W", "architecture"])
def test_a_file_that_would_fill_the_memory_is_refused_unread(said, name):
    packed(name, 300)
    status, words = said("explain", "p.png", "--model", "bomb.npz", "-o", "o")
    assert status == 2 and "when unpacked, which no trained weights are" in words, words


def test_a_packed_data_file_is_unpacked_no_further_than_it_should_be(tmp_path, monkeypatch):
    path = tmp_path / "digits.gz"
    path.write_bytes(gzip.compress(bytes(10 ** 7)))
    with pytest.raises(ValueError, match="is not the published one"):
        datasets._verified(path, "0" * 64, 1000)
    wanted = []
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: wanted.append(size) or b"")
    with pytest.raises(ValueError, match="is not the published one"):
        datasets._verified(path, "0" * 64, 1000)
    assert wanted == [1001]


def test_complex_weights_are_refused_with_both_their_halves(said):
    arrays = dict(np.load("net.npz"))
    np.savez("net.npz", **{**arrays, "1.W": arrays["1.W"] * 1j})
    status, words = said("explain", "p.png", "--model", "net.npz", "-o", "o")
    assert status == 2 and "complex numbers" in words, words
    for make in (lambda W: Dense(W[0, 0]), Conv2d, lambda W: Dense(np.eye(1), W[0, 0, 0])):
        with pytest.raises(ValueError, match="weights of type complex128, expected real numbers"):
            make(np.ones((1, 1, 1, 1)) * 1j)


@pytest.mark.parametrize("name", ["a\x1b[31mb.png", "two\nlines.png", "bell\x07.png", "left\u202eright.png",
                                  "bad\udcff.png"])
def test_a_name_gives_no_orders_to_a_terminal(said, name):
    try:
        Image.new("RGB", (2, 2)).save(name)
    except (OSError, UnicodeError):
        pytest.skip("the disk takes no such name")
    status, words = said("explain", name, "--model", "net.npz", "-o", "o")
    assert status == 0 and visible(name) in words and not set("\x1b\x07\u202e\udcff") & set(words)
    assert words.count("\n") == 1
    os.truncate(name, 5)
    status, words = said("explain", name, "--model", "net.npz", "-o", "o2")
    assert status == 1 and "left out" in words and words.count("\n") == 1 and visible(words[:-1]) == words[:-1]


def test_labels_and_columns_give_no_orders_either(said):
    net(labels=["a\x1b[31m", "b\r\nc", "\x9b2J"]).save("net.npz")
    for target in "012":
        status, words = said("explain", "p.png", "--model", "net.npz", "--target", target, "-o", "o")
        assert status == 0 and visible(words[:-1]) == words[:-1], words
    Network([Dense(np.eye(2))]).save("rows.npz")
    with open("t.csv", "w") as file:
        file.write("a\x1b[2J,b\n1,2\n")
    status, words = said("explain", "t.csv", "--model", "rows.npz", "-o", "o")
    assert status == 0 and "\x1b" not in words and "a\\x1b[2J" in words
