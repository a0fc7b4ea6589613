"""Does all of minixnn compute on a GPU what it computes by NumPy, and how fast?

    python -m tests.device                                  # about 8 minutes; writes docs/gpu.json and docs/gpu.md
    python -m tests.device --json FILE                      # writes FILE alone; `--page FILE` makes docs/gpu.md of it
    python -m tests.device --only layers,rules --seconds 60
    python -m tests.device --array-module standin --json FILE       # tries the script where there is no device

Sections run in the order of their worth, and the record is written after each, so that a run that is cut off counts.
A case computes something by NumPy in float64, which is right, and on the device in float64 and in float32. It fails if
float64 is off by 1e-9 of the largest number, if float32 is off by more than 1e-4 and by more than ten times what NumPy
in float32 is off, if type or shape differ, or if an error is raised; the others run all the same.
"""
import argparse
import datetime
import functools
import json
import pathlib
import time
import warnings

import numpy as np

from minixnn import attribution, passes
from minixnn.arrays import array_module, to_numpy
from tests.backends import standin
from tests.device import cases, page, speed
from tests.device.machine import Cupy, Standin

DOCS = pathlib.Path(__file__).parents[2] / "docs"
CORRECT_SECONDS, ALL_SECONDS = 240, 480         # later than this no correctness is tested, and nothing is measured
ROOM = {"float64": 1e-9, "float32": 1e-4}
LARGE = 1e30                    # what hides a token is as large as its type allows, and counts as infinite here
MEASURED = ("waits", "memory", "speed")


def flat(found):
    """The arrays in lists, tuples and dictionaries, in order."""
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found)]
    if isinstance(found, (list, tuple)):
        return [array for each in found for array in flat(each)]
    return [] if found is None else [found]


def off(came, expected):
    """The largest difference of two lists of arrays, relative to the largest number of each expected one."""
    worst = 0.0
    for mine, right in zip(came, expected, strict=True):
        mine, right = (np.asarray(to_numpy(each), "float64") for each in (mine, right))
        if mine.shape != right.shape:
            raise AssertionError(f"shape {mine.shape}, expected {right.shape}")
        with np.errstate(invalid="ignore"):
            finite, others = abs(right) < LARGE, abs(mine) < LARGE
        if not np.array_equal(finite, others):
            raise AssertionError("other numbers are infinite or NaN than NumPy's")
        size = abs(right[finite]).max(initial=0)
        worst = max(worst, float(abs(mine - right)[finite].max(initial=0) / (size if size > 1e-12 else 1)))
    return worst


def compare(compute, xp, dtype):
    """How far `compute` is off on `xp` in `dtype`; AssertionError where that is too far, or no array of `xp` comes."""
    right, same = flat(compute(np, "float64")), flat(compute(np, dtype))
    came = flat(compute(xp, dtype))
    for mine, other in zip(came, same, strict=True):
        if mine.dtype != other.dtype:
            raise AssertionError(f"dtype {mine.dtype}, expected {other.dtype}")
        if not isinstance(mine, np.ndarray) and array_module(mine) is not xp:
            raise AssertionError(f"an array of {array_module(mine).__name__}, expected one of {xp.__name__}")
    distance = off(came, right)
    room = ROOM[dtype] if dtype == "float64" else max(ROOM[dtype], 10 * off(same, right))
    if not distance <= room:
        raise AssertionError(f"off by {distance:.1e} of the largest number, expected at most {room:.0e}")
    return distance


def section(name, xp, deadline):
    """{"cases", "failed": [{"case", "what"}], "left_out", "largest": {dtype: off}, "seconds"} of a section."""
    began, every = time.perf_counter(), list(cases.SECTIONS[name]())
    tasks = [(dtype, *case) for dtype in ("float64", "float32") for case in every]
    found = {"name": name, "cases": 0, "failed": [], "left_out": 0, "largest": {}}
    for dtype, case, compute in tasks:
        if time.perf_counter() > deadline:
            found["left_out"] = len(tasks) - found["cases"]
            break
        found["cases"] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                distance = compare(compute, xp, dtype)
            found["largest"][dtype] = max(found["largest"].get(dtype, 0.0), distance)
        except Exception as error:
            found["failed"].append({"case": f"{case}, {dtype}", "what": f"{type(error).__name__}: {error}"[:300]})
            print(f"  FAILED {name}: {case}, {dtype}: {found['failed'][-1]['what']}", flush=True)
    found["seconds"] = time.perf_counter() - began
    return found


