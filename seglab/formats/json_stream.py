"""A JSON file read piece by piece: a million annotations pass through a buffer of one megabyte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from seglab.errors import SeglabError
from seglab.formats.text_files import open_json

CHUNK = 1 << 20  # characters
_GAP = re.compile(r"\s*")
_DECODE = json.JSONDecoder().raw_decode


def stream_json(path: Path, progress: Callable[[int], object] = lambda characters: None) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) for every member of a JSON file's one object; of a list, (key, item) for every item.

    No more than the piece at hand is in memory. progress is called with the characters read. Errors: SeglabError
    naming file and character when the file is damaged, cut short, or holds no object.
    """
    with open_json(path) as file:
        reader = _Reader(path, file, progress)
        reader.expect("{")
        is_first = True
        while reader.goes_on("}", is_first):
            is_first = False
            key = reader.value() if reader.next() == '"' else reader.fail("a name in quotes")
            reader.expect(":")
            if reader.next() != "[":
                yield key, reader.value()
                continue
            reader.expect("[")
            is_first_item = True
            while reader.goes_on("]", is_first_item):
                is_first_item = False
                yield key, reader.value()


class _Reader:
    """A window on the text of a file, moved on by `value`, `next`, `expect` and `goes_on`."""

    def __init__(self, path: Path, file: TextIO, progress: Callable[[int], object]):
        self.path = path
        self.file = file
        self.progress = progress
        self.text = ""
        self.at = 0
        self.before = 0  # characters of the file that the window has left

    def next(self) -> str:
        """The next character that is no space, without passing it."""
        while True:
            self.at = _GAP.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches at least nothing
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more(CHUNK):
                self.fail("more data (the file is truncated)")

    def expect(self, character: str) -> None:
        if self.next() != character:
            self.fail(f"'{character}'")
        self.at += 1

    def goes_on(self, end: str, is_first: bool) -> bool:
        """Whether another member or item follows, up to which it goes; else the character `end` is passed."""
        if self.next() == end:
            self.at += 1
            return False
        if not is_first:
            self.expect(",")
            if self.next() == end:
                self.fail("a value")
        return True

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

    def fail(self, expected: str) -> NoReturn:
        raise SeglabError(
            f"{self.path} is damaged: expected {expected} at character {self.before + self.at}; get a new copy"
        )

    def _more(self, size: int) -> bool:
        chunk = self.file.read(size)
        self.before += self.at
        self.text = self.text[self.at :] + chunk
        self.at = 0
        self.progress(len(chunk))
        return bool(chunk)
