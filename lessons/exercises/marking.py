"""How an exercise is marked: search a case in which a function is wrong, make it small, work it out, name the cause.

An exercise draws cases, knows the right answer of each from a scalar loop that tells its steps, and lists mistakes,
each a function and a sentence. What was written is compared with the loop on many cases. Where it is wrong, three
things lead to the cause: the smallest case worked by hand, the mistake that answers alike in every case, and what the
cases that fail have in common.
"""
from __future__ import annotations

import contextlib
import copy
import io
import itertools
import math
import signal
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CASES = 160                     # so many cases are drawn, or
SEARCHING = 1.5                 # seconds of the processor are searched
SHRINKING = 1.0                 # seconds for a smaller case
SAME = 1e-4                     # two answers agree up to this share of their size: float32 will do
SIMPLE = (0.0, 1.0, -1.0, 2.0)  # numbers that are easy to read
PATIENCE = 5.0                  # seconds that one call may take
MATRICES = 6                    # shown of an array with many axes
STEPS = 24                      # lines of arithmetic shown
GRID = (0, 0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 1.5, -1.5)    # sums of products of these carry no rounding


@dataclass(frozen=True)
class Exercise:
    """One task. A case is a dictionary of named arrays and numbers."""
    name: str                   # of the function
    lesson: str                 # "2.3"
    formula: str                # what the function computes, in a line or two
    draw: Callable              # draw(rng) -> a case
    right: Callable             # right(say, **case) -> the answer; say is None, or takes lines of arithmetic
    mistakes: Sequence[tuple[str, Callable]]    # (a sentence, a wrong function of the same arguments)
    hints: Sequence[str]
    axes: Any = field(default_factory=dict)     # {"x": "N I"}: which axes go together; or a function of the case
    setup: str = ""             # lines of Python that make the arguments of a case
    arguments: str = ""         # the arguments, as in a call; by default the names of the case
    facets: dict[str, Callable] = field(default_factory=dict)       # {"with a bias": case -> bool}
    valid: Callable = lambda case: True         # whether a smaller case is still one
    fit: Callable = lambda case: case           # a smaller case with its other arrays cut to size
    also: Callable | None = None                # a further check of a function that is right so far, which may raise
    optional: tuple[str, ...] = ()              # what may be None
    plain: dict[str, tuple] = field(default_factory=dict)   # simple values of other numbers

    def call(self, function: Callable, case: dict) -> Any:
        """The answer of a function to a case; it is handed copies."""
        space = {"np": np, **{name: copy.copy(value) for name, value in case.items()}}
        exec(compiled(self.setup, "exec"), space)
        return function(*eval(compiled(f"({self.arguments or ', '.join(case)},)", "eval"), space))

    def expected(self, case: dict, say: Callable | None = None) -> Any:
        with np.errstate(all="ignore"):
            return self.right(say, **case)


@dataclass(frozen=True)
class Answer:
    """What a function did with a case: its value, or what it raised; what it changed and printed."""
    value: Any = None
    raised: str = ""
    kind: str = ""              # the name of the exception
    changed: tuple = ()
    printed: str = ""


@dataclass(frozen=True)
class Verdict:
    """state: "right", "wrong" or "not written yet". causes: sentences, the surest first."""
    state: str
    message: str = ""
    causes: tuple[str, ...] = ()
    case: dict | None = None

    @property
    def ok(self) -> bool:
        return self.state == "right"


class TooLong(BaseException):
    """A call took longer than anybody waits; no Exception, so that a student's except does not catch it."""


cache: dict = {}


def compiled(text: str, mode: str) -> Any:
    if (text, mode) not in cache:
        cache[text, mode] = compile(text, "<case>", mode)
    return cache[text, mode]


# ------------------------------------------------------------------------------------------------------------- answers

