"""Run the lessons and gather their figures.

    python -m lessons               all of them, each in a fresh process, one a processor core
    python -m lessons 2_3 5         lesson 2.3 and the whole of chapter 5
    python -m lessons --list        what there is
    python -m lessons --open        run, then look at all figures on one page

A lesson that fails is named and the others still run; the exit status is 1 then. To see a lesson's figures in
windows, or to step through it, run it alone:

    python -m lessons.2_3_lrp
    python -m pdb -m lessons.2_3_lrp        README and docs/stepping.md say what to type then
"""
import argparse
import ast
import html
import os
import pathlib
import subprocess
import sys
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>minixnn: all figures</title>
<style>
body {{ font: 16px/1.4 sans-serif; margin: 2em auto; max-width: 1400px; padding: 0 1em }}
h2 {{ margin: 2em 0 .5em; border-bottom: 1px solid #bbb }}
img {{ max-width: 100%; max-height: 420px; margin: .5em; border: 1px solid #ddd; vertical-align: top }}
</style>
<h1>minixnn: all figures</h1>
{sections}
</html>
"""


def main(arguments=None, folder=HERE):
    """Run the lessons of `folder` that `arguments` ask for. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lessons", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", metavar="N_M", help="a lesson (2_3, or 2.3) or a chapter (2)")
    parser.add_argument("--list", action="store_true", help="list the lessons and run none")
    parser.add_argument("--open", action="store_true", help="open the page of all figures at the end")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="lessons at a time (one a processor core)")
    parser.add_argument("--out", type=pathlib.Path, default=folder.parent / "figures", metavar="FOLDER",
                        help="where figures go (figures/ beside lessons/)")
    asked = parser.parse_args(arguments)

    every = sorted(folder.glob("[0-9]*_[0-9]*_*.py"))
    chosen, unknown = choose(every, asked.lessons)
    if unknown or not every:
        wanted = f"no lesson is called {', '.join(unknown)}" if unknown else f"there are no lessons in {folder}"
        print(f"{wanted}; python -m lessons --list shows what there is", file=sys.stderr)
        return 2
    if asked.list:
        for lesson in chosen:
            print(f"{lesson.stem:<34} {title(lesson)}")
        return 0

    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    failed = [lesson for lesson, ended_well in zip(chosen, run_all(chosen, out, asked.jobs)) if not ended_well]
    page = contact_sheet(every, out)
    print(f"\n{len(chosen) - len(failed)} of {len(chosen)} lessons ran in {time.perf_counter() - began:.0f} s.")
    print(f"Figures: {out}\nAll on one page: {page}")
    if failed:
        print(f"FAILED: {', '.join(lesson.name for lesson in failed)}", file=sys.stderr)
    if asked.open and not webbrowser.open(page.as_uri()):
        print("No browser was found here; open that page by hand.")
    return 1 if failed else 0


def choose(every, names):
    """The lessons meant by `names` ("2_3", "2.3", "2", "2_3_lrp.py"), in order, and the names that mean none."""
    if not names:
        return every, []
    wanted = {name: pathlib.Path(name).name.removesuffix(".py").replace(".", "_") for name in names}
    meant = {name: [lesson for lesson in every if f"{lesson.stem}_".startswith(f"{stem}_")]
             for name, stem in wanted.items()}
    found = {lesson for lessons in meant.values() for lesson in lessons}
    return [lesson for lesson in every if lesson in found], [name for name, lessons in meant.items() if not lessons]


def title(lesson):
    """The first line of a lesson's docstring that holds words, not the rule above or below it."""
    text = ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8"))) or ""
    return next((line for line in text.splitlines() if any(map(str.isalnum, line))), lesson.stem)


def figures(lesson, out):
    """The figures of a lesson, first drawn first."""
    return sorted(out.glob(f"{lesson.stem}_*.png"), key=lambda path: (len(path.name), path.name))


def run_all(lessons, out, jobs):
    """Run the lessons, `jobs` at a time, with a line of output for each in their order; yields True or False.

    A single lesson speaks for itself. The text of several is kept back, and shown only after a failure.
    """
    jobs = max(1, min(jobs, len(lessons)))
    aloud, threads = len(lessons) == 1, max(1, (os.cpu_count() or 1) // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(run, lesson, out, threads, aloud) for lesson in lessons]
        for k, (lesson, result) in enumerate(zip(lessons, running)):
            print(f"{f'[{k + 1}/{len(lessons)}]':>7} {lesson.stem:<34}", end="\n" if aloud else " ", flush=True)
            process, seconds = result.result()
            drawn = len(figures(lesson, out))
            verdict = "" if process.returncode == 0 else "FAILED "
            print(f"{verdict}{seconds:6.1f} s {drawn:3d} figure{'s' * (drawn != 1)}", flush=True)
            if process.returncode and not aloud:
                print("\n".join(f"        {line}" for line in process.stdout.splitlines()[-25:]))
            yield process.returncode == 0


def run(lesson, out, threads, aloud):
    """(process, seconds) of one lesson in a process of its own, whose BLAS has so many threads."""
    for old in figures(lesson, out):
        old.unlink()
    paths = [str(lesson.parents[1]), os.environ.get("PYTHONPATH", "")]          # a checkout that is not installed
    environment = {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads), **os.environ,
                   "MPLBACKEND": "Agg", "MINIXNN_FIGURES": str(out), "PYTHONIOENCODING": "utf-8",
                   "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    began = time.perf_counter()
    process = subprocess.run([sys.executable, str(lesson)], env=environment, encoding="utf-8",
                             stdout=None if aloud else subprocess.PIPE, stderr=None if aloud else subprocess.STDOUT)
    return process, time.perf_counter() - began


def contact_sheet(lessons, out):
    """Write index.html, a page with every figure in `out` under the title of its lesson; returns its path."""
    sections = []
    for lesson in lessons:
        pictures = [f'<a href="{path.name}"><img src="{path.name}" alt="{path.stem}" loading="lazy"></a>'
                    for path in figures(lesson, out)]
        if pictures:
            sections.append("\n".join([f"<h2>{html.escape(title(lesson))}</h2>", *pictures]))
    page = out / "index.html"
    page.write_text(PAGE.format(sections="\n".join(sections)), encoding="utf-8")
    return page


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)               # as a shell says: ended by Ctrl-C
