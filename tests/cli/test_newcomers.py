"""Does what a newcomer types by mistake get an answer that leads on? Each of these was typed, and once led nowhere."""
import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from minixnn import Conv2d, Dense, Network, ReLU, datasets
from minixnn.cli import main
from minixnn.layers import GlobalAvgPool

RNG = np.random.default_rng(5)


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
def test_a_slip_is_answered_by_what_to_do(place, typed, words, monkeypatch, tmp_path, capsys):
    shutil.copytree(place, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    status = main([word for word in typed.split("|") if word])
    said = "".join(capsys.readouterr())
    assert words in said and "Traceback" not in said, (status, said)
    assert status in (1, 2) or "up_to_255" in typed


@pytest.mark.parametrize("typed, written", [
    ("explain|five.png|five.png|--model|cnn", "out/five_overlay.png"),                      # the same file twice
    ("explain|five.png|--model|CNN|--method|LRP-epsilon-plus-flat", "out/five_overlay.png"),  # as pictures name it
    ("explain|five.png|--model|cnn|--method|gradient x input", "out/five_overlay.png"),
    ("explain|five.png|--model|cnn|--method|Grad-CAM++", "out/five_overlay.png"),
    ("step|five.png|--model|cnn", "walk.html"), ("step|five.png|--model|cnn|-o|w", "w.html")])
def test_what_can_only_mean_one_thing_is_done(place, typed, written, monkeypatch, tmp_path):
    shutil.copy(place / "five.png", tmp_path / "five.png")
    monkeypatch.chdir(tmp_path)
    assert main(typed.split("|")) == 0 and os.path.getsize(written) > 1000


def test_methods_and_networks_are_told_in_full_by_name(capsys):
    assert main(["methods", "lrp_epsilon", "Grad-CAM"]) == 0
    said = capsys.readouterr().out
    assert "sum" in said and "Bach et al. 2015" in said and "Selvaraju" in said and "R_ij" in said
    assert main(["models", "cnn"]) == 0 and "Conv2d" in capsys.readouterr().out
    assert main(["models"]) == 0 and "1,000 kinds of things" in capsys.readouterr().out
    assert pathlib.Path("walk.html").exists() is False
