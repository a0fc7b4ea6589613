"""Do imports point one way, are files short, and does one step lead from the loop to the formula?"""
import ast
import collections
import functools
import pathlib
import re


ROOT = pathlib.Path(__file__).parents[1]
ORDER = ["minixnn.arrays", "minixnn.layers", "minixnn.rules", "minixnn.network", "minixnn.passes"]      # upwards


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imports(annotations=False):
    """{module: the modules of minixnn that it imports, also within its functions}; annotations: for a checker, too."""
    paths, found = {module_name(path): path for path in (ROOT / "minixnn").rglob("*.py")}, collections.defaultdict(set)
    for name, path in paths.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if annotations or not (
            isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & set(paths)
            elif isinstance(node, ast.ImportFrom):
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= inside & set(paths) or {node.module} & set(paths)
        found[name] = {other for other in found[name] if other not in (name, "minixnn")
                       and not name.startswith(f"{other}.")}                # a package gathers what its modules hold
    return found


def reached(graph, start):
    seen, waiting = set(), [start]
    while waiting:
        new = graph[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def test_no_module_imports_itself_by_way_of_others():
    graph = imports(annotations=True)
    assert len(graph) > 40
    circles = sorted(name for name in list(graph) if name in reached(graph, name))
    assert not circles, f"these import each other: {circles}"


def test_the_core_imports_downwards_only():
    graph = imports()
    for height, package in enumerate(ORDER):
        for name in [name for name in graph if name == package or name.startswith(f"{package}.")]:
            above = {other for other in graph[name] for upper in ORDER[height + 1:]
                     if other == upper or other.startswith(f"{upper}.")}
            assert not above, f"{name} imports {above}, which stands above it"


def test_files_rules_and_layers_are_short():
    for path in (ROOT / "minixnn").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        documented = [node for node in ast.walk(ast.parse(text))
                      if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module))]
        docs = sum(len((ast.get_docstring(node, clean=False) or "").splitlines()) for node in documented)
        count = len(text.splitlines()) - docs
        assert count <= 600, f"{path.name} has {count} lines beside its docstrings"
        for node in ast.parse(text).body:
            length = sum(bool(line.strip()) for line in text.splitlines()[node.lineno - 1:node.end_lineno])
            doc = ast.get_docstring(node, clean=False) if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else None
            code = length - (len(doc.splitlines()) if doc else 0)
            if path.parent.name == "layers" and isinstance(node, ast.ClassDef):
                assert code <= 80, f"{path.name}: class {node.name} has {code} lines of code"
            rules = path.parent.name == "rules" and path.name in ("attention.py", "deep_taylor.py", "lrp.py")
            if rules and isinstance(node, ast.FunctionDef):
                assert code <= 20, f"{path.name}: the rule {node.name} has {code} lines of code"


# --- one step from the loop ------------------------------------------------------------------------------------------


def test_the_name_of_a_test_is_short():
    found = [(path.name, node.name) for path in (ROOT / "tests").rglob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) >= 70]
    assert not found, "names of tests are shorter than 70 characters"


def test_what_tests_share_lies_in_no_test_module():
    shared = re.compile(r"^\s*(from ([\w.]+\.)?test_\w+ import|from [\w.]+ import test_|import test_)", re.M)
    found = [path.name for path in (ROOT / "tests").rglob("*.py") if shared.search(path.read_text(encoding="utf-8"))]
    assert not found, "move what is shared to a module of its own"


def test_the_tests_of_a_module_are_where_contributing_says():
    rows = re.findall(r"^\| (.*`.*) \| `(.*\.py)` \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M)
    said = {name: tests for names, tests in rows for name in re.findall(r"`([\w./]+)`", names)}
    assert len(said) >= 10 and not [name for name in said if not (ROOT / "minixnn" / name).exists()], "rows of nothing"
    for path in (ROOT / "minixnn").rglob("*.py"):
        name, package = path.relative_to(ROOT / "minixnn"), path.relative_to(ROOT / "minixnn").parent
        own, of_all = package / f"test_{path.stem}.py", package / f"test_{package.name}.py"
        if path.name == "__init__.py" or (ROOT / "tests" / own).exists():
            assert name.as_posix() not in said, f"{name} has tests of its own: {own}"
        else:
            found = said.get(name.as_posix()) or said.get(f"{package.as_posix()}/") or of_all
            assert (ROOT / "tests" / found).exists(), f"where are the tests of {name}? Write it in CONTRIBUTING.md"
