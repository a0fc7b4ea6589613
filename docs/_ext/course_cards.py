"""The directives `cards` (the lessons of a chapter) and `ways` (paths through the course)."""
import html

import course
from docstrings import lessons
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

CARD = """<a class="lesson-card" href="lessons/{stem}.html">
<img src="_static/{picture}" alt="{alt}" loading="lazy">
<span class="lesson-title">{title}</span>
<span class="lesson-question">{question}</span>
<span class="lesson-about">{minutes} minutes. Before this: {before}</span></a>"""


def card(stem, every):
    title, docstring, text = every[stem]
    words = {"title": title, "question": course.question(stem, docstring), "before": course.before(docstring),
             "alt": f"A figure of lesson {title}"}
    return CARD.format(stem=stem, picture=course.thumbnail(stem).name, minutes=course.minutes(text),
                       **{name: html.escape(word.replace("`", "")) for name, word in words.items()})


class Cards(SphinxDirective):
    """`.. cards:: 2`: a card for every lesson of chapter 2."""
    required_arguments = 1

    def run(self):
        every = lessons(course.ROOT / "lessons")
        of_chapter = [stem for stem in every if stem.startswith(f"{self.arguments[0]}_")]
        shown = "\n".join(card(stem, every) for stem in of_chapter)
        return [nodes.raw("", f'<div class="lesson-cards">\n{shown}\n</div>', format="html")]


class Ways(SphinxDirective):
    """One row a path: for whom, how long, which lessons."""

    def run(self):
        every = lessons(course.ROOT / "lessons")
        lines = [".. list-table::", "   :header-rows: 1", "   :class: ways", "", "   * - Way", "     - Time",
                 "     - Lessons"]
        for name, about, numbers in course.PATHS:
            stems = course.found(numbers, every)
            hours = sum(course.minutes(every[stem][2]) for stem in stems) / 60
            way = ", ".join(f":doc:`{course.number(stem).replace('_', '.')} <lessons/{stem}>`" for stem in stems)
            lines += [f"   * - **{name}**: {about}", f"     - about {hours:.1f} hours", f"     - {way}"]
        return self.parse_text_to_nodes("\n".join([*lines, ""]))


def setup(app):
    app.add_directive("cards", Cards)
    app.add_directive("ways", Ways)
    return {"parallel_read_safe": True}
