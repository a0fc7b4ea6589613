"""How fast is minixnn beside the frameworks, on this CPU? Ratios, measured side by side.

    python -m tests.benchmarks                  # all of it, half an hour; writes docs/speed.json and docs/speed.md
    python -m tests.benchmarks --quick          # small batches, fewer repeats; prints only
    python -m tests.benchmarks epsilon z+       # the lines of this work with one thread again, in the first table

Each contender runs in its own process. All of them do a piece of work in turns, one repeat each, so that what else the
machine does hits them alike; the ratio is that of their medians. What is short is done until 0.05 s have passed, and
divided. With one thread it is the processor's time that is counted, with several the clock's, and before each repeat is
a pause. Every table is made with one thread for all and again with all cores; on a processor with AVX-512 also with
all libraries held to AVX2, which is what most processors have. A library that is not installed, or has no such method,
is left out by name; the LRP toolbox takes part if LRP_TOOLBOX names the folder `python` of a checkout.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

from tests.benchmarks import deep
from tests.benchmarks.contenders import CONTENDERS, FLOOR, PHOTOGRAPH, UNPADDED, floor

DOCS = pathlib.Path(__file__).parents[2] / "docs"
EXPLAIN = ["epsilon", "z+", "alpha2-beta1", "gradient"]
MANY = ["integrated gradients, 50", "SmoothGrad, 50"]
# NumPy, its BLAS, torch and what torch multiplies with, each told in its own way to leave AVX-512 alone
AVX2 = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR AVX512_SKX",
        "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
SINGLE = ["convolution 3x3 32 to 64, forward", "convolution 3x3 32 to 64, gradient",
          "convolution 3x3 32 to 64, weights", "max pooling 2x2, forward", "max pooling 2x2, gradient"]


def plan(quick):
    """[(work, batch, repeats)]: more repeats of what is short."""
    if quick:
        return [(FLOOR, 1, 7)] + [(work, batch, 7) for work in EXPLAIN for batch in (1, 100)] + [(PHOTOGRAPH, 1, 7)]
    works = [(FLOOR, 1, 15)]
    works += [(work, batch, repeats) for work in EXPLAIN for batch, repeats in ((1, 21), (100, 11))]
    works += [(work, 1000, 7) for work in EXPLAIN[:3]] + [(work, batch, 7) for work in MANY for batch in (1, 10)]
    works += [("training, 20 steps", 100, 7), (PHOTOGRAPH, 1, 15), ("VGG-16 epsilon_plus_flat", 1, 7)]
    works += [(work + UNPADDED, 100, 7) for work in EXPLAIN[:3]]
    return works + [(work, 100, 15) for work in SINGLE]


def start(contender, threads, environment):
    """The process of a contender, waiting for work."""
    environment = {**environment, **{name: str(threads) for name in (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-m", "tests.benchmarks.contenders", contender,
                             str(threads)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            env=environment)


def ask(process, **request):
    """One line to the process, one line back."""
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    return json.loads(line) if line else {"absent": "its process ended"}


def race(works, threads, environment):
    """Yield {"work", "batch", "repeats", "floor", "seconds": {contender: median}, "absent": {contender: why}}"""
    peak, processes = None, {name: start(name, threads, environment) for name in CONTENDERS}
    for process in processes.values():                      # until all have imported what they need
        ask(process, peak=True)
    for work, batch, repeats in works:
        times, absent = {}, {}
        for repeat in range(repeats):
            for name, process in processes.items():
                if name in absent or not takes_part(name, work, batch):
                    continue
                if threads > 1:
                    time.sleep(0.1)                         # the threads of the one before still spin, waiting for more
                answer = ask(process, work=work, batch=batch)
                if "absent" in answer:
                    absent[name] = answer["absent"]
                else:
                    times.setdefault(name, []).append(answer["seconds"])
        medians = {name: statistics.median(measured) for name, measured in times.items()}
        if work == FLOOR:                                   # what BLAS can do, in multiply-adds a second
            peak = 2000 ** 3 / medians["minixnn"]
            print(f"floor: {peak / 1e9:.0f} billion multiply-adds a second")
            continue
        least = floor(work, batch)
        result = {"work": work, "batch": batch, "absent": absent, "repeats": repeats, "seconds": medians,
                  "floor": least and least / peak}
        print(row(result), flush=True)
        yield result
    for process in processes.values():
        process.stdin.close()
        process.wait()


def takes_part(name, work, batch):
    """Whether a contender is asked: the toolbox pads no images; and 100 images whole are the same as 100 at a time."""
    if name == "minixnn":
        return True
    if name == "lrp_toolbox" or work.endswith(UNPADDED):
        return name == "lrp_toolbox" and work.endswith(UNPADDED)
    return work != FLOOR and (name != "zennit, whole batch" or batch > 100)


def row(result):
    """A line of the table: milliseconds of ours, how near the floor, and how many times longer each other one takes."""
    ours = result["seconds"]["minixnn"]
    zennit = [result["seconds"][name] for name in ("zennit", "zennit, whole batch") if name in result["seconds"]]
    others = {"zennit": min(zennit) if zennit else None,                    # fed as it likes best
              **{name: result["seconds"].get(name) for name in ("captum", "torch", "lrp_toolbox")}}
    cells = [f"{seconds / ours:.{1 if seconds > 10 * ours else 2}f}" if seconds else "-" for seconds in others.values()]
    near = f"{result['floor'] / ours:.0%}" if result["floor"] else "-"
    return f"| {result['work']} | {result['batch']} | {ours * 1e3:.1f} | {near} | " + " | ".join(cells) + " |"


HEAD = """| work | batch | minixnn, ms | floor | zennit | captum | torch | lrp_toolbox |
|---|---|---|---|---|---|---|---|"""


def memory(environment):
    """Peak memory in MiB of a process that explains so many images by LRP-epsilon, and of one that explains one."""
    peaks = {}
    for batch in (1, 100, 1000, 10_000):
        process = start("minixnn", 1, environment)
        ask(process, work="epsilon", batch=batch)
        peaks[batch] = ask(process, peak=True)["mib"]
        process.stdin.close()
        process.wait()
    return peaks


def profile(environment):
    """{work: layer by layer, where the time of 100 digits goes}, of a process with one thread."""
    process = start("minixnn", 1, environment)
    found = {work: ask(process, profile=work)["layers"] for work in ("epsilon", "z+")}
    process.stdin.close()
    process.wait()
    return found


def profile_page(found):
    """The profile as tables."""
    text = ["## Where the time goes", "", "100 digits, one thread, in milliseconds; *products*: what the bare matrix",
            "products of both ways would take.", ""]
    for work, layers in found.items():
        text += [f"| layer, {work} | forwards | back | both | products |", "|---|---|---|---|---|"]
        text += [f"| {name} | {up:.1f} | {down:.1f} | {up + down:.1f} | {least:.1f} |"
                 for name, up, down, least in layers if up + down >= 0.1]
        sums = [sum(column) for column in list(zip(*layers))[1:]]
        text += [f"| all | {sums[0]:.1f} | {sums[1]:.1f} | {sums[0] + sums[1]:.1f} | {sums[2]:.1f} |", ""]
    return text


def kernels(environment):
    """The name of the processor kernels that NumPy's BLAS uses, told by threadpoolctl if that is installed."""
    code = ("import numpy, threadpoolctl as t; print(*{i.get('architecture') or i['internal_api'] "
            "for i in t.threadpool_info() if i['user_api'] == 'blas'})")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    return found.stdout.strip() or "unknown (threadpoolctl is not installed)"


