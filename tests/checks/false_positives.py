"""Do the checks report false positives? Everything built in is right, so every failure of a check of it is one.

    python -m tests.checks.false_positives            # a thousand searches with other seeds than those of the suite
    python -m tests.checks.false_positives --seeds 30 --only Hardswish

Each seed takes the next subject, so that all have their share: the rules, layers and blocks of built_in.py. A
search draws up to 200 cases. Prints how often each subject was asked, and the message of every failure; the exit status
is 1 if there was one.
"""
import argparse
import collections
import sys
import time
import warnings

from minixnn.checks import CheckFailed, check_layer, check_rule
from tests.backends import standin
from tests.checks.built_in import DRAWN, LAYERS, RULES

FIRST = 1000                                    # seeds below are for people who try things


def searches():
    """{name: function of a seed}: the search for a failure of each subject."""
    found = {}
    for name, (rule, definition, claims) in RULES.items():
        found[f"rule {name}"] = lambda seed, r=rule, d=definition, c=claims: check_rule(
            r, definition=d, device=standin, seed=seed, **c)
    for name, (layer, inputs) in LAYERS.items():
        found[f"layer {name}"] = lambda seed, layer=layer, inputs=inputs, many=name in DRAWN: check_layer(
            layer, inputs, device=standin, examples=60 if many else 20, seed=seed)
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.checks.false_positives", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, help="how many searches (default: 1000)")
    parser.add_argument("--only", default="", help="subjects whose name contains this")
    asked = parser.parse_args()
    subjects = {name: search for name, search in searches().items() if asked.only in name}
    if not subjects:
        parser.error(f"got --only {asked.only!r}, expected part of a name such as {', '.join(list(searches())[:5])}")
    times, failures, begun = collections.Counter(), collections.Counter(), time.perf_counter()
    for n in range(asked.seeds):
        name = list(subjects)[n % len(subjects)]
        times[name] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                subjects[name](FIRST + n)
        except CheckFailed as failure:
            failures[name] += 1
            print(f"seed {FIRST + n}, {name}:\n{failure}\n", flush=True)
    for name, count in times.items():
        print(f"{name:50} {count:4} searches, {failures[name]} failures")
    print(f"{asked.seeds} searches of {len(subjects)} subjects in {time.perf_counter() - begun:.0f} s: "
          f"{sum(failures.values())} false positives")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
