"""How the site is built:  python -m sphinx -W docs docs/_build  (with the extra `docs` installed).

The lessons are not run: output and figures are those that docs/course_pages.py keeps in docs/course. Nothing on the
built pages comes from another host: formulas are MathML (`_ext/mathml.py`).
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE), str(HERE.parent)]

import minixnn  # noqa: E402  (found through the line above, if it is not installed)
import recorded_walks  # noqa: E402
from minixnn.cli import main as command_line  # noqa: E402

project, author, release = "minixnn", "The minixnn authors", minixnn.__version__
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton",
              "anchors", "api_pages", "command_line", "course_cards", "lesson_pages", "mathml", "plain_docstrings",
              "rule_table"]
exclude_patterns = ["_build", "course", "speed_notes.md"]        # course.rst is the index; part of speed.md
default_role, highlight_language = "code", "none"
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]            # our settings hold nothing worth a warning

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
add_module_names = False
autodoc_preserve_defaults = True                # a path among the defaults is shown as it is written, not as it is here
viewcode_follow_imported_members = False        # a name's source stands on the page of the module that defines it
python_maximum_signature_line_length = 90

copybutton_selector = "div.highlight:not(.output div.highlight) pre"         # code, not what it printed
copybutton_prompt_text = r"\$ |\(Pdb\) |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"minixnn {release}"
html_static_path = ["_static", "images/lessons"]
html_favicon = "_static/favicon.svg"
html_css_files = ["minixnn.css"]
html_search_scorer = str(HERE / "_ext" / "scorer.js")   # a rule before the account of the rule
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False                        # which quotes the source of a page, marks and all
pygments_style, pygments_dark_style = "friendly", "github-dark"


def leave_out_speed(app, page, source):
    """speed.md is written where the speed is measured; before that it has no place in the list of pages."""
    if page == "index" and not (HERE / "speed.md").exists():
        source[0] = source[0].replace("\nspeed\n", "\n")


def write_microscope(app):
    """The page that `minixnn microscope` writes, beside index.html. At first, before autodoc marks the arguments of
    rules, `autodoc_preserve_defaults`, with what is no number."""
    if app.builder.format == "html":
        command_line(["microscope", "-o", str(pathlib.Path(app.outdir) / "microscope.html")])


def write_walks(app):
    """A page to step through for every rule: the table of rules and some lessons link to them."""
    if app.builder.format == "html":
        recorded_walks.main(folder=pathlib.Path(app.outdir) / "walks")


def setup(app):
    app.connect("source-read", leave_out_speed)
    app.connect("builder-inited", write_microscope)
    app.connect("builder-inited", write_walks)
