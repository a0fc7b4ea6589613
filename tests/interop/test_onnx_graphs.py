"""Graphs that branch, join and spell things out, made by hand, compute what onnxruntime computes."""
import numpy as np
import pytest

from minixnn import Network, passes
from minixnn.layers import Conv2d
from tests.onnx_files import compare, from_onnx, images, node, onnx, refused, runtime, saved, weights

RNG = np.random.default_rng(1)
X = (2, 3, 8, 8)


def numbers(*values):
    return np.array(values, np.int64)


def f(value):
    return np.float32(value)


ACTIVATIONS = {
    "SiLU": ([("Sigmoid", "x", "s"), ("Mul", "x s", "y")], {}),
    "Hardswish": ([("Add", "x three", "a"), ("Clip", "a zero six", "b"), ("Mul", "x b", "c"), ("Div", "c six", "y")],
                  {"three": f(3), "zero": f(0), "six": f(6)}),
    "GELU": ([("Div", "x root", "a"), ("Erf", "a", "b"), ("Add", "b one", "c"), ("Mul", "x c", "d"),
              ("Mul", "d half", "y")], {"root": f(2 ** 0.5), "one": f(1), "half": f(0.5)}),
    "GELU('tanh')": ([("Mul", "x x", "a"), ("Mul", "a x", "b"), ("Mul", "b k", "c"), ("Add", "x c", "d"),
                      ("Mul", "root d", "e"), ("Tanh", "e", "g"), ("Add", "one g", "h"), ("Mul", "half h", "i"),
                      ("Mul", "i x", "y")],
                     {"k": f(0.044715), "root": f((2 / np.pi) ** 0.5), "one": f(1), "half": f(0.5)}),
    "Softplus": ([("Exp", "x", "a"), ("Add", "a one", "b"), ("Log", "b", "y")], {"one": f(1)}),
    "Mish": ([("Softplus", "x", "a"), ("Tanh", "a", "b"), ("Mul", "x b", "y")], {}),
    "LeakyReLU": ([("Mul", "x slope", "a"), ("Max", "a x", "y")], {"slope": f(0.2)}),
    "Clip": ([("Max", "x low", "a"), ("Min", "a high", "y")], {"low": f(-0.5), "high": f(0.75)}),
    "Hardsigmoid": ([("Mul", "x sixth", "a"), ("Add", "a half", "b"), ("Clip", "b zero one", "y")],
                    {"sixth": f(1 / 6), "half": f(0.5), "zero": f(0), "one": f(1)}),
}


def made(nodes):
    return [node(*each[:3], **(each[3] if len(each) > 3 else {})) for each in nodes]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_written_out_is_known_by_its_values(path, name):
    nodes, arrays = ACTIVATIONS[name]
    saved(path, [*made(nodes), node("MatMul", "y A", "z")], {**arrays, **weights(A=(5, 2))}, ["N", 5], 13)
    assert compare(path, 4 * images(50, 5)) == [name.partition("(")[0], "Dense"]


def test_an_unknown_activation_is_the_layers_that_it_is_written_in(path):
    saved(path, [node("Exp", "x", "a"), node("Mul", "a x", "y")], {}, ["N", 3])
    assert compare(path, images(4, 3)) == ["Function", "Multiply"]


NORMS = {
    "LayerNorm": ([("ReduceMean", "a", "m", {"axes": [-1]}), ("Sub", "a m", "d"), ("Pow", "d two", "s"),
                   ("ReduceMean", "s", "v", {"axes": [-1]}), ("Add", "v eps", "e"), ("Sqrt", "e", "r"),
                   ("Div", "d r", "n"), ("Mul", "n g", "o"), ("Add", "o h", "y")], {"two": f(2), "eps": f(1e-3)}),
    "RMSNorm": ([("Mul", "a a", "s"), ("ReduceMean", "s", "v", {"axes": [-1]}), ("Add", "eps v", "e"),
                 ("Sqrt", "e", "r"), ("Reciprocal", "r", "q"), ("Mul", "q a", "n"), ("Mul", "g n", "y")],
                {"eps": f(1e-2)}),
}


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_written_out_is_one_layer_with_its_weights(path, name):
    nodes, arrays = NORMS[name]
    arrays = {**arrays, **weights(A=(5, 6), g=6, h=6)}
    saved(path, [node("MatMul", "x A", "a"), *made(nodes)], arrays, ["N", 4, 5], 13)
    assert compare(path, images(3, 4, 5)) == ["Dense", name]


