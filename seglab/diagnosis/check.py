"""Check a dataset before training on it: `seglab check data=...`."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seglab.config import ReadConfig
from seglab.data.augment import boxes_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.datasets.labels_nearby import labels_nearby
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.drawing.overlays import draw_instances
from seglab.drawing.plots import contact_sheet
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES
from seglab.formats.issues import ROWS_SHOWN, Issue, issue_table, write_rest
from seglab.formats.label_files import label_files, unused_label_files
from seglab.geometry.polygons import ring_area
from seglab.geometry.raster import fill
from seglab.image_files import MAX_PIXELS
from seglab.progress import with_progress
from seglab.sample import SIZES, Sample, size_class
from seglab.wording import pluralize

MAX_DRAWN = 24  # images on the contact sheet
MAX_OUTLINES = 300  # of one of them: more cannot be told apart, and a million would take hours
# What lies among images for a reason: they themselves, their labels, and what describes the dataset.
KNOWN_SUFFIXES = {
    *IMAGE_SUFFIXES,
    ".txt",
    ".json",
    ".xml",
    ".yaml",
    ".yml",
    ".csv",
    ".tsv",
    ".md",
    ".npy",
    ".cache",
    ".db",
}
MAX_DUPLICATES_SHOWN = 10  # pairs in the printed report


@dataclass
class SplitReport:
    """What one split holds. instances: class id -> count; sizes: instances of each of SIZES."""

    images: int = 0
    unlabeled: int = 0
    crowds: int = 0
    instances: Counter[int] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=lambda: [0] * len(SIZES))
    shortest: int = 0  # sides of images, pixels
    longest: int = 0


class ImageFile(NamedTuple):
    """An image of the dataset, its path relative to the dataset's folder."""

    split: str
    file: str


class Duplicate(NamedTuple):
    """Two files with the same pixels."""

    split: str
    file: str
    other_split: str
    other_file: str


@dataclass
class DatasetReport:
    """What the check found; `print` shows it as tables."""

    spec: DatasetSpec
    splits: dict[str, SplitReport] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    listing: Path | None = None  # a file of all issues, where they are too many for a table
    sheet: Path | None = None  # the contact sheet

    def __str__(self) -> str:
        about = f" ({self.spec.about})" if self.spec.about else ""
        lines = [f"{self.spec.name}: {pluralize(len(self.spec.names), 'class')} in {self.spec.root}{about}", ""]
        lines += [*self._split_table(), "", *self._class_table()]
        if self.duplicates:
            lines += ["", *self._duplicate_lines()]
        rows = ROWS_SHOWN if self.listing else inf
        none = "no other issues found" if self.duplicates else "no issues found"
        lines += ["", issue_table(self.issues, self.spec.root, rows=rows) or none]
        if self.listing:
            lines.append(f"  all of them: {self.listing}")
        if self.sheet:
            lines.append(f"contact sheet: {self.sheet}")
        return "\n".join(lines)

    def _split_table(self) -> list[str]:
        size_heads = "".join(f"{size:>8}" for size in SIZES)
        lines = [
            f"{'split':8}{'images':>8}{'unlabeled':>12}{'instances':>11}{size_heads}{'crowds':>8}  sides of images"
        ]
        for name, split in self.splits.items():
            counts = "".join(f"{count:8}" for count in (*split.sizes, split.crowds))
            lines.append(
                f"{name:8}{split.images:8}{split.unlabeled:12}{split.instances.total():11}{counts}"
                f"  {split.shortest} to {split.longest} px"
            )
        return lines

    def _class_table(self) -> list[str]:
        """One line per class, the most frequent first."""
        totals: Counter[int] = Counter()
        for split in self.splits.values():
            totals.update(split.instances)
        present = [class_id for class_id in self.spec.names if totals[class_id]]
        lines = [f"{'class':20}" + "".join(f"{name:>9}" for name in self.splits)]
        for class_id in sorted(present, key=lambda class_id: -totals[class_id]):
            counts = "".join(f"{split.instances[class_id]:9}" for split in self.splits.values())
            lines.append(f"{self.spec.names[class_id]:20}{counts}")
        if len(present) < len(self.spec.names):
            lines.append(f"{pluralize(len(self.spec.names) - len(present), 'class')} without instances")
        return lines

    def _duplicate_lines(self) -> list[str]:
        lines = [f"{pluralize(len(self.duplicates), 'pair')} of images with the same pixels:"]
        for pair in self.duplicates[:MAX_DUPLICATES_SHOWN]:
            lines.append(f"  {pair.split} {pair.file} = {pair.other_split} {pair.other_file}")
        leaks = sum(pair.split != pair.other_split for pair in self.duplicates)
        if leaks:
            lines.append(f"  {leaks} of them across splits: validation would measure memorization")
        return lines


