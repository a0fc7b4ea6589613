"""Writes the table of lessons into the README: a line for each chapter, with links to the pages of docs/course.

    python docs/lesson_table.py             after a lesson is new or has another title; a test says when
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

import course  # noqa: E402  (it and the next lie in the folder named above)
import docstrings  # noqa: E402

README = ROOT / "README.md"
BEGIN, END = "<!-- written by docs/lesson_table.py: begin -->\n", "<!-- end -->\n"


def table():
    """The table, as Markdown."""
    lines, chapters = ["| chapter | lessons |", "|---|---|"], {}
    for stem, (title, _, _) in docstrings.lessons(ROOT / "lessons").items():
        chapters.setdefault(int(stem[0]), []).append(f"[{title}](docs/course/{stem}.md)")
    for number, links in sorted(chapters.items()):
        lines.append(f"| **{number} {course.CHAPTERS[number]}** | {' · '.join(links)} |")
    return "\n".join(lines) + "\n"


def current():
    """What the README says."""
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main():
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
