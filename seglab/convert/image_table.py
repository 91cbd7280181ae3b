"""The images of a COCO JSON as a table on disk, so that memory does not grow with their number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from seglab.formats.coco_ids import other_spelling

KEPT = 10_000  # images that were looked for last and need no asking again; they take some 3 MB


@dataclass(frozen=True)
class TableRow:
    """What is known of an image: its label file, None where it is left out, and its width and height in pixels.

    orientation and swapped: as in `seglab.formats.coco_shapes.Frame`.
    """

    label: str | None
    width: int
    height: int
    orientation: int = 1
    swapped: bool = False


@dataclass(frozen=True)
class LeftOut:
    """An image without a label file: its id as text, why, and how many annotations are lost by that."""

    image_id: str
    message: str
    lost: int


class ImageTable:
    """Image id -> its label file and size; or why it is left out, and how many annotations are lost by that."""

    def __init__(self) -> None:
        self.database = sqlite3.connect("", isolation_level=None)  # a temporary file that SQLite removes itself
        self.database.execute("PRAGMA journal_mode = OFF")
        self.database.execute("BEGIN")  # and never an end: a transaction for every row would take most of the time
        columns = "id, label UNIQUE, width, height, orientation, swapped, fault, lost DEFAULT 0"
        self.database.execute(f"CREATE TABLE image ({columns})")
        self.database.execute("CREATE INDEX by_id ON image (id)")
        self.find = lru_cache(KEPT)(self._find)  # once all images are added: what is found does not change then

    def add(
        self, image_id: Any, label: str, width: int, height: int, orientation: int = 1, swapped: bool = False
    ) -> str:
        """An image and its label file -> "", or what speaks against it: its id or its label file is another's."""
        if self._as_it_stands(image_id):
            return "id already taken: another image has it"
        row = _key(image_id), label, width, height, orientation, swapped
        if self.database.execute("INSERT OR IGNORE INTO image VALUES (?, ?, ?, ?, ?, ?, '', 0)", row).rowcount:
            return ""
        return "name already taken: another image would share its label file"

    def has_label(self, label: str) -> bool:
        """Whether an image has this label file."""
        return self.database.execute("SELECT 1 FROM image WHERE label = ? LIMIT 1", (label,)).fetchone() is not None

    def leave_out(self, image_id: Any, fault: str, lost: int = 0) -> None:
        """An image that has no label file, why, and how many annotations are lost by that so far."""
        row = _key(image_id), _text(fault), lost
        self.database.execute("INSERT INTO image VALUES (?, NULL, 0, 0, 1, 0, ?, ?)", row)

    def _find(self, image_id: Any) -> TableRow | None:
        """`find`: the first image of that id, or of its other spelling; None for an unknown one."""
        found = self._as_it_stands(image_id)
        other = None if found else other_spelling(image_id)
        return found if other is None else self._as_it_stands(other)

    def _as_it_stands(self, image_id: Any) -> TableRow | None:
        command = "SELECT label, width, height, orientation, swapped FROM image WHERE id = ? LIMIT 1"
        found = self.database.execute(command, (_key(image_id),)).fetchone()
        return TableRow(*found) if found else None

    def lose(self, image_id: Any) -> None:
        """Count an annotation of an image that is left out, or unknown."""
        command = "UPDATE image SET lost = lost + 1 WHERE rowid = (SELECT min(rowid) FROM image WHERE id = ?)"
        for number in (image_id, other_spelling(image_id)):
            if number is not None and self.database.execute(command, (_key(number),)).rowcount:
                return
        self.leave_out(image_id, "unknown image: the JSON does not list it", 1)

    def left_out(self) -> Iterator[LeftOut]:
        """Every image without a label file."""
        for key, fault, lost in self.database.execute("SELECT id, fault, lost FROM image WHERE label IS NULL"):
            yield LeftOut(key.decode() if isinstance(key, bytes) else str(key), fault, lost)


def _key(image_id: Any) -> int | float | str | bytes:
    """An id from a JSON as SQLite takes it, which has no numbers beyond 64 bits and never finds NULL (None, NaN)."""
    if isinstance(image_id, str):
        return _text(image_id)
    if isinstance(image_id, (int, float)) and -(2**63) <= image_id < 2**63:
        return image_id
    return str(image_id).encode()


def _text(text: str) -> str:
    """Text as SQLite takes it: without halves of surrogate pairs."""
    return text.encode(errors="backslashreplace").decode()
