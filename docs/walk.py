"""Walks through LRP-epsilon with pdb, for real, and writes what it printed into docs/stepping.md.

    python docs/walk.py             after a change of the lines that the walk passes; a test says when
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
PAGE, LESSON = ROOT / "docs" / "stepping.md", "lessons.6_1_where_did_my_relevance_go"
BEGIN, END = "<!-- written by docs/walk.py: begin -->\n", "<!-- end -->\n"


def marked_line(path, mark="<- STEP INTO: the formula"):
    """The number of the first line of a file that carries the mark; in passes.py that of `lrp`."""
    return next(n for n, line in enumerate((ROOT / path).read_text().splitlines(), 1) if mark in line)


def walk():
    """The walk: pairs of a paragraph and the commands typed after it."""
    return [
        ("The breakpoint goes on the loop of the pass, on the line that is marked `STEP INTO: the formula`. The lesson "
         "explains one neuron with two inputs; the program stops before the last (here the only) layer hands its "
         "relevance down.",
         [f"tbreak minixnn/passes.py:{marked_line('minixnn/passes.py')}", "continue"]),
        ("**The frame of the pass** has everything beside each other: the layer index `l`, the activations `A`, the "
         "relevances `R` (what lies below `l` is still `None`) and the rule of every layer. The neuron's output is 5, "
         "and 5 is what arrives.",
         ["p l, net.layers[l], rules[l].__name__", "p A", "p R"]),
        ("One step down is **the rule**: the formula, with the layer in `layer` and both its sides in `x` and `y`. "
         "`layer.W`, `layer.b` and `x` are what the textbook calls w, b and x.",
         ["step", "args", "p layer.W, layer.b", "next"]),
        ("*z*, what each output was made of: 1 · 2 + 2 · 1 + 1 = 5, the last 1 being the bias. The trace has computed "
         "it already: it is the layer's output `y`.", ["next", "p z"]),
        ("*s*, the relevance per unit of z: 5 / 5.", ["next", "p s"]),
        ("*c*, what an input of size 1 has earned: the gradient, with s in the place of the signal from above.",
         ["next", "p c"]),
        ("*R*, what each input receives. The sum is 4: the bias has absorbed 1, as the docstring of `epsilon` says.",
         ["p x * c", "p (x * c).sum(), R.sum()"]),
        ("And back up, into the loop, which has found `R[0]`.",
         ["return", "next", "p R"]),
    ]


def reader():
    """The variables of somebody who has set none for Python, matplotlib or colours."""
    return {name: value for name, value in os.environ.items()
            if not re.match("PYTHON|MPL|MINIXNN_|NO_COLOR|FORCE_COLOR", name)}


def transcript():
    """The walk as Markdown, with what pdb answered to every command."""
    steps = walk()
    commands = [command for _, some in steps for command in some]
    process = subprocess.run([sys.executable, "-m", "pdb", "-m", LESSON], input="\n".join([*commands, "quit\n"]),
                             cwd=ROOT, env=reader(), encoding="utf-8", stdout=subprocess.PIPE, check=True)
    answers = process.stdout.replace(f"{ROOT}{os.sep}", "").split("(Pdb) ")[1:]
    text, answers = [], iter(answers)
    for prose, some in steps:
        text += [prose, "", "```text", *(f"(Pdb) {command}\n{next(answers)}".rstrip() for command in some), "```", ""]
    return "\n".join(text)


def current():
    """What the page says the walk looks like."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main():
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + transcript() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
