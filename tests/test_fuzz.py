"""Do hundreds of malformed files and calls end in an answer or a documented exception? `fuzz.py` draws thousands."""
import os
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest

from minixnn import Network
from tests import fuzz

ROOT = pathlib.Path(__file__).parents[1]


def test_malformed_files_and_calls_end_in_documented_ways():
    """A process of its own, which is bound in memory, and in time for each case."""
    done = subprocess.run([sys.executable, "-m", "tests.fuzz", "--cases", "700"], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, "MPLBACKEND": "Agg"}, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "0 of 700 cases failed" in done.stdout


def test_what_is_not_documented_is_reported_with_its_seed(monkeypatch, capsys):
    def broken(r, folder):
        if r.random() < 0.5:
            raise KeyError("layers")
        raise ValueError("a sentence")
    monkeypatch.setattr(fuzz, "CASES", {"broken": broken})
    failures = fuzz.run(20, seed=3)
    assert 0 < len(failures) < 20 and all("KeyError: 'layers'" in problem for _, _, problem in failures)
    name, seed, problem = failures[0]
    assert fuzz.attempt(name, seed) == problem, "a case can be repeated"


@pytest.mark.skipif(not hasattr(fuzz.signal, "setitimer"), reason="no timer on this system")
def test_a_case_that_does_not_end_is_reported(monkeypatch):
    def endless(r, folder):
        while True:
            pass
    monkeypatch.setattr(fuzz, "CASES", {"endless": endless})
    monkeypatch.setattr(fuzz, "SECONDS", 0.1)
    assert "took more than 0.1 s" in fuzz.attempt("endless", 0)


def test_the_graph_that_is_changed_is_read_where_nothing_is_changed(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    from minixnn.interop import from_onnx
    onnx.save(fuzz.onnx_model(), tmp_path / "net.onnx")
    with pytest.warns(UserWarning, match="Softmax at the end .* is left out"):
        fuzz.use(from_onnx(str(tmp_path / "net.onnx")))


@pytest.mark.filterwarnings("ignore")
def test_what_is_changed_is_read_where_nothing_is_changed(tmp_path):
    """Else every change would be refused for a reason that has nothing to do with it."""
    for seed in range(20):
        fuzz.use(Network.load(fuzz.saved_network(random.Random(seed), tmp_path)))
        net, x = fuzz.small_network(random.Random(seed))
    refused = []
    for function, arguments in fuzz.public_calls(net, x):
        try:
            function(**arguments)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) == 1 and refused[0].startswith("cam needs a network that ends in GlobalAvgPool"), refused


def test_changes_do_change():
    r = random.Random(0)
    data, array = bytes(range(256)), np.ones((2, 3), "f4")
    assert sum(fuzz.damaged(data, r) != data for _ in range(100)) > 90
    assert len({str(fuzz.other({"a": [1, 2], "b": "c"}, r)) for _ in range(100)}) > 20
    assert len({repr(fuzz.strange(array, r)) for _ in range(200)}) > 20
