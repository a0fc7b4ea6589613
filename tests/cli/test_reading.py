"""Does the command line take every input one way, say what it does to it, and survive whatever lies in a folder?"""
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from minixnn import Network, attribution, models, passes
from minixnn.cli import main
from minixnn.cli.methods import METHODS, RULES, chosen, described, options
from minixnn.layers import Conv2d, Dense, Flatten, GlobalAvgPool, ReLU, Sigmoid
from minixnn.rules import composites, lrp

RNG = np.random.default_rng(0)
ROOT = pathlib.Path(__file__).parents[2]
GREY = RNG.integers(0, 256, (8, 8), np.uint8)
COLOUR = RNG.integers(0, 256, (8, 8, 3), np.uint8)


def photo_net(**card):
    """For colour pictures of any size, if the card does not say which, and with pixels from 0 to 1."""
    rng, card = np.random.default_rng(1), {"pixels": 1, **card}
    return Network([Conv2d.random(3, 3, 4, rng), ReLU(), GlobalAvgPool(), Dense.random(4, 3, rng)]).with_card(**card)


def grey_net(**card):
    """For grey pictures of 8 x 8."""
    rng = np.random.default_rng(2)
    return Network([Conv2d.random(3, 1, 4, rng), ReLU(), Flatten(), Dense.random(256, 3, rng)]).with_card(**card)


def row_net(outputs=3, **card):
    rng = np.random.default_rng(3)
    return Network([Dense.random(4, 6, rng), ReLU(), Dense.random(6, outputs, rng)]).with_card(**card)


def map_net():
    return Network([Conv2d.random(3, 1, 2, np.random.default_rng(4)), ReLU()])


@pytest.fixture
def there(tmp_path, monkeypatch):
    """An empty folder to work in, with networks in it."""
    monkeypatch.chdir(tmp_path)
    for name, net in (("photo", photo_net()), ("grey", grey_net()), ("rows", row_net()), ("maps", map_net())):
        net.save(f"{name}.npz")
    return tmp_path


