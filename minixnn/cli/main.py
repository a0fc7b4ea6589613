"""The command line: explain pictures with a network, without writing a script.

    minixnn explain five.png --model cnn --method lrp_epsilon_plus -o out
    minixnn explain photos/ --model net.onnx --target 281 -o out
    minixnn ledger five.png --model dense --rule epsilon --set epsilon=0.1
    minixnn microscope -o microscope.html
    minixnn methods
    minixnn models

Exit status: 0, or 1 if a picture could not be read (it is named, the others are still done), or 2 for a wrong call.
"""
import argparse
import inspect
import os
import pathlib
import sys
from functools import partial

import numpy as np

from minixnn import attribution, datasets, models, plot
from minixnn.cli import images as pictures
from minixnn.cli.to_file import explain_to
from minixnn.ledger import ledger
from minixnn.network import Network
from minixnn.progress import progress
from minixnn.rules import composites, deep_taylor, lrp

RULES = {name: getattr(module, name) for module, names in (
    (lrp, ("epsilon", "gamma", "gamma_signed", "alpha_beta", "flat")), (deep_taylor, ("z_plus", "w_square")),
    (composites, ("epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat",
                  "epsilon_gamma_box", "deep_taylor"))) for name in names}


def main(arguments=None):
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="minixnn", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, what in (("explain", explain, "heatmaps of pictures"),
                            ("ledger", show_ledger, "where relevance goes")):
        command = commands.add_parser(name, help=what, description=what)
        command.set_defaults(run=run)
        command.add_argument("images", nargs="+", metavar="IMAGE", help="picture, .npy, or a folder of them; one .npy "
                             "(images, height, width, channels) is explained as a whole")
        command.add_argument("--model", required=True, help="a shipped network, or a .npz or .onnx file")
        command.add_argument("--target", type=int, help="class (or channel) to explain; default: the largest output")
        command.add_argument("--size", metavar="HxW", help="resize pictures to this; default: as the network asks")
        command.add_argument("--invert", action="store_true", help="dark ink on white paper, for the digit networks")
        command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="options",
                             help="an option of the method or rule, such as steps=100 or epsilon=0.1")
        command.add_argument("--batch-size", type=int, help="images at a time; default: what suits the network")
        if name == "explain":
            command.add_argument("--method", default="lrp_epsilon_plus", help="see: minixnn methods")
            command.add_argument("-o", "--out", type=pathlib.Path, required=True, help="folder for the results")
            command.add_argument("--resume", action="store_true", help="leave out pictures that have results already")
        else:
            command.add_argument("--rule", default="epsilon", help=", ".join(RULES))
    command = commands.add_parser("microscope", help="a web page to watch relevance in")
    command.set_defaults(run=show_microscope)
    command.add_argument("--model", action="append", help="a shipped network, or a .npz or .onnx file, for pictures of "
                         "28 x 28 pixels; may be given several times; default: cnn and dense")
    command.add_argument("-o", "--out", type=pathlib.Path, default="microscope.html", help="the file to write")
    for name, what in (("methods", "the names that --method takes"), ("models", "the networks that come along")):
        commands.add_parser(name, help=what).set_defaults(run={"methods": show_methods, "models": show_models}[name])
    asked = parser.parse_args(arguments)
    try:
        return asked.run(asked)
    except (ValueError, FileNotFoundError, ImportError) as error:
        print(f"minixnn: {error}", file=sys.stderr)
        return 2


def explain(asked):
    """`minixnn explain`: for each picture a .npy of relevance and two PNGs, and a line of text."""
    method = chosen(attribution.METHODS, asked.method, "method", asked.options)
    net, prepare = open_model(asked.model)
    asked.out.mkdir(parents=True, exist_ok=True)
    files = pictures.find(asked.images)
    if len(files) == 1 and files[0].suffix == ".npy" and np.load(files[0], mmap_mode="r").ndim == 4:
        path = asked.out / f"{files[0].stem}_relevance.npy"
        images = np.load(files[0], mmap_mode="r")
        explain_to(path, net, images, method, asked.target, asked.batch_size)
        print(f"{len(images)} images explained: {path}")
        return 0
    same = sorted({str(path) for path in files if [p.stem for p in files].count(path.stem) > 1})
    if same:
        raise ValueError("results are called after the pictures, and these would overwrite each other: "
                         f"{', '.join(same)}; explain them into different folders")
    status = 0
    left = [path for path in files if not (asked.resume and result(asked.out, path, "relevance.npy").exists())]
    if asked.resume and len(left) < len(files):
        print(f"{len(files) - len(left)} pictures have results already")
    groups = [left[n:n + 16] for n in range(0, len(left), 16)]
    for group in progress(groups, "explaining"):
        shown, notes, paths, failed = readable(group, net, asked)
        status = status or failed
        for shape in sorted({picture.shape for picture in shown}):          # one batch for each size of picture
            these = [n for n, picture in enumerate(shown) if picture.shape == shape]
            batch = np.stack([shown[n] for n in these])
            explain_batch(net, prepare(batch), batch, method, [paths[n] for n in these], [notes[n] for n in these],
                          asked)
    return status


