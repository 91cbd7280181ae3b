"""Reading small text files: in any encoding, YAML and XML without what can harm.

A text is what the mark at its start or its zero bytes say (UTF-8, UTF-16, UTF-32), else UTF-8. What is not valid UTF-8
is GBK where most of its characters would then be common Chinese ones, else Windows-1252, which is Latin-1 with more.
"""

from __future__ import annotations

import codecs
import csv
import errno
import io
import json
import os
import stat
from itertools import takewhile
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree

import yaml

from seglab.errors import SeglabError, reading
from seglab.files import open_regular

LATIN = "seglab.latin"  # the error handler that reads bytes which are not UTF-8 as Windows and old editors mean them
_DECODE = json.JSONDecoder().raw_decode
MAX_CELL = 1 << 28  # characters in a cell of a table: a painted mask has a hundred thousand
MAX_TEXT_BYTES = 1 << 30  # a label file of ten million rows has half of it
FIRST_PIECE = 1 << 16  # characters that are enough to recognize most files
PIECE = 1 << 20  # bytes of a large file that are looked at at once for its encoding
GBK = "gb18030"  # GBK and all that it was extended by
COMMON = 0.5  # of the characters that are not ASCII: so many are common Chinese ones in a text in GBK

# What a YAML may hold: the split of a large dataset names a hundred thousand images, and nothing goes further.
MAX_YAML_BYTES = 64 << 20
MAX_YAML_VALUES = 500_000  # with every alias counted as often as it stands for them
MAX_YAML_DEPTH = 50
MAX_YAML_WORD = 1 << 16  # characters of one value: a long number takes time as its square
_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where PyYAML was built with libyaml
_AS_WRITTEN = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


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
    with open_regular(path) as file:
        return json.detect_encoding(file.read(4))


def open_json(path: Path) -> TextIO:
    """A JSON file as text, in any of the module's encodings, of which its first bytes that are not ASCII tell; close
    it."""
    encoding = json_encoding(path)
    if encoding == "utf-8":
        with open_regular(path) as file:
            ascii_first = takewhile(bytes.isascii, iter(lambda: file.read(PIECE), b""))
            passed = sum(map(len, ascii_first))
            file.seek(passed)
            encoding = _eight_bit_encoding(file.read(PIECE))
    return open(path, encoding=encoding, errors=LATIN)


def decode_text(data: bytes) -> str:
    """The text of a file in any of the module's encodings, without the mark that it may begin with."""
    by_mark = json.detect_encoding(data)
    encoding = _eight_bit_encoding(data) if by_mark == "utf-8" else by_mark
    return data.decode(encoding, errors=LATIN)


def read_text(path: Path) -> str:
    """The text of a file in any of the module's encodings. Errors: OSError, also for a pipe or a gigabyte."""
    with open_regular(path) as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_TEXT_BYTES:,} bytes", str(path))
    return decode_text(data)


def _eight_bit_encoding(piece: bytes) -> str:
    """What a piece of a text that begins with a whole character is in: UTF-8, which Windows-1252 is read as, or GBK."""
    if _decoded(piece, "utf-8") is not None:
        return "utf-8"
    chinese = [character for character in _decoded(piece, GBK) or "" if not character.isascii()]
    common = sum(map(_is_common, chinese))
    return GBK if common and common >= COMMON * len(chinese) else "utf-8"


