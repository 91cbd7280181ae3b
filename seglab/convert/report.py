"""What a conversion did: everything that went in is in the output, kept aside, or named with the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from seglab.formats.issues import ROWS_SHOWN, Issue, issue_table
from seglab.sample import SIZES, size_class
from seglab.wording import pluralize

NEARLY_WHOLE = 0.99


@dataclass
class Fidelity:
    """Mask IoU of the converted objects of one size against their source."""

    instances: int = 0
    total: float = 0.0
    worst: float = 1.0
    low: int = 0  # objects under NEARLY_WHOLE

    def add(self, iou: float) -> None:
        self.instances += 1
        self.total += iou
        self.worst = min(self.worst, iou)
        self.low += iou < NEARLY_WHOLE

    @property
    def mean(self) -> float:
        return self.total / self.instances if self.instances else 1.0


@dataclass
class Report:
    """The account of one conversion; `str(report)` is a table.

    strict: the IoU that was asked for. Images and objects counted in the source and as written; crowds: regions kept
    in a JSON of their own; lost: objects that could not be written. problems: why, and what else was found; of each
    kind as many as the table shows and one more, while `kinds` counts all. own and other: fidelity by size when this
    library reads the result, and when a reader takes each row for one polygon and draws it as COCO does.
    """

    source: Path
    out: Path
    strict: float | None = None
    images: int = 0
    images_written: int = 0
    instances: int = 0
    instances_written: int = 0
    crowds: int = 0
    lost: int = 0
    seconds: float = 0.0
    problems: list[Issue] = field(default_factory=list)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    own: dict[str, Fidelity] = field(default_factory=lambda: {size: Fidelity() for size in SIZES})
    other: dict[str, Fidelity] = field(default_factory=lambda: {size: Fidelity() for size in SIZES})

    def count(self, area: float, own: float, other: float) -> None:
        """Note one written object: its area in pixels and both IoUs."""
        size = SIZES[size_class(area)]
        self.instances_written += 1
        self.own[size].add(own)
        self.other[size].add(other)

    def lose(self, where: str, what: str, instances: int = 1) -> None:
        """Note objects that are not in the output, and why."""
        self.lost += instances
        self.add(Issue(where, 0, what, f"{pluralize(instances, 'object')} left out"))

    def note(self, where: str, what: str, done: str) -> None:
        """Note what is worth knowing though no object is lost by it."""
        self.add(Issue(where, 0, what, done, note=True))

    def add(self, problem: Issue) -> None:
        """Count a problem, and keep it if it is among the first of its kind."""
        self.kinds[problem.kind] += 1
        if self.kinds[problem.kind] <= ROWS_SHOWN + 1:
            self.problems.append(problem)

    @property
    def worst(self) -> float:
        """The lowest IoU of any object under either reading; an object that was lost counts 0."""
        return min([0.0 if self.lost else 1.0, *(each.worst for each in (*self.own.values(), *self.other.values()))])

    @property
    def passed(self) -> bool:
        """Whether the conversion is as faithful as was asked; if not, nothing was written."""
        return self.strict is None or self.worst >= self.strict

    def __str__(self) -> str:
        crowds = pluralize(self.crowds, "crowd")
        lines = [
            f"{self.source} -> {self.out} in {self.seconds:.1f} s",
            f"  images   {self.images_written} of {self.images}",
            f"  objects  {self.instances_written} of {self.instances}: {crowds} kept aside, {self.lost} lost",
            f"  mask IoU against the source  {'objects':>9} {'mean':>9} {'worst':>9} {'under .99':>10}",
        ]
        for reader, sizes in (("read by seglab", self.own), ("as one polygon a row", self.other)):
            for size, fidelity in sizes.items():
                if fidelity.instances:
                    figures = f"{fidelity.instances:9} {fidelity.mean:9.6f} {fidelity.worst:9.6f} {fidelity.low:10}"
                    lines.append(f"    {reader:20} {size:6} {figures}")
        if not self.passed:
            lines.append(f"  NOT WRITTEN: with strict={self.strict} no object may be lost or lie under that IoU")
        return "\n".join([*lines, *filter(None, [issue_table(self.problems, counts=self.kinds)])])
