"""A look over a dataset before it costs a training run: `seglab check data=...`."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np

from seglab.data.augment import boxes_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.drawing.overlays import draw_instances
from seglab.drawing.plots import contact_sheet
from seglab.errors import SeglabError
from seglab.formats.issues import ROWS_SHOWN, Issue, issue_table, write_rest
from seglab.geometry.polygons import ring_area
from seglab.geometry.raster import fill
from seglab.progress import with_progress
from seglab.sample import SIZES, Sample, size_class
from seglab.wording import pluralize

PICTURES = 24  # on the contact sheet


@dataclass
class SplitReport:
    """What one split holds. objects: class id -> count; sizes: objects of each of SIZES."""

    images: int = 0
    unlabelled: int = 0
    crowds: int = 0
    instances: Counter = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=lambda: [0] * len(SIZES))
    shortest: int = 0  # sides of images, pixels
    longest: int = 0


@dataclass
class DatasetReport:
    """The findings; `print` shows them as tables. duplicates: pairs of files with the same pixels."""

    spec: DatasetSpec
    splits: dict[str, SplitReport] = field(default_factory=dict)
    problems: list[Issue] = field(default_factory=list)
    duplicates: list[tuple[str, str, str, str]] = field(default_factory=list)  # split, file, split, file
    listing: Path | None = None  # a file of all problems, where they are too many for a table
    sheet: Path | None = None

    def __str__(self) -> str:
        lines = [f"{self.spec.name}: {pluralize(len(self.spec.names), 'class')} in {self.spec.root}", ""]
        lines.append(
            f"{'split':8}{'images':>8}{'unlabelled':>12}{'objects':>9}"
            f"{''.join(f'{size:>8}' for size in SIZES)}{'crowds':>8}  sides of images"
        )
        for name, split in self.splits.items():
            counts = "".join(f"{count:8}" for count in (*split.sizes, split.crowds))
            lines.append(
                f"{name:8}{split.images:8}{split.unlabelled:12}{split.instances.total():9}{counts}"
                f"  {split.shortest} to {split.longest} px"
            )
        lines += ["", f"{'class':20}" + "".join(f"{name:>9}" for name in self.splits)]
        present = [c for c in self.spec.names if any(split.instances[c] for split in self.splits.values())]
        for class_id in sorted(present, key=lambda c: -sum(split.instances[c] for split in self.splits.values())):
            counts = "".join(f"{split.instances[class_id]:9}" for split in self.splits.values())
            lines.append(f"{self.spec.names[class_id]:20}{counts}")
        if len(present) < len(self.spec.names):
            lines.append(f"{pluralize(len(self.spec.names) - len(present), 'class')} without an object")
        if self.duplicates:
            lines += ["", f"{pluralize(len(self.duplicates), 'pair')} of images with the same pixels:"]
            lines += [f"  {a} {one} = {b} {other}" for a, one, b, other in self.duplicates[:10]]
            leaks = sum(a != b for a, _, b, _ in self.duplicates)
            lines += [f"  {leaks} of them across splits: validation would measure memory"] if leaks else []
        rows = ROWS_SHOWN if self.listing else inf
        lines += ["", issue_table(self.problems, self.spec.root, rows=rows) or "no problems found"]
        lines += [f"  all of them: {self.listing}"] if self.listing else []
        return "\n".join([*lines, f"contact sheet: {self.sheet}"] if self.sheet else lines)


def check(data: str | Path, out: str | Path | None = "runs/check") -> DatasetReport:
    """Read every image and label of every split, count, compare, and draw some.

    out: folder of the contact sheet, and of a list of the problems if they are many; None for neither, and a report
    that names every one. Errors: SeglabError when the dataset is not found.
    """
    spec = load_dataset(data)
    report, seen, drawn = DatasetReport(spec), {}, []
    for name in (*spec.splits, *spec.faults):
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # its problems go into this report
                dataset = SegmentationDataset(spec, name, 640)
        except SeglabError as error:
            report.splits[name] = SplitReport()
            report.problems.append(Issue(str(spec.yaml or spec.root), 0, f"no images: {error}", "found"))
            continue
        report.problems += dataset.problems
        split = report.splits[name] = SplitReport(len(dataset))
        sides = np.array(dataset.image_sizes)
        split.shortest, split.longest = int(sides.min()), int(sides.max())
        step = max(1, len(dataset) * len(spec.splits) // PICTURES)
        for index in with_progress(range(len(dataset)), f"check {name}"):
            try:
                sample = dataset.sample(index)
            except SeglabError as error:
                report.problems.append(Issue(str(dataset.images[index]), 0, f"unreadable image: {error}", "found"))
                continue
            _count(split, sample)
            digest = hashlib.blake2b(sample.image.tobytes(), digest_size=16).digest()
            here = (name, _relative(dataset.images[index], spec.root))
            if digest in seen:
                report.duplicates.append((*seen[digest], *here))
            seen.setdefault(digest, here)
            if index % step == 0 and len(drawn) < PICTURES:
                drawn.append((_draw(sample, spec), f"{name} {dataset.images[index].name}"))
    report.problems = list(dict.fromkeys(report.problems))
    if out is not None:
        report.listing = write_rest(report.problems, Path(out) / f"{spec.name}-problems.csv")
    if out is not None and drawn:
        report.sheet = Path(out) / f"{spec.name}.jpg"
        write_image(report.sheet, contact_sheet([image for image, _ in drawn], [title for _, title in drawn]))
    return report


def _count(split: SplitReport, sample: Sample) -> None:
    split.unlabelled += not sample.instances
    for instance in sample.instances:
        if instance.crowd:
            split.crowds += 1
            continue
        split.instances[instance.class_id] += 1
        split.sizes[size_class(sum(map(ring_area, instance.rings)))] += 1


def _draw(sample: Sample, spec: DatasetSpec) -> np.ndarray:
    size = sample.image.shape[:2]
    return draw_instances(
        sample.image,
        [instance.class_id for instance in sample.instances],
        boxes=boxes_of(sample.instances),
        crops=[(0, 0, fill(instance.rings, *size)) for instance in sample.instances],
        labels=[spec.names[instance.class_id] for instance in sample.instances],
    )


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
