"""Images with their instances on their way into the folders of a YOLO dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from seglab.convert.report import Report
from seglab.convert.rows import Item, LabelWriter
from seglab.convert.targets import Targets
from seglab.data.image import image_size
from seglab.errors import SeglabError
from seglab.formats.format import LabeledImage
from seglab.formats.issues import Issue, left_out, other_size
from seglab.formats.yolo import place_image
from seglab.geometry.polygons import Ring, ring_area
from seglab.geometry.rle import Rle, area, rings_to_rle

RENAMED = "a name that a loader would confuse with another"


class DatasetWriter:
    """Images with their instances on their way into the folders of a YOLO dataset."""

    def __init__(self, part: Path, report: Report, targets: Targets):
        self.part = part
        self.report = report
        self.targets = targets
        self._writers: dict[str, LabelWriter] = {}
        self._taken: set[tuple[str, str]] = set()

    def add(self, labeled: LabeledImage) -> str | None:
        """Place an image and write its label file -> what the image is called now; None where it is left out."""
        assert labeled.file is not None, "the caller has looked"
        name = free_name(PurePosixPath(labeled.name), lambda label: (labeled.split, label) in self._taken)
        target = self.part / "images" / labeled.split / name
        place_image(labeled.file, target)
        if fault := _fault(target, labeled):
            target.unlink()
            self.report.add(fault)
            return None
        if str(name) != labeled.name:
            self.report.note(f"image {labeled.name}", RENAMED, f"renamed to {name} in the output")
        label = label_of(name)
        self._taken.add((labeled.split, label))
        self.report.images_written += 1
        if labeled.split not in self._writers:
            self._writers[labeled.split] = LabelWriter(self.part / "labels" / labeled.split, self.report, self.targets)
        _write_instances(self._writers[labeled.split], label, replace(labeled, name=str(name)))
        return str(name)

    def close(self) -> list[str]:
        """Write the label files -> the splits there are."""
        for writer in self._writers.values():
            writer.close()
        return list(self._writers)


def label_of(name: PurePosixPath) -> str:
    """The label file of an image in the output, relative like it."""
    return str(name.with_suffix(".txt"))


def free_name(name: PurePosixPath, is_taken: Callable[[str], bool]) -> PurePosixPath:
    """What an image is called in the output: no folder called `images`, no label file of another image.

    Where a.jpg has a.txt already, a.png becomes a_png.png, then a_png2.png.
    """
    folders = [part for part in name.parts[:-1] if part.lower() != "images"]
    name = PurePosixPath(*folders, name.name)
    own = name
    number = 1
    while is_taken(label_of(own)):
        count = "" if number == 1 else str(number)
        own = name.with_name(f"{name.stem}_{name.suffix[1:].lower()}{count}{name.suffix}")
        number += 1
    return own


def _fault(image: Path, labeled: LabeledImage) -> Issue | None:
    """Why an image does not fit its instances, or None."""
    where = f"image {labeled.name}"
    try:
        found = image_size(image)
    except SeglabError as error:
        return left_out(where, f"unreadable image: {error}", len(labeled.instances))
    if found == labeled.size:
        return None
    return other_size(where, labeled.size, found, len(labeled.instances))


def _write_instances(writer: LabelWriter, label: str, labeled: LabeledImage) -> None:
    height, width = labeled.size
    writer.file(label)
    for number, found in enumerate(labeled.instances, start=1):
        # A writer of rows takes solid rings or an exact mask; rings with holes become the latter.
        rle = found.rle
        if rle is None and any(ring_area(ring) < 0 for ring in found.rings):
            rle = rings_to_rle(found.rings, height, width)
        pixels = pixels_of(found.rings, rle)
        where = f"image {labeled.name} instance {number}"
        writer.add(Item(label, (width, height), found.class_id, found.rings, rle, pixels, where))


def pixels_of(rings: Iterable[Ring], rle: Rle | None) -> float:
    """The area of an instance, about."""
    return area(rle) if rle else sum(abs(ring_area(ring)) for ring in rings)
