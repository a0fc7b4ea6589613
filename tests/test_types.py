"""Does every public signature say its types, and does the checker read them?"""
import ast
import pathlib

import pytest

mypy = pytest.importorskip("mypy.api", reason="mypy is not installed; the extra test has it")
ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("layers", "rules", "attribution", "metrics", "ledger", "synthesis", "models", "plot", "cli", "interop",
            "checks")
MODULES = [path for path in sorted((ROOT / "minixnn").rglob("*.py"))
           if path.parent.name in ("minixnn", *PACKAGES) and path.name != "__main__.py"]


def public(body, inside=False):
    """The functions of a module without a leading underscore, and the methods of its public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, True)
        elif isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            yield node, inside


def untyped(node, inside):
    """The arguments of a function that have no type; "return" where it has none itself."""
    arguments = [*node.args.args[inside:], *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    names = [each.arg for each in arguments if each is not None and each.annotation is None]
    return names + ["return"] * (node.returns is None)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_public_signature_says_its_types(path):
    for node, inside in public(ast.parse(path.read_text(encoding="utf-8")).body):
        assert not untyped(node, inside), f"{path.name}, line {node.lineno}: {node.name} lacks {untyped(node, inside)}"


def test_the_checker_knows_what_a_pass_returns(tmp_path, monkeypatch):
    """A wrong use is found, a right one is not."""
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    script = tmp_path / "script.py"
    script.write_text("import minixnn\nnet = minixnn.models.load('dense')\n"
                      "R: list = minixnn.passes.lrp(net, net)\nwrong: int = minixnn.passes.lrp(net, net)\n")
    said, _, status = mypy.run([str(script), "--config-file", str(ROOT / "pyproject.toml"), "--follow-imports=silent"])
    assert status == 1 and said.count("error:") == 1 and "script.py:4" in said, said
