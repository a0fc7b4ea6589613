"""Do the Markdown pages and notebooks of the course say what the lessons say and print?"""
import json
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
if not (ROOT / "docs" / "course_pages.py").exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "docs")]

import course  # noqa: E402  (it and the next lie in the folders named above)
import course_pages  # noqa: E402
import docstrings  # noqa: E402
import markdown  # noqa: E402

LESSONS = docstrings.lessons(ROOT / "lessons")
QUICK = [stem for stem in ("0_0_look_first", "2_2_simple_taylor_decomposition") if stem in LESSONS]
NUMBER = re.compile(r"-?\d+(?:\.(\d*))?(?:e([+-]?\d+))?")


def text_of(stem):
    path = course_pages.COURSE / f"{stem}.md"
    assert path.exists(), f"run python docs/course_pages.py {course.number(stem)}"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stem", LESSONS)
def test_a_page_has_the_prose_and_the_code_of_its_lesson(stem):
    page = text_of(stem)
    results = course_pages.results_of(page)
    with_code = [cell for cell in markdown.cells(LESSONS[stem][2]) if cell.code]
    assert len(results) == len(with_code), "run python docs/course_pages.py --text, or without --text if output changed"
    assert page == course_pages.page(stem, LESSONS, results), "run python docs/course_pages.py --text"
    assert any(result["figures"] for result in results), "a page shows the figures of its lesson"


@pytest.mark.parametrize("stem", LESSONS)
def test_a_notebook_has_the_prose_and_the_code_of_its_lesson(stem):
    path = course_pages.COURSE / "notebooks" / f"{stem}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert text == course_pages.notebook(stem, LESSONS), "run python docs/course_pages.py --text"
    code = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert code[1:] == [cell.code for cell in markdown.cells(LESSONS[stem][2]) if cell.code]


def test_the_index_of_the_course_is_current():
    said = (course_pages.COURSE / "README.md").read_text(encoding="utf-8")
    assert said == course_pages.index(LESSONS), "run python docs/course_pages.py --text"


def test_the_readme_lists_every_lesson_by_its_chapter():
    said = course_pages.README.read_text(encoding="utf-8").partition(course_pages.BEGIN)[2]
    assert said.partition(course_pages.END)[0] == course_pages.table(LESSONS), "run python docs/course_pages.py --text"


def test_the_folder_of_the_course_holds_what_the_lessons_need_and_no_more():
    pages = {path.stem for path in course_pages.COURSE.glob("[0-9]*.md")}
    figures = {path.name for path in (course_pages.COURSE / "figures").iterdir()}
    shown = {name for stem in LESSONS for result in course_pages.results_of(text_of(stem))
             for name, _ in result["figures"]}
    assert pages == set(LESSONS) and figures == shown
    pictures = [course.thumbnail(stem) for stem in LESSONS]
    assert not [picture.name for picture in pictures if not picture.exists()], "run python docs/course_pages.py"
    size = sum(path.stat().st_size for path in [*course_pages.COURSE.rglob("*"), *pictures] if path.is_file())
    assert size < 4_000_000, f"{size} bytes"


