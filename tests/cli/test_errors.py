"""Does a slip get a sentence that leads on? Each of these was typed, and once led nowhere."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from minixnn import Dense, Network, attribution, datasets, metrics, models, plot
from minixnn.layers import Conv1d, Conv2d, Flatten, GlobalAvgPool, ReLU
from minixnn.rules import composites
from minixnn.spelling import meant

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 8, 3), np.uint8)


@pytest.fixture
def there(say):
    """An empty folder to be in, with a small network for photographs."""
    layers = [Conv2d(RNG.normal(size=(3, 3, 3, 6)).astype("f4")), ReLU(), GlobalAvgPool(),
              Dense(RNG.normal(size=(6, 9)).astype("f4"))]
    names = ["cat", "dog", "bird", "church", "palace", "toaster", "violin", "fig", "umbrella"]
    Network(layers).with_card(input_shape=(8, 8, 3), labels=names, head="Softmax", mean=0.5, std=0.5).save("net.npz")
    Image.fromarray(COLOUR).save("a.png")


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
def test_what_is_misspelt_or_missing_is_guessed(there, say, call, expected):
    status, said = say("explain", *call, "-o", "out")
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
def test_files_that_hold_no_pixels_are_called_by_what_they_are(there, say, name, data, expected, more):
    pathlib.Path(name).write_bytes(data)
    status, said = say("explain", name, *more, "-o", "out")
    assert status in (1, 2) and name in said and expected in said and "cannot identify" not in said


def test_a_folder_may_begin_with_what_is_hidden_or_no_picture(there, say):
    folder = pathlib.Path("photos")
    folder.mkdir()
    for name in (".DS_Store", "._cat.jpg", "00_readme.txt"):
        (folder / name).write_bytes(b"\0\0\0\1Bud1")
    (folder / "cat.jpg").write_bytes((ROOT / "lessons" / "data" / "photos" / "chelsea.jpg").read_bytes())
    status, said = say("explain", "photos", "--quick", "--method", "grad_cam", "-o", "out")
    assert status == 0 and "network: efficientnet_lite0" in said and "Egyptian cat, 40 %" in said, said
    assert "DS_Store" not in said and "._cat" not in said


def test_a_grey_photograph_is_a_photograph(there, say):
    cat = Image.open(ROOT / "lessons" / "data" / "photos" / "chelsea.jpg").convert("L")
    cat.save("grey.jpg")
    status, said = say("explain", "grey.jpg", "--quick", "--method", "grad_cam", "-o", "out")
    assert status == 0 and "network: efficientnet_lite0" in said and " %" in said, said


def test_results_of_another_method_are_not_written_over_without_a_word(there, say):
    call = ["explain", "a.png", "--model", "net.npz", "-o", "out", "--no-figures"]
    assert "writes over" not in say(*call)[1] and "writes over" not in say(*call)[1]
    status, said = say(*call, "--method", "gradient")
    assert status == 0 and "method was lrp_epsilon_plus, is gradient" in said and "give -o another folder" in said
    assert "by another network" in say(*call[:2], "--model", "dense", *call[4:])[1]


def test_a_process_that_is_ended_leaves_no_half_written_file(there, say):
    pathlib.Path("out").mkdir()
    stale = pathlib.Path("out") / "a_relevance.npy.999999999.draft"
    mine = pathlib.Path("out") / f"a_relevance.npy.{os.getpid()}.draft"
    stale.write_bytes(b"half")
    mine.write_bytes(b"half")
    assert say("explain", "a.png", "--model", "net.npz", "-o", "out")[0] == 0
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


def test_the_microscope_is_written_whole_or_not_at_all(there, say, monkeypatch):
    pathlib.Path("folder").mkdir()
    status, said = say("microscope", "--model", "dense", "-o", "folder")
    assert status == 2 and "expected the file to write, such as folder" in said
    from minixnn.cli import results

    def full(*rest):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(results.os, "replace", full)
    status, said = say("microscope", "--model", "dense", "-o", "m.html")
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


def test_commands_are_guessed_patterns_expanded_and_the_folder_has_a_name(there, say):
    assert "did you mean explain?" in say("explian", "a.png")[1]
    assert "to explain a.png: minixnn explain a.png -o out" in say("a.png")[1]
    assert say("explain", "*.png", "--model", "net.npz")[0] == 0 and pathlib.Path("out/a_overlay.png").exists()
    np.save("objects.npy", np.array([None, "a"], object))
    assert "holds Python objects" in say("explain", "objects.npy", "--model", "net.npz")[1]
    pathlib.Path("noise.png").write_bytes(b"noise" * 20)
    assert "is no picture of a kind that Pillow reads" in say("explain", "noise.png", "--model", "net.npz")[1]
    pathlib.Path("phone").mkdir()
    pathlib.Path("phone/one.heic").write_bytes(b"x")
    said = say("explain", "phone", "--model", "net.npz")[1]
    assert "no pictures in it" in said and "one.heic" in said
    assert "there is no folder no" in say("microscope", "-o", "no/m.html")[1]
    assert "grey drawings of 28 x 28 pixels" in say("microscope", "--model", "net.npz")[1]


def test_sequences_are_explained_as_from_python(there, say):
    layers = [Conv1d(RNG.normal(size=(3, 2, 5)).astype("f4")), ReLU(), Flatten(),
              Dense(RNG.normal(size=(50, 3)).astype("f4"))]
    net, x = Network(layers).with_card(input_shape=(10, 2)), RNG.normal(size=(2, 10, 2)).astype("f4")
    net.save("signals.npz")
    np.save("one.npy", x[0])
    np.save("many.npy", x)
    np.savetxt("table.csv", x[0], delimiter=",", header="left,right", comments="")
    expected = attribution.lrp(net, x, rules=composites.epsilon_plus)
    for name, right in (("one.npy", expected[:1]), ("many.npy", expected), ("table.csv", expected[:1])):
        status, said = say("explain", name, "--model", "signals.npz")
        assert status == 0 and f"{len(right)} sequence" in said and "most of it: step " in said, said
        R = np.load(f"out/{name.split('.')[0]}_relevance.npy")
        assert R.shape == right.shape and np.allclose(R, right, atol=1e-5)
    assert pathlib.Path("out/table_relevance.csv").read_text().startswith('"left","right"')
    np.save("bad.npy", np.full((10, 2), np.nan))
    Image.fromarray(COLOUR).save("a.png")
    for name, words in (("bad.npy", "holds NaN"), ("a.png", "is no file of numbers"), ("none.npy", "no such file")):
        status, said = say("explain", name, "--model", "signals.npz")
        assert status == 1 and words in said, said
    assert say("ledger", "one.npy", "--model", "signals.npz")[0] == 0


def test_a_box_is_explained_where_outputs_are_images(there, say):
    layers = [Conv2d(RNG.normal(size=(3, 3, 3, 4)).astype("f4"), padding=1), ReLU(),
              Conv2d(RNG.normal(size=(1, 1, 4, 2)).astype("f4"), stride=2, padding=0)]
    net, x = Network(layers).with_card(input_shape=(8, 8, 3), pixels=1), (COLOUR / np.float32(255))[None]
    net.save("maps.npz")
    start = np.zeros((1, 4, 4, 2), "f4")
    start[:, 1:3, 2:, 1] = net.forward(x)[:, 1:3, 2:, 1]
    assert np.allclose(attribution.region(net, x, (2, 4, 6, 8), 1), start)
    assert attribution.region(net, x, (0, 0, 1, 1), 1, relevance=False).sum() == 1, "at least one entry"
    call = ["explain", "a.png", "--model", "maps.npz", "--method", "lrp_epsilon", "--target", "1"]
    assert say(*call, "--box", "2,4,6,8")[0] == 0
    R = np.load("out/a_relevance.npy")
    assert np.allclose(R, attribution.lrp(net, x, start=start)[0], atol=1e-6) and abs(R[:, :3]).max() == 0
    for words, expected in (("2,4,6", "expected top, left, bottom and right"), ("2,4,1,8", "0 <= top < bottom <= 8"),
                            ("0,0,9,9", "0 <= top < bottom <= 8")):
        status, said = say(*call, "--box", words)
        assert status in (1, 2) and expected in said, said
    assert "no images in which a box" in say(*call[:3], "net.npz", "--box", "0,0,4,4")[1]
    with pytest.raises(ValueError, match="in which a box can lie"):
        attribution.region(models.load("dense"), np.zeros((1, 28, 28, 1)), (0, 0, 4, 4), 1)


# --- what newcomers typed by mistake ---------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as people have one."""
    folder = tmp_path_factory.mktemp("newcomer")
    photo = Image.fromarray(np.uint8(255 * datasets.photo("chelsea", 96)))
    photo.save(folder / "cat.jpg")
    shutil.copy(folder / "cat.jpg", folder / "My Cat.jpg")
    shutil.copy(folder / "cat.jpg", folder / "cat.txt")
    (folder / "half.jpg").write_bytes((folder / "cat.jpg").read_bytes()[:2000])
    (folder / "link.jpg").symlink_to("nowhere.jpg")
    (folder / "pictures" / "inner").mkdir(parents=True)
    shutil.copy(folder / "cat.jpg", folder / "pictures" / "inner" / "cat.jpg")
    np.save(folder / "first.npy", np.zeros((3, 96, 96), "f4"))
    np.save(folder / "scaled.npy", RNG.normal(size=(1, 64, 64, 3)).astype("f4"))
    np.save(folder / "up_to_255.npy", 255 * datasets.mnist("test")[0][8])
    (folder / "comma.csv").write_text("a;b\n1,5;2\n")
    (folder / "bad.npz").write_bytes(b"x")
    Image.fromarray(np.uint8(255 * datasets.mnist("test")[0][8, ..., 0])).save(folder / "five.png")
    layers = [Conv2d(RNG.normal(size=(5, 5, 3, 4)).astype("f4"), stride=5), ReLU(), GlobalAvgPool(),
              Dense(RNG.normal(size=(4, 3)).astype("f4"))]
    Network(layers).with_card(input_shape=(64, 64, 3), pixels=1).save(folder / "photo.npz")
    Network([Dense(RNG.normal(size=(2, 3)).astype("f4"))]).save(folder / "table.npz")
    return folder


