"""Programs and files of torch: programs are read, files are refused with the remedy, and none of them runs code."""
import os
import pickle
import zipfile

import numpy as np
import pytest

from minixnn.interop import from_torch
from tests.peers import libraries

torch = libraries.torch
pytestmark = pytest.mark.skipif(torch is None, reason=str(libraries.REASONS.get("torch")))
X = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")


def module():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)).eval()


def program(**settings):
    return torch.export.export(module(), (torch.tensor(X),), **settings)


@pytest.mark.parametrize("size", ["as it was", "any"])
def test_an_exported_program_is_read(size):
    settings = {} if size == "as it was" else {"dynamic_shapes": ({0: torch.export.Dim("n")},)}
    net = from_torch(program(**settings))
    expected = module()(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(net.forward(X), expected, atol=1e-6)
    np.testing.assert_allclose(net.forward(X[:1]), expected[:1], atol=1e-6)


def test_a_program_is_held_to_the_module_that_it_is(monkeypatch):
    """Were an operation read wrongly, the comparison on the program's own example would tell."""
    from minixnn.interop.table import TORCH
    monkeypatch.setitem(TORCH, "relu", lambda b, x: x)
    with pytest.raises(ValueError, match="computes something else"):
        from_torch(program())


class Runs:
    """What a pickle runs when it is read: it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def saved(kind, path, folder):
    if kind == "a program":
        torch.export.save(program(), path)
    elif kind == "a program with a pickle":
        torch.export.save(program(), path)
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(f"{path}.new", "w") as new:
            for name in old.namelist():
                hostile = "weight" in name or name.endswith(".pt")
                new.writestr(name, pickle.dumps(Runs(folder)) if hostile else old.read(name))
        os.replace(f"{path}.new", path)
    elif kind == "TorchScript":
        torch.jit.save(torch.jit.trace(module(), torch.tensor(X)), path)
    elif kind == "weights":
        torch.save(module().state_dict(), path)
    elif kind == "a pickled module":
        torch.save(Runs(folder), path)
    elif kind == "a bare pickle":
        path.write_bytes(pickle.dumps(Runs(folder)))
    elif kind == "a damaged archive":
        path.write_bytes(b"PK" + bytes(range(200)))
    elif kind == "nothing":
        path.write_bytes(b"")


@pytest.mark.parametrize("kind, remedy", [
    ("a program", r"from_torch\(torch.export.load\("), ("a program with a pickle", r"If you trust it"),
    ("TorchScript", "Give the original module"), ("weights", "load_state_dict"),
    ("a pickled module", "weights_only=True"), ("a bare pickle", "runs code when it is read"),
    ("a damaged archive", "damaged archive"), ("nothing", "load_state_dict")])
def test_a_file_is_refused_with_the_remedy_and_runs_nothing(kind, remedy, tmp_path):
    path, folder = tmp_path / "net.pt2", tmp_path / "made by the file"
    saved(kind, path, folder)
    with pytest.raises(ValueError, match=remedy):
        from_torch(path)
    with pytest.raises(ValueError, match=remedy):
        from_torch(str(path))
    assert not folder.exists()


def test_the_pickle_of_this_page_does_run_where_it_is_read(tmp_path):
    """The control: without it the test above could not fail."""
    path, folder = tmp_path / "net.pt", tmp_path / "made by the file"
    saved("a bare pickle", path, folder)
    pickle.loads(path.read_bytes())
    assert folder.exists()


def test_a_file_that_is_missing_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        from_torch(tmp_path / "none.pt2")


@pytest.mark.parametrize("scripted", [lambda: torch.jit.script(module()),
                                      lambda: torch.jit.trace(module(), torch.tensor(X))], ids=["script", "trace"])
def test_torchscript_is_refused_with_the_remedy(scripted):
    with pytest.raises(ValueError, match="give the original module, or write it to ONNX"):
        from_torch(scripted())
