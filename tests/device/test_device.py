"""Does the script for a device run from end to end, find what is wrong, and write what it found, no more?"""
import inspect
import json
import re

import numpy as np
import pytest

from minixnn.layers import ReLU
from minixnn.rules import composites, deep_taylor, lrp
from tests.backends import standin
from tests.benchmarks.contenders import vgg16
from tests.device import __main__ as script
from tests.device import cases, page, speed
from tests.device.machine import Cupy, Standin

SMALL = {"lessons", "passes", "rules"}          # the sections that are tried elsewhere in full, or take long


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    file = tmp_path_factory.mktemp("device") / "gpu.json"
    names = ",".join(name for name in [*cases.SECTIONS, *script.MEASURED] if name not in SMALL)
    script.main(["--array-module", "standin", "--json", str(file), "--only", names, "--seconds", "500"])
    return json.loads(file.read_text())


def test_the_whole_script_runs_on_the_stand_in_and_finds_no_fault(record):
    assert [each["name"] for each in record["sections"]] == [name for name in cases.SECTIONS if name not in SMALL]
    for each in record["sections"]:
        assert each["failed"] == [] and each["left_out"] == 0 and each["cases"] > 3, each
        assert each["largest"]["float64"] < 1e-9
    assert len(record["waits"]) == 6 and all(row["device"] == row["stand-in"] > 0 for row in record["waits"])
    assert len(record["memory"]) == 4 and all(1 < row["peak"] / row["activations"] < 4 for row in record["memory"])
    assert len(record["speed"]) == 8 and all(row["difference"] < 1e-4 for row in record["speed"])
    assert "errors" not in record


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_other_sections_run_until_their_time_is_up(name):
    began = script.time.perf_counter()
    found = script.section(name, standin, deadline=began + 2)
    assert found["cases"] > 0 and found["failed"] == [], found["failed"]
    assert found["left_out"] == len(list(cases.SECTIONS[name]())) * 2 - found["cases"]


def test_every_layer_join_rule_composite_and_pass_is_among_the_cases():
    names = [name for section in cases.SECTIONS.values() for name, _ in section()]
    text = "\n".join(names)
    for case in (*cases.EXAMPLES, *cases.MORE, *cases.POSITIVE, *cases.JOINS, *cases.TOKENS, *cases.WRITTEN):
        assert f"{case}: " in text, case
    tested = {getattr(rule, "func", rule) for rule in cases.RULES.values()} | {lrp.proportional}
    for module in (lrp, deep_taylor):
        for name, rule in vars(module).items():
            if inspect.isfunction(rule) and list(inspect.signature(rule).parameters)[:4] == ["layer", "x", "y", "R"]:
                assert rule in tested, name
    for name in vars(composites):
        if name.startswith(("epsilon_", "by_depth", "attn", "cp_")) and name != "epsilon_of":
            assert name in text, name
    assert len(names) > 1900 and all(len(list(each())) == len(dict(each())) for each in cases.SECTIONS.values())


def planted_gradient(self, x, y, dy):
    return dy * (x >= 0) * (1 + 1e-7 * (type(x) is not np.ndarray))


def planted_error(self, x, y, dy):
    raise MemoryError("no room")


@pytest.mark.parametrize("fault, what", [
    (planted_gradient, "off by 1.0e-07 of the largest number"), (planted_error, "MemoryError: no room"),
    (lambda self, x, y, dy: dy[:1] * (x[:1] > 0) if type(x) is not np.ndarray else dy * (x > 0), "shape"),
    (lambda self, x, y, dy: dy / (x * 0) if type(x) is not np.ndarray else dy * (x > 0), "other numbers are infinite")])
def test_a_planted_fault_is_told_and_the_others_run_all_the_same(fault, what, monkeypatch):
    monkeypatch.setattr(ReLU, "gradient", fault)
    monkeypatch.setattr(cases, "LAYERS", {name: cases.LAYERS[name] for name in ("ReLU", "Tanh")})
    for kind in ("POSITIVE", "TOKENS", "JOINS"):
        monkeypatch.setattr(cases, kind, {})
    found = script.section("layers", standin, script.time.perf_counter() + 100)
    told = {failed["case"]: failed["what"] for failed in found["failed"]}
    assert found["cases"] == 2 * 2 * 7 and all(case.startswith("ReLU") for case in told)
    assert what in told["ReLU: gradient, float64"], told


