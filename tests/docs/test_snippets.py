"""Does the code on README and the pages of docs run as it stands there, and do README's commands do what they say?

Pages about torch, ONNX and Dask are run in tests/peers/test_snippets_with_peers.py, where these are installed.
"""
import doctest
import importlib
import inspect
import pathlib
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tests import snippets
from PIL import Image
from tests.backends.record_cupy import installed_cupy

import minixnn
from minixnn import datasets, interop, models, passes
from minixnn.cli import main
from minixnn.rules import composites

sys.path[:0] = [str(snippets.ROOT / "docs")]
import walk  # noqa: E402  (it lies in the folder named above)

WITH_PEERS = {"docs/cluster.md", "docs/export.md", "docs/networks.md", "docs/own_network.md"}
WALKED = {"docs/stepping.md"}                               # its scripts start pdb: test_walks.py types what follows
EXCERPTS = {"docs/how_it_is_built.md": passes.lrp}          # a page whose first block is part of this function
ANSWERS = {"docs/try_this.md"}                              # tests/lessons/exercises/test_try_this.py runs each


def given(page):
    """The names that the text of a page takes for given."""
    if page in ("docs/fits.md", "docs/gpu.md"):
        images, _ = datasets.mnist("test")
        return {"net": models.load("cnn"), "images": images[:2], "passes": passes, "models": models,
                "composites": composites, "attribution": minixnn.attribution}
    return {}


@pytest.mark.parametrize("page", [page for page in snippets.pages()
                                  if page not in WITH_PEERS | WALKED | ANSWERS and page not in EXCERPTS])
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


PLACES = ["README.md", *(f"docs/{page.name}" for pattern in ("*.md", "*.rst")
                         for page in sorted((snippets.ROOT / "docs").glob(pattern)))]


def commands():
    """(place, command) for every command line of minixnn on README, on a page of docs, in a lesson, in --help."""
    texts = {place: (snippets.ROOT / place).read_text(encoding="utf-8") for place in PLACES}
    lessons = sorted((snippets.ROOT / "lessons").glob("[0-9]*.py"))
    texts |= {f"lessons/{path.name}": path.read_text(encoding="utf-8") for path in lessons}
    texts["minixnn --help"] = sys.modules["minixnn.cli.main"].__doc__
    found = {}
    for place, text in texts.items():
        for line in re.findall(r"^ *(?:\.venv/bin/)?(minixnn (?:explain|ledger|check|microscope|methods|models)\b.*)$|"
                               r"`(minixnn (?:explain|ledger|check|microscope|methods|models) [^`]+)`", text, re.M):
            found.setdefault("".join(line), place)
    return [(place, line) for line, place in found.items()]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files that the pages name: photographs, a digit, a table, networks."""
    folder, rng = tmp_path_factory.mktemp("reader"), np.random.default_rng(0)
    (folder / "lessons").symlink_to(snippets.ROOT / "lessons")
    for name in ("photo.jpg", "my.jpg", "photos/one.jpg", "pictures/one.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(snippets.ROOT / "lessons" / "data" / "photos" / "chelsea.jpg", folder / name)
    Image.fromarray((255 * datasets.mnist("test")[0][8, ..., 0]).astype(np.uint8)).save(folder / "five.png")
    (folder / "script.py").write_text("import sys\nprint(sys.argv)\n")
    (folder / "table.csv").write_text("height,weight\n1.8,70\n1.6,55\n")
    minixnn.Network([minixnn.Dense(rng.normal(size=(2, 2)))]).with_card(labels=["yes", "no"]).save(folder / "net.npz")
    layers = [minixnn.Conv2d(rng.normal(size=(3, 3, 3, 4)).astype("f4"), stride=4), minixnn.ReLU(),
              minixnn.layers.GlobalAvgPool(), minixnn.Dense(rng.normal(size=(4, 300)).astype("f4"))]
    net = minixnn.Network(layers).with_card(input_shape=(64, 64, 3))
    interop.to_onnx(net, folder / "net.onnx", (64, 64, 3))
    net.save(folder / "resnet18.npz")
    (folder / "vocab.txt").write_text("".join(f"word{n}\n" for n in range(8000)))
    network_of_tokens(folder / "reviews.onnx", rng.normal(size=(8000, 6)), rng.normal(size=(6, 2)))
    shutil.copy(folder / "reviews.onnx", folder / "text.onnx")
    return folder


def network_of_tokens(path, embedding, W):
    """A file that scores the mean embedding of a text's tokens, as many as there are."""
    try:
        import onnx
    except ImportError:
        return                                              # the lines that want it are skipped
    make, number = onnx.helper, onnx.TensorProto
    weights = [onnx.numpy_helper.from_array(embedding.astype("f4"), "embedding"),
               onnx.numpy_helper.from_array(W.astype("f4"), "W")]
    nodes = [make.make_node("Gather", ["embedding", "x"], ["e"]), make.make_node("Relu", ["e"], ["a"]),
             make.make_node("ReduceMean", ["a"], ["m"], axes=[1], keepdims=0),
             make.make_node("MatMul", ["m", "W"], ["y"])]
    graph = make.make_graph(nodes, "text", [make.make_tensor_value_info("x", number.INT64, ["images", "tokens"])],
                            [make.make_tensor_value_info("y", number.FLOAT, ["images", 2])], weights)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)]), path)


