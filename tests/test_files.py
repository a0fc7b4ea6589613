"""Are networks written and read again whole: those of today, and those of the formats before?

The files in tests/data were written, and the numbers beside them computed, by the versions of minixnn that had these
formats: version 1 knows lists of layers, version 2 lists of layers some of which hold lists.
"""
import functools
import io
import json
import os
import pathlib
import pickle
import stat
import tempfile
import zipfile
from functools import partial

import numpy as np
import pytest

from tests.registry import every_layer

from minixnn import Network, files, passes
from minixnn.layers import Add, Concat, Conv2d, Dense, GlobalAvgPool, Input, Multiply, ReLU
from minixnn.rules import composites, lrp

DATA = pathlib.Path(__file__).parent / "data"
OLD = sorted(path.name.removesuffix(".npz") for path in DATA.glob("format_*.npz") if "expected" not in path.name)
RULES = {"epsilon": lrp.epsilon, "epsilon 0.1": partial(lrp.epsilon, epsilon=0.1),
         "epsilon_plus": composites.epsilon_plus, "epsilon_plus_flat": composites.epsilon_plus_flat,
         "epsilon_gamma_box": composites.epsilon_gamma_box, "attn_lrp": composites.attn_lrp,
         "cp_lrp": composites.cp_lrp}


def again(net, path, **knobs):
    net.save(path, **knobs)
    return Network.load(path)


# --- formats of before -----------------------------------------------------------------------------------------------

def recorded(name, net, expected):
    """What the network answers today, under the names of what was recorded then."""
    x, x_ref = expected["x"], expected["x_ref"]
    for key in expected.files:
        if key == "outputs":
            yield key, net.forward(x)
        elif key == "deeplift":
            yield key, passes.deeplift(net, x, x_ref, 1)[0]
        elif key.startswith("lrp "):
            yield key, passes.lrp(net, x, 1, rules=RULES[key.removeprefix("lrp ")])[0]
        elif key not in ("x", "x_ref"):
            yield key, getattr(passes, key)(net, x, 1)[0]


@pytest.mark.parametrize("name", OLD)
def test_a_file_of_a_format_before_gives_the_same_numbers(name, tmp_path):
    old = Network.load(DATA / f"{name}.npz")
    with np.load(DATA / f"{name}.expected.npz") as expected:
        for net in (old, again(old, tmp_path / "new.npz")):
            found = dict(recorded(name, net, expected))
            assert len(found) >= 5
            for key, value in found.items():
                size = max(1, abs(expected[key]).max())
                np.testing.assert_allclose(value, expected[key], rtol=0, atol=1e-12 * size, err_msg=f"{name}, {key}")


def test_there_are_files_of_both_formats():
    versions = set()
    for name in OLD:
        with np.load(DATA / f"{name}.npz") as file:
            versions.add(json.loads(str(file["architecture"]))["version"])
    assert versions == {1, 2}


def test_nested_layers_are_written_out_and_the_card_is_kept():
    net = Network.load(DATA / "format_2_convolutional.npz")
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds.count("Add") == 4 and kinds.count("Concat") == 1 and kinds.count("Multiply") == 1
    assert list(net.card.labels) == ["a", "b", "c"] and tuple(net.card.input_shape) == (6, 7, 2)
    assert [layer.epsilon for layer in net.layers if isinstance(layer, Add)] == [None, None, 0.01, 0.001]


def test_a_part_that_stood_in_two_branches_is_one_again():
    net = Network.load(DATA / "format_2_shared.npz")
    assert sum(isinstance(layer, ReLU) for layer in net.layers) == 1, net.describe()
    shared = next(l for l, layer in enumerate(net.layers) if isinstance(layer, ReLU))
    assert len(net.readers(shared + 1)) == 2


# --- today's format --------------------------------------------------------------------------------------------------

