"""Does every public name have a docstring that says what it takes, returns and raises?

What a package shows in `__all__`, and the methods of its classes, have sections of numpydoc's form: Parameters, which
names every parameter, Returns where something is returned, and Raises where the function or one that it calls raises.
The same holds for every other function with more than a line to say, or with an error of its own. A helper that one
line describes, a rule or an account, whose docstring is its formula, and the parts of the command line, whose errors
are sentences for its user, need no sections.
"""
import ast
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap

import numpy as np
import pytest

from minixnn import (Network, arrays, attribution, batching, card, datasets, metrics, models, passes, plot, synthesis,
                     train)

PACKAGES = ("attribution", "metrics", "synthesis", "models", "datasets", "checks", "ledger", "plot", "train", "passes",
            "interop", "layers", "rules", "rules.composites", "network", "card", "batching", "logits")
# The packages that have sections; those of layers and rules give the formula, its source and its domain in their place.
SECTIONS = ("attribution", "metrics", "synthesis", "models", "plot", "datasets", "card", "files", "logits", "progress",
            "spelling", "train", "tuning", "cli.to_file", "ledger", "arrays", "batching", "passes", "network")
RULE = ["layer", "x", "y", "R"]                 # the first parameters of a rule, and of its account
SECTION = r"\n{}\n-+\n"


def public(package):
    """{name: function or class} that the package shows."""
    module = importlib.import_module(f"minixnn.{package}")
    found = {name: getattr(module, name) for name in getattr(module, "__all__", None) or vars(module)}
    return {name: each for name, each in found.items() if (inspect.isfunction(each) or inspect.isclass(each))
            and not name.startswith("_") and each.__module__.startswith("minixnn.")}


EVERY = [pytest.param(each, id=f"{package}.{name}") for package in PACKAGES for name, each in public(package).items()]


def defined(package):
    """{"module.name": function} for what a package and its modules define, the methods of classes included."""
    whole, found = importlib.import_module(f"minixnn.{package}"), {}
    inside = [each.name for each in pkgutil.iter_modules(getattr(whole, "__path__", [])) if each.name != "__main__"]
    for module in (whole, *(importlib.import_module(f"minixnn.{package}.{name}") for name in inside)):
        own = {name: each for name, each in vars(module).items() if getattr(each, "__module__", "") == module.__name__}
        for name, each in own.items():
            members = {name: each} if inspect.isfunction(each) else \
                {f"{name}.{key}": getattr(value, "__func__", value) for key, value in vars(each).items()} \
                if inspect.isclass(each) else {}
            found.update({f"{module.__name__.removeprefix('minixnn.')}.{key}": value for key, value in members.items()
                          if inspect.isfunction(value) and "._" not in f".{key}"})
    return found


@functools.cache
def tree(function):
    """The source of a function, parsed; an empty module where there is none, as of what @dataclass writes."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:
        return ast.Module([], [])


def raises(function):
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree(function)))


def called(function):
    """The functions of minixnn that a function calls by their names, alone or behind that of their module."""
    known = function.__globals__
    for node in ast.walk(tree(function)):
        name = node.func if isinstance(node, ast.Call) else None
        if isinstance(name, ast.Name):
            found = known.get(name.id)
        elif isinstance(name, ast.Attribute) and inspect.ismodule(known.get(getattr(name.value, "id", None))):
            found = getattr(known[name.value.id], name.attr, None)
        else:
            continue
        if inspect.isfunction(found) and found.__module__.startswith("minixnn."):
            yield found


def listed(docstring, section="Parameters"):
    """The names in a section of numpydoc's form."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?=\n\n\S.*\n---|\Z)", docstring, re.M | re.S)
    lines = found[1].splitlines() if found else []
    return [name for line in lines if (entry := re.match(r"(\S[*\w, ]*?) ?:(?: |$)", line))
            for name in entry[1].replace("*", "").split(", ")]


def unsaid(function, docstring):
    """What the sections of a function's docstring lack, as a list of words."""
    signature = inspect.signature(function)
    lacking = [name for name in signature.parameters if name not in ("self", "cls", *listed(docstring))]
    if signature.return_annotation not in (None, "None", inspect.Signature.empty) \
            and not re.search(SECTION.format("(Returns|Yields)"), docstring):
        lacking.append("Returns")
    if (raises(function) or any(map(raises, called(function)))) and not re.search(SECTION.format("Raises"), docstring):
        lacking.append("Raises")
    return lacking


def with_more_to_say():
    """The functions that need sections, by package."""
    for package in SECTIONS:
        shown = [each for each in public(package).values() if inspect.isclass(each)
                 or hasattr(importlib.import_module(f"minixnn.{package}"), "__all__")]
        shown += [method for each in shown if inspect.isclass(each) for method in vars(each).values()]
        for name, function in defined(package).items():
            if list(inspect.signature(function).parameters)[:4] != RULE and (
                    function in shown or "\n" in (inspect.getdoc(function) or "") or raises(function)):
                yield pytest.param(function, id=name)