def waits(machine):
    """[{"case", "stand-in", "device"}]: how often a pass waits for the device, as the stand-in says, and as it does."""
    rows = []
    for name in ("gradient", "lrp", "composite epsilon_plus", "composite epsilon_gamma_box", "deeplift", "deep_taylor"):
        counts = []
        for each in (Standin(), machine):
            net, x = cases.moved(each.xp, "float32", cases.a_net(), cases.X)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                counts.append(each.waits(functools.partial(cases.PASSES[name], net, x)))
        rows.append({"case": name, "stand-in": counts[0], "device": counts[1]})
    return rows


def memory(machine, images=1000):
    """[{"case", "peak", "activations"}]: bytes, of passes over digits that are there already."""
    _, net, x, _, _ = next(speed.works((images,), photograph=False))
    activations = sum(a.nbytes for a in net.trace(x[:1])) * images
    net, x = net.on(machine.xp), machine.xp.asarray(x)
    whole = {"batch_size": images}
    runs = {"passes.gradient": lambda: passes.gradient(net, x), "passes.lrp": lambda: passes.lrp(net, x),
            "attribution.gradient": lambda: attribution.gradient(net, x, **whole),
            "attribution.lrp": lambda: attribution.lrp(net, x, **whole)}
    return [{"case": name, "peak": int(machine.peak(run)), "activations": activations} for name, run in runs.items()]


def measured(name, machine, small):
    """The rows of one of MEASURED. small: of a few digits, and no photograph."""
    images, repeats = ((3, 1), 1) if small else ((1000, 100, 1), 7)
    if name == "speed":
        return speed.measure(machine, speed.works(images, not small), repeats)
    return waits(machine) if name == "waits" else memory(machine, images[0])


def run(machine, only, seconds, write, small=False):
    """Run the sections named in `only` (None: all), and hand the record to `write` after each.

    seconds: later than this no case is begun, and no correctness later than after CORRECT_SECONDS. small: a few digits.
    """
    began = time.perf_counter()
    record = {"date": datetime.date.today().isoformat(), "device": machine.describe(), "sections": []}
    write(record)
    for name in [*cases.SECTIONS, *MEASURED]:
        spent = time.perf_counter() - began
        if only is not None and name not in only:
            continue
        if name in cases.SECTIONS:
            found = section(name, machine.xp, began + min(seconds, CORRECT_SECONDS))
            record["sections"].append(found)
            print(f"{name}: {found['cases']} cases, {len(found['failed'])} failed, {found['left_out']} left out, "
                  f"{found['seconds']:.0f} s", flush=True)
        elif spent < seconds:
            try:
                record[name] = []
                for row in measured(name, machine, small):
                    record[name].append(row)
                    print(f"{name}: {row}", flush=True)
                    write(record)
                    if time.perf_counter() - began > seconds:
                        break
            except Exception as error:
                record.setdefault("errors", []).append(f"{name}: {type(error).__name__}: {error}"[:300])
                print(f"  FAILED {record['errors'][-1]}", flush=True)
        record["seconds"] = time.perf_counter() - began
        write(record)
    return record


def sections(text):
    """A list of names; ValueError names those there are."""
    names = text.split(",")
    known = [*cases.SECTIONS, *MEASURED]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}, expected of: {', '.join(known)}")
    return names


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=sections, help="names of sections, with commas between them")
    parser.add_argument("--seconds", type=float, default=ALL_SECONDS, help="after which no more is begun")
    parser.add_argument("--array-module", choices=("cupy", "standin"), default="cupy")
    parser.add_argument("--json", type=pathlib.Path, help="the record's file, by default docs/gpu.json")
    parser.add_argument("--page", type=pathlib.Path, metavar="FILE", help="only make docs/gpu.md of this record")
    asked = parser.parse_args(arguments)
    if asked.page:
        return page.write(DOCS / "gpu.md", json.loads(asked.page.read_text()))
    if asked.array_module == "standin" and asked.json is None:
        parser.error("the stand-in's record is not for docs/gpu.json: say where it goes, with --json")
    machine = Standin() if asked.array_module == "standin" else Cupy()
    if machine.missing:
        print(f"{page.NOT_YET}: {machine.missing}")
        return None
    file = asked.json or DOCS / "gpu.json"
    record = run(machine, asked.only, asked.seconds, small=machine.xp is standin,
                 write=lambda record: file.write_text(json.dumps(record, indent=1) + "\n"))
    if asked.json is None:
        page.write(DOCS / "gpu.md", record)
    print(page.tables(record))
    return record


if __name__ == "__main__":
    main()
