"""Does the command line explain what it is given, and say what it cannot?"""
import io
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image

from minixnn import Dense, Network, attribution, datasets, models
from minixnn.cli import main
from minixnn.cli.to_file import explain_to
from minixnn.cli.expected import expected
from minixnn.cli.images import read
from minixnn.progress import progress
from minixnn.rules import lrp


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


def test_a_broken_picture_is_named_and_the_others_are_done(digit, tmp_path, capsys):
    _, path = digit
    (tmp_path / "broken.png").write_bytes(path.read_bytes()[:70])
    (tmp_path / "text.jpg").write_text("no picture")
    assert main(["explain", str(tmp_path), "--model", "dense_no_bias", "-o", str(tmp_path / "o")]) == 1
    said = capsys.readouterr()
    assert "broken.png left out" in said.err and "text.jpg left out" in said.err
    assert (tmp_path / "o" / "seven_relevance.npy").exists()


@pytest.mark.parametrize("words, what", [
    (["--model", "nobody"], "expected a .npz or .onnx file, or one of"),
    (["--model", "dense", "--method", "guess"], "--method guess, expected one of gradient"),
    (["--model", "dense", "--set", "warp=9"], "has no option 'warp'"),
    (["--model", "dense", "--size", "big"], "expected height and width such as 224x224"),
    (["--model", "dense", "--target", "12"], "expected a class from 0 to 9"),
])
def test_a_wrong_call_is_answered_by_a_sentence_and_status_2(digit, tmp_path, capsys, words, what):
    assert main(["explain", str(digit[1]), "-o", str(tmp_path / "o"), *words]) == 2
    assert what in capsys.readouterr().err


def test_an_option_reaches_the_method(digit, tmp_path):
    x, path = digit
    call = ["explain", str(path), "--model", "dense", "--method", "integrated_gradients", "-o", str(tmp_path / "o")]
    assert main([*call, "--set", "steps=3"]) == 0
    few = attribution.integrated_gradients(models.load("dense"), x, steps=3)[0]
    assert np.allclose(np.load(tmp_path / "o" / "seven_relevance.npy"), few, atol=1e-6)
    assert abs(few - attribution.integrated_gradients(models.load("dense"), x, steps=50)[0]).max() > 1e-3


def test_resume_leaves_out_what_is_done(digit, tmp_path, capsys):
    call = ["explain", str(digit[1]), "--model", "dense", "-o", str(tmp_path / "o")]
    assert main(call) == 0
    before = (tmp_path / "o" / "seven_relevance.npy").stat().st_mtime_ns
    assert main([*call, "--resume"]) == 0
    assert "1 have results already" in capsys.readouterr().out
    assert (tmp_path / "o" / "seven_relevance.npy").stat().st_mtime_ns == before


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


def test_an_array_of_images_explained_in_pieces_equals_all_at_once(tmp_path):
    net, x = models.load("dense"), datasets.mnist("test")[0][:130]
    found = explain_to(tmp_path / "R.npy", net, x, "lrp_epsilon", batch_size=40, quiet=True)
    assert np.allclose(found, attribution.lrp(net, x), atol=1e-5)
    assert os.listdir(tmp_path) == ["R.npy"]


def test_a_run_that_broke_off_goes_on_where_it_was(tmp_path):
    net, x, seen = models.load("dense"), datasets.mnist("test")[0][:100], []

    def failing(net, x, target):
        seen.append(len(x))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return attribution.gradient(net, x, target)
    failing.__qualname__ = "gradient"
    with pytest.raises(KeyboardInterrupt):
        explain_to(tmp_path / "R.npy", net, x, failing, batch_size=20, workers=1, quiet=True)
    assert json.loads((tmp_path / "R.npy.progress").read_text())["done"] == 40
    found = explain_to(tmp_path / "R.npy", net, x, failing, batch_size=20, workers=1, quiet=True)
    assert seen == [20] * 6, "the first two batches must not be done again"
    assert np.allclose(found, attribution.gradient(net, x), atol=1e-6)


