"""What a conversion did: every instance of the source is in the output, kept aside, or listed with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seglab.formats.issues import ROWS_SHOWN, Fault, Issue, issue_table, left_out
from seglab.image_files import DEFAULT_READING, Reading
from seglab.sample import SIZES, size_class
from seglab.wording import pluralize

NEARLY_WHOLE = 0.99
REASONS = 2  # that an error names


@dataclass
class Fidelity:
    """Mask IoU of the converted instances of one size against their source."""

    instances: int = 0
    total: float = 0.0
    worst: float = 1.0
    low: int = 0  # instances under NEARLY_WHOLE

    def add(self, iou: float) -> None:
        self.instances += 1
        self.total += iou
        self.worst = min(self.worst, iou)
        self.low += iou < NEARLY_WHOLE

    @property
    def mean(self) -> float:
        return self.total / self.instances if self.instances else 1.0


def _by_size() -> dict[str, Fidelity]:
    return {size: Fidelity() for size in SIZES}


@dataclass
class Report:
    """The account of one conversion; `str(report)` is a table.

    strict: the IoU that was asked for; reading: how images are read. Images and instances counted in the source and as
    written; crowds: regions kept in a JSON of their own; lost: instances that could not be written; incomplete: those
    written without a part of theirs that could not be read, which count as IoU 0; duplicates: rows of an instance that
    the source lists twice, which readers skip. images_back and instances_back: what the loader that trains found in the
    output. about: what the source was recognized as; next_command: what to type now. issues: why, and what else was
    found; of each type as many as the table shows and one more, while `counts` has all. own and other: fidelity by size
    of every instance as the loader that trains read it back, and when a reader takes each row for one polygon and draws
    it as COCO does.
    """

    source: Path
    out: Path
    strict: float | None = None
    reading: Reading = DEFAULT_READING
    images: int = 0
    images_written: int = 0
    instances: int = 0
    instances_written: int = 0
    crowds: int = 0
    lost: int = 0
    incomplete: int = 0
    duplicates: int = 0
    images_back: int = 0
    instances_back: int = 0
    about: str = ""
    next_command: str = ""
    seconds: float = 0.0
    issues: list[Issue] = field(default_factory=list)
    counts: Counter[Fault] = field(default_factory=Counter)
    own: dict[str, Fidelity] = field(default_factory=_by_size)
    other: dict[str, Fidelity] = field(default_factory=_by_size)

    def count(self, area: float, own: float | None, other: float | None) -> None:
        """Note one written instance: its area in pixels and both IoUs; None for one that is not known yet."""
        self.instances_written += 1
        self.measure(area, own, other)

    def measure(self, area: float, own: float | None, other: float | None) -> None:
        """Note how faithful an instance is that was counted as written: its area in pixels and both IoUs."""
        size = SIZES[size_class(area)]
        if own is not None:
            self.own[size].add(own)
        if other is not None:
            self.other[size].add(other)

    def lose(self, where: str, message: str, instances: int = 1) -> None:
        """Note instances that are not in the output, and why."""
        self.add(left_out(where, message, instances))

    def note(self, where: str, message: str, action: str) -> None:
        """Note what is worth knowing though no instance is lost by it."""
        self.add(Issue(where, 0, message, action, "note"))

    def add(self, issue: Issue) -> None:
        """Count an issue and what is lost by it, and keep it if it is among the first of its type."""
        self.lost += issue.lost
        self.incomplete += issue.incomplete
        self.counts[issue.type] += 1
        if self.counts[issue.type] <= ROWS_SHOWN + 1:
            self.issues.append(issue)

    def reasons(self) -> str:
        """Why most instances or images were left out, for the middle of a sentence."""
        losses = Counter({issue.type: self.counts[issue.type] for issue in self.issues if not issue.is_note})
        messages = {issue.type: issue.message for issue in reversed(self.issues)}
        worst = [messages[fault] for fault, _ in losses.most_common(REASONS)]
        return f" ({'; '.join(worst)})" if worst else ""

    def add_read(self, instances: int, issues: Iterable[Issue]) -> None:
        """Note what reading an image gave: how many instances, and what was wrong."""
        self.instances += instances
        for issue in issues:
            self.instances += issue.lost
            self.add(issue)

    @property
    def worst(self) -> float:
        """The lowest IoU of any instance under either reading; one that was lost, or lacks a part, counts 0."""
        read = [fidelity.worst for fidelity in (*self.own.values(), *self.other.values())]
        return min([0.0 if self.lost or self.incomplete else 1.0, *read])

    @property
    def passed(self) -> bool:
        """Whether the conversion is as faithful as was asked; if not, nothing was written."""
        return self.strict is None or self.worst >= self.strict

    def _incomplete(self) -> list[str]:
        """The line on instances of which a part could not be read, where there are any."""
        if not self.incomplete:
            return []
        return [f"             {self.incomplete} of them lack a part that could not be read: each counts as IoU 0"]

    def __str__(self) -> str:
        crowds = pluralize(self.crowds, "crowd")
        images_back = pluralize(self.images_back, "image")
        lines = [
            f"{self.source} -> {self.out} in {self.seconds:.1f} s",
            *([f"  recognized as {self.about}"] if self.about else []),
            f"  images     {self.images_written} of {self.images}",
            f"  instances  {self.instances_written} of {self.instances}: {crowds} kept aside, {self.lost} lost",
            *self._incomplete(),
            f"  read back  {pluralize(self.instances_back, 'instance')} on {images_back}, as training reads them",
            f"  mask IoU against the source  {'instances':>9} {'mean':>9} {'worst':>9} {'under .99':>10}",
        ]
        for reader, sizes in (("as read back", self.own), ("one polygon per row", self.other)):
            for size, fidelity in sizes.items():
                if fidelity.instances:
                    values = f"{fidelity.instances:9} {fidelity.mean:9.6f} {fidelity.worst:9.6f} {fidelity.low:10}"
                    lines.append(f"    {reader:20} {size:6} {values}")
        if not self.passed:
            lines.append(f"  NOT WRITTEN: with strict={self.strict} no instance may be lost or fall below that IoU")
        table = issue_table(self.issues, counts=self.counts)
        if table:
            lines.append(table)
        if self.next_command and self.passed:
            lines.append(f"next: {self.next_command}")
        return "\n".join(lines)
