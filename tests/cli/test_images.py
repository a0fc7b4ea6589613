"""Does a picture enter a network as it was trained: divided once, cut or squashed as its card says, in all channels?"""
import warnings

import numpy as np
import pytest
from PIL import Image

from minixnn import Conv2d, Dense, Network, Prepare, ReLU, attribution
from minixnn.card import Card, largest_pixel
from minixnn.cli import images
from minixnn.cli.images import read
from minixnn.layers import Add, BatchNorm2d, ChannelScale, Embedding, Flatten, GlobalAvgPool, Input

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (8, 8, 3), np.uint8)
UNIT = BYTES / np.float32(255)
MEAN, STD = np.array([0.485, 0.456, 0.406], "f4"), np.array([0.229, 0.224, 0.225], "f4")


def plain(channels=3):
    rng = np.random.default_rng(1)
    return [Conv2d(rng.normal(size=(3, 3, channels, 6)).astype("f4"), padding="same"), ReLU(), GlobalAvgPool(),
            Dense(rng.normal(size=(6, 3)).astype("f4"))]


@pytest.fixture
def outputs(say):
    """A function: (largest output, everything that was said) of a call of `minixnn explain`."""
    Image.fromarray(BYTES).save("p.png")

    def of(net, *call, status=0):
        net.save("net.npz")
        came, said = say("explain", *call, "--model", "net.npz", "-o", "o", "--no-figures")
        assert came == status
        number = said.partition("largest output ")[2].partition(")")[0].partition("(")[2]
        return float(number) if number else None, said
    return of


FIRST = {"divides": (Prepare(np.float32(0), np.float32(255)), 0, 255), "to -1": (Prepare(127.5, 127.5), 127.5, 127.5),
         "a mean": (Prepare(np.float32([123, 116, 103]), np.float32(1)), np.float32([123, 116, 103]), 1),
         "all of it": (Prepare(255 * MEAN, 255 * STD), 255 * MEAN, 255 * STD),
         "a scale": (ChannelScale(np.full(3, 1 / 255, "f4")), 0, 255),
         "statistics": (BatchNorm2d(*(np.full(3, n, "f4") for n in (1, 0, 120, 60 ** 2)), epsilon=0), 120, 60)}


@pytest.mark.parametrize("name", FIRST)
def test_a_network_that_divides_is_not_given_what_is_divided_already(outputs, name):
    first, mean, std = FIRST[name]
    right = Network(plain()).forward(((BYTES.astype("f4") - mean) / std).astype("f4")[None]).max()
    net = Network([first, *plain()])
    np.save("bytes.npy", BYTES)
    np.save("floats.npy", BYTES.astype("f4"))
    np.save("unit.npy", UNIT)
    Image.fromarray(BYTES).save("p.bmp")
    for file in ("p.png", "p.bmp", "bytes.npy", "floats.npy", "unit.npy"):
        assert abs(outputs(net, file)[0] - right) < 2e-3 * max(1, abs(right)), file
    expected = attribution.METHODS["lrp_epsilon_plus"](net, BYTES.astype("f4")[None])[0]
    assert np.allclose(np.load("o/p_relevance.npy"), expected, atol=1e-3 * abs(expected).max())
    np.save("many.npy", np.stack([BYTES, BYTES]))
    outputs(net, "many.npy")
    assert np.allclose(np.load("o/many_relevance.npy")[1], expected, atol=1e-3 * abs(expected).max())


@pytest.mark.parametrize("first", [Prepare(MEAN, STD), Prepare(0.5, 0.5), Prepare(np.float32(0), np.float32(1)),
                                   ChannelScale(np.full(3, 0.1, "f4"), np.full(3, 1, "f4")),
                                   BatchNorm2d.identity(3)])
def test_a_network_for_pixels_up_to_one_gets_them(outputs, first):
    assert largest_pixel(Card(), first) == 1
    right = Network([first, *plain()]).forward(UNIT[None]).max()
    assert abs(outputs(Network([first, *plain()]), "p.png")[0] - right) < 2e-3


def test_a_card_that_says_255_is_obeyed(outputs):
    right = Network(plain()).forward(BYTES.astype("f4")[None]).max()
    assert abs(outputs(Network(plain()).with_card(pixels=255), "p.png")[0] - right) < 1e-4 * abs(right)


@pytest.mark.parametrize("mean, std", [("123.675,116.28,103.53", "58.395,57.12,57.375"), ("127.5", "127.5"),
                                       ("0", "255"), ("104,117,123", "1"), ("128", None)])
def test_a_mean_for_pixels_up_to_255_is_told_and_gives_the_right_numbers(outputs, mean, std):
    more = ["--mean", mean, *(["--std", std] if std else [])]
    numbers = (np.array(text.split(","), "f4") for text in (mean, std or "1"))
    right = Network(plain()).forward(((BYTES - next(numbers)) / next(numbers))[None].astype("f4")).max()
    found, said = outputs(Network(plain()), "p.png", *more)
    assert abs(found - right) < 1e-3 * max(1, abs(right)) and "meant for pixels from 0 to 255" in said


