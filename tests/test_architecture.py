"""Do imports point one way, are files short, and does one step lead from the loop to the formula?"""
import ast
import collections
import pathlib
import re
import sys
from functools import partial

import numpy as np
import pytest

from minixnn import passes
from minixnn.layers import (Add, Attention, AvgPool2d, BatchNorm2d, Branches, Conv2d, Dense, Dropout, Flatten,
                            GlobalAvgPool, LayerNorm, MaxPool2d, Multiply, ReLU, Residual, Sigmoid, Tokens)
from minixnn.network import Network
from minixnn.rules import composites, deep_taylor, lrp

ROOT = pathlib.Path(__file__).parents[1]
ORDER = ["minixnn.arrays", "minixnn.layers", "minixnn.rules", "minixnn.network", "minixnn.passes"]      # upwards


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


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
        assert len(text.splitlines()) <= 600, f"{path.name} has {len(text.splitlines())} lines"
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

RNG = np.random.default_rng(0)
X = RNG.random((2, 8, 8, 2))


def conv(before, after, size=3, stride=1):
    return Conv2d(RNG.normal(size=(size, size, before, after)), RNG.normal(size=after), stride)


NET = Network([conv(2, 4), BatchNorm2d.identity(4, "float64"), ReLU(), MaxPool2d(2), Residual([conv(4, 4), ReLU()]),
               ReLU(), Branches([[conv(4, 2), ReLU()], []]), Branches([[AvgPool2d(2)], [MaxPool2d(2)]], Add()),
               Branches([[], [conv(6, 6, 1), Sigmoid()]], Multiply()), GlobalAvgPool(), Flatten(), Dropout(),
               Dense(RNG.normal(size=(6, 3)), RNG.normal(size=3))])
attention = Attention(*(RNG.normal(size=(6, 6)) for _ in range(4)), heads=2)
RULES = [lrp.epsilon, lrp.gamma_signed, lrp.alpha_beta, lrp.flat, deep_taylor.w_square,
         partial(deep_taylor.z_box, low=-99, high=99), composites.alpha1_beta0]


def called_from(function, run):
    """The code objects that `function` itself calls while `run()` runs: what one step into leads to."""
    found = []

    def watch(frame, event, argument):
        if event == "call" and frame.f_back is not None and frame.f_back.f_code is function.__code__:
            found.append(frame.f_code)
    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(before)
    return found


def code_of(function):
    return getattr(function, "func", function).__code__


@pytest.mark.parametrize("rule", RULES, ids=composites.name_of)
def test_one_step_from_the_loop_of_lrp_leads_into_each_rule(rule):
    found = called_from(passes.lrp, lambda: passes.lrp(NET, X, 0, rule))
    expected = [code_of(each) for each in reversed(composites.rules_for(NET, rule))]
    assert [code for code in found if code in expected] == expected


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
def test_one_step_from_the_loop_of_deep_taylor_leads_into_each_rule():
    net = Network([conv(2, 4), ReLU(), MaxPool2d(2), Flatten(), Dense(RNG.normal(size=(64, 3)))])
    found = called_from(passes.deep_taylor, lambda: passes.deep_taylor(net, X, 0))
    expected = [code_of(each) for each in reversed(composites.rules_for(net, composites.deep_taylor))]
    assert [code for code in found if code in expected] == expected


@pytest.mark.parametrize("method", ["gradient", "deconvnet", "guided_backprop", "deeplift"])
def test_one_step_leads_into_the_method_of_each_layer(method):
    run = getattr(passes, method)
    found = called_from(run, lambda: run(NET, X, *([0 * X] if method == "deeplift" else []), target=0))
    expected = [getattr(type(layer), method).__code__ for layer in reversed(NET.layers)]
    assert [code for code in found if code in expected] == expected


@pytest.mark.parametrize("rules", [composites.attn_lrp, composites.cp_lrp])
def test_one_step_leads_into_the_formula_of_attention(rules):
    transformer = Network([Conv2d(RNG.normal(size=(4, 4, 2, 6)), None, 4), Tokens(), Residual([LayerNorm(), attention]),
                           attention, LayerNorm(), GlobalAvgPool(), Dense(RNG.normal(size=(6, 3)))])
    chosen = composites.rules_for(transformer, rules)
    expected = [code_of(each) for each in reversed(chosen)]
    found = called_from(passes.lrp, lambda: passes.lrp(transformer, X, 0, rules))
    assert [code for code in found if code in expected] == expected


@pytest.mark.filterwarnings("ignore:deep Taylor got positive biases")
@pytest.mark.parametrize("run", [*RULES, passes.gradient, passes.guided_backprop], ids=composites.name_of)
def test_no_sentence_is_made_in_a_pass_that_goes_well(run):
    """Messages name types and layers; making one takes a debugger through frames that have nothing to do with it."""
    made = []

    def watch(frame, event, argument):
        if event == "call" and (frame.f_code.co_name in ("__repr__", "__str__")
                                or pathlib.Path(frame.f_code.co_filename).name == "_dtype.py"):
            made.append(frame.f_code)
    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        run(NET, X, 0) if run in (passes.gradient, passes.guided_backprop) else passes.lrp(NET, X, 0, run)
    finally:
        sys.setprofile(before)
    assert not made, made


def test_the_name_of_a_test_is_short():
    found = [(path.name, node.name) for path in (ROOT / "tests").rglob("*.py")
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) >= 70]
    assert not found, "names of tests are shorter than 70 characters"


def test_what_tests_share_lies_in_no_test_module():
    shared = re.compile(r"^\s*(from ([\w.]+\.)?test_\w+ import|from [\w.]+ import test_|import test_)", re.M)
    found = [path.name for path in (ROOT / "tests").rglob("*.py") if shared.search(path.read_text(encoding="utf-8"))]
    assert not found, "move what is shared to a module of its own"
