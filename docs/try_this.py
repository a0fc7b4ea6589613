"""Writes docs/try_this.md: the lessons' "Try this", with the answers that are measured, folded away.

    python docs/try_this.py             after an answer is new, or a question is rewritten; a test says when
"""
import ast
import inspect
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

import docstrings  # noqa: E402  (it and the next lie in the folders named above)
import markdown  # noqa: E402

from lessons.try_this import every_answer  # noqa: E402

PAGE = ROOT / "docs" / "try_this.md"
HEAD = """# Answers to "Try this"

At the end of each lesson stand questions to try. Here are answers, folded away: try first. Each was measured by the
lines below it, which the tests run. A few questions have no answer yet; some ask for a picture, and have none.
"""


def questions(text):
    """{1: the first question of a lesson, ...}, as Markdown on one line."""
    section = text.rpartition("# Try this\n")[2].partition("\n\n")[0]
    prose = "\n".join(line.removeprefix("# ") for line in section.splitlines()[1:])
    parts = re.split(r"^(\d+)\. ", prose, flags=re.M)[1:]
    return {int(number): " ".join(markdown.markdown(" ".join(words.split())).split())
            for number, words in zip(parts[::2], parts[1::2])}


def plainly(text):
    """Formulas as code, which the forge and the site show alike."""
    def plain(found):
        return "`" + re.sub(r"[\\{}]", "", found["math"].replace(r"\to", "->")) + "`"
    return re.sub(r"\$`?(?P<math>[^$`]+)`?\$", plain, text)


def code_of(function):
    """The lines of an answer without its name and docstring."""
    text = textwrap.dedent(inspect.getsource(function))
    body = ast.parse(text).body[0].body
    return textwrap.dedent("\n".join(text.splitlines()[body[0].end_lineno:]))


def imports_of(module):
    """What the answers of a chapter take for given: its imports, without those of this course's own tools."""
    text = inspect.getsource(sys.modules[module])
    lines = [ast.get_source_segment(text, node) for node in ast.parse(text).body
             if isinstance(node, (ast.Import, ast.ImportFrom))]
    return "\n".join(line for line in lines if "try_this" not in line and "__future__" not in line)


def page():
    """The page, as Markdown."""
    every, done, before, chapter = docstrings.lessons(ROOT / "lessons"), [HEAD], None, None
    for answer in every_answer():
        stem = next(stem for stem in every if stem.startswith(answer.lesson.replace(".", "_") + "_"))
        title, _, text = every[stem]
        if stem != before:
            done.append(f"## {title}\n")
        if answer.check.__module__ != chapter:
            chapter = answer.check.__module__
            done.append(f"The answers of this chapter begin with\n\n```python\n{imports_of(chapter)}\n```\n")
        before = stem
        words = "\n".join(textwrap.wrap(inspect.getdoc(answer.check).replace("\n", " "), 118))
        done += [f"**{answer.number}.** {plainly(questions(text)[answer.number])}\n",
                 "<details><summary>Answer</summary>\n",
                 f"{words}\n", f"```python\n{code_of(answer.check)}\n```\n", "</details>\n"]
    return "\n".join(done)


def main():
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
