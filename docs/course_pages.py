"""The course as pages that a forge renders, and as notebooks, both made from the lessons.

    python docs/course_pages.py             run all lessons; write docs/course: pages, figures, notebooks, the index;
                                            and README's table of lessons
    python docs/course_pages.py 2_3 5       run lesson 2.3 and chapter 5 only
    python docs/course_pages.py --text      run none: new prose and code, with the output that the pages hold

The scripts in lessons/ are the source; pages, notebooks and tables are written from them and not edited. A page keeps
the output and the figures of the run that it was written after. tests/docs/test_course_pages.py says when prose or code
have changed since.
"""
import argparse
import contextlib
import html
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "docs")]

import course  # noqa: E402  (it and the next lie in the folders named above)
import docstrings  # noqa: E402
import markdown  # noqa: E402

COURSE = ROOT / "docs" / "course"
README = ROOT / "README.md"
BEGIN, END = "<!-- written by docs/course_pages.py: begin -->\n", "<!-- end -->\n"       # of the table in README
WIDTH, QUALITY = 860, 60                    # of a figure: pixels at most, and how much WebP keeps
THUMBNAIL = (520, 340)                      # pixels at most
RESULT = re.compile(r"^```python\n(?P<code>.*?)\n```$|^```text output\n(?P<text>.*?)\n```$"
                    r"|^!\[(?P<alt>[^\]\n]*)\]\(figures/(?P<figure>[\w.]+)\)$", re.M | re.S)


