"""Does minixnn do every piece of work that the CPU benchmark gives it? What it takes is not asked here."""
import json

import pytest

from tests.benchmarks import contenders
from tests.benchmarks.__main__ import DOCS, page, plan

WORKS = sorted({work for work, batch, repeats in plan(quick=False)} - {"VGG-16 epsilon_plus_flat"})     # takes long


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("work", WORKS)
def test_minixnn_does_the_work(work, workers):
    contenders.minixnn(work, 2, workers)()
    assert (contenders.floor(work, 2) or 1) > 0


def test_the_profile_has_the_time_of_every_layer():
    rows = contenders.profile("epsilon", batch=2, repeats=1)
    assert [name.partition("(")[0] for name, *times in rows][:3] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert all(forwards > 0 and back > 0 for name, forwards, back, least in rows), rows


def test_the_page_on_speed_says_what_the_records_do():
    record = json.loads((DOCS / "speed.json").read_text(encoding="utf-8"))
    assert page(record) == (DOCS / "speed.md").read_text(encoding="utf-8")