def flags():
    """(name of the processor, its instruction sets) as Linux tells them; elsewhere the name of the architecture."""
    try:
        first = pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()         # of several cores
        told = {name.strip(): value.strip() for name, value in (line.split(":", 1) for line in first)}
        return told["model name"], told["flags"].split()
    except (OSError, KeyError, ValueError):
        return platform.processor() or platform.machine(), []


def has_avx512():
    return "avx512f" in flags()[1]


def processor():
    """Its name, and whether it has AVX-512."""
    name, known = flags()
    return name + (" with AVX-512" if "avx512f" in known else " with AVX2" if "avx2" in known else "")


def versions():
    """Versions of what takes part, as {name: version or "absent"}."""
    from importlib import metadata
    found = {"python": platform.python_version()}
    for name in ("numpy", "torch", "zennit", "captum"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def page(record):
    """docs/speed.md, from what was measured."""
    text = ["# Speed on a CPU", "",
            "Written by `python -m tests.benchmarks` from `speed.json`; not to be edited. The last four columns are",
            "how many times as long another library takes for the same work on the same network: above 1, minixnn is",
            "faster. *floor* is how much of the time of minixnn the bare matrix products of the work would take: a",
            "product of two matrices of 2,000 x 2,000, measured beside it, says how fast those can be. zennit gets",
            "1,000 images whole or 100 at a time, whichever is faster for it. A dash: there is no such method, or no",
            "such number. The LRP toolbox pads no images, and so is raced on a network without padding. With one",
            "thread the processor's time is counted, with several the clock's.", "",
            f"{record['date']}, {record['machine']}; "
            + ", ".join(f"{k} {v}" for k, v in record["versions"].items()), ""]
    for table in record["tables"]:
        text += [f"## {table['threads']} thread{'s' if table['threads'] > 1 else ''}, BLAS kernels: {table['kernels']}"
                 f"{' (' + table['pin'] + ')' if table['pin'] else ''}", "", HEAD]
        text += [row(result) for result in table["results"]]
        newer = {result["date"] for result in table["results"] if "date" in result}
        text += ["", *(f"Measured on {date}: " + ", ".join(
            f"{each['work']} ({each['batch']})" for each in table["results"] if each.get("date") == date) + ".\n"
            for date in sorted(newer))]
    peaks = {int(k): v for k, v in record["memory"].items()}
    text += ["## Memory", "", "Peak memory of a process that explains so many digits by LRP-epsilon, over that of",
             "one that explains a single one; and how much of it the images and their heatmaps are.", "",
             "| images | MiB more | images and heatmaps, MiB | the rest, MiB |", "|---|---|---|---|"]
    for n in sorted(peaks)[1:]:
        data = 2 * n * 28 * 28 * 4 / 2 ** 20
        text.append(f"| {n:,} | {peaks[n] - peaks[1]:.0f} | {data:.0f} | {peaks[n] - peaks[1] - data:.0f} |")
    text += ["", *profile_page(record["profile"]), *deep.section(json.loads(deep.RECORD.read_text())), "",
             (DOCS / "speed_notes.md").read_text().strip()]
    return "\n".join(text) + "\n"


def again(works, environment):
    """Measure some lines of the first table again; each then has a date of its own, and is kept at once."""
    wanted = [each for each in plan(False) if each[0] in (FLOOR, *works)]
    for result in race(wanted, 1, environment):
        record = json.loads((DOCS / "speed.json").read_text())
        lines = record["tables"][0]["results"]
        place = next(i for i, old in enumerate(lines) if all(old[k] == result[k] for k in ("work", "batch")))
        lines[place] = {**result, "date": datetime.date.today().isoformat()}
        keep(record)


def keep(record):
    (DOCS / "speed.json").write_text(json.dumps(record, indent=1) + "\n")
    (DOCS / "speed.md").write_text(page(record))


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few lines, printed only")
    parser.add_argument("works", nargs="*", help="lines of the first table to measure again; by default everything")
    asked = parser.parse_args()
    cores, here = os.cpu_count(), dict(os.environ)
    if asked.works:
        again(asked.works, here)
        return
    settings = [(1, here, "")]
    if not asked.quick and cores > 1:
        settings.append((cores, here, ""))
    if has_avx512() and "OPENBLAS_CORETYPE" not in here:
        settings.append((1, {**here, **AVX2}, "all libraries held to AVX2"))
    record = {"date": datetime.date.today().isoformat(), "machine": f"{processor()}, {cores} cores",
              "versions": versions(), "tables": [], "memory": {} if asked.quick else memory(here),
              "profile": {} if asked.quick else profile(here)}
    for threads, environment, note in settings:
        print(f"\n{threads} thread(s), BLAS kernels: {kernels(environment)} {note}\n{HEAD}", flush=True)
        record["tables"].append({"threads": threads, "kernels": kernels(environment), "pin": note,
                                 "results": list(race(plan(asked.quick), threads, environment))})
        if not asked.quick:                                 # after each table: a run that is broken off has them too
            keep(record)
            print(f"written: {DOCS / 'speed.json'}, {DOCS / 'speed.md'}", flush=True)


if __name__ == "__main__":
    main()
