"""The masks that a conversion sets out to write, kept until its output has been read back and compared with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from seglab.geometry.rle import Rle


@dataclass(frozen=True)
class Target:
    """An instance as the source has it. pixels: its area, about; whole: whether no part of it was left out."""

    class_id: int
    mask: Rle
    pixels: float
    whole: bool


class Targets:
    """Label file, by its path in the output -> its instances in the order of its rows, those of equal rows once.

    They lie in a temporary file: memory does not grow with their number.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("BEGIN")
        columns = "label, row, class_id, height, width, counts, pixels, whole"
        self._database.execute(f"CREATE TABLE target ({columns})")
        self._is_indexed = False

    def add(self, label: str, row: str, target: Target) -> None:
        """The next instance of a label file, written as `row`."""
        height, width = target.mask["size"]
        values = label, crc32(row.encode()), target.class_id, height, width
        more = target.mask["counts"], target.pixels, target.whole
        self._database.execute("INSERT INTO target VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, *more))

    def move(self, label: str, target: str) -> None:
        """Note that a label file was moved."""
        self._index()
        self._database.execute("UPDATE target SET label = ? WHERE label = ?", (target, label))

    def of(self, label: str) -> Iterator[Target]:
        """The instances of a label file."""
        self._index()
        command = (
            "SELECT row, class_id, height, width, counts, pixels, whole FROM target WHERE label = ? ORDER BY rowid"
        )
        seen: set[int] = set()
        for row, class_id, height, width, counts, pixels, whole in self._database.execute(command, (label,)):
            if row not in seen:
                seen.add(row)
                yield Target(class_id, {"size": [height, width], "counts": counts}, pixels, bool(whole))

    def _index(self) -> None:
        if not self._is_indexed:
            self._database.execute("CREATE INDEX by_label ON target (label)")
            self._is_indexed = True

    def close(self) -> None:
        self._database.close()
