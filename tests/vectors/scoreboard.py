"""The scoreboard: rule by rule, library by library, how many vectors agree; and the page that has it."""
import pathlib

from . import runner

LIBRARIES = ("minixnn", "zennit", "captum", "lxt", "autolrp", "innvestigate", "deeplift", "lrp_toolbox")
CAPTUM, INNVESTIGATE = "https://github.com/meta-pytorch/captum/", "https://github.com/albermax/innvestigate/"


def link(project, kind, *numbers):
    return ", ".join(f"[#{n}]({project}{kind}/{n})" for n in numbers)


REPORTS = (                                                 # (library, report, what, versions, which results show it)
    ("captum", link(CAPTUM, "issues", 1234),
     "Alpha1_Beta0_Rule splits the weights, not the products, and keeps all of the bias", "0.9.0 has it; open",
     lambda r: r.rule == "alpha_beta" and r.detail == "weights split, all of b"),
    ("captum", link(CAPTUM, "issues", 1104, 1276),
     "DeepLIFT beside and through max pools does not sum to the difference of the outputs",
     f"0.9.0 has it; repaired after it: {link(CAPTUM, 'pull', 1843, 1847, 1849, 1859)}",
     lambda r: r.rule == "deeplift" and r.verdict not in ("agrees", "not offered")),
    ("innvestigate", link(INNVESTIGATE, "issues", 273), "alpha-beta puts all of a bias into both halves",
     "2.1.2 has it; open", lambda r: r.rule == "alpha_beta" and r.detail == "all of b in both halves"),
)
PAGE = """# Conformance: who computes what

This page is written by `python -m tests.vectors --page docs/conformance.md` from a run; do not edit it.

{count} vectors say what the papers' rules give: a layer, an input, the relevance of the outputs, and the relevance of
the inputs, computed by scalar loops that import nothing of minixnn, and exactly, with fractions, where no root or
exponential is met. With each vector go the numbers of *other* definitions of the same name, so that an answer that
differs can be named. Every vector is failed by a definition or mistake that we know; what tells nothing apart is left
out.

Run with {versions}.

{board}

In each field stands how many vectors *agree*, of how many the library offers; behind it, how many give the numbers of
*another definition* (d), *contradict* the paper and every definition that we know (c), or *crash* (x). A dash: not
offered. Where the papers do not decide (what is 0 / 0, which of two largest inputs wins) any finite answer agrees.
Another definition is no fault: it is another rule under the same name.

## What differs

{differences}

## Public reports, found again

| library | report | what | versions | vectors |
|---|---|---|---|---|
{reports}

iNNvestigate#180 is not in the table: its text is not at hand, so nothing here can claim to have found it.

## A vector as an issue

`python -m tests.vectors LIBRARY ID` prints ten lines that an issue can begin with:

```
{issue}
```

## In another project

The vectors are JSON: `tests/vectors/*.json`, one file for each rule, of the form that `schema.json` describes. Arrays
are nested lists, channels first. In any language: read `layer`, `knobs`, `x` and `R`, compute, compare with `expected`
to `tolerance`, relative to the largest number where that is above 1; if it differs, look in `alternatives`. Whole
networks are ONNX files beside the JSON, with relevance at every layer.

In Python the folder runs by itself, with NumPy and the library alone:

```
python -m tests.vectors --zip vectors.zip
```

Unpack it, write `vectors/adapters/YOURS.py` (`vectors/adapters/__init__.py` says what it has to have; `lxt.py` is the
shortest example, `torch_model.py` makes torch modules of the layers), and run `python -m vectors YOURS`. What is known
to differ goes into `xfails/YOURS.txt` by `--expect`; from then on the command ends with status 1 when anything changes,
in either direction.
"""


def counts(results):
    """{rule: {verdict: how many}}"""
    found = {}
    for result in results:
        row = found.setdefault(result.rule, dict.fromkeys(runner.VERDICTS, 0))
        row[result.verdict] += 1
    return found


def summed(table):
    return {verdict: sum(row[verdict] for row in table.values()) for verdict in runner.VERDICTS}


def lines(results):
    """A table for the terminal."""
    out = [f"{'rule':26}" + "".join(f"{verdict:>20}" for verdict in runner.VERDICTS)]
    table = counts(results)
    for rule, row in [*table.items(), ("all", summed(table))]:
        out.append(f"{rule:26}" + "".join(f"{row[verdict] or '.':>20}" for verdict in runner.VERDICTS))
    return "\n".join(out)


def field(row):
    """One field of the scoreboard: "12/14 2d"."""
    offered = sum(row.values()) - row["not offered"]
    if not offered:
        return "-"
    rest = [f"{row[verdict]}{letter}" for verdict, letter in (
        ("another definition", "d"), ("contradicts", "c"), ("crashes", "x")) if row[verdict]]
    return " ".join([f"{row['agrees']}/{offered}", *rest])


def differences(name, results, made):
    """What a library does not agree with: a line for each rule and claim, with one vector to look at."""
    found = {}
    for result in results:
        if result.verdict not in ("agrees", "not offered"):
            found.setdefault((result.rule, runner.claim(result)), []).append(result)
    if not found:
        return []
    out = [f"### {made.name} {made.version}", "", "| rule | verdict | vectors | for instance | settings there |",
           "|---|---|---|---|---|"]
    for (rule, claim), those in sorted(found.items()):
        out.append(f"| {rule} | {claim.replace('|', '/')[:140]} | {len(those)} | `{those[0].id}` | "
                   f"{made.NOTES.get(rule, '')} |")
    return [*out, ""]


def write(path):
    """Run every library, and write the page."""
    runs, adapters = {}, {}
    for name in LIBRARIES:
        try:
            adapters[name] = runner.adapter(name)
        except ImportError as error:
            raise SystemExit(f"the page needs every library; {name} is missing: {error}") from None
        runs[name] = runner.run(adapters[name])
        print(name, field(summed(counts(runs[name]))), flush=True)
    tables = {name: counts(results) for name, results in runs.items()}
    rules = list(tables[LIBRARIES[0]])
    board = ["| rule | vectors | " + " | ".join(LIBRARIES) + " |", "|---" * (len(LIBRARIES) + 2) + "|"]
    for rule in rules:
        total = sum(tables[LIBRARIES[0]][rule].values())
        board.append(f"| `{rule}` | {total} | " + " | ".join(field(tables[name][rule]) for name in LIBRARIES) + " |")
    board.append(f"| **all** | {len(runs[LIBRARIES[0]])} | " + " | ".join(
        field(summed(tables[name])) for name in LIBRARIES) + " |")
    reports = [f"| {name} | {report} | {what} | {versions} | {len(those)}, such as `{those[0].id if those else '-'}` |"
               for name, report, what, versions, has in REPORTS for those in [[r for r in runs[name] if has(r)]]]
    example = next(r for r in runs["captum"] if r.verdict == "another definition" and "one neuron" in r.test["flags"])
    text = PAGE.format(
        count=len(runs[LIBRARIES[0]]), board="\n".join(board), reports="\n".join(reports),
        versions=", ".join(f"{adapters[name].name} {adapters[name].version}" for name in LIBRARIES),
        differences="\n".join(line for name in LIBRARIES for line in differences(name, runs[name], adapters[name])),
        issue=runner.report("captum", example).replace(f"-m {__package__}", "-m tests.vectors"))
    pathlib.Path(path).write_text(text)
    print(f"wrote {path}")
