"""Are the shipped networks what their record says, and cheap to have around?"""
import os
import pathlib
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from minixnn import Network, datasets, models
from minixnn.layers import Conv2d, Dense, GlobalAvgPool
from minixnn.models import recall, recipes
from minixnn.train import accuracy, fit

# The least that each must get right of the 10,000 test images, or of as many texts.
BARS = {"dense": 0.980, "dense_no_bias": 0.980, "cnn": 0.9935, "cluttered_gap": 0.97, "cluttered_dense": 0.97,
        "vit": 0.985, "recall": 1.0}
CHEAP = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def images():
    """The test images of each model, made once: digits for some, cluttered scenes for others, texts for one."""
    digits, scenes = datasets.mnist("test"), datasets.cluttered_mnist(10_000, seed=1, split="test")[:2]
    return lambda name: recall.task()[1] if name == "recall" else scenes if name.startswith("cluttered") else digits


@pytest.mark.parametrize("name", BARS)
def test_a_shipped_network_is_as_good_as_recorded_and_better_than_the_bar(name, images):
    x, labels = images(name)
    found, known = accuracy(models.load(name), x, labels), models.record(name)
    assert known["test_images"] == len(x) == 10_000
    assert found == pytest.approx(known["accuracy"], abs=2.5e-4), (found, known)     # another BLAS may round otherwise
    assert found >= BARS[name], f"{name}: {found:.2%}, to beat {BARS[name]:.2%}"


def test_every_name_has_weights_and_no_weights_lack_a_name():
    on_disk = {path.stem for path in models.DATA.glob("*.npz")}
    assert set(BARS) <= set(models.names()) and on_disk == {*models.names(), *models.BY_LENGTH}


def test_all_weights_together_are_below_seventeen_megabytes():
    sizes = {path.name: path.stat().st_size for path in models.DATA.glob("*.npz")}
    assert 1e5 < sum(sizes.values()) < 17e6, sizes


@pytest.mark.parametrize("name", BARS)
def test_a_shipped_network_computes_in_float32(name):
    net = models.load(name)
    assert isinstance(net, Network)
    assert {a.dtype for layer in net.layers for a in layer.arrays().values() if a is not None} == {np.dtype("float32")}
    if name == "recall":
        assert net.forward(np.zeros((2, 9), int)).shape == (2, 8) and net.forward(np.zeros((2, 9), int)).dtype == "f4"
    else:
        size = 40 if name.startswith("cluttered") else 28
        assert net.forward(np.zeros((2, size, size, 1), "float32")).shape == (2, 10)


def test_networks_without_biases_have_none_and_dense_is_784_512_100_10():
    for name in ("dense_no_bias", "cnn"):
        assert all(layer.b is None for layer in models.load(name).layers if isinstance(layer, (Conv2d, Dense)))
    for name in ("dense", "dense_no_bias"):
        shapes = [layer.W.shape for layer in models.load(name).layers if isinstance(layer, Dense)]
        assert shapes == [(784, 512), (512, 100), (100, 10)]
    assert sum(isinstance(layer, Conv2d) and layer.W.shape[:2] == (3, 3) for layer in models.load("cnn").layers) == 3


def test_cluttered_gap_ends_as_class_activation_maps_ask():
    *_, pool, head = models.load("cluttered_gap").layers
    assert isinstance(pool, GlobalAvgPool) and isinstance(head, Dense)


def test_each_load_gives_a_network_of_its_own():
    first = models.load("dense")
    first.layers[-1].W[...] = 0
    assert models.load("dense").layers[-1].W.any()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="got model 'vgg', expected one of .*cnn.*dense"):
        models.load("vgg")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_builds_the_network_that_is_shipped(name):
    architecture, data, epochs, rate = recipes.RECIPES[name]
    built, shipped = architecture(np.random.default_rng(0)), models.load(name)
    assert [repr(layer) for layer in built.layers] == [repr(layer) for layer in shipped.layers]
    for ours, theirs in zip(built.layers, shipped.layers):
        for key, array in ours.arrays().items():
            assert getattr(array, "shape", None) == getattr(theirs.arrays()[key], "shape", None), (ours, key)


@pytest.mark.parametrize("data", [recipes.digits, recipes.nearby_digits, recipes.scenes])
def test_the_data_of_a_recipe_are_images_with_labels(data, monkeypatch):
    small = partial(datasets.cluttered_mnist, 20)
    monkeypatch.setattr(datasets, "cluttered_mnist", lambda n, **which: small(**which))
    (images, labels), (unseen, answers), moved = data()
    images, labels = images(0) if callable(images) else (images, labels)
    assert len(images) == len(labels) and len(unseen) == len(answers) and images.shape[1:] == unseen.shape[1:]
    if moved is not None:
        batch = moved(images[:5], np.random.default_rng(0))
        assert batch.shape == images[:5].shape and (batch != images[:5]).any()
        assert np.allclose(batch.sum(axis=(1, 2, 3)), images[:5].sum(axis=(1, 2, 3)), rtol=0.1)


