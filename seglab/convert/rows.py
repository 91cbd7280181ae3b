"""Objects as rows of YOLO-seg label files that COCO's rasteriser draws as it draws the source, pixel for pixel."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from zlib import crc32

import numpy as np
from pycocotools import mask as coco

from seglab.convert.report import Report
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring, clip_rings, join_rings, orient, split_row
from seglab.geometry.rle import area, iou, rings_to_rle, rle_to_crop
from seglab.progress import with_progress

MARGIN = 1e-4  # pixels between a written coordinate and the next tie of COCO's rounding to fifths
UNIT = 10**9  # fractions are written in billionths: they err by less than MARGIN up to 100,000 pixels a side
VERTEX = 24  # characters of a written vertex
BATCH = 1000  # objects that are made into rows together
BUCKETS = 256  # of a million objects, one holds some three megabytes
WAITING = 1 << 22  # bytes of rows that are kept in memory


def steady(points: np.ndarray) -> np.ndarray:
    """Move coordinates off the ties of COCO's rounding to fifths of a pixel, to the side they fall on now.

    A tenth such as 110.3 lies exactly between two fifths. Divided by the image's width, printed and multiplied again
    it may fall the other way, and pixels change; a ten-thousandth of a pixel off the tie it cannot, even in float32.
    """
    fifths = np.trunc(5 * points + 0.5) / 5
    return np.minimum(np.maximum(points, fifths - (0.1 - MARGIN)), fifths + (0.1 - MARGIN))


def plain_rows(instances: Sequence[tuple[Sequence[Ring], tuple[int, int]]]) -> list[str | None]:
    """Rows of many objects, given as (solid rings, (width, height)); None for one that is not so plain.

    Plain rings lie inside the image, meet neither themselves nor each other in a vertex, and cover no pixel twice.
    Their row's mask needs no looking at: every vertex stays on its fifth of a pixel, and that is all COCO's rasteriser
    goes by; the seams between rings cancel, and readers that split a row find the same rings.
    """
    rings = [ring for rings, _ in instances for ring in rings]
    counts = np.array([len(ring) for ring in rings])
    ends = np.cumsum(counts)
    starts = ends - counts
    points = np.concatenate(rings)
    size = np.repeat(np.array([size for rings, size in instances for _ in rings], dtype=np.float64), counts, axis=0)
    inside = np.logical_and.reduceat(((points >= 0) & (points <= size)).all(axis=1), starts).tolist()
    billionths = _billionths(points, size)
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = starts
    fresh = (billionths != billionths[following]).any(axis=1)  # a vertex repeated at once changes nothing: left out
    counts = np.add.reduceat(fresh, starts, dtype=np.int64).tolist()
    billionths = billionths[fresh]
    vertices = (billionths[:, 0] * (2 * UNIT) + billionths[:, 1]).tolist()
    text = _text(billionths)
    rows: list[str | None] = []
    number = end = 0
    for parts, (width, height) in instances:
        own = slice(number, number + len(parts))
        number, start = own.stop, end
        end = start + sum(counts[own])
        if not all(inside[own]) or min(counts[own]) < 3 or len(set(vertices[start:end])) < end - start:
            rows.append(None)
        elif len(parts) == 1:
            rows.append(text[start * VERTEX : end * VERTEX])
        elif _overlap(parts, width, height):
            rows.append(None)
        else:
            pieces = np.split(billionths[start:end].astype(np.float64), np.cumsum(counts[own])[:-1])
            rows.append(_text(join_rings([orient(piece) for piece in pieces]).astype(np.int64)))
    return rows


def faithful_row(rings: Sequence[Ring], rle: dict | None, width: int, height: int) -> tuple[str, float, float] | None:
    """An object of a width x height image -> (its row's coordinates as text, IoU read by this library, IoU as one
    polygon); None when it has neither a pixel nor an outline inside the image.

    The source's mask is `rle` where there is one, else what COCO draws for the union of the solid `rings`. Their row
    is kept if both readings give that mask; else (parts that overlap, a ring cut at the border) the mask's own edge
    replaces them.
    """
    rings = [orient(ring) for ring in rings if np.isfinite(ring).all()]
    target = rings_to_rle(rings, height, width) if rle is None else rle
    best = None
    for candidate in _outlines(rings, target, width, height):
        row = _billionths(join_rings(candidate), (width, height))
        drawn = row / UNIT * (width, height)
        if parts := split_row(drawn):
            own, other = (same(target, rings_to_rle(read, height, width)) for read in (parts, [orient(drawn)]))
            if best is None or min(own, other) > min(best[1:]):
                best = _text(row), own, other
            if own == other == 1.0:
                break
    return best


def _overlap(rings: Sequence[Ring], width: int, height: int) -> bool:
    """Whether any pixel belongs to two of the rings."""
    boxes = [(*np.floor(ring.min(axis=0)).tolist(), *np.ceil(ring.max(axis=0)).tolist()) for ring in rings]
    if all(a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1] for a, b in combinations(boxes, 2)):
        return False
    drawn = coco.frPyObjects([ring.ravel() for ring in rings], height, width)
    return int(coco.area(drawn).sum()) != int(coco.area(coco.merge(drawn)))


def _outlines(rings: Sequence[Ring], target: dict, width: int, height: int) -> Iterable[list[Ring]]:
    if inside := clip_rings(rings, width, height):
        yield inside
    x0, y0, crop = rle_to_crop(target)
    if crop.size:
        yield mask_to_rings(crop, x0, y0)
    elif inside:  # a sliver without a pixel, which gains one where it is cut at the border: shrunk, it has none again
        yield [inside[0][:1] + (inside[0] - inside[0][:1]) / 1000]


def _billionths(points: np.ndarray, size: np.ndarray | tuple[int, int]) -> np.ndarray:
    """(n, 2) pixels inside an image of `size` (width, height) -> (n, 2) int64 billionths of its sides."""
    with np.errstate(invalid="ignore"):  # NaN is sorted out with the other points that lie in no image
        return np.rint(steady(points) / size * UNIT).astype(np.int64)


def _text(billionths: np.ndarray) -> str:
    """(n, 2) int64 -> " 0.123456789 0.500000000 ...", VERTEX characters a vertex, all numbers at once."""
    rest = billionths.astype(np.uint32).ravel()
    glyphs = np.full((rest.size, VERTEX // 2), ord(" "), dtype=np.uint8)
    glyphs[:, 2] = ord(".")
    for place in (11, 10, 9, 8, 7, 6, 5, 4, 3, 1):
        rest, digit = rest // 10, rest % 10
        glyphs[:, place] = digit + ord("0")
    return glyphs.tobytes().decode("ascii")


def same(a: dict, b: dict) -> float:
    """IoU of two masks; two empty ones are the same."""
    return 1.0 if a["counts"] == b["counts"] or area(a) == area(b) == 0 else float(iou([a], [b])[0, 0])


class LabelWriter:
    """Objects on their way into one folder of label files, in whatever order they come.

    Rows wait in buckets, by the name of their file, which go to a file on disk when they hold WAITING bytes together;
    at the end bucket after bucket is read back and every label file written once. Memory holds a batch of objects and
    one bucket.
    """

    def __init__(self, folder: Path, report: Report):
        self.folder, self.report = folder, report
        folder.mkdir(parents=True, exist_ok=True)
        self.files = 0
        self.instances: list[tuple] = []
        self.disk = tempfile.TemporaryFile(dir=folder)
        self.bounds: list[np.ndarray] = []  # (BUCKETS + 1,) of every time: where on disk each bucket starts
        self.buckets: list[list[str]] = [[] for _ in range(BUCKETS)]  # name, row, name, row, ...
        self.waiting = 0  # characters in them

    def file(self, name: str) -> None:
        """An image's label file, empty as long as no object follows. name: relative, with its suffix .txt."""
        self.files += 1
        self._put(name, "")

    def add(self, name: str, size: tuple[int, int], class_id: int, rings, rle, pixels: float, where: str) -> None:
        """One object of an image of `size` (width, height): its solid rings or its RLE.

        name: a label file given to `file`; pixels: the object's area, about; where: its name in the report.
        """
        self.instances.append((name, size, class_id, rings, rle, pixels, where))
        if len(self.instances) == BATCH:
            self._make_rows()

    def _make_rows(self) -> None:
        outlines = [(rings, size) for _, size, _, rings, rle, _, _ in self.instances if rle is None]
        plain = iter(plain_rows(outlines) if outlines else ())
        for name, size, class_id, rings, rle, pixels, where in self.instances:
            text = next(plain) if rle is None else None
            found = (text, 1.0, 1.0) if text else faithful_row(rings, rle, *size)
            if found is None:
                self.report.lose(where, "no area: the object has neither a pixel nor an outline inside the image")
                continue
            self.report.count(pixels, *found[1:])
            self._put(name, f"{class_id}{found[0]}\n")
        self.instances.clear()

    def _put(self, name: str, row: str) -> None:
        self.buckets[crc32(os.fsencode(name)) % BUCKETS] += name, row
        self.waiting += len(name) + len(row)
        if self.waiting > WAITING:
            bounds = [self.disk.tell()]
            for records in self.buckets:
                bounds.append(bounds[-1] + self.disk.write("\0".join(records).encode(errors="surrogateescape")))
                records.clear()
            self.bounds.append(np.array(bounds))
            self.waiting = 0

    def close(self) -> None:
        """Write the label files."""
        self._make_rows()
        with self.disk:
            for name, rows in with_progress(self._files(), f"write {self.folder.name}", "file", self.files):
                if len(set(rows)) < len(rows):
                    self.report.note(name, "duplicate row: the source has an object twice", "kept; readers skip it")
                if "/" in name:
                    os.makedirs(self.folder / os.path.dirname(name), exist_ok=True)
                with open(f"{self.folder}/{name}", "xb") as file:
                    file.write("".join(rows).encode())

    def _files(self) -> Iterator[tuple[str, list[str]]]:
        """Every label file's name and rows, bucket by bucket."""
        for number, waiting in enumerate(self.buckets):
            records = []
            for bounds in self.bounds:
                start, end = bounds[number : number + 2].tolist()
                if start < end:
                    self.disk.seek(start)
                    records += self.disk.read(end - start).decode(errors="surrogateescape").split("\0")
            records += waiting
            waiting.clear()
            files = defaultdict(list)
            for name, row in zip(records[::2], records[1::2]):
                files[name] += [row] if row else []
            yield from files.items()
