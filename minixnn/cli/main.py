"""The command line: explain pictures with a network, without writing a script.

    minixnn explain photo.jpg -o out
    minixnn explain photo.jpg --target "tiger cat" --versus tabby -o out
    minixnn explain script.py --model magika -o out
    minixnn explain "101, 7592, 2088, 102" --model text.onnx --vocabulary vocab.txt -o out
    minixnn explain five.png --model cnn --method lrp_epsilon_plus -o out
    minixnn explain photos/ --model net.onnx --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --target 281 -o out
    minixnn explain table.csv --model net.npz --target yes --versus no -o out
    minixnn ledger five.png --model dense --rule epsilon --set epsilon=0.1
    minixnn step five.png --model cnn --target 5 --method lrp_epsilon --method lrp_gamma -o walk.html
    minixnn microscope -o microscope.html
    minixnn check net.onnx photos/
    minixnn methods
    minixnn models

Exit status: 0; 1 if a picture could not be read or explained (it is named, the others are still done); 2 if nothing
can go on: a wrong call, a folder that cannot be written, a full disk; 130 after Ctrl-C. Results that are done stay.
"""
from __future__ import annotations

import argparse
import inspect
import os
import pathlib
import re
import shlex
import signal
import sys
import threading
import warnings
from argparse import Namespace
from typing import Any, NoReturn

import numpy as np

import minixnn
from minixnn import datasets, models, plot
from minixnn.cli import check, results
from minixnn.cli.errors import CannotGoOn, say, sentence, visible
from minixnn.cli.explain import explain
from minixnn.cli.expected import of_unit_pixels, open_model
from minixnn.cli.ledger import show_ledger
from minixnn.cli.methods import METHODS, OPTIONS, RULES, described, key_of, options, rules_of
from minixnn.cli.step import step
from minixnn.spelling import meant

COMMANDS = ("explain", "ledger", "step", "microscope", "check", "methods", "models")
INSTEAD = {"help": "--help", "version": "--version", "list": "models", "networks": "models", "rules": "methods",
           **dict.fromkeys(("run", "predict", "classify", "show", "draw", "heatmap", "heatmaps", "attribute", "map"),
                           "explain photo.jpg")}
OTHERS = {"efficientnet_lite0": "1,000 kinds of things on photographs", "magika": "214 types of files"}
MODEL = "a shipped network, or a .npz or .onnx file"


class Parser(argparse.ArgumentParser):
    """A wrong call is an error like all others: a sentence, and status 2."""

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        unknown = re.search(r"unrecognized arguments: (.*)", message)
        if choice and "COMMAND" in message:
            message = f"got the command {choice[1]}, expected one of {', '.join(COMMANDS)}" + led_on(choice[1])
        elif choice:
            message += meant(choice[1], re.findall(r"[a-z_]+", choice[2]))
        elif unknown:
            message = f"got {unknown[1]}, which is not known here" + self.instead_of(unknown[1].split())
        elif "required: IMAGE" in message:
            message += f", such as {self.prog} photo.jpg"
        elif "required: COMMAND" in message:
            message = "got no command; to explain a photograph: minixnn explain photo.jpg"
        raise ValueError(f"{message}; see: {self.prog} --help")

    def instead_of(self, words: list[str]) -> str:
        """What to write in place of words that no option takes."""
        first = words[0].partition("=")[0]
        known = [name for action in self.words_of(first) for name in action.option_strings]
        if first.removeprefix("--") in OPTIONS:
            value = words[1] if len(words) > 1 else "..."
            return f"; options of a method are set so: --set {first.removeprefix('--')}={value}"
        if first.startswith("-"):
            return meant(first, sorted(known))
        if all(re.fullmatch(r"-?[\d.]+", word) for word in words):
            return "; several numbers are written with commas, such as 0.485,0.456,0.406"
        return "; this command takes one file at most" if os.path.exists(first) else ""

    def words_of(self, unknown: str) -> list[argparse.Action]:
        """The options of the command that was called, without the one that is not known there."""
        called = [one for one in parsers() if one.prog.split()[-1] in sys.argv[1:2]] or parsers()
        return [action for one in called for action in one._actions if unknown not in action.option_strings]


def led_on(word: str) -> str:
    """What is likely to be meant by a command that there is not."""
    if os.path.exists(word):
        return f"; to explain {word}: minixnn explain {shlex.quote(word)} -o out"
    if word in INSTEAD:
        return f"; did you mean minixnn {INSTEAD[word]}?"
    return meant(word, COMMANDS)