def test_one_layer_of_attention_cannot_recall():
    """The control of "two can": the same recipe with one, five epochs of it, does no better than four digits by lot."""
    net, ((new, _), (x, answers), _) = recall.recall(np.random.default_rng(0), blocks=1), recall.task()
    fit(net, lambda epoch: tuple(a[:4000] for a in new(epoch)), epochs=5, quiet=True, rng=np.random.default_rng(0))
    assert 0.2 < accuracy(net, x, answers) < 0.3


def test_the_recipe_of_recall_has_a_seed_of_its_own():
    assert models.record("recall")["seed"] == recipes.SEEDS["recall"] and recipes.RECIPES["recall"][2] == 10


def test_training_starts_from_a_seed_and_leaves_weights_and_record(tmp_path, monkeypatch, capsys):
    """The recipe itself, on a handful of digits: the same seed, the same file; the record is updated."""
    train, test = ([a[:200] for a in datasets.mnist(split)] for split in ("train", "test"))
    for module in (models, models.recipes):
        monkeypatch.setattr(module, "DATA", tmp_path)
        monkeypatch.setattr(module, "RECORD", tmp_path / "models.json")
    monkeypatch.setitem(models.RECIPES, "dense", (models.recipes.dense, lambda: (train, test, None), 1, 1e-3))
    models.train("dense", seed=3)
    first = (models.load("dense").layers[2].W.copy(), models.record("dense"))
    models.train("dense", seed=3, epochs=1)
    assert np.array_equal(models.load("dense").layers[2].W, first[0]) and models.record("dense") == first[1]
    assert {"accuracy", "seed", "epochs", "test_images"} <= set(first[1]) and first[1]["test_images"] == 200
    assert first[1]["accuracy"] == accuracy(models.load("dense"), *test)
    assert "of 200 test images" in capsys.readouterr().out


def test_the_generator_has_a_recipe_too(tmp_path, monkeypatch, capsys):
    """An epoch on a few digits: another discriminator, the same steps, weights and record."""
    few = {split: [a[:300] for a in datasets.mnist(split)] for split in ("train", "test")}
    monkeypatch.setattr(datasets, "mnist", few.__getitem__)
    for name in ("dense", "dense_no_bias"):
        shutil.copy(models.DATA / f"{name}.npz", tmp_path)
    for module in (models, models.recipes):
        monkeypatch.setattr(module, "DATA", tmp_path)
        monkeypatch.setattr(module, "RECORD", tmp_path / "models.json")
    made = models.train("generator", seed=1, epochs=1)
    assert [repr(layer) for layer in made.layers] == [repr(layer) for layer in models.load("generator").layers]
    assert models.record("generator")["test_images"] == 300 and "epoch 1  image" in capsys.readouterr().out


def test_the_command_line_says_how_it_is_used():
    run = subprocess.run([sys.executable, "-m", "minixnn.models"], capture_output=True, text=True, env=CHEAP,
                         cwd=pathlib.Path(models.__file__).parents[1])
    assert run.returncode != 0 and "usage: python -m minixnn.models train NAME" in run.stderr and "cnn" in run.stderr


def imported(statement, cache):
    """{module: microseconds its own import took} after `statement`; compiled modules are kept in `cache`."""
    environment = {**CHEAP, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    run = subprocess.run([sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True,
                         env=environment, cwd=pathlib.Path(models.__file__).parents[1], check=True)
    lines = [line.removeprefix("import time:").split("|") for line in run.stderr.splitlines() if "|" in line][1:]
    return {name.strip(): int(own) for own, _, name in lines}


def test_importing_minixnn_costs_little_more_than_numpy(tmp_path):
    numpy, with_us = imported("import numpy", tmp_path), imported("import minixnn", tmp_path)
    extra = with_us.keys() - numpy.keys()
    assert "minixnn.layers.conv" in extra
    packages = {name.partition(".")[0] for name in extra} - {"minixnn", "numpy"} - set(sys.stdlib_module_names)
    assert not packages, f"import minixnn imports {packages}"
    # The best of three: the first compiles, and other programs may hold up the machine.
    base = min(sum(imported("import numpy", tmp_path).values()) for _ in range(3))
    cost = min(sum(own for name, own in imported("import minixnn", tmp_path).items() if name in extra)
               for _ in range(3))
    assert cost < 2 * base, f"{cost / 1000:.0f} ms on top of numpy's {base / 1000:.0f} ms"
