"""Ask a library every vector, compare, and say what its answer is.

    agrees                  the expected numbers; or, where the rule is not defined, it refuses
    another definition      the numbers of another definition of the same name, which is named
    contradicts             neither: not what the paper says, and not a definition that we know. The known mistake that
                            gives these numbers is named, if there is one
    crashes                 an exception, or numbers that are not finite
    not offered             the library does not claim to have it, or cannot be asked

Where the papers do not decide (verdict "acceptable") any finite answer agrees.
"""
import dataclasses
import hashlib
import importlib
import json
import pathlib
import warnings
from fractions import Fraction

import numpy as np

from . import generate, oracle, schema
from .adapters import NotOffered

HERE = pathlib.Path(__file__).parent
VERDICTS = ("agrees", "another definition", "contradicts", "crashes", "not offered")


@dataclasses.dataclass
class Result:
    """One vector, and what a library made of it."""
    rule: str
    content: dict                       # of the file
    group: dict
    test: dict
    verdict: str
    detail: str = ""                    # the name of the definition or mistake, or the exception
    answer: object = None

    @property
    def id(self):
        return self.test["id"]


def vectors():
    """(content of the file, group, test) of every vector."""
    for path in schema.files():
        content = json.loads(path.read_text())
        for group in content["groups"]:
            for test in group["tests"]:
                yield content, group, test


def key(rule, group, test):
    """What a recorded answer is kept under: a digest of all that was asked."""
    asked = [rule, group["layer"], group["knobs"], *(test.get(name) for name in ("x", "x_ref", "R", "before"))]
    return hashlib.sha1(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


class Recorded:
    """Answers that were recorded: {"name", "version", "date", "how", "notes", "tolerance", "answers": {key: answer}}"""

    def __init__(self, path):
        content = json.loads(path.read_text())
        self.name, self.answers, self.NOTES = content["name"], content["answers"], content.get("notes", {})
        self.version, self.tolerance = f"{content['version']}, recorded {content['date']}", content["tolerance"]

    def offers(self, rule, layer):
        return True

    def explain_recorded(self, rule, group, test):
        answer = self.answers.get(key(rule, group, test))
        if answer is None:
            raise NotOffered("was not recorded")
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def adapter(library):
    recorded = HERE / "recorded" / f"{library}.json"
    if recorded.exists():
        return Recorded(recorded)
    return importlib.import_module(f"{__package__}.adapters.{library}")


def run(library, only=None):
    """[Result, ...] of one adapter, in the order of the files."""
    results, last, built = [], None, None
    for content, group, test in vectors():
        if only not in (None, test["id"], content["rule"]):
            continue
        layer = group["layer"]
        if "rules" in group["knobs"]:
            layer = {**layer, "rules": group["knobs"]["rules"]}
        result = Result(content["rule"], content, group, test, "not offered")
        results.append(result)
        if not library.offers(content["rule"], layer):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if hasattr(library, "explain_recorded"):
                    answer = library.explain_recorded(content["rule"], group, test)
                else:
                    if group is not last:
                        last, built = group, library.build(layer)
                    knobs = {**group["knobs"], **({"x_ref": test["x_ref"]} if "x_ref" in test else {})}
                    if "before" in test:
                        library.explain(built, content["rule"], test["before"], test["R"], **knobs)
                    answer = library.explain(built, content["rule"], test["x"], test["R"], **knobs)
        except NotOffered as reason:
            result.detail = str(reason)
        except Exception as error:                          # whatever a library raises is what it says to this vector
            refused = test["verdict"] == "invalid input"
            result.verdict, result.detail = ("agrees", "refuses") if refused else (
                "crashes", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160])
        else:
            judge(result, answer, getattr(library, "tolerance", 0))
    return results


def numbers(nested):
    """One flat array of a nested list, an array, or a list of arrays."""
    if isinstance(nested, (list, tuple)):
        return np.concatenate([numbers(part) for part in nested]) if len(nested) else np.zeros(0)
    return np.asarray(nested, dtype=float).reshape(-1)


def same(answer, expected, tolerance):
    answer, expected = numbers(answer), numbers(expected)
    return answer.shape == expected.shape and bool(
        (abs(answer - expected) <= tolerance * max(1.0, abs(expected).max(initial=0))).all())


def judge(result, answer, tolerance=0):
    """Set the verdict that an answer deserves."""
    test = result.test
    tolerance, expected = max(tolerance, test["tolerance"]), test["expected"]
    if isinstance(answer, list) and len(answer) and "relevance" in test:
        pairs = [(a, b) for a, b in zip(answer, test["relevance"]) if a is not None]
        agrees = answer[0] is not None and all(same(a, b, tolerance) for a, b in pairs)
        result.answer = answer = answer[0]
    else:
        agrees = expected is not None and same(answer, expected, tolerance)
    result.answer, found = answer, numbers(answer)
    if agrees:
        result.verdict = "agrees"
        return
    for name, other in test["alternatives"].items():
        if same(answer, other, max(tolerance, 1e-8)):
            result.verdict = "agrees" if test["verdict"] == "acceptable" else "another definition"
            result.detail = name
            return
    if not np.isfinite(found).all():
        result.verdict, result.detail = "crashes", "numbers that are not finite"
    elif test["verdict"] == "acceptable" and found.shape == numbers(expected).shape:
        result.verdict, result.detail = "agrees", "a convention of its own"
    else:
        result.verdict, result.detail = "contradicts", mistake(result, tolerance)