@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise TooLong in a block that takes longer, where the system has alarms; elsewhere Ctrl-C has to do."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TooLong(f"it took more than {seconds:g} seconds; does every loop end?")
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answer(exercise: Exercise, function: Callable, case: dict) -> Answer:
    """Call the function on copies of the case's numbers, and see what it does to them."""
    kept: list = []

    def watched(*arguments: Any) -> Any:
        kept.append([(a, copy.deepcopy(a)) for a in arguments])
        return function(*arguments)
    printed = io.StringIO()
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(printed), patience(PATIENCE):
            value = exercise.call(watched, case)
            value = list(value) if isinstance(value, (Iterator, map, filter, zip)) else value
    except KeyboardInterrupt:
        raise
    except BaseException as error:              # a student's exit() ends the exercise, not the check
        return Answer(raised=told(error), kind=type(error).__name__, printed=printed.getvalue())
    names = [part.strip() for part in (exercise.arguments or ", ".join(case)).split(",")]
    changed = tuple(names[i] if len(names) == len(kept[0]) else f"argument {i + 1}"
                    for i, (now, before) in enumerate(kept[0]) if not unchanged(now, before))
    return Answer(copy.deepcopy(value), changed=changed, printed=printed.getvalue())


def unchanged(now: Any, before: Any) -> bool:
    """Whether an argument is as it was: arrays by their numbers, layers and networks by their arrays."""
    if type(now) is not type(before):
        return False
    if isinstance(now, np.ndarray):
        return np.array_equal(now, before, equal_nan=now.dtype.kind == "f")
    if isinstance(now, (list, tuple)):
        return len(now) == len(before) and all(map(unchanged, now, before))
    if callable(now) or not hasattr(now, "__dict__"):
        return True
    return vars(now).keys() == vars(before).keys() and all(unchanged(v, vars(before)[k]) for k, v in vars(now).items())


def told(error: BaseException) -> str:
    """An exception as a sentence, with the line of the student's file that raised it."""
    here = [frame for frame in traceback.extract_tb(error.__traceback__, 30)
            if not any(part in frame.filename for part in ("marking.py", "<case>", "judges"))]
    own = [frame for frame in here if "site-packages" not in frame.filename and "minixnn" not in frame.filename.replace(
        "\\", "/").split("/")[-3:]] or here
    where = f", in line {own[0].lineno}: {own[0].line}" if own else ""
    return f"{type(error).__name__}: {error}{where}"


def distance(expected: Any, value: Any) -> tuple[float, str]:
    """How far two answers lie apart, as a share of their size, and a sentence where they cannot be compared."""
    if isinstance(expected, (tuple, list)):
        whole = isinstance(value, np.ndarray) and value.ndim and len(value) == len(expected)
        if not isinstance(value, (tuple, list)) and not whole:
            return np.inf, f"Expected is a {type(expected).__name__} of {len(expected)}, actual is {kind_of(value)}."
        if len(value) != len(expected):
            return np.inf, f"Expected are {len(expected)} entries, actual are {len(value)}."
        found = [distance(e, v) for e, v in zip(expected, value)]
        return max(found, key=lambda one: one[0], default=(0.0, ""))
    if not isinstance(expected, (np.ndarray, float, int, np.generic)):      # a rule, a name, None
        return (0.0, "") if value is expected or (isinstance(value, str) and value == expected) else (np.inf, "")
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return np.inf, f"Expected are numbers of shape {np.shape(expected)}, actual is {kind_of(value)}."
    expected = np.asarray(expected, dtype=float)
    if array.shape != expected.shape:
        return np.inf, f"Expected is the shape {expected.shape}, actual is {array.shape}."
    if not array.size:
        return 0.0, ""
    same = (array == expected) | (np.isnan(array) & np.isnan(expected))
    with np.errstate(all="ignore"):
        apart = np.where(same, 0.0, abs(array - expected))
    size = max(1.0, float(abs(expected[np.isfinite(expected)]).max(initial=0)))
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max() / size), ""


def kind_of(value: Any) -> str:
    if value is None or value is ...:
        return f"{value}: a function ends in return"
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + (f" of shape {shape}" if shape is not None else "")


def is_right(expected: Any, found: Answer) -> bool:
    return not found.raised and distance(expected, found.value)[0] <= SAME


