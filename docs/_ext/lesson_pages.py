"""The lessons as pages of the site: prose and code of the scripts, output and figures as docs/course holds them.

`docs/course_pages.py` runs the lessons and keeps what they printed and drew; tests hold prose and code of its pages to
the scripts. So no lesson runs while the site is built. The pages are written to docs/lessons, where links expect them.
"""
import pathlib
import re

import course
import course_pages
import docstrings
import markdown

HEAD = "---\nmyst:\n  enable_extensions: [dollarmath]\n---\n"
# Links to pages that Sphinx does not know
TO_PAGE = re.compile(r"\[([^\]]+)\]\((\.\./(?:walks/[\w.]+|microscope)\.html)\)")


def page(stem, every):
    """A lesson as Markdown for MyST."""
    title, docstring, text = every[stem]
    results = iter(course_pages.results_of((course_pages.COURSE / f"{stem}.md").read_text(encoding="utf-8")))
    head, *rest = markdown.cells(text)
    done = [HEAD, prose(head), "", f"*About {course.minutes(text)} minutes. Run it:* `.venv/bin/python -m "
            f"lessons.{stem}` · {{download}}`the script <../../lessons/{stem}.py>` · "
            f"{{download}}`a notebook <../course/notebooks/{stem}.ipynb>` · [how we know](../how_we_know.md)", ""]
    for cell in [head._replace(prose=""), *rest]:
        done += [prose(cell), ""] if cell.prose else []
        if cell.code:
            result = next(results, {"text": "", "figures": []})
            done += ["```python", cell.code, "```", ""]
            done += ["```{code-block} none", ":class: output", "", result["text"], "```", ""] if result["text"] else []
            for figure, words in result["figures"]:
                done += [f"![{words}](../course/figures/{figure})", ""]
    return "\n".join(done)


def prose(cell):
    """The prose of a cell, whose links to pages that are made beside the site's stay as they are."""
    return TO_PAGE.sub(r'<a href="\2">\1</a>', markdown.markdown(cell.prose, True))


def write(app):
    """docs/lessons, anew where something has changed, so that the others are not read again."""
    folder = pathlib.Path(app.srcdir) / "lessons"
    folder.mkdir(exist_ok=True)
    every = docstrings.lessons(course.ROOT / "lessons")
    written = {folder / f"{stem}.md": page(stem, every) for stem in every}
    for path in folder.iterdir():
        if path.is_file() and path not in written:
            path.unlink()
    for path, text in written.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
