"""Files made to do harm end in one sentence and status 2: nothing they hold is run, and no file beside them is read."""
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from minixnn import Dense, Network
from minixnn.cli import main


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def array_of(shape, kind="<f4", behind=b""):
    """The bytes of a .npy file that declares a shape, whatever follows."""
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + behind


def network_with(folder, **changed):
    """A saved network, some of whose entries are others."""
    path = folder / "net.npz"
    Network([Dense(np.ones((6, 4), "f4"), np.zeros(4, "f4"))]).save(path)
    with np.load(path) as file:
        entries = {}
        for name in file.files:
            stream = io.BytesIO()
            np.save(stream, file[name])
            entries[name] = stream.getvalue()
    weights = next(name for name in entries if name != "architecture")
    changed = {weights if name == "weights" else name: value for name, value in changed.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in {**entries, **changed}.items():
            file.writestr(f"{name}.npy", value)
    return path


def external(folder, location, **more):
    """A graph whose weights lie in another file."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    helper, path = onnx.helper, folder / "net.onnx"
    W = onnx.TensorProto(name="W", data_type=1, dims=[6, 4], data_location=1)
    for key, value in {"location": location, **more}.items():
        entry = W.external_data.add()
        entry.key, entry.value = key, str(value)
    value = helper.make_tensor_value_info
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "W"], ["y"])], "g", [value("x", 1, ["N", 6])],
                              [value("y", 1, ["N", 4])], [W])
    path.write_bytes(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
                                       ).SerializeToString())
    return path


def linked(folder):
    (folder / "link.bin").symlink_to(folder / "secret" / "weights.bin")
    return external(folder, "link.bin")


def pickled(folder, name="net.pt"):
    (folder / name).write_bytes(pickle.dumps(Harm(folder / "harmed")))
    return folder / name


HOSTILE = {
    "a pickle in an archive": (lambda folder: network_with(folder, weights=array_of(
        (1,), "|O", pickle.dumps(Harm(folder / "harmed")))), "is not a network saved by minixnn"),
    "a pickled module": (pickled, "expected a .npz or .onnx file"),
    "a zip bomb": (lambda folder: network_with(folder, **dict.fromkeys(
        [f"more{n}" for n in range(10)], array_of((10 ** 7,), behind=bytes(4 * 10 ** 7)))), "when unpacked, which no"),
    "numbers that would fill the memory": (lambda folder: network_with(folder, weights=array_of((2 ** 40, 2 ** 20))),
                                           "is not a network saved by minixnn"),
    "a negative size": (lambda folder: network_with(folder, weights=array_of((-6, 4), behind=bytes(96))),
                        "is not a network saved by minixnn"),
    "an absolute path": (lambda folder: external(folder, str(folder / "secret" / "weights.bin")), "absolute path"),
    "a path upwards": (lambda folder: external(folder, "../secret/weights.bin"), "outside the directory|escapes"),
    "a device": (lambda folder: external(folder, "/dev/zero"), "absolute path"),
    "a link": (linked, "symbolic link"),
    "an offset behind the end": (lambda folder: external(folder, "weights.bin", offset=2 ** 60), "not regular|exceeds"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_one_sentence(name, tmp_path, capsys):
    make, sentence = HOSTILE[name]
    (tmp_path / "inner" / "secret").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "inner"):
        (folder / "secret").mkdir(exist_ok=True)
        (folder / "secret" / "weights.bin").write_bytes(np.ones(24, "f4").tobytes())
    np.save(tmp_path / "x.npy", np.ones((2, 6), "f4"))
    path = make(tmp_path / "inner")
    assert main(["explain", str(tmp_path / "x.npy"), "--model", str(path), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and not (tmp_path / "inner" / "harmed").exists()
    assert any(part in said for part in sentence.split("|")), said