@pytest.mark.parametrize("place, line", commands())
def test_a_command_line_of_minixnn_runs_as_it_stands_there(place, line, files, monkeypatch, capsys):
    if ".onnx" in line:
        pytest.importorskip("onnx", reason="onnx is not installed")
    monkeypatch.chdir(files)
    shutil.rmtree("out", ignore_errors=True)
    assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    if " -o " in line:
        assert pathlib.Path(shlex.split(line)[shlex.split(line).index("-o") + 1]).exists(), "it writes something"
    if "chelsea" in line:
        assert "Egyptian cat" in capsys.readouterr().out


def test_the_pages_have_commands():
    places = [place for place, _ in commands()]
    assert places.count("README.md") == 2 and {"docs/own_network.md", "docs/faq.md", "minixnn --help"} <= set(places)


def test_the_walk_on_the_readme_leads_into_the_formula():
    text = "".join(snippets.blocks("README.md", language=""))
    typed = re.findall(r"^\(Pdb\) (.*)$", text, re.M)
    line, = re.findall(r"^\$ \.venv/bin/python (-m pdb .*)$", text, re.M)
    assert typed[0].startswith("tbreak ") and len(typed) == 3
    assert line.replace(".venv/bin/", ".venv\\Scripts\\") in (snippets.ROOT / "README.md").read_text(encoding="utf-8")
    run = subprocess.run([sys.executable, *shlex.split(line)], cwd=snippets.ROOT, text=True, capture_output=True,
                         input="\n".join([*typed, "where", "quit\n"]), timeout=120, env=walk.reader())
    stops = re.findall(r"^> .*?(\w+/\w+\.py)\(\d+\)(\w+)\(\)$", run.stdout, re.M)
    assert ("minixnn/passes.py", "lrp") in stops, run.stdout[-2000:] + run.stderr[-2000:]
    assert stops[-1] == ("rules/lrp.py", "epsilon"), run.stdout[-2000:] + run.stderr[-2000:]


def test_the_condition_in_the_guide_is_set_on_the_first_line_of_the_rule():
    page = (snippets.ROOT / "docs" / "stepping.md").read_text(encoding="utf-8")
    number, = re.findall(r"break minixnn/rules/lrp\.py:(\d+), ", page)
    source, first = inspect.getsourcelines(minixnn.rules.lrp.epsilon)
    assert source[int(number) - first].strip().startswith("z = y"), source[int(number) - first]


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
