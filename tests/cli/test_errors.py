"""Does a slip get a sentence that leads on?"""
import io
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from minixnn import Dense, Network, attribution, datasets, metrics, models, plot
from minixnn.cli import images, main
from minixnn.layers import Conv1d, Conv2d, Flatten, GlobalAvgPool, ReLU
from minixnn.progress import progress
from minixnn.rules import composites
from minixnn.spelling import meant

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 8, 3), np.uint8)


@pytest.fixture
def there(tmp_path, monkeypatch):
    """An empty folder to be in, with a small network for photographs."""
    monkeypatch.chdir(tmp_path)
    layers = [Conv2d(RNG.normal(size=(3, 3, 3, 6)).astype("f4")), ReLU(), GlobalAvgPool(),
              Dense(RNG.normal(size=(6, 9)).astype("f4"))]
    names = ["cat", "dog", "bird", "church", "palace", "toaster", "violin", "fig", "umbrella"]
    Network(layers).with_card(input_shape=(8, 8, 3), labels=names, head="Softmax", mean=0.5, std=0.5).save("net.npz")
    Image.fromarray(COLOUR).save("a.png")
    return tmp_path


def told(capsys, *call):
    """(status, everything that was said)"""
    status = main([str(word) for word in call])
    said = capsys.readouterr()
    return status, said.out + said.err


@pytest.mark.parametrize("call, expected", [
    (["a.png", "--model", "net.npz", "--method", "lrp_epsilom"], "did you mean lrp_epsilon"),
    (["a.png", "--model", "net.npz", "--method", "gradcam"], "did you mean grad_cam"),
    (["a.png", "--model", "net.npz", "--method", "smothgrad"], "did you mean smoothgrad"),
    (["a.png", "--model", "efficientnet_lite"], "did you mean efficientnet_lite0"),
    (["a.png", "--model", "efficientnet-lite0"], "did you mean efficientnet_lite0"),
    (["a.png", "--model", "net.npz", "--target", "chruch"], "did you mean church"),
    (["a.png", "--model", "net.npz", "--versus", "pallace"], "did you mean palace"),
    (["a.png", "--model", "net.npz", "--method", "lrp_epsilon_plus", "--set", "epsilom=1"], "did you mean epsilon"),
    (["b.png", "--model", "net.npz"], "there is no such file as b.png; did you mean a.png"),
    (["A.PNG", "--model", "net.npz"], "there is no such file as A.PNG; did you mean a.png"),
    (["nowhere.jpg"], "there is no such file as nowhere.jpg"),
    (["folder/nowhere.jpg"], "there is no such file as folder/nowhere.jpg"),
    (["a.png", "--model", "nets.npz"], "nets.npz"),
    (["a.png", "--model", "net.npz", "--method", "LRP"], "did you mean lrp_0 or lrp_epsilon"),
    (["a.png", "--model", "net.npz", "--method", "epsilon"], "did you mean lrp_epsilon"),
    (["a.png", "--model", "net.npz", "--methd", "gradient"], "did you mean --method"),
    (["a.png", "--model", "net.npz", "--taget=cat"], "did you mean --target"),
    (["a.png", "--model", "net.h5"], "export it as ONNX"),
    (["https://example.org/cat.jpg"], "is an address; download the picture"),
])
def test_what_is_misspelt_or_missing_is_guessed(there, capsys, call, expected):
    status, said = told(capsys, "explain", *call, "-o", "out")
    assert status in (1, 2) and expected in said and "Traceback" not in said
    assert not pathlib.Path("out", "a_relevance.npy").exists()
    assert "magika" not in said or "efficientnet" in said, "a missing file is missing, and no question of its type"


def test_names_that_nothing_looks_like_get_no_guess():
    assert meant("guess", attribution.METHODS) == "" and meant("", ["a"]) == ""
    with pytest.raises(ValueError, match="did you mean grad_cam"):
        metrics.selectivity("grad_can", models.load("dense"), np.zeros((1, 28, 28, 1)))
    with pytest.raises(ValueError, match="did you mean dense"):
        models.load("dens")


@pytest.mark.parametrize("name, data, expected", [
    ("empty.png", b"", "is an empty file"),
    ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(20), "is a HEIC picture"),
    ("phone.jpg", b"\0\0\0\x18ftypmif1" + bytes(20), "is a HEIC picture"),
    ("film.png", b"\0\0\0\x18ftypmp42" + bytes(20), "is a film"),
    ("logo.svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "(SVG), which has no pixels"),
    ("logo.png", b"  <svg/>", "(SVG), which has no pixels"),
    ("paper.pdf", b"%PDF-1.7", "is a PDF"),
    ("saved.jpg", b"<!DOCTYPE html><html>", "is a web page"),
])
@pytest.mark.parametrize("more", [[], ["--model", "net.npz"]])
def test_files_that_hold_no_pixels_are_called_by_what_they_are(there, capsys, name, data, expected, more):
    pathlib.Path(name).write_bytes(data)
    status, said = told(capsys, "explain", name, *more, "-o", "out")
    assert status in (1, 2) and name in said and expected in said and "cannot identify" not in said