def parsers() -> list[Any]:
    """The parsers of all commands."""
    return [one for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
            for one in action.choices.values()]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        stop_when_told()
        asked = parser().parse_args(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = note
            status = asked.run(asked)
        sys.stdout.flush()
        return status
    except BrokenPipeError as error:                    # such as `minixnn methods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failed("", error, 141)
    except KeyboardInterrupt as error:
        return failed("stopped", error, 143 if isinstance(error, Terminated) else 130)
    except (CannotGoOn, ImportError, OSError, ValueError, TypeError, ArithmeticError, MemoryError,
            NotImplementedError) as error:
        return failed(sentence(error), error, 2)


class Terminated(KeyboardInterrupt):
    """The system asked the process to end: it does as after Ctrl-C, so that no half-written file stays."""


def stop_when_told() -> None:
    """Make SIGTERM an exception, where signals can be had: in the first thread."""
    def stop(number: int, frame: Any) -> NoReturn:
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def failed(words: str, error: Any, status: int) -> int:
    """Say what happened, and how far the run came."""
    words = "; ".join(filter(None, (words, getattr(error, "state", ""))))
    if words:
        print(f"minixnn: {visible(words)}", file=sys.stderr)
    return status


def note(message: Any, *rest: Any, **more: Any) -> None:
    print(f"minixnn: note: {visible(' '.join(str(message).split()))}", file=sys.stderr)


def parser() -> Parser:
    found = Parser(prog="minixnn", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("-V", "--version", action="version", version=f"minixnn {minixnn.__version__}")
    commands = found.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for name, run, what in (("explain", explain, "heatmaps of pictures"),
                            ("ledger", show_ledger, "where relevance goes")):
        command = commands.add_parser(name, help=what, description=what)
        command.set_defaults(run=run)
        add_inputs(command)
        (add_explaining if run is explain else add_rule)(command)
    what = "a web page to step through the lines of a method, forwards and backwards"
    command = commands.add_parser("step", help=what, description=what)
    command.set_defaults(run=step)
    add_inputs(command, many=False)
    add_walk(command)
    command = commands.add_parser("microscope", help="a web page to watch relevance in")
    command.set_defaults(run=show_microscope)
    command.add_argument("--model", action="append", help=f"{MODEL}, for pictures of 28 x 28 pixels; may be given "
                         "several times; default: cnn and dense")
    command.add_argument("-o", "--out", type=path, default=pathlib.Path("microscope.html"),
                         help="the file to write")
    check.add_to(commands)
    for name, run, what in (("methods", show_methods, "the names that --method takes"),
                            ("models", show_models, "the shipped networks")):
        command = commands.add_parser(name, help=what)
        command.add_argument("names", nargs="*", metavar="NAME", help="tell more of these; default: a line for each")
        command.set_defaults(run=run)
    return found


def add_inputs(command: Parser, many: bool = True) -> None:
    command.add_argument("images", nargs="+" if many else 1, type=named, metavar="IMAGE",
                         help="picture, .npy, or a folder of them; a .npy (images, height, width, channels) is "
                         "explained as a whole; .csv for networks that take rows of numbers; any file for magika; "
                         "for networks that take tokens a .txt or .npy of them, or a list such as \"101, 7592, 102\"")
    command.add_argument("--model", type=named, help=f"{MODEL}; default: efficientnet_lite0, for photographs")
    command.add_argument("--target", metavar="NAME", help="label or number of the class (or channel) to explain; "
                         "default: the largest output")
    command.add_argument("--versus", metavar="NAME", help="what speaks for the target rather than for this output")
    command.add_argument("--box", metavar="T,L,B,R", type=box, help="of a network whose outputs are images explain "
                         "those in this box: top, left, bottom, right, in pixels of its input")
    command.add_argument("--place", metavar="N", type=place, help="of a network whose outputs are a sequence, such as "
                         "the queries of a detector or the places of a text, explain those at this place: a number "
                         "from 0, or from -1, the last, backwards")
    command.add_argument("--vocabulary", metavar="FILE", help="the names of tokens, for a network that takes whole "
                         "numbers: a text file with a name a line, vocab.json or tokenizer.json")
    command.add_argument("--size", metavar="HxW", help="resize pictures to this; default: as the network asks")
    command.add_argument("--fit", choices=("crop", "squash"), help="pictures of other proportions are cut in their "
                         "middle, or squashed; default: as the network's card says, else squashed")
    command.add_argument("--header", action="store_true", help="the first line of a table names its columns, though "
                         "by numbers")
    command.add_argument("--invert", action="store_true", help="dark ink on white paper, for the digit networks")
    command.add_argument("--mean", metavar="M", help="what the network's training subtracted from pixels in [0, 1]: "
                         "a number, or one per channel, such as 0.485,0.456,0.406")
    command.add_argument("--std", metavar="S", help="what it divided them by, then")
    command.add_argument("--labels", metavar="FILE", help="a text file with the name of each output, one per line")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="options",
                         help="an option of the method or rule, such as steps=100 or epsilon=0.1; see: minixnn methods")
    if many:
        command.add_argument("--batch-size", type=positive, metavar="N", help="images at a time; default: what suits "
                             "the network")


def add_explaining(command: Parser) -> None:
    command.add_argument("--method", help="see: minixnn methods; default: lrp_epsilon_plus; of photographs "
                         "lrp_by_depth, of transformers attn_lrp, of bytes and tokens lrp_epsilon")
    command.add_argument("-o", "--out", type=path, default=pathlib.Path("out"), help="folder for the results; "
                         "default: out")
    command.add_argument("--resume", action="store_true", help="leave out what has a result of the same call already")
    command.add_argument("--no-figures", action="store_false", dest="figures", help="numbers only, no pictures")
    command.add_argument("--quick", action="store_true", help="of a photograph one map, without the one for the class "
                         "rather than the runner-up and without the controls beside them: for big folders")
    command.add_argument("--details", action="store_true", help="tell the logit, too, the sum of the relevance, and "
                         "what biases and stabilisers withhold")
    command.add_argument("--color", choices=("auto", "always", "never"), default="auto",
                         help="whether the text of files is shown in the terminal, in colours")
    command.add_argument("--workers", type=workers, default=-1, metavar="N",
                         help="batches at a time; default: all cores")


def add_walk(command: Parser) -> None:
    command.add_argument("--method", action="append", help="see: minixnn methods; of methods of relevance several may "
                         "be given, among which the page switches; default: lrp_epsilon")
    command.add_argument("--layer", type=whole, metavar="N", help="step into the rule of this layer only, by the "
                         "number that net.describe() gives it; default: of all layers")
    command.add_argument("-o", "--out", type=path, default=pathlib.Path("walk.html"), metavar="PAGE",
                         help="the file to write, a .html; default: walk.html")
    command.set_defaults(batch_size=None, workers=1)


def add_rule(command: Parser) -> None:
    command.add_argument("--rule", default="epsilon", help=", ".join(RULES))


def named(text: str) -> str:
    """A name; none, from a variable of the shell that is not set, say, would mean the folder in which one is."""
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected that of a file or a folder; \".\" is this one")
    return text


