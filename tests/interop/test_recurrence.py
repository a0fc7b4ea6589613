"""ONNX's RNN, GRU and LSTM beside onnxruntime, and what of them is refused."""
import numpy as np
import pytest

from minixnn import passes
from minixnn.interop import from_onnx

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  (onnx may be missing)

T, N, I, H = 5, 3, 3, 4
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def written(path, kind, output="Y", start="", bias=True, extra=(), steps=T, lengths=None,
            **attributes):
    """A file with one recurrent node. Its input has the images in front; start: "", "constant" or "input"."""
    rng = np.random.default_rng(0)
    D, columns = 2 if attributes.get("direction") == "bidirectional" else 1, GATES[kind] * H

    def draw(*shape):
        return (rng.normal(size=shape) / 2).astype(np.float32)
    weights = {"W": draw(D, columns, I), "R": draw(D, columns, H), "B": draw(D, 2 * columns)}
    names = ["x_steps" if not attributes.get("layout") else "x", "W", "R", "B" if bias else "",
             "lengths" if lengths else ""]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", steps, I])]
    nodes = [] if attributes.get("layout") else [helper.make_node("Transpose", ["x"], ["x_steps"], perm=[1, 0, 2])]
    for state in ("h", "c")[:(2 if kind == "LSTM" else 1) if start else 0]:
        names.append(state)
        if start == "input":
            inputs.append(helper.make_tensor_value_info(f"{state}_images", TensorProto.FLOAT, ["n", D, H]))
            nodes.append(helper.make_node("Transpose", [f"{state}_images"], [state], perm=[1, 0, 2]))
        else:
            weights[state] = np.tile(draw(D, 1, H), (1, N, 1))
    if lengths:
        weights["lengths"] = np.array(lengths, np.int32)
    outputs = ["Y", "Y_h", *(["Y_c"] if kind == "LSTM" else [])]
    nodes.append(helper.make_node(kind, [*names, *extra], outputs, name="cell", hidden_size=H, **attributes))
    order = {"Y": [2, 0, 1, 3], "Y_h": [1, 0, 2], "Y_c": [1, 0, 2]}[output]
    nodes.append(helper.make_node("Transpose", [output], ["y"], perm=order if not attributes.get("layout") else
                                  list(range(len(order)))))
    weights.update({name: np.zeros((D, 3 * H), np.float32) + 0.1 for name in extra if name == "P"})
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(a, name) for name, a in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return [entry.name for entry in inputs]


def same(path, names):
    net, rng = from_onnx(path), np.random.default_rng(1)
    x = [rng.normal(size=(N, T, I)).astype(np.float32), *(rng.normal(size=(N, 1, H)).astype(np.float32)
                                                          for _ in names[1:])]
    session = runtime.InferenceSession(str(path))

    def computed(parts):
        return session.run(None, dict(zip(names, parts)))[0]
    expected = computed(x)
    given = tuple(x) if len(names) > 1 else x[0]
    np.testing.assert_allclose(net.forward(given), expected, rtol=1e-5, atol=1e-6)
    R = rng.normal(size=expected.shape).astype(np.float32)
    gradients, step = passes.gradient(net, given, start=R)[0], 0.02
    for part, found in enumerate(gradients if len(names) > 1 else [gradients]):
        for _ in range(4):
            n = tuple(rng.integers(0, m) for m in x[part].shape)
            ends = []
            for sign in (1, -1):
                moved = [each.copy() for each in x]
                moved[part][n] += sign * step
                ends.append(float((computed(moved) * R).sum()))
            assert np.isclose((ends[0] - ends[1]) / (2 * step), found[n], rtol=0.02, atol=5e-3)
    return net


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind, settings", [
    ("RNN", {}), ("RNN", {"activations": ["Relu"]}), ("GRU", {}), ("GRU", {"linear_before_reset": 1}), ("LSTM", {})])
def test_a_node_computes_what_onnxruntime_computes(kind, settings, direction, tmp_path):
    if "activations" in settings and direction == "bidirectional":
        settings = {"activations": ["Relu", "Relu"]}
    names = written(tmp_path / "a.onnx", kind, direction=direction, **settings)
    same(tmp_path / "a.onnx", names)


@pytest.mark.parametrize("kind, output, start", [
    ("RNN", "Y_h", "input"), ("GRU", "Y_h", "constant"), ("GRU", "Y", "input"), ("LSTM", "Y_h", "input"),
    ("LSTM", "Y_c", "constant"), ("LSTM", "Y_c", "")])
def test_states_that_are_given_and_those_that_are_left(kind, output, start, tmp_path):
    same(tmp_path / "a.onnx", written(tmp_path / "a.onnx", kind, output, start))


def test_a_node_without_biases_or_with_lengths_that_are_all_alike(tmp_path):
    same(tmp_path / "a.onnx", written(tmp_path / "a.onnx", "LSTM", bias=False))
    same(tmp_path / "a.onnx", written(tmp_path / "a.onnx", "GRU", lengths=[T] * N))


@pytest.mark.parametrize("kind, settings", [("GRU", {"direction": "bidirectional"}), ("LSTM", {"output": "Y_c"})])
def test_images_in_front_are_read_as_the_transposed_file_is(kind, settings, tmp_path):
    """layout=1, which onnxruntime does not compute."""
    written(tmp_path / "usual.onnx", kind, **settings)
    written(tmp_path / "front.onnx", kind, **settings, layout=1)
    x = np.random.default_rng(0).normal(size=(2, T, I)).astype(np.float32)
    front, usual = (from_onnx(tmp_path / f"{name}.onnx") for name in ("front", "usual"))
    np.testing.assert_allclose(front.forward(x), usual.forward(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind, settings, said", [
    ("GRU", {"clip": 1.0}, r"node 'cell' \(GRU\): clips, expected a plain GRU"),
    ("LSTM", {"input_forget": 1}, "couples its gates, expected a plain LSTM"),
    ("LSTM", {"start": "constant", "extra": ("P",)}, "has peepholes, expected a plain LSTM"),
    ("GRU", {"lengths": [5, 3, 5]}, "has a length for each sequence, expected all to be as long as the input"),
    ("GRU", {"activations": ["Sigmoid", "Relu"]}, "has the activations Sigmoid, Relu, expected Sigmoid, Tanh"),
    ("RNN", {"activations": ["Softsign"]}, "has the activations Softsign, expected Tanh or Relu")])
def test_what_is_not_read_is_refused_in_a_sentence(kind, settings, said, tmp_path):
    written(tmp_path / "a.onnx", kind, **settings)
    with pytest.raises(ValueError, match=said):
        from_onnx(tmp_path / "a.onnx")


def test_steps_along_the_axis_of_the_images_are_refused(tmp_path):
    node = helper.make_node("GRU", ["x", "W", "R"], ["y"], name="cell", hidden_size=H)
    weights = {"W": np.ones((1, 3 * H, I), np.float32), "R": np.ones((1, 3 * H, H), np.float32)}
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5, I])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(a, name) for name, a in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=r"reads \(5, N, 3\) numbers as \(sequences, steps, channels\), expected the"):
        from_onnx(tmp_path / "a.onnx")


def test_a_length_that_the_file_leaves_open_has_to_be_said(tmp_path):
    written(tmp_path / "a.onnx", "GRU", "Y_h", steps="t")
    with pytest.raises(ValueError, match="input_shape"):
        from_onnx(tmp_path / "a.onnx")
    net = from_onnx(tmp_path / "a.onnx", input_shape=(T, I))
    assert net.forward(np.ones((2, T, I), np.float32)).shape == (2, 1, H)
