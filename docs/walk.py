"""Walks through rules with pdb, for real, and writes what it printed into docs/stepping.md, and README's line.

    python docs/walk.py             after a change of the lines that the walks pass; a test says when

The page has three walks: through a lesson's neuron, through a block of a small ResNet, and through attention in a
shipped transformer. The last two start from a script that stands on the page itself, above the walk.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
PAGE, README, LESSON = ROOT / "docs" / "stepping.md", ROOT / "README.md", "lessons.6_1_where_did_my_relevance_go"
BEGIN, END = "<!-- written by docs/walk.py: begin {} -->\n", "<!-- end {} -->\n"


def marked_line(path, mark="<- STEP INTO: the formula"):
    """The number of the first line of a file that carries the mark; in passes.py that of `lrp`."""
    return next(n for n, line in enumerate((ROOT / path).read_text().splitlines(), 1) if mark in line)


def neuron():
    """The walk through a lesson: pairs of a paragraph and the commands typed after it."""
    return [
        ("The breakpoint goes on the loop of the pass, on the line that is marked `STEP INTO: the formula`. The lesson "
         "explains one neuron with two inputs; the program stops before the last (here the only) layer hands its "
         "relevance down.",
         [f"tbreak minixnn/passes.py:{marked_line('minixnn/passes.py')}", "continue"]),
        ("**The frame of the pass** has everything beside each other: the layer index `l`, the activations `A`, the "
         "relevances `R` (what lies below is still 0) and the rule of every layer. The neuron's output is 5, and 5 is "
         "what arrives.",
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
        ("And back up, into the loop, which adds what the rule returned to `R` beside the layer's input.",
         ["return", "next", "p R_x", "next", "next", "p R"]),
    ]


def resnet():
    """The walk through a block: where a shortcut and the way round it meet."""
    line = marked_line("minixnn/passes.py")
    return [
        ("`runcall` stops on the first line of the pass, in `minixnn/passes.py`, so the breakpoint needs the number of "
         "the line only. A condition says at which layer to stop: the sum in which the first block ends.",
         [f"tbreak {line}, net.names[l] == '0.add'", "continue"]),
        ("**The loop is the one above.** Into this layer two activations come, by the shortcut and round it. So "
         "`x_l` is a tuple, and `R[l + 1]` is to be shared between them.",
         ["p l, net.layers[l], net.inputs[l], rules[l].__name__", "p x_l", "p A[l + 1], R[l + 1]"]),
        ("One step down is the rule of a sum: each input receives by its share of `y`.",
         ["step", "next", "next", "p s"]),
        ("The block took x = (1, 2) by the shortcut, and made (3, 1) of it: of the first sum, 4, the shortcut has "
         "contributed 1 and the layers 3.",
         ["return", "next", "p R_x", "p sum(r.sum() for r in R_x), R[l + 1].sum()"]),
        ("Two more steps, and the loop has added each share to `R` beside the activation it came from. The block's "
         "layers come next: they are layers of the same list, and the same line is the place to step in.",
         ["next", "next", "p R[0], R[l]", f"tbreak {line}", "continue",
          "p l, net.names[l], net.layers[l], rules[l].__name__"]),
    ]


def transformer():
    """The walk through attention: the product of weights and values, and the softmax below it."""
    line = marked_line("minixnn/passes.py")
    return [
        ("Attention is plain layers, too. What it brings home is a product of two matrices, of the weights (4 heads, "
         "16 x 16 tokens) with the values (16 tokens, 16 channels a head). The pass comes to the last block's first.",
         [f"tbreak {line}, net.names[l].endswith('mixture')", "continue",
          "p l, net.names[l], net.layers[l], rules[l].__name__", "p [a.shape for a in x_l], R[l + 1].shape"]),
        ("One step down is the rule of a product, AttnLRP's: half to each factor.",
         ["step", "next", "next", "next", "p s.shape", "return", "next",
          "p [round(float(r.sum()), 2) for r in (*R_x, R[l + 1])]"]),
        ("Below lies the softmax that made the weights, 4 x 16 rows that sum to 1. Its rule is a Taylor expansion.",
         [f"tbreak {line}, net.names[l].endswith('weights')", "continue", "p l, net.names[l], rules[l].__name__",
          "step", "next", "p x.shape, round(float(y.sum()), 2)", "next", "return"]),
    ]


WALKS = {"neuron": neuron, "resnet": resnet, "transformer": transformer}


def reader():
    """The variables of somebody who has set none for Python, matplotlib or colours."""
    return {name: value for name, value in os.environ.items()
            if not re.match("PYTHON|MPL|MINIXNN_|NO_COLOR|FORCE_COLOR", name)}


def script(name, page=None):
    """The Python block that stands on the page above the walk `name`, or None: the neuron's walk is a lesson's."""
    text = (page or PAGE.read_text(encoding="utf-8")).partition(BEGIN.format(name))[0]
    return None if name == "neuron" else re.findall(r"```python\n(.*?)```", text, re.S)[-1]


def typed(name, commands):
    """What pdb prints, asked these commands one after the other, in the process of a reader."""
    with tempfile.TemporaryDirectory() as folder:
        code, what = script(name), ["-m", "pdb", "-m", LESSON]
        if code is not None:
            path = pathlib.Path(folder, f"{name}.py")
            path.write_text(code, encoding="utf-8")
            what = [str(path)]
        process = subprocess.run([sys.executable, *what], input="\n".join([*commands, "quit\n"]), cwd=ROOT,
                                 env=reader(), encoding="utf-8", capture_output=True)
    return process.stdout.replace(f"{ROOT}{os.sep}", "")


def transcript(name):
    """A walk as Markdown, with what pdb answered to every command."""
    steps, text = WALKS[name](), []
    answers = iter(typed(name, [command for _, some in steps for command in some]).split("(Pdb) ")[1:])
    for prose, some in steps:
        text += [prose, "", "```text", *(f"(Pdb) {command}\n{next(answers)}".rstrip() for command in some), "```", ""]
    return "\n".join(text)


def current(name):
    """What the page says a walk looks like."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN.format(name))[2].partition(END.format(name))[0]


def main():
    for name in WALKS:
        before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        PAGE.write_text(before + begin + transcript(name) + end + after, encoding="utf-8")
    said, line = README.read_text(encoding="utf-8"), marked_line("minixnn/passes.py")
    said = re.sub(r"(tbreak minixnn/passes\.py:)\d+", rf"\g<1>{line}", said)
    README.write_text(re.sub(r"^Line \d+ is", f"Line {line} is", said, flags=re.M), encoding="utf-8")


if __name__ == "__main__":
    main()
