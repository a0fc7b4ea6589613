"""Directives `rules`, `rewritings`, `default-rules`, `methods`: tables made of the docstrings, of docs/agreement.md, of
the lessons, and of what `rewritings` measures."""
import ast
import inspect
import pathlib
import textwrap

from docstrings import DERIVED_IN, EXPLAINED_IN, agreement, describe, escape, lessons, rules, to_rst
from notation import in_words, latex
from recorded_walks import WALKS, page_of, rules as every_rule
from rewritings import OTHERS, REWRITINGS, left_alone
from sphinx.util.docutils import SphinxDirective

from minixnn import attribution, layers, passes
from minixnn.rules import composites, deep_taylor, lrp

ROOT = pathlib.Path(__file__).parents[2]


def methods():
    """Every method, {"saliency": function}, told by the function behind its entries in attribution.METHODS."""
    behind = [getattr(method, "func", method) for method in attribution.METHODS.values()]
    return {function.__name__: function for function in dict.fromkeys(behind)}


def composite_rules():
    """{"composites.epsilon_plus": function, ...}: the functions of the module that need nothing but a network."""
    return {f"composites.{name}": function for name, function in vars(composites).items()
            if inspect.isfunction(function) and function.__module__ == composites.__name__
            and [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty] == ["net"]}


def link(function, text):
    return f":py:func:`{text} <{function.__module__}.{function.__name__}>`"


def code(function):
    """A link to the highlighted source that sphinx.ext.viewcode writes."""
    page = f"_modules/{function.__module__.replace('.', '/')}.html#{function.__name__}"
    return f"`code <{page}>`__"


def walk(function):
    """Links to the recorded walks through a rule."""
    page = page_of(function)
    more = [name for name in WALKS if name.startswith(pathlib.Path(page).stem + ".")]
    return ", ".join([f"`walk through it <{page}>`__",
                      *(f"`of {name.rpartition('.')[2]} <walks/{name}.html>`__" for name in more)])


def default_rules():
    """{function: names of the layers whose own rule it is}, of all rules that layers bring along or take."""
    classes = {name: each for name, each in vars(layers).items() if inspect.isclass(each)}
    return {function: [name for name, each in classes.items() if getattr(each, "rule", None) is function]
            for function in every_rule().values() if function.__module__.startswith("minixnn.layers.")}


def lesson(number, every):
    stem = next((stem for stem in every if stem.startswith(f"{number}_")), None)
    return f":doc:`{escape(every[stem][0])} <lessons/{stem}>`" if stem else number.replace("_", ".")


def table(header, rows, kind):
    """A list-table; a cell is a list of lines."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :class: {kind}", ""]
    for row in [[[name] for name in header], *rows]:
        for n, cell in enumerate(row):
            first, *rest = cell or [""]
            lines += [f"   {'*' if n == 0 else ' '} - {first}", *(f"       {line}" for line in rest)]
    return [*lines, ""]


def formula(lines):
    """A formula as it is drawn, and as it is spelled in the code; what is defined in words is spelled only."""
    drawn = [part for line in lines if not in_words(line) for part in ("", f"   {latex(line)}")]
    return [".. math::", *drawn, "", ".. code-block:: text", "", *(f"   {line}" for line in lines)]


def unfolded(function):
    """The lines of a rule below its docstring, to be unfolded in place."""
    source = textwrap.dedent(inspect.getsource(function))
    body = ast.parse(source).body[0].body
    lines = textwrap.dedent("\n".join(source.splitlines()[body[1].lineno - 1:])).splitlines()
    return ["", ".. raw:: html", "", "   <details class=\"rule-code\"><summary>its code</summary>", "",
            ".. code-block:: python", "", *(f"   {line}".rstrip() for line in lines), "",
            ".. raw:: html", "", "   </details>"]


def unchanged_by(function):
    """The cell of a rule that says which rewritings of a network leave it alone."""
    names = left_alone(function)
    return "" if names is None else ", ".join(names) or "none"


class Rewritings(SphinxDirective):
    """One row a way of writing the same function otherwise."""

    def run(self):
        return self.parse_text_to_nodes("\n".join(table(
            ["Rewriting", "What is written otherwise"], [[[name], [escape(what)]] for name, (what, _) in
                                                         REWRITINGS.items()], "methods")))


class Rules(SphinxDirective):
    """One row a rule."""

    def run(self):
        every, agreed = lessons(ROOT / "lessons"), agreement(ROOT / "docs" / "agreement.md")
        rows = []
        for name, function in rules(lrp, deep_taylor).items():
            told = describe(function)
            where = DERIVED_IN.get(name) or DERIVED_IN[name.partition(".")[0]]
            rows.append([[link(function, name), "", escape(told["name"]), "", code(function), "", walk(function)],
                         formula(told["formula"]) + unfolded(function), [escape(told["domain"])],
                         [escape(told["conserves"])], [unchanged_by(function)], [escape(told["source"])],
                         [", ".join(agreed.get(name, ["none"]))], [lesson(where, every)]])
        header = ["Rule", "Formula", "Domain", "Conserves", "Left alone by", "Source", "Agrees with", "Derived in"]
        return self.parse_text_to_nodes("\n".join(table(header, rows, "rules")))


class DefaultRules(SphinxDirective):
    """One row a rule that stands beside its layer."""

    def run(self):
        rows = [[[link(function, function.__name__), "", code(function), "", walk(function)],
                 [", ".join(f"``{name}``" for name in names) or "given in place of the layer's own"],
                 to_rst(inspect.getdoc(function).splitlines()), [unchanged_by(function) if function in OTHERS else ""]]
                for function, names in default_rules().items()]
        header = ["Rule", "Layers", "What it does", "Left alone by"]
        return self.parse_text_to_nodes("\n".join(table(header, rows, "methods")))


class Methods(SphinxDirective):
    """One row a heatmap method or, with the argument `composites`, a composite."""
    optional_arguments = 1

    def run(self):
        every, agreed = lessons(ROOT / "lessons"), agreement(ROOT / "docs" / "agreement.md")
        if self.arguments:
            rows = [[[link(function, name), "", code(function)], to_rst(inspect.getdoc(function).splitlines()),
                     [", ".join(agreed.get(name, ["none"]))]] for name, function in composite_rules().items()]
            header = ["Composite", "What goes where", "Agrees with"]
        else:
            rows = []
            for name, function in methods().items():
                told, inner = describe(function), describe(getattr(passes, name, function))
                libraries = dict.fromkeys(agreed.get(f"attribution.{name}", []) + agreed.get(f"passes.{name}", []))
                rows.append([[attribution.NAMES.get(name, "LRP"), "", link(function, name), "", code(function)],
                             [escape(told["name"])],
                             [escape(told["source"] or inner["source"])], [", ".join(libraries) or "none"],
                             [lesson(EXPLAINED_IN[name], every)]])
            header = ["Method", "What it is", "Source", "Agrees with", "Lesson"]
        return self.parse_text_to_nodes("\n".join(table(header, rows, "methods")))


def setup(app):
    app.add_directive("rules", Rules)
    app.add_directive("rewritings", Rewritings)
    app.add_directive("default-rules", DefaultRules)
    app.add_directive("methods", Methods)
    return {"parallel_read_safe": True}
