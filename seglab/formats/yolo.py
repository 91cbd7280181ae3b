"""YOLO-seg label files: a text file an image, a row an object: `class x1 y1 ... xn yn`, as fractions of the size."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from pathlib import Path

import numpy as np

from seglab.formats.issues import Issue, merged_issue
from seglab.geometry.polygons import clip_rings, split_row
from seglab.sample import Instance

ROUNDING = 1e-4  # fractions this far outside 0..1 come from rounding and are cut without a word
LEFT_OUT = "row left out"


def read_labels(path: Path, width: int, height: int, names: Sized) -> tuple[list[Instance], list[Issue]]:
    """Read one label file -> (objects with rings in pixels of a width x height image, problems found on the way).

    A missing file means an image without objects. Nothing raises here: what can be used is used, and every row that
    had to be fixed or left out gives one Problem with file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return [], [Issue(str(path), 0, "no label file", "taken as an image without objects", note=True)]
    except OSError as error:
        what = f"a label file that cannot be opened: {error.strerror}"
        return [], [Issue(str(path), 0, what, "taken as an image without objects")]
    instances, problems, first_line = [], [], {}
    for line, row in enumerate(text.splitlines(), start=1):
        words = tuple(row.split())
        if not words:
            continue
        if words in first_line:
            problems.append(Issue(str(path), line, f"duplicate row: the same as row {first_line[words]}", LEFT_OUT))
            continue
        first_line[words] = line
        found, faults = _read_row(words, width, height, len(names))
        if faults:
            problems.append(merged_issue(str(path), line, faults, found is not None))
        if found is not None:
            instances.append(found)
    if not first_line:
        problems.append(Issue(str(path), 0, "empty label file", "taken as an image without objects", note=True))
    return instances, problems


def _read_row(
    words: Sequence[str], width: int, height: int, classes: int
) -> tuple[Instance | None, list[tuple[str, str]]]:
    """One row -> (object or None, [(what is wrong, what was done)])."""
    faults = []
    try:
        class_id, *numbers = map(float, words)
    except ValueError:
        return None, [("not a row of numbers", LEFT_OUT)]
    if class_id != class_id or class_id % 1 or not 0 <= class_id < classes:
        return None, [(f"unknown class id: {words[0]} is not among the {classes} names (0 to {classes - 1})", LEFT_OUT)]
    if len(numbers) == 4:
        x, y, w, h = numbers
        numbers = [x - w / 2, y - h / 2, x + w / 2, y - h / 2, x + w / 2, y + h / 2, x - w / 2, y + h / 2]
        faults.append(("a box, no polygon: the row has four numbers", "taken as a rectangle"))
    if len(numbers) % 2:
        numbers.pop()
        faults.append(("an x without its y: the row has an odd count of coordinates", "last number left out"))
    points = np.array(numbers, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        points = points[np.isfinite(points).all(axis=1)]
        faults.append(("coordinates that are no finite numbers", "those points left out"))
    if len(points) < 3:
        return None, [*faults, (f"too few points: {len(points)} where an outline has at least 3", LEFT_OUT)]
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    low, high = min(left, top), max(right, bottom)
    if high > 2:
        return None, [
            *faults,
            (f"coordinates are no fractions: they reach {high:g}; divide x and y by the size", LEFT_OUT),
        ]
    rings = split_row(points * (width, height)) if left < right and top < bottom else []
    if low < 0 or high > 1:
        rings = clip_rings(rings, width, height)
        if low < -ROUNDING or high > 1 + ROUNDING:
            faults.append((f"reaches outside the image: fractions from {low:g} to {high:g}", "cut at the border"))
    if not rings:
        return None, [*faults, ("no area: the outline encloses nothing inside the image", LEFT_OUT)]
    return Instance(int(class_id), rings), faults
