"""Write the argument table of docs/compat.md from seglab.compat.arguments.

    python docs/build_compat.py

tests/compat/test_arguments.py holds the page to that table, and tests/parity/test_arguments.py the table to what
ultralytics prints.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from seglab.compat.arguments import DEFAULTS, TRANSLATED, Status, table

WIDTH = 100
PAGE = Path(__file__).with_name("compat.md")
BEGIN = "<!-- The table is written by docs/build_compat.py. -->"
SIGNS = {"effective": "effective", "no-op": "–", "refused": "refused"}


def argument_table() -> str:
    """Markdown: a row for every argument that ultralytics prints, with what it does in each verb."""
    lines = [
        f"| argument | its default | {' | '.join(TRANSLATED)} | why, and what to use instead |",
        "|-" * (len(TRANSLATED) + 3) + "|",
    ]
    for name, row in table():
        cells = [SIGNS[row[verb].kind] for verb in TRANSLATED]
        lines.append(f"| `{name}` | `{DEFAULTS[name]}` | {' | '.join(cells)} | {_remarks(row)} |")
    return "\n".join(lines)


def _remarks(row: dict[str, Status]) -> str:
    """Why it changes nothing, and what there is instead, each with its verbs."""
    verbs: dict[Status, list[str]] = {}
    for verb, found in row.items():
        if found.kind != "effective":
            verbs.setdefault(found, []).append(verb)
    return "; ".join(f"{', '.join(named)}: {found.text}" for found, named in verbs.items())


def counts() -> dict[str, int]:
    """How many pairs of a verb and an argument there are of each kind."""
    kinds = [found.kind for _, row in table() for found in row.values()]
    return {kind: kinds.count(kind) for kind in SIGNS}


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, _ = text.partition(BEGIN)
    found = counts()
    parts = f"{found['effective']} effective, {found['no-op']} that change nothing (–), {found['refused']} refused"
    summary = textwrap.fill(f"{sum(found.values())} pairs of a verb and an argument: {parts}.", WIDTH)
    PAGE.write_text(f"{before}{BEGIN}\n\n{summary}\n\n{argument_table()}\n", encoding="utf-8")
    print(f"Wrote {PAGE.name}: {found}")
