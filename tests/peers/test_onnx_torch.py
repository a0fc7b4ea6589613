"""Graphs that torch exports are read as onnxruntime runs them: by the exporter that traces and by the newer one."""
import numpy as np
import pytest

from minixnn.interop import from_onnx, from_torch
from tests.peers.libraries import torch

ABSENT = "{} is not installed; docs/agreement.md has the command that installs it"
onnx = pytest.importorskip("onnx", reason=ABSENT.format("onnx"))
runtime = pytest.importorskip("onnxruntime", reason=ABSENT.format("onnxruntime"))
EXPORTERS = {"traced, opset 11": (False, 11), "traced, opset 17": (False, 17), "new": (True, 18)}
BOUND = 1e-5


@pytest.fixture(autouse=True)
def torch_is_there(needs):
    needs("torch")


def networks():
    """name -> (module, shape of one input)"""
    nn = torch.nn
    return {
        "mlp": (nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3, bias=False)), (6,)),
        "cnn": (nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(4, 5, (3, 2), padding="same", bias=False), nn.Softplus(), nn.AvgPool2d(2, padding=1),
            nn.Flatten(), nn.Dropout(), nn.Linear(45, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 4)), (3, 10, 8)),
        "rounded up": (nn.Sequential(
            nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
            nn.Flatten(), nn.Linear(27, 2)), (3, 9, 9)),
        "norm first, global average": (nn.Sequential(
            nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, stride=2), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, 2)), (3, 9, 9)),
    }


class Viewing(torch.nn.Module if torch else object):
    """Flattens as people write it in a forward of their own."""

    def __init__(self):
        super().__init__()
        self.conv, self.dense = torch.nn.Conv2d(2, 3, 3), torch.nn.Linear(60, 4)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return torch.log_softmax(self.dense(x.view(x.size(0), -1)), dim=1)


class Adding(torch.nn.Module if torch else object):
    """A residual block."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return x + torch.relu(self.conv(x))


def exported(module, shape, path, exporter, preserve=False):
    """A batch, and the file of the graph for batches of any size."""
    newer, opset = EXPORTERS[exporter]
    if newer:
        pytest.importorskip("onnxscript", reason=ABSENT.format("onnxscript"))
    torch.manual_seed(0)
    x = torch.randn(3, *shape)
    for part in module.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):             # statistics that are not 0 and 1
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    module.eval()
    batch = {"dynamic_shapes": ({0: torch.export.Dim("N")},)} if newer else {"dynamic_axes": {"x": {0: "N"}}}
    unfolded = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE} if preserve else {}
    torch.onnx.export(module, (x,), str(path), dynamo=newer, opset_version=opset, input_names=["x"], verbose=False,
                      **batch, **unfolded)
    return x.numpy()


def agrees(path, x):
    """The network, after its outputs were compared with onnxruntime's."""
    expected = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    net = from_onnx(path)
    output = net.forward(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)
    difference = float(abs(output - expected).max())
    assert output.shape == expected.shape and difference < BOUND, f"{net}: outputs differ by {difference:.3g}"
    return net


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", ["mlp", "cnn", "rounded up", "norm first, global average"])
def test_what_torch_exports_computes_what_onnxruntime_computes(tmp_path, name, exporter):
    module, shape = networks()[name]
    x = exported(module, shape, tmp_path / "net.onnx", exporter)
    agrees(tmp_path / "net.onnx", x)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("opset", [11, 17])
def test_a_graph_that_was_not_simplified_is_the_network_layer_by_layer(tmp_path, opset):
    module, shape = networks()["cnn"]
    x = exported(module, shape, tmp_path / "net.onnx", f"traced, opset {opset}", preserve=True)
    found = [type(layer).__name__ for layer in agrees(tmp_path / "net.onnx", x).layers]
    expected = [type(layer).__name__ for layer in from_torch(module, shape).layers]
    assert found == [name for name in expected if name != "Dropout"]            # it is not written in eval mode


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_view_with_the_size_of_the_batch_is_a_flatten(tmp_path, exporter):
    module = Viewing()
    x = exported(module, (2, 7, 6), tmp_path / "net.onnx", exporter)
    with pytest.warns(UserWarning, match="the LogSoftmax at the end"):
        net = from_onnx(tmp_path / "net.onnx")
    with torch.no_grad():
        expected = module.dense(torch.relu(module.conv(torch.from_numpy(x))).flatten(1)).numpy()
    assert abs(net.forward(np.ascontiguousarray(x.transpose(0, 2, 3, 1))) - expected).max() < BOUND


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_residual_block_is_a_residual_block(tmp_path, exporter):
    x = exported(Adding(), (2, 5, 5), tmp_path / "net.onnx", exporter)
    expected = runtime.InferenceSession(str(tmp_path / "net.onnx")).run(None, {"x": x})[0]
    net = from_onnx(tmp_path / "net.onnx")
    assert [type(layer).__name__ for layer in net.layers] == ["Conv2d", "ReLU", "Add"]
    assert abs(net.forward(x.transpose(0, 2, 3, 1)) - expected.transpose(0, 2, 3, 1)).max() < BOUND
