"""Issues: told once, in one table, no type hidden by another."""

import csv

import pytest

from seglab.errors import SeglabError
from seglab.formats.issues import ROWS_SHOWN, Issue, issue_table, left_out, merged_issue, raise_first, write_rest


def test_table_counts_kinds_and_hides_no_rare_one():
    problems = [Issue(f"/d/{n}.txt", 1, "duplicate row: the same as row 1", "row left out") for n in range(1000)]
    problems.append(Issue("/d/x.jpg", 0, "unreadable image: cut", "image left out"))
    table = issue_table(problems, "/d")
    assert "1001 issues" in table and f"{1000 - ROWS_SHOWN} more" in table and "x.jpg" in table
    assert len(table.splitlines()) == ROWS_SHOWN + 3
    assert issue_table([]) == ""


def test_what_the_table_leaves_out_is_written(tmp_path):
    problems = [Issue(f"/d/{n}.txt", n, "duplicate row: the same", "left, out") for n in range(ROWS_SHOWN + 1)]
    assert write_rest(problems[1:], tmp_path / "none.csv") is None and not list(tmp_path.iterdir())
    path = write_rest(problems, tmp_path / "new" / "problems.csv")
    header, *rows = csv.reader(path.read_text().splitlines())
    assert header == ["file", "line", "message", "action"] and len(rows) == ROWS_SHOWN + 1
    assert rows[0] == ["/d/0.txt", "", "duplicate row: the same", "left, out"] and rows[-1][1] == str(ROWS_SHOWN)


def test_strict_reading_stops_at_a_warning_and_not_at_a_note():
    note = Issue("a.txt", 0, "empty label file", "read as an image without instances", "note")
    raise_first([note])
    with pytest.raises(SeglabError, match=r"a\.txt:3: odd; correct it"):
        raise_first([note, Issue("a.txt", 3, "odd", "left out")])


def test_an_issue_counts_what_it_costs():
    assert left_out("a.txt", "no area", 2) == Issue("a.txt", 0, "no area", "2 instances left out", lost=2)
    faults = [("odd", "cut"), ("too small", "row left out")]
    assert merged_issue("a.txt", 1, faults, used=True) == Issue("a.txt", 1, "odd; too small", "cut, row left out")
    assert merged_issue("a.txt", 1, faults, used=False) == Issue("a.txt", 1, "too small; odd", "row left out", lost=1)
