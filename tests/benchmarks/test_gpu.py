"""Does the GPU benchmark measure what it says, and does its page show what it measured, no more?"""
import json

import numpy as np
import pytest

from tests.backends import standin as standin_cupy
from tests.benchmarks import gpu


def small_work():
    rng = np.random.default_rng(0)
    net = gpu.vgg16(rng, pixels=32, widths=(2, 2, 3, 3, 5), dense=6, classes=4)
    yield "small", net, rng.random((4, 32, 32, 3), dtype="float32"), 2


def test_the_large_network_has_the_layers_of_vgg16():
    net = gpu.vgg16(np.random.default_rng(0), widths=(2, 2, 2, 2, 2), dense=8)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert (kinds.count("Conv2d"), kinds.count("MaxPool2d"), kinds.count("Dense")) == (13, 5, 3)
    assert net.layers[-5].W.shape == (2 * 7 * 7, 8) and net.layers[-1].W.shape == (8, 1000)


def test_the_first_work_is_a_thousand_digits():
    name, net, images, size = next(gpu.works())
    assert net.forward(images[:2]).shape == (2, 10) and len(images) == 1000 and 0 < size <= 1000


def test_every_pass_is_measured_and_agrees_with_numpy():
    rows = gpu.measure(standin_cupy, lambda: None, small_work(), repeats=1)
    assert [row["pass"] for row in rows] == list(gpu.PASSES)
    for row in rows:
        assert row["difference"] < 1e-4 and row["numpy_ms"] > 0 and row["device_ms"] > 0 and row["images"] == 4
    record = {"date": "2000-01-01", "card": "a card", "driver": "1", "host": "a host", "versions": {"NumPy": "2"},
              "rows": [{**rows[0], "numpy_ms": 30.0, "device_ms": 6.0, "torch_ms": 4.0, "difference": 2e-6}]}
    assert "a card, driver 1; host: a host; NumPy 2." in gpu.table(record)
    assert "| small | gradient | 4 | 30.0 | 6.0 | 5.0 | 4.0 | 1.50 | 2e-06 |" in gpu.table(record)


def test_torchs_gradient_is_that_of_the_pass():
    pytest.importorskip("torch", reason="torch is not installed")
    name, net, images, size = next(small_work())
    expected = gpu.explain(gpu.PASSES["gradient"], net, images, size)
    module, x = gpu.as_torch(net, images, "cpu")
    found = gpu.torch_gradient(module, x).permute(0, 2, 3, 1).numpy()
    assert gpu.difference(found, expected) < 1e-4


def test_the_page_shows_the_record_or_says_that_there_is_none():
    record = gpu.DOCS / "gpu.json"
    page = (gpu.DOCS / "gpu.md").read_text()
    assert page == gpu.written(page, json.loads(record.read_text()) if record.exists() else None)
    assert record.exists() or "not yet run on a device." in page


def test_without_a_device_it_says_so_and_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "installed_cupy", lambda: (None, "cupy imports but finds no device"))
    monkeypatch.setattr(gpu, "DOCS", None)
    gpu.main()
    assert capsys.readouterr().out == "not yet run on a device: cupy imports but finds no device\n"
