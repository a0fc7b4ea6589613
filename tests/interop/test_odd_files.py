"""Files that no exporter writes and the standard allows, and what they hold that no Network can."""
import numpy as np
import pytest

from tests.onnx_files import compare, from_onnx, images, node, onnx, refused, saved, weights


@pytest.mark.parametrize("sizes", [(9, 8), (10, 8), (7, 7)])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_an_odd_pad_that_follows_from_the_output_lies_where_it_must(sizes, auto_pad, tmp_path):
    nodes = [node("ConvTranspose", "x W", "y", strides=[2, 2], output_shape=sizes, auto_pad=auto_pad)]
    compare(saved(tmp_path / "net.onnx", nodes, weights(W=(2, 3, 3, 3)), ["N", 2, 4, 4]), images(2, 2, 4, 4))


def sparse_file(path, places, dims):
    numbers = onnx.numpy_helper.from_array(np.array([1, -2, 3], "f4"), "W")
    constant = onnx.helper.make_sparse_tensor(numbers, onnx.numpy_helper.from_array(np.array(places), "places"), dims)
    model = onnx.load(saved(path, [node("MatMul", "x W", "y")], {}, ["N", 6]))
    model.graph.sparse_initializer.append(constant)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("places", [[0, 7, 23], [[0, 0], [1, 3], [5, 3]]])
def test_a_sparse_constant_is_a_matrix(places, tmp_path):
    net = from_onnx(sparse_file(tmp_path / "net.onnx", places, [6, 4]))
    W = np.zeros((6, 4), "f4")
    W[0, 0], W[1, 3], W[5, 3] = 1, -2, 3
    assert np.array_equal(net.forward(np.eye(6, dtype="f4")), W)


@pytest.mark.parametrize("places, dims", [([0, 1, 2], [2 ** 40, 2 ** 40]), ([0, 1, 99], [6, 4])])
def test_a_sparse_constant_of_impossible_size_or_places_is_refused(places, dims, tmp_path):
    with pytest.raises(ValueError, match="net.onnx is not a valid ONNX model|expected .* at most"):
        from_onnx(sparse_file(tmp_path / "net.onnx", places, dims))


def test_noise_and_whole_numbers_that_wrap_are_refused(tmp_path):
    noise = [onnx.helper.make_node("RandomNormal", [], ["r"], name="my r", shape=[1, 6], scale=1e-4),
             node("Add", "x r", "y")]
    assert "my r' (RandomNormal): draws at random" in refused(tmp_path / "a.onnx", noise, {}, ["N", 6])
    casts = [node("Cast", "x", "i", to=7), node("Cast", "i", "u", to=2), node("Cast", "u", "v", to=7),
             node("Gather", "W v", "y")]
    said = refused(tmp_path / "b.onnx", casts, weights(W=(300, 3)), ["N", 6])
    assert "Cast): cuts off what is behind the point" in said or "large ones become others" in said


def test_functions_that_would_fill_the_memory_are_refused(tmp_path):
    """Each of 25 functions calls the next one twice; and one calls itself."""
    def function(name, *calls):
        names = ["u", *(f"w{n}" for n in range(1, len(calls))), "v"]
        nodes = [onnx.helper.make_node(call, [a], [b], domain="" if call == "Relu" else "own")
                 for call, a, b in zip(calls, names, names[1:])]
        return onnx.helper.make_function("own", name, ["u"], ["v"], nodes, [onnx.helper.make_opsetid("", 17),
                                                                            onnx.helper.make_opsetid("own", 1)])
    many = [function(f"F{n}", *([f"F{n + 1}"] * 2 if n < 24 else ["Relu"])) for n in range(25)]
    for functions, said in ((many, "they are 16,777,216 nodes"), ([function("F0", "F0", "F0")], "they are 2,000,000")):
        model = onnx.load(saved(tmp_path / "net.onnx", [onnx.helper.make_node("F0", ["x"], ["y"], domain="own")], {},
                                ["N", 6], others={"own": 1}))
        model.functions.extend(functions)
        onnx.save(model, tmp_path / "net.onnx")
        with pytest.raises(ValueError, match=said):
            from_onnx(tmp_path / "net.onnx")
