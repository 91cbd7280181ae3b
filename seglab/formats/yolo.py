"""YOLO-seg label files: one text file per image, one row per instance: `class x1 y1 ... xn yn`, in fractions.

A row is one polygon. Parts and holes of an instance are joined to one polygon by seams without width, and read back
as parts and holes (`seglab.geometry.polygons`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from seglab.errors import SeglabError, raise_if_away
from seglab.files import SPLITS, YAML_SUFFIXES
from seglab.formats.coco_writer import steady
from seglab.formats.format import Format, LabeledImage, outline
from seglab.formats.issues import Fault, Issue, merged_issue
from seglab.formats.text_files import read_text, row_words
from seglab.geometry.polygons import Ring, clip_rings, join_rings, on_one_line, split_row
from seglab.sample import Instance
from seglab.wording import shortened

ROUNDING = 1e-4  # fractions this far outside 0..1 come from rounding and are cut without a word
LEFT_OUT = "row left out"
EMPTY = "read as an image without instances"
EXACT = ".17g"  # as many digits as a float64 has


# Reading


def read_labels(path: Path, width: int, height: int, names: Sized) -> tuple[list[Instance], list[Issue]]:
    """Read one label file -> (instances with rings in pixels of a width x height image, issues found on the way).

    A missing file means an image without instances. What can be used is used, and every row that had to be fixed or
    left out gives one Issue with file and line. Errors: SeglabError where the disk fails.
    """
    try:
        text = read_text(Path(path))
    except FileNotFoundError:
        return [], [Issue(str(path), 0, "no label file", EMPTY, "note")]
    except OSError as error:
        raise_if_away(path, error)
        message = f"unreadable label file: {error.strerror}"
        return [], [Issue(str(path), 0, message, "image left out", lost=1, unusable=True)]
    instances: list[Instance] = []
    issues: list[Issue] = []
    first_line: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(text.splitlines(), start=1):
        words = tuple(row_words(row))
        if not words:
            continue
        if words in first_line:
            message = f"duplicate row: the same as row {first_line[words]}"
            issues.append(Issue(str(path), line, message, LEFT_OUT, lost=1))
            continue
        first_line[words] = line
        found, faults = read_row(words, width, height, len(names))
        separators = [name for mark, name in ((";", "semicolons"), (",", "commas")) if mark in row]
        if separators:
            faults.insert(0, (f"{separators[0]} between the numbers", "read as spaces"))
        if faults:
            issues.append(merged_issue(str(path), line, faults, found is not None))
        if found is not None:
            instances.append(found)
    if not first_line:
        issues.append(Issue(str(path), 0, "empty label file", EMPTY, "note"))
    return instances, issues


def read_row(words: Sequence[str], width: int, height: int, classes: int) -> tuple[Instance | None, list[Fault]]:
    """The words of one row -> (instance with rings in pixels, or None, and what is wrong with the row)."""
    faults: list[Fault] = []
    try:
        class_id, *numbers = map(float, words)
    except ValueError:
        return None, [("not a row of numbers", LEFT_OUT)]
    if class_id != class_id or class_id % 1 or not 0 <= class_id < classes:
        return None, [
            (f"unknown class id: {shortened(words[0])} is not among the {classes} names (0 to {classes - 1})", LEFT_OUT)
        ]

    # What is no list of points is made one where that is possible.
    if len(numbers) == 4:
        numbers = _rectangle(*numbers)
        faults.append(("a box, not a polygon: the row has four numbers", "read as a rectangle"))
    if len(numbers) % 2:
        numbers.pop()
        faults.append(("an x without its y: the row has an odd count of coordinates", "last number left out"))
    points = np.array(numbers, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        points = points[np.isfinite(points).all(axis=1)]
        faults.append(("coordinates that are not finite numbers", "those points left out"))
    if len(points) < 3:
        return None, [*faults, (f"too few points: {len(points)} where an outline has at least 3", LEFT_OUT)]

    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    low, high = min(left, top), max(right, bottom)
    if high > 2:
        message = f"coordinates are not fractions: they reach {high:g}; divide x by the width and y by the height"
        return None, [*faults, (message, LEFT_OUT)]
    rings = [] if on_one_line(points) else split_row(points * (width, height))
    if low < 0 or high > 1:
        rings = clip_rings(rings, width, height)
        if low < -ROUNDING or high > 1 + ROUNDING:
            faults.append((f"reaches outside the image: fractions from {low:g} to {high:g}", "cut at the border"))
    if not rings:
        return None, [*faults, ("no area: the outline encloses nothing inside the image", LEFT_OUT)]
    return Instance(int(class_id), rings), faults


def _rectangle(x: float, y: float, width: float, height: float) -> list[float]:
    """The corners x y x y ... of a box given by its center and size."""
    left = x - width / 2
    top = y - height / 2
    right = x + width / 2
    bottom = y + height / 2
    return [left, top, right, top, right, bottom, left, bottom]


def raw_rows(path: Path) -> list[tuple[int, np.ndarray]]:
    """(class, (n, 2) fractions of the size) of every row of a label file as it stands; [] if one cannot be read."""
    try:
        lines = dict.fromkeys(read_text(path).splitlines()) if path.is_file() else {}
        rows = [np.array(line.split(), dtype=np.float64) for line in lines if line.strip()]
        outlines = [(int(row[0]), row[1:].reshape(-1, 2)) for row in rows]
    except ValueError:
        return []
    usable = all(len(points) > 2 and np.isfinite(points).all() for _, points in outlines)
    return outlines if usable else []


def count_rows(path: Path) -> int:
    """How many rows a label file has, whatever is in them; none where there is no file."""
    text = read_text(path) if path.is_file() else ""
    return sum(bool(line.strip()) for line in text.splitlines())


# Writing


def row_text(
    class_id: int, rings: Sequence[Ring], size: tuple[int, int], digits: str = EXACT, score: float | None = None
) -> str:
    """One row without its line end: the class, then x y of the joined rings as fractions, then the score if any.

    rings: in pixels of an image of `size` (height, width); digits: the format of each number, as in f"{x:.5f}".
    """
    height, width = size
    fractions = join_rings(list(rings)) / (width, height)
    numbers = fractions.ravel().tolist()
    if score is not None:
        numbers.append(score)
    return " ".join([str(class_id), *(format(number, digits) for number in numbers)])


def write_labels(path: Path, instances: Iterable[Instance], size: tuple[int, int], digits: str = EXACT) -> None:
    """Write a label file, making its folder; crowds are left out, as rows cannot say that they are some."""
    rows = [row_text(found.class_id, outline(found), size, digits) + "\n" for found in instances if not found.crowd]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(rows), encoding="utf-8")


def write_dataset_yaml(
    path: Path,
    splits: Mapping[str, str],
    names: Mapping[int, str],
    annotations: Mapping[str, str] | None = None,
    crowds: Mapping[str, str] | None = None,
) -> None:
    """Write a dataset YAML beside the folders it names, all paths relative, so that the dataset moves as a whole.

    splits: split -> folder of images; names: class id -> name; annotations and crowds: split -> COCO JSON.
    It has no `path`: YOLO tools then start at the YAML's own folder, where `path: .` is the working directory to some.
    """
    content: dict[str, object] = {**splits, "names": dict(names)}
    if annotations:
        content["annotations"] = dict(annotations)
    if crowds:
        content["crowds"] = dict(crowds)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def place_image(image: Path | bytes, target: Path) -> None:
    """Put an image into a dataset: as a link where that is possible, else as a copy; bytes are written.

    Errors: SeglabError where another image has the place already.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        target.write_bytes(image)
        return
    if target.exists():  # it may be a link to another original, which a copy would overwrite
        raise SeglabError(f"{image} and another image have names that differ only in case: rename one of them")
    try:
        os.link(image.resolve(), target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(image, target)


def write(out: Path, names: Mapping[int, str], images: Iterable[LabeledImage]) -> None:
    """Write a new dataset folder: images/SPLIT, labels/SPLIT and a YAML of the folder's name.

    Outlines are written with all their digits, as COCO's rasterizer draws them again. Where parts of an instance
    overlap, a reader that takes a row for one polygon sees a hole: `seglab.convert` writes what all readers draw alike.
    """
    out.mkdir(parents=True)
    splits: dict[str, str] = {}
    for labeled in images:
        if labeled.file is None:
            continue
        place_image(labeled.file, out / "images" / labeled.split / labeled.name)
        label = Path(labeled.name).with_suffix(".txt")
        instances = [replace(found, rings=list(map(steady, outline(found)))) for found in labeled.instances]
        write_labels(out / "labels" / labeled.split / label, instances, labeled.size)
        splits[labeled.split] = f"images/{labeled.split}"
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    write_dataset_yaml(out / f"{out.name}.yaml", ordered, names)


def is_here(source: Path) -> bool:
    """Whether this is a dataset YAML, or a folder with one."""
    if source.is_file():
        return source.suffix.lower() in YAML_SUFFIXES
    return any(source.glob("*.yaml")) or any(source.glob("*.yml"))


FORMAT = Format("yolo", "YOLO-seg dataset", is_here, write=write)