def test_a_mean_for_the_other_kind_of_pixels_is_told(outputs):
    assert "meant for pixels from 0 to 1, but" in outputs(
        Network(plain()).with_card(pixels=255), "p.png", "--mean", "0.485", "--std", "0.229")[1]
    for mean, std in ((0.485, 0.229), (0, 1), (0.5, 0.5)):
        assert "meant for" not in outputs(Network(plain()), "p.png", "--mean", str(mean), "--std", str(std))[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Network([Dense(np.eye(3))]).with_card(mean=170.0, std=12.0)             # the columns of a table


def test_pixels_that_were_divided_are_told_from_python_too():
    net = Network([Prepare(np.float32(0), np.float32(255)), *plain()]).with_card(pixels=255)
    with pytest.warns(UserWarning, match="got pixels from 0.* to .*, but the network takes them from 0 to 255"):
        net.forward(UNIT[None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.forward(BYTES.astype("f4")[None])
    with pytest.raises(ValueError, match="numbers of type uint8.* undivided where card.pixels is 255"):
        net.forward(BYTES[None])


@pytest.mark.parametrize("call", ["integrated_gradients", "smoothgrad", "gradient_times_input", "gradient", "lrp"])
def test_whole_numbers_are_tokens_only_for_layers_that_look_them_up(call):
    with pytest.raises(ValueError, match="numbers of type (uint8|int64), expected floating point"):
        getattr(attribution, call)(Network(plain()), BYTES[None])
    with pytest.raises(ValueError, match="numbers of type (uint8|int64), expected floating point"):
        getattr(attribution, call)(Network([Dense(np.eye(3))]), np.arange(6).reshape(2, 3))
    if call != "smoothgrad":
        of_tokens = Network([Embedding(np.eye(5, 3)), Flatten(), Dense(np.eye(6, 2))])
        assert getattr(attribution, call)(of_tokens, np.array([[0, 4]])).shape == (1, 2)


def test_a_sequence_of_another_shape_is_refused(outputs):
    np.save("x.npy", np.zeros((2, 2), int))
    said = outputs(Network([Dense(np.eye(3))]).with_card(input_shape=(20, 3)), "x.npy", status=1)[1]
    assert "sequences, (steps, channels) = (20, 3)" in said
    np.save("x.npy", np.zeros((3, 20), int))
    said = outputs(Network([Dense(np.eye(3))]).with_card(input_shape=(20, 3)), "x.npy", status=1)[1]
    assert "its axes are the other way round" in said


def test_what_only_python_explains_is_said_so(outputs):
    np.save("x.npy", np.zeros((2, 2), "f4"))
    net = Network([Input(0), Input(1), Add()], [0, 0, (1, 2)])
    said = outputs(net, "x.npy", status=2)[1]
    assert "several inputs" in said and "from Python" in said


@pytest.mark.parametrize("net, told", [
    (Network(plain()), True), (Network([Conv2d(np.ones((1, 1, 3, 2), "f4")), GlobalAvgPool()]), True),
    (Network(plain()).with_card(input_shape=(8, 8, 3)), True), (Network(plain()).with_card(mean=0.5), False),
    (Network(plain()).with_card(pixels=1), False), (Network([BatchNorm2d.identity(3), *plain()]), False),
    (Network(plain(1)), False)])
def test_three_channels_without_mean_and_std_are_told(outputs, net, told):
    Image.fromarray(BYTES).convert("L").save("grey.png")
    assert ("nothing says how pixels were prepared" in outputs(net, "grey.png")[1]) == told


# --- channels --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode, file", [("RGBA", "f.png"), ("RGBA", "f.tif"), ("RGBA", "f.webp"), ("CMYK", "f.tif"),
                                        ("LA", "f.png")])
def test_a_picture_with_the_channels_that_are_wanted_is_taken_as_it_is(outputs, mode, file):
    channels = len(mode)
    array = RNG.integers(1, 256, (8, 8, channels), np.uint8)
    Image.fromarray(array, mode).save(file, **({"lossless": True, "exact": True} if file.endswith("webp") else {}))
    np.save("x.npy", array)
    found, said = outputs(Network(plain(channels)), file)
    assert found == outputs(Network(plain(channels)), "x.npy")[0] and f"its {channels} channels" in said


@pytest.mark.parametrize("file, channels, words", [
    ("rgb.png", 4, "has 3 channels, the network takes 4"), ("la.png", 4, "laid on white, the network takes 4"),
    ("l.png", 2, "has 1 channels, the network takes 2"), ("rgba.png", 2, "laid on white, the network takes 2")])
def test_channels_that_a_file_has_not_are_counted_truly(outputs, file, channels, words):
    Image.fromarray(BYTES).convert(file.partition(".")[0].upper()).save(file)
    assert words in outputs(Network(plain(channels)), file, status=1)[1]


# --- size ------------------------------------------------------------------------------------------------------------

def test_a_picture_is_cut_or_squashed_as_the_card_says_and_it_is_said(outputs):
    wide = RNG.integers(0, 256, (8, 20, 3), np.uint8)
    Image.fromarray(wide).save("wide.png")
    Image.fromarray(wide[:, 6:14]).save("middle.png")
    for how, card in (("crop", {"fit": "crop"}), ("squash", {"fit": "squash"}), (None, {})):
        net = Network(plain()).with_card(input_shape=(8, 8, 3), pixels=1, **card)
        found, said = outputs(net, "wide.png")
        assert (found == outputs(net, "middle.png")[0]) == (how == "crop")
        assert ("cut to the 8 x 8 pixels in its middle" in said) == (how == "crop")
        assert (", squashed" in said) == (how != "crop") and ("--fit crop" in said) == (how is None)
        assert outputs(net, "wide.png", "--fit", "crop")[0] == outputs(net, "middle.png")[0]


@pytest.mark.parametrize("size, cut", [("8x8", "8 x 8"), ("4x10", None), ("8x4", "8 x 4"), ("2x8", "5 x 20")])
def test_what_is_cut_has_the_proportions_that_are_asked_for(outputs, size, cut):
    Image.fromarray(RNG.integers(0, 256, (8, 20, 3), np.uint8)).save("wide.png")
    said = outputs(Network(plain()).with_card(fit="crop", pixels=1), "wide.png", "--size", size)[1]
    assert (f"cut to the {cut} pixels" in said) if cut else "cut to" not in said
    assert "squashed" not in said


# --- ink -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ground, ink, told", [(255, 0, True), (230, 90, True), (200, 10, True), (0, 255, False),
                                               (40, 200, False), (255, 255, False), (255, 240, False)])
