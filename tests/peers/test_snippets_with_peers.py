"""Does the code on the pages about torch, ONNX and Dask run as it stands there? The others: tests/test_snippets.py."""
import os
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest

from minixnn import attribution, datasets, interop, plot
from minixnn.rules import composites
from tests import snippets
from tests.peers.libraries import REASONS, load, torch

if torch is None:
    pytest.skip(REASONS["torch"], allow_module_level=True)
pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from tests.peers.torchvision_like import BasicBlock, ResNet, filled


def resnet18():
    """torchvision's, with ten classes, for machines without torchvision."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes=10)


SENTENCES = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"      # a folder of this name is taken for it


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the pages name, and the names that their text takes for given."""
    module = filled(resnet18)
    torch.save(module.state_dict(), tmp_path / "resnet18.pth")
    shutil.copy(snippets.ROOT / "lessons" / "data" / "photos" / "chelsea.jpg", tmp_path / "photo.jpg")
    torch.onnx.export(module, (torch.zeros(1, 3, 224, 224),), str(tmp_path / "net.onnx"), dynamo=False,
                      opset_version=17, verbose=False)
    images = np.stack([datasets.photo("chelsea", 224)])
    torchvision = types.ModuleType("torchvision")
    torchvision.models = types.SimpleNamespace(resnet18=lambda num_classes=10: resnet18())
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    return tmp_path, {"module": module, "torch": torch, "images": images, "classes": np.array([285]),
                      "interop": interop, "attribution": attribution, "composites": composites, "plot": plot,
                      "torchvision": torchvision}


@pytest.mark.parametrize("page", ["docs/export.md", "docs/networks.md"])
def test_the_code_on_a_page_about_other_libraries_runs(page, folder, capsys):
    path, given = folder
    names = snippets.run(page, given, path)
    if page == "docs/export.md":
        assert names["heatmap"].shape == given["images"].shape and names["logits"].argmax() == 285


def block(text):
    """The block of own_network.md that has this text, for what does not run one after the other."""
    found, = [each for each in snippets.blocks("docs/own_network.md") if text in each]
    return found


def test_a_checkpoint_goes_to_a_heatmap_and_then_without_torch(folder, capsys):
    path, given = folder
    names = {"__name__": "__main__"}
    with snippets.working_in(path):
        exec(block("resnet18.pth"), names)
        y = names["net"].forward(names["x"])
        prepared = (names["x"] - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        theirs = given["module"](torch.tensor(prepared.transpose(0, 3, 1, 2), dtype=torch.float32)).detach().numpy()
        np.testing.assert_allclose(y, theirs, atol=1e-4 * abs(theirs).max())
        (path / "later.py").write_text(block("Network.load"))
        without = ("import runpy, sys; sys.modules.update(torch=None, torchvision=None, onnx=None)\n"
                   "runpy.run_path('later.py', run_name='__main__')")
        said = subprocess.run([sys.executable, "-c", without], text=True, capture_output=True, timeout=300, check=True,
                              env={**os.environ, "PYTHONPATH": str(snippets.ROOT)}).stdout.split()
    assert int(said[0]) == y.argmax()
    np.testing.assert_allclose(float(said[1]), names["R"].sum(), rtol=1e-3)


def test_the_code_about_onnx_files_runs(folder, capsys):
    path, given = folder
    with snippets.working_in(path):
        exec(block('from_onnx("net.onnx")'), given)
    assert given["R"].shape == given["images"].shape


def test_a_sentence_classifier_gets_a_relevance_for_each_token(tmp_path, monkeypatch, capsys):
    transformers = load("transformers")
    if transformers is None:
        pytest.skip(REASONS["transformers"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / SENTENCES
    folder.mkdir(parents=True)
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a the film is not boring , . but moving long".split()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    config = transformers.DistilBertConfig(vocab_size=len(words), n_layers=2, n_heads=2, dim=16, hidden_dim=32)
    config.id2label, config.architectures = {0: "NEGATIVE", 1: "POSITIVE"}, ["DistilBertForSequenceClassification"]
    torch.manual_seed(0)
    transformers.DistilBertForSequenceClassification(config).save_pretrained(folder)
    transformers.DistilBertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    names = {"__name__": "__main__"}
    with snippets.working_in(tmp_path):
        exec(block(SENTENCES), names)
    theirs = names["model"].eval()(**names["example"]).logits.detach().numpy()
    np.testing.assert_allclose(names["net"].forward(names["x"]), theirs, atol=1e-5 * abs(theirs).max())
    shown = names["example"]["attention_mask"].numpy() == 1
    assert (names["R"][shown] != 0).all() and (names["R"][~shown] == 0).all() and not shown.all()


def test_the_page_about_clusters_runs_as_a_program(tmp_path):
    da = pytest.importorskip("dask.array", reason="dask is not installed; the extra cluster brings it")
    pytest.importorskip("distributed", reason="distributed is not installed; the extra cluster brings it")
    block, = snippets.blocks("docs/cluster.md")
    (tmp_path / "explain.py").write_text(block)
    images = datasets.mnist("test")[0][:100]
    da.to_npy_stack(tmp_path / "images", da.from_array(images, chunks=(50, *images.shape[1:])))
    subprocess.run([sys.executable, "explain.py"], cwd=tmp_path, check=True, timeout=300, capture_output=True)
    assert da.from_npy_stack(tmp_path / "heatmaps").shape == images.shape
