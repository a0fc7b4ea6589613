"""`minixnn check net.onnx`: the file's own outputs beside ours, for images in either order of axes."""
import re

import numpy as np
import pytest
from PIL import Image

from minixnn import Network, datasets, layers, models
from minixnn.cli import main
from minixnn.interop import to_onnx
from tests.onnx_files import node, runtime, saved, weights


@pytest.fixture
def pictures(tmp_path):
    """Two digits and one picture of another size."""
    for n, image in enumerate(datasets.mnist("test")[0][:2]):
        Image.fromarray(np.uint8(image[..., 0] * 255)).save(tmp_path / f"{n}.png")
    Image.fromarray(np.zeros((12, 9), np.uint8)).save(tmp_path / "small.png")
    return tmp_path


def test_a_file_with_channels_last_is_compared_with_onnxruntime(pictures, capsys):
    path = pictures / "net.onnx"
    to_onnx(models.load("dense"), path)
    assert main(["check", str(path), str(pictures / "0.png"), str(pictures / "1.png"), "--target", "7"]) == 0
    assert re.search(r"outputs +yes", capsys.readouterr().out)


def test_a_file_with_channels_first_is_compared_with_onnxruntime(tmp_path, capsys):
    path = saved(tmp_path / "net.onnx", [node("Conv", "x W", "a"), node("Relu", "a", "b"), node("Flatten", "b", "c"),
                                         node("MatMul", "c A", "y")],
                 weights(W=(4, 3, 3, 3), A=(64, 2)), ["N", 3, 6, 6])
    assert main(["check", str(path)]) == 0
    assert re.search(r"outputs +yes", capsys.readouterr().out)


def test_a_file_that_computes_something_else_is_found(tmp_path, capsys, monkeypatch):
    path = saved(tmp_path / "net.onnx", [node("MatMul", "x A", "y")], weights(A=(5, 2)), ["N", 5])

    class Other(runtime.InferenceSession):
        def run(self, *what):
            return [y + 1 for y in super().run(*what)]
    monkeypatch.setattr(runtime, "InferenceSession", Other)
    assert main(["check", str(path)]) == 1
    assert 'the network fails "outputs"' in capsys.readouterr().out


def test_what_onnxruntime_cannot_run_is_said_and_the_rest_is_checked(tmp_path, capsys, monkeypatch):
    path = saved(tmp_path / "net.onnx", [node("MatMul", "x A", "y")], weights(A=(5, 2)), ["N", 5])
    monkeypatch.setattr(runtime, "InferenceSession", lambda *what, **how: 1 / 0)
    assert main(["check", str(path)]) == 0
    assert "onnxruntime could not run the file" in capsys.readouterr().err


def test_pictures_of_several_sizes_and_unknown_sizes_are_refused(pictures, capsys):
    path = pictures / "net.npz"
    Network([layers.Conv2d(np.ones((3, 3, 1, 2), np.float32)), layers.GlobalAvgPool()]).save(path)
    assert main(["check", str(path), str(pictures / "0.png"), str(pictures / "small.png")]) == 2
    assert "the pictures are of several sizes; give --size" in capsys.readouterr().err
    assert main(["check", str(path)]) == 2
    assert "give pictures or --size" in capsys.readouterr().err
    assert main(["check", str(path), "--size", "8x8"]) == 0