def cell():
    """A layer in three places, an output that is read again, a join of joins."""
    rng = np.random.default_rng(0)
    W, first = Dense(rng.normal(size=(3, 3)), rng.normal(size=3)), Dense(rng.normal(size=(4, 3)))
    return Network([first, W, ReLU(), W, Add(), W, Multiply(), Concat()],
                   [0, 1, 2, 3, (4, 2), 5, (6, 3), (7, 5)], names=[f"step{n}.part" for n in range(8)])


def test_connections_names_and_sharing_are_kept(tmp_path):
    net, x = cell(), np.random.default_rng(1).normal(size=(2, 4))
    loaded = again(net, tmp_path / "net.npz")
    assert loaded.inputs == net.inputs and loaded.names == net.names
    assert loaded.layers[1] is loaded.layers[3] is loaded.layers[5]
    assert len({id(layer) for layer in loaded.layers}) == 6
    assert np.array_equal(loaded.forward(x), net.forward(x))
    with np.load(tmp_path / "net.npz") as file:             # the shared weights stand in the file once
        assert sum(name.endswith(".W") for name in file.files) == 2


def test_half_precision_halves_a_shared_layer_once(tmp_path):
    net, x = cell().astype("float32"), np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    loaded = again(net, tmp_path / "net.npz", dtype=np.float16)
    assert loaded.layers[1] is loaded.layers[5] and loaded.layers[1].W.dtype == "float32"
    np.testing.assert_allclose(loaded.forward(x), net.forward(x), rtol=0.02)


def test_several_inputs_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    net = Network([Input(0), Input(1), Conv2d(rng.normal(size=(3, 3, 1, 2))), GlobalAvgPool(), Concat(),
                   Dense(rng.normal(size=(5, 3)))], [0, 0, 1, 3, (4, 2), 5])
    x = rng.normal(size=(2, 5, 5, 1)), rng.normal(size=(2, 3))
    assert np.array_equal(again(net, tmp_path / "net.npz").forward(x), net.forward(x))


def damaged(folder, change):
    """A file of the cell with its architecture changed in place by `change(header)`."""
    def changed(entries):
        header = json.loads(str(entries["architecture"]))
        change(header)
        entries["architecture"] = np.array(json.dumps(header))
    (folder / "bad.npz").write_bytes(rewritten(changed, cell()))
    return folder / "bad.npz"


@pytest.mark.parametrize("change, why", [
    (lambda header: header["places"][0].update(inputs=[5]), "expected numbers from 0"),
    (lambda header: header["places"][4].update(inputs=[4]), "has 1 inputs, expected 2 or more"),
    (lambda header: header["places"][7].update(inputs=[6, 5]), "no layer reads"),
    (lambda header: header["places"][0].update(layer=40), "list index out of range"),
    (lambda header: header["layers"][0].update(kind="Network"), "which this minixnn does not know"),
    (lambda header: header["layers"][0].update(arrays=["W", "b"]), "the array b of layer 0 is missing"),
    (lambda header: header.pop("places"), "places"),
])
def test_a_damaged_graph_is_refused_with_its_path(tmp_path, change, why):
    path = damaged(tmp_path, change)
    with pytest.raises(ValueError, match="is not a network saved by minixnn, or is damaged") as caught:
        Network.load(path)
    assert str(path) in str(caught.value) and why in str(caught.value)


def test_a_file_of_a_newer_format_is_refused(tmp_path):
    newer = damaged(tmp_path, lambda header: header.update(version=4))
    with pytest.raises(ValueError, match="format version 4, this minixnn reads up to 3; install a newer minixnn"):
        Network.load(newer)
    assert files.VERSION == 3


# --- every layer, and damaged files ----------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(5, 8, 9, 2)).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_network_comes_back_with_settings_weights_and_dtype(dtype, tmp_path):
    net = every_layer(dtype)
    net.save(tmp_path / "net.npz")
    back = Network.load(tmp_path / "net.npz")
    for layer, twin in zip(net.layers, back.layers, strict=True):
        assert type(twin) is type(layer) and twin.settings() == layer.settings()
        assert set(twin.arrays()) == set(layer.arrays())
        for name, array in layer.arrays().items():
            other = twin.arrays()[name]
            assert (array is None and other is None) or (other.dtype == dtype and np.array_equal(array, other))
    assert np.array_equal(back.forward(X.astype(dtype)), net.forward(X.astype(dtype)))
    assert str(back) == str(net)


