"""A JSON file read whole, or piece by piece: a million annotations pass through a buffer of one megabyte.

Files come in UTF-8, in UTF-16 and UTF-32, with a byte order mark or without, and in Latin-1: all are read here, alike.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from seglab.errors import SeglabError

CHUNK = 1 << 20  # characters
LATIN = "seglab.latin"  # the error handler that reads bytes which are not UTF-8 as Windows and old editors mean them
_GAP = re.compile(r"[\s,]*")
_DECODE = json.JSONDecoder().raw_decode


# Encodings


def _read_as_latin(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8, as Windows-1252, which is Latin-1 with letters where that has control characters."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return wrong.decode("latin-1"), error.end


codecs.register_error(LATIN, _read_as_latin)


def json_encoding(path: Path) -> str:
    """The encoding of a JSON file by its first bytes, as JSON begins with ASCII: "utf-8", "utf-8-sig", "utf-16" ..."""
    with open(path, "rb") as file:
        return json.detect_encoding(file.read(4))


def open_json(path: Path) -> TextIO:
    """A JSON file as text, whatever its encoding; close it."""
    return open(path, encoding=json_encoding(path), errors=LATIN)


def read_json(path: str | Path) -> Any:
    """The content of a JSON file. Errors: FileNotFoundError; SeglabError for a file that is damaged or no JSON."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give the path of a JSON file")
    with open_json(path) as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise SeglabError(f"{path} is not a JSON file ({error}): write it again") from error


# Piece by piece


def stream_json(path: Path, progress: Callable[[int], object] = lambda characters: None) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) for every member of a JSON file's one object; of a list, (key, item) for every item.

    No more than the piece at hand is in memory. progress is called with the characters read. Errors: SeglabError
    naming file and character when the file is damaged, cut short, or holds no object.
    """
    with open_json(path) as file:
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


class _Reader:
    """A window on the text of a file, moved on by `value`, `next` and `expect`."""

    def __init__(self, path: Path, file: TextIO, progress: Callable[[int], object]):
        self.path, self.file, self.progress = path, file, progress
        self.text, self.at, self.before = "", 0, 0  # `before`: characters of the file that the window has left

    def next(self) -> str:
        """The next character that is neither space nor comma, without passing it."""
        while True:
            self.at = _GAP.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches at least nothing
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

    def fail(self, expected: str) -> NoReturn:
        raise SeglabError(
            f"{self.path} is damaged: at character {self.before + self.at} {expected} was expected; get a new copy"
        )

    def _more(self, size: int) -> bool:
        chunk = self.file.read(size)
        self.before += self.at
        self.text, self.at = self.text[self.at :] + chunk, 0
        self.progress(len(chunk))
        return bool(chunk)