def test_a_folder_may_begin_with_what_is_hidden_or_no_picture(there, capsys):
    folder = pathlib.Path("photos")
    folder.mkdir()
    for name in (".DS_Store", "._cat.jpg", "00_readme.txt"):
        (folder / name).write_bytes(b"\0\0\0\1Bud1")
    (folder / "cat.jpg").write_bytes((ROOT / "lessons" / "data" / "photos" / "chelsea.jpg").read_bytes())
    status, said = told(capsys, "explain", "photos", "--quick", "--method", "grad_cam", "-o", "out")
    assert status == 0 and "network: efficientnet_lite0" in said and "Egyptian cat, 40 %" in said, said
    assert "DS_Store" not in said and "._cat" not in said


def test_a_grey_photograph_is_a_photograph(there, capsys):
    cat = Image.open(ROOT / "lessons" / "data" / "photos" / "chelsea.jpg").convert("L")
    cat.save("grey.jpg")
    status, said = told(capsys, "explain", "grey.jpg", "--quick", "--method", "grad_cam", "-o", "out")
    assert status == 0 and "network: efficientnet_lite0" in said and " %" in said, said


def test_results_of_another_method_are_not_written_over_without_a_word(there, capsys):
    call = ["explain", "a.png", "--model", "net.npz", "-o", "out", "--no-figures"]
    assert "writes over" not in told(capsys, *call)[1] and "writes over" not in told(capsys, *call)[1]
    status, said = told(capsys, *call, "--method", "gradient")
    assert status == 0 and "method was lrp_epsilon_plus, is gradient" in said and "give -o another folder" in said
    assert "by another network" in told(capsys, *call[:2], "--model", "dense", *call[4:])[1]


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


def test_a_process_that_is_ended_leaves_no_half_written_file(there, capsys):
    pathlib.Path("out").mkdir()
    stale = pathlib.Path("out") / "a_relevance.npy.999999999.draft"
    mine = pathlib.Path("out") / f"a_relevance.npy.{os.getpid()}.draft"
    stale.write_bytes(b"half")
    mine.write_bytes(b"half")
    assert told(capsys, "explain", "a.png", "--model", "net.npz", "-o", "out")[0] == 0
    assert not stale.exists(), "of a process that is gone"
    assert "a_relevance.npy" in os.listdir("out")


