"""How the site is built:  python -m sphinx -W docs docs/_build  (with the extra `docs` installed).

The lessons are run while it builds and fail it if they fail; an unchanged lesson is taken from docs/lessons, where
the last build left it. Nothing on the built pages comes from another host: formulas are MathML (`_ext/mathml.py`).
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

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_gallery.gen_gallery",
              "anchors", "api_pages", "command_line", "course_cards", "mathml", "plain_docstrings", "rule_table"]
exclude_patterns = ["_build", "course", "lessons/index.rst", "lessons/backreferences",     # course.rst is the index
                    "speed_notes.md"]                                   # part of speed.md
default_role, highlight_language = "code", "none"
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]            # our settings hold nothing worth a warning

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
add_module_names = False
autodoc_preserve_defaults = True                # a path among the defaults is shown as it is written, not as it is here
viewcode_follow_imported_members = False        # a name's source stands on the page of the module that defines it
python_maximum_signature_line_length = 90

sphinx_gallery_conf = {
    "examples_dirs": "../lessons", "gallery_dirs": "lessons",
    "filename_pattern": r"[0-9]+_[0-9]+_\w+\.py$", "ignore_pattern": r"__(init|main)__\.py$",
    "within_subsection_order": "FileNameSortKey", "nested_sections": False, "capture_repr": (),
    "doc_module": ("minixnn",), "backreferences_dir": "lessons/backreferences",
    "write_computation_times": False, "min_reported_time": 1e9, "show_signature": False,
    "thumbnail_size": (400, 280), "plot_gallery": True,
    "first_notebook_cell": "# This notebook needs minixnn and its drawing; in its folder:  "
                           "pip install -e \".[lessons]\"\n# Photographs and records are in lessons/data: "
                           "start it in a checkout of the repository.\n%matplotlib inline",
}

html_theme = "furo"
html_title = f"minixnn {release}"
html_static_path = ["_static", "images/lessons"]
html_favicon = "_static/favicon.svg"
html_css_files = ["minixnn.css"]
html_js_files = ["copy.js"]
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
