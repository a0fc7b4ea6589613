r"""Our lessons as Markdown: splits a lesson into cells, and writes their reStructuredText as a forge renders it.

    cells(text)             [Cell(prose, code, line), ...] of a lesson: the docstring, then what `# %%` begins
    markdown(prose)         one cell's prose; formulas as $...$ and ```math
    markdown(prose, notebook=True)      the same for Jupyter, which knows $...$ and $$...$$ only
"""
import ast
import re
from typing import NamedTuple

INLINE = re.compile(r":math:`(?P<math>[^`]+)`|``(?P<code>.+?)``|:sup:`(?P<sup>[^`]+)`|:sub:`(?P<sub>[^`]+)`"
                    r"|`(?P<text>[^`<]+?)\s*<(?P<url>[^`>]+)>`_+|(?P<role>:[\w:]+:`[^`]*`)|(?P<join>\\ )", re.S)
BLOCK = re.compile(r"^( *)\.\. (math|code-block|code|note|tip|warning)::[ ]?(.*)$")
# What Markdown would take out of a formula, or take for its own: a backslash before a sign, emphasis, a tag.
FRAGILE = re.compile(r"\\[^A-Za-z]|[*<>~|\[\]]|(?<![A-Za-z0-9])_")


class Cell(NamedTuple):
    prose: str
    code: str
    line: int               # of the file, where the code begins; the first is 1


def cells(text):
    """The cells of a lesson, in order. The first one's prose is the docstring."""
    header = ast.parse(text).body[0]
    lines = text.splitlines()
    found, prose, code, begun = [], [ast.get_docstring(ast.parse(text))], [], header.end_lineno + 1
    talking = False
    for number, line in enumerate(lines[header.end_lineno:], header.end_lineno + 1):
        if line.startswith("# %%"):
            found.append(cell(prose, code, begun))
            prose, code, talking, begun = [], [], True, number + 1
        elif talking and line.startswith("#"):
            prose.append(line[2:])
            begun = number + 1
        else:
            talking = False
            code.append(line)
    return [*found, cell(prose, code, begun)]


def cell(prose, code, line):
    empty = next((n for n, text in enumerate(code) if text.strip()), len(code))
    return Cell("\n".join(prose).strip("\n"), "\n".join(code[empty:]).rstrip(), line + empty)


def markdown(prose, notebook=False):
    """The prose of one cell as Markdown. ValueError where it uses markup that has no counterpart here."""
    done, paragraph, lines = [], [], [*prose.splitlines(), ""]
    n = 0
    while n < len(lines):
        line = lines[n]
        directive = BLOCK.match(line)
        if directive:
            indent, kind, argument = directive.groups()
            body, n = indented(lines, n + 1, len(indent))
            done += [*inline(paragraph, notebook), *block(kind, argument, body, indent, notebook)]
            paragraph = []
        elif line.lstrip().startswith(".. "):
            raise ValueError(f"got the directive {line!r}, expected .. math::, .. code-block:: or .. note::")
        elif re.fullmatch(r"([=\-~])\1{2,}", line) and len(paragraph) == 1:
            done += [f"{'#' if line[0] == '=' else '##' if line[0] == '-' else '###'} {paragraph[0]}"]
            paragraph, n = [], n + 1
        elif line.strip():
            paragraph, n = [*paragraph, line], n + 1
        else:
            done += [*inline(paragraph, notebook), ""]
            paragraph, n = [], n + 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(done)).strip()


def indented(lines, n, indent):
    """The lines from n on that stand deeper than `indent`, without their own indent; and where they end."""
    start = n
    while n < len(lines) and (not lines[n].strip() or len(lines[n]) - len(lines[n].lstrip()) > indent):
        n += 1
    body = lines[start:n]
    deep = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
    return "\n".join(line[deep:] for line in body).strip("\n"), n


def block(kind, argument, body, indent, notebook):
    """A directive as fenced lines; a blank line parts formulas below each other."""
    if kind in ("note", "tip", "warning"):
        said = markdown("\n".join(filter(None, [argument, body])), notebook).splitlines()
        return ["", *(f"{indent}> {line}".rstrip() for line in [f"**{kind.capitalize()}.**", *said]), ""]
    if kind != "math":
        return ["", f"{indent}```{argument}", *(f"{indent}{line}".rstrip() for line in body.splitlines()),
                f"{indent}```", ""]
    formulas = re.split(r"\n\s*\n", "\n".join(filter(None, [argument, body])).strip())
    formulas = [f"\\begin{{aligned}}\n{formula}\n\\end{{aligned}}" if r"\\" in formula and r"\begin" not in formula
                else formula for formula in formulas]       # lines below each other, which Sphinx would align by itself
    fence, end = ("$$", "$$") if notebook else ("```math", "```")
    return [line for formula in formulas
            for line in ("", f"{indent}{fence}", *(f"{indent}{part.strip()}" for part in formula.splitlines()),
                         f"{indent}{end}", "")]


def inline(paragraph, notebook):
    """The lines of a paragraph with their inline markup replaced."""
    def replaced(found):
        kind, whole = found.lastgroup, found[found.lastgroup]
        if kind == "math":
            formula = " ".join(whole.split())
            return f"$`{formula}`$" if FRAGILE.search(formula) and not notebook else f"${formula}$"
        if kind == "code":
            return f"`{whole}`"
        if kind in ("sup", "sub"):
            return f"<{kind}>{whole}</{kind}>"
        if kind == "url":                       # the last group of a link
            return f"[{' '.join(found['text'].split())}]({found['url']})"
        if kind == "role":
            raise ValueError(f"got {whole} in a lesson, expected :math:, :sup: or :sub:")
        return ""
    text = "\n".join(paragraph)
    if "$" in text:
        raise ValueError(f"got a dollar sign in {text!r}, which a forge reads as a formula")
    first, *rest = INLINE.sub(replaced, text).split("\n")
    listed = re.match(r" *([-*]|\d+\.) ", first)
    # A line that only by chance begins with a sign of Markdown must not begin a list or a heading.
    return [first, *(line if listed else re.sub(r"^( *\d*)([-+>#]|(?<=\d)\.)(?= )", r"\1\\\2", line)
                     for line in rest)] if text else []
