"""Does a file that takes bytes, or divides by itself, give onnxruntime's outputs for a picture, on every way in?"""
import re

import numpy as np
import pytest
from PIL import Image

from minixnn import Conv2d, Dense, Network, Prepare
from minixnn.cli import main
from minixnn.interop import from_onnx
from minixnn.interop.onnx_file import open_sizes
from minixnn.interop.building import with_pixels
from minixnn.layers import Embedding, Flatten, GlobalAvgPool
from tests.onnx_files import node, onnx, runtime, weights

BYTES = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
MEAN = np.float32([123.68, 116.78, 103.94]).reshape(1, 3, 1, 1)
BEGINNINGS = {                  # declared type, whether channels are first, nodes in front of "in", their constants
    "bytes, cast": (2, True, [("Cast", "x", {"to": 1})], {}),
    "bytes, divided": (2, True, [("Cast", "x", {"to": 1}), ("Div", "{} k", {})], {"k": np.float32(255)}),
    "bytes, channels last": (2, False, [("Cast", "x", {"to": 1}), ("Transpose", "{}", {"perm": [0, 3, 1, 2]})], {}),
    "bytes, last, divided": (2, False, [("Cast", "x", {"to": 1}), ("Div", "{} k", {}),
                                        ("Transpose", "{}", {"perm": [0, 3, 1, 2]})], {"k": np.float32(255)}),
    "int32": (6, True, [("Cast", "x", {"to": 1}), ("Mul", "{} k", {})], {"k": np.float32(1 / 255)}),
    "floats, divided": (1, True, [("Div", "x k", {})], {"k": np.float32(255)}),
    "floats, times": (1, True, [("Mul", "x k", {})], {"k": np.float32(1 / 255)}),
    "floats to -1": (1, True, [("Div", "x k", {}), ("Sub", "{} one", {})],
                     {"k": np.float32(127.5), "one": np.float32(1)}),
    "floats less a mean": (1, True, [("Sub", "x m", {})], {"m": MEAN}),
    "floats, all of it": (1, True, [("Sub", "x m", {}), ("Div", "{} s", {})],
                          {"m": MEAN, "s": np.float32([58.4, 57.1, 57.4]).reshape(1, 3, 1, 1)}),
}