def test_dark_ink_on_light_paper_is_noticed(outputs, ground, ink, told):
    page = np.full((12, 12), ground, np.uint8)
    page[4:8, 5:7] = ink
    Image.fromarray(page).save("page.png")
    np.save("page.npy", page[None, ..., None])
    for file in ("page.png", "page.npy"):
        assert ("dark ink on light paper" in outputs(Network(plain(1)), file)[1]) == told
        if told:
            assert "dark ink" not in outputs(Network(plain(1)), file, "--invert")[1]
        elif ink > 200 > ground:
            assert "after --invert; leave that out" in outputs(Network(plain(1)), file, "--invert")[1]


def test_every_kind_of_picture_is_read_and_what_was_done_to_it_is_said(tmp_path):
    grey = np.uint8(np.arange(400).reshape(20, 20) % 256)
    kinds = {"grey.png": Image.fromarray(grey), "rgba.png": Image.fromarray(grey).convert("RGBA"),
             "palette.png": Image.fromarray(grey).convert("P"), "one.png": Image.fromarray(grey).convert("1"),
             "colour.jpg": Image.fromarray(grey).convert("RGB"), "tiny.png": Image.new("L", (1, 1)),
             "deep.png": Image.fromarray(np.uint16(grey) * 256)}
    for name, image in kinds.items():
        image.save(tmp_path / name)
        for channels in (1, 3):
            picture, note = read(tmp_path / name, (28, 28, channels))
            assert picture.shape == (28, 28, channels) and picture.dtype == np.float32, name
            assert 0 <= picture.min() and picture.max() <= 1, name
            assert "resized" in note, name
    assert "laid on white" in read(tmp_path / "rgba.png", (28, 28, 1))[1]
    same, note = read(tmp_path / "grey.png", (20, 20, 1))
    assert np.array_equal(same[..., 0], grey / np.float32(255)) and note == ""
    assert np.allclose(read(tmp_path / "grey.png", (20, 20, 1), invert=True)[0], 1 - same)


def test_a_large_picture_is_made_smaller_before_it_becomes_floats():
    large = np.zeros((3000, 3000, 3), np.uint8)
    large[:1500] = 200
    notes = []
    small = images.reduced(large, (28, 28, 3), notes)
    assert small.dtype == np.uint8 and small.shape == (116, 116, 3) and "reduced from 3000 x 3000" in notes[0]
    picture = images.finish(large, (28, 28, 3), False, [], "squash")
    assert picture.shape == (28, 28, 3) and abs(picture[:13] - 200 / 255).max() < 0.01 and picture[15:].max() < 0.01
    same = RNG.integers(0, 256, (40, 60, 3), np.uint8)
    assert images.reduced(same, (28, 28, 3), []) is same
    with pytest.raises(ValueError, match="expected at most"):
        images.reduced(np.broadcast_to(np.uint8(0), (5000, 5000, 1)), (None, None, 1), [])
