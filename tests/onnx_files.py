"""ONNX files made by hand for tests, and onnxruntime's answers beside ours. Needs onnx and onnxruntime."""
import numpy as np
import pytest

from minixnn.interop import from_onnx

ABSENT = "onnx and onnxruntime are not installed: pip install -e \".[test]\" brings them"
onnx = pytest.importorskip("onnx", reason=ABSENT)
runtime = pytest.importorskip("onnxruntime", reason=ABSENT)
runtime.set_default_logger_severity(4)
RNG = np.random.default_rng(0)


def node(kind, inputs, output, **attributes):
    return onnx.helper.make_node(kind, inputs.split(), [output], name=f"my {output}", **attributes)


def saved(path, nodes, weights, shape, opset=17, outputs=None, others=None):
    """A file with these nodes, the input x of this shape, and what the last node gives as output."""
    value = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto.DOUBLE if any(w.dtype == np.float64 for w in weights.values()) else onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes, "graph", [value("x", kind, shape)], [value(y, kind, None) for y in outputs or [nodes[-1].output[0]]],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()])
    versions = [onnx.helper.make_opsetid(domain, (others or {}).get(domain, opset))
                for domain in {"", *(each.domain for each in nodes)}]
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=8)
    onnx.save(model, path)
    return path


def last(x):
    """Channels first to channels last."""
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def compare(path, x, input_shape=None, bound=1e-5):
    """Ours against onnxruntime's; returns the layers' names."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = last(session.run(None, {"x": x})[0])
    net = from_onnx(path, input_shape)
    output = net.forward(last(x))
    assert output.shape == expected.shape, (output.shape, expected.shape)
    difference = float(abs(output - expected).max()) / max(1.0, float(abs(expected).max()))
    assert difference <= bound, f"{net}: outputs differ by {difference:.3g}"
    return [type(layer).__name__ for layer in net.layers]


def weights(**shapes):
    return {name: RNG.normal(size=shape).astype("f") for name, shape in shapes.items()}


def images(*shape):
    return RNG.normal(size=shape).astype("f")


def refused(path, nodes, arrays, shape, **settings):
    """What from_onnx says."""
    input_shape = settings.pop("input_shape", None)
    with pytest.raises(ValueError) as refusal:          # noqa: PT011  (the caller reads the sentence)
        from_onnx(saved(path, nodes, arrays, shape, **settings), input_shape)
    return str(refusal.value)
