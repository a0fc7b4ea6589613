"""Which method says why a photograph is of this class? EfficientNet-Lite0 on the photographs of the lessons.

    OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.photographs       # writes docs/photographs.json, prints the table
    python -m tests.benchmarks.photographs --table                      # prints the table of what was measured

Three questions to each method, and to orders that ask no network:

    alike       the mean |cosine| between the map of the largest output and those of six classes that are not there,
                maps summed over their channels
    deletion    the picture is cut into 196 squares of 16 x 16 pixels; the 6, 12, ... 60 most relevant ones are filled
                with the picture's mean colour; the mean of what is left then, as a share of the value before, of the
                logit and of the probability. A small number: what was called relevant did carry the class
    shuffled    the |cosine| with the map of the same class by the network with its weights in random order

A photograph that is in the file is not measured again: delete the file for that. About half a minute each.
"""
import argparse
import json
import pathlib

import numpy as np

from minixnn import attribution, datasets, models
from minixnn.cli.control import alike, other_classes
from minixnn.layers.softmax import softmax
from minixnn.logits import logits
from minixnn.metrics import mean_and_error, paired, randomized
from minixnn.metrics.controls import edges

ROOT = pathlib.Path(__file__).parents[2]
RECORD = ROOT / "docs" / "photographs.json"
METHODS = ("lrp_by_depth", "lrp_epsilon_plus_flat", "grad_cam", "gradient_times_input", "lrp_epsilon_gamma_box")
CONTROLS = ("edges", "centre first", "random")
SQUARES, SIDE, STEPS = 14, 16, range(6, 61, 6)
NAMES = {**attribution.NAMES, **{name: f"no network: {name}" for name in CONTROLS}}


def photographs():
    """{name: image (1, 224, 224, 3)} of all photographs of the lessons."""
    names = sorted(path.stem for path in datasets.PHOTOS.glob("*.jpg"))
    return {name: datasets.photo(name, SQUARES * SIDE)[None] for name in names}


def per_square(R):
    """A map (H, W, C) summed over its squares: (196,)"""
    return R.sum(axis=-1, dtype=float).reshape(SQUARES, SIDE, SQUARES, SIDE).sum(axis=(1, 3)).ravel()


def deletion(net, x, k, order):
    """(logit, probability) of class k, means over the steps of what is left as a share of the value before."""
    images = [x[0]]
    for count in STEPS:
        gone = np.zeros(SQUARES * SQUARES, bool)
        gone[order[:count]] = True
        gone = gone.reshape(SQUARES, SQUARES).repeat(SIDE, 0).repeat(SIDE, 1)
        images.append(np.where(gone[..., None], x[0].mean(axis=(0, 1)), x[0]).astype(x.dtype))
    y = logits(net).forward(np.stack(images))
    return [float((values[1:] / values[0]).mean()) for values in (y[:, k], softmax(y)[:, k])]


def measure(net, x, seed):
    """{method: {"alike", "shuffled", "logit", "probability"}} of one photograph; the controls have no maps."""
    rng = np.random.default_rng(seed)
    k = int(net.forward(x).argmax())
    others = other_classes(net.card, len(net.card.labels), k)
    forgotten, found = randomized(net, rng), {}
    for name in METHODS:
        maps = attribution.METHODS[name](net, x.repeat(1 + len(others), axis=0), np.array([k, *others]))
        found[name] = {"alike": [alike(maps[0], R) for R in maps[1:]],
                       "shuffled": alike(maps[0], attribution.METHODS[name](forgotten, x, k)[0])}
        found[name].update(zip(("logit", "probability"), deletion(net, x, k, np.argsort(-per_square(maps[0])))))
    rows, columns = np.indices((SQUARES, SQUARES)) - (SQUARES - 1) / 2
    orders = {"edges": -per_square(edges(x)[0]), "centre first": (rows ** 2 + columns ** 2).ravel(),
              "random": rng.random(SQUARES ** 2)}
    for name in CONTROLS:
        found[name] = dict(zip(("logit", "probability"), deletion(net, x, k, np.argsort(orders[name]))))
    return {"class": net.card.label(k), "found": found}


def column(record, name, what):
    """A number for each photograph: (photographs,)"""
    return np.array([np.mean(record[photo]["found"][name][what]) for photo in sorted(record)])


def table(record):
    """What was measured, as a table in Markdown."""
    lines = ["| map | classes alike, mean (largest) | alike with shuffled weights | deletion: logit | probability | "
             "logit less by depth's, paired |", "|---|---|---|---|---|---|"]
    for name in (*METHODS, *CONTROLS):
        cells = [NAMES[name]]
        if name in METHODS:
            largest = max(max(record[photo]["found"][name]["alike"]) for photo in record)
            mean, error = mean_and_error(column(record, name, "alike"))
            cells += [f"{mean:.2f} ± {error:.2f} ({largest:.2f})", with_error(column(record, name, "shuffled"))]
        else:
            cells += ["", ""]
        cells += [with_error(column(record, name, "logit")), with_error(column(record, name, "probability"))]
        beside = paired(column(record, name, "logit"), column(record, METHODS[0], "logit"))
        cells.append("" if name == METHODS[0] else f"{float(beside.difference):+.2f} ± {float(beside.error):.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_error(values):
    mean, error = mean_and_error(values)
    return f"{mean:.2f} ± {error:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="only print the table")
    only_table = parser.parse_args().table
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    net = models.load("efficientnet_lite0")
    for seed, (name, x) in enumerate({} if only_table else photographs().items()):
        if name not in record:
            record[name] = measure(net, x, seed)
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
            print(name, record[name]["class"], flush=True)
    print(table(record))


if __name__ == "__main__":
    main()
