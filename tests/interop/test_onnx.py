"""Networks from ONNX files compute what onnxruntime computes. Graphs are made by hand here; torch's are in `peers`."""
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minixnn.interop import from_onnx
from tests.onnx_files import RNG, compare, images, node, onnx, refused, runtime, saved, weights
from tests.strategies import grid, seeds

OPSETS = (11, 13, 15, 18, 21, 23)


@pytest.mark.parametrize("opset", OPSETS)
def test_a_network_of_all_layers_in_every_opset(path, opset):
    nodes = [node("Conv", "x W", "a", pads=[1, 1, 1, 1]), node("BatchNormalization", "a s t m v", "b", epsilon=1e-3),
             node("Relu", "b", "c"), node("MaxPool", "c", "d", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]),
             node("Identity", "d", "e"), node("Conv", "e V p", "f", strides=[2, 1]), node("Softplus", "f", "g"),
             node("AveragePool", "g", "h", kernel_shape=[2, 3], pads=[0, 1, 1, 1]), node("Dropout", "h", "i"),
             node("Flatten", "i", "j"), node("Sigmoid", "j", "k"), node("Gemm", "k A q", "l", transB=1),
             node("Tanh", "l", "n"), node("MatMul", "n B", "o"), node("Add", "o r", "y")]
    arrays = weights(W=(4, 3, 3, 3), s=4, t=4, m=4, V=(5, 4, 2, 2), p=5, A=(6, 60), q=6, B=(6, 3), r=3)
    arrays["v"] = RNG.uniform(0.5, 2, 4).astype("f")
    kinds = compare(saved(path, nodes, arrays, ["N", 3, 9, 7], opset), images(3, 3, 9, 7))
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Conv2d", "Softplus", "AvgPool2d", "Dropout",
                     "Flatten", "Sigmoid", "Dense", "Tanh", "Dense"]