def test_float16_halves_the_file_and_comes_back_as_float32(tmp_path):
    net = Network([Dense.random(300, 200, np.random.default_rng(0))])
    net.save(tmp_path / "full.npz")
    net.save(tmp_path / "half.npz", dtype=np.float16)
    assert os.path.getsize(tmp_path / "half.npz") < 0.6 * os.path.getsize(tmp_path / "full.npz")
    back = Network.load(tmp_path / "half.npz").layers[0]
    assert back.W.dtype == np.float32
    np.testing.assert_allclose(back.W, net.layers[0].W, rtol=1e-3, atol=1e-7)


def test_numbers_too_large_for_float16_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="W of layer 0 has numbers beyond 65.*float16.*save without dtype="):
        Network([Dense(np.full((1, 1), 1e5))]).save(tmp_path / "net.npz", dtype=np.float16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_went_astray_do_not_replace_a_good_file(tmp_path, bad):
    every_layer().save(tmp_path / "net.npz")
    good = (tmp_path / "net.npz").read_bytes()
    with pytest.raises(ValueError, match="b of layer 1 has NaN or infinite numbers: the training.*learning rate"):
        Network([ReLU(), Dense(np.ones((1, 1)), np.full(1, bad))]).save(tmp_path / "net.npz")
    assert (tmp_path / "net.npz").read_bytes() == good and len(list(tmp_path.iterdir())) == 1


def test_a_file_goes_where_the_path_says_relative_or_not_with_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("net.npz", pathlib.Path("weights"), str(tmp_path / "other.bin")):
        every_layer().save(path)
        assert os.path.exists(path)
        Network.load(path)
    assert sorted(os.listdir()) == ["net.npz", "other.bin", "weights"], "and nothing else is left behind"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.stat("net.npz").st_mode) == 0o666 & ~mask, "readable for whom any other file is"


class Failing(Exception):
    pass


@pytest.mark.parametrize("stage", ["savez_compressed", "replace"])
def test_a_failing_save_leaves_the_old_file_whole_and_no_draft(stage, tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    every_layer().save(path)
    before = path.read_bytes()

    def fail(first, *rest, **more):
        if stage == "savez_compressed":
            first.write(b"half of it")
        raise Failing

    monkeypatch.setattr(np if stage == "savez_compressed" else os, stage, fail)
    with pytest.raises(Failing):
        every_layer("float64").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_layer_of_ones_own_cannot_be_saved_and_the_old_file_stays(tmp_path):
    class Square(ReLU):
        pass

    every_layer().save(tmp_path / "net.npz")
    before = (tmp_path / "net.npz").read_bytes()
    with pytest.raises(ValueError, match="layer 1 is Square.*only those can be saved"):
        Network([ReLU(), Square()]).save(tmp_path / "net.npz")
    assert (tmp_path / "net.npz").read_bytes() == before


@functools.cache
def saved(net=None):
    """The bytes of a saved network."""
    with tempfile.TemporaryDirectory() as folder:
        (net or every_layer()).save(f"{folder}/net.npz")
        return pathlib.Path(f"{folder}/net.npz").read_bytes()


def rewritten(change, net=None):
    """A saved network whose entries have gone through `change(entries)`, a dictionary name -> array."""
    with np.load(io.BytesIO(saved(net))) as file:
        entries = {name: file[name] for name in file.files}
    change(entries)
    out = io.BytesIO()
    np.savez(out, **entries)
    return out.getvalue()


def with_header(**changes):
    """A saved network with entries of its header changed; None removes one."""
    def change(entries):
        header = {**json.loads(str(entries["architecture"])), **changes}
        entries["architecture"] = np.array(json.dumps({k: v for k, v in header.items() if v is not None}))
    return rewritten(change)


def pickled():
    out = io.BytesIO()
    np.savez(out, architecture=np.array({"format": "minixnn"}, dtype=object))
    return out.getvalue()


def bare_array():
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1:]


