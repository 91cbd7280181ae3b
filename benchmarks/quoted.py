"""The measurements that documents quote: each stands between two comments, which no reader sees.

    <!-- bench: loss -->
    what `python -m benchmarks loss` printed last
    <!-- end -->

`<!-- bench: speed, last table -->` stands for the last table of what was printed.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/performance.md", "docs/export.md", "docs/image-files.md")
LAST_TABLE = ", last table"
WIDTH = 100  # of prose
BLOCK = re.compile(r"(<!-- bench: ([^>]+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def quote(name: str, text: str, root: Path = ROOT) -> list[str]:
    """Put what a measurement printed in all its places; the pages that have one."""
    pages = []
    for page in PAGES:
        path = root / page
        before = path.read_text(encoding="utf-8")
        after = BLOCK.sub(lambda block: _filled(block, name, text), before)
        if after != before:
            path.write_text(after, encoding="utf-8")
        if name in quoted_in(before):
            pages.append(page)
    return pages


def quoted_in(page: str) -> set[str]:
    """The names of the measurements that the text of a page quotes."""
    return {block[2].removesuffix(LAST_TABLE) for block in BLOCK.finditer(page)}


def _filled(block: re.Match, name: str, text: str) -> str:
    """One block, with the text in it if it is the measurement's."""
    begin, of, _, end = block.groups()
    if of == name:
        return f"{begin}\n{_wrapped(text)}\n\n{end}"
    if of == name + LAST_TABLE:
        return f"{begin}\n{last_table(text)}\n\n{end}"
    return block.group()


def last_table(text: str) -> str:
    """The last Markdown table of a text, "" without one."""
    tables = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    return tables[-1].strip() if tables else ""


def _wrapped(text: str) -> str:
    """A text with lines of prose that are not too wide; those of tables stay."""
    lines = []
    for line in text.strip().splitlines():
        is_fixed = line.startswith("|") or not line.strip()
        lines += [line.rstrip()] if is_fixed else textwrap.wrap(line, WIDTH, break_on_hyphens=False)
    return "\n".join(lines)