def alike(a: Answer, b: Answer) -> bool:
    """Whether two functions did the same: raised the same kind of error, or gave the same numbers."""
    if a.raised or b.raised:
        return bool(a.raised and b.raised and a.kind == b.kind)
    try:
        return distance(a.value, b.value)[0] <= SAME
    except Exception:
        return False


# -------------------------------------------------------------------------------------------------------------- search

def mark(exercise: Exercise, function: Callable, count: int = CASES, seconds: float = SEARCHING,
         seed: int = 0, place: str = "") -> Verdict:
    """Compare the function with the right answer on many cases; explain the smallest in which it is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # numpy's, of a student's lines, in case after case
        return marked(exercise, function, count, seconds, seed, place)


def marked(exercise: Exercise, function: Callable, count: int, seconds: float, seed: int, place: str) -> Verdict:
    seen = list(itertools.islice(asked(exercise, function, seed, seconds), count))
    wrong = [(case, found) for case, expected, found in seen if not is_right(expected, found)]
    if seen[-1][2].kind == "TooLong":
        case, _, found = seen[-1]
        return Verdict("wrong", "\n\n".join([heading(exercise, "wrong", place), shown(exercise, case, found, None)]),
                       (found.raised,), case)
    if wrong:
        return explained(exercise, function, seen, place)
    careless = next(((case, found) for case, _, found in seen if found.changed), None)
    if careless:
        names = " and ".join(careless[1].changed)
        cause = f"it writes into {names}, which the caller uses again; work on a copy"
        return Verdict("wrong", heading(exercise, "wrong", place) + "\n\n" + paragraph(
            f"The numbers are right, but {cause}. An operation in place such as x[...] = or x += does that; "
            "x = x.copy() first, or x = x + ...") + "\n\n" + shown(exercise, *careless, None), (cause,), careless[0])
    if exercise.also is not None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exercise.also(function)
        except AssertionError as failure:
            return Verdict("wrong", heading(exercise, "wrong", place) + "\n\n" + str(failure),
                           (str(failure).partition("Look for this: ")[2].replace("\n", " "),))
    return Verdict("right", f"{exercise.name} (lesson {exercise.lesson}): right, in {len(seen)} cases")


def asked(exercise: Exercise, function: Callable, seed: int, seconds: float) -> Iterator[tuple[dict, Any, Answer]]:
    """(case, expected, the function's answer) of case after case, as long as there is time."""
    until = time.thread_time() + seconds
    for number in itertools.count():
        if number >= 24 and time.thread_time() > until:
            return
        case = drawn(exercise, [seed, number])
        found = answer(exercise, function, case)
        yield case, exercise.expected(case), found
        if found.kind == "TooLong":
            return


def drawn(exercise: Exercise, seed: Sequence[int]) -> dict:
    """A case that is one: the draw is repeated where `valid` says no."""
    rng = np.random.default_rng(seed)
    for _ in range(1000):
        case = exercise.draw(rng)
        if exercise.valid(case):
            return case
    raise RuntimeError(f"{exercise.name}: no case was drawn in 1000 tries")


def explained(exercise: Exercise, function: Callable, seen: list, place: str) -> Verdict:
    """The verdict on a function that is wrong: which mistake it is, and the smallest case that shows it."""
    wrong = [(case, expected, found) for case, expected, found in seen if not is_right(expected, found)]
    if all(not found.raised and (found.value is None or found.value is ...) for _, _, found in seen):
        cause = "it returns nothing; a function ends in return"
        return Verdict("wrong", heading(exercise, "wrong", place) + f"\n\nThe function returns {seen[0][2].value}. "
                       "Does it end in return?", (cause,))
    family, kin = largest_family(wrong)
    share = []
    for _, mistake in exercise.mistakes:
        told_alike = [alike(found, answer(exercise, mistake, case)) for case, _, found in kin[:60]]
        share.append(sum(told_alike) / len(told_alike))
    ranked = sorted(zip(share, exercise.mistakes), key=lambda one: -one[0])
    whole = [one for part, one in ranked if part == 1]
    sure = next((one for one in whole if all(alike(found, answer(exercise, one[1], case)) for case, _, found in seen)),
                None)
    named = sure or (ranked[0][1] if ranked[0][0] >= 0.5 and len(kin) >= 5 else None)
    if named:
        kin = [one for one in kin[:60] if alike(one[2], answer(exercise, named[1], one[0]))]
    relation = "" if sure else related(kin)
    if relation:
        named = None
    case = smaller(exercise, function, min(kin, key=lambda one: weight(one[0]))[0], family,
                   named[1] if named else None)
    found = answer(exercise, function, case)
    words, causes = [], [named[0]] if named else []
    if sure:
        words.append(f"The cause, it seems: {sure[0]}. In all {len(seen)} cases that were tried a "
                     "function with this mistake answers as yours does.")
    elif relation:
        causes = [relation]
        words.append(f"In every case of this kind {relation}.")
    elif named:
        words.append(f"One cause, it seems: {named[0]}. In {round(100 * ranked[0][0])} % of the cases that are wrong "
                     "in this way a function with this mistake answers as yours does; there may be another one, too.")
    else:
        causes = [sentence for part, (sentence, mistake) in ranked
                  if part > 0.2 and alike(found, answer(exercise, mistake, case))][:2]
        if causes:
            words.append("In this case, though not in most others, a function with this mistake answers as yours does: "
                         f"{'; or this: '.join(causes)}.")
    if found.changed:
        words.append(f"It writes into {' and '.join(found.changed)}, which the caller uses again, and perhaps your own "
                     "next line does, too: x.copy() makes another array, x = y does not.")
    words += in_common(exercise, seen)
    text = "\n\n".join([heading(exercise, "wrong", place), shown(exercise, case, found, exercise.expected(case)),
                        *map(paragraph, words), stepping(exercise, case, place)])
    return Verdict("wrong", text, tuple(causes), case)


def family_of(expected: Any, found: Answer) -> str:
    """In which way an answer is wrong."""
    if found.raised:
        return "raised"
    if distance(expected, found.value)[1]:
        return "shape"
    return "not finite" if has_nan(found.value) else "finite"


def largest_family(wrong: list) -> tuple[str, list]:
    """The way of being wrong that is explained first, and the cases of it.

    What raises or has another shape hides everything else; NaN comes last, since wrong numbers say more.
    """
    kin: dict[str, list] = {"raised": [], "shape": [], "finite": [], "not finite": []}
    for case, expected, found in wrong:
        kin[family_of(expected, found)].append((case, expected, found))
    for family, least in (("raised", len(wrong) / 2), ("shape", len(wrong) / 4), ("finite", min(3, len(wrong)))):
        if len(kin[family]) >= max(least, 1):
            return family, kin[family]
    return max(kin.items(), key=lambda one: len(one[1]))


def related(kin: list) -> str:
    """A sentence that says how all these answers follow from the right ones, or from an argument; else ""."""
    try:
        pairs = [(case, np.asarray(expected, dtype=float), np.asarray(found.value, dtype=float))
                 for case, expected, found in kin if isinstance(expected, (np.ndarray, float)) and not found.raised]
    except (TypeError, ValueError):             # these are no numbers
        return ""
    if len(pairs) < max(len(kin), 3):
        return ""

    def always(made: Callable) -> bool:
        """Whether made(case, expected) is the answer each time."""
        with np.errstate(all="ignore"):
            return all(distance(made(case, expected), came)[0] <= SAME for case, expected, came in pairs)
    if any(has_nan(came) for _, _, came in pairs):
        return ""
    if all((came == 0).all() for _, _, came in pairs) and any(expected.any() for _, expected, _ in pairs):
        return "your answer is 0"
    square = sum(float((expected ** 2).sum()) for _, expected, came in pairs if expected.shape == came.shape)
    if square and all(expected.shape == came.shape for _, expected, came in pairs):
        factor = sum(float((expected * came).sum()) for _, expected, came in pairs) / square
        if abs(factor) > SAME and always(lambda case, expected: factor * expected):
            return f"your answer is {number(factor)} times the right one"
        offset = float((pairs[0][2] - pairs[0][1]).mean())
        if always(lambda case, expected: expected + offset):
            return f"your answer is the right one plus {number(offset)}"
    ways = {"your answer is the right one with its axes turned round": lambda case, expected: expected.T,
            "your answer is the right one without its signs": lambda case, expected: abs(expected),
            "your answer is the right one, and negative entries are 0": lambda case, expected: expected.clip(0),
            "your answer for an image is the sum of the right ones of all": lambda case, expected: expected * 0 + (
                expected.sum(axis=0) if expected.ndim > 1 else np.nan)}
    for name in (name for name, value in pairs[0][0].items() if isinstance(value, (np.ndarray, float))):
        ways |= {f"your answer is {name} itself": lambda case, expected, name=name: case[name] + 0 * expected,
                 f"your answer is the right one times {name}": lambda case, expected, name=name: expected * case[name],
                 f"your answer times {name} would be right": None,
                 f"your answer is the right one plus {name}": lambda case, expected, name=name: expected + case[name],
                 f"your answer is the right one less {name}": lambda case, expected, name=name: expected - case[name]}
    for sentence, made in ways.items():
        try:
            if made is None:
                name = sentence.split()[3]
                if all(came.shape == expected.shape and distance(expected, came * case[name])[0] <= SAME
                       for case, expected, came in pairs):
                    return sentence
            elif always(made):
                return sentence
        except (ValueError, TypeError):         # the shapes do not go together
            continue
    return ""


def facets_of(exercise: Exercise, seen: list) -> tuple[dict[str, Callable], dict[str, Callable]]:
    """The facets that an exercise names, and plain ones of its numbers."""
    plain: dict[str, Callable] = {}
    for name, value in seen[0][0].items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            plain[f"with a negative number in {name}"] = lambda c, n=name: c[n] is not None and (c[n] < 0).any()
            plain[f"with a 0 in {name}"] = lambda c, n=name: c[n] is not None and (c[n] == 0).any()
            plain |= {f"where axis {axis} of {name} has more than one entry": lambda c, n=name, a=axis: (
                c[n] is not None and c[n].ndim > a and c[n].shape[a] > 1) for axis in range(value.ndim)}
        elif isinstance(value, (int, float)):
            plain |= {f"where {name} is not {number(v)}": lambda c, n=name, v=v: c[n] != v
                      for v in sorted({case[name] for case, *_ in seen})}
    return exercise.facets, plain


def in_common(exercise: Exercise, seen: list) -> list[str]:
    """What tells the cases that fail from the others: a facet that all of them have and others have not."""
    ok = [is_right(expected, found) for _, expected, found in seen]
    if not any(ok):
        return []
    own, plain = facets_of(exercise, seen)
    return tell_apart(own, seen, ok, 3) or tell_apart(plain, seen, ok, 12)


def tell_apart(facets: dict[str, Callable], seen: list, ok: list[bool], least: int) -> list[str]:
    """The narrowest facet outside of which all cases, and at least so many, are right."""
    found = []
    for name, facet in facets.items():
        has = [bool(facet(case)) for case, *_ in seen]
        without = [good for good, yes in zip(ok, has) if not yes]
        within = [good for good, yes in zip(ok, has) if yes]
        if len(without) >= least and all(without) and within.count(False) >= len(within) / 8:
            found.append((len(within), f"Of {len(within)} cases {name} {within.count(False)} are wrong; all "
                          f"{len(without)} others are right."))
    return [min(found)[1]] if found else []


# ----------------------------------------------------------------------------------------------------------- shrinking

def weight(case: dict) -> tuple[int, int]:
    """How many numbers there are to read in a case, and how many are not 0."""
    arrays = [np.asarray(v) for v in case.values() if isinstance(v, (np.ndarray, int, float))]
    return sum(a.size for a in arrays), sum(int(np.count_nonzero(a)) for a in arrays)


def smaller(exercise: Exercise, function: Callable, case: dict, family: str, keep: Callable | None) -> dict:
    """The smallest case that is reached by steps after each of which the function is still wrong in the same way."""
    until = time.thread_time() + SHRINKING

    def fails(one: dict) -> bool:
        try:
            if not exercise.valid(one):
                return False
            expected = exercise.expected(one)
        except Exception:
            return False
        found = answer(exercise, function, one)
        if is_right(expected, found) or family_of(expected, found) != family:
            return False
        return keep is None or alike(found, answer(exercise, keep, one))
    going = True
    while going and time.thread_time() < until:
        going = False
        for candidate in map(exercise.fit, candidates(exercise, case)):
            if time.thread_time() > until:
                break
            if fails(candidate):
                case, going = candidate, True
                break
    return case


def candidates(exercise: Exercise, case: dict) -> Iterator[dict]:
    """Cases that are a little simpler: fewer entries first, then nothing in place of a bias, then plainer numbers."""
    sizes: dict[str, int] = {}
    axes = exercise.axes(case) if callable(exercise.axes) else exercise.axes
    for name, letters in axes.items():
        if isinstance(case[name], np.ndarray):
            sizes.update({letter: n for letter, n in zip(letters.split(), case[name].shape) if letter != "."})
    for letter, size in sizes.items():
        for index in reversed(range(size if size > 1 else 0)):
            yield {name: np.delete(value, index, axes[name].split().index(letter))
                   if isinstance(value, np.ndarray) and letter in axes.get(name, "").split() else value
                   for name, value in case.items()}
    for name in exercise.optional:
        if case[name] is not None:
            yield {**case, name: None}
    for name, values in exercise.plain.items():
        for value in itertools.takewhile(lambda v, name=name: v != case[name], values):
            yield {**case, name: value}
    for name, value in case.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            for index in np.ndindex(*value.shape):
                for plain in itertools.takewhile(lambda v, value=value, index=index: v != value[index], SIMPLE):
                    other = value.copy()
                    other[index] = plain
                    yield {**case, name: other}


# ------------------------------------------------------------------------------------------------------------- message

def heading(exercise: Exercise, state: str, place: str) -> str:
    where = f"\n{place}" if place else ""
    return (f"{exercise.name} (lesson {exercise.lesson}): {state}{where}\n\n"
            + textwrap.indent(textwrap.dedent(exercise.formula).strip("\n"), "    "))


def shown(exercise: Exercise, case: dict, found: Answer, expected: Any) -> str:
    """The numbers of a case, both answers, and the arithmetic that leads to the right one."""
    lines = [line for name, value in case.items() for line in named(name, value)]
    parts = ["The smallest case that was found:\n\n" + "\n".join(lines)]
    if expected is not None:
        both = named("expected", expected) + (named("actual", found.value) if not found.raised else [])
        parts.append("\n".join(both))
        _, note = (0, "") if found.raised else distance(expected, found.value)
        parts += [note] if note else []
        steps: list[str] = []
        exercise.expected(case, steps.append)
        if steps:
            more = [f"... and {len(steps) - STEPS} lines like these"] if len(steps) > STEPS else []
            parts.append("By hand:\n\n" + textwrap.indent("\n".join([*steps[:STEPS], *more]), "    "))
    if found.raised:
        parts.append(paragraph(f"It raised {found.raised}"))
    elif expected is not None and has_nan(found.value):
        parts.append("NaN or infinity comes of a division by 0, of 0 times infinity, or of exp of a large number.")
    if found.printed:
        printed = found.printed.rstrip().splitlines()
        parts.append("It printed:\n\n" + textwrap.indent("\n".join(printed[:12]), "    "))
    return "\n\n".join(parts)


def has_nan(value: Any) -> bool:
    try:
        values = value if isinstance(value, (tuple, list)) else [value]
        return any(not np.isfinite(np.asarray(v, dtype=float)).all() for v in values)
    except (TypeError, ValueError):
        return False


def stepping(exercise: Exercise, case: dict, place: str) -> str:
    """Lines to paste below the function, so that one can step into it with these numbers."""
    lines = ["import numpy as np"]
    lines += [f"{name} = {code(value)}" for name, value in case.items() if name != exercise.name]
    lines += exercise.setup.strip().splitlines()
    arguments = (exercise.arguments or ", ".join(case)).split(", ")         # a knob may have the function's name
    given = ", ".join(code(case[name]) if name == exercise.name else name for name in arguments)
    lines.append(f"print({exercise.name}({given}))")
    where = f"at {place}" if place else "in the function"
    return paragraph(f"To step through it: put these lines below the function, set a breakpoint {where}, press F5, and "
                     "F11 for each step into a call:") + "\n\n" + textwrap.indent("\n".join(lines), "    ")


def code(value: Any) -> str:
    return f"np.array({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)


def named(name: str, value: Any) -> list[str]:
    """Lines that show a value by its name."""
    if isinstance(value, (tuple, list)):
        return [line for i, one in enumerate(value) for line in named(f"{name}[{i}]", one)] or [f"    {name:10} empty"]
    if isinstance(value, np.ndarray) and value.ndim > 2 and value.size:     # matrix by matrix
        kernel = name in ("W", "dW")
        outer = {3: (0,), 4: (2, 3) if kernel else (0, 3)}.get(value.ndim, tuple(range(value.ndim - 2)))
        lines = []
        for index in itertools.islice(np.ndindex(*(value.shape[axis] for axis in outer)), MATRICES):
            place: list = [slice(None)] * value.ndim
            for axis, at in zip(outer, index):
                place[axis] = at
            words = ", ".join(":" if isinstance(at, slice) else str(at) for at in place)
            lines += named(f"{name}[{words}]", value[tuple(place)])
        more = math.prod(value.shape[axis] for axis in outer) - MATRICES
        return lines + ([f"    ... and {more} matrices more"] if more > 0 else [])
    if isinstance(value, (np.ndarray, np.generic)):
        text = np.array2string(np.asarray(value), separator=", ", formatter={"float_kind": number}, threshold=60,
                               max_line_width=90)
    else:
        text = number(value) if isinstance(value, float) else getattr(value, "__name__", repr(value))
    width = 21 if "[" in name else 10
    return [f"    {name if i == 0 else '':{width}} {row}" for i, row in enumerate(text.split("\n"))]


def paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False))


