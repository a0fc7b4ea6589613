"""The command line of the exercises: python -m lessons.exercises."""
from __future__ import annotations

import argparse
import csv
import pathlib
import sys
import textwrap
import time
from collections.abc import Sequence

from lessons.exercises import files
from lessons.exercises.files import Folder, numbered
from lessons.exercises.marking import Exercise, Verdict, paragraph

ME = "python -m lessons.exercises"
COMMANDS = ("start", "list", "answers")
USAGE = f"""{ME} start FOLDER            copy the tasks into a new folder; files that are there stay as they are
       {ME} FOLDER                  check them in order, and stop at the first that is not done
       {ME} FOLDER --watch          check again whenever a file is saved; Ctrl-C ends it
       {ME} FOLDER --hint           one hint more to the exercise at which you are
       {ME} FOLDER --only NAME      check this one: its name or number
       {ME} list FOLDER             how far you are
       {ME} start FOLDER --notebooks        the same tasks as notebooks, one a chapter
       {ME} FOLDER ... --report TABLE.csv   for lecturers: a table, a line for each folder
       {ME} answers FOLDER          for lecturers: the tasks with the model answers"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=ME, usage=USAGE, description="Exercises that mark themselves. Nothing is "
                                     "sent "
                                     "anywhere, and no file is overwritten.")
    parser.add_argument("words", nargs="+", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--hint", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--notebooks", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--report", metavar="TABLE.csv", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    command = given.words[0] if given.words[0] in COMMANDS and len(given.words) > 1 else "check"
    folders = [pathlib.Path(word) for word in (given.words if command == "check" else given.words[1:])]
    if given.report:
        return report(folders, pathlib.Path(given.report))
    if len(folders) != 1 or str(folders[0]) in COMMANDS:
        parser.error("give one folder")
    if command == "start":
        return begin(folders[0], given.notebooks)
    if command == "answers":
        return answers(folders[0])
    if folders[0].is_file() and folders[0].stem in numbered():              # a file for its folder
        given.only, folders = folders[0].stem, [folders[0].parent]
    if not folders[0].is_dir():
        print(f"{folders[0]} is no folder; {ME} start {folders[0]} makes one with the tasks", file=sys.stderr)
        return 2
    folder, chosen = Folder(folders[0]), numbered()
    if given.only:
        chosen = {stem: exercise for stem, exercise in chosen.items()
                  if given.only.removesuffix(".py") in (stem, exercise.name, stem[:2], stem[:2].lstrip("0"))}
        if not chosen:
            print(f"there is no exercise {given.only}; {ME} list {folder.path} shows their names", file=sys.stderr)
            return 2
    if command == "list":
        return progress(folder, chosen)
    if given.hint:
        return hint(folder, chosen)
    return watch(folder, chosen) if given.watch else check(folder, chosen)


def begin(folder: pathlib.Path, notebooks: bool) -> int:
    copied, kept = files.start(folder, notebooks)
    print(f"{len(copied)} {'notebooks' if notebooks else 'tasks'} are in {folder}."
          + (f" {len(kept)} files were there already and stay as they are." if kept else ""))
    if not notebooks:
        first = next(iter(numbered()))
        print(f"Open {folder / first}.py, write the function, and run\n\n    {ME} {folder}")
    return 0


def answers(folder: pathlib.Path) -> int:
    try:
        texts = {f"{stem}.py": files.model_answer(stem) for stem in numbered()}
    except FileNotFoundError:
        print("the model answers are not here: lessons/exercises/answers was taken out", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    copied, kept = files.write(folder, texts)
    print(f"{len(copied)} model answers are in {folder}." + (f" {len(kept)} files stay as they are." if kept else ""))
    return 0


def first_undone(folder: Folder, chosen: dict[str, Exercise]) -> tuple[int, str, Verdict] | None:
    """(how many are right before it, stem, verdict) of the first that is not right."""
    for done, (stem, exercise) in enumerate(chosen.items()):
        verdict = folder.verdict(stem, exercise)
        if not verdict.ok:
            return done, stem, verdict
    return None


def check(folder: Folder, chosen: dict[str, Exercise]) -> int:
    found = first_undone(folder, chosen)
    if found is None:
        print(f"{chosen.popitem()[1].name}: right" if len(chosen) == 1 else f"All {len(chosen)} are right. Well done!")
        return 0
    done, stem, verdict = found
    if len(chosen) > 1:
        print(f"{done} of {len(chosen)} are right so far. Next:\n")
    print(f"{stem[:2]} {verdict.message}")
    if verdict.state == "not written yet":
        print("\n" + textwrap.indent(introduction(files.task(stem)), "    "))
        print(f"\nWrite the function, save, and check again; {ME} {folder.path} --hint gives a hint.")
    return 1


def introduction(text: str) -> str:
    """The task in words: the docstring of its file."""
    return text.split('"""')[1].strip()


def hint(folder: Folder, chosen: dict[str, Exercise]) -> int:
    found = first_undone(folder, chosen)
    if found is None:
        print("All of it is right: there is nothing left to hint at.")
        return 0
    _, stem, _ = found
    hints, given = chosen[stem].hints, int(folder.remembered()["hints"].get(stem, 0))
    number = given % len(hints)
    print(f"{stem[:2]} {chosen[stem].name}, hint {number + 1} of {len(hints)}:\n")
    print(textwrap.indent(paragraph(hints[number]), "    "))
    if number + 1 == len(hints):
        print("\nThat was the last one; the next time they begin anew.")
    folder.remember("hints", stem, given + 1)
    return 0


def progress(folder: Folder, chosen: dict[str, Exercise]) -> int:
    states = {}
    for stem, exercise in chosen.items():
        states[stem] = folder.verdict(stem, exercise).state
        print(f"  {stem:30} lesson {exercise.lesson}   {states[stem]}", flush=True)
    print(f"{list(states.values()).count('right')} of {len(states)} are right.")
    return 0


def watch(folder: Folder, chosen: dict[str, Exercise], pause: float = 0.4) -> int:
    seen: object = None
    try:
        while True:
            now = {stem: path.stat().st_mtime_ns for stem in chosen if (path := folder.file(stem)).exists()}
            if now != seen:
                seen = now
                print(f"\n{'-' * 100}\n{time.strftime('%H:%M:%S')}", flush=True)
                if check(folder, chosen) == 0:
                    return 0
                print("\nWaiting for a file to be saved; Ctrl-C ends this.", flush=True)
            time.sleep(pause)
    except KeyboardInterrupt:
        print()
        return 0


def report(folders: Sequence[pathlib.Path], table: pathlib.Path) -> int:
    """A line for each folder: how many are right, and the state of each exercise, with the cause where it is known."""
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        print(f"these are no folders: {', '.join(missing)}", file=sys.stderr)
        return 2
    try:
        file = open(table, "x", newline="", encoding="utf-8")
    except OSError as error:
        print(f"{table} cannot be written: {error.strerror}; no file is overwritten", file=sys.stderr)
        return 2
    every = numbered()
    with file:
        lines = csv.writer(file)
        lines.writerow(["folder", "right", "of", *every])
        for folder in folders:
            found = [Folder(folder).verdict(stem, exercise, anew=True) for stem, exercise in every.items()]
            right = sum(verdict.ok for verdict in found)
            lines.writerow([folder.name, right, len(every), *(": ".join([v.state, *v.causes[:1]]) for v in found)])
            print(f"{folder}: {right} of {len(every)} are right", flush=True)
    print(f"The table is {table}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
