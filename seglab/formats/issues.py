"""What is wrong in a dataset, and what was done about it: collected while reading, told once, in one table."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seglab.errors import SeglabError
from seglab.wording import pluralize

ROWS_SHOWN = 10  # of each kind


@dataclass(frozen=True)
class Issue:
    """One finding. path and line (1-based, 0 for the whole file): where; what: the fault; done: what was done about it.

    note=True marks what is legal but worth knowing (an empty label file): strict reading does not stop at it.
    """

    path: str
    line: int
    what: str
    done: str
    note: bool = False

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def kind(self) -> tuple[str, str]:
        """The fault without its particulars, and what was done."""
        return self.what.split(":")[0], self.done


def merged_issue(path: str, line: int, faults: Sequence[tuple[str, str]], used: bool) -> Issue:
    """What is wrong with one row, which may be several things, as (fault, what was done) in the order of reading.

    used: something of the row is; else the last fault is why it was left out, and comes first.
    """
    kinds, dones = zip(*faults)
    done = ", ".join(dict.fromkeys(dones)) if used else dones[-1]
    return Issue(path, line, "; ".join(dict.fromkeys(kinds if used else kinds[::-1])), done)


def raise_first(problems: Iterable[Issue]) -> None:
    """Strict reading. Errors: SeglabError for the first problem that is no mere note."""
    for problem in problems:
        if not problem.note:
            raise SeglabError(f"{problem.where}: {problem.what}; correct it, or read without strict=True")


def issue_table(
    problems: Iterable[Issue], root: str | Path = "", counts: Counter | None = None, rows: float = ROWS_SHOWN
) -> str:
    """A printable table: how often each fault occurs, then where, file by file ("" when there is none).

    Paths are shown relative to `root`. Of each kind of fault the first `rows` are shown, so that ten thousand of one
    cannot hide a single one of another. counts: of each kind, where `problems` has but the first ROWS_SHOWN + 1.
    """
    problems = list(problems)
    counts = Counter(problem.kind for problem in problems) if counts is None else counts
    lines, shown = [], Counter()
    for problem in problems:
        shown[problem.kind] += 1
        if shown[problem.kind] <= rows:
            where = problem.where.removeprefix(f"{root}{os.sep}") if str(root) else problem.where
            lines.append(f"  {where}  {problem.what} -> {problem.done}")
        if shown[problem.kind] == rows + 1:
            lines.append(f"  ... {counts[problem.kind] - rows} more: {problem.kind[0]} -> {problem.done}")
    found = sum(counts.values())
    return "\n".join([f"{pluralize(found, 'finding')} in the data:"] + lines) if lines else ""


def write_rest(problems: Sequence[Issue], path: Path) -> Path | None:
    """Write all of them as CSV, if `problem_table` shows but the first of some kind; None where it shows all."""
    if max(Counter(problem.kind for problem in problems).values(), default=0) <= ROWS_SHOWN:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "what", "done"))
        writer.writerows((p.path, p.line or "", p.what, p.done) for p in problems)
    return path
