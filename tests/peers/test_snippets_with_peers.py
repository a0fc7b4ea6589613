"""Does the code on the pages about torch, ONNX and Dask run as it stands there? The others: tests/test_snippets.py."""
import subprocess
import sys
import types

import numpy as np
import pytest

from minixnn import datasets
from tests import snippets
from tests.peers.libraries import REASONS, torch

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)
pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from tests.peers.torchvision_like import BasicBlock, ResNet, filled


def resnet18():
    """torchvision's, with ten classes, for machines without torchvision."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes=10)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the pages name, and the names that their text takes for given."""
    module = filled(resnet18)
    torch.save(module.state_dict(), tmp_path / "resnet18.pth")
    for name in ("net.onnx", "resnet.onnx"):
        torch.onnx.export(module, (torch.zeros(1, 3, 224, 224),), str(tmp_path / name), dynamo=False, opset_version=17,
                          verbose=False)
    images = np.stack([datasets.photo("chelsea", 224)])
    return tmp_path, {"module": module, "resnet": module, "torch": torch, "images": images, "classes": np.array([285]),
                      "torchvision": types.SimpleNamespace(models=types.SimpleNamespace(resnet18=resnet18))}


@pytest.mark.parametrize("page", ["docs/export.md", "docs/faq.md", "docs/networks.md", "docs/own_network.md"])
def test_the_code_on_a_page_about_other_libraries_runs(page, folder, capsys):
    path, given = folder
    names = snippets.run(page, given, path)
    if page == "docs/export.md":
        assert names["heatmap"].shape == given["images"].shape and names["logits"].argmax() == 285


def test_the_page_about_clusters_runs_as_a_program(tmp_path):
    da = pytest.importorskip("dask.array", reason="dask is not installed; the extra cluster brings it")
    pytest.importorskip("distributed", reason="distributed is not installed; the extra cluster brings it")
    block, = snippets.blocks("docs/cluster.md")
    (tmp_path / "explain.py").write_text(block)
    images = datasets.mnist("test")[0][:100]
    da.to_npy_stack(tmp_path / "images", da.from_array(images, chunks=(50, *images.shape[1:])))
    subprocess.run([sys.executable, "explain.py"], cwd=tmp_path, check=True, timeout=300, capture_output=True)
    assert da.from_npy_stack(tmp_path / "heatmaps").shape == images.shape
