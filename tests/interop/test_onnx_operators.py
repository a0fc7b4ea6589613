"""One operator of ONNX after the other, on images and on constants, beside onnxruntime."""
import re

import numpy as np
import pytest

from minixnn.interop import from_onnx
from tests.onnx_files import compare, images, node, onnx, refused, saved, weights

MEAN = ["GlobalAvgPool", "Dense"]
IMAGES = ["N", 4, 6, 6]
f32 = np.float32

# name: (nodes, arrays, opset), on images of 4 channels and 6 x 6 pixels
OPERATORS = {
    "Gather, a range": ([node("Gather", "x at", "y", axis=1)], {"at": np.array([1, 2, 3])}, 17),
    "Gather, single places": ([node("Gather", "x at", "y", axis=1)], {"at": np.array([3, 0, 0, -1])}, 17),
    "Gather, one place": ([node("Gather", "x at", "y", axis=2)], {"at": np.array(4)}, 17),
    "Expand": ([node("GlobalAveragePool", "x", "a"), node("Expand", "a to", "b"), node("Add", "x b", "y")],
               {"to": np.array([1, 4, 6, 6])}, 17),
    "Expand, at the end": ([node("GlobalAveragePool", "x", "a"), node("Expand", "a to", "y")],
                           {"to": np.array([1, 4, 5, 2])}, 17),
    "HardSigmoid": ([node("HardSigmoid", "x", "y", alpha=0.3, beta=0.4)], {}, 17),
    "Selu": ([node("Selu", "x", "y", alpha=1.2, gamma=0.9)], {}, 17),
    "Selu, gamma alone": ([node("Selu", "x", "y", gamma=0.9)], {}, 17),
    "Elu": ([node("Elu", "x", "y", alpha=0.7)], {}, 17),
    "PRelu": ([node("PRelu", "x a", "y")], weights(a=(4, 1, 1)), 17),
    "Clip": ([node("Clip", "x low high", "y")], {"low": f32(-0.5), "high": f32(1)}, 17),
    "Clip at infinity": ([node("Clip", "x low high", "a"), node("Neg", "a", "y")],
                         {"low": np.finfo("f").min, "high": np.finfo("f").max}, 17),
    "Resize to a size": ([node("Shape", "x", "n", end=1), node("Concat", "n size", "to", axis=0),
                          node("Resize", "x r s to", "y", mode="nearest", nearest_mode="floor",
                               coordinate_transformation_mode="asymmetric")],
                         {"r": np.zeros(0, f32), "s": np.zeros(0, f32), "size": np.array([4, 9, 12])}, 17),
    "Resize by a scale": ([node("Resize", "x r s", "y", mode="linear", coordinate_transformation_mode="half_pixel")],
                          {"r": np.zeros(0, f32), "s": np.array([1, 1, 2, 2], f32)}, 17),
    "RMSNormalization": ([node("RMSNormalization", "x g", "y", axis=-1, epsilon=1e-3)], weights(g=(6,)), 23),
    "GroupNormalization of 21": ([node("GroupNormalization", "x g b", "y", num_groups=2)], weights(g=(4,), b=(4,)), 21),
    "InstanceNormalization": ([node("InstanceNormalization", "x g b", "y", epsilon=1e-3)], weights(g=(4,), b=(4,)), 17),
    "LRN": ([node("LRN", "x", "y", size=3, alpha=0.5, beta=0.7, bias=2.0)], {}, 17),
    "parts and softmax of one pixel": ([node("GlobalAveragePool", "x", "a"), node("Slice", "a from to axis", "b"),
                                        node("Softmax", "b", "c", axis=2), node("Add", "c a", "y")],
                                       {"from": np.array([0]), "to": np.array([1]), "axis": np.array([2])}, 17),
    "mean of a mean": ([node("ReduceMean", "x", "a", axes=[3], keepdims=0), node("ReduceMean", "a", "y", axes=[2],
                                                                                 keepdims=0)], {}, 17),
    "means that keep their axes": ([node("ReduceMean", "x", "a", axes=[3], keepdims=1),
                                    node("ReduceMean", "a", "y", axes=[2], keepdims=1)], {}, 17),
    "sum over channels": ([node("ReduceSum", "x axes", "y", keepdims=0)], {"axes": np.array([2, 3])}, 17),
    "largest of each channel": ([node("ReduceMax", "x", "y", axes=[2, 3], keepdims=0)], {}, 17),
    "DepthToSpace, DCR": ([node("DepthToSpace", "x", "y", blocksize=2, mode="DCR")], {}, 17),
    "Max of three": ([node("Max", "x zero low", "y")], {"zero": f32(0), "low": f32(-1)}, 17),
    "a matrix times x": ([node("MatMul", "A x", "y")], weights(A=(3, 6)), 17),
    "Col2Im": ([node("Reshape", "x to", "a"), node("Col2Im", "a image window", "y", pads=[0, 1, 2, 0], strides=[2, 1],
                                                   dilations=[1, 2])],
               {"to": np.array([0, 12, 12]), "image": np.array([5, 7]), "window": np.array([2, 3])}, 18),
    "Col2Im of volumes": ([node("Reshape", "x to", "a"), node("Col2Im", "a image window", "y")],
                          {"to": np.array([0, 8, 18]), "image": np.array([4, 4, 2]), "window": np.array([2, 2, 1])},
                          18),
    "max pool of sequences": ([node("Reshape", "x to", "a"), node("MaxPool", "a", "y", kernel_shape=[3], strides=[2],
                                                                  pads=[1, 1])], {"to": np.array([0, 4, 36])}, 17),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("batch", ["N", 2])
def test_an_operator(name, batch, tmp_path):
    nodes, arrays, opset = OPERATORS[name]
    compare(saved(tmp_path / "net.onnx", nodes, arrays, [batch, *IMAGES[1:]], opset), images(2, 4, 6, 6))


def matrix(*nodes):
    """A network of one product with a matrix that nodes compute."""
    return [*nodes, node("ReduceMean", "x", "m", axes=[2, 3], keepdims=0), node("MatMul", "m W", "y")]


# name: (nodes that make a matrix W of 4 x 3, arrays)
CONSTANTS = {
    "Pad": (matrix(node("Pad", "A p v", "W")), {**weights(A=(3, 2)), "p": np.array([1, 0, 0, 1]), "v": f32(2)}),
    "Range": (matrix(node("Range", "a b c", "r"), node("Reshape", "r to", "W")),
              {"a": f32(0), "b": f32(12), "c": f32(1), "to": np.array([4, 3])}),
    "Trilu": (matrix(node("Trilu", "A k", "W", upper=0)), {**weights(A=(4, 3)), "k": np.array(-1)}),
    "sums and means": (matrix(node("ReduceSum", "A axes", "s", keepdims=1), node("Div", "A s", "W")),
                       {**weights(A=(4, 3)), "axes": np.array([0])}),
    "largest": (matrix(node("ReduceMax", "A", "s", axes=[1]), node("Sub", "A s", "W")), weights(A=(4, 3))),
    "Tile": (matrix(node("Tile", "A n", "W")), {**weights(A=(4, 1)), "n": np.array([1, 3])}),
    "Expand": (matrix(node("Expand", "A n", "W")), {**weights(A=(4, 1)), "n": np.array([4, 3])}),
    "ConstantOfShape": (matrix(node("ConstantOfShape", "n", "o"), node("Add", "o A", "W")),
                        {**weights(A=(4, 3)), "n": np.array([4, 3])}),
    "Where": (matrix(node("Greater", "A zero", "up"), node("Where", "up A zero", "W")),
              {**weights(A=(4, 3)), "zero": f32(0)}),
    "Cast and Mod": (matrix(node("Mod", "i n", "j"), node("Cast", "j", "W", to=1)),
                     {"i": np.arange(12).reshape(4, 3), "n": np.array(5)}),
    "whole numbers divided": (matrix(node("Div", "i n", "j"), node("Cast", "j", "W", to=1)),
                              {"i": np.arange(-6, 6).reshape(4, 3), "n": np.array(4)}),
    "Concat, Slice, Transpose": (matrix(node("Concat", "A A", "c", axis=0), node("Slice", "c from to axes steps", "d"),
                                        node("Transpose", "d", "e", perm=[1, 0]), node("Squeeze", "e", "W")),
                                 {**weights(A=(3, 4)), "from": np.array([0]), "to": np.array([6]),
                                  "axes": np.array([0]), "steps": np.array([2])}),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_an_operator_on_constants(name, tmp_path):
    nodes, arrays = CONSTANTS[name]
    assert compare(saved(tmp_path / "net.onnx", nodes, arrays, IMAGES), images(2, 4, 6, 6)) == MEAN


def test_weights_of_eight_bits_are_the_numbers_that_they_stand_for(tmp_path):
    """Not beside onnxruntime, which then computes in eight bits."""
    arrays = {"q": np.arange(12, dtype=np.uint8).reshape(4, 3), "s": np.array([0.5, 1, 2], f32),
              "z": np.array([3, 0, 7], np.uint8)}
    nodes = matrix(node("DequantizeLinear", "q s z", "W", axis=1))
    net = from_onnx(saved(tmp_path / "net.onnx", nodes, arrays, IMAGES))
    assert np.array_equal(net.layers[-1].W, (arrays["q"] - arrays["z"].astype(f32)) * arrays["s"])
    net = from_onnx(saved(tmp_path / "net.onnx", matrix(node("DequantizeLinear", "q s", "W")),
                          {"q": arrays["q"], "s": f32(0.25)}, IMAGES))
    assert np.array_equal(net.layers[-1].W, arrays["q"] * f32(0.25))


@pytest.mark.parametrize("nodes, arrays, said", [
    ([node("Tile", "A n", "W")], {**weights(A=(4, 3)), "n": np.array([1000000, 1])}, "makes a constant of 12,000,000"),
    ([node("Div", "three none", "d"), node("Cast", "d", "W", to=1)], {"three": np.full((4, 3), 3), "none": np.array(0)},
     "divi"),
    ([node("Cast", "A", "W", to=99)], weights(A=(4, 3)), "not a valid ONNX model|cannot be computed|99"),
    ([node("Reshape", "A to", "W")], {**weights(A=(4, 3)), "to": np.array([5, 3])}, "cannot reshape|not a valid"),
    ([node("Reshape", "A to", "W")], {**weights(A=(4,)), "to": np.array([0, 0])}, "cannot be computed|not a valid")])
def test_what_constants_cannot_do_is_said(nodes, arrays, said, tmp_path):
    message = refused(tmp_path / "net.onnx", matrix(*nodes), arrays, IMAGES)
    assert re.search(said, message), message


@pytest.mark.parametrize("nodes, arrays, said", [
    ([node("Cast", "x", "y", to=7)], {}, "the output is whole numbers"),
    ([node("Conv", "x W", "y", kernel_shape=[2, 2])], weights(W=(4, 4, 3, 3)), "kernel_shape=.* does not fit weights"),
    ([node("Conv", "x W", "y", pads=[-1, 0, 0, 0])], weights(W=(4, 4, 3, 3)), "expected none below 0"),
    ([node("PRelu", "x a", "y")], weights(a=(1, 6, 6)), "expected one number per channel"),
    ([node("Resize", "x r s to", "y")], {"r": np.zeros(0, f32), "s": np.zeros(0, f32), "to": np.array([2, 8, 6, 6])},
     "expected batch and channels as they are"),
    ([node("BatchNormalization", "x g b m v", "y")], {**weights(g=4, b=4, m=4), "v": -np.ones(4, f32)},
     "its variances are negative"),
    ([node("ReduceMean", "x", "y", axes=[7])], {}, "for 4 axes"),
])
def test_what_an_operator_cannot_be_is_said(nodes, arrays, said, tmp_path):
    message = refused(tmp_path / "net.onnx", nodes, arrays, IMAGES)
    assert re.search(said, message), message


# what only moves numbers, in whatever way: name -> (nodes, arrays)
MOVES = {
    "single places, twice": ([node("Gather", "x at", "y", axis=1)], {"at": np.array([[0, 1]])}),
    "a hundred places": ([node("Gather", "x at", "y", axis=1)], {"at": np.arange(0, 200, 2) % 4}),
    "reflected edges": ([node("Pad", "x p", "y", mode="reflect")], {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}),
    "backwards": ([node("Slice", "x a b axes steps", "y")], {
        "a": np.array([5]), "b": np.array([0]), "axes": np.array([2]), "steps": np.array([-1])}),
    "a part of a flattened image": ([node("Flatten", "x", "f"), node("Slice", "f from to one", "g"),
                                     node("MatMul", "g B", "y")], {
        "from": np.array([0]), "to": np.array([9]), "one": np.array([1]), **weights(B=(9, 2))}),
    "two flattened images": ([node("Flatten", "x", "f"), node("Concat", "f f", "y", axis=1)], {}),
    "two flattened images, as images": ([node("Flatten", "x", "f"), node("Concat", "f f", "g", axis=1),
                                         node("Reshape", "g two", "y")], {"two": np.array([0, 8, 36])}),
    "softmax of a flattened image": ([node("Flatten", "x", "f"), node("Softmax", "f", "g", axis=1),
                                      node("Neg", "g", "y")], {}),
    "a part of images of any size": ([node("Slice", "x from to axis", "y")], {
        "from": np.array([1]), "to": np.array([3]), "axis": np.array([2])}),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_numbers_in_any_way(name, tmp_path):
    nodes, arrays = MOVES[name]
    compare(saved(tmp_path / "net.onnx", nodes, arrays, IMAGES), images(2, 4, 6, 6))


def flat(*nodes, width=144):
    """A network of nodes on the rows "f" of flattened images, and a product behind."""
    return [node("Flatten", "x", "f"), *nodes, node("MatMul", "g A", "y")], weights(A=(width, 3))


@pytest.mark.parametrize("name, network", [
    ("a row with an axis more", flat(node("Unsqueeze", "f axis", "e"), node("Squeeze", "e axis", "g"))),
    ("a row as an image again", flat(node("Reshape", "f to", "e"), node("Relu", "e", "d"), node("Flatten", "d", "g"))),
    ("a row as rows of pixels", flat(node("Reshape", "f rows", "e"), node("ReduceMean", "e", "g", axes=[2], keepdims=0),
                                     width=4)),
    ("two rows", flat(node("Concat", "f f", "g", axis=1), width=288)),
])
def test_what_is_done_to_flattened_images(name, network, tmp_path):
    nodes, arrays = network
    arrays = {**arrays, "axis": np.array([1]), "to": np.array([0, 4, 6, 6]), "rows": np.array([0, 4, 36])}
    compare(saved(tmp_path / "net.onnx", nodes, arrays, IMAGES), images(2, 4, 6, 6))


@pytest.mark.parametrize("nodes, said", [
    ([node("Reshape", "x mixed", "y")], "expected one row for each image|cannot turn"),
    ([node("Concat", "x V", "y", axis=1)], "which do not fit"),
    ([node("ConvTranspose", "x U", "y")], "expects 5 channels, but the input's shape leads to 4"),
    ([node("Add", "x x3", "y")], "which do not fit"),
    ([node("Concat", "x x5", "y", axis=1)], "which do not fit|as many axes each|joins"),
    ([node("MatMul", "V x", "y")], "do not fit"),
    ([node("MaxPool", "x", "y", kernel_shape=[2, 2, 2])], "expected volumes"),
    ([node("BatchNormalization", "x b5 b5 b5 v5", "y")], "expects 5 channels, but the input's shape leads to 4"),
    ([node("Neg", "one", "y")], "does not depend on the input"),
    ([node("Resize", "x r s", "y", mode="linear", coordinate_transformation_mode="tf_crop_and_resize")], "is not supp"),
    ([node("Reshape", "x twelve", "a"), node("Col2Im", "a image window", "y")],
     r"Col2Im.*sums up windows \(N, 12, 12\) to \(5, 6\), expected \(N, channels times 6, 16\)"),
    ([node("Col2Im", "x image window", "y")], r"sums up windows \(N, 4, 6, 6\)|not a valid"),
    ([node("Resize", "x r s", "y", antialias=1)], "antialias and keep_aspect_ratio_policy are not supported"),
])
def test_what_cannot_be_done_is_refused_by_the_node(nodes, said, tmp_path):
    arrays = {"from": np.array([0]), "to": np.array([9]), "one": np.array([1]), "two": np.array([0, 8, 36]),
              "mixed": np.array([3, -1]), "more": np.array([2, 1, 4, 6, 6]), "twelve": np.array([0, 12, 12]),
              "image": np.array([5, 6]), "window": np.array([2, 3]), "r": np.zeros(0, f32),
              "s": np.array([1, 1, 2, 2], f32),
              **weights(B=(9, 2), V=(2, 4, 6, 6), U=(5, 4, 3, 3), b5=(5,), x3=(3, 1, 5), x5=(2, 4, 5, 6)),
              "v5": np.ones(5, f32)}
    used = {name for each in nodes for name in each.input}
    path = tmp_path / "net.onnx"
    before = [node("Flatten", "x", "f")] if "f" in used else []
    arrays = {name: array for name, array in arrays.items() if name in used}
    message = refused(path, [*before, *nodes], arrays, IMAGES, opset=20)
    assert re.search(said, message), message


def test_a_file_with_two_inputs_is_read_and_odd_constants_are_refused(tmp_path):
    path = saved(tmp_path / "net.onnx", [node("Add", "x z", "y")], {}, IMAGES)
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, IMAGES))
    onnx.save(model, path)
    x, z = images(2, 4, 6, 6), images(2, 4, 6, 6)
    assert np.allclose(from_onnx(path).forward((x, z)), x + z)              # an input each
    with pytest.raises(ValueError, match=r"has 2 inputs \(x, z\), expected one where input_shape is given"):
        from_onnx(path, (4, 6, 6))
    text = onnx.helper.make_node("Constant", [], ["c"], name="my c", value_string="text")
    saved(path, [text, node("Add", "x c", "y")], {}, IMAGES)
    with pytest.raises(ValueError, match="holds value_string, expected numbers"):
        from_onnx(path)


@pytest.mark.parametrize("nodes, said", [
    ([node("Flatten", "x", "f"), node("MatMul", "f A", "y")], "give input_shape"),
    ([node("GlobalAveragePool", "x", "a"), node("Split", "a", "y", axis=2)], None),
    ([node("Reshape", "x row", "f"), node("MatMul", "f A", "y")], "give input_shape"),
    ([node("Shape", "x", "n"), node("Slice", "n from to", "h"), node("Reshape", "x h", "y")], "give input_shape"),
])
def test_images_of_a_size_that_is_not_said(nodes, said, tmp_path):
    arrays = {"row": np.array([0, -1]), "from": np.array([1]), "to": np.array([3]), "axis": np.array([2]),
              **weights(A=(4, 3))}
    used = {name for each in nodes for name in each.input}
    arrays = {name: a for name, a in arrays.items() if name in used}
    path = tmp_path / "net.onnx"
    if said:
        assert re.search(said, refused(path, nodes, arrays, ["N", 4, "H", "W"]))
    else:
        compare(saved(path, nodes, arrays, ["N", 4, "H", "W"]), images(2, 4, 6, 6))


def of_each_image(path, per_image):
    """A mean over each map, taken from a row of all numbers of the batch, as torch's exporter writes `as_strided`.

    per_image: how many numbers an image has in that row, by the file; there are four.
    """
    nodes = [node("ReduceMean", "x", "mean", axes=[2, 3]), node("Reshape", "mean all", "row"),
             node("Shape", "x", "shape"), node("Gather", "shape zero", "count"),
             node("Range", "zero count one", "images"), node("Mul", "images per_image", "starts"),
             node("Unsqueeze", "starts last", "column"), node("Add", "column channels", "places"),
             node("Gather", "row places", "taken", axis=0), node("MatMul", "taken W", "y")]
    scalars = {"zero": 0, "one": 1, "per_image": per_image}
    return saved(path, nodes, {"all": np.array([-1]), "last": np.array([1]), "channels": np.array([2, 0, 3]),
                               **{name: np.array(n) for name, n in scalars.items()}, **weights(W=(3, 2))},
                 ["N", 4, 5, 5])


def test_places_that_are_those_of_each_image_are_read(path):
    of_each_image(path, 4)
    for count in (1, 2, 5):
        compare(path, images(count, 4, 5, 5))


def test_places_that_are_others_for_each_image_are_refused(path):
    with pytest.raises(ValueError, match="depend on the number of images"):
        from_onnx(of_each_image(path, 3))
