"""Heatmaps of many images in a file: piece by piece, and gone on with after a break only where it is the same run."""
import json
import os
import pathlib
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

from minixnn import attribution, datasets, models
from minixnn.cli import main
from minixnn.cli.to_file import explain_to
from minixnn.rules import lrp


def test_an_array_of_images_explained_in_pieces_equals_all_at_once(tmp_path):
    net, x = models.load("dense"), datasets.mnist("test")[0][:130]
    found = explain_to(tmp_path / "R.npy", net, x, "lrp_epsilon", batch_size=40, quiet=True)
    assert np.allclose(found, attribution.lrp(net, x), atol=1e-5)
    assert os.listdir(tmp_path) == ["R.npy"]


def test_a_run_that_broke_off_goes_on_where_it_was(tmp_path):
    net, x, seen = models.load("dense"), datasets.mnist("test")[0][:100], []

    def failing(net, x, target):
        seen.append(len(x))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return attribution.gradient(net, x, target)
    failing.__qualname__ = "gradient"
    with pytest.raises(KeyboardInterrupt):
        explain_to(tmp_path / "R.npy", net, x, failing, batch_size=20, workers=1, quiet=True)
    assert json.loads((tmp_path / "R.npy.progress").read_text())["done"] == 40
    found = explain_to(tmp_path / "R.npy", net, x, failing, batch_size=20, workers=1, quiet=True)
    assert seen == [20] * 6, "the first two batches must not be done again"
    assert np.allclose(found, attribution.gradient(net, x), atol=1e-6)


def test_damaged_notes_and_a_part_of_another_shape_are_named(tmp_path):
    net, x = models.load("dense"), datasets.mnist("test")[0][:40]
    with pytest.raises(KeyboardInterrupt):
        explain_to(tmp_path / "R.npy", net, x, interrupting := Interrupting(), batch_size=20, workers=1, quiet=True)
    np.save(tmp_path / "other.npy", np.zeros(3))
    os.replace(tmp_path / "other.npy", tmp_path / "R.npy.part")
    with pytest.raises(ValueError, match="holds another array than was begun there; delete it"):
        explain_to(tmp_path / "R.npy", net, x, interrupting, batch_size=20, workers=1, quiet=True)
    (tmp_path / "R.npy.progress").write_text("{")
    with pytest.raises(ValueError, match="is damaged; delete it to begin anew"):
        explain_to(tmp_path / "R.npy", net, x, interrupting, batch_size=20, workers=1, quiet=True)


class Interrupting:
    """A method that is interrupted at its second batch."""
    calls = 0

    def __call__(self, net, x, target):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return attribution.gradient(net, x, target)

    def __str__(self):
        return "interrupting"


def test_a_disk_without_room_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    def full(*what):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space left on device, 0.1 MiB are needed"):
        explain_to(tmp_path / "R.npy", models.load("dense"), datasets.mnist("test")[0][:40], "gradient", quiet=True)
    assert not list(tmp_path.iterdir())
    monkeypatch.delattr(os, "posix_fallocate")              # systems without it write zeros
    assert len(explain_to(tmp_path / "R.npy", models.load("dense"), datasets.mnist("test")[0][:40], partial(
        attribution.lrp, rules=partial(lrp.epsilon, epsilon=0.1)), quiet=True)) == 40


@pytest.mark.parametrize("changed, differs", [
    (["--method", "saliency"], "method"), (["--target", "3"], "method"), (["--target", "5", "--versus", "3"], "method"),
    (["--method", "gradient", "--invert"], "images")])
def test_a_run_of_the_command_line_goes_on_only_where_it_is_the_same(tmp_path, monkeypatch, capsys, changed, differs):
    np.save(tmp_path / "many.npy", datasets.mnist("test")[0][:60])
    call = ["explain", str(tmp_path / "many.npy"), "--model", "dense", "--method", "gradient", "--target", "5",
            "--batch-size", "20", "--workers", "1", "-o", str(tmp_path)]

    def interrupted(items, what, quiet=False):
        yield items[0]
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr("minixnn.cli.to_file.progress", interrupted)
        assert main(call) == 130
    assert main([*call, *changed]) == 1
    assert f"which differs in: {differs}" in capsys.readouterr().err
    assert main(call) == 0
    np.testing.assert_allclose(np.load(tmp_path / "many_relevance.npy"), attribution.gradient(
        models.load("dense"), datasets.mnist("test")[0][:60], 5), atol=1e-6)


def test_a_process_that_is_killed_goes_on_from_the_batch_it_was_at(tmp_path):
    np.save(tmp_path / "many.npy", np.resize(datasets.mnist("test")[0][:200], (600, 28, 28, 1)))
    call = [sys.executable, "-m", "minixnn", "explain", str(tmp_path / "many.npy"), "--model", "dense", "--method",
            "lrp_epsilon", "--batch-size", "2", "-o", str(tmp_path)]
    process = subprocess.Popen(call, cwd=pathlib.Path(__file__).parents[2])
    notes = tmp_path / "many_relevance.npy.progress"
    until = time.monotonic() + 60
    while not notes.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = json.loads(notes.read_text())["done"]
    assert 2 <= done < 600
    part = tmp_path / "many_relevance.npy.part"
    assert part.exists() and not (tmp_path / "many_relevance.npy").exists()
    before = np.load(part, mmap_mode="r")[:done].copy()
    subprocess.run(call, cwd=pathlib.Path(__file__).parents[2], check=True)
    after = np.load(tmp_path / "many_relevance.npy")
    assert np.array_equal(after[:done], before) and abs(after[done:]).reshape(600 - done, -1).max(axis=1).min() > 0
