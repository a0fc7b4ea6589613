"""Is the mistake in each wrong rule, layer and import found, by the property that names it?

    python -m tests.checks.wrong_ones_found

prints a table, one line a mistake, and ends with status 1 where one escapes or is called by another name.
"""
import sys
import time

from minixnn.checks import CheckFailed, check_layer, check_network, check_rule
from tests.checks import wrong_imports, wrong_layers, wrong_rules
from tests.backends import standin

EXAMPLES = 15                   # of each kind; a check draws more by default


def rule_caught(rule, claims):
    """The CheckFailed that a rule meets, or None."""
    try:
        check_rule(rule, examples=EXAMPLES, **claims)
    except CheckFailed as failure:
        return failure


def layer_caught(layer, shape):
    try:
        check_layer(layer, shape, device=standin, examples=EXAMPLES)
    except CheckFailed as failure:
        return failure


def import_caught(mistake):
    try:
        check_network(wrong_imports.imported(mistake), wrong_imports.X, expected=wrong_imports.EXPECTED)
    except CheckFailed as failure:
        return failure


def main():
    status = 0
    lines = [(f"rule    {rule.__name__}", rule_caught, (rule, claims), wanted)
             for rule, claims, wanted in wrong_rules.WRONG]
    lines += [(f"layer   {type(layer).__name__}", layer_caught, (layer, shape), wanted)
              for layer, shape, wanted in wrong_layers.WRONG]
    lines += [(f"import  {mistake}", import_caught, (mistake,), "outputs") for mistake in wrong_imports.WRONG]
    for name, catch, given, wanted in lines:
        begun = time.perf_counter()
        failure = catch(*given)
        found = failure.property if failure else "NOTHING"
        status = status or found != wanted
        print(f"{name:48} {found:20} {'' if found == wanted else f'expected {wanted}':30} "
              f"{time.perf_counter() - begun:5.1f} s")
    print(f"{len(lines)} mistakes")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