@pytest.mark.parametrize("each", EVERY)
def test_a_public_name_has_a_docstring_that_names_its_parameters(each):
    docstring = inspect.getdoc(each)
    assert docstring and len(docstring.splitlines()[0]) > 10
    if inspect.isfunction(each):
        unknown = set(listed(docstring)) - set(inspect.signature(each).parameters)
        assert not unknown, f"{each.__name__} has no parameters {unknown}"


@pytest.mark.parametrize("function", [*with_more_to_say()])
def test_a_docstring_says_what_is_taken_returned_and_raised(function):
    docstring = inspect.getdoc(function) or ""
    assert not unsaid(function, docstring)
    assert set(listed(docstring)) <= set(inspect.signature(function).parameters)


@pytest.mark.parametrize("each", sorted({
    each for package in SECTIONS for each in public(package).values() if inspect.isclass(each)
    and each.__module__.startswith(f"minixnn.{package}") and "__init__" in vars(each)
    and not dataclasses.is_dataclass(each)}, key=lambda each: each.__name__))
def test_a_class_names_what_its_constructor_takes(each):
    docstring = inspect.getdoc(each)
    assert set(inspect.signature(each).parameters) <= set(listed(docstring))


def test_the_sections_of_a_docstring_are_read():
    said = ("One line.\n\nParameters\n----------\nlow, high : bounds\n    or none: at all\nrng : it\n\n"
            "Raises\n------\nError : never")
    assert listed(said) == ["low", "high", "rng"] and listed(said, "Raises") == ["Error"]


def test_what_a_docstring_lacks_is_found():
    def refuse(low: int, high: int) -> int:
        raise ValueError
    assert unsaid(refuse, "One line.\n\nParameters\n----------\nlow : it") == ["high", "Returns", "Raises"]
    assert unsaid(refuse, "One line.\n\nParameters\n----------\nlow, high : they\n\nReturns\n-------\nIt.\n\n"
                          "Raises\n------\nValueError : always.") == []
    assert not raises(attribution.unit) and unsaid(attribution.unit, inspect.getdoc(attribution.unit).split("Raises")[0]
                                                   ) == ["Raises"], "it calls expect_network, which raises"


NET, X = models.load("dense_no_bias"), np.zeros((2, 28, 28, 1), np.float32)
RNG = np.random.default_rng(0)
ERRORS = IndexError, KeyError, NotImplementedError, OSError, TypeError, ValueError


@pytest.mark.parametrize("function, given", [
    (attribution.gradient, (NET, X, 10)), (attribution.lrp, (NET, X + np.nan)), (attribution.grad_cam, (NET, X[:, 0])),
    (attribution.unit, (NET, X, 10)), (attribution.unit, ("net.npz", X, 0)), (attribution.contrast, (NET, X, 0, 10)),
    (attribution.region, (NET, X, (0, 0, 5, 5), 1)), (attribution.deep_taylor, (NET, X + 2)),
    (attribution.deeplift, (NET, X, None, [])), (attribution.concepts, (NET, X, 99)),
    (metrics.edges, ([1],)), (metrics.translate, (X, np.nan, 0)), (metrics.paired, (X, X[:1])),
    (metrics.permuted, ("lrp_epsilom", RNG)), (metrics.sanity_check, ("gradient", NET, X, 0)),
    (datasets.photo, ("nobody",)), (datasets.record, ("nothing",)), (datasets.mnist, ("all",)),
    (models.load, ("nothing",)), (models.record, ("magika",)), (models.g2p.tokens, ("a1",)),
    (models.magika.tokens, (b"",)), (train.fit, (NET, X, np.zeros(2, int))),
    (train.cross_entropy, (X[:, 0, :, 0], np.zeros(3, int))),
    (Network.load, ("nowhere.npz",)), (NET.part, (0, 99)), (NET.check, (X.astype(int),)), (Network, ([],)),
    (batching.count_workers, (0,)), (batching.map_batches, (len, [1])), (card.squash, (None, X)), (card.Card, ((0,),)),
    (arrays.stabilize, (X, -1)), (arrays.array_module, ([1],)), (passes.one_hot, (X, 0)),
    (passes.deeplift, (NET, X, X.astype(int))), (synthesis.class_means, (X, np.zeros(2, int))),
    (synthesis.activation_maximization, (NET, [1])), (plot.heatmaps, (X,)), (plot.microscope, (NET, X.repeat(3, -1)))],
    ids=lambda value: getattr(value, "__name__", ""))
def test_what_a_wrong_call_raises_is_in_the_docstring(function, given):
    with pytest.raises(ERRORS) as raised:
        function(*given)
    said = listed(inspect.getdoc(function), "Raises")
    assert {kind.__name__ for kind in raised.type.__mro__} & set(said), f"{raised.type.__name__} is not among {said}"
