"""One class for what users can solve; and its messages are sentences that say what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import seglab
from seglab.errors import SeglabError, reading

PACKAGE = Path(seglab.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]


def test_it_is_a_value_error_for_those_who_catch_that():
    assert issubclass(SeglabError, ValueError) and seglab.SeglabError is SeglabError


def test_what_a_message_quotes_moves_no_cursor():
    """An id or a name in a file may hold what clears a terminal, colors it or breaks the line."""
    assert str(SeglabError("a\x1b[31mb\nc\u202ed\udcff")) == "a [31mb c d "
    assert (
        str(SeglabError("é 猫 \u0645\u06cc\u200c\u062e")) == "é 猫 \u0645\u06cc\u200c\u062e"
    )  # the joiner belongs to the word


def test_every_exception_class_is_a_seglab_error():
    defined = {
        node.name: [ast.unparse(base) for base in node.bases]
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
    }
    own = defined.pop("SeglabError")
    assert own and all(bases == ["SeglabError"] for bases in defined.values()), defined


def literal_of(message: ast.expr) -> str:
    """A message as it is written, with what is put in as {}."""
    if isinstance(message, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in message.values)
    return message.value if isinstance(message, ast.Constant) else "{}"


def test_messages_are_one_sentence_that_neither_shouts_nor_ends_in_a_stop():
    for path, tree in trees():
        for node in ast.walk(tree):
            is_error = isinstance(node, ast.Call) and ast.unparse(node.func) == "SeglabError"
            if not is_error:
                continue
            text = literal_of(node.args[0]).partition("\n")[0]  # a table may follow
            where = f"{path.name}:{node.lineno}: {text}"
            assert not text.endswith((".", "!")), where
            assert not re.search(r"[.!?] [A-Z]", text), where
            assert text == text.strip() and "  " not in text, where


@pytest.mark.parametrize(
    "error", [TypeError("x" * 10_000), RecursionError(), MemoryError(), OSError(13, "denied"), KeyError("a\nb")]
)
def test_whatever_a_parser_raises_names_the_file_in_one_short_sentence(error):
    with pytest.raises(SeglabError, match=r"^a\.yaml ") as raised, reading("a.yaml", "a YAML file", "correct it"):
        raise error
    text = str(raised.value)
    assert len(text) < 400 and "\n" not in text


def test_our_own_errors_and_missing_files_stay_as_they_are():
    for error in (SeglabError("mine: do this"), FileNotFoundError("gone")):
        with pytest.raises(type(error)) as raised, reading("a.yaml", "a YAML file"):
            raise error
        assert raised.value is error