@pytest.mark.skipif(os.name != "posix", reason="signals as here are POSIX's")
def test_the_word_to_end_is_obeyed_as_after_ctrl_c(there):
    code = ("import sys, time, pathlib; from minixnn.cli import main\n"
            "def slow(*a):\n"
            "    pathlib.Path('begun').touch(); time.sleep(60)\n"
            "sys.modules['minixnn.cli.explain'].Run.save = slow\n"
            "sys.exit(main(['explain', 'a.png', '--model', 'net.npz', '-o', 'out']))")
    process = subprocess.Popen([sys.executable, "-c", code],
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    while not pathlib.Path("begun").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 143 and "stopped; 0 of 1 are done" in said
    assert not list(pathlib.Path("out").glob("*.draft"))


def test_the_time_left_counts_what_is_explained_and_not_what_is_read(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    done = iter([0, 0, 0, 3])
    for _ in progress(range(4), "explaining", finished=lambda: next(done)):
        time.sleep(0.11)
    assert terminal.getvalue().count("0/4  ") == 3 and "3/4" in terminal.getvalue()


def test_the_microscope_is_written_whole_or_not_at_all(there, capsys, monkeypatch):
    pathlib.Path("folder").mkdir()
    status, said = told(capsys, "microscope", "--model", "dense", "-o", "folder")
    assert status == 2 and "expected the file to write, such as folder" in said
    from minixnn.cli import results

    def full(*rest):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(results.os, "replace", full)
    status, said = told(capsys, "microscope", "--model", "dense", "-o", "m.html")
    assert status == 2 and "No space left" in said and not list(pathlib.Path().glob("m.html*"))


def test_slips_in_python_get_sentences_too():
    x = datasets.mnist("test")[0][:2]
    with pytest.raises(ValueError, match=r'a name for each row, such as plot.heatmaps\({"epsilon": R}'):
        plot.heatmaps(x, x)
    net = models.load("dense")
    for name, expected in (("epsilon", r"minixnn.rules.lrp.epsilon$"), ("z_plus", r"minixnn.rules.deep_taylor.z_plus$"),
                           ("epsilon_plus", r"minixnn.rules.composites.epsilon_plus$"), ("nobody", "such as minixnn")):
        with pytest.raises(ValueError, match=expected):
            attribution.lrp(net, x, rules=name)
        with pytest.raises(ValueError, match=expected):
            composites.rules_for(net, name)


def test_commands_are_guessed_patterns_expanded_and_the_folder_has_a_name(there, capsys):
    assert "did you mean explain?" in told(capsys, "explian", "a.png")[1]
    assert "to explain a.png: minixnn explain a.png -o out" in told(capsys, "a.png")[1]
    assert told(capsys, "explain", "*.png", "--model", "net.npz")[0] == 0 and pathlib.Path("out/a_overlay.png").exists()
    np.save("objects.npy", np.array([None, "a"], object))
    assert "holds Python objects" in told(capsys, "explain", "objects.npy", "--model", "net.npz")[1]
    pathlib.Path("noise.png").write_bytes(b"noise" * 20)
    assert "is no picture of a kind that Pillow reads" in told(capsys, "explain", "noise.png", "--model", "net.npz")[1]
    pathlib.Path("phone").mkdir()
    pathlib.Path("phone/one.heic").write_bytes(b"x")
    said = told(capsys, "explain", "phone", "--model", "net.npz")[1]
    assert "no pictures in it" in said and "one.heic" in said
    assert "there is no folder no" in told(capsys, "microscope", "-o", "no/m.html")[1]
    assert "grey drawings of 28 x 28 pixels" in told(capsys, "microscope", "--model", "net.npz")[1]


def test_sequences_are_explained_as_from_python(there, capsys):
    layers = [Conv1d(RNG.normal(size=(3, 2, 5)).astype("f4")), ReLU(), Flatten(),
              Dense(RNG.normal(size=(50, 3)).astype("f4"))]
    net, x = Network(layers).with_card(input_shape=(10, 2)), RNG.normal(size=(2, 10, 2)).astype("f4")
    net.save("signals.npz")
    np.save("one.npy", x[0])
    np.save("many.npy", x)
    np.savetxt("table.csv", x[0], delimiter=",", header="left,right", comments="")
    expected = attribution.lrp(net, x, rules=composites.epsilon_plus)
    for name, right in (("one.npy", expected[:1]), ("many.npy", expected), ("table.csv", expected[:1])):
        status, said = told(capsys, "explain", name, "--model", "signals.npz")
        assert status == 0 and f"{len(right)} sequence" in said and "most of it: step " in said, said
        R = np.load(f"out/{name.split('.')[0]}_relevance.npy")
        assert R.shape == right.shape and np.allclose(R, right, atol=1e-5)
    assert pathlib.Path("out/table_relevance.csv").read_text().startswith('"left","right"')
    np.save("bad.npy", np.full((10, 2), np.nan))
    Image.fromarray(COLOUR).save("a.png")
    for name, words in (("bad.npy", "holds NaN"), ("a.png", "is no file of numbers"), ("none.npy", "no such file")):
        status, said = told(capsys, "explain", name, "--model", "signals.npz")
        assert status == 1 and words in said, said
    assert told(capsys, "ledger", "one.npy", "--model", "signals.npz")[0] == 0


def test_a_box_is_explained_where_outputs_are_images(there, capsys):
    layers = [Conv2d(RNG.normal(size=(3, 3, 3, 4)).astype("f4"), padding=1), ReLU(),
              Conv2d(RNG.normal(size=(1, 1, 4, 2)).astype("f4"), stride=2, padding=0)]
    net, x = Network(layers).with_card(input_shape=(8, 8, 3), pixels=1), (COLOUR / np.float32(255))[None]
    net.save("maps.npz")
    start = np.zeros((1, 4, 4, 2), "f4")
    start[:, 1:3, 2:, 1] = net.forward(x)[:, 1:3, 2:, 1]
    assert np.allclose(attribution.region(net, x, (2, 4, 6, 8), 1), start)
    assert attribution.region(net, x, (0, 0, 1, 1), 1, relevance=False).sum() == 1, "at least one entry"
    call = ["explain", "a.png", "--model", "maps.npz", "--method", "lrp_epsilon", "--target", "1"]
    assert told(capsys, *call, "--box", "2,4,6,8")[0] == 0
    R = np.load("out/a_relevance.npy")
    assert np.allclose(R, attribution.lrp(net, x, start=start)[0], atol=1e-6) and abs(R[:, :3]).max() == 0
    for words, expected in (("2,4,6", "expected top, left, bottom and right"), ("2,4,1,8", "0 <= top < bottom <= 8"),
                            ("0,0,9,9", "0 <= top < bottom <= 8")):
        status, said = told(capsys, *call, "--box", words)
        assert status in (1, 2) and expected in said, said
    assert "no images in which a box" in told(capsys, *call[:3], "net.npz", "--box", "0,0,4,4")[1]
    with pytest.raises(ValueError, match="in which a box can lie"):
        attribution.region(models.load("dense"), np.zeros((1, 28, 28, 1)), (0, 0, 4, 4), 1)
