"""The code on README and the pages of docs, to be run as it stands there."""
import contextlib
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]


def blocks(page, language="python"):
    """The texts of the fenced blocks of a page in one language, in order. page: a path below the root."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [body for name, body in re.findall(r"^```(.*)\n((?s:.*?))^```$", text, re.M) if name == language]


def pages(language="python"):
    """The pages of the root and of docs that have such blocks."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found if blocks(path.relative_to(ROOT), language))


def run(page, given, folder):
    """Run all Python blocks of a page one after the other, in `folder`, with the names that its text takes for given.

    Returns the names that are there at the end. A failure says which line of which block it was.
    """
    names = {"__name__": "__main__", **given}
    with working_in(folder):
        for number, block in enumerate(blocks(page), 1):
            exec(compile(block, f"{page}, block {number}", "exec"), names)
    return names


@contextlib.contextmanager
def working_in(folder):
    """As contextlib.chdir, which came with Python 3.11."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
