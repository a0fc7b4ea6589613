"""Does a network run, describe itself, and come back from its file as it went in?"""
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

from tests.registry import EXAMPLES, MORE

from minixnn import Network
from minixnn import layers as kinds
from minixnn.layers import (AdaptiveAvgPool2d, Add, AvgPool2d, BatchNorm2d, Branches, ChannelScale, Conv2d, Dense,
                            Dropout, Flatten, GlobalAvgPool, MaxPool2d, Multiply, Prepare, ReLU, Residual, Sigmoid,
                            Softplus, SumPool2d, Tanh, Unflatten)
from minixnn.rules import composites, lrp


def every_layer(dtype="float32"):
    """Every kind of layer, with settings other than the defaults."""
    rng = np.random.default_rng(0)
    return Network([
        Conv2d.random((2, 3), 2, 4, rng, stride=(1, 2), padding=((1, 0), (2, 1))),
        BatchNorm2d(*rng.normal(size=(3, 4)), rng.random(4) + 0.5, epsilon=1e-3, momentum=0.3), ReLU(),
        MaxPool2d((2, 3), 1, "same"), ChannelScale(rng.normal(size=4)), Softplus(),
        AvgPool2d(3, 2, 1, count_padding=True), SumPool2d(2, 1, "same"), Conv2d.random(1, 4, 5, rng, bias=False),
        Tanh(), Flatten(), Dropout(0.3), Dense.random(4 * 3 * 5, 12, rng), Sigmoid(), Unflatten((2, 2, 3)),
        Prepare(0.5, np.array([0.5, 1, 2])),
        Residual([Conv2d.random(3, 3, 3, rng), ReLU(), Residual([Tanh()])], [ChannelScale(rng.normal(size=3))]),
        Branches([[Tanh()], [], [Conv2d.random(1, 3, 3, rng)]], Add(epsilon=0.5)),
        Branches([[], [Branches([[ReLU()], [Sigmoid()]], Multiply())]]), Conv2d.random(1, 6, 3, rng),
        Branches([[], [Tanh()]], Multiply()),
        AdaptiveAvgPool2d((3, 1)), GlobalAvgPool(), Dense.random(3, 3, rng, bias=False), *others()]).astype(dtype)


def others():
    """The kinds that `registry.py` holds, one after the other, each cut and reshaped to what it takes."""
    found, features = [], 3
    for layer, shape in [*EXAMPLES.values(), *MORE.values()]:
        if type(layer) in map(type, found):
            continue
        W = np.random.default_rng(2).normal(size=(features, int(np.prod(shape[1:])))) / features ** 0.5
        behind = [kinds.Softmax()] if isinstance(layer, kinds.Hide) else []             # its numbers are for no other
        found += [Dense(W), Unflatten(shape[1:]), layer, *behind, Flatten()]
        features = found[-1].forward(layer.forward(np.ones((1, *shape[1:]), "float32"))).shape[1]
    return [*found, Dense(np.eye(features, 3))]


X = np.random.default_rng(1).normal(size=(5, 8, 9, 2)).astype("float32")


def test_each_entry_of_the_trace_follows_from_those_that_enter():
    net = every_layer()
    A = net.trace(X)
    assert len(A) == len(net.layers) + 1 and A[0] is X
    for l, layer in enumerate(net.layers):
        assert np.array_equal(layer.forward(net.entering(A, l)), A[l + 1])
    assert np.array_equal(net.forward(X), A[-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_keep_the_dtype_of_the_images(dtype):
    assert {a.dtype for a in every_layer(dtype).trace(X.astype(dtype))} == {np.dtype(dtype)}


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_predict_gives_the_same_in_batches_of_any_size(batch_size, monkeypatch):
    net, sizes = every_layer(), []
    forward = net.layers[0].forward
    monkeypatch.setattr(net.layers[0], "forward", lambda x: sizes.append(len(x)) or forward(x), raising=False)
    np.testing.assert_allclose(net.predict(X, batch_size), every_layer().forward(X), rtol=1e-5, atol=1e-6)
    assert sum(sizes) == 5 and max(sizes) == min(batch_size, 5)


def test_astype_and_on_give_copies_and_leave_the_original():
    net = every_layer()
    for copy in (net.astype("float64"), net.astype("float32"), net.on(np)):
        for layer, twin in zip(net.layers, copy.layers):
            assert twin is not layer
            assert twin.settings() == layer.settings() or isinstance(layer, kinds.ToFloat)
            for name, array in layer.arrays().items():
                other = twin.arrays()[name]
                assert (array is None) == (other is None) and (array is None or not np.shares_memory(array, other))
    assert net.forward(X).dtype == np.float32
    assert net.astype("float64").forward(X.astype("float64")).dtype == np.float64


def test_describe_is_a_table_of_layers_shapes_parameters_and_rules():
    net = Network([Conv2d(np.ones((3, 3, 1, 8)), np.ones(8), stride=2), ReLU(), MaxPool2d(2), Flatten(), Dropout(0.25),
                   Dense(np.ones((1800, 10)))])
    table = net.describe(rules=composites.epsilon_plus_flat, x=np.ones((1, 61, 61, 1)))
    head, *rows = table.splitlines()
    assert head.split() == ["l", "layer", "output", "shape", "parameters", "rule"] and len(rows) == 6
    assert [row.split()[0] for row in rows] == list("012345")
    for l, parts in enumerate([["Conv2d(3x3, 1 -> 8, stride (2, 2))", "(31, 31, 8)", " 80 ", "flat"],
                               ["ReLU()", "(31, 31, 8)"], ["MaxPool2d", "(15, 15, 8)"], ["Flatten()", "(1800,)"],
                               ["Dropout(rate=0.25)", "(1800,)"],
                               ["Dense(1800 -> 10, no bias)", "(10,)", "18,000", "epsilon"]]):
        for part in parts:
            assert part in rows[l] + " ", f"{part!r} is missing in {rows[l]!r}"
    assert "(31" not in net.describe() and "flat" not in net.describe() and "18,000" in net.describe()


def test_describe_names_the_knobs_of_a_rule():
    net = Network([Dense(np.ones((2, 2)))])
    assert "alpha_beta (alpha=1, beta=0)" in net.describe(partial(lrp.alpha_beta, alpha=1, beta=0))
    assert "epsilon" in net.describe(lrp.epsilon)
    with pytest.raises(ValueError, match="2 rules for 1 layers"):
        net.describe([None, None])


def test_a_network_shows_its_layers():
    assert repr(Network([Dense(np.ones((2, 3))), ReLU()])) == "Network([Dense(2 -> 3, no bias), ReLU()])"


def test_a_network_without_layers_is_refused():
    with pytest.raises(ValueError, match="no layers, expected a list"):
        Network([])


# --- files -----------------------------------------------------------------------------------------------------------

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


def rewritten(change):
    """A saved network whose entries have gone through `change(entries)`, a dictionary name -> array."""
    with np.load(io.BytesIO(saved())) as file:
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
