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

Exit status: 0; 1 if a picture could not be read or explained (it is named, the others are still done); 2 if the run
cannot go on: a wrong call, a folder that cannot be written, a full disk; 130 after Ctrl-C. Results that are done stay.
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
from collections.abc import Callable, Iterable
from typing import NoReturn

import numpy as np

import minixnn
from minixnn import datasets, models, plot
from minixnn.cli import results
from minixnn.cli.check import check
from minixnn.cli.errors import CannotGoOn, say, sentence, visible
from minixnn.cli.explain import explain
from minixnn.cli.expected import of_unit_pixels, open_model
from minixnn.cli.images import MOST_PIXELS
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
BATCH = "images at a time; default: what suits the network"


class Parser(argparse.ArgumentParser):
    """A wrong call is an error like all others: a sentence, and status 2."""

    def parse_known_args(self, args: Iterable[str] | None = None,       # type: ignore[override]  # has overloads
                         namespace: Namespace | None = None) -> tuple[Namespace, list[str]]:
        """As argparse has it, but each command refuses itself what it does not know, since it can say what it does."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"got {' '.join(unknown)}, which is not known here{self.instead_of(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice and "COMMAND" in message:
            message = f"got the command {choice[1]}, expected one of {', '.join(COMMANDS)}{meant_by(choice[1])}"
        elif choice:
            message += meant(choice[1], re.findall(r"[a-z_]+", choice[2]))
        elif "required: IMAGE" in message:
            message += f", such as {self.prog} photo.jpg"
        elif "required: COMMAND" in message:
            message = "got no command; to explain a photograph: minixnn explain photo.jpg"
        raise ValueError(f"{message}; see: {self.prog} --help")

    def instead_of(self, words: list[str]) -> str:
        """What to write in place of words that no option takes."""
        first = words[0].partition("=")[0]
        if first.removeprefix("--") in OPTIONS:
            value = words[1] if len(words) > 1 else "..."
            return f"; options of a method are set so: --set {first.removeprefix('--')}={value}"
        if first.startswith("-"):
            return meant(first, sorted(self._option_string_actions))
        if all(re.fullmatch(r"-?[\d.]+", word) for word in words):
            return "; several numbers are written with commas, such as 0.485,0.456,0.406"
        return "; this command takes one file at most" if os.path.exists(first) else ""


def meant_by(word: str) -> str:
    """What a command that does not exist may have meant."""
    if os.path.exists(word):
        return f"; to explain {word}: minixnn explain {shlex.quote(word)} -o out"
    if word in INSTEAD:
        return f"; did you mean minixnn {INSTEAD[word]}?"
    return meant(word, COMMANDS)


def main(arguments: list[str] | None = None) -> int:
    """Run one command, and print what it has to say.

    Parameters
    ----------
    arguments : the words behind `minixnn`; None for those of the process.

    Returns
    -------
    The exit status: 0; 1 if a picture could not be read or explained; 2 if the run cannot go on; 130 after Ctrl-C.

    Raises
    ------
    SystemExit : after --help and --version, which print and end the process.
    """
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
    """The system asked the process to end, which it does as after Ctrl-C, so that no half-written file stays."""


def stop_when_told() -> None:
    """Make SIGTERM an exception; only the first thread may do that."""
    def stop(number: int, frame: object) -> NoReturn:
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def failed(words: str, error: BaseException, status: int) -> int:
    """Say what happened, and how far the run came."""
    words = "; ".join(filter(None, (words, getattr(error, "state", ""))))
    if words:
        print(f"minixnn: {visible(words)}", file=sys.stderr)
    return status


def note(message: Warning | str, *rest: object, **more: object) -> None:
    print(f"minixnn: note: {visible(' '.join(str(message).split()))}", file=sys.stderr)


def parser() -> Parser:
    """The whole command line."""
    found = Parser(prog="minixnn", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("-V", "--version", action="version", version=f"minixnn {minixnn.__version__}")
    commands = found.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: Callable, what: str, more: str = "") -> Callable:
        made = commands.add_parser(name, help=what, description=what + more)
        made.set_defaults(run=run, batch_size=None, workers=-1)
        return made.add_argument

    add = command("explain", explain, "heatmaps of pictures")
    add_inputs(add)
    add("--method", help="see: minixnn methods; default: lrp_epsilon_plus; for photographs lrp_by_depth, for "
        "transformers attn_lrp, for bytes and tokens lrp_epsilon")
    add("-o", "--out", type=path, default="out", help="folder for the results; default: out")
    add("--resume", action="store_true", help="leave out what has a result of the same call already")
    add("--no-figures", action="store_false", dest="figures", help="write numbers only, no pictures")
    add("--quick", action="store_true", help="for a photograph one map, without the one for the class rather than the "
        "runner-up and without the controls beside them: for big folders")
    add("--details", action="store_true", help="print the logit, the sum of the relevance, and what biases and "
        "stabilisers withhold, too")
    add("--color", choices=("auto", "always", "never"), default="auto",
        help="whether the text of files is shown in the terminal, in colours")
    add("--workers", type=workers, default=-1, metavar="N", help="batches at a time; default: one per core")
    add("--batch-size", type=positive, metavar="N", help=BATCH)
    add = command("ledger", show_ledger, "where relevance goes")
    add_inputs(add)
    add("--rule", default="epsilon", help=", ".join(RULES))
    add("--batch-size", type=positive, metavar="N", help=BATCH)
    add = command("step", step, "a web page to step through the lines of a method, forwards and backwards")
    add_inputs(add, count=1)
    add("--method", action="append", help="see: minixnn methods; several methods of relevance may be given, among "
        "which the page switches; default: lrp_epsilon")
    add("--layer", type=layer, metavar="N", help="step into the rule of this layer only, by the number that "
        "net.describe() gives it; default: of all layers")
    add("-o", "--out", type=path, default="walk.html", metavar="PAGE",
        help="the file to write, a .html; default: walk.html")
    add = command("microscope", show_microscope, "a web page that shows how relevance moves through a network")
    add("--model", action="append", help=f"{MODEL}, for pictures of 28 x 28 pixels; may be given several times; "
        "default: cnn and dense")
    add("-o", "--out", type=path, default="microscope.html", help="the file to write")
    add = command("check", check, "are all layers, gradients and sums of a network right?",
                  " Prints a table; status 1 where one is not.")
    add("model", help=f"{MODEL}, which is also compared with onnxruntime where that is installed")
    add("images", nargs="*", metavar="IMAGE", help="pictures, or a folder of them; default: noise")
    add("--target", type=int, help="class to explain; default: the largest output")
    add("--size", type=size, metavar="HxW", help="size of the pictures; default: as the network asks")
    add("--invert", action="store_true", help="dark ink on white paper, for the digit networks")
    for add in (command("methods", show_methods, "the names that --method takes"),
                command("models", show_models, "the shipped networks")):
        add("names", nargs="*", metavar="NAME", help="print more about these; default: a line for each")
    return found


def add_inputs(add: Callable, count: int | str = "+") -> None:
    """What says which network is explained, on which inputs."""
    add("images", nargs=count, type=named, metavar="IMAGE", help="picture, .npy, or a folder of them; a .npy (images, "
        "height, width, channels) is explained as a whole; .csv for networks that take rows of numbers; any file for "
        "magika; for networks that take tokens a .txt or .npy of them, or a list such as \"101, 7592, 102\"")
    add("--model", type=named, help=f"{MODEL}; default: efficientnet_lite0, for photographs")
    add("--target", metavar="NAME", help="label or number of the class (or channel) to explain; default: the largest "
        "output")
    add("--versus", metavar="NAME", help="explain what speaks for the target rather than for this output")
    add("--box", metavar="T,L,B,R", type=box, help="of a network whose outputs are images explain those in this box: "
        "top, left, bottom, right, in pixels of its input")
    add("--place", metavar="N", type=place, help="of a network whose outputs are a sequence, such as the queries of a "
        "detector or the places of a text, explain those at this place: a number from 0; negative ones count from the "
        "end, -1 being the last")
    add("--vocabulary", metavar="FILE", help="the names of tokens, for a network that takes whole numbers: a text file "
        "with a name per line, vocab.json or tokenizer.json")
    add("--size", type=size, metavar="HxW", help="resize pictures to this; default: as the network asks")
    add("--fit", choices=("crop", "squash"), help="pictures of other proportions are cut in their middle, or squashed; "
        "default: as the network's card says, else squashed")
    add("--header", action="store_true", help="the first line of a table names its columns, even if the names are "
        "numbers")
    add("--invert", action="store_true", help="dark ink on white paper, for the digit networks")
    add("--mean", type=numbers, metavar="M", help="what the network's training subtracted from pixels in [0, 1]: a "
        "number, or one per channel, such as 0.485,0.456,0.406")
    add("--std", type=above_0, metavar="S", help="what the training divided them by afterwards")
    add("--labels", metavar="FILE", help="a text file with the name of each output, one per line")
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="options", help="an option of the method or "
        "rule, such as steps=100 or epsilon=0.1; see: minixnn methods")


def named(text: str) -> str:
    """A name that is not empty: a variable of the shell that is not set, say, would mean this folder."""
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected that of a file or a folder; \".\" is this one")
    return text


def path(text: str) -> pathlib.Path:
    return pathlib.Path(named(text))


def like(pattern: str, expected: str, make: Callable = int) -> Callable:
    """The type of an option whose text has to fit a pattern."""
    def read(text):
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"got {text}, expected {expected}")
        return make(text)
    return read


box = like(r"(\s*\d+\s*,){3}\s*\d+\s*", "top, left, bottom and right such as 10,20,60,80",
           lambda text: tuple(map(int, text.split(","))))
place = like(r"-?\d+", "a whole number, the place in the sequence of outputs")
layer = like(r"\d+", "the number of a layer, from 0")
size_of = like(r"0*[1-9]\d*[xX]0*[1-9]\d*", "height and width such as 224x224",
               lambda text: tuple(map(int, text.lower().split("x"))))
positive = like(r"0*[1-9]\d*", "a positive whole number")
workers = like(r"-1|0*[1-9]\d*", "a positive whole number")


def size(text: str) -> tuple[int, ...]:
    height, width = found = size_of(text)
    if height * width > MOST_PIXELS:
        raise argparse.ArgumentTypeError(f"got {text}, expected at most {MOST_PIXELS} pixels, 4096x4096")
    return found


def numbers(text: str) -> np.ndarray:
    """"0.485,0.456,0.406" as an array: one number for all channels, or one for each."""
    try:
        found = np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError:
        found = np.full(1, np.nan)
    if not np.isfinite(found).all():
        raise argparse.ArgumentTypeError(f"got {text}, expected a finite number, or one per channel such as "
                                         "0.485,0.456,0.406")
    return found


def above_0(text: str) -> np.ndarray:
    found = numbers(text)
    if (found <= 0).any():
        raise argparse.ArgumentTypeError(f"got {text}, expected numbers above 0")
    return found


def show_microscope(asked: Namespace) -> int:
    """`minixnn microscope`: one HTML file that needs no internet, with ten test digits to begin with."""
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
    results.save(asked.out, plot.microscope(nets, images[ten]))
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
