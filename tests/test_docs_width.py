"""Documents are read as text too: no line of prose is wider than 100 columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def wide_lines(text: str) -> list[str]:
    """The lines of prose, list items and block quotes that a newline could make shorter.

    Tables, code, headings, definitions of links and an image on a line of its own cannot be wrapped.
    """
    found, in_code, before = [], False, ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("```"):
            in_code = not in_code
        is_indented_code = line.startswith("    ") and (not before.strip() or before.startswith("    "))
        is_fixed = stripped.startswith(("|", "#", "![")) or re.match(r"\[[^\]]+\]:", stripped)
        can_be_wrapped = " " in stripped.removeprefix("- ")
        if len(line) > WIDTH and can_be_wrapped and not (in_code or is_indented_code or is_fixed):
            found.append(line)
        before = line
    return found


def test_there_are_pages():
    assert len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_prose_is_at_most_100_columns_wide(page):
    assert wide_lines(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    ["word " * 30, "- " + "word " * 30, "> " + "word " * 30, "1. " + "word " * 30, "```\ncode\n```\n" + "word " * 30],
)
def test_wide_prose_is_found(text):
    assert len(wide_lines(text)) == 1


@pytest.mark.parametrize(
    "text",
    ["| word " * 30, "# " + "word " * 30, "[name]: " + "word " * 30, "![" + "word " * 30 + "](image.png)", "x" * 120,
     "- " + "x" * 120, "```\n" + "code " * 30 + "\n```", "\n    " + "code " * 30 + "\n    " + "code " * 30],
)  # fmt: skip
def test_what_cannot_be_wrapped_may_be_wide(text):
    assert wide_lines(text) == []
