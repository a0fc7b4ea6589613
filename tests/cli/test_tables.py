"""Does the result for row n of a table stand at row n, and is it said what the first line was taken for?"""
import pathlib

import numpy as np
import pytest

from minixnn import Dense, Network, ReLU


@pytest.fixture
def explained(say):
    """A function: (status, rows of relevance or None, everything that was said) for the text of a table."""
    rng = np.random.default_rng(0)
    Network([Dense(rng.normal(size=(3, 4)).astype("f4")), ReLU(), Dense(rng.normal(size=(4, 2)).astype("f4"))]).save(
        "net.npz")

    def of(text, *more):
        pathlib.Path("table.csv").write_bytes(text.encode())
        status, said = say("explain", "table.csv", "--model", "net.npz", "-o", "o", *more)
        return status, np.load("o/table_relevance.npy") if status == 0 else None, said
    return of


@pytest.mark.parametrize("head", ["2019,2020,2021", "400.5,401.0,401.5", "0,1,2", "3,1,2", "1e3,2e3,3e3", "-1,0,+1"])
def test_a_first_line_of_numbers_is_told_and_can_be_called_names(explained, head):
    text = f"{head}\n0.1,0.2,0.3\n0.4,0.5,0.6\n"
    status, rows, said = explained(text)
    assert status == 0 and len(rows) == 3 and "first line holds numbers" in said and "--header" in said
    status, named, said = explained(text, "--header")
    assert status == 0 and len(named) == 2 and "first line" not in said
    assert np.array_equal(named, rows[1:]) and head.split(",")[0] in said


@pytest.mark.parametrize("head", ["a,b,c", "\ufeffa,b,c", '"2019 m","2020 m","2021 m"', "1,2,c"])
def test_a_first_line_of_names_needs_no_word(explained, head):
    status, rows, said = explained(f"{head}\n0.1,0.2,0.3\n0.4,0.5,0.6\n")
    assert status == 0 and len(rows) == 2 and "first line" not in said


@pytest.mark.parametrize("text, words", [
    ("a,b,c\n1,2,3\n,,\n7,8,9\n", "empty cells only in row 1"),
    ("a;b;c\n1;2;3\n;;\n7;8;9\n", "empty cells only in row 1"),
    ("a\tb\tc\n\t\t\n7\t8\t9\n", "empty cells only in row 0"),
    ("a,b,c\n1,2,3\n , , \n7,8,9\n", "empty cells only in row 1"),
    ("a,b,c\n1,2,3\n7,8,9\n,,\n", "empty cells only in row 2"),
    ("a,b,c\n1,2,3\n\n7,8,9\n", "nothing in line 3"), ("\na,b,c\n1,2,3\n", "nothing in line 1"),
    ("1,2,3\r\n\r\n7,8,9\r\n", "nothing in line 2"),
    ("a,b,c\n1,2,3\n   \n7,8,9\n", "1 columns in row 1"), ("a,b,c\n4,,6\n", "'' in row 0, column 'b'")])
def test_a_line_without_numbers_is_refused_with_its_place(explained, text, words):
    status, rows, said = explained(text)
    assert status == 1 and rows is None and words in said, said


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n\r\n"])
def test_lines_after_the_last_row_are_no_rows(explained, end):
    status, rows, _ = explained("a,b,c\n1,2,3\n7,8,9" + end)
    assert status == 0 and len(rows) == 2


def test_what_a_folder_holds_beside_tables_is_named(explained, say, tmp_path):
    (tmp_path / "in" / "older").mkdir(parents=True)
    (tmp_path / "in" / "a.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "in" / "b.xlsx").write_bytes(b"PK")
    status, said = say("explain", "in", "--model", "net.npz", "-o", "o")
    assert status == 0 and "2 in the folder" in said and "b.xlsx" in said and "older" in said