def explain_batch(net, x, shown, method, paths, notes, asked):
    """Explain the prepared images x, shown (N, H, W, C) to people, and write what belongs to each of `paths`."""
    y = net.predict(x)
    if y.ndim == 4:                             # maps, not classes: one channel is explained, wherever it is active
        score = y.mean(axis=(1, 2))
        target = score.argmax(axis=1) if asked.target is None else np.full(len(x), asked.target)
        start = np.zeros_like(y)
        for n, k in enumerate(target):
            start[n, ..., k] = y[n, ..., k]
        R = method(net, x, start=start, batch_size=asked.batch_size)
    else:
        score = y
        target = y.argmax(axis=1) if asked.target is None else np.full(len(x), asked.target)
        R = method(net, x, target, **({} if asked.batch_size is None else {"batch_size": asked.batch_size}))
    rules = getattr(method, "keywords", {}).get("rules")
    book = ledger(net, x, target, rules, quiet=True) if rules is not None and y.ndim == 2 else None
    for n, path in enumerate(paths):
        draw(R[n], shown[n], path, asked)
        save(result(asked.out, path, "relevance.npy"), R[n])                # last: if it is there, all is
        text = (f"{path}: largest output {int(score[n].argmax())} ({float(score[n].max()):.3f}), explained "
                f"{int(target[n])} ({float(score[n, target[n]]):.3f}), relevance sums to {float(R[n].sum()):.3f}")
        if book is not None:
            total = book.image(n).total
            text += (f"; withheld by biases {float(total.absorbed_by_bias):.3f}, by the stabiliser "
                     f"{float(total.absorbed_by_stabilizer):.3f}, lost {float(total.created_or_lost):.3f}")
        print(text + (f" ({notes[n]})" if notes[n] else ""), flush=True)


def draw(R, shown, path, asked):
    """PNG files of the heatmap alone and of the heatmap over the picture."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for name, figure in (("heatmap", plot.heatmaps({asked.method: R[None]})),
                         ("overlay", plot.overlay(shown[None], R[None], title=asked.method))):
        figure.savefig(result(asked.out, path, f"{name}.png"))
        plt.close(figure)


def show_ledger(asked):
    """`minixnn ledger`: the table of all pictures together."""
    rules = chosen(RULES, asked.rule, "rule", asked.options)
    net, prepare = open_model(asked.model)
    shown, _, _, status = readable(pictures.find(asked.images), net, asked)
    if len({picture.shape for picture in shown}) != 1:
        raise ValueError("the pictures are of several sizes, or none could be read; give --size, or one at a time")
    if getattr(rules, "func", None) in (composites.epsilon_gamma_box, composites.deep_taylor):
        rules = rules(net)
    print(ledger(net, prepare(np.stack(shown)), asked.target, rules, batch_size=asked.batch_size))
    return status


def show_microscope(asked):
    """`minixnn microscope`: one HTML file that needs no network, with ten test digits to begin with."""
    images, labels = datasets.mnist("test")
    ten = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
    nets = {pathlib.Path(name).stem: open_model(name)[0] for name in asked.model or ("cnn", "dense")}
    asked.out.write_text(plot.microscope(nets, images[ten]), encoding="utf-8")
    print(f"{asked.out}: open it in a browser")
    return 0


def show_methods(asked):
    """`minixnn methods`: name, and the first line of what the function says of itself."""
    for name, method in attribution.METHODS.items():
        knobs = inspect.getdoc(getattr(method, "func", method)).splitlines()[0]
        print(f"{name:<28} {knobs}")
    return 0


def show_models(asked):
    """`minixnn models`: name and accuracy on unseen images."""
    for name in models.names():
        try:
            known = models.record(name)
            print(f"{name:<18} {known['accuracy']:.2%} of {known['test_images']} test images")
        except KeyError:
            print(name)
    return 0


def open_model(name):
    """(network, prepare): `prepare` turns pictures in [0, 1] into what the network takes."""
    if name == "vgg16_features":
        return models.load(name), models.vgg_input
    if name in models.names():
        return models.load(name), np.asarray
    if name.endswith(".onnx"):
        from minixnn import interop
        return interop.from_onnx(name), np.asarray
    if name.endswith(".npz"):
        return Network.load(name), np.asarray
    raise ValueError(f"got --model {name}, expected a .npz or .onnx file, or one of {', '.join(models.names())}")


def chosen(known, name, what, options):
    """The entry `name` of the dictionary `known`, with its options set."""
    if name not in known:
        raise ValueError(f"got --{what} {name}, expected one of {', '.join(known)}")
    function, knobs = known[name], {}
    for option in options:
        key, _, value = option.partition("=")
        takes = inspect.signature(function).parameters
        if key not in takes:
            raise ValueError(f"got --set {option}, but {name} has no option {key!r}; it has {', '.join(takes)}")
        knobs[key] = number(value)
    return partial(function, **knobs) if knobs else function


def number(text):
    """'3' -> 3, '0.1' -> 0.1, anything else as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def readable(files, net, asked):
    """(pictures, notes, paths, status) of the files that can be read; the others are named on stderr."""
    height, width, channels = pictures.asked_for(net)
    if asked.size:
        sides = asked.size.lower().split("x")
        if len(sides) != 2 or not all(side.isdigit() and int(side) for side in sides):
            raise ValueError(f"got --size {asked.size}, expected height and width such as 224x224")
        height, width = map(int, sides)
    found, notes, paths, status = [], [], [], 0
    for path in files:
        try:
            picture, note = pictures.read(path, (height, width, channels), asked.invert)
        except (OSError, ValueError, SyntaxError) as error:                 # Pillow raises all of these
            print(f"minixnn: {path} left out: {error}", file=sys.stderr)
            status = 1
            continue
        found, notes, paths = found + [picture], notes + [note], paths + [path]
    return found, notes, paths, status


def save(path, array):
    """Write an array to a .npy file, all of it or nothing."""
    draft = path.with_name(path.name + ".draft")
    with open(draft, "wb") as file:
        np.save(file, array)
    os.replace(draft, path)


def result(folder, path, what):
    """The file that holds `what` of the picture `path`: out/five_heatmap.png"""
    return folder / f"{path.stem}_{what}"