def path(text: str) -> pathlib.Path:
    return pathlib.Path(named(text))


def box(text: str) -> tuple[int, ...]:
    edges = text.split(",")
    if len(edges) != 4 or not all(edge.strip().isdecimal() for edge in edges):
        raise argparse.ArgumentTypeError(f"got {text}, expected top, left, bottom and right such as 10,20,60,80")
    return tuple(map(int, edges))


def place(text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise argparse.ArgumentTypeError(f"got {text}, expected a whole number, the place in the sequence of outputs")
    return int(text)


def positive(text: str) -> Any:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"got {text}, expected a positive whole number")
    return int(text)


def whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text}, expected the number of a layer, from 0")
    return int(text)


def workers(text: Any) -> Any:
    return -1 if text == "-1" else positive(text)


def show_microscope(asked: Any) -> Any:
    """`minixnn microscope`: one HTML file that needs no network, with ten test digits to begin with."""
    images, labels = datasets.mnist("test")
    ten = [int((labels == digit).argmax()) for digit in range(10)]
    nets = {pathlib.Path(name).stem: of_unit_pixels(open_model(name)) for name in asked.model or ("cnn", "dense")}
    for name, net in nets.items():
        shape = net.card.input_shape or (28, 28, 1)
        if len(shape) == 3 and shape[2] != 1 or None not in shape and np.prod(shape) != 28 * 28:
            raise CannotGoOn(f"{name} takes {' x '.join(map(str, shape))} numbers, but the page is for networks of "
                             "grey drawings of 28 x 28 pixels, such as cnn and dense; for others see: minixnn explain")
    if asked.out.is_dir():
        raise CannotGoOn(f"-o names the folder {asked.out}, expected the file to write, such as "
                         f"{asked.out / 'microscope.html'}")
    results.save_text(asked.out, plot.microscope(nets, images[ten]))
    say(f"{asked.out}: open it in a browser")
    return 0


def show_methods(asked: Namespace) -> int:
    """`minixnn methods`: name, what it is, and what --set can change; of those that are named, all that is known."""
    for text in asked.names:
        name = key_of(METHODS, text, "NAME")
        print(f"{name}: {described(name)}\n\n{inspect.getdoc(rules_of(METHODS[name]) or METHODS[name])}\n")
    if asked.names:
        return 0
    print("--method NAME                what it is [what --set can change, and its default]")
    for name, method in METHODS.items():
        known = ", ".join(f"{key}={value}" for key, value in options(method).items())
        print(f"{name:<28} {described(name)}" + (f" [{known}]" if known else ""))
    return 0


def show_models(asked: Namespace) -> int:
    """`minixnn models`: name and accuracy on unseen images; of those that are named, their layers."""
    for name in asked.names:
        print(open_model(name).describe())
    for name in () if asked.names else models.names():
        try:
            known = models.record(name)
            print(f"{name:<18} {known['accuracy']:.2%} of {known['test_images']} test images")
        except KeyError:
            print(f"{name:<18} {OTHERS.get(name, '')}".rstrip())
    return 0