BAD_FILES = {
    "empty": lambda: b"",
    "text": lambda: b"weights, weights, weights\n" * 100,
    "half of it": lambda: saved()[:len(saved()) // 2],
    "all but the last byte": lambda: saved()[:-1],
    "a pickle": lambda: pickle.dumps({"W": np.ones(3)}),
    "pickled content": pickled,
    "one array": bare_array,
    "a foreign npz": lambda: rewritten(lambda entries: entries.pop("architecture")),
    "not JSON": lambda: rewritten(lambda entries: entries.update(architecture=np.array("{'format'"))),
    "a number": lambda: rewritten(lambda entries: entries.update(architecture=np.array(3))),
    "a list": lambda: rewritten(lambda entries: entries.update(architecture=np.array("[1, 2]"))),
    "another format": lambda: with_header(format="maxixnn"),
    "no format": lambda: with_header(format=None),
    "no version": lambda: with_header(version=None),
    "a version in words": lambda: with_header(version="one"),
    "no layers": lambda: with_header(layers=None),
    "an empty list of layers": lambda: with_header(layers=[]),
    "an unknown layer": lambda: with_header(layers=[{"kind": "Maxout", "settings": {}, "arrays": []}]),
    "a layer without settings": lambda: with_header(layers=[{"kind": "ReLU", "arrays": []}]),
    "settings of another layer": lambda: with_header(layers=[{"kind": "ReLU", "settings": {"rate": 1}, "arrays": []}]),
    "settings that make no sense": lambda: with_header(
        layers=[{"kind": "MaxPool2d", "settings": {"size": [2, 0]}, "arrays": []}]),
    "an array is missing": lambda: rewritten(lambda entries: entries.pop("0.W")),
    "an array of another shape": lambda: rewritten(lambda entries: entries.update({"0.W": np.ones((2, 2))})),
    "a weight that is NaN": lambda: rewritten(lambda entries: entries.update({"0.W": entries["0.W"] * np.nan})),
    "a bias of another shape": lambda: rewritten(lambda entries: entries.update({"0.b": np.ones(77)})),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_one_sentence_that_names_it(name, tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(BAD_FILES[name]())
    with pytest.raises(ValueError, match=r"bad.npz is not a network saved by minixnn, or is damaged: .*net.save"):
        Network.load(path)


def test_pickled_content_is_not_run(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    with zipfile.ZipFile(tmp_path / "trap.npz", "w") as file:
        for name in ("architecture.npy", "0.W.npy"):
            out = io.BytesIO()
            np.save(out, np.array([Trap()], dtype=object), allow_pickle=True)
            file.writestr(name, out.getvalue())
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Trap()))
    for path in ("trap.npz", "plain.npz"):
        with pytest.raises(ValueError, match="not a network saved by minixnn"):
            Network.load(tmp_path / path)
    assert not (tmp_path / "opened").exists()


def test_a_flipped_byte_anywhere_is_refused_or_does_no_harm(tmp_path):
    """Zip has a checksum for contents; a byte of its directory may go unnoticed if it says nothing of importance."""
    net = Network([Dense(np.arange(12.0).reshape(3, 4)), ReLU()])
    x = np.ones((1, 3))
    path, data, refused = tmp_path / "bad.npz", saved(net), 0
    for place in range(0, len(data), 3):
        path.write_bytes(flipped(data, place))
        try:
            assert np.array_equal(Network.load(path).forward(x), net.forward(x)), place
        except ValueError as error:
            assert "not a network saved by minixnn" in str(error), (place, error)
            refused += 1
    assert refused > len(data) / 3 / 2, refused


def test_a_missing_file_and_a_folder_raise_what_open_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "nowhere.npz")
    with pytest.raises(IsADirectoryError):
        Network.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        every_layer().save(tmp_path / "nowhere" / "net.npz")