GRAPHS = {
    "residual": ([("Conv", "x W", "a", {"pads": [1] * 4}), ("Relu", "a", "b"), ("Add", "b x", "y")],
                 {"W": (3, 3, 3, 3)}, ["Conv2d", "ReLU", "Add"]),
    "sum of three": ([("Conv", "x W", "a", {"pads": [1] * 4}), ("Tanh", "x", "b"), ("Sum", "a b x", "y")],
                     {"W": (3, 3, 3, 3)}, ["Conv2d", "Tanh", "Add", "Add"]),
    "difference": ([("Tanh", "x", "a"), ("Sub", "a x", "y")], {}, ["Tanh", "Scale", "Add"]),
    "concatenation": ([("Conv", "x W", "a", {"pads": [1] * 4}), ("Concat", "a x", "y", {"axis": 1})],
                      {"W": (2, 3, 3, 3)}, ["Conv2d", "Concat"]),
    "rows one below the other": ([("Tanh", "x", "a"), ("Concat", "a x", "y", {"axis": 2})], {},
                                 ["Tanh", "Concat"]),
    "dense net": ([("Conv", "x W", "a", {"pads": [1] * 4}), ("Concat", "x a", "b", {"axis": 1}),
                   ("Conv", "b V", "c", {"pads": [1] * 4}), ("Concat", "x a c", "d", {"axis": 1}), ("Relu", "d", "y")],
                  {"W": (2, 3, 3, 3), "V": (2, 5, 3, 3)}, ["Conv2d", "Concat", "Conv2d", "Concat", "ReLU"]),
    "one-shot aggregation": ([("Conv", "x W", "a"), ("Conv", "a V", "b"), ("Conv", "b V", "c"),
                              ("Concat", "x a b c", "y", {"axis": 1})],
                             {"W": (3, 3, 1, 1), "V": (3, 3, 1, 1)}, ["Conv2d", "Conv2d", "Conv2d", "Concat"]),
    "squeeze and excitation": ([("GlobalAveragePool", "x", "p"), ("Conv", "p W", "a"), ("Relu", "a", "b"),
                                ("Conv", "b V", "c"), ("Sigmoid", "c", "s"), ("Mul", "s x", "y")],
                               {"W": (2, 3, 1, 1), "V": (3, 2, 1, 1)},
                               ["GlobalAvgPool", "Unflatten", "Conv2d", "ReLU", "Conv2d", "Sigmoid", "Multiply"]),
    "excitation by dense layers": ([("ReduceMean", "x", "p", {"axes": [2, 3], "keepdims": 0}), ("MatMul", "p A", "a"),
                                    ("Sigmoid", "a", "b"), ("Reshape", "b to", "s"), ("Mul", "x s", "y")],
                                   {"A": (3, 3), "to": numbers(-1, 3, 1, 1)},
                                   ["GlobalAvgPool", "Dense", "Sigmoid", "Unflatten", "Multiply"]),
    "shuffled channels": ([("Conv", "x W", "a"), ("Reshape", "a apart", "b"), ("Transpose", "b", "c", {
        "perm": [0, 2, 1, 3, 4]}), ("Reshape", "c back", "y")],
        {"W": (6, 3, 1, 1), "apart": numbers(-1, 2, 3, 8, 8), "back": numbers(-1, 6, 8, 8)},
        ["Conv2d", "ChannelShuffle"]),
    "groups by instance norm": ([("Conv", "x W", "a"), ("Reshape", "a apart", "b"),
                                 ("InstanceNormalization", "b g h", "c"), ("Shape", "a", "s"), ("Reshape", "c s", "d"),
                                 ("Mul", "d G", "e"), ("Add", "e H", "y")],
                                {"W": (6, 3, 1, 1), "apart": numbers(0, 2, -1), "g": np.ones(2, "f"),
                                 "h": np.zeros(2, "f"), "G": (6, 1, 1), "H": (6, 1, 1)},
                                ["Conv2d", "Reshape", "Permute", "Reshape", "GroupNorm", "Scale", "Shift", "Reshape",
                                 "Permute", "Reshape"]),
    "split halves": ([("Conv", "x W", "a"), ("Slice", "a zero two one", "b"), ("Slice", "a two four one", "c"),
                      ("Relu", "c", "d"), ("Concat", "b d", "y", {"axis": 1})],
                     {"W": (4, 3, 1, 1), "zero": numbers(0), "two": numbers(2), "four": numbers(4), "one": numbers(1)},
                     ["Conv2d", "ChannelSelect", "ChannelSelect", "ReLU", "Concat"]),
    "every other pixel": ([("Slice", "x from to axes step", "y")],
                          {"from": numbers(0, 0), "to": numbers(2 ** 62, 2 ** 62), "axes": numbers(2, 3),
                           "step": numbers(2, 2)}, ["Slice", "Slice"]),
    "depth to space": ([("Conv", "x W", "a"), ("DepthToSpace", "a", "y", {"blocksize": 2})], {"W": (8, 3, 1, 1)},
                       ["Conv2d", "Reshape", "Permute", "Reshape"]),
    "maximum of channels": ([("ReduceMax", "x", "m", {"axes": [1]}), ("Sigmoid", "m", "s"), ("Mul", "x s", "y")], {},
                            ["MaxOver", "Sigmoid", "Multiply"]),
    "transposed convolution": ([("ConvTranspose", "x W b", "y", {"strides": [2, 2], "pads": [1] * 4,
                                                                 "output_padding": [1, 1]})],
                               {"W": (3, 4, 3, 3), "b": 4}, ["ConvTranspose2d"]),
    "local response": ([("LRN", "x", "y", {"size": 3, "alpha": 0.5})], {}, ["LocalResponseNorm"]),
    "parametric": ([("Conv", "x W", "a"), ("PRelu", "a s", "y")], {"W": (4, 3, 1, 1), "s": (4, 1, 1)},
                   ["Conv2d", "PReLU"]),
    "a pad on its own": ([("Pad", "x pads", "a"), ("Tanh", "a", "y")], {"pads": numbers(0, 0, 1, 2, 0, 1, 0, 1)},
                         ["Pad", "Tanh"]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_branches_becomes_layers_and_joins(path, name):
    nodes, arrays, kinds = GRAPHS[name]
    arrays = {key: weights(a=value)["a"] if isinstance(value, (tuple, int)) else value for key, value in arrays.items()}
    saved(path, made(nodes), arrays, ["N", *X[1:]], 13 if name == "maximum of channels" else 17)
    assert compare(path, images(*X)) == kinds


def shared_part():
    """y = cat(f(a), g(b)) with a = h(x), b = a + k(x): no series of blocks."""
    return made([("Relu", "x", "u"), ("Conv", "u W", "a", {"pads": [1] * 4}), ("Relu", "a", "h"), ("Tanh", "x", "k"),
                 ("Add", "h k", "b"), ("Conv", "b V", "g", {"pads": [1] * 4}), ("Conv", "h V", "f", {"pads": [1] * 4}),
                 ("Concat", "f g", "c", {"axis": 1}), ("GlobalAveragePool", "c", "p"), ("Flatten", "p", "q"),
                 ("MatMul", "q A", "y")])


def assert_derivatives(net, x):
    """Gradient and contributions of class 1 beside differences of outputs."""
    way = RNG.normal(size=x.shape)
    step = (net.forward(x + 1e-6 * way) - net.forward(x - 1e-6 * way))[:, 1] / 2e-6
    assert np.allclose((passes.gradient(net, x, 1)[0] * way).sum(axis=(1, 2, 3)), step, rtol=1e-5)
    difference = (net.forward(x) - net.forward(x * 0))[:, 1]
    assert np.allclose(passes.deeplift(net, x, x * 0, 1)[0].sum(axis=(1, 2, 3)), difference)
    assert np.isfinite(passes.guided_backprop(net, x, 1)[0]).all()


def test_a_part_that_two_branches_share_is_written_once(path):
    saved(path, shared_part(), weights(W=(3, 3, 3, 3), V=(4, 3, 3, 3), A=(8, 2)), ["N", *X[1:]])
    kinds = compare(path, images(*X))
    assert sorted(kinds) == sorted(["ReLU", "Conv2d", "ReLU", "Tanh", "Add", "Conv2d", "Conv2d", "Concat",
                                    "GlobalAvgPool", "Dense"])
    net, x = from_onnx(path).astype("float64"), RNG.normal(size=(2, 8, 8, 3))
    assert_derivatives(net, x)
    net.save(path.with_suffix(".npz"))
    assert np.array_equal(Network.load(path.with_suffix(".npz")).forward(x), net.forward(x))


def test_branches_that_exchange_their_maps_are_written_once(path):
    """Two resolutions that exchange their maps seven times, as in HRNet."""
    nodes, a, b = [("Conv", "x W", "a0"), ("Conv", "x W", "e0"), ("MaxPool", "e0", "b0", {
        "kernel_shape": [2, 2], "strides": [2, 2]})], "a0", "b0"
    for n in range(1, 8):
        nodes += [("Conv", f"{a} V", f"c{n}"), ("Conv", f"{b} V", f"d{n}"), ("Relu", f"c{n}", f"e{n}"),
                  ("Resize", f"{b} none scales", f"u{n}", {"coordinate_transformation_mode": "asymmetric",
                                                           "nearest_mode": "floor"}),
                  ("MaxPool", f"{a}", f"p{n}", {"kernel_shape": [2, 2], "strides": [2, 2]}),
                  ("Add", f"e{n} u{n}", f"a{n}"), ("Add", f"d{n} p{n}", f"b{n}")]
        a, b = f"a{n}", f"b{n}"
    nodes += [("ReduceMean", a, "g", {"axes": [2, 3], "keepdims": 0}), ("ReduceMean", b, "h", {
        "axes": [2, 3], "keepdims": 0}), ("Concat", "g h", "y", {"axis": 1})]
    arrays = {**weights(W=(2, 3, 1, 1), V=(2, 2, 1, 1), none=(0,)), "scales": np.array([1, 1, 2, 2], "f")}
    saved(path, made(nodes), arrays, ["N", *X[1:]])
    compare(path, images(*X))
    net, x = from_onnx(path).astype("float64"), RNG.normal(size=(2, 8, 8, 3))
    assert sum(isinstance(layer, Conv2d) for layer in net.layers) == 16
    assert_derivatives(net, x)


def test_branches_of_unknown_size_are_read(path):
    nodes, a, b = [("Conv", "x W", "a0"), ("Relu", "x", "r"), ("Conv", "r W", "b0")], "a0", "b0"
    for n in range(1, 6):
        nodes += [("Conv", f"{a} V", f"c{n}"), ("Conv", f"{b} V", f"d{n}"), ("Add", f"c{n} {b}", f"a{n}"),
                  ("Add", f"d{n} {a}", f"b{n}")]
        a, b = f"a{n}", f"b{n}"
    saved(path, made([*nodes, ("Concat", f"{a} {b}", "y", {"axis": 1})]), weights(W=(2, 3, 1, 1), V=(2, 2, 1, 1)),
          ["N", 3, "H", "W"])
    compare(path, images(2, 3, 5, 7))


def test_images_of_tensorflow_keep_their_order_of_axes(path):
    same = {"auto_pad": "SAME_UPPER", "strides": [2, 2]}
    nodes = made([("Transpose", "x", "t", {"perm": [0, 3, 1, 2]}), ("Conv", "t W", "a", same),
                  ("Relu", "a", "b"), ("Transpose", "b", "c", {"perm": [0, 2, 3, 1]}), ("Mul", "c s", "d"),
                  ("Add", "d t0", "e"), ("Reshape", "e to", "r"), ("MatMul", "r A", "y")])
    arrays = weights(W=(4, 3, 3, 3), s=4, t0=4, A=(64, 2))
    saved(path, nodes, {**arrays, "to": numbers(-1, 64)}, ["N", 8, 8, 3])
    net, x = from_onnx(path), images(2, 8, 8, 3)
    expected = runtime.InferenceSession(str(path)).run(None, {"x": x})[0]
    assert np.allclose(net.forward(x), expected, atol=1e-5)
    assert [type(layer).__name__ for layer in net.layers] == ["Conv2d", "ReLU", "ChannelScale", "Flatten", "Dense"]


def test_a_constant_is_computed_once_and_without_recursion(path):
    """Forty nodes that each read the one before twice, and three thousand in a row."""
    pairs = [node("Add", f"c{n} c{n}", f"c{n + 1}") for n in range(20)] + \
            [node("Sub", f"c{n + 20} one", f"c{n + 21}") for n in range(3000)]
    last = pairs[-1].output[0]
    saved(path, [*pairs, node("Div", f"{last} big", "s"), node("Mul", "x s", "y")],
          {"c0": f(1), "one": f(0), "big": f(2 ** 20)}, ["N", 3])
    assert compare(path, images(2, 3)) == ["Identity"]


def test_a_constant_that_would_fill_the_memory_is_refused(path):
    for make in ([node("ConstantOfShape", "shape", "c")], [node("Expand", "one shape", "c")],
                 [node("MatMul", "column row", "c")], [node("Add", "column row", "c")]):
        arrays = {"shape": numbers(100000, 100000), "one": f(1), "column": np.ones((10 ** 5, 1), "f"),
                  "row": np.ones((1, 10 ** 5), "f")}
        read = {name: a for name, a in arrays.items() if name in make[0].input}
        said = refused(path, [*make, node("ReduceMax", "c", "m", keepdims=0), node("Mul", "x m", "y")], read, ["N", 3])
        assert "makes a constant of 10,000,000,000 numbers, expected" in said, said


def test_an_if_whose_condition_is_constant_is_the_branch_it_takes(path):
    branches = [onnx.helper.make_graph([node(kind, "x", out)], out, [], [onnx.helper.make_tensor_value_info(
        out, onnx.TensorProto.FLOAT, None)]) for kind, out in (("Relu", "yes"), ("Tanh", "no"))]
    choice = node("If", "c", "y", then_branch=branches[0], else_branch=branches[1])
    assert compare(saved(path, [choice], {"c": np.array(False)}, ["N", 3]), images(2, 3)) == ["Tanh"]


def test_of_several_outputs_the_user_names_one(path):
    nodes = made([("MatMul", "x A", "a"), ("Relu", "a", "y"), ("MatMul", "y B", "z")])
    saved(path, nodes, weights(A=(3, 4), B=(4, 2)), ["N", 3], outputs=["y", "z"])
    with pytest.raises(ValueError, match=r"has the outputs y, z; name the one to explain, .*output='y'\)"):
        from_onnx(path)
    with pytest.raises(ValueError, match="got output='w', but .* has the outputs y, z"):
        from_onnx(path, output="w")
    assert [len(from_onnx(path, output=name).layers) for name in "yz"] == [2, 3]


def test_scikit_learn_gives_a_label_and_probabilities(path):
    """Two classes: the sigmoid z of one logit, and 1 - z beside it."""
    nodes = made([("Cast", "x", "c", {"to": 1}), ("MatMul", "c A", "a"), ("Add", "a b", "s"), ("Relu", "s", "r"),
                  ("MatMul", "r B", "z"), ("Sigmoid", "z", "p"), ("Sub", "one p", "q"),
                  ("Concat", "q p", "probabilities", {"axis": 1})])
    arrays, x = {**weights(A=(3, 4), b=4, B=(4, 1)), "one": f(1)}, images(5, 3)
    saved(path, nodes, arrays, ["N", 3])
    expected = runtime.InferenceSession(str(path)).run(None, {"x": x})[0]
    label = node("ArgMax", "probabilities", "label", axis=1, keepdims=0)
    saved(path, [*nodes, label], arrays, ["N", 3], outputs=["label", "probabilities"])
    with pytest.warns(UserWarning, match="the Sigmoid at the end"):
        net = from_onnx(path)
    assert [type(layer).__name__ for layer in net.layers] == ["Dense", "ReLU", "Dense"]
    assert np.allclose(1 / (1 + np.exp(-net.forward(x))), expected[:, 1:], atol=1e-6)


def test_what_is_done_to_the_input_first_is_its_preparation(path):
    nodes = made([("Sub", "x m", "a"), ("Div", "a s", "b"), ("Conv", "b W", "c"), ("GlobalAveragePool", "c", "p"),
                  ("Flatten", "p", "y")])
    saved(path, nodes, {**weights(W=(4, 3, 3, 3), m=(1, 3, 1, 1)), "s": np.full((3, 1, 1), 0.25, "f")}, ["N", *X[1:]])
    assert compare(path, images(*X)) == ["Prepare", "Conv2d", "GlobalAvgPool"]


def test_a_linear_model_of_a_table_is_a_dense_layer(path):
    """As scikit-learn's logistic regression behind a scaler is exported."""
    W, b = RNG.normal(size=(3, 4)), RNG.normal(size=3)
    helper = onnx.helper
    nodes = [node("Scaler", "x", "a", domain="ai.onnx.ml", offset=[0.5] * 4, scale=[2.0] * 4),
             helper.make_node("LinearClassifier", ["a"], ["label", "scores"], name="my classes", domain="ai.onnx.ml",
                              coefficients=W.ravel().tolist(), intercepts=b.tolist(), classlabels_ints=[0, 1, 2],
                              post_transform="SOFTMAX"),
             node("Normalizer", "scores", "probabilities", domain="ai.onnx.ml", norm="L1")]
    saved(path, nodes, {}, ["N", 4], outputs=["probabilities"], others={"ai.onnx.ml": 2})
    x = images(5, 4)
    expected = runtime.InferenceSession(str(path)).run(["probabilities"], {"x": x})[0]
    with pytest.warns(UserWarning, match="the Softmax at the end"):
        net = from_onnx(path)
    assert [type(layer).__name__ for layer in net.layers] == ["Prepare", "Dense"]
    assert np.allclose(net.probabilities(x), expected, atol=1e-6)
