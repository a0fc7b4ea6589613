"""Reads our docstrings: plain prose with indented formulas. Needs nothing but the standard library.

    describe(lrp.gamma)     name, formula, domain, what it conserves, source: a row of the table of rules
    to_rst(lines)           the same docstring for Sphinx: what is indented becomes a literal block
    agreement(page)         which library agrees with which of our functions, from docs/agreement.md
    lessons(folder)         title, docstring and text of every lesson
"""
import ast
import inspect
import pathlib
import re

CITATION = re.compile(r"[A-Z][\w-]+(?: et al\.| (?:&|and) [A-Z]\w+)? \d{4}"
                      r"(?:, (?:eq\.|sections?|figure|algorithm) [\d.]*\d(?:(?:,| and) [\d.]*\d)*)?")
DOMAIN = re.compile(r"^(Any |For )")
KEEPS = re.compile(r"[Cc]onserve|absorb|created|[Ss]ums? to")

# Which lesson derives what. A rule stands under its own name or its module's; a test sees that the lesson speaks of it.
DERIVED_IN = {"lrp": "2_3", "deep_taylor": "2_4", "lrp.proportional": "2_4", "lrp.flat": "2_4",
              "lrp.gamma_signed": "6_2", "lrp.epsilon_rms": "7_1"}
EXPLAINED_IN = {"gradient": "3_2", "saliency": "3_2", "sensitivity": "2_1", "gradient_times_input": "2_2",
                "integrated_gradients": "3_4", "smoothgrad": "3_5", "occlusion": "5_2", "deconvnet": "3_1",
                "guided_backprop": "3_3", "lrp": "2_3", "deep_taylor": "2_4", "deeplift": "2_5",
                "deeplift_reveal_cancel": "2_5", "cam": "4_1", "grad_cam": "4_2", "grad_cam_plus_plus": "4_3",
                "guided_grad_cam": "4_2", "score_cam": "4_3", "ablation_cam": "4_3"}


def rules(*modules):
    """Every rule, {"lrp.gamma": function}: the functions of the modules that take (layer, x, y, R, ...)."""
    return {f"{module.__name__.rpartition('.')[2]}.{name}": function
            for module in modules for name, function in vars(module).items()
            if inspect.isfunction(function) and function.__module__ == module.__name__
            and list(inspect.signature(function).parameters)[:4] == ["layer", "x", "y", "R"]}


def describe(function):
    """A function's docstring, taken apart: {"name", "formula", "domain", "conserves", "source"} as text."""
    text = (inspect.getdoc(function) or "").partition("\n>>> ")[0]       # the examples belong to no row
    blocks = re.split(r"\n\s*\n", text)
    formulas = [block for block in blocks if block.startswith("    ")]
    prose = [" ".join(block.split()) for block in blocks if not block.startswith("    ")]
    sentences = [sentence for block in prose for sentence in split(block)]
    return {"name": re.split(r": (?!see )", split(prose[0])[0])[0].rstrip(".") if prose else "",
            "formula": [piece for block in formulas for line in block.splitlines()
                        for piece in re.split(r"(?<!,)\s{3,}", line.strip())],
            "domain": next((sentence for sentence in sentences if DOMAIN.match(sentence)), ""),
            "conserves": " ".join(sentence for sentence in sentences if KEEPS.search(sentence)
                                  and not DOMAIN.match(sentence)),
            "source": "; ".join(dict.fromkeys(CITATION.findall(text.replace("\n", " "))))}


def split(paragraph):
    """Sentences: a full stop, a space and a letter, but not behind "et al." or "eq."."""
    return re.split(r"(?<!et al\.)(?<!eq\.)(?<=\.) (?=[A-Za-z])", paragraph)


def to_rst(lines):
    """A docstring as reStructuredText: prose, then the sections of numpydoc, each below a heading of its own."""
    lines = list(lines)
    heads = [n for n, line in enumerate(lines) if re.fullmatch("-{3,}", line) and n and len(lines[n - 1]) == len(line)]
    done = prose(lines[:heads[0] - 1] if heads else lines)
    for head, end in zip(heads, [*(n - 1 for n in heads[1:]), len(lines)]):
        name, body = lines[head - 1], lines[head + 1:end]
        done += ["", f".. rubric:: {name}", "", *(entries(body) if name in ("Parameters", "Raises") else prose(body))]
    return done


def entries(lines):
    """The entries of a section, "name : what it is", whose further lines are indented, as a list of definitions."""
    done, name, text = [], None, []
    for line in [*lines, "end : "]:
        begin = re.match(r"(\S[*\w, .]*?) : ?(.*)", line)
        if begin is None:
            text.append(line.strip())
            continue
        if name is not None:
            done += [f"``{name}``", *(f"   {one}" for one in escape("\n".join(filter(None, text))).split("\n")), ""]
        name, text = begin[1], [begin[2]]
    return done


def prose(lines):
    """Our prose as reStructuredText: indented blocks are kept as they stand, stray signs of markup are escaped.

    Examples, from a line that begins with >>> to the next empty one, are reStructuredText as they are.
    """
    done, paragraph, literal, example = [], [], False, False
    for line in [*lines, ""]:
        example = line.startswith(">>> ") or (example and bool(line.strip()))
        if example:
            done += [line] if done and done[-1] and not paragraph else [
                *escape("\n".join(paragraph)).split("\n"), "", line]
            paragraph, literal = [], False
            continue
        indented = line.startswith("    ") and not (paragraph and re.match(r"[-*\d]", paragraph[0]))
        if paragraph and (not line.strip() or indented):
            done += [*escape("\n".join(paragraph)).split("\n"), ""]
            paragraph = []
        if indented:
            done += [line] if literal else ["::", "", line]
            literal = True
        elif line.strip():
            done += [""] if literal and done[-1] else []
            paragraph, literal = [*paragraph, line], False
        elif literal or (done and done[-1]):
            done.append("")
    return done


def escape(text):
    """`code` becomes ``code``; elsewhere *emphasis* stays, and every other sign of markup means itself."""
    kept = re.split(r"(``[^`]+``|`[^`]+`|(?<![\w*])\*[^\s*](?:[^*\n]*[^\s*])?\*(?![\w*]))", text)
    return "".join(piece if odd and piece[0] == "*" else f"``{piece.strip('`')}``" if odd else
                   re.sub(r"([\\|*`])|(?<=\w)(_)(?!\w)", r"\\\1\2", piece)
                   for odd, piece in ((n % 2, piece) for n, piece in enumerate(kept)))


def agreement(page):
    """{"lrp.gamma": ["zennit", "captum"], ...} from the table "The same definition" of the page, if there is one."""
    if not page.exists():
        return {}
    same = page.read_text(encoding="utf-8").partition("## The same definition")[2].partition("\n## ")[0]
    libraries = {}
    for line in same.splitlines():
        row = re.match(r"\| `([\w.]+)[^|]*\| (\w+) \|", line)
        if row and row[2] not in libraries.setdefault(row[1], []):
            libraries[row[1]].append(row[2])
    return libraries


def lessons(folder):
    """{file name without .py: (title, docstring, text)} of every lesson, in order."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("[0-9]*_[0-9]*_*.py")):
        text = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(text)) or ""
        found[path.stem] = (docstring.strip().splitlines()[0] if docstring else path.stem, docstring, text)
    return found


def lesson_of(rule, every):
    """The file name, without .py, of the lesson that derives a rule; None if it is not written yet."""
    number = DERIVED_IN.get(rule) or DERIVED_IN[rule.partition(".")[0]]
    return next((stem for stem in every if stem.startswith(f"{number}_")), None)