def run(stem, folder):
    """Run a lesson cell by cell: [{"text": what a cell printed, "figures": [[file, alternative text], ...]}, ...].

    Figures are saved into `folder`. The lesson is compiled with its own line numbers, so that errors name its lines.
    """
    from matplotlib import pyplot as plt

    from minixnn import plot
    path, results, count = ROOT / "lessons" / f"{stem}.py", [], 0
    plot.show = lambda: None                # this process saves the figures itself
    space = {"__name__": "__main__", "__file__": str(path)}
    sys.argv = [str(path)]
    for cell in markdown.cells(path.read_text(encoding="utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (cell.line - 1) + cell.code, str(path), "exec"), space)
        figures = []
        for number in plt.get_fignums():
            count += 1
            name = f"{stem}_{count}.webp"
            save(plt.figure(number), folder / name)
            figures.append([name, told(plt.figure(number))])
        plt.close("all")
        results.append({"text": printed.getvalue().strip("\n"), "figures": figures})
    return results


def save(figure, path):
    """A small copy of a figure."""
    from PIL import Image
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150)
    picture = Image.open(drawn).convert("RGB")
    picture.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
    picture.save(path, quality=QUALITY, method=6)


def told(figure):
    """The alternative text of a figure: its title and those of its panels."""
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    words = "; ".join(dict.fromkeys(" ".join(re.sub(r"[\[\]$\\]", " ", title).split()) for title in titles if title))
    return textwrap.shorten(words, 240, placeholder=" ...") or "A figure of this lesson"


def results_of(page):
    """What `run` gave when the page was written, read from the page."""
    results = []
    for found in RESULT.finditer(page):
        if found["code"] is not None:
            results.append({"text": "", "figures": []})
        elif found["text"] is not None:
            results[-1]["text"] = found["text"]
        else:
            results[-1]["figures"].append([found["figure"], found["alt"]])
    return results


def page(stem, every, results):
    """The Markdown page of a lesson. `results` belong to its cells with code, in order."""
    title, docstring, text = every[stem]
    stems, results = list(every), iter(results)
    at = stems.index(stem)
    before = [f"[← {every[stems[at - 1]][0]}]({stems[at - 1]}.md)"] if at else []
    after = [f"[{every[stems[at + 1]][0]} →]({stems[at + 1]}.md)"] if at + 1 < len(stems) else []
    way = " · ".join([*before, "[The course](README.md)", *after])
    head, *rest = markdown.cells(text)
    done = [way, "", links(markdown.markdown(head.prose)), "",
            f"*About {course.minutes(text)} minutes. Run it:* `.venv/bin/python -m lessons.{stem}` · "
            f"[the script](../../lessons/{stem}.py) · [a notebook](notebooks/{stem}.ipynb) · "
            "[how we know](../how_we_know.md) · [answers to \"Try this\"](../try_this.md)", ""]
    for cell in [head._replace(prose=""), *rest]:
        done += [links(markdown.markdown(cell.prose)), ""] if cell.prose else []
        if cell.code:
            result = next(results, {"text": "", "figures": []})
            done += ["```python", cell.code, "```", ""]
            done += ["```text output", result["text"], "```", ""] if result["text"] else []
            for figure, words in result["figures"]:
                done += [f"![{words}](figures/{figure})", ""]
    return "\n".join([*done, "---", "", way, ""])


def links(text, folder=".."):
    """Links of a lesson lead from the page of the site; here its other pages are not at hand, what makes them is."""
    text = re.sub(r"\[([^\]]+)\]\(\.\./walks/([\w.]+)\.html\)", rf"[\1]({folder}/stepping.md) (`python "
                  r"docs/recorded_walks.py \2` makes the page)", text)
    return re.sub(r"\[([^\]]+)\]\(\.\./microscope\.html\)", rf"[\1]({folder}/images/microscope.gif) (a film of it; "
                  r"`minixnn microscope -o microscope.html` makes the page)", text)


def notebook(stem, every):
    """The lesson as a notebook without output, as text."""
    title, docstring, text = every[stem]
    needs = ("# This notebook needs minixnn and its drawing; in its folder:  pip install -e \".[lessons]\"\n"
             "%matplotlib inline")
    if re.search(r"datasets\.(photo|record)\(", text):
        needs = needs.replace("\n", "\n# and the data in lessons/data: start it in a checkout of the repository.\n", 1)
    made, first = [], markdown.cells(text)[0]
    for kind, source in [("markdown", links(markdown.markdown(first.prose, True), "../..")), ("code", needs),
                         *((kind, source) for cell in [first._replace(prose=""), *markdown.cells(text)[1:]]
                           for kind, source in (("markdown", links(markdown.markdown(cell.prose, True), "../..")),
                                                ("code", cell.code)) if source)]:
        one = {"cell_type": kind, "id": f"{len(made)}", "metadata": {}, "source": source.splitlines(keepends=True)}
        made.append({**one, "execution_count": None, "outputs": []} if kind == "code" else one)
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
             "language_info": {"name": "python"}}
    return json.dumps({"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5},
                      ensure_ascii=False, indent=1) + "\n"


def index(every):
    """The index: a question, the promise and a picture for each lesson, by chapter, and three ways through."""
    done = ["# The course", "", "Every page is a lesson that was run: its text, its code, what it printed and drew. "
            "[The README](../../README.md) says how to run them all, [How we know](../how_we_know.md) what they "
            "claim, and with which control.", "", "## Three ways through", ""]
    for name, about, numbers in course.PATHS:
        way = [f"[{every[stem][0]}]({stem}.md)" for stem in course.found(numbers, every)]
        done += [f"**{name}** ({about}): {' → '.join(way)}", ""]
    for number, chapter in course.CHAPTERS.items():
        of_chapter = [stem for stem in every if stem.startswith(f"{number}_")]
        done += [f"## {number} {chapter}", "", "<table>"] if of_chapter else []
        for stem in of_chapter:
            title, docstring, text = every[stem]
            picture = course.thumbnail(stem)
            shown = f'<img src="../images/lessons/{picture.name}" width="260" alt="">' if picture.exists() else ""
            words = [course.question(stem, docstring), f"You will see {course.promise(docstring)}.",
                     f"{course.minutes(text)} minutes. Before this: {course.before(docstring)}"]
            question, promise, about = (re.sub("`(.+?)`", r"<code>\1</code>", re.sub(
                r"\*(.+?)\*", r"<em>\1</em>", html.escape(word, False))) for word in words)
            done += [f'<tr><td width="280">{shown}</td>',
                     f'<td><a href="{stem}.md"><b>{html.escape(title)}</b></a><br>',
                     f"{question}<br>", f"{promise}<br>", f"<i>{about}</i></td></tr>"]
        done += ["</table>", ""] if of_chapter else []
    return "\n".join(done)


def table(every):
    """README's table: a line for each chapter, with links to the pages."""
    lines = ["| chapter | lessons |", "|---|---|"]
    for number, chapter in course.CHAPTERS.items():
        links = [f"[{title}](docs/course/{stem}.md)" for stem, (title, *_) in every.items()
                 if stem.startswith(f"{number}_")]
        lines += [f"| **{number} {chapter}** | {' · '.join(links)} |"] if links else []
    return "\n".join(lines) + "\n"


def run_apart(stem, folder):
    """`run` in a process of its own, with one thread of BLAS, so that runs agree."""
    answer = folder / f"{stem}.json"
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
                   "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"}
    subprocess.run([sys.executable, __file__, "--cells", stem, str(folder)], env=environment, check=True)
    return json.loads(answer.read_text(encoding="utf-8"))