def check(
    data: str | Path,
    out: str | Path | None = "runs/check",
    instances: str | None = None,
    labels: str | Path | None = None,
    max_pixels: int = MAX_PIXELS,
    range: int | float | list | tuple | None = None,
) -> DatasetReport:
    """Read every image and label of every split, count, compare, and draw some.

    out: folder of the contact sheet, and of a list of the issues if they are many; None for neither, and a report that
    names every one. instances: of mask images, see `load_dataset`; labels: labels that lie apart from the images.
    max_pixels, range: which images may be read, and how, as for training.
    Errors: SeglabError when the dataset is not found.
    """
    reading = ReadConfig(max_pixels=max_pixels, range=range).reading
    spec = load_dataset(data, labels=labels, instances=instances)
    report = DatasetReport(spec)
    first_with_pixels: dict[bytes, ImageFile] = {}  # digest of an image's pixels -> where they were seen first
    drawn: list[np.ndarray] = []
    titles: list[str] = []

    # Splits whose images cannot be listed are part of the report too.
    for name in (*spec.splits, *spec.faults):
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # its issues go into this report
                dataset = SegmentationDataset(spec, name, 640, reading=reading)
        except SeglabError as error:
            report.splits[name] = SplitReport()
            report.issues.append(Issue(str(spec.yaml or spec.root), 0, f"no images: {error}", "split not checked"))
            continue
        report.issues += dataset.issues
        # What the scan of headers and labels says, before any pixel is read.
        sides = [side for size in dataset.image_sizes for side in size]
        split = SplitReport(len(dataset), shortest=min(sides), longest=max(sides))
        report.splits[name] = split
        # Evenly spread over all splits, so that the sheet shows more than the first images.
        draw_every = max(1, len(dataset) * len(spec.splits) // MAX_DRAWN)
        for index, path in enumerate(with_progress(dataset.images, f"check {name}")):
            try:
                sample = dataset.sample(index)
            except SeglabError as error:
                report.issues.append(Issue(str(path), 0, f"unreadable image: {error}", "image not checked"))
                continue
            _count(split, sample)
            # Equal pixels under two names are worth knowing, across splits most of all.
            here = ImageFile(name, _relative(dataset.images[index], spec.root))
            first = first_with_pixels.setdefault(_digest(sample.image), here)
            if first is not here:
                report.duplicates.append(Duplicate(*first, *here))
            if index % draw_every == 0 and len(drawn) < MAX_DRAWN:
                drawn.append(_draw(sample, spec))
                titles.append(f"{name} {dataset.images[index].name}")

    report.issues += _left_aside(spec) + _without_instances(report)
    # Two splits may be one folder, whose issues then come twice.
    report.issues = list(dict.fromkeys(report.issues))
    folder = Path(out).expanduser() if out is not None else None
    if folder is not None:
        report.listing = write_rest(report.issues, folder / f"{spec.name}-issues.csv")
    if folder is not None and drawn:
        report.sheet = folder / f"{spec.name}.jpg"
        write_image(report.sheet, contact_sheet(drawn, titles))
    return report


def _without_instances(report: DatasetReport) -> list[Issue]:
    """An issue for every split that has images and not one instance."""
    where = str(report.spec.yaml or report.spec.root)
    empty = [name for name, split in report.splits.items() if split.images and not split.instances]
    advice = (labels_nearby(report.spec) if empty else "") or "label some images"
    return [
        Issue(where, 0, f"no instance in split {name}", f"training and validation will stop; {advice}")
        for name in empty
    ]


def _left_aside(spec: DatasetSpec) -> list[Issue]:
    """Files that lie among a dataset's images and labels, and that nothing reads."""
    if spec.draw or spec.parts:
        return []
    images = list(dict.fromkeys(image for files in spec.splits.values() for image in files))
    issues = []
    if spec.labels is None and not spec.annotations:
        for file in unused_label_files(label_files(images, spec.root, spec.label_folder)):
            action = f"not read; restore its image as {file.stem}.jpg, or delete it"
            issues.append(Issue(str(file), 0, "a label file without an image", action))
    beside = [
        file
        for folder in sorted({image.parent for image in images if image.parent.is_dir()})
        for file in folder.iterdir()
        if file.is_file() and not file.name.startswith(".")
    ]
    used = {os.path.realpath(file) for file in images}
    used |= {os.path.realpath(file) for entry in (spec.labels.entries if spec.labels else ()) for file in entry.files}
    others = [file for file in beside if file.suffix.lower() in IMAGE_SUFFIXES and os.path.realpath(file) not in used]
    if others:
        message = f"images that are not read: {len(others)}, as {min(others)}"
        action = "left out, as no split lists them and no label is theirs; label them, or move them elsewhere"
        issues.append(Issue(str(spec.root), 0, message, action, "note"))
    ignored = Counter(file.suffix.lower() for file in beside if file.suffix.lower() not in KNOWN_SUFFIXES)
    for suffix, count in sorted(ignored.items()):
        message = f"files among the images that are not read: {pluralize(count, f'{suffix} file')}"
        issues.append(
            Issue(str(spec.root), 0, message, "left out; save them as PNG or JPEG if they are images", "note")
        )
    return issues


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _count(split: SplitReport, sample: Sample) -> None:
    split.unlabeled += not sample.instances
    for instance in sample.instances:
        if instance.crowd:
            split.crowds += 1
            continue
        split.instances[instance.class_id] += 1
        split.sizes[size_class(sum(map(ring_area, instance.rings)))] += 1


def _draw(sample: Sample, spec: DatasetSpec) -> np.ndarray:
    size = sample.image.shape[:2]
    shown = sample.instances[:MAX_OUTLINES]
    return draw_instances(
        sample.image,
        [instance.class_id for instance in shown],
        boxes=boxes_of(shown),
        crops=[(0, 0, fill(instance.rings, *size)) for instance in shown],
        labels=[spec.names[instance.class_id] for instance in shown],
    )


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
