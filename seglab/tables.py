"""Rows of plain values, a dict each, in the forms that tables are handed on in: data frame, CSV, JSON, XML, HTML, SQL.

Where a table has no room for a dict or a list, it stands in its cell as JSON.
"""

from __future__ import annotations

import contextlib
import csv
import html
import io
import json
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from seglab.errors import SeglabError

Rows = Sequence[dict[str, Any]]


def data_frame(rows: Rows) -> Any:
    """The rows as a pandas.DataFrame; as a polars.DataFrame where a script has imported polars and not pandas, or where
    only polars is installed. Errors: SeglabError without either.
    """
    uses_polars = "polars" in sys.modules and "pandas" not in sys.modules
    names = ["polars", "pandas"] if uses_polars else ["pandas", "polars"]
    for name in names:
        with contextlib.suppress(ImportError):
            return __import__(name).DataFrame(list(rows))
    raise SeglabError("to_df needs pandas or polars, and neither is installed: pip install pandas, or use summary()")


def data_frame_or_rows(rows: Rows) -> Any:
    """The rows as `data_frame` gives them; as they are where neither pandas nor polars is installed."""
    try:
        return data_frame(rows)
    except SeglabError:
        return list(rows)


def csv_text(rows: Rows, columns: Sequence[str]) -> str:
    """CSV with a line of column names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(cells(rows))
    return text.getvalue()


def json_text(rows: Rows) -> str:
    """A JSON list of objects."""
    return json.dumps(list(rows))


def xml_text(rows: Rows) -> str:
    """XML: a `row` for each, with an element for every value."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<data>"]
    for row, values in zip(rows, cells(rows)):
        lines.append("  <row>")
        # A column may be named by a class, so names are written as what they are and not as tags.
        for name, value in zip(row, values):
            tag = name if name.isidentifier() else f"value name={quoteattr(name)}"
            lines.append(f"    <{tag}>{escape(str(value))}</{tag.split()[0]}>")
        lines.append("  </row>")
    return "\n".join([*lines, "</data>"]) + "\n"


def html_text(rows: Rows, columns: Sequence[str]) -> str:
    """An HTML table."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    lines = ['<table border="1">', f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for values in cells(rows):
        lines.append("<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in values) + "</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def add_to_sqlite(rows: Rows, columns: Sequence[str], table: str, path: Path) -> None:
    """Add the rows to a table of an SQLite file, which is made where it is not there.

    Errors: SeglabError when the file is no database, or its table has other columns.
    """
    names = ", ".join(_sql_name(column) for column in columns)
    places = ", ".join("?" for _ in columns)
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_sql_name(table)} ({names})")
            connection.executemany(f"INSERT INTO {_sql_name(table)} ({names}) VALUES ({places})", cells(rows))
    except sqlite3.Error as error:
        raise SeglabError(f"cannot add rows to the table {table} of {path} ({error}): give another file") from None


def _sql_name(name: str) -> str:
    """A name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def cells(rows: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """The values of every row, dicts and lists as JSON."""
    return [[json.dumps(value) if isinstance(value, (dict, list)) else value for value in row.values()] for row in rows]