def written(path, name):
    """A file that begins so and goes on with a convolution; onnxruntime's largest output for the picture."""
    kind, first, beginning, constants = BEGINNINGS[name]
    nodes, now = [], "x"
    for number, (operation, inputs, settings) in enumerate(beginning):
        nodes.append(node(operation, inputs.format(now), f"v{number}", **settings))
        now = f"v{number}"
    nodes += [node("Conv", f"{now} W", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"),
              node("GlobalAveragePool", "r", "g"), node("Flatten", "g", "t"), node("MatMul", "t A", "y")]
    arrays = {**constants, "W": np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype("f4"),
              "A": np.random.default_rng(2).normal(size=(4, 3)).astype("f4")}
    shape, value = (3, 6, 7) if first else (6, 7, 3), onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "graph", [value("x", kind, ["N", *shape])], [value("y", 1, ["N", 3])],
                                   [onnx.numpy_helper.from_array(array, each) for each, array in arrays.items()])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    x = BYTES[None].transpose(0, 3, 1, 2) if first else BYTES[None]
    x = np.ascontiguousarray(x).astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0][0]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_bytes_reach_the_file_as_it_takes_them(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    expected = written("net.onnx", name)
    net = from_onnx("net.onnx")
    assert net.card.pixels == 255 and "pixels   from 0 to 255" in net.describe()
    assert np.allclose(net.forward(BYTES[None].astype("f4"))[0], expected, rtol=1e-4, atol=1e-4)
    Image.fromarray(BYTES).save("p.png")
    np.save("p.npy", BYTES)
    net.save("net.npz")
    for file in ("p.png", "p.npy"):
        for model in ("net.onnx", "net.npz"):
            assert main(["explain", file, "--model", model, "-o", "o", "--no-figures"]) == 0
            said = "".join(capsys.readouterr())
            number = float(re.search(r"largest output \d \(([-\d.]+)\)", said)[1])
            assert abs(number - expected.max()) < 1e-3 * max(1, abs(expected.max())), (file, model, said)
    assert main(["check", "net.onnx", "p.png"]) == 0
    assert re.search(r"outputs +yes", capsys.readouterr().out)


def test_a_file_for_pixels_up_to_one_stays_one(tmp_path):
    half = np.float32(0.5)
    for number, constants in enumerate(({"m": MEAN / 255, "s": np.float32(0.23)}, {"m": half, "s": half})):
        BEGINNINGS["up to one"] = (1, True, [("Sub", "x m", {}), ("Div", "{} s", {})], constants)
        written(tmp_path / f"{number}.onnx", "up to one")
        del BEGINNINGS["up to one"]
        assert from_onnx(tmp_path / f"{number}.onnx").card.pixels is None


def test_tokens_and_tables_are_no_pixels():
    divided = Prepare(np.float32(0), np.float32(255))
    for net in (Network([Embedding(np.eye(5, 3)), Flatten(), Dense(np.eye(6, 2))]).with_card(input_shape=(2,)),
                Network([divided, Dense(np.eye(3))]).with_card(input_shape=(3,)), Network([Dense(np.eye(3))])):
        assert with_pixels(net, "int64").card.pixels is None
    of_pictures = Network([divided, Conv2d(np.ones((1, 1, 3, 2))), GlobalAvgPool()])
    assert with_pixels(of_pictures).card.pixels == 255
    assert with_pixels(Network(of_pictures.layers[1:]), "uint8").card.pixels == 255
    assert with_pixels(Network(of_pictures.layers[1:]), "float32").card.pixels is None


def any_size(path, sizes):
    """A file whose maps grow to the size of its picture, so that it can be read for a known size only."""
    onnx_nodes = [node("Conv", "x W", "a", pads=[1, 1, 1, 1]), node("MaxPool", "a", "b", kernel_shape=[2, 2],
                                                                    strides=[2, 2]),
                  node("Shape", "x", "s"), node("Slice", "s two four", "hw"), node("Shape", "b", "t"),
                  node("Slice", "t zero two", "nc"), node("Concat", "nc hw", "to", axis=0),
                  onnx.helper.make_node("Resize", ["b", "", "", "to"], ["y"], mode="linear",
                                        coordinate_transformation_mode="half_pixel")]
    arrays = {**weights(W=(4, 3, 3, 3)), **{name: np.array([n]) for name, n in (("zero", 0), ("two", 2), ("four", 4))}}
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(onnx_nodes, "graph", [value("x", 1, ["N", 3, *sizes])], [value("y", 1, None)],
                                   [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.mark.parametrize("size", ["8x8", "6x10", "12x4"])
def test_a_file_for_any_size_takes_that_of_the_option(tmp_path, monkeypatch, capsys, size):
    monkeypatch.chdir(tmp_path)
    any_size("net.onnx", ["H", "W"])
    assert open_sizes("net.onnx") == (3, None, None)
    height, width = map(int, size.split("x"))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)).save("p.png")
    for command in (["ledger", "p.png"], ["explain", "p.png", "-o", "o"]):
        assert main([*command, "--model", "net.onnx"]) == 2
        assert "give --size HEIGHTxWIDTH" in capsys.readouterr().err
        assert main([*command, "--model", "net.onnx", "--size", size]) == 0
    x = np.asarray(Image.open("p.png"), "f4").transpose(2, 0, 1)[None] / 255
    y = runtime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    assert f"({y.mean(axis=(2, 3)).max():.3f})" in capsys.readouterr().out
    assert main(["check", "net.onnx", "--size", size]) == 0
    assert re.search(r"outputs +yes", capsys.readouterr().out)