@st.composite
def windows(draw):
    """(kind, attributes, image, opset): a convolution or pool with any padding that ONNX can say."""
    kind = draw(st.sampled_from(["Conv", "MaxPool", "AveragePool"]))
    kernel = [draw(st.integers(1, 4)) for _ in "hw"]
    found = {"strides": [draw(st.integers(1, 3 if kind == "Conv" else min(k, 3))) for k in kernel],
             "kernel_shape": kernel}
    auto = draw(st.sampled_from(["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if auto == "NOTSET":
        found["pads"] = [draw(st.integers(0, k - 1)) for k in kernel * 2]
    else:
        found["auto_pad"] = auto
    if kind != "Conv":
        found["ceil_mode"] = draw(st.integers(0, 1)) if not auto.startswith("SAME") else 0
    if kind == "AveragePool":
        found["count_include_pad"] = draw(st.integers(0, 1))
    return kind, found, [draw(st.integers(k, 8)) for k in kernel], draw(st.sampled_from(OPSETS))


@settings(max_examples=150)
@given(case=windows(), seed=seeds)
def test_windows_lie_where_onnxruntime_lays_them(tmp_path_factory, case, seed):
    kind, attributes, image, opset = case
    rng, path = np.random.default_rng(seed), tmp_path_factory.getbasetemp() / "windows.onnx"
    arrays = {"W": grid(rng, (2, 3, *attributes["kernel_shape"]), "f")} if kind == "Conv" else {}
    saved(path, [node(kind, "x " + " ".join(arrays), "y", **attributes)], arrays, ["N", 3, *image], opset)
    compare(path, grid(rng, (2, 3, *image), "f"))


@settings(max_examples=40)
@given(C=st.integers(1, 3), H=st.integers(1, 4), W=st.integers(1, 4), way=st.integers(0, 6), seed=seeds)
def test_features_behind_every_way_to_flatten_keep_their_weights(tmp_path_factory, C, H, W, way, seed):
    rng, path = np.random.default_rng(seed), tmp_path_factory.getbasetemp() / "flatten.onnx"
    F = C * H * W
    arrays = {"A": grid(rng, (F, 3), "f"), "to": np.array([[0, -1], [-1, F], [2, -1], [0, F], [2, F]][way % 5])}
    made = [node("Reshape", "x to", "a")]
    if way == 5:
        made = [node("Flatten", "x", "a", axis=-3)]
    if way == 6:                                            # x.view(x.size(0), -1)
        made = [node("Shape", "x", "size"), node("Gather", "size zero", "n"), node("Unsqueeze", "n axes", "n1"),
                node("Concat", "n1 rest", "target", axis=0), node("Reshape", "x target", "a")]
        arrays.update(zero=np.array(0), axes=np.array([0]), rest=np.array([-1]))
    nodes = [*made, node("Tanh", "a", "b"), node("MatMul", "b A", "y")]
    saved(path, nodes, arrays, [2 if way in (2, 4) else "N", C, H, W])
    compare(path, grid(rng, (2, C, H, W), "f"))


@settings(max_examples=40)
@given(alpha=st.sampled_from([1.0, -0.5, 2.0]), beta=st.sampled_from([1.0, 0.25]), transposed=st.booleans(),
       bias=st.sampled_from([None, (4,), (1, 4), (1,), ()]), seed=seeds)
def test_every_attribute_of_gemm(tmp_path_factory, alpha, beta, transposed, bias, seed):
    rng, path = np.random.default_rng(seed), tmp_path_factory.getbasetemp() / "gemm.onnx"
    arrays = {"A": grid(rng, (4, 3) if transposed else (3, 4), "f")}
    if bias is not None:
        arrays["b"] = grid(rng, bias, "f")
    saved(path, [node("Gemm", "x " + " ".join(arrays), "y", alpha=alpha, beta=beta, transB=int(transposed))], arrays,
          ["N", 3])
    compare(path, grid(rng, (5, 3), "f"))


@pytest.mark.parametrize("bias", [(4,), (1, 4), (1,), ()])
@pytest.mark.parametrize("order", ["a b", "b a"])
def test_a_bias_is_added_on_either_side(path, bias, order):
    saved(path, [node("MatMul", "x A", "a"), node("Add", order, "y")], weights(A=(3, 4), b=bias), ["N", 3])
    assert compare(path, images(5, 3)) == ["Dense"]


@pytest.mark.parametrize("pool, opset", [
    (("GlobalAveragePool", {}, {}), 11), (("ReduceMean", {"axes": [2, 3]}, {}), 17),
    (("ReduceMean", {}, {"axes": np.array([-1, -2])}), 18), (("ReduceMean", {"axes": [3, 2], "keepdims": 0}, {}), 13)])
@pytest.mark.parametrize("behind", ["Flatten", "Reshape", "Squeeze"])
def test_the_average_of_each_channel_is_one_layer_at_any_size(path, pool, opset, behind):
    kind, attributes, axes = pool
    arrays = {**weights(W=(4, 3, 2, 2), A=(4, 2)), **axes}
    nodes = [node("Conv", "x W", "a"), node(kind, "a " + " ".join(axes), "b", **attributes), node("Relu", "b", "c")]
    flat = "c" if "keepdims" in attributes else "d"
    if flat == "d":
        old = behind == "Squeeze" and opset < 13
        if behind == "Reshape":
            arrays["to"] = np.array([-1, 4])
        elif behind == "Squeeze" and not old:
            arrays["to"] = np.array([2, 3])
        nodes.append(node(behind, "c to" if "to" in arrays else "c", "d", **({"axes": [2, 3]} if old else {})))
    nodes.append(node("MatMul", f"{flat} A", "y"))
    saved(path, nodes, arrays, ["N", 3, "H", "W"], opset)
    assert compare(path, images(2, 3, 5, 4)) == ["Conv2d", "GlobalAvgPool", "ReLU", "Dense"]


def test_batch_norm_between_flatten_and_dense_is_put_in_our_order(path):
    arrays = weights(s=12, t=12, m=12, A=(12, 2))
    arrays["v"] = RNG.uniform(0.5, 2, 12).astype("f")
    saved(path, [node("Flatten", "x", "a"), node("BatchNormalization", "a s t m v", "b", momentum=0.8),
                 node("Gemm", "b A", "y")], arrays, ["N", 3, 2, 2])
    assert compare(path, images(4, 3, 2, 2)) == ["Flatten", "BatchNorm2d", "Dense"]
    assert from_onnx(path).layers[1].momentum == pytest.approx(0.2)


def test_weights_may_be_computed_by_nodes_and_doubles_stay_doubles(path):
    A = onnx.numpy_helper.from_array(RNG.normal(size=(4, 3)))
    saved(path, [node("Constant", "", "A", value=A), node("Transpose", "A", "B"), node("Identity", "B", "C"),
                 node("MatMul", "x C", "y")], {"unused": np.zeros(1)}, ["N", 3])
    compare(path, RNG.normal(size=(5, 3)), bound=1e-14)
    assert from_onnx(path).layers[0].W.dtype == np.float64


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
def test_the_softmax_at_the_end_is_left_out_and_said_to_be(path, kind):
    saved(path, [node("MatMul", "x A", "a"), node(kind, "a", "b", axis=1), node("Identity", "b", "y")],
          weights(A=(3, 4)), ["N", 3])
    x = images(5, 3)
    with pytest.warns(UserWarning, match=f"the {kind} at the end of .* is left out: the outputs are the logits"):
        net = from_onnx(path)
    logits = net.forward(x)
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = runtime.InferenceSession(str(path)).run(None, {"x": x})[0]
    expected = np.exp(expected) if kind == "LogSoftmax" else expected
    assert abs(found - expected).max() < 1e-6


def test_without_a_softmax_nothing_is_said(path):
    saved(path, [node("Relu", "x", "y")], {}, ["N", 3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_onnx(path)


SQUARE = ["N", 4, 6, 6]
REFUSALS = [
    (("Conv", "x W", {"auto_pad": "BOGUS"}), {"W": (4, 4, 3, 3)}, SQUARE, "(Conv): auto_pad='BOGUS' is not supported"),
    (("Conv", "x W", {"group": 3}), {"W": (4, 4, 3, 3)}, SQUARE,
     "(Conv): groups=3 does not fit weights of shape (4, 4"),
    (("Conv", "x W", {}), {"W": (4, 4, 0, 3)}, SQUARE, "(Conv): weights of shape (4, 4, 0, 3) are not supported"),
    (("Conv", "x W", {}), {"W": (4, 5, 3, 3)}, SQUARE, "(Conv): expects 5 channels, but the input's shape leads to 4"),
    (("Conv", "x W", {}), {"W": (4, 4, 3)}, SQUARE, "(Conv): got (N, 4, 6, 6) numbers, expected sequences, (channels"),
    (("MaxPool", "x", {"kernel_shape": [7, 7]}), {}, SQUARE, "got images of 6 x 6 pixels, smaller than its window"),
    (("AveragePool", "x", {"kernel_shape": [1, 1], "strides": [2, 2], "auto_pad": "SAME_UPPER"}), {}, SQUARE,
     "(AveragePool): auto_pad='SAME_UPPER' with strides=(2, 2) beyond windows of (1, 1)"),
    (("MaxPool", "x", {"kernel_shape": [2, 2]}), {}, ["N", 4], "(MaxPool): got (N, 4) numbers, expected images"),
    (("Gemm", "x A", {"transA": 1}), {"A": (3, 2)}, [3, 3], "(Gemm): works along an axis of (3, N) that holds images"),
    (("Gemm", "x A b", {}), {"A": (3, 2), "b": (5, 2)}, [5, 3], "(Gemm): a constant has other numbers for each im"),
    (("Gemm", "A x", {}), {"A": (3, 3)}, [3, 3], "(Gemm): works along an axis of (3, N) that holds images"),
    (("MatMul", "x A", {}), {"A": (5, 2)}, ["N", 3], "(MatMul): expects 5 inputs, but the input's shape leads to 3"),
    (("MatMul", "x x", {}), {}, [3, 3], "(MatMul): multiplies matrices of shapes (N, 3) and (N, 3), which"),
    (("ReduceMean", "x", {"axes": [0]}), {}, SQUARE, "(ReduceMean): axes=[0] of (N, 4, 6, 6) is not supported: the ba"),
    (("Flatten", "x", {"axis": 2}), {}, SQUARE, "(Flatten): turns (N, 4, 6, 6) into two axes at axis 2, expected one"),
    (("Flatten", "x", {}), {}, ["N", 4, "H", 6], "depends on the size of the images, which is left open"),
    (("Flatten", "x", {}), {}, None, "the file does not say the shape of its input 'x'"),
    (("Resize", "x r s", {"mode": "cubic"}), {"r": (0,), "s": (4,)}, SQUARE, "(Resize): "),
]


@pytest.mark.parametrize("made, arrays, shape, said", REFUSALS)
def test_what_a_network_cannot_represent_is_refused_by_name_and_type(path, made, arrays, shape, said):
    kind, inputs, attributes = made
    opset = 11 if kind in ("Softmax", "ReduceMean") else 17
    message = refused(path, [node(kind, inputs, "y", **attributes)], weights(**arrays), shape, opset=opset)
    assert said in message and (message.startswith(("node 'my y' (", "my y: ")) or "input 'x'" in message), message


@pytest.mark.parametrize("target, said", [
    ([1, -1], "the output is (1, 144 N), expected one row"), ([-1, 72], "the output is (2 N, 72), expected one row"),
    ([3, -1], "node 'my y' (Reshape): turns (N, 4, 6, 6) into (3, -1), expected one row for each image, (N, 144)")])
def test_a_reshape_that_mixes_images_is_refused(path, target, said):
    assert said in refused(path, [node("Reshape", "x to", "y")], {"to": np.array(target)}, SQUARE)


@pytest.mark.parametrize("nodes, arrays, shape, kinds", [
    ([node("Conv", "x W c", "a"), node("Add", "a b", "y")], weights(W=(4, 3, 2, 2), c=4, b=(4, 1, 1)), ["N", 3, 5, 4],
     ["Conv2d"]),                                           # a bias is one number a channel, and not one a column
    ([node("Conv", "x W", "a"), node("Add", "a b", "y")], weights(W=(4, 3, 2, 2), b=(3,)), ["N", 3, 5, 4],
     ["Conv2d", "Shift"]),
    ([node("GlobalAveragePool", "x", "a"), node("Conv", "a W", "y")], weights(W=(4, 3, 1, 1)), ["N", 3, 5, 4], None),
    ([node("Tanh", "x", "dead"), node("MatMul", "x A", "y")], weights(A=(3, 2)), ["N", 3], ["Dense"]),
    ([node("Det", "x", "unused"), node("Relu", "x", "y")], {}, SQUARE, ["ReLU"]),     # what leads nowhere is not asked
    ([node("Reshape", "x to", "a"), node("MatMul", "a A", "y")], {"to": np.array([1, -1]), **weights(A=(12, 2))},
     [1, 3, 2, 2], ["Flatten", "Dense"])])                  # a row for a batch of one is a row an image
def test_a_graph_is_read_as_these_layers(path, nodes, arrays, shape, kinds):
    found = compare(saved(path, nodes, arrays, shape, outputs=["y"]), images(1 if shape[0] == 1 else 2, *shape[1:]))
    assert kinds in (None, found)


def test_a_batch_size_in_another_place_of_the_target_is_refused(path):
    """x.view(-1, x.size(0) * 2): with a size of 0 for "any", the product would look like "as it was"."""
    nodes = [node("Shape", "x", "size"), node("Gather", "size zero", "n"), node("Mul", "n two", "double"),
             node("Unsqueeze", "double axes", "d"), node("Concat", "d rest", "target", axis=0),
             node("Reshape", "x target", "y")]
    numbers = {"zero": np.array(0), "two": np.array(2), "axes": np.array([0]), "rest": np.array([-1])}
    said = refused(path, nodes, numbers, SQUARE)
    assert "the output is (2 N, 72), expected one row for each image" in said


def test_the_first_node_in_the_way_is_named_if_need_be_by_its_output(path):
    nodes = [node("Relu", "x", "a"), onnx.helper.make_node("Det", ["a"], ["b"]), node("Selu", "b", "y")]
    assert refused(path, nodes, {}, SQUARE).startswith("node 'b' (Det): Det is not supported")


def test_other_outputs_of_a_node_are_refused(path):
    pool = onnx.helper.make_node("MaxPool", ["x"], ["a", "places"], name="my pool", kernel_shape=[2, 2])
    said = refused(path, [pool], {}, SQUARE, outputs=["places"])
    assert said.startswith("node 'my pool' (MaxPool): its output 'places' is read, expected the first"), said


@pytest.mark.parametrize("limit, kinds", [(20.0, ["Softplus"]), (1.0, ["Softplus", "CompareTo", "Choose"])])
def test_softplus_with_a_threshold_is_softplus_where_it_is(path, limit, kinds):
    nodes = [node("Softplus", "x", "s"), node("Greater", "x limit", "g"), node("Where", "g x s", "y")]
    saved(path, nodes, {"limit": np.float32(limit)}, ["N", 3])
    assert compare(path, 30 * images(40, 3)) == kinds


def test_training_is_refused(path):
    arrays = {"r": np.float32(0.5), "t": np.array(True)}
    assert "(Dropout): training_mode=True is not" in refused(path, [node("Dropout", "x r t", "y")], arrays, ["N", 3])
    norm = node("BatchNormalization", "x s t m v", "y", training_mode=1)
    said = refused(path, [norm], weights(s=3, t=3, m=3, v=3), ["N", 3])
    assert "(BatchNormalization): training_mode=1 is not" in said


def test_the_share_that_dropout_drops_is_kept(path):
    saved(path, [node("Dropout", "x r", "y")], {"r": np.float32(0.25)}, ["N", 3])
    assert from_onnx(path).layers[0].rate == 0.25
    saved(path, [node("Dropout", "x", "y", ratio=0.75)], {}, ["N", 3], opset=11)
    assert from_onnx(path).layers[0].rate == 0.75


def test_weights_that_are_not_finite_and_unknown_operators_are_refused(path):
    said = refused(path, [node("MatMul", "x A", "y")], {"A": np.full((3, 2), np.nan, "f")}, ["N", 3])
    assert said.startswith("node 'my y' (MatMul): its weights hold NaN"), said
    assert refused(path, [node("Swoosh", "x", "y")], {}, ["N", 3]) == "node 'my y' (Swoosh): Swoosh is not supported"
    elsewhere = node("Relu", "x", "y", domain="my.company")
    assert "node 'my y' (Relu): Relu is not supported" in refused(path, [elsewhere], {}, ["N", 3])


def test_half_precision_becomes_single(path):
    half = {"A": RNG.normal(size=(3, 2)).astype("f2")}
    saved(path, [node("MatMul", "x A", "y")], half, ["N", 3])
    W = from_onnx(path).layers[0].W
    assert W.dtype == np.float32 and np.array_equal(W, half["A"].astype("f"))


def test_the_input_shape_may_be_given_where_the_file_has_none(path):
    nodes = [node("Flatten", "x", "a"), node("MatMul", "a A", "y")]
    saved(path, nodes, weights(A=(24, 2)), ["N", 3, "H", "W"])
    compare(path, images(2, 3, 2, 4), input_shape=(3, 2, 4))
    with pytest.raises(ValueError, match=re.escape("got input_shape=(1, 2, 4), but in the graph 'x' has the shape "
                                                   "(3, None, None), without the batch")):
        from_onnx(path, (1, 2, 4))
    saved(path, nodes, weights(A=(24, 2)), None)
    compare(path, images(2, 3, 2, 4), input_shape=(3, 2, 4))


def test_old_opsets_are_refused_with_the_remedy(path):
    said = refused(path, [node("Relu", "x", "y")], {}, ["N", 3], opset=9)
    assert "is written in opset 9, expected 11 or newer; convert it: onnx.version_converter" in said


def test_files_that_are_no_models_are_named(path):
    whole = saved(path, [node("Relu", "x", "y")], {}, ["N", 3]).read_bytes()
    for content in (b"", b"no model at all", whole[:-7]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.onnx (is not an ONNX model|is not a valid ONNX|has 0 inputs)"):
            from_onnx(path)
    with pytest.raises(FileNotFoundError):
        from_onnx(path.with_name("nowhere.onnx"))


def test_without_onnx_the_remedy_is_said(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install onnx"):
        from_onnx(path)


def test_reading_the_module_does_not_import_onnx():
    code = "import sys, minixnn.interop; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_explains_a_network_from_a_file(path, tmp_path, capsys):
    from minixnn.cli import main
    pytest.importorskip("matplotlib", reason="matplotlib, which draws the heatmaps, is not installed")
    nodes = [node("Conv", "x W", "a"), node("Relu", "a", "b"), node("Flatten", "b", "c"), node("Gemm", "c A", "y")]
    saved(path, nodes, weights(W=(4, 1, 3, 3), A=(4 * 36, 3)), ["N", 1, 8, 8])
    np.save(tmp_path / "image.npy", abs(images(8, 8, 1)))
    status = main(["explain", str(tmp_path / "image.npy"), "--model", str(path), "-o", str(tmp_path / "out")])
    assert status == 0, capsys.readouterr().err
    R = np.load(tmp_path / "out" / "image_relevance.npy")
    assert R.shape == (8, 8, 1) and abs(R).max() > 0
