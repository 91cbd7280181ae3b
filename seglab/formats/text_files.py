"""Reading the small text files that labeling tools write: JSON in any encoding, and XML without what can harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from seglab.errors import SeglabError

_DECODE = json.JSONDecoder().raw_decode
FIRST_PIECE = 1 << 16  # characters that are enough to recognize most files


def decode_text(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32, with or without a mark at its start; anything else is Latin-1."""
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_json(file: Path) -> Any:
    """The content of a JSON file. Errors: SeglabError naming a file that is damaged or cannot be opened."""
    try:
        return json.loads(decode_text(file.read_bytes()))
    except OSError as error:
        raise SeglabError(f"{file} cannot be opened ({error.strerror}): check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise SeglabError(f"{file} is not a JSON file ({error}): write it again, or move it elsewhere") from error


def sketch_json(file: Path) -> Any:
    """What a JSON file is, to be recognized by: a dict of its first members, or a list of its first item.

    Of a large file only the beginning is read: members after it are missing from the dict. None for a file that cannot
    be read as JSON at all.
    """
    try:
        with open(file, "rb") as opened:
            data = opened.read(4 * FIRST_PIECE)
            text = data.decode(json.detect_encoding(data), errors="replace").lstrip()
            sketch = _first_item(text) if text.startswith("[") else _first_members(text)
            if not sketch and opened.read(1):  # the first item is longer than the piece
                sketch = json.loads(decode_text(file.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None
    return sketch


def _first_item(text: str) -> list[Any]:
    """The first item of a JSON list, in a list; an empty one where there is none, or not all of it."""
    try:
        item, _ = _DECODE(text, len(text) - len(text[1:].lstrip()))
    except ValueError:
        return []
    return [item]


def _first_members(text: str) -> dict[str, Any]:
    """The members of a JSON object that are whole in the beginning of its text."""
    members: dict[str, Any] = {}
    at = text.find("{") + 1
    if at == 0:
        return members
    try:
        while True:
            at = _skip(text, at, " \t\r\n,")
            key, at = _DECODE(text, at)
            at = _skip(text, at, " \t\r\n:")
            members[str(key)] = _begun(text, at)
            members[str(key)], at = _DECODE(text, at)
    except (ValueError, IndexError):
        return members


def _begun(text: str, at: int) -> Any:
    """What stands for a member whose value is not whole in the text: an empty list, dict or text."""
    return {"[": [], "{": {}}.get(text[at], "")


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


class _Builder(ElementTree.TreeBuilder):
    """Builds a tree, and refuses a DOCTYPE: entities that it could define grow without bound, or read other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise SeglabError("it has a DOCTYPE, which labeling tools do not write")


def read_xml(file: Path) -> ElementTree.Element:
    """The root of an XML file. Errors: SeglabError for a file that is damaged, or that defines entities."""
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        parser.feed(file.read_bytes())
        return parser.close()
    except OSError as error:
        raise SeglabError(f"{file} cannot be opened ({error.strerror}): check its permissions") from error
    except (ElementTree.ParseError, SeglabError) as error:
        raise SeglabError(f"{file} cannot be read as XML ({error}): write it again from your labeling tool") from error