def test_an_array_of_the_host_is_no_answer_of_the_device():
    class Elsewhere:
        dtype, __array_namespace__, clip, shape = np.dtype("float64"), lambda self: np, None, (1,)
    with pytest.raises(AssertionError, match="an array of numpy, expected one of .*standin"):
        script.compare(lambda xp, dtype: np.ones(1) if xp is np else Elsewhere(), standin, "float64")
    with pytest.raises(AssertionError, match="dtype float64, expected float32"):
        script.compare(lambda xp, dtype: xp.ones(1, dtype="float64" if xp is standin else dtype), standin, "float32")


def test_what_has_no_time_is_left_out_and_said_to_be():
    record = script.run(Standin(), ["layers", "waits", "speed"], 0, lambda record: None, small=True)
    assert record["sections"][0]["cases"] == 0 and record["sections"][0]["left_out"] > 1900
    assert "waits" not in record and "speed" not in record


def test_an_error_of_a_measurement_is_told_and_the_next_one_runs(monkeypatch):
    monkeypatch.setattr(script, "waits", lambda machine: 1 / 0)
    written = []
    record = script.run(Standin(), ["waits", "memory"], 100, lambda record: written.append(json.dumps(record)), True)
    assert record["errors"] == ["waits: ZeroDivisionError: division by zero"] and len(record["memory"]) == 4
    assert len(written) > 4, "the record is written as it grows"
    assert "- failed: waits: ZeroDivisionError" in page.tables(record)


def test_what_is_asked_of_cupy_is_there():
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    source = open(script.__file__.replace("__main__", "machine")).read()
    asked = set(re.findall(r"self\.xp\.([\w.]+)", source)) - {"__version__"}
    for path in asked | {"cuda.runtime.driverGetVersion"}:
        thing = cupy
        for name in path.split("."):
            thing = getattr(thing, name)
    assert {"used_bytes", "total_bytes", "free_all_blocks"} <= set(dir(cupy.get_default_memory_pool()))
    assert {"record", "synchronize"} <= set(dir(cupy.cuda.Event)) and cupy.RawKernel("", "spin").name == "spin"


def test_the_page_shows_the_record_or_says_that_there_is_none(record):
    file = script.DOCS / "gpu.json"
    text = (script.DOCS / "gpu.md").read_text()
    assert text == page.written(text, json.loads(file.read_text()) if file.exists() else None)
    assert file.exists() or "not yet run on a device." in text
    shown = page.tables(record)
    assert "none: the stand-in for CuPy; driver none" in shown and "| layers | 2" in shown
    assert "| digits: 3 | epsilon |" in shown and "\n\n\n" not in shown and "| lrp | 3 | 3 |" in shown
    failing = {**record, "sections": [{**record["sections"][0], "failed": [{"case": "this one", "what": "why"}]}]}
    assert "- failed: this one: why" in page.tables(failing)


def test_without_a_device_it_says_so_and_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr("tests.device.machine.installed_cupy", lambda: (None, "cupy imports but finds no device"))
    monkeypatch.setattr(script, "DOCS", None)
    assert Cupy().missing and script.main([]) is None
    assert capsys.readouterr().out == "not yet run on a device: cupy imports but finds no device\n"


@pytest.mark.parametrize("arguments, sentence", [
    (["--only", "layres"], "got layres, expected of: copies and views, layers"),
    (["--array-module", "standin"], "say where it goes, with --json")])
def test_a_wrong_call_is_answered_in_a_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        script.main(arguments)
    assert sentence in capsys.readouterr().err


def test_torchs_gradient_is_that_of_the_pass():
    pytest.importorskip("torch", reason="torch is not installed")
    net, images = vgg16(np.random.default_rng(0), 32, (2, 2, 3, 3, 5), 6, 4), np.random.default_rng(1).random(
        (4, 32, 32, 3), dtype="float32")
    expected = speed.explain(speed.WAYS["gradient"], net, images, 2)
    module, x = speed.as_torch(net, images, "cpu")
    found = speed.torch_gradient(module, x).permute(0, 2, 3, 1).numpy()
    assert speed.difference(found, expected) < 1e-4


def test_the_large_network_has_the_layers_of_vgg16():
    net = vgg16(np.random.default_rng(0), widths=(2, 2, 2, 2, 2), dense=8)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert (kinds.count("Conv2d"), kinds.count("MaxPool2d"), kinds.count("Dense")) == (13, 5, 3)
    assert net.layers[-5].W.shape == (2 * 7 * 7, 8) and net.layers[-1].W.shape == (8, 1000)
