"""Softmax and its logarithm: the rule as a loop, masked inputs, large scores."""
import numpy as np
import pytest

from minixnn import Network, layers
from minixnn.layers import LogSoftmax, Softmax
from minixnn.layers.softmax import HIDDEN
from minixnn.rules import log_taylor, softmax_taylor
from tests.helpers import assert_close, deeplift, relevance


def test_the_rule_of_a_softmax_is_input_times_derivative_for_each_output():
    x, R = np.array([[1.0, -2.0, 0.5]]), np.array([[0.3, 1.0, -0.2]])
    s = Softmax().forward(x)[0]
    expected = [x[0, j] * sum((s[k] * ((j == k) - s[j])) * R[0, k] / s[k] for k in range(3)) for j in range(3)]
    assert_close(relevance(Softmax(), x, R)[0], np.array(expected), "proposition 3.1")
    l = LogSoftmax().forward(x)[0]
    expected = [x[0, j] * sum(((j == k) - s[j]) * R[0, k] / l[k] for k in range(3)) for j in range(3)]
    came = log_taylor(LogSoftmax(), x, l[None], R, epsilon=0)
    assert_close(came[0], np.array(expected), "of the logarithm")


def test_a_masked_input_of_a_softmax_counts_as_zero():
    x, R = np.array([[1.0, -np.inf, 2.0]]), np.array([[0.3, 0.0, 0.7]])
    for layer in (Softmax(), LogSoftmax()):
        with np.errstate(invalid="ignore"):
            came = relevance(layer, x, R)
        assert came[0, 1] == 0 and np.isfinite(came).all()
    for layer in (Softmax(), LogSoftmax()):
        x_ref, m = np.array([[0.5, -np.inf, 3.0]]), np.array([[1.0, 0.0, 2.0]])
        with np.errstate(all="raise"):
            m_x = deeplift(layer, x, x_ref, m)[:, ::2]
        y, y_ref = (layer.forward(a)[:, ::2] for a in (x, x_ref))
        assert (m_x * (x[:, ::2] - x_ref[:, ::2])).sum() == pytest.approx((m[:, ::2] * (y - y_ref)).sum())
    assert softmax_taylor(Softmax(), x, Softmax().forward(x), R)[0, 0] == pytest.approx(
        relevance(Softmax(), x[:, ::2], R[:, ::2])[0, 0])


@pytest.mark.parametrize("layer", [Softmax(), LogSoftmax()])
def test_a_softmax_neither_overflows_nor_loses_what_is_far_below(layer):
    x, x_ref = np.array([[900.0, 0.0, -900.0]]), np.array([[0.0, 900.0, 5.0]])
    y, y_ref, m = layer.forward(x), layer.forward(x_ref), np.array([[1.0, 0.5, -2.0]])
    assert np.isfinite(y).all()
    came = (layer.deeplift(x, y, x_ref, y_ref, m) * (x - x_ref)).sum()
    assert came == pytest.approx((m * (y - y_ref)).sum())


def test_the_logarithm_of_a_softmax_keeps_its_digits_at_large_scores():
    x = np.array([[30000.0, 30000.3, 29998.0], [-4e6, -4e6 - 1, -4e6 + 3]], "float32")
    np.testing.assert_allclose(layers.LogSoftmax().forward(x), layers.LogSoftmax().forward(x.astype("float64")),
                               rtol=1e-6)


def masked_scores(dtype="float64"):
    """Scores of which some, all and all twice are hidden, and all by the least number, which is no mask."""
    x = np.random.default_rng(0).normal(size=(4, 3))
    x[0, 1:] += HIDDEN
    x[1] += HIDDEN
    x[2] += 2 * HIDDEN
    x[3] += -3e38
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_masked_softmax_gives_nothing_where_all_is_hidden(dtype):
    x = masked_scores(dtype)
    y, plain = Softmax(masked=True).forward(x), Softmax().forward(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y[[0, 3]], plain[[0, 3]])
    np.testing.assert_array_equal(y[1:3], 0)
    np.testing.assert_allclose(plain[1:].sum(axis=1), 1, rtol=1e-6)


def test_what_sees_nothing_passes_nothing_back():
    layer, x = Softmax(masked=True), masked_scores()
    y, R = layer.forward(x), np.random.default_rng(1).normal(size=x.shape)
    np.testing.assert_array_equal(layer.gradient(x, y, R)[1:3], 0)
    x_ref = np.random.default_rng(2).normal(size=x.shape)
    assert np.isfinite(deeplift(layer, x, x_ref, R)).all()


def test_a_masked_softmax_is_saved_and_written_to_onnx(tmp_path):
    net, x = Network([Softmax(masked=True), layers.Scale(2.0)]), masked_scores("float32")[:3]
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(Network.load(tmp_path / "net.npz").forward(x), net.forward(x))
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from minixnn.interop import to_onnx
    to_onnx(net, tmp_path / "net.onnx", input_shape=(3,))
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    found, = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, net.forward(x), atol=1e-6)
