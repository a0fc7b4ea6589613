"""Does the code on README and the pages of docs run as it stands there, and do README's commands do what they say?

Pages about torch, ONNX and Dask are run in tests/peers/test_snippets_with_peers.py, where these are installed.
"""
import doctest
import importlib
import inspect
import os
import pathlib
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import snippets
from record_cupy import installed_cupy

import minixnn
from minixnn import datasets, models, passes
from minixnn.cli import main
from minixnn.rules import composites

WITH_PEERS = {"docs/cluster.md", "docs/export.md", "docs/faq.md", "docs/networks.md", "docs/own_network.md"}
EXCERPTS = {"docs/how_it_is_built.md": passes.lrp}          # a page whose first block is part of this function


def given(page):
    """The names that the text of a page takes for given."""
    if page in ("docs/fits.md", "docs/gpu.md"):
        images, _ = datasets.mnist("test")
        return {"net": models.load("cnn"), "images": images[:2], "passes": passes, "models": models,
                "composites": composites, **({"attribution": minixnn.attribution})}
    return {}


@pytest.mark.parametrize("page", [page for page in snippets.pages() if page not in WITH_PEERS and page not in EXCERPTS])
def test_the_code_on_a_page_runs(page, tmp_path, capsys):
    cupy, missing = installed_cupy()
    if "import cupy\n" in "".join(snippets.blocks(page)) and cupy is None:
        pytest.skip(f"{page} is about a GPU: {missing}")
    snippets.run(page, given(page), tmp_path)


@pytest.mark.parametrize("page", EXCERPTS)
def test_an_excerpt_on_a_page_is_what_the_function_says(page):
    source = re.sub(r"\s+#.*", "", inspect.getsource(EXCERPTS[page]))
    lines = [line.strip() for line in source.splitlines()]
    for line in snippets.blocks(page)[0].splitlines():
        if "[start]" not in line:               # which leaves out how the start is chosen
            assert line.strip() in lines, line


def commands():
    """Command lines on README that start with minixnn, without their comments."""
    text = "".join(snippets.blocks("README.md", language=""))
    return [line.partition("#")[0].strip() for line in text.splitlines() if line.startswith("minixnn ")]


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_readme_runs(line, tmp_path, monkeypatch, capsys):
    photos = snippets.ROOT / "lessons" / "data" / "photos"
    shutil.copy(photos / "chelsea.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "photo.jpg"]
    assert written, "it writes something"
    if "photo.jpg" in line:
        assert "Egyptian cat" in capsys.readouterr().out


def test_the_readme_has_commands():
    assert len(commands()) == 2, commands()


def test_the_walk_on_the_readme_leads_into_the_formula():
    typed = re.findall(r"^\(Pdb\) (.*?)(?:  .*)?$", "".join(snippets.blocks("README.md", language="")), re.M)
    line, = re.findall(r"-m pdb (lessons/\S+\.py)", (snippets.ROOT / "README.md").read_text(encoding="utf-8"))
    assert typed[0].startswith("tbreak ") and len(typed) == 3
    run = subprocess.run([sys.executable, "-m", "pdb", line], cwd=snippets.ROOT, text=True, capture_output=True,
                         input="\n".join([*typed, "where", "quit\n"]), timeout=120,
                         env={**os.environ, "PYTHONPATH": str(snippets.ROOT), "NO_COLOR": "1", "PYTHON_COLORS": "0"})
    last = run.stdout.rpartition("(Pdb) ")[0].rpartition("(Pdb) ")[2]
    assert re.search(r"> .*minixnn/rules/lrp.py\(\d+\)\w+\(", last), run.stdout[-2000:] + run.stderr[-2000:]


def documented():
    """The modules of minixnn whose docstrings have examples."""
    names = [info.name for info in pkgutil.walk_packages(minixnn.__path__, "minixnn.")]
    folder = pathlib.Path(minixnn.__file__).parent
    return [name for name in ["minixnn", *names] if any(
        path.is_file() and ">>> " in path.read_text(encoding="utf-8") for path in (
            folder.parent / (name.replace(".", "/") + ".py"), folder.parent / name.replace(".", "/") / "__init__.py"))]


@pytest.mark.parametrize("module", documented())
def test_the_examples_in_docstrings_give_what_they_say(module):
    with np.printoptions(precision=4, suppress=True, legacy="1.25"):
        found = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted and not found.failed


def test_there_are_examples_where_a_reader_looks_first():
    for function in (passes.lrp, minixnn.attribution.lrp, minixnn.attribution.gradient, models.load,
                     minixnn.rules.lrp.epsilon, minixnn.rules.lrp.gamma, minixnn.rules.lrp.alpha_beta,
                     minixnn.rules.deep_taylor.z_plus, minixnn.Dense, minixnn.Conv2d, minixnn.Network,
                     minixnn.metrics.selectivity, minixnn.ledger.ledger):
        assert ">>> " in (function.__doc__ or ""), function
