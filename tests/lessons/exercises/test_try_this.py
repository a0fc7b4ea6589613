"""Answers to the lessons' "Try this" are true, belong to their questions, and stand on their page."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
if not (ROOT / "docs" / "try_this.py").exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
sys.path[:0] = [str(ROOT / "docs")]

import try_this  # noqa: E402
from lessons.try_this import every_answer  # noqa: E402

ANSWERS = {f"{answer.lesson} ({answer.number})": answer for answer in every_answer()}


@pytest.mark.parametrize("place", ANSWERS)
def test_an_answer_is_measured_by_the_lines_on_its_page(place):
    check, names = ANSWERS[place].check, {}
    exec(try_this.imports_of(check.__module__), names)
    exec(compile(try_this.code_of(check), f"the answer to {place}", "exec"), names)


@pytest.mark.parametrize("place", ANSWERS)
def test_an_answer_belongs_to_its_question(place):
    answer = ANSWERS[place]
    path, = (ROOT / "lessons").glob(f"{answer.lesson.replace('.', '_')}_*.py")
    asked = try_this.questions(path.read_text(encoding="utf-8"))
    assert answer.words in asked[answer.number], f"the question is now: {asked[answer.number]}"
    assert len(answer.check.__doc__.split()) > 15


def test_the_page_of_answers_is_current():
    assert try_this.PAGE.read_text(encoding="utf-8") == try_this.page(), "run python docs/try_this.py"
