"""Rows in every form say the same."""

from __future__ import annotations

import builtins
import csv
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from xml.etree import ElementTree

import pytest

from seglab import tables
from seglab.errors import SeglabError

ROWS = [{"name": "a & b", "teddy bear": 1.5, "box": {"x": 1}}, {"name": "c", "teddy bear": None, "box": {"x": 2}}]
COLUMNS = tuple(ROWS[0])


def test_text_forms():
    read = list(csv.DictReader(io.StringIO(tables.csv_text(ROWS, COLUMNS))))
    assert [row["name"] for row in read] == ["a & b", "c"] and json.loads(read[1]["box"]) == {"x": 2}
    assert json.loads(tables.json_text(ROWS)) == ROWS
    first = ElementTree.fromstring(tables.xml_text(ROWS)).find("row")
    assert first.find("name").text == "a & b" and first.find("value[@name='teddy bear']").text == "1.5"
    page = tables.html_text(ROWS, COLUMNS)
    assert "a &amp; b" in page and page.count("<tr>") == 3


def test_a_database_table_grows(tmp_path):
    path = tmp_path / "t.db"
    for _ in range(2):
        tables.add_to_sqlite(ROWS, COLUMNS, 'odd "name"', path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute('SELECT name, "teddy bear" FROM "odd ""name"""').fetchall()[:2] == [
            ("a & b", 1.5),
            ("c", None),
        ]
    with pytest.raises(SeglabError, match="cannot add rows"):
        tables.add_to_sqlite([{"other": 1}], ["other"], 'odd "name"', path)
    (tmp_path / "no.db").write_text("text" * 100)
    with pytest.raises(SeglabError, match="cannot add rows"):
        tables.add_to_sqlite(ROWS, COLUMNS, "t", tmp_path / "no.db")


@pytest.mark.parametrize(
    ("imports", "expected"), [("", "pandas"), ("import polars", "polars"), ("import polars, pandas", "pandas")]
)
def test_the_data_frame_is_of_the_library_that_a_script_uses(imports, expected):
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    script = f"{imports}\nfrom seglab.tables import data_frame\nprint(type(data_frame([{{'a': 1}}])).__module__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split(".")[0].strip() == expected


def test_without_either_library_the_way_out_is_said(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **options):
        if name in ("pandas", "polars"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SeglabError, match="pip install pandas"):
        tables.data_frame(ROWS)
