"""Does the shipped classifier of file types see what Magika sees, and does relevance reach the bytes?"""
import pathlib

import numpy as np
import pytest

from minixnn import attribution, ledger, models, passes
from minixnn.models import magika
from minixnn.rules import composites, lrp

ROOT = pathlib.Path(__file__).parents[2]
# type and probability by the package magika 1.0.3, as recorded; files that change keep their type
TYPES = {"lessons/data/photos/chelsea.jpg": ("jpeg", 0.9999989), "minixnn/data/cnn.npz": ("npz", 0.9999783),
         "minixnn/data/t10k-labels-idx1-ubyte.gz": ("gzip", 0.9999808), "LICENSE": ("txt", 0.9997078),
         "minixnn/passes.py": ("python", None), "README.md": ("markdown", None), "docs/rules.rst": ("rst", None),
         "docs/speed.json": ("json", None), "pyproject.toml": ("toml", None), ".ci/run": ("shell", None)}


@pytest.fixture(scope="module")
def net():
    return models.load("magika")


@pytest.fixture(scope="module")
def script():
    return magika.tokens((ROOT / "minixnn" / "passes.py").read_bytes())[None]


@pytest.mark.parametrize("name", TYPES)
def test_a_file_of_the_repository_gets_its_recorded_type(net, name):
    p = net.probabilities(magika.tokens((ROOT / name).read_bytes())[None])[0]
    label, probability = TYPES[name]
    assert net.card.label(int(p.argmax())) == label
    assert probability is None or abs(p.max() - probability) < 1e-5, (p.max(), probability)


def test_its_784214_parameters_give_214_types(net):
    count = 0

    def add(array):
        nonlocal count
        count += array.size
        return array
    net.map_arrays(add)
    assert count == 784_214 - 64, "the first matrix holds its 64 biases, added to each row"
    assert len(net.card.labels) == 214 and net.card.input_shape == (2048,)


def test_tokens_are_both_ends_without_the_white_space_around():
    short = magika.tokens(b"\n\n  abc \n")
    assert short[:4].tolist() == [97, 98, 99, 32] and (short[5:1024] == 256).all()
    assert short[-3:].tolist() == [97, 98, 99] and (short[1024:-7] == 256).all()
    data = np.random.default_rng(0).integers(33, 256, 9000).astype(np.uint8).tobytes()
    assert magika.tokens(data).tolist() == [*data[:1024], *data[-1024:]]
    places = magika.positions(b" " + data + b" ")
    assert places[[0, 1023, 1024, 2047]].tolist() == [1, 1024, 9001 - 1024, 9000]
    with pytest.raises(ValueError, match="got an empty file"):
        magika.tokens(b"")


@pytest.mark.parametrize("rules", [lrp.epsilon, composites.epsilon_plus, composites.epsilon_plus_flat,
                                   composites.epsilon_gamma_box])
def test_each_byte_gets_one_number_and_the_ledger_adds_up(net, script, rules):
    R = passes.lrp(net, script, rules=rules)
    book = ledger.audit(net, script, R, rules)
    assert R[0].shape == script.shape and book.largest_residual < 1e-5
    assert 0.5 < R[0].sum() / R[-1].sum() < 1, "normalisation and biases keep a part, bytes get the rest"


@pytest.mark.parametrize("name", ["gradient", "gradient_times_input", "integrated_gradients", "deeplift"])
def test_methods_of_gradients_reach_the_bytes(net, script, name):
    R = attribution.METHODS[name](net, script)
    assert R.shape == script.shape and np.isfinite(R).all() and abs(R).max() > 0
