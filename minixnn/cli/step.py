"""`minixnn step`: one run of a method, recorded line by line, as a web page to step through."""
from __future__ import annotations

import pathlib
from argparse import Namespace
from collections.abc import Callable
from functools import partial

from minixnn import plot
from minixnn.arrays import Array
from minixnn.attribution import NAMES
from minixnn.cli.errors import CannotGoOn, say
from minixnn.cli.expected import usual_method
from minixnn.cli.methods import METHODS, chosen, explanation, key_of, options, outputs, rules_of, settings_of
from minixnn.cli.reading import Reader
from minixnn.network import Network
from minixnn.plot.steps import METHODS as PASSES
from minixnn.rules import lrp

# Methods that are one pass and a line more, and that pass
MADE_OF = {"sensitivity": "gradient", "saliency": "gradient", "gradient_times_input": "gradient"}


def step(asked: Namespace) -> int:
    """Write the page; returns the exit status."""
    asked.out = page_file(asked.out)
    reader = Reader(asked)
    x, net, path = one_input(reader)
    names = list(dict.fromkeys(key_of(METHODS, name, "--method") for name in asked.method or [usual_walk(net)]))
    several = [chosen(METHODS, name, "method", settings_for(name, names, asked.options)) for name in names]
    if len(names) > 1 and None in map(rules_of, several):
        raise ValueError(f"got --method {' and '.join(names)}, expected methods of relevance alone, such as "
                         "lrp_epsilon and lrp_gamma, among which the page can switch")
    asked.method = names[0]
    y = outputs(net.forward(x))
    found = explanation(asked, several[0], net.card, y)
    walk, given = pass_of(names[0], several[0])
    rules = {shown(name, method): rule for name, method in zip(names, several) if (rule := rules_of(method))}
    if walk.startswith("deeplift"):
        given["x_ref"] = x * 0                      # as attribution.deeplift has it where no reference is given
    if (start := found.start(y, x)) is not None:
        given["start"] = start
    label = net.card.label(int(not found.opposite) if found.binary else int(found.targets(y, x)[0]))
    title = f"{NAMES[names[0]] if len(names) == 1 else 'LRP'} of {path.name}, step by step: {label}"
    try:
        plot.steps(net, x, found.targets(y, x), rules or lrp.epsilon, asked.out, method=walk, layer=asked.layer,
                   title=title, **given)
    except ValueError as error:
        raise ValueError(str(error).replace("layer=", "--layer ")) from error
    say(f"{asked.out}: open it in a browser")
    return reader.status


def page_file(path: pathlib.Path) -> pathlib.Path:
    """The file to write, with an ending that a browser knows; refused before anything is computed."""
    if path.is_dir() or not path.parent.is_dir():
        raise CannotGoOn(f"-o names the folder {path}, expected the file to write, such as {path / 'walk.html'}"
                         if path.is_dir() else f"cannot write {path}: there is no folder {path.parent}")
    return path if path.suffix else path.with_suffix(".html")


def usual_walk(net: Network) -> str:
    """As `minixnn explain` has it; but one rule for all layers where it would take a rule for each kind."""
    usual = usual_method(net)
    return "lrp_epsilon" if usual == "lrp_epsilon_plus" else usual


def one_input(reader: Reader) -> tuple[Array, Network, pathlib.Path]:
    """(x, network, path) of the one input that is asked for; x with an axis of images of length 1."""
    files = reader.find()
    if len(files) != 1:
        raise CannotGoOn(f"got {len(files)} files, expected one: a walk is through the explanation of one input")
    item = reader.read(files[0])
    if item is None:
        raise CannotGoOn("the file could not be read")
    count = sum(map(len, item.inputs))
    if item.note or count > 1:
        say(f"{item.path}: " + ", ".join(filter(None, (item.note, f"the first of {count}" if count > 1 else ""))))
    return item.x[:1], item.net, item.path


def pass_of(name: str, method: Callable) -> tuple[str, dict[str, object]]:
    """The pass that a method of `attribution` runs, and the options that were set for it."""
    function = getattr(method, "func", method)
    if rules_of(method) is not None:
        return "lrp", {}
    walk = MADE_OF.get(function.__name__, function.__name__)
    if walk not in PASSES:
        raise ValueError(f"got --method {name}, which is made of many runs or of other steps; a walk is through one "
                         f"pass, so expected one of {', '.join(walkable())}")
    if walk != function.__name__:
        say(f"note: {name} is made of the pass {walk}, which is what the page walks through")
    given = {**options(method), **getattr(method, "keywords", {})} if walk == "deep_taylor" else {}
    return walk, given


def walkable() -> list[str]:
    """The methods with a pass to walk through."""
    return [name for name, method in METHODS.items() if rules_of(method) is not None
            or MADE_OF.get(method.__name__, method.__name__) in PASSES]


def settings_for(name: str, names: list[str], settings: list[str]) -> list[str]:
    """The settings meant for a method: of several, each takes what it has. What none has stays, to be refused."""
    known = {each: options(METHODS[each]) if each in METHODS else {} for each in names}
    keys = {setting: setting.partition("=")[0] for setting in settings}
    return [each for each in settings if keys[each] in known[name] or all(keys[each] not in own for own in
                                                                          known.values())]


def shown(name: str, method: Callable | partial) -> str:
    """What a walk is called on the page."""
    told = settings_of(method) if isinstance(method, partial) and METHODS[name] is not method else ""
    return f"{NAMES[name]} ({told})" if told else NAMES[name]
