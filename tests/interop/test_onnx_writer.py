"""What `to_onnx` writes computes in onnxruntime what the network computes, and can be read again."""
import warnings

import numpy as np
import pytest
from tests.registry import EXAMPLES, TOKENS, WRITTEN, draw

from minixnn import Network, datasets, layers, models
from minixnn.interop import from_onnx, to_onnx
from tests.onnx_files import runtime

WINDOWS = {
    "MaxPool2d, same": (layers.MaxPool2d(3, 2, "same"), (2, 6, 7, 6)),
    "MaxPool2d, one-sided": (layers.MaxPool2d(3, 2, ((1, 0), (0, 2))), (2, 6, 7, 6)),
    "AvgPool2d, same": (layers.AvgPool2d(2, 2, "same"), (2, 5, 7, 6)),
    "AvgPool2d, same, counted": (layers.AvgPool2d(2, 2, "same", count_padding=True), (2, 5, 7, 6)),
    "SumPool2d": (layers.SumPool2d((2, 3), 1, 1), (2, 6, 7, 6)),
    "AdaptiveAvgPool2d": (layers.AdaptiveAvgPool2d((4, 3)), (2, 6, 7, 6)),
    "GlobalAvgPool, of sequences": (layers.GlobalAvgPool(), (2, 9, 6)),
    "BatchNorm2d": (layers.BatchNorm2d(draw(6), draw(6, seed=1), draw(6, seed=2), draw(6, seed=3) ** 2), (2, 6, 7, 6)),
    "Dense, of images": (layers.Dense(draw(6, 4), draw(4, seed=1)), (2, 6, 7, 6)),
    "Prepare": (layers.Prepare(draw(6), draw(6, seed=1) ** 2 + 1), (2, 6, 7, 6)),
    "Residual": (layers.Residual([layers.Conv2d(draw(3, 3, 6, 6)), layers.ReLU()]), (2, 6, 7, 6)),
    "Concat": (layers.Branches([[], [layers.Conv2d(draw(1, 1, 6, 2)), layers.Tanh()]]), (2, 6, 7, 6)),
    "Multiply": (layers.Branches([[], [layers.GlobalAvgPool(), layers.Sigmoid(), layers.Unflatten((1, 1, 6))]],
                                 layers.Multiply()), (2, 6, 7, 6)),
    "Scale": (layers.Scale(0.3), (2, 6, 7, 6)),
}
CASES = {**EXAMPLES, **WRITTEN, **WINDOWS, **{name: (layer, (2, 5)) for name, layer in TOKENS.items()}}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_in_a_file_computes_what_it_computes_here(path, name):
    layer, shape = CASES[name]
    net = Network([layer])
    x = np.arange(10).reshape(2, 5) % 9 if name in TOKENS else draw(*shape, seed=5)
    expected = net.forward(x)
    to_onnx(net, path, shape[1:])
    found = runtime.InferenceSession(str(path)).run(None, {"input": x})[0]
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert abs(found - expected).max() < 1e-5 * max(1, abs(expected).max())
    if name.startswith("Hide"):                             # how far below others hidden scores lie, readers choose;
        return                                              # "Attention, causal" and "masked" are read again
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # a softmax alone is a head that is left out
        again = from_onnx(path, layout="channels last")
    y = again.forward(x) if again.card.head is None else getattr(layers, again.card.head)().forward(again.forward(x))
    assert np.allclose(y, expected, atol=1e-5)


def test_a_network_is_written_in_its_precision_with_few_transpositions(path):
    import onnx
    net = Network([layers.Dense(draw(6, 4)), layers.Tanh(), layers.LayerNorm()]).astype("float64")
    to_onnx(net, path, (6,))
    x = draw(3, 6).astype("float64")
    found = runtime.InferenceSession(str(path)).run(None, {"input": x})[0]
    assert abs(found - net.forward(x)).max() < 1e-9 and found.dtype == np.float64
    conv = layers.Conv2d(draw(3, 3, 4, 4))
    net = Network([conv, layers.ReLU(), conv, layers.Residual([conv, layers.SiLU()]), layers.GlobalAvgPool()])
    to_onnx(net, path, (8, 8, 4))
    x = draw(3, 8, 8, 4)
    found = runtime.InferenceSession(str(path)).run(None, {"input": x})[0]
    assert abs(found - net.forward(x)).max() < 1e-5 * abs(found).max()
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Transpose") <= 3, kinds


def test_without_a_shape_the_remedy_is_said(path):
    with pytest.raises(ValueError, match=r"card says None of its input, .*; give input_shape=\(height, width, chann"):
        to_onnx(Network([layers.ReLU()]), path)
    assert not path.exists()


def test_a_transformer_goes_to_a_file_and_comes_back(path):
    net, x = models.load("vit"), datasets.mnist("test")[0][:8]
    to_onnx(net, path)
    found = runtime.InferenceSession(str(path)).run(None, {"input": x})[0]
    np.testing.assert_allclose(found, net.forward(x), rtol=0, atol=1e-4)
    again = from_onnx(path)
    np.testing.assert_allclose(again.forward(x), net.forward(x), rtol=0, atol=1e-4)
