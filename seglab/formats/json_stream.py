"""A JSON file read piece by piece: a million annotations pass through a buffer of one megabyte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from seglab.errors import SeglabError

CHUNK = 1 << 20  # characters
TAIL = 1 << 20  # bytes at the end of a file in which its categories are looked for
_GAP = re.compile(r"[\s,]*")
_DECODE = json.JSONDecoder().raw_decode


def stream_json(path: Path, progress: Callable[[int], None] = lambda characters: None) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) for every member of a JSON file's one object; of a list, (key, item) for every item.

    No more than the piece at hand is in memory. progress is called with the characters read. Errors: SeglabError
    naming file and character when the file is damaged, cut short, or holds no object.
    """
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        reader = _Reader(path, file, progress)
        reader.expect("{")
        while (start := reader.next()) != "}":
            key = reader.value() if start == '"' else reader.fail("a name in quotes")
            reader.expect(":")
            if reader.next() == "[":
                reader.expect("[")
                while reader.next() != "]":
                    yield key, reader.value()
                reader.expect("]")
            else:
                yield key, reader.value()


def coco_categories(path: Path) -> list[dict]:
    """The categories of a COCO JSON, from the file's last TAIL bytes where they stand there, as in COCO's own files.

    Errors: SeglabError when there are none, or one lacks its id or name.
    """
    categories = _categories_at_the_end(path) or _list(path, "categories")
    return list(_checked(path, "categories", ("id", "name"), categories))


def coco_images(path: Path) -> Iterator[dict]:
    """Yield the images of a COCO JSON; where they come first, as in COCO's own files, the annotations stay unread.

    Errors: SeglabError when there are none, or one lacks its id or file name.
    """
    return _checked(path, "images", ("file_name", "id"), _list(path, "images"))


def _list(path: Path, name: str) -> Iterator[Any]:
    """Yield the items of one list of a JSON; what comes behind it stays unread."""
    found = False
    for key, item in stream_json(path):
        if key == name:
            found = True
            yield item
        elif found:
            break


def _checked(path: Path, key: str, needed: tuple[str, str], items: Iterable[Any]) -> Iterator[dict]:
    kinds = set()
    for item in items:
        if not isinstance(item, dict) or not item.keys() >= set(needed):
            raise SeglabError(f"{path}: its {key} need {' and '.join(needed)}; get the JSON again")
        if isinstance(item["id"], (dict, list)):
            raise SeglabError(f"{path}: among its {key} is the id {item['id']}; ids are numbers or text")
        kinds.add(isinstance(item["id"], str))
        if len(kinds) > 1:
            raise SeglabError(f"{path}: some ids of its {key} are numbers and some are text; make them alike")
        yield item
    if not kinds:
        raise SeglabError(f"{path} is no COCO instances JSON: it has no {key}; give one with images and categories")


def _categories_at_the_end(path: Path) -> list[dict]:
    """The categories, if they are a member of the outermost object within the last TAIL bytes; else nothing."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        text = file.read().decode("utf-8", errors="ignore")
    name = text.rfind('"categories"')
    if name < 0:
        return []
    try:
        # Read as the end of an object: only the outermost one closes with the file.
        return json.loads("{" + text[name:])["categories"]
    except (ValueError, KeyError):
        return []


class _Reader:
    """A window on the text of a file, moved on by `value`, `next` and `expect`."""

    def __init__(self, path: Path, file, progress: Callable[[int], None]):
        self.path, self.file, self.progress = path, file, progress
        self.text, self.at, self.before = "", 0, 0  # `before`: characters of the file that the window has left

    def next(self) -> str:
        """The next character that is neither space nor comma, without passing it."""
        while True:
            self.at = _GAP.match(self.text, self.at).end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more(CHUNK):
                self.fail("more: the file is cut short")

    def expect(self, character: str) -> None:
        if self.next() != character:
            self.fail(f"'{character}'")
        self.at += 1

    def value(self) -> Any:
        """Decode the value that starts where `next` stopped, reading on as long as it is not whole."""
        size = CHUNK
        while True:
            try:
                value, end = _DECODE(self.text, self.at)
                # A number at the window's edge may go on behind it: 1 of 1.5, or of 1e+16.
                whole = end < len(self.text) and self.text[end] not in ".eE"
            except ValueError:
                whole = False
            if whole:
                self.at = end
                return value
            if not self._more(size):
                self.fail("a value")
            size *= 2  # keeps the cost of trying again in proportion to the value

    def fail(self, expected: str):
        raise SeglabError(
            f"{self.path} is damaged: at character {self.before + self.at} there should be {expected}; get it again"
        )

    def _more(self, size: int) -> bool:
        chunk = self.file.read(size)
        self.before += self.at
        self.text, self.at = self.text[self.at :] + chunk, 0
        self.progress(len(chunk))
        return bool(chunk)