def mistakes_of(rule):
    """The known mistakes of a rule; of gamma also those of gamma_signed, which some take for it."""
    return {**(mistakes_of("gamma_signed") if rule == "gamma" else {}), **oracle.DEFINITIONS[rule][2]}


def mistake(result, tolerance):
    """The name of the known mistake that gives this answer, or by how much it is off."""
    layer, test, knobs = result.group["layer"], result.test, result.group["knobs"]
    xs = test["x"] if layer["kind"] in oracle.JOINS else [test["x"]]
    for name in mistakes_of(result.rule) if result.rule in oracle.DEFINITIONS else []:
        wrong = generate.each_example(layer, xs, test["R"], mistakes_of(result.rule)[name], knobs, False)
        if same(result.answer, wrong, max(tolerance, 1e-8)):
            return name
    rules = [dict(each) for each in knobs.get("rules", [])]
    chosen = [(each.pop("rule"), each) for each in rules]
    for name in sorted({name for rule, _ in chosen for name in mistakes_of(rule)}):
        made = [(mistakes_of(rule).get(name, oracle.DEFINITIONS[rule][0]), given) for rule, given in chosen]
        wrong = [oracle.explain(layer, [(oracle.shape_of(x), oracle.flat(x, float))], oracle.flat(R, float), made,
                                float)[0] for x, R in zip(test["x"], test["R"])]
        if same(result.answer, wrong, max(tolerance, 1e-8)):
            return name
    found, expected = numbers(result.answer), numbers(test["expected"] or [])
    if found.shape != expected.shape:
        return f"{found.size} numbers, expected {expected.size}"
    return f"off by {abs(found - expected).max():.3g}"


# --- what is expected of a library ----------------------------------------------------------------------------------

def claim(result):
    """What the line of an xfails file says of a result. Numbers are left out: they may depend on the machine."""
    detail = "" if result.detail.startswith("off by") else result.detail
    if result.verdict == "crashes":
        detail = detail.split(":")[0]
    return result.verdict + (f": {detail}" if detail else "")


def expected_of(library):
    """{id: claim} of xfails/LIBRARY.txt. A line "# ..." says what those below it are; a claim stands before its ids."""
    path, found, said = HERE / "xfails" / f"{library}.txt", {}, None
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("    "):
            found.update(dict.fromkeys(line.split(), said))
        elif line and not line.startswith("#"):
            said = line
    return found


def unexpected(library, results):
    """A line for each vector that does not meet xfails/LIBRARY.txt, in either direction."""
    expected, problems = expected_of(library), []
    for result in results:
        wanted = expected.get(result.id)
        if result.verdict in ("agrees", "not offered"):
            if wanted:
                problems.append(f"{result.id} now {result.verdict}; xfails/{library}.txt says: {wanted}")
        elif claim(result) != wanted:
            problems.append(f"{result.id} {claim(result)}; expected: {wanted or 'agrees'}")
    return problems


def write_expected(library, results):
    """Write xfails/LIBRARY.txt from a run: a review of the difference is a review of what changed."""
    claims = {}
    for result in results:
        if result.verdict not in ("agrees", "not offered"):
            claims.setdefault(claim(result), []).append(result.id)
    out = [f"# What {library} does not agree with. Written by: python -m tests.vectors {library} --expect"]
    for said in sorted(claims):
        out.append(said)
        ids = claims[said]
        out += ["    " + " ".join(ids[i:i + 6]) for i in range(0, len(ids), 6)]
    (HERE / "xfails").mkdir(exist_ok=True)
    (HERE / "xfails" / f"{library}.txt").write_text("\n".join(out) + "\n")


def report(library, result):
    """Ten lines that an issue of the library can begin with."""
    made, test, content = adapter(library), result.test, result.content
    links = [link for flag in test["flags"] for link in content["notes"].get(flag, {}).get("links", [])]

    def short(value):
        text = json.dumps(value if not hasattr(value, "tolist") else value.tolist())
        return text if len(text) < 400 else text[:400] + " ..."
    exact = ""
    if result.rule in oracle.DEFINITIONS and result.group["exact"] and test["expected"] is not None:
        values = [Fraction(v).limit_denominator(10 ** 6) for v in numbers(test["expected"])]
        exact = " = " + " ".join(map(str, values)) if len(values) < 12 else ""
    answer = [part.tolist() if hasattr(part, "tolist") else part for part in result.answer] \
        if isinstance(result.answer, list) else result.answer
    return "\n".join([
        f"{made.name} {made.version}: {content['rule']} of {result.group['layer']['kind']}: {claim(result)}",
        f"definition: {content['formula']} ({content['source']})",
        f"case:       {test['id']}, {test['comment']} ({', '.join(test['flags'])})",
        f"layer:      {short(result.group['layer'])}",
        f"settings:   {short(result.group['knobs'])} {made.NOTES.get(result.rule, '')}",
        f"x =         {short(test['x'])}" + (f", x_ref = {short(test['x_ref'])}" if "x_ref" in test else ""),
        f"R =         {short(test['R'])}",
        f"expected:   {short(test['expected'])}{exact}",
        f"returned:   {short(answer) if result.answer is not None else result.detail}",
        f"see also:   {' '.join(links) or '-'}; again: python -m {__package__} {library} {test['id']}"])
