"""Write docs/agreement.md from a run:  python -m tests.peers.table

Goes through everything that the tests compare, measures, and writes what it found: for each method and library the
largest absolute and relative difference, over how many random networks, with what settings and versions. The page
is the program's; to change a number, change the program.
"""
import dataclasses
import inspect
import pathlib
import platform

import numpy as np

import minixnn
from tests.peers import attention_side, conftest, libraries, networks
from tests.peers.agreement import SEEDS, check
from tests.peers.comparisons import DIFFERENT, SAME
from tests.peers.deeplift_side import RECORD

LIBRARIES = ("torch", "zennit", "captum", "lxt", "autolrp")
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "agreement.md"

HEAD = """# Agreement with other libraries

This page is written by `python -m tests.peers.table` from a run; do not edit it. The same comparisons are tests:
`python -m pytest tests/peers`. Everything they need is installed by one line, which leaves the environment of
minixnn itself alone:

```
{command}
```

torch comes first, so that a CPU build of it can be chosen; the others without their dependencies, of which
one, torchvision, is replaced by empty stand-ins in the tests. Where a library is missing, its tests are skipped and say
so. What the DeepLIFT package of the paper's authors answers is recorded, with version and call, in
`tests/peers/data/`; `tests/peers/record_deeplift.py` made the record and makes it again.

Run with {versions}.

This page compares whole methods on random networks. What each library makes of one layer, rule by rule, and whose
definition it is, is on the page [conformance](conformance.md).

Each method explained random networks, {seeds} of every kind asked for below, with inputs of both signs (unless the
note says otherwise) in float64, and where the kinds include it the shipped `cnn` on real digits. Rules and
gradients were compared at every layer where the library can tell, else at the input. *Absolute* is the largest
difference of any two numbers, *relative* the largest difference in one array over its largest number.

| kind | networks |
|---|---|
{kinds}

## The same definition

A test fails where the difference exceeds the bound, which is relative where numbers are larger than 1.

| method | library | settings there | networks | absolute | relative | bound | notes |
|---|---|---|---|---|---|---|---|
{same}

## The same name, another definition

Here both are right and mean something else, or the other library departs from the paper. The column *explained* is the
difference that is left once our own parts are put together as the note says; the tests hold it to the bound.

| method | library | settings there | networks | absolute | relative | explained | bound | what differs |
|---|---|---|---|---|---|---|---|---|
{different}

## Networks from torch

Largest difference of outputs between a random torch network and what `interop.from_torch` makes of it.

| precision | networks | relative | bound |
|---|---|---|---|
{interop}
"""


def command():
    """The one line that installs everything, from the docstring in which it is documented."""
    return next(line.strip() for line in inspect.getdoc(conftest).splitlines() if "pip install" in line)


def versions():
    ours = [f"minixnn {minixnn.__version__}", f"NumPy {np.__version__}", f"Python {platform.python_version()}"]
    theirs = [f"{name} {libraries.version(name)}" for name in LIBRARIES]
    recorded = f"deeplift {RECORD['version']} (recorded under TensorFlow {RECORD['tensorflow']})"
    return ", ".join(ours + theirs + [recorded])


def measured(comparison):
    """(networks, largest absolute difference, largest relative one, largest one left when explained)."""
    explained = None if comparison.explained is None else as_explained(comparison)
    count, absolute, relative, left = 0, 0.0, 0.0, 0.0
    for case in comparison.cases():
        a, r = check(comparison, case)
        count, absolute, relative = count + 1, max(absolute, a), max(relative, r)
        if explained:
            left = max(left, check(explained, case)[0])
    print(f"{comparison}: {count} networks, {absolute:.2g}, {relative:.2g}", flush=True)
    return count, absolute, relative, left


def as_explained(comparison):
    """The comparison of the explanation with the library: ours, put together as the note says."""
    return dataclasses.replace(comparison, ours=comparison.explained, explained=None)


def row(comparison):
    count, absolute, relative, left = measured(comparison)
    cells = [f"`{comparison.method}`", comparison.library, f"`{comparison.peer}`", count, f"{absolute:.1e}",
             f"{relative:.1e}"]
    cells += [f"{left:.1e}"] if comparison.explained else []
    return "| " + " | ".join(map(str, cells + [f"{comparison.bound:.0e}", comparison.note])) + " |"


def main():
    for name in LIBRARIES:
        if name in libraries.REASONS:
            raise SystemExit(f"{libraries.REASONS[name]}; the page needs all of them. Install with\n{command()}")
    page = HEAD.format(
        command=command(), versions=versions(), seeds=len(SEEDS),
        kinds="\n".join(f"| {kind} | {what} |" for kind, what in {**networks.KINDS, **attention_side.KINDS}.items()),
        same="\n".join(map(row, SAME)), different="\n".join(map(row, DIFFERENT)),
        interop="\n".join(f"| {dtype} | {count} | {largest:.1e} | {bound:.0e} |"
                          for dtype, count, largest, bound in networks.measure_outputs()))
    PAGE.write_text(page)
    print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