def say(*words):
    """(status, what was printed, what was complained about) of a call of the command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def explained(*words):
    """What is printed by a call that succeeds."""
    status, out, err = say("explain", *words, "-o", "out")
    assert status == 0 and err == "", (status, out, err)
    return out


def relevance(name):
    return np.load(f"out/{name}_relevance.npy")


# --- one way for all inputs ------------------------------------------------------------------------------------------

def test_a_picture_an_array_and_an_array_of_arrays_give_one_heatmap(there):
    Image.fromarray(COLOUR).save("a.png")
    np.save("b.npy", COLOUR)
    np.save("c.npy", COLOUR[None])
    np.save("d.npy", (COLOUR / np.float32(255))[None])
    np.save("e.npy", np.uint16(COLOUR)[None] * 257)
    said = explained("a.png", "b.npy", "c.npy", "d.npy", "e.npy", "--model", "photo.npz")
    expected = attribution.METHODS["lrp_epsilon_plus"](photo_net(), (COLOUR / np.float32(255))[None], None)[0]
    for name in "abcde":
        found = relevance(name).reshape(8, 8, 3)
        assert abs(found - expected).max() < 1e-5 * abs(expected).max(), name
    assert "1 images explained" in said and "16 bits, divided by 65535" in said


@pytest.mark.parametrize("more", [["--invert"], ["--size", "6x5"], ["--invert", "--size", "16x12"]])
def test_invert_and_size_reach_arrays_as_they_reach_pictures(there, more):
    Image.fromarray(GREY).convert("RGB").save("a.png")
    np.save("b.npy", GREY)
    np.save("c.npy", GREY[None, ..., None])
    explained("a.png", "b.npy", "c.npy", "--model", "photo.npz", *more)
    if "--size" in more:
        assert relevance("a").shape[:2] == tuple(map(int, more[-1].split("x")))
    expected = relevance("a")
    for name in "bc":
        assert abs(relevance(name).reshape(expected.shape) - expected).max() < 1e-4 * abs(expected).max()


@pytest.mark.parametrize("array, words", [
    (np.int64(GREY), "numbers of type int64"), (GREY.astype(complex), "numbers of type complex128"),
    (np.array(["a"]).repeat(64).reshape(8, 8), "numbers of type <U1"),
    (np.full((8, 8), np.nan), "NaN or infinite numbers"), (np.full((8, 8), 1e300), "too large for single precision"),
])
def test_numbers_of_unknown_meaning_are_refused_alone_and_in_a_batch(there, array, words):
    np.save("one.npy", array)
    np.save("many.npy", array[None, ..., None])
    status, out, err = say("explain", "one.npy", "many.npy", "--model", "grey.npz", "-o", "out")
    assert status == 1 and out == ""
    lines = err.splitlines()
    assert len(lines) == 2 and all(words in line and "left out" in line for line in lines), err


def test_true_and_false_are_white_and_black_alone_and_in_a_batch(there):
    np.save("one.npy", GREY > 99)
    np.save("many.npy", (GREY > 99)[None, ..., None])
    assert explained("one.npy", "many.npy", "--model", "grey.npz").count("true is white") == 2
    assert np.array_equal(relevance("one"), relevance("many")[0])


def test_sixteen_bits_are_divided_by_what_sixteen_bits_hold(there):
    dark = np.uint16(GREY) * 20
    Image.fromarray(dark).save("a.png")
    assert "16 bits, divided by 65535" in explained("a.png", "--model", "grey.npz")
    expected = attribution.METHODS["lrp_epsilon_plus"](grey_net(), (dark / np.float32(65535))[None, ..., None])[0]
    assert abs(relevance("a") - expected).max() < 1e-5 * abs(expected).max()


@pytest.mark.parametrize("array, words", [
    (GREY.astype(np.int32) - 100, "signed or 32-bit whole numbers"),
    (np.where(GREY > 99, np.nan, GREY / 255).astype("f4"), "floating-point numbers from nan to nan"),
    (GREY.astype("f4"), "floating-point numbers from [0-9.]* to 2[0-9]*, expected 0"),
])
def test_a_tiff_of_unknown_white_is_refused(there, array, words):
    Image.fromarray(array).save("a.tiff")
    status, _, err = say("explain", "a.tiff", "--model", "grey.npz", "-o", "out")
    assert status == 1 and re.search(f"a.tiff left out: holds {words}", err), err


def test_an_animation_is_told_apart_from_a_picture(there):
    frames = [Image.fromarray(np.roll(GREY, n, 1)) for n in range(3)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:])
    assert "(the first of 3 frames" in explained("a.gif", "--model", "grey.npz")


def test_a_network_is_given_the_size_it_expects(there):
    """A seven of 280 x 280 pixels, and the network of 40 x 40 that would read it as a nought."""
    seven = np.zeros((280, 280), np.uint8)
    seven[70:90, 80:200] = 255
    for n in range(130):
        seven[88 + n, 190 - n // 2:205 - n // 2] = 255
    Image.fromarray(seven).save("seven.png")
    said = explained("seven.png", "--model", "cluttered_gap")
    assert "largest output 7" in said and "resized from 280 x 280 to 40 x 40" in said
    assert models.load("cluttered_gap").forward((seven / np.float32(255))[None, ..., None]).argmax() != 7


def test_the_card_wins_over_the_picture_and_an_option_over_the_card(there):
    photo_net(input_shape=(6, 7, 3)).save("net.npz")
    Image.fromarray(COLOUR).save("a.png")
    assert "resized from 8 x 8 to 6 x 7" in explained("a.png", "--model", "net.npz")
    assert "resized from 8 x 8 to 9 x 9" in explained("a.png", "--model", "net.npz", "--size", "9x9")


def test_where_no_size_is_known_the_sentence_names_the_option(there):
    Image.fromarray(RNG.integers(0, 256, (9, 9), np.uint8)).save("a.png")
    status, _, err = say("explain", "a.png", "--model", "grey.npz", "-o", "out")
    assert status == 1 and "a.png left out: Dense(256 -> 3)" in err and "give --size HEIGHTxWIDTH, the size of" in err
    explained("a.png", "--model", "grey.npz", "--size", "8x8")


def test_flattened_images_are_not_taken_for_one_picture(there):
    grey_net(input_shape=(8, 8, 1)).save("net.npz")
    np.save("a.npy", RNG.random((5, 64)))
    status, _, err = say("explain", "a.npy", "--model", "net.npz", "-o", "out")
    assert status == 1 and "looks like flattened images, expected (images, 8, 8, 1); write array.reshape(-1, 8" in err
    np.save("b.npy", RNG.random((3, 8, 8)))
    photo_net(input_shape=(8, 8, 3)).save("net.npz")
    status, _, err = say("explain", "b.npy", "--model", "net.npz", "-o", "out")
    assert status == 1 and "if channels come first, write array.transpose(1, 2, 0)" in err


def test_mean_and_std_prepare_pixels_as_the_training_did(there):
    Image.fromarray(COLOUR).save("a.png")
    mean, std = np.array([0.485, 0.456, 0.406], "f4"), np.array([0.229, 0.224, 0.225], "f4")
    said = explained("a.png", "--model", "photo.npz", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
    y = photo_net().forward(((COLOUR / np.float32(255) - mean) / std)[None])[0]
    assert f"largest output {y.argmax()} ({y.max():.3f})" in said
    status, _, err = say("explain", "a.png", "--model", "photo.npz", "--mean", "0.5,0.5", "-o", "out")
    assert status == 2 and "got 2 numbers for --mean or --std, expected one, or one for each of the 3 channels" in err


# --- rows of numbers -------------------------------------------------------------------------------------------------

def test_rows_come_from_tables_and_arrays_and_go_to_tables_and_arrays(there):
    rows = RNG.normal(size=(5, 4)).round(3)
    pathlib.Path("a.csv").write_text("\n".join(["age,height,weight,pulse", *(",".join(map(str, row)) for row in rows)]))
    pathlib.Path("b.csv").write_text("\n".join(";".join(map(str, row)) for row in rows))
    np.save("c.npy", rows)
    np.save("d.npy", rows[0])
    said = explained("a.csv", "b.csv", "c.npy", "d.npy", "--model", "rows.npz", "--method", "lrp_epsilon")
    expected = attribution.lrp(row_net(), rows.astype("f4"))
    for name, count in (("a", 5), ("b", 5), ("c", 5), ("d", 1)):
        assert np.allclose(relevance(name), expected[:count], rtol=1e-5, atol=1e-6)
    head, *lines = pathlib.Path("out/a_relevance.csv").read_text().splitlines()
    assert head == '"age","height","weight","pulse"' and len(lines) == 5
    assert np.allclose(np.float64([line.split(",") for line in lines]), expected, rtol=1e-5, atol=1e-6)
    assert "a.csv, row 4: largest output" in said and re.search("most of it: (age|height|weight|pulse) [+-]", said)


@pytest.mark.parametrize("text, words", [
    ("", "is empty"), ("a,b,c,d\n", "a line of names and no numbers"), ("1,2,3\n", "has 3 columns, .* takes 4"),
    ("a,b,c\n1,2,3\n", r"has 3 columns \(a, b, c\), the network takes 4"), ("1,2,3,4\n1,2,3\n", "3 columns in row 1"),
    ("a,b,c,d\n1,2,3,x\n", "has 'x' in row 0, column 'd', expected a finite number"),
    ("1,2,3,4\n1,2,nan,4\n", "has 'nan' in row 1, column 2"), ("1,2,3,1e99\n", "a line of names and no numbers"),
    ("a,b,c,d\n1,2,,4\n", "has '' in row 0, column 'c'"), ("a,b,c\n1,2,3,4\n", "has 3 names .* and 4 columns"),
    ("\x00\x01\x02", "a line of names|is no table"),
])
def test_a_table_that_does_not_fit_is_named_with_row_and_column(there, text, words):
    pathlib.Path("a.csv").write_text(text)
    status, _, err = say("explain", "a.csv", "--model", "rows.npz", "-o", "out")
    assert status == 1 and re.search(f"a.csv left out: .*({words})", err), err


def test_pixels_can_be_the_row_of_a_dense_network(there):
    Network([Dense.random(64, 3, np.random.default_rng(0))]).save("net.npz")
    Image.fromarray(GREY).save("a.png")
    explained("a.png", "--model", "net.npz")
    assert relevance("a").shape == (8, 8, 1) and os.path.exists("out/a_overlay.png")
    Image.fromarray(COLOUR[:4]).save("b.png")
    status, _, err = say("explain", "b.png", "--model", "net.npz", "-o", "out")
    assert status == 1 and "has 4 x 8 x 3 numbers, the network takes rows of 64; give" in err


# --- targets ---------------------------------------------------------------------------------------------------------

def test_targets_have_names_and_can_be_set_against_each_other(there):
    net = photo_net(labels=["cat", "dog", "bird"], head="Softmax")
    net.save("net.npz")
    Image.fromarray(COLOUR).save("a.png")
    x = (COLOUR / np.float32(255))[None]
    said = explained("a.png", "--model", "net.npz", "--target", "Dog", "--method", "lrp_epsilon", "--details")
    best = int(net.forward(x).argmax())
    assert f"{net.card.labels[best]}, {100 * net.probabilities(x).max():.0f} %" in said and "explained dog (" in said
    assert np.allclose(relevance("a"), attribution.lrp(net, x, 1)[0], atol=1e-6)
    said = explained("a.png", "--model", "net.npz", "--target", "dog", "--versus", "cat", "--method", "lrp_epsilon")
    start = attribution.contrast(net, x, 1, 0)
    assert "explained dog rather than cat" in said
    assert np.allclose(relevance("a"), attribution.lrp(net, x, start=start)[0], atol=1e-6)
    explained("a.png", "--model", "net.npz", "--target", "dog", "--versus", "0", "--method", "gradient")
    start = attribution.contrast(net, x, 1, 0, relevance=False)
    assert np.allclose(relevance("a"), attribution.gradient(net, x, start=start)[0], atol=1e-6)


def test_a_single_logit_stands_for_two_classes_behind_a_sigmoid(there):
    net = row_net(1, head="Sigmoid", labels=["no", "yes"])
    net.save("net.npz")
    rows = RNG.normal(size=(6, 4)).astype("f4")
    np.save("a.npy", rows)
    said = explained("a.npy", "--model", "net.npz", "--target", "yes", "--method", "lrp_epsilon")
    assert said.count("explained yes") == 6 and "no 9" in said or "yes 9" in said or "%" in said
    assert np.allclose(relevance("a"), attribution.lrp(net, rows), atol=1e-6)
    explained("a.npy", "--model", "net.npz", "--target", "no", "--method", "lrp_epsilon")
    assert np.allclose(relevance("a"), -attribution.lrp(net, rows), atol=1e-6)
    explained("a.npy", "--model", "net.npz", "--target", "0", "--method", "gradient")
    assert np.allclose(relevance("a"), -attribution.gradient(net, rows), atol=1e-6)


def test_a_channel_of_maps_is_explained_wherever_it_is_active(there):
    Image.fromarray(GREY).save("a.png")
    np.save("b.npy", GREY[None, ..., None])
    said = explained("a.png", "b.npy", "--model", "maps.npz", "--target", "1", "--method", "lrp_epsilon")
    x = (GREY / np.float32(255))[None, ..., None]
    expected = attribution.lrp(map_net(), x, start=attribution.channel(map_net(), x, 1))[0]
    assert "explained 1" in said
    assert np.allclose(relevance("a"), expected, atol=1e-5) and np.allclose(relevance("b")[0], expected, atol=1e-5)


@pytest.mark.parametrize("words, what", [
    ("a.png --model grey.npz --target 3", "got --target 3, expected a class from 0 to 2"),
    ("a.png --model grey.npz --target -1", "got --target -1, expected a class from 0 to 2"),
    ("a.png --model maps.npz --target 512", "got --target 512, expected a class from 0 to 1"),
    ("a.png --model grey.npz --target cat", "got the label 'cat', but the network has no labels"),
    ("a.png --model grey.npz --target 1 --versus 1", "expected an output other than the target; the network has 3"),
    ("a.png --model grey.npz --set target=3", "has no option 'target'; it has epsilon"),
    ("a.png --model grey.npz --set epsilon=", "expected a number for epsilon"),
    ("a.png --model grey.npz --set epsilon=nan", "expected a number for epsilon"),
    ("a.png --model grey.npz --set epsilon=-1", "got epsilon=-1"),
    ("a.png --model grey.npz --method gradient --set epsilon=1", "has no option 'epsilon'; it has none"),
    ("a.png --model grey.npz --method integrated_gradients --set steps=2.5", "expected a whole number for steps"),
    ("a.png --model grey.npz --method integrated_gradients --set steps=0", "steps=0"),
    ("a.png --model grey.npz --method occlusion --set size=9", "size=(9, 9)"),
    ("a.png --model grey.npz --method deep_taylor --set low=none", "expected both bounds of a pixel or neither"),
    ("a.png --model grey.npz --method cam", "cam cannot explain this network: "),
    ("a.png --model grey.npz --size 99999x99999", "expected at most 16777216 pixels, 4096x4096"),
    ("a.png --model grey.npz --size 0x8", "expected height and width such as 224x224"),
    ("a.png --model grey.npz --batch-size 0", "argument --batch-size: got 0, expected a positive whole number"),
    ("a.png --model grey.npz --mean a", "--mean: got a, expected a finite number, or one per channel"),
    ("a.png --model grey.npz --std 0", "--std: got 0, expected numbers above 0"),
    ("a.png --model nowhere.npz", "nowhere.npz"),
    ("a.png --model bad.npz", "bad.npz is not a network saved by minixnn"),
    ("a.png --model bad.onnx", "bad.onnx"), ("a.png --model net.pt", "interop.from_torch reads a torch module"),
    ("a.png --model grey.npz --labels nowhere.txt", "--labels nowhere.txt cannot be read: No such file"),
    ("a.png", "got no --model, and a.png is no colour picture; give --model"),
    ("a.png --model grey.npz --warp", "got --warp, which is not known here"),
    ("empty --model grey.npz", "the folder empty has no pictures in it"),
])
def test_a_wrong_call_is_answered_in_a_sentence_with_status_2(there, words, what):
    if "bad.onnx" in words:
        pytest.importorskip("onnx", reason="onnx is not installed")
    Image.fromarray(GREY).save("a.png")
    os.mkdir("empty")
    for name in ("bad.npz", "bad.onnx", "net.pt"):
        pathlib.Path(name).write_text("not a network")
    status, out, err = say("explain", *words.split(), "-o", "out")
    assert status == 2 and out == "" and what in err and len(err.splitlines()) == 1, (status, err)


# --- options ---------------------------------------------------------------------------------------------------------

def test_every_method_says_what_it_is_and_takes_the_options_it_lists():
    texts = [described(name) for name in METHODS]
    assert len(set(texts)) == len(texts), "no two methods say the same"
    for known in (METHODS, RULES):
        for name, function in known.items():
            for key, default in options(function).items():
                value = 1 if default is None else default
                chosen(known, name, "method", [f"{key}={value}"])


@pytest.mark.parametrize("name", [name for name in METHODS if "lrp" in name and "epsilon" in options(METHODS[name])])
def test_epsilon_reaches_the_dense_layers_of_every_composite(name):
    net, x = grey_net(), (GREY / np.float32(255))[None, ..., None]
    usual, other = (chosen(METHODS, name, "method", [f"epsilon={e}"])(net, x) for e in (1e-6, 10.0))
    assert abs(usual - other).max() > 1e-3 * abs(usual).max()
    assert np.array_equal(usual, METHODS[name](net, x)) or name == "lrp_0"


def test_bounds_reach_the_box_rule():
    net, x = grey_net(), (GREY / np.float32(255))[None, ..., None]
    found = chosen(METHODS, "lrp_epsilon_gamma_box", "method", ["low=-1", "high=2"])(net, x)
    expected = passes.lrp(net, x, rules=composites.epsilon_gamma_box(net, low=-1, high=2))[0]
    assert np.array_equal(found, expected) and abs(found - METHODS["lrp_epsilon_gamma_box"](net, x)).max() > 1e-3


def test_a_stabiliser_reaches_pools_too():
    layers = [Conv2d(np.ones((1, 1, 1, 1))), GlobalAvgPool(), Dense(np.ones((1, 1)))]
    rules = composites.epsilon_plus(Network(layers), epsilon=0.5)
    assert [getattr(rule, "keywords", {}).get("epsilon") for rule in rules] == [None, 0.5, 0.5]
    assert composites.epsilon_plus(Network([Dense(np.ones((1, 1)))])) == [lrp.epsilon]


def test_the_ledger_takes_tables_names_and_comparisons(there):
    row_net(labels=["a", "b", "c"]).save("net.npz")
    np.save("x.npy", RNG.normal(size=(4, 4)))
    status, out, err = say("ledger", "x.npy", "--model", "net.npz", "--target", "b", "--versus", "c")
    assert status == 0 and "Dense(4 -> 6)" in out, err
    y = row_net().forward(np.load("x.npy").astype("f4"))
    assert f"{(y[:, 1] - y[:, 2]).sum():.3f}"[:5] in out
    assert say("ledger", "nowhere.png", "--model", "grey.npz")[0] == 2


# --- one bad file ends nothing ---------------------------------------------------------------------------------------

def bad_files():
    """{name: bytes}: what may lie in a folder of pictures."""
    def npy(array):
        out = io.BytesIO()
        np.save(out, array)
        return out.getvalue()

    png = io.BytesIO()
    Image.fromarray(COLOUR).save(png, "PNG")
    archive = io.BytesIO()
    np.savez(archive, a=np.ones(3))
    return {"zero.npy": b"", "half.npy": npy(COLOUR)[:100], "nan.npy": npy(np.full((8, 8, 3), np.nan)),
            "huge.npy": npy(COLOUR)[:80].replace(b"(8, 8, 3)", b"(99999999, 9999, 3)"), "objects.npy": b"\x93NUMPY" * 9,
            "archive.npy": archive.getvalue(), "scalar.npy": npy(np.float32(1)), "none.npy": npy(np.ones((0, 8, 8, 3))),
            "five.npy": npy(np.ones((1, 1, 8, 8, 3))), "empty.png": b"", "cut.png": png.getvalue()[:90],
            "flipped.png": png.getvalue()[:60] + b"\xff\xff\xff" + png.getvalue()[63:], "text.jpg": b"no picture",
            "batch.npy": npy(np.where(np.arange(3)[:, None, None, None] == 1, np.inf, np.ones((3, 8, 8, 3))))}


def test_a_folder_survives_every_file_in_it(there):
    os.mkdir("in")
    for name, data in bad_files().items():
        pathlib.Path("in", name).write_bytes(data)
    Image.fromarray(COLOUR).save("in/a_good.png")
    Image.fromarray(COLOUR[:1, :1]).save("in/tiny.png")
    Image.fromarray(COLOUR).save("in/z_good.png")
    rng = np.random.default_rng(0)
    Network([Conv2d.random(5, 3, 4, rng, padding="valid"), GlobalAvgPool()]).with_card(pixels=1).save("net.npz")
    status, out, err = say("explain", "in", "--model", "net.npz", "-o", "out")
    assert status == 1
    for name in [*bad_files(), "tiny.png"]:
        assert f"in/{name} left out: " in err.replace(os.sep, "/"), name
    assert len(err.splitlines()) == len(bad_files()) + 1, err
    assert "image 1 holds NaN or infinite numbers" in err and "a_good.png: largest" in out and "z_good.png" in out


def test_memory_that_does_not_suffice_for_one_picture_leaves_the_others(there, monkeypatch):
    for n, side in enumerate((8, 8, 50, 8)):
        Image.fromarray(RNG.integers(0, 256, (side, side, 3), np.uint8)).save(f"p{n}.png")
    forward = Conv2d.forward

    def limited(self, x):
        if x.size > 50 * 50 * 2:
            raise MemoryError(f"Unable to allocate {x.nbytes} bytes")
        return forward(self, x)
    monkeypatch.setattr(Conv2d, "forward", limited)
    status, out, err = say("explain", "p0.png", "p1.png", "p2.png", "p3.png", "--model", "photo.npz", "-o", "out")
    assert status == 1 and out.count("largest output") == 3
    assert "p2.png left out: memory is not sufficient (Unable to allocate" in err and len(err.splitlines()) == 1


def test_pictures_that_fail_together_are_explained_one_by_one(there, monkeypatch):
    for n in range(4):
        Image.fromarray(np.full((8, 8, 3), 60 * n, np.uint8)).save(f"p{n}.png")

    def moody(self, x):
        if (abs(x - 120 / 255) < 1e-6).all(axis=(1, 2, 3)).any():
            raise ValueError("does not like it")
        return forward(self, x)
    forward = Conv2d.forward
    monkeypatch.setattr(Conv2d, "forward", moody)
    status, out, err = say("explain", *(f"p{n}.png" for n in range(4)), "--model", "photo.npz", "-o", "out")
    assert status == 1 and out.count("largest output") == 3
    assert err == "minixnn: p2.png left out: does not like it\n"


def test_what_no_picture_can_repair_is_said_once(there):
    for n in range(3):
        Image.fromarray(COLOUR).save(f"p{n}.png")
    net = Network([Conv2d.random(3, 3, 4, RNG), Sigmoid(), Flatten(), Dense.random(256, 2, RNG)])
    net.with_card(pixels=1).save("net.npz")
    names = "p0.png", "p1.png", "p2.png"
    status, out, err = say("explain", *names, "--model", "net.npz", "--method", "cam", "-o", "out")
    assert status == 2 and out == "" and err.startswith("minixnn: cam cannot explain this network: ")
    assert len(err.splitlines()) == 1


# --- resuming --------------------------------------------------------------------------------------------------------

def test_resume_goes_on_only_with_results_of_the_same_call(there):
    for n in range(3):
        Image.fromarray(np.roll(GREY, n, 0)).save(f"p{n}.png")
    call = ["explain", "p0.png", "p1.png", "--model", "grey.npz", "-o", "out"]
    assert say(*call)[0] == 0
    before = os.stat("out/p0_relevance.npy").st_mtime_ns
    status, out, _ = say(*call[:3], "p2.png", *call[3:], "--resume")
    assert status == 0 and "2 have results already" in out and "p2.png: largest" in out
    assert os.stat("out/p0_relevance.npy").st_mtime_ns == before
    grey_net(head="Softmax").save("same.npz")
    assert say(*call[:3], "--model", "same.npz", "-o", "out", "--resume")[0] == 0, "the same weights in another file"
    Network(grey_net().layers).astype("f8").save("other.npz")
    for more, what in ((["--method", "gradient"], "method was lrp_epsilon_plus, is gradient"),
                       (["--size", "8x8"], "size"), (["--invert"], "invert was False, is True"),
                       (["--target", "1"], "target"), (["--set", "epsilon=1"], "method was lrp_epsilon_plus"),
                       (["--versus", "1"], "versus"), (["--model", "other.npz"], "network")):
        status, out, err = say(*call, "--resume", *more)
        assert status == 2 and out == "" and f"p0_relevance.npy was made otherwise: {what}" in err, (more, err)
    Image.fromarray(GREY.T).save("p1.png")
    assert "p1.png has changed" in say(*call, "--resume")[2]


def test_resume_wants_the_figures_asked_for_and_refuses_without_a_record(there):
    Image.fromarray(GREY).save("a.png")
    call = ["explain", "a.png", "--model", "grey.npz", "-o", "out"]
    assert say(*call, "--no-figures")[0] == 0
    assert sorted(os.listdir("out")) == ["a_relevance.json", "a_relevance.npy"]
    assert say(*call, "--resume")[1].count("a.png: largest") == 1 and os.path.exists("out/a_overlay.png")
    pathlib.Path("out/a_relevance.json").write_text("{")
    assert "record out/a_relevance.json is damaged" in say(*call, "--resume")[2].replace(os.sep, "/")
    os.remove("out/a_relevance.json")
    assert "it has no record of what made it" in say(*call, "--resume")[2]


def test_a_finished_array_of_images_is_not_explained_again(there):
    np.save("many.npy", RNG.random((5, 8, 8, 1)))
    call = ["explain", "many.npy", "--model", "grey.npz", "-o", "out", "--resume"]
    assert "5 images explained" in say(*call)[1]
    assert say(*call)[1] == "1 have results already\n"
    assert "method was lrp_epsilon_plus, is saliency" in say(*call, "--method", "saliency")[2]


# --- the world outside -----------------------------------------------------------------------------------------------

def test_folders_that_cannot_be_written_are_named(there):
    Image.fromarray(GREY).save("a.png")
    pathlib.Path("taken").write_text("a file")
    for out in ("taken", "taken/inside"):
        status, _, err = say("explain", "a.png", "--model", "grey.npz", "-o", out)
        assert status == 2 and "taken" in err and len(err.splitlines()) == 1, err


def run(*words, **more):
    """The command line as a process of its own."""
    return subprocess.run([sys.executable, "-m", "minixnn", *map(str, words)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, **more)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="limits of file sizes are those of Linux")
def test_a_disk_without_room_is_said_before_an_array_is_explained(there):
    np.save("many.npy", np.zeros((50, 8, 8, 1), np.uint8))

    def small_files():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
    done = run("explain", "many.npy", "--model", "grey.npz", "-o", "out", preexec_fn=small_files)
    assert done.returncode == 2 and "File too large, 0.0 MiB are needed" in done.stderr, done
    assert len(done.stderr.splitlines()) == 1 and os.listdir("out") == [], "no part that would be gone on with"


@pytest.mark.skipif(sys.platform != "linux" or not os.path.exists("/dev/full"), reason="/dev/full is of Linux")
def test_an_output_that_is_full_or_closed_ends_in_a_sentence(there):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "minixnn", "methods"], stdout=full, stderr=subprocess.PIPE,
                              text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2 and done.stderr == "minixnn: No space left on device\n", done


def test_a_reader_that_goes_away_is_no_error_to_trace(there):
    for n in range(40):
        Image.fromarray(np.roll(GREY, n)).save(f"p{n:02}.png")
    done = subprocess.run(f"{sys.executable} -m minixnn explain *.png --model grey.npz -o out --no-figures | head -1;"
                          " echo ${PIPESTATUS[0]}", shell=True, capture_output=True, text=True,
                          executable="/bin/bash", env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"})
    assert "Traceback" not in done.stderr and "p00.png: largest output" in done.stdout, done
    assert done.stdout.splitlines()[-1] in ("141", "0"), done


def test_an_interrupted_run_keeps_its_results_and_says_how_to_go_on(there, monkeypatch):
    for n in range(40):
        Image.fromarray(np.roll(GREY, n)).save(f"p{n:02}.png")
    from minixnn.cli import explain as module
    save, saved = module.Run.save, []

    def interrupted(self, path, R, said):
        if len(saved) == 3:
            raise KeyboardInterrupt
        saved.append(path)
        save(self, path, R, said)
    names = sorted(str(path) for path in pathlib.Path().glob("*.png"))
    call = ["explain", *names, "--model", "grey.npz", "-o", "out", "--no-figures"]
    monkeypatch.setattr(module.Run, "save", interrupted)
    status, _, err = say(*call)
    assert status == 130 and err == "minixnn: stopped; 3 of 40 are done, in out; the same call with --resume goes on\n"
    monkeypatch.setattr(module.Run, "save", save)
    status, out, _ = say(*call, "--resume")
    assert status == 0 and "3 have results already" in out and len(out.splitlines()) == 38


def test_pictures_are_drawn_in_well_under_a_tenth_of_a_second(there):
    Image.fromarray(GREY).save("a.png")
    explained("a.png", "--model", "grey.npz")
    from minixnn.cli import drawing
    start = time.process_time()
    for _ in range(10):
        image = drawing.overlays(GREY[..., None] / 255, [("title", relevance("a"))], ["caption"])
        image.save("b.png", compress_level=3)
    assert (time.process_time() - start) / 10 < 0.1


@pytest.mark.parametrize("missing, said", [("PIL=None, matplotlib=None", "install pillow"), ("matplotlib=None", "")])
def test_numbers_are_written_without_pillow_figures_without_matplotlib(there, missing, said):
    np.save("one.npy", GREY)
    code = (f"import sys; sys.modules.update({missing}); from minixnn.cli import main; "
            "sys.exit(main(['explain', 'one.npy', '--model', 'grey.npz', '-o', 'out']))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and (said in done.stderr if said else done.stderr == ""), done
    assert os.path.exists("out/one_relevance.npy") and os.path.exists("out/one_overlay.png") == (not said)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and re.fullmatch(r"minixnn \d+\.\d+\.\d+\n", capsys.readouterr().out)
