"""Writes the table of lessons into the README, and small copies of their figures.

    python docs/lesson_table.py             after a lesson is new or has another title; a test says when
    python docs/lesson_table.py --figures   draws the small copies anew too, from the figures of the site's last build
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

import docstrings  # noqa: E402  (it lies in the folder named above)

README, SMALL = ROOT / "README.md", ROOT / "docs" / "images" / "lessons"
BEGIN, END = "<!-- written by docs/lesson_table.py: begin -->\n", "<!-- end -->\n"
# Which figure stands for a lesson, where it is not the first.
FIGURE = {"0_2_is_the_gradient_right": 2, "0_3_training_a_network": 3, "1_1_activation_maximization": 2,
          "1_2_with_an_expert": 3, "2_1_sensitivity_analysis": 2, "2_3_lrp": 2, "3_2_backpropagation": 2,
          "3_3_guided_backpropagation": 2, "3_4_integrated_gradients": 3, "4_1_cam": 2, "4_3_grad_cam_plus_plus": 2,
          "5_1_continuity": 5, "6_1_where_did_my_relevance_go": 2, "6_2_five_libraries_five_answers": 3,
          "6_5_failure_gallery": 3}
WIDTH, HEIGHT = 320, 200                    # pixels at most


def promise(docstring):
    """What the lesson says that one will see, to the end of the sentence."""
    text = " ".join(docstring.partition("**You will see**")[2].partition("\n\n")[0].split())
    return re.split(r"\.(?: |$)", text)[0]


CHAPTERS = ("The engine", "What does a class look like?", "Decomposing a decision", "Looking through the gradient",
            "Where is it? Class activation maps", "Is an explanation any good?", "Beyond", "Networks in use")


def table():
    """The table, as Markdown: a line for each chapter."""
    lines, chapters = ["| chapter | lessons |", "|---|---|"], {}
    for stem, (title, _, _) in docstrings.lessons(ROOT / "lessons").items():
        chapters.setdefault(int(stem[0]), []).append(f"[{title}](lessons/{stem}.py)")
    for number, links in sorted(chapters.items()):
        lines.append(f"| **{number} {CHAPTERS[number]}** | {' · '.join(links)} |")
    return "\n".join(lines) + "\n"


def current():
    """What the README says."""
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def draw():
    """Small copies of the figures that sphinx-gallery left in docs/lessons/images."""
    from PIL import Image
    SMALL.mkdir(exist_ok=True)
    for stem in docstrings.lessons(ROOT / "lessons"):
        source = ROOT / "docs" / "lessons" / "images" / f"sphx_glr_{stem}_{FIGURE.get(stem, 1):03}.png"
        if source.exists():
            picture = Image.open(source).convert("RGB")
            picture.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
            picture.quantize(64).save(SMALL / f"{stem}.png", optimize=True)


def main():
    if "--figures" in sys.argv[1:]:
        draw()
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