def _decoded(piece: bytes, encoding: str) -> str | None:
    """The text of a piece, whose last character may be cut off; None where it is in another encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(piece)
    except UnicodeDecodeError:
        return None


def _is_common(character: str) -> bool:
    """Whether a character is among the 3755 common ones of GB 2312, or its punctuation."""
    pair = character.encode("gb2312", errors="ignore")
    return pair[:1] in (b"\xa1", b"\xa3") or b"\xb0" <= pair[:1] <= b"\xd7"


def read_json(file: str | Path) -> Any:
    """The content of a JSON file. Errors: FileNotFoundError; SeglabError naming a file that is damaged or cannot be
    opened."""
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}: give the path of a JSON file")
    try:
        return json.loads(decode_text(file.read_bytes()))
    except OSError as error:
        raise SeglabError(f"{file} cannot be opened ({error.strerror}): check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise SeglabError(f"{file} is not a JSON file ({error}): export it again, or move it elsewhere") from error


def sketch_json(file: Path) -> Any:
    """What a JSON file is, to be recognized by: a dict of its first members, or a list of its first item.

    Of a large file only the beginning is read: members after it are missing from the dict. None for a file that cannot
    be read as JSON at all.
    """
    try:
        with open_regular(file) as opened:
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


def row_words(row: str) -> list[str]:
    """The words of a row of numbers, apart by spaces, tabs, commas or semicolons, beside which a comma is a point."""
    if ";" in row:
        return row.replace(",", ".").replace(";", " ").split()
    return row.replace(",", " ").split()


def read_yaml(file: str | Path, as_written: bool = False) -> Any:
    """The content of a YAML file; None where it is empty. as_written: every value as its text, not as YAML 1.1 has it.

    Errors: FileNotFoundError; SeglabError naming a file that is no YAML, that cannot be opened, or that would grow
    beyond reason when it is read.
    """
    file = Path(file)
    with reading(file, "a YAML file", "correct it"):
        try:
            return parse_yaml(_small_text(file), as_written)
        except yaml.YAMLError as error:
            is_escape = "escape" in str(error) or "hex" in str(error)
            why = "it quotes a path with \\, write C:/data" if is_escape else _in_short(error)
            raise SeglabError(f"{file} is not a valid YAML file ({why}): correct it") from error


def parse_yaml(text: str, as_written: bool = False) -> Any:
    """The content of a YAML text. Errors: yaml.YAMLError; ValueError for a value that is none of its type."""
    _refuse_bombs(text)
    return yaml.load(text, _AS_WRITTEN if as_written else _SAFE)


def _small_text(file: Path) -> str:
    """The text of a YAML file, whose size and type are looked at before it is read."""
    state = os.stat(file)
    if not stat.S_ISREG(state.st_mode):
        raise SeglabError(f"{file} is not a file: give the path of a YAML file")
    if state.st_size > MAX_YAML_BYTES:
        raise SeglabError(
            f"{file} has {state.st_size:,} bytes, too many for the YAML of a dataset or a run: give another file"
        )
    return read_text(file)


def _refuse_bombs(text: str) -> None:
    """Errors: yaml.YAMLError for a text whose values, written out, would be too many, too deep or too long.

    Its events come one by one, before anything is built of them: an alias of aliases of aliases stands for billions of
    values in a few lines, and deep nesting overruns the stack.
    """
    sizes: dict[str, int] = {}  # anchor -> the values that it stands for
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and values before it
    values = 0
    for event in yaml.parse(text, _SAFE):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise yaml.YAMLError(f"the alias {str(event.anchor)[:40]!r} is unknown, or within what it stands for")
            values += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            if event.anchor:
                sizes[event.anchor] = 1
            if len(event.value) > MAX_YAML_WORD:
                raise yaml.YAMLError(f"a value has {len(event.value):,} characters, more than {MAX_YAML_WORD:,}")
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = values - before
        if values > MAX_YAML_VALUES:
            raise yaml.YAMLError(f"it stands for more than {MAX_YAML_VALUES:,} values")
        if len(open_nodes) > MAX_YAML_DEPTH:
            raise yaml.YAMLError(f"it nests more than {MAX_YAML_DEPTH} levels deep")


def _in_short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def csv_rows(file: Path, comment: str = "") -> list[dict[str, str]]:
    """The rows of a table by the names in its first line, which may begin with `comment`; of tabs where it has some.

    Errors: OSError; csv.Error where it is no table.
    """
    csv.field_size_limit(MAX_CELL)
    text = read_text(file).lstrip(comment) if comment else read_text(file)
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    return [{key: value or "" for key, value in row.items() if key is not None} for row in rows]


class _Builder(ElementTree.TreeBuilder):
    """Builds a tree, and refuses a DOCTYPE: entities that it could define grow without bound, or read other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise SeglabError("it has a DOCTYPE, which labeling tools do not write")


def read_xml(file: Path) -> ElementTree.Element:
    """The root of an XML file. Errors: SeglabError for a file that is damaged, or that defines entities."""
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        with open_regular(file) as opened:
            parser.feed(opened.read())
        return parser.close()
    except OSError as error:
        raise SeglabError(f"{file} cannot be opened ({error.strerror}): check its permissions") from error
    except (ElementTree.ParseError, SeglabError) as error:
        raise SeglabError(f"{file} cannot be read as XML ({error}): export it again from your labeling tool") from error
