"""Files of this repository beside the package magika, which runs the original network by onnxruntime."""
import pathlib

import pytest

from minixnn import models
from minixnn.models import magika

original = pytest.importorskip("magika", reason="magika is not installed")
ROOT = pathlib.Path(__file__).parents[2]
LEFT_OUT = {"__pycache__", "_build", "figures", "minixnn.egg-info", "build", "dist"}      # and .git, .venv-peers, ...


def files(most=15):
    """Files that are not empty, in folders that belong to the repository: so many of each suffix at most."""
    found = {}
    for path in sorted(ROOT.rglob("*")):
        folders = path.relative_to(ROOT).parts[:-1]
        if path.is_file() and path.stat().st_size and not any(
                name in LEFT_OUT or name.startswith(".") and name != ".ci" for name in folders):
            found.setdefault(path.suffix, []).append(path)
    return [path for each in found.values() for path in each[::-(-len(each) // most)]]


def test_files_of_the_repository_get_the_type_of_the_original():
    net, theirs, found = models.load("magika"), original.Magika(), files()
    assert len(found) > 100
    for path in found:
        data = path.read_bytes()
        p = net.probabilities(magika.tokens(data)[None])[0]
        expected = theirs.identify_bytes(data)
        if str(expected.dl.label) == "undefined":               # a few bytes: the package does not ask its network
            continue
        assert net.card.label(int(p.argmax())) == str(expected.dl.label), path
        assert p.max() == pytest.approx(expected.score, abs=5e-3), path
