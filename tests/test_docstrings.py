"""Does every public name have a docstring, and do the sections of parameters name what the signature has?"""
import importlib
import inspect
import re

import pytest

PACKAGES = ("attribution", "metrics", "synthesis", "models", "datasets", "checks", "ledger", "plot", "train", "passes",
            "interop", "layers", "rules", "rules.composites", "network", "card", "batching", "logits")
SHARED = {"net", "x", "target", "start", "batch_size", "workers", "layer", "resize"}     # said once, for their module


def public(package):
    """{name: function or class} that the package shows."""
    module = importlib.import_module(f"minixnn.{package}")
    found = {name: getattr(module, name) for name in getattr(module, "__all__", None) or vars(module)}
    return {name: each for name, each in found.items() if (inspect.isfunction(each) or inspect.isclass(each))
            and not name.startswith("_") and each.__module__.startswith("minixnn.")}


EVERY = [pytest.param(each, id=f"{package}.{name}") for package in PACKAGES for name, each in public(package).items()]


def listed(docstring, section="Parameters"):
    """The names in a section of numpydoc's form."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?=\n\n\S.*\n---|\Z)", docstring, re.M | re.S)
    lines = found[1].splitlines() if found else []
    return [name for line in lines if (entry := re.match(r"(\S[*\w, ]*?) ?:(?: |$)", line))
            for name in entry[1].replace("*", "").split(", ")]


@pytest.mark.parametrize("each", EVERY)
def test_a_public_name_has_a_docstring_that_names_its_parameters(each):
    docstring = inspect.getdoc(each)
    assert docstring and len(docstring.splitlines()[0]) > 10
    if inspect.isfunction(each):
        unknown = set(listed(docstring)) - set(inspect.signature(each).parameters)
        assert not unknown, f"{each.__name__} has no parameters {unknown}"


@pytest.mark.parametrize("each", public("attribution").values(), ids=lambda each: each.__name__)
def test_a_method_with_several_knobs_lists_them(each):
    """Three or more beyond those of every method."""
    own = set(inspect.signature(each).parameters) - SHARED
    assert len(own) < 3 or own <= set(listed(inspect.getdoc(each)))


def test_the_sections_of_a_docstring_are_read():
    said = ("One line.\n\nParameters\n----------\nlow, high : bounds\n    or none: at all\nrng : it\n\n"
            "Raises\n------\nError : never")
    assert listed(said) == ["low", "high", "rng"] and listed(said, "Raises") == ["Error"]
