"""What the tests of the command line share: a folder of their own, and a way to type there."""
import pytest

from minixnn.cli import main


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """A function: (status, everything that was said) of a call of `minixnn` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def of(*words):
        return main([str(word) for word in words]), "".join(capsys.readouterr())
    return of
