"""What is wrong in a dataset, and what was done about it: collected while reading, reported once, in one table."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seglab.errors import SeglabError
from seglab.files import atomic_write
from seglab.sizes import Size
from seglab.wording import one_line, pluralize

ROWS_SHOWN = 10  # of each type

PART_LEFT_OUT = "that part left out"  # what was done where an instance is read without a part of it

Fault = tuple[str, str]  # what is wrong, what was done about it


@dataclass(frozen=True)
class Issue:
    """One issue in a dataset: something wrong, or worth knowing.

    path and line (1-based, 0 for the whole file): where; message: what is wrong; action: what was done about it.
    severity: "warning", or "note" for what is legal but worth knowing (an empty label file), at which strict reading
    does not stop. lost: how many instances are left out because of it; incomplete: how many lack a part. unusable: the
    whole image has to be left out, since without its instances it would be taken for background.
    """

    path: str
    line: int
    message: str
    action: str
    severity: str = "warning"
    lost: int = 0
    incomplete: int = 0
    unusable: bool = False

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def is_note(self) -> bool:
        return self.severity == "note"

    @property
    def type(self) -> Fault:
        """The message without its particulars, and the action: what issues of one type share."""
        return self.message.split(":")[0], self.action


def left_out(path: str, message: str, instances: int = 1) -> Issue:
    """An issue that costs instances: they are not read, or not written."""
    return Issue(path, 0, message, f"{pluralize(instances, 'instance')} left out", lost=instances)


def other_size(path: str, stated: Size, size: Size, instances: int) -> Issue:
    """That the labels of an image are those of another one, by the (height, width) that they state and that it has."""
    (said_height, said_width), (height, width) = stated, size
    message = (
        f"another size than in the labels: they say {said_width} x {said_height}, the file has {width} x {height}; use "
        "the images that were labeled, or export again"
    )
    action = f"image left out with {pluralize(instances, 'instance')}"
    return Issue(path, 0, message, action, lost=instances, unusable=True)


def merged_issue(path: str, line: int, faults: Sequence[Fault], used: bool) -> Issue:
    """All issues of one row as one, in the order of reading.

    used: something of the row is; else the last fault is why the row was left out, and comes first.
    """
    messages = [message for message, _ in faults]
    actions = [action for _, action in faults]
    if used:
        message = "; ".join(dict.fromkeys(messages))
        action = ", ".join(dict.fromkeys(actions))
        return Issue(path, line, message, action, incomplete=int(PART_LEFT_OUT in actions))
    return Issue(path, line, "; ".join(dict.fromkeys(reversed(messages))), actions[-1], lost=1)


def raise_first(issues: Iterable[Issue]) -> None:
    """Strict reading. Errors: SeglabError for the first issue that is more than a note."""
    for issue in issues:
        if not issue.is_note:
            raise SeglabError(f"{issue.where}: {issue.message}; correct it, or read without strict=True")


def issue_table(
    issues: Iterable[Issue], root: str | Path = "", counts: Counter[Fault] | None = None, rows: float = ROWS_SHOWN
) -> str:
    """A printable table: how often each type of issue occurs, then where, file by file ("" when there is none).

    Paths are shown relative to `root`. Of each type the first `rows` are shown, so that ten thousand of one cannot
    hide a single one of another. counts: of each type, where `issues` has but the first ROWS_SHOWN + 1.
    """
    issues = list(issues)
    counts = Counter(issue.type for issue in issues) if counts is None else counts
    lines: list[str] = []
    shown: Counter[Fault] = Counter()
    for issue in issues:
        shown[issue.type] += 1
        if shown[issue.type] <= rows:
            where = issue.where.removeprefix(f"{root}{os.sep}") if str(root) else issue.where
            lines.append(one_line(f"  {where}  {issue.message} -> {issue.action}"))
        if shown[issue.type] == rows + 1:
            message, action = issue.type
            lines.append(one_line(f"  ... {counts[issue.type] - rows} more: {message} -> {action}"))
    total = sum(counts.values())
    return "\n".join([f"{pluralize(total, 'issue')} in the data:", *lines]) if lines else ""


def write_rest(issues: Sequence[Issue], path: Path) -> Path | None:
    """Write all issues as CSV, if `issue_table` shows but the first of some type; None where it shows all."""
    counts = Counter(issue.type for issue in issues)
    if max(counts.values(), default=0) <= ROWS_SHOWN:
        return None
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("file", "line", "message", "action"))
    writer.writerows((issue.path, issue.line or "", issue.message, issue.action) for issue in issues)
    return atomic_write(path, table.getvalue().encode())
