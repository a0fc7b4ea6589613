"""Formulas as MathML, which browsers draw by themselves: no script, no fonts to fetch, no network."""
import re

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

WORDS = re.compile(r"\\(arg|sgn)(?![a-zA-Z])\s*")       # names of functions that the converter does not know


def mathml(formula, display):
    """LaTeX -> MathML; a formula that cannot be read, or is read in part only, stops the build and is named."""
    try:
        drawn = convert(WORDS.sub(r"\\operatorname{\1} ", lines_below_each_other(formula)), display=display)
    except Exception as error:
        raise ValueError(f"got the formula {formula!r}, expected LaTeX that latex2mathml reads") from error
    if unknown := re.search(r"\\[a-zA-Z]+", drawn):
        raise ValueError(f"got {unknown[0]} in the formula {formula!r}, which latex2mathml does not know")
    return drawn


def lines_below_each_other(formula):
    r"""Lines parted by \\ and aligned at &, in the only environment that the converter aligns."""
    formula = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", formula)
    free = r"\\" in formula and "&" in formula and r"\begin" not in formula
    return f"\\begin{{align*}}{formula}\\end{{align*}}" if free else formula


def inline(self, node):
    self.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def block(self, node):
    for formula in re.split(r"\n\s*\n", node.astext().strip()):    # a blank line parts formulas below each other
        self.body.append(f'<div class="math-block">{mathml(formula, "block")}</div>\n')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
