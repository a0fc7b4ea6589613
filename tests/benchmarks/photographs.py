"""Which method says why a picture is of this class? EfficientNet-Lite0 on the photographs of the lessons.

    OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.photographs       # writes docs/photographs.json, prints the table
    python -m tests.benchmarks.photographs --model cnn                  # 60 digits: docs/photographs_cnn.json
    python -m tests.benchmarks.photographs --model vit                  # the same for the transformer
    python -m tests.benchmarks.photographs --table                      # prints the table of what was measured

Three questions to each method, and to orders that ask no network:

    alike       the mean |cosine| between the map of the largest output and those of six other classes (of ImageNet six
                that are not there), maps summed over their channels
    deletion    the picture is cut into 196 squares of 16 x 16 pixels, a digit into 49 of 4 x 4; the 6, 12, ... 60 most
                relevant ones (of a digit 2, 4, ... 20) are filled with the picture's mean colour; the mean of what is
                left then, as a share of the value before, of the logit and of the probability. A small number: what
                was called relevant did carry the class
    shuffled    the |cosine| with the map of the same class by the network with its weights in random order

A picture that is in the file is not measured again: delete the file for that. A photograph takes about half a minute.
"""
import argparse
import json
import pathlib
from typing import NamedTuple

import numpy as np

from minixnn import attribution, datasets, models
from minixnn.cli.control import alike, other_classes
from minixnn.layers.softmax import softmax
from minixnn.logits import logits
from minixnn.metrics import mean_and_error, paired, randomized
from minixnn.metrics.controls import edges

ROOT = pathlib.Path(__file__).parents[2]
CONTROLS = ("edges", "centre first", "random")
DIGITS = 60


class Setting(NamedTuple):
    """What is measured on a network."""
    record: pathlib.Path
    methods: tuple[str, ...]            # the first is what the others are compared with
    squares: int                        # in a row
    side: int                           # pixels of a square
    steps: range


PHOTOGRAPHS = Setting(ROOT / "docs" / "photographs.json", ("lrp_by_depth", "lrp_epsilon_plus_flat", "grad_cam",
                      "gradient_times_input", "lrp_epsilon_gamma_box"), 14, 16, range(6, 61, 6))
OF_DIGITS = ("lrp_epsilon_plus", "lrp_by_depth", "lrp_epsilon", "lrp_epsilon_plus_flat", "lrp_epsilon_gamma_box",
             "grad_cam", "gradient_times_input")
SETTINGS = {"efficientnet_lite0": PHOTOGRAPHS,
            "cnn": Setting(ROOT / "docs" / "photographs_cnn.json", OF_DIGITS, 7, 4, range(2, 21, 2)),
            "vit": Setting(ROOT / "docs" / "photographs_vit.json", ("attn_lrp", "cp_lrp", *OF_DIGITS), 7, 4,
                           range(2, 21, 2))}
NAMES = {**attribution.NAMES, **{name: f"no network: {name}" for name in CONTROLS}}


def pictures(setting):
    """{name: image (1, height, width, channels)}: all photographs of the lessons, or the first test digits."""
    if setting.side == 16:
        names = sorted(path.stem for path in datasets.PHOTOS.glob("*.jpg"))
        return {name: datasets.photo(name, setting.squares * setting.side)[None] for name in names}
    return {f"digit {n:3}": image[None] for n, image in enumerate(datasets.mnist("test")[0][:DIGITS])}


def per_square(R, setting):
    """A map (H, W, C) summed over its squares."""
    squares, side = setting.squares, setting.side
    return R.sum(axis=-1, dtype=float).reshape(squares, side, squares, side).sum(axis=(1, 3)).ravel()