def test_a_part_of_another_run_is_not_gone_on_with(tmp_path):
    net, x = models.load("dense"), datasets.mnist("test")[0][:40]

    def failing(net, x, target):
        raise KeyboardInterrupt
    for first in (attribution.METHODS["gradient"], failing):
        try:
            explain_to(tmp_path / "R.npy", net, x, first, batch_size=20, quiet=True)
        except KeyboardInterrupt:
            pass
    (tmp_path / "R.npy.part").touch()
    (tmp_path / "R.npy.progress").write_text(json.dumps({"done": 20, "method": "saliency"}))
    with pytest.raises(ValueError, match="belongs to another run, which differs in: .*method"):
        explain_to(tmp_path / "R.npy", net, x, "gradient", quiet=True)


def test_damaged_notes_and_a_part_of_another_shape_are_named(tmp_path):
    net, x = models.load("dense"), datasets.mnist("test")[0][:40]
    with pytest.raises(KeyboardInterrupt):
        explain_to(tmp_path / "R.npy", net, x, interrupting := Interrupting(), batch_size=20, workers=1, quiet=True)
    np.save(tmp_path / "other.npy", np.zeros(3))
    os.replace(tmp_path / "other.npy", tmp_path / "R.npy.part")
    with pytest.raises(ValueError, match="holds another array than was begun there; delete it"):
        explain_to(tmp_path / "R.npy", net, x, interrupting, batch_size=20, workers=1, quiet=True)
    (tmp_path / "R.npy.progress").write_text("{")
    with pytest.raises(ValueError, match="is damaged; delete it to begin anew"):
        explain_to(tmp_path / "R.npy", net, x, interrupting, batch_size=20, workers=1, quiet=True)


class Interrupting:
    """A method that is interrupted at its second batch."""
    calls = 0

    def __call__(self, net, x, target):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return attribution.gradient(net, x, target)

    def __str__(self):
        return "interrupting"


def test_a_disk_without_room_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    def full(*what):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space left on device, 0.1 MiB are needed"):
        explain_to(tmp_path / "R.npy", models.load("dense"), datasets.mnist("test")[0][:40], "gradient", quiet=True)
    assert not list(tmp_path.iterdir())
    monkeypatch.delattr(os, "posix_fallocate")              # systems without it write zeros
    assert len(explain_to(tmp_path / "R.npy", models.load("dense"), datasets.mnist("test")[0][:40], partial(
        attribution.lrp, rules=partial(lrp.epsilon, epsilon=0.1)), quiet=True)) == 40


def test_a_part_made_of_other_images_is_not_resumed(tmp_path):
    net, x, calls = models.load("dense"), datasets.mnist("test")[0][:60].copy(), []

    def method(net, x, target):
        calls.append(len(x))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return attribution.gradient(net, x, target)
    with pytest.raises(KeyboardInterrupt):
        explain_to(tmp_path / "R.npy", net, x, method, batch_size=20, workers=1, quiet=True)
    other = x.copy()
    other[30] = 1 - other[30]
    with pytest.raises(ValueError, match="belongs to another run, which differs in: images"):
        explain_to(tmp_path / "R.npy", net, other, method, batch_size=20, workers=1, quiet=True)
    explain_to(tmp_path / "R.npy", net, x, method, batch_size=20, workers=1, quiet=True)
    assert calls == [20] * 4


@pytest.mark.parametrize("changed, differs", [
    (["--method", "saliency"], "method"), (["--target", "3"], "method"), (["--target", "5", "--versus", "3"], "method"),
    (["--method", "gradient", "--invert"], "images")])
def test_a_run_of_the_command_line_goes_on_only_where_it_is_the_same(tmp_path, monkeypatch, capsys, changed, differs):
    np.save(tmp_path / "many.npy", datasets.mnist("test")[0][:60])
    call = ["explain", str(tmp_path / "many.npy"), "--model", "dense", "--method", "gradient", "--target", "5",
            "--batch-size", "20", "--workers", "1", "-o", str(tmp_path)]

    def interrupted(items, what, quiet=False):
        yield items[0]
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr("minixnn.cli.to_file.progress", interrupted)
        assert main(call) == 130
    assert main([*call, *changed]) == 1
    assert f"which differs in: {differs}" in capsys.readouterr().err
    assert main(call) == 0
    np.testing.assert_allclose(np.load(tmp_path / "many_relevance.npy"), attribution.gradient(
        models.load("dense"), datasets.mnist("test")[0][:60], 5), atol=1e-6)