def write(stem, every, results):
    """The page and the notebook of a lesson; figures that it no longer has are removed."""
    written = page(stem, every, [result for cell, result in zip(markdown.cells(every[stem][2]), results) if cell.code])
    (COURSE / f"{stem}.md").write_text(written, encoding="utf-8")
    for old in (COURSE / "figures").glob(f"{stem}_*.webp"):
        if f"(figures/{old.name})" not in written:
            old.unlink()


def draw_thumbnails(every):
    """The small pictures of the index and of the site's cards, from the figures of the pages."""
    from PIL import Image
    course.thumbnail("").parent.mkdir(exist_ok=True)
    for stem in every:
        number, *box = course.THUMBNAILS.get(course.number(stem), (1, 0, 0, 100, 100))
        source = COURSE / "figures" / f"{stem}_{number}.webp"
        if source.exists():
            picture = Image.open(source)
            part = picture.crop([share * length // 100 for share, length in zip(box, picture.size * 2)])
            part.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
            part.save(course.thumbnail(stem), quality=QUALITY, method=6)
    for old in course.thumbnail("").parent.glob("*.webp"):
        if old.stem not in every:
            old.unlink()


def write_text(every):
    """All that needs no run: prose and code around the output that is there, the notebooks, the index, the table."""
    for folder in (COURSE / "figures", COURSE / "notebooks"):
        folder.mkdir(parents=True, exist_ok=True)
    for old in [*COURSE.glob("[0-9]*.md"), *COURSE.glob("*/[0-9]*.*")]:
        if not any(old.stem == stem or old.stem.startswith(f"{stem}_") for stem in every):
            old.unlink()                    # of a lesson that is gone
    for stem in every:
        path = COURSE / f"{stem}.md"
        if path.exists():
            path.write_text(page(stem, every, results_of(path.read_text(encoding="utf-8"))), encoding="utf-8")
        (COURSE / "notebooks" / f"{stem}.ipynb").write_text(notebook(stem, every), encoding="utf-8")
    (COURSE / "README.md").write_text(index(every), encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + table(every) + END + rest.partition(END)[2], encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", metavar="N_M", help="a lesson (2_3) or a chapter (2)")
    parser.add_argument("--text", action="store_true", help="run no lesson")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="lessons at a time")
    parser.add_argument("--cells", nargs=2, metavar=("LESSON", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.cells:
        stem, folder = asked.cells[0], pathlib.Path(asked.cells[1])
        (folder / f"{stem}.json").write_text(json.dumps(run(stem, folder)), encoding="utf-8")
        return
    every = docstrings.lessons(ROOT / "lessons")
    write_text(every)
    wanted = [] if asked.text else [stem for stem in every if not asked.lessons or any(
        f"{stem}_".startswith(f"{name.replace('.', '_')}_") for name in asked.lessons)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        folder = pathlib.Path(folder)
        for stem, results in zip(wanted, pool.map(lambda stem: run_apart(stem, folder), wanted)):
            for figure in folder.glob(f"{stem}_*.webp"):
                figure.replace(COURSE / "figures" / figure.name)
            write(stem, every, results)
            print(stem, flush=True)
    if not asked.text:
        draw_thumbnails(every)
        write_text(every)                   # the index shows only pictures that are there
    size = sum(path.stat().st_size for path in COURSE.rglob("*") if path.is_file())
    print(f"{COURSE}: {len(every)} lessons, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
