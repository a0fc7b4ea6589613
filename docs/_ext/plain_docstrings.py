"""Hands our docstrings, which are plain prose, to autodoc as reStructuredText."""
from docstrings import to_rst


def process(app, what, name, thing, options, lines):
    lines[:] = to_rst(lines)


def setup(app):
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