def test_a_process_that_is_killed_goes_on_from_the_batch_it_was_at(tmp_path):
    np.save(tmp_path / "many.npy", np.resize(datasets.mnist("test")[0][:200], (600, 28, 28, 1)))
    call = [sys.executable, "-m", "minixnn", "explain", str(tmp_path / "many.npy"), "--model", "dense", "--method",
            "lrp_epsilon", "--batch-size", "2", "-o", str(tmp_path)]
    process = subprocess.Popen(call, cwd=pathlib.Path(__file__).parents[2])
    notes = tmp_path / "many_relevance.npy.progress"
    until = time.monotonic() + 60
    while not notes.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = json.loads(notes.read_text())["done"]
    assert 2 <= done < 600
    part = tmp_path / "many_relevance.npy.part"
    assert part.exists() and not (tmp_path / "many_relevance.npy").exists()
    before = np.load(part, mmap_mode="r")[:done].copy()
    subprocess.run(call, cwd=pathlib.Path(__file__).parents[2], check=True)
    after = np.load(tmp_path / "many_relevance.npy")
    assert np.array_equal(after[:done], before) and abs(after[done:]).reshape(600 - done, -1).max(axis=1).min() > 0


@pytest.mark.parametrize("array, sentence", [
    (np.zeros((3, 4), np.float32), "the network takes rows of 7"), (np.full((2, 7), np.nan, "f4"), "numbers in row 0"),
    (np.zeros((2, 7), bool), "type bool, expected rows of 7")])
def test_an_array_that_is_no_table_is_refused(tmp_path, capsys, array, sentence):
    np.save(tmp_path / "rows.npy", array)
    Network([Dense(np.ones((7, 2), np.float32))]).save(tmp_path / "net.npz")
    assert main(["explain", str(tmp_path / "rows.npy"), "--model", str(tmp_path / "net.npz"), "-o", str(tmp_path)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_table_that_is_no_text_is_refused(tmp_path, capsys):
    (tmp_path / "rows.csv").write_bytes(bytes(range(256)))
    Network([Dense(np.ones((7, 2), np.float32))]).save(tmp_path / "net.npz")
    assert main(["explain", str(tmp_path / "rows.csv"), "--model", str(tmp_path / "net.npz"), "-o", str(tmp_path)]) == 1
    assert "is no table of text" in capsys.readouterr().err


@pytest.mark.parametrize("array, sentence", [
    (np.zeros((2, 2, 2, 2, 2), np.float32), "expected a picture"),
    (np.zeros((28, 28, 5), np.uint8), "has 5 channels, the network takes 1")])
def test_an_array_that_is_no_picture_is_refused(tmp_path, capsys, array, sentence):
    np.save(tmp_path / "x.npy", array)
    assert main(["explain", str(tmp_path / "x.npy"), "--model", "dense", "-o", str(tmp_path)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_picture_of_other_numbers_cannot_be_inverted(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.full((28, 28), -7.0))
    assert main(["explain", str(tmp_path / "x.npy"), "--model", "dense", "--invert", "-o", str(tmp_path)]) == 1
    assert "holds numbers from -7 to -7, which cannot be inverted" in capsys.readouterr().err


def test_without_pillow_the_numbers_are_written_and_the_remedy_is_said(tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "x.npy", datasets.mnist("test")[0][0])
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert main(["explain", str(tmp_path / "x.npy"), "--model", "dense", "-o", str(tmp_path / "out")]) == 0
    assert "pip install pillow" in capsys.readouterr().err
    assert list((tmp_path / "out").glob("*.npy")) and not list((tmp_path / "out").glob("*.png"))


def test_a_reader_that_goes_away_ends_the_run_quietly(tmp_path):
    call = f"{sys.executable} -m minixnn methods | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode in (0, 141) and not done.stderr and len(done.stdout.splitlines()) == 1


def test_the_progress_bar_is_drawn_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True
    screen, clock = Terminal(), itertools.count(0, 0.2)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert list(progress(range(4), "explaining")) == [0, 1, 2, 3]
    assert "explaining [#######" in screen.getvalue() and "4/4" in screen.getvalue() and "s left" in screen.getvalue()
    screen.truncate(0)
    assert list(progress(range(4), "explaining", quiet=True)) == [0, 1, 2, 3] and not screen.getvalue()