def deletion(net, x, k, order, setting):
    """(logit, probability) of class k, means over the steps of what is left as a share of the value before."""
    images = [x[0]]
    for count in setting.steps:
        gone = np.zeros(setting.squares ** 2, bool)
        gone[order[:count]] = True
        gone = gone.reshape(setting.squares, -1).repeat(setting.side, 0).repeat(setting.side, 1)
        images.append(np.where(gone[..., None], x[0].mean(axis=(0, 1)), x[0]).astype(x.dtype))
    y = logits(net).forward(np.stack(images))
    return [float((values[1:] / values[0]).mean()) for values in (y[:, k], softmax(y)[:, k])]


def measure(net, x, seed, setting):
    """{method: {"alike", "shuffled", "logit", "probability"}} of one picture; the controls have no maps."""
    rng = np.random.default_rng(seed)
    y = net.forward(x)
    k = int(y.argmax())
    others = other_classes(net.card, y.shape[1], k)
    forgotten, found = randomized(net, rng), {}
    for name in setting.methods:
        maps = attribution.METHODS[name](net, x.repeat(1 + len(others), axis=0), np.array([k, *others]))
        found[name] = {"alike": [alike(maps[0], R) for R in maps[1:]],
                       "shuffled": alike(maps[0], attribution.METHODS[name](forgotten, x, k)[0])}
        order = np.argsort(-per_square(maps[0], setting))
        found[name].update(zip(("logit", "probability"), deletion(net, x, k, order, setting)))
    rows, columns = np.indices((setting.squares, setting.squares)) - (setting.squares - 1) / 2
    orders = {"edges": -per_square(edges(x)[0], setting), "centre first": (rows ** 2 + columns ** 2).ravel(),
              "random": rng.random(setting.squares ** 2)}
    for name in CONTROLS:
        found[name] = dict(zip(("logit", "probability"), deletion(net, x, k, np.argsort(orders[name]), setting)))
    return {"class": net.card.label(k), "found": found}


def column(record, name, what):
    """A number for each picture: (pictures,)"""
    return np.array([np.mean(record[photo]["found"][name][what]) for photo in sorted(record)])


def table(record, methods):
    """What was measured, as a table in Markdown."""
    lines = ["| map | classes alike, mean (largest) | alike with shuffled weights | deletion: logit | probability | "
             f"logit less {NAMES[methods[0]]}'s, paired |", "|---|---|---|---|---|---|"]
    for name in (*methods, *CONTROLS):
        cells = [NAMES[name]]
        if name in methods:
            largest = max(max(record[photo]["found"][name]["alike"]) for photo in record)
            mean, error = mean_and_error(column(record, name, "alike"))
            cells += [f"{mean:.2f} ± {error:.2f} ({largest:.2f})", with_error(column(record, name, "shuffled"))]
        else:
            cells += ["", ""]
        cells += [with_error(column(record, name, "logit")), with_error(column(record, name, "probability"))]
        beside = paired(column(record, name, "logit"), column(record, methods[0], "logit"))
        cells.append("" if name == methods[0] else f"{float(beside.difference):+.2f} ± {float(beside.error):.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def rounded(found):
    """Numbers as they are written to the file."""
    if isinstance(found, dict):
        return {name: rounded(value) for name, value in found.items()}
    return [rounded(value) for value in found] if isinstance(found, list) else \
        found if isinstance(found, str) else round(float(found), 4)


def with_error(values):
    mean, error = mean_and_error(values)
    return f"{mean:.2f} ± {error:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SETTINGS, default="efficientnet_lite0")
    parser.add_argument("--table", action="store_true", help="only print the table")
    asked = parser.parse_args()
    setting = SETTINGS[asked.model]
    record = json.loads(setting.record.read_text()) if setting.record.is_file() else {}
    net = models.load(asked.model)
    for seed, (name, x) in enumerate({} if asked.table else pictures(setting).items()):
        if name not in record:
            record[name] = measure(net, x, seed, setting)
            setting.record.write_text("{\n" + ",\n".join(f" {json.dumps(each)}: {json.dumps(rounded(what))}"
                                                         for each, what in record.items()) + "\n}\n")
            print(name, record[name]["class"], flush=True)
    print(table(record, setting.methods))


if __name__ == "__main__":
    main()