# --------------------------------------------------------------------------- what the judges say and draw with

def number(value: Any) -> str:
    """Five digits, and no ".0"."""
    return f"{float(value) + 0.0:.5g}"


def times(a: Any, b: Any) -> str:
    return f"{number(a)}*{number(b)}" if float(b) >= 0 else f"{number(a)}*({number(b)})"


def plus(parts: Sequence[Any], *more: Any) -> str:
    """ "2 + 3 - 1" of numbers, or of texts; None is left out."""
    text = ""
    for part in (*parts, *more):
        if part is None:
            continue
        part = part if isinstance(part, str) else number(part)
        text += part if not text else f" - {part[1:]}" if part.startswith("-") else f" + {part}"
    return text or "0"


def dot(a: Any, b: Any, *more: Any) -> str:
    """ "1*2 + 3*(-1)": a sum of products."""
    return plus([times(i, j) for i, j in zip(a, b)], *more)


def some(rng: np.random.Generator, *shape: int, low: float | None = None) -> np.ndarray:
    """An array from the grid; low=0 for inputs that are not negative."""
    values = [v for v in GRID if low is None or v >= low]
    return rng.choice(np.array(values, dtype=float), shape)


def maybe(rng: np.random.Generator, array: np.ndarray, share: float = 0.6) -> np.ndarray | None:
    """The array, or None: a layer without bias."""
    return array if rng.random() < share else None


def size(rng: np.random.Generator, most: int = 3) -> int:
    return int(rng.integers(1, most + 1))