@pytest.mark.parametrize("page", ["README", *LESSONS])
def test_links_on_a_page_of_the_course_lead_to_files(page):
    path = course_pages.COURSE / f"{page}.md"
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    prose = re.sub(r"`[^`\n]*`", "", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    missing = [target for target in targets if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists()]
    assert targets and not missing, missing


@pytest.mark.parametrize("stem", LESSONS)
def test_pages_and_notebooks_lose_no_link_and_show_no_backslash(stem):
    prose = "\n".join(cell.prose for cell in markdown.cells(LESSONS[stem][2]))
    links = re.findall(r"`([^`<]+?)\s*<[^`>]+>`_", re.sub(r"``.+?``", "", prose, flags=re.S))
    cells = json.loads((course_pages.COURSE / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    notebook = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for text, folder in ((text_of(stem), course_pages.COURSE), (notebook, course_pages.COURSE / "notebooks")):
        text = re.sub(r"^ *```.*?^ *```|\$\$.*?\$\$", "", text, flags=re.M | re.S)
        text = re.sub(r"\$`.*?`\$|`[^`\n]*`|\$[^$\n]*\$", "", text)
        for words in links:
            target = re.search(rf"\[{re.escape(' '.join(words.split()))}\]\(([^)]+)\)", text)
            assert target, f"the link {words!r} of the lesson is lost"
            assert re.match(r"[a-z]+:", target[1]) or (folder / target[1]).exists(), target[1]
        assert not re.findall(r"\\[A-Za-z0-9]", text), "a backslash that Markdown shows as it is"


@pytest.mark.parametrize("stem", QUICK)
def test_a_lesson_prints_what_its_page_shows(stem, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; the extra lessons brings it")
    pytest.importorskip("PIL", reason="Pillow is not installed; the extra lessons brings it")
    results = course_pages.run_apart(stem, tmp_path)
    now = [result for cell, result in zip(markdown.cells(LESSONS[stem][2]), results) if cell.code]
    shown = course_pages.results_of(text_of(stem))
    assert [result["figures"] for result in now] == [result["figures"] for result in shown]
    for printed, page in zip(now, shown):
        assert differences(printed["text"], page["text"]) == []


def differences(printed, shown):
    """Where two texts differ, by more than the last digit that is printed for a number."""
    if NUMBER.sub("#", re.sub(" +", " ", printed)) != NUMBER.sub("#", re.sub(" +", " ", shown)):
        return [(printed, shown)]
    return [(one[0], other[0]) for one, other in zip(NUMBER.finditer(printed), NUMBER.finditer(shown))
            if abs(float(one[0]) - float(other[0])) > 1.001 * max(last_digit(one), last_digit(other))]


def last_digit(number):
    return 10.0 ** (int(number[2] or 0) - len(number[1] or "")) if number[1] is not None else 0.0


def test_numbers_are_compared_to_the_digit_that_is_printed():
    assert differences("area  2.334, 10", "area 2.333, 10") == []
    assert differences("area 2.335", "area 2.333") == [("2.335", "2.333")]
    assert differences("11 of 20", "10 of 20") == [("11", "10")]
    assert differences("left 1.0", "right 1.0") == [("left 1.0", "right 1.0")]


def test_markup_without_a_counterpart_is_named():
    for prose, named in [(".. figure:: x.png", "figure"), ("see :doc:`x`", ":doc:`x`"), ("5 $ each", "dollar")]:
        with pytest.raises(ValueError, match=re.escape(named)):
            markdown.markdown(prose)


def test_formulas_survive_what_markdown_does_to_signs():
    assert markdown.markdown(r"Let :math:`R_k` and :math:`f \, x`.") == r"Let $R_k$ and $`f \, x`$."
    assert markdown.markdown(r"Let :math:`f \, x`.", notebook=True) == r"Let $f \, x$."
    assert markdown.markdown(".. math:: a = b") == "```math\na = b\n```"
    assert markdown.markdown(".. math::\n   a &= b \\\\\n   c &= d") == \
        "```math\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n```"
    assert markdown.markdown("Title\n-----\nA ``name``, z\\ :sup:`B`\n- 1.") == \
        "## Title\nA `name`, z<sup>B</sup>\n\\- 1."
    assert markdown.markdown("by\n0.073, and in\n12. A list\n+- 3") == "by\n0.073, and in\n12\\. A list\n+- 3"


def test_every_lesson_has_a_question_and_every_way_has_lessons():
    asked = [course.question(stem, docstring) for stem, (_, docstring, _) in LESSONS.items()]
    assert len(set(asked)) == len(asked) and all(len(question) < 130 for question in asked), asked
    for name, _, numbers in course.PATHS:
        assert len(course.found(numbers, LESSONS)) >= 4, name


def test_the_site_shows_every_chapter_once():
    page = (ROOT / "docs" / "course.rst").read_text(encoding="utf-8")
    titles = [f"{number} {chapter}" for number, chapter in course.CHAPTERS.items()]
    assert re.findall(r"^(\d .+)$", page, re.M) == titles and "minigallery" not in page
    assert re.findall(r"^\.\. cards:: (\d)$", page, re.M) == [str(number) for number in course.CHAPTERS]