@pytest.mark.parametrize("typed, words", [
    ("", "minixnn explain photo.jpg"),
    ("help", "did you mean minixnn --help?"),
    ("version", "did you mean minixnn --version?"),
    ("predict|cat.jpg", "did you mean minixnn explain photo.jpg?"),
    ("My Cat.jpg", "to explain My Cat.jpg: minixnn explain 'My Cat.jpg' -o out"),
    ("explain", "such as minixnn explain photo.jpg"),
    ("explain|My|Cat.jpg", 'put it between quotes: "My Cat.jpg"'),
    ("explain|cat.txt", "if it is a picture, call it .jpg or .png"),
    ("explain|half.jpg", "a part of it is missing: copy or download it again"),
    ("explain|link.jpg", "is a link to nowhere.jpg, and there is no such file"),
    ("explain|pictures", "inner/; folders in a folder are not opened, so give them"),
    ("explain|file:///tmp/cat.jpg", "give the file, /tmp/cat.jpg"),
    ("explain|first.npy", "whose channels come first; write array.transpose(1, 2, 0)"),
    ("explain|scaled.npy|--model|photo.npz", "give pixels from 0 to 1, with --mean and --std, or bounds"),
    ("explain|up_to_255.npy|--model|cnn", "if they are pixels up to 255, write array.astype('uint8')"),
    ("explain|comma.csv|--model|table.npz", "a number has a point, 1.5, where this has a comma"),
    ("explain|cat.jpg|--model|table.npz", "give such rows as a .csv or .npy file"),
    ("explain|five.png|--model|mnist", "networks of digits are dense, cnn and vit"),
    ("explain|five.png|--model|cnn.npz", "the shipped network is --model cnn"),
    ("explain|cat.jpg|--model|resnet18", "other networks come as ONNX files, or through interop.from_torch"),
    ("explain|cat.jpg|--model|phot.npz", "did you mean photo.npz"),
    ("explain|cat.jpg|--model|net.safetensors", "it holds weights without their network"),
    ("explain|cat.jpg|--model|bad.npz", "is damaged: it is no archive of arrays."),
    ("check|cat.jpg|photo.npz", "cat.jpg is a picture, given in the place of the network"),
    ("explain|five.png|--model|cnn|--method|ig", "did you mean integrated_gradients"),
    ("explain|five.png|--model|cnn|--method|shap", "there are occlusion, score_cam and ablation_cam"),
    ("explain|five.png|--model|cnn|--method|lrp_epsilon|--set|epsilon", "such as --set epsilon=1e-06"),
    ("explain|five.png|--model|cnn|--epsilon|0.1", "options of a method are set so: --set epsilon=0.1"),
    ("explain|cat.jpg|--mean|0.485|0.456|0.406", "are written with commas, such as 0.485,0.456,0.406"),
    ("ledger|five.png|--model|cnn|--methd|epsilon", "got --methd epsilon, which is not known here"),
    ("step|five.png|cat.jpg|--model|cnn", "this command takes one file at most"),
    ("step|five.png|--model|cnn|-o|none/walk.html", "cannot write none/walk.html: there is no folder none"),
    ("step|five.png|--model|cnn|-o|pictures", "expected the file to write, such as pictures/walk.html"),
    ("methods|lrp_epsilom", "did you mean lrp_epsilon"),
    ("models|cn", "did you mean cnn"),
])
def test_a_slip_is_answered_by_what_to_do(place, typed, words, monkeypatch, tmp_path, say):
    shutil.copytree(place, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    status, said = say(*(word for word in typed.split("|") if word))
    assert words in said and "Traceback" not in said, (status, said)
    assert status in (1, 2) or "up_to_255" in typed


@pytest.mark.parametrize("typed, written", [
    ("explain|five.png|five.png|--model|cnn", "out/five_overlay.png"),                      # the same file twice
    ("explain|five.png|--model|CNN|--method|LRP-epsilon-plus-flat", "out/five_overlay.png"),  # as pictures name it
    ("explain|five.png|--model|cnn|--method|gradient x input", "out/five_overlay.png"),
    ("explain|five.png|--model|cnn|--method|Grad-CAM++", "out/five_overlay.png"),
    ("step|five.png|--model|cnn", "walk.html"), ("step|five.png|--model|cnn|-o|w", "w.html")])
def test_what_can_only_mean_one_thing_is_done(place, typed, written, tmp_path, say):
    shutil.copy(place / "five.png", tmp_path / "five.png")
    assert say(*typed.split("|"))[0] == 0 and os.path.getsize(written) > 1000


def test_methods_and_networks_are_told_in_full_by_name(say):
    status, said = say("methods", "lrp_epsilon", "Grad-CAM")
    assert status == 0 and "sum" in said and "Bach et al. 2015" in said and "Selvaraju" in said and "R_ij" in said
    assert "Conv2d" in say("models", "cnn")[1] and "1,000 kinds of things" in say("models")[1]
