"""Property tests for anybody's rule, layer and network.

    from minixnn.checks import check_rule, check_layer, check_network

    check_rule(my_rule, domain="nonnegative")
    check_layer(MyLayer(W, b))
    check_network(net, x)

Each asks a list of properties, returns a report to print if all hold, and raises `CheckFailed` if one does not: an
AssertionError that shows the smallest case in which it fails, worked out by hand. `docs/checks.md` lists the
properties with their formulas.

`strategies` draws layers and inputs for tests of your own, `definitions` has the papers' formulas for one
output. `device=` takes an array module, such as cupy, on whose arrays the same answers are expected as on NumPy's; the
tests of minixnn itself give a module that behaves like CuPy on a machine without a GPU (tests/backends/standin.py).

`check_rule`, `check_layer` and `strategies` need Hypothesis (`pip install hypothesis`); nothing else does.
"""
import importlib

HERE = {"check_rule": "search", "check_layer": "search", "check_network": "networks", "CheckFailed": "properties",
        "Report": "properties"}
MODULES = ("definitions", "strategies")
__all__ = [*HERE, *MODULES]


def __getattr__(name):
    """Import what is asked for, so that check_network works where Hypothesis is not installed."""
    if name not in __all__:
        raise AttributeError(f"module 'minixnn.checks' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"minixnn.checks.{HERE.get(name, name)}")
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ImportError(f"minixnn.checks.{name} searches for cases with Hypothesis, which is not installed; run "
                          "pip install hypothesis") from error
    return getattr(module, name) if name in HERE else module
