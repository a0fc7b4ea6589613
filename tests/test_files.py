"""Are networks written and read again whole: those of today, and those of the formats before?

The files in tests/data were written, and the numbers beside them computed, by the versions of minixnn that had these
formats: version 1 knows lists of layers, version 2 lists of layers some of which hold lists.
"""
import json
import pathlib
from functools import partial

import numpy as np
import pytest

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


def rewritten(source, target, change):
    """Write the file `source` to `target` with its architecture changed in place by `change(header)`."""
    with np.load(source) as file:
        entries = {name: file[name] for name in file.files}
    header = json.loads(str(entries["architecture"]))
    change(header)
    np.savez(target, **{**entries, "architecture": np.array(json.dumps(header))})
    return target


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
    cell().save(tmp_path / "net.npz")
    path = rewritten(tmp_path / "net.npz", tmp_path / "bad.npz", change)
    with pytest.raises(ValueError, match="is not a network saved by minixnn, or is damaged") as caught:
        Network.load(path)
    assert str(path) in str(caught.value) and why in str(caught.value)


def test_a_file_of_a_newer_format_is_refused(tmp_path):
    cell().save(tmp_path / "net.npz")
    newer = rewritten(tmp_path / "net.npz", tmp_path / "newer.npz", lambda header: header.update(version=4))
    with pytest.raises(ValueError, match="format version 4, this minixnn reads up to 3; install a newer minixnn"):
        Network.load(newer)
    assert files.VERSION == 3
