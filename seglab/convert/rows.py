"""Instances as rows of YOLO-seg label files that COCO's rasterizer draws as it draws the source, pixel for pixel.

`faithful_row` makes one row and measures it; `plain_rows` makes a thousand at once of instances whose rows need no
measuring; `LabelWriter` puts both together and writes label files.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from zlib import crc32

import numpy as np
from pycocotools import mask as coco

from seglab.convert.report import Report
from seglab.convert.targets import Target, Targets
from seglab.formats.coco_writer import steady
from seglab.formats.yolo import read_row
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import Ring, clip_rings, join_rings, orient
from seglab.geometry.rle import Rle, area, iou, rings_to_rle, rle_to_crop
from seglab.progress import with_progress

UNIT = 10**9  # fractions are written in billionths: they err by less than the margin of `steady` up to 100,000 pixels
VERTEX = 24  # characters of a written vertex
BATCH = 1000  # instances that are made into rows together
BUCKETS = 256  # of a million instances, one holds some three megabytes
WAITING = 1 << 22  # bytes of rows that are kept in memory


@dataclass(frozen=True)
class Outline:
    """Solid rings in pixels of an image of `size` (width, height)."""

    rings: Sequence[Ring]
    size: tuple[int, int]


@dataclass(frozen=True)
class Row:
    """The coordinates of a row as text, " x1 y1 x2 y2 ...", and how faithful it is to its source.

    own: mask IoU as this library reads the row; other: as one polygon that COCO draws.
    """

    text: str
    own: float = 1.0
    other: float = 1.0


# One row, measured


def faithful_row(rings: Sequence[Ring], rle: Rle | None, width: int, height: int) -> Row | None:
    """The row of an instance of a width x height image; None when it has neither a pixel nor an outline inside it.

    The source's mask is `rle` where there is one, else what COCO draws for the union of the solid `rings`. Their row
    is kept if both readings give that mask; else (parts that overlap, a ring cut at the border) the mask's own edge
    replaces them.
    """
    rings = [orient(ring) for ring in rings if np.isfinite(ring).all()]
    target = rings_to_rle(rings, height, width) if rle is None else rle
    best: Row | None = None
    for candidate in _outlines(rings, target, width, height):
        row = _measured(candidate, target, width, height)
        if row is None:
            continue
        if best is None or min(row.own, row.other) > min(best.own, best.other):
            best = row
        if row.own == row.other == 1.0:
            break
    return best


def _outlines(rings: Sequence[Ring], target: Rle, width: int, height: int) -> Iterator[list[Ring]]:
    """What may be written for an instance, the likeliest first: its rings, then the edge of its mask."""
    inside = clip_rings(list(rings), width, height)
    if inside:
        yield inside
    x0, y0, crop = rle_to_crop(target)
    if crop.size:
        yield mask_to_rings(crop, x0, y0)
    elif inside:
        # A sliver without a pixel, which gains one where it is cut at the border: shrunk, it has none again.
        corner = inside[0][:1]
        yield [corner + (inside[0] - corner) / 1000]


def _measured(rings: list[Ring], target: Rle, width: int, height: int) -> Row | None:
    """The row of some rings, read back by the reader of label files and as one polygon; None if it cannot be read."""
    text = text_of(_billionths(join_rings(rings), (width, height)))
    numbers = text.split()
    if len(numbers) < 6:  # four numbers would be read as a box
        return None
    read, _ = read_row(["0", *numbers], width, height, classes=1)
    if read is None:
        return None
    polygon = np.array(numbers, dtype=np.float64).reshape(-1, 2) * (width, height)
    own = same(target, rings_to_rle(read.rings, height, width))
    other = same(target, rings_to_rle([orient(polygon)], height, width))
    return Row(text, own, other)


def same(a: Rle, b: Rle) -> float:
    """IoU of two masks; two empty ones are the same."""
    return 1.0 if a["counts"] == b["counts"] or area(a) == area(b) == 0 else float(iou([a], [b])[0, 0])


# Many rows at once, for which nothing has to be drawn


def plain_rows(outlines: Sequence[Outline]) -> list[str | None]:
    """The coordinates of the rows of many instances; None for one that is not so plain.

    Plain rings lie inside the image, meet neither themselves nor each other in a vertex, and cover no pixel twice.
    Their row's mask needs no looking at: every vertex stays on its fifth of a pixel, and that is all COCO's rasterizer
    goes by; the seams between rings cancel, and readers that split a row find the same rings. All vertices of all
    instances stand in one array; `plain_row` does the same for one.
    """
    # One array of vertices: ring i is points[starts[i]:ends[i]].
    rings = [ring for outline in outlines for ring in outline.rings]
    counts = np.array([len(ring) for ring in rings])
    ends = np.cumsum(counts)
    starts = ends - counts
    points = np.concatenate(rings)  # (vertices, 2)
    ring_sizes = np.array([outline.size for outline in outlines for _ in outline.rings], dtype=np.float64)
    size = np.repeat(ring_sizes, counts, axis=0)  # (vertices, 2) width, height
    vertex_inside = ((points >= 0) & (points <= size)).all(axis=1)
    ring_inside = np.logical_and.reduceat(vertex_inside, starts).tolist()

    # A vertex that is repeated at once changes nothing: it is left out.
    billionths = _billionths(points, size)
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = starts
    kept = (billionths != billionths[following]).any(axis=1)
    kept_counts = np.add.reduceat(kept, starts, dtype=np.int64).tolist()
    billionths = billionths[kept]

    # One number a vertex, to find those that come twice; and the text of all vertices, of equal length each.
    vertices = (billionths[:, 0] * (2 * UNIT) + billionths[:, 1]).tolist()
    text = text_of(billionths)

    rows: list[str | None] = []
    first_ring = end = 0
    for outline in outlines:
        own_rings = slice(first_ring, first_ring + len(outline.rings))
        own_counts = kept_counts[own_rings]
        first_ring = own_rings.stop
        start = end
        end = start + sum(own_counts)
        meets_itself = len(set(vertices[start:end])) < end - start
        if not all(ring_inside[own_rings]) or min(own_counts) < 3 or meets_itself:
            rows.append(None)
        elif len(outline.rings) == 1:
            rows.append(text[start * VERTEX : end * VERTEX])
        elif _overlap(outline):
            rows.append(None)
        else:
            pieces = np.split(billionths[start:end].astype(np.float64), np.cumsum(own_counts)[:-1])
            rows.append(text_of(_joined(pieces)))
    return rows


def plain_row(outline: Outline) -> str | None:
    """What `plain_rows` gives for one instance, step by step."""
    pieces = []
    for ring in outline.rings:
        if not ((ring >= 0) & (ring <= outline.size)).all():
            return None
        billionths = _billionths(ring, outline.size)
        pieces.append(billionths[(billionths != np.roll(billionths, -1, axis=0)).any(axis=1)])
    vertices = np.concatenate(pieces)
    meets_itself = len(np.unique(vertices, axis=0)) < len(vertices)
    if min(map(len, pieces)) < 3 or meets_itself or (len(pieces) > 1 and _overlap(outline)):
        return None
    if len(pieces) > 1:
        vertices = _joined([piece.astype(np.float64) for piece in pieces])
    return "".join(f" {number / UNIT:.9f}" for number in vertices.ravel().tolist())


def _joined(pieces: Sequence[Ring]) -> np.ndarray:
    """Several solid rings in billionths as one, (n, 2) int64."""
    return join_rings([orient(piece) for piece in pieces]).astype(np.int64)


def _overlap(outline: Outline) -> bool:
    """Whether any pixel belongs to two of the rings."""
    boxes = [(*np.floor(ring.min(axis=0)).tolist(), *np.ceil(ring.max(axis=0)).tolist()) for ring in outline.rings]
    if all(a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1] for a, b in combinations(boxes, 2)):
        return False
    width, height = outline.size
    drawn = coco.frPyObjects([ring.ravel() for ring in outline.rings], height, width)
    return int(coco.area(drawn).sum()) != int(coco.area(coco.merge(drawn)))


def _billionths(points: np.ndarray, size: np.ndarray | tuple[int, int]) -> np.ndarray:
    """(n, 2) pixels inside an image of `size` (width, height) -> (n, 2) int64 billionths of its sides."""
    with np.errstate(invalid="ignore"):  # NaN is sorted out with the other points that lie in no image
        return np.rint(steady(points) / size * UNIT).astype(np.int64)


def text_of(billionths: np.ndarray) -> str:
    """(n, 2) int64 -> " 0.123456789 0.500000000 ...", VERTEX characters a vertex, all numbers at once.

    The same as "".join(f" {number / UNIT:.9f}" for number in billionths.ravel()).
    """
    rest = billionths.astype(np.uint32).ravel()
    glyphs = np.full((rest.size, VERTEX // 2), ord(" "), dtype=np.uint8)
    glyphs[:, 2] = ord(".")
    for column in (11, 10, 9, 8, 7, 6, 5, 4, 3, 1):  # digit by digit, the last one first
        rest, digit = rest // 10, rest % 10
        glyphs[:, column] = digit + ord("0")
    return glyphs.tobytes().decode("ascii")


# Label files


@dataclass(frozen=True, slots=True)
class Item:
    """An instance on its way into a label file.

    label: the file's name, relative; size: (width, height) of the image; its shape is `rle`, or where that is None the
    solid `rings`; pixels: its area, about; where: its name in the report; whole: whether no part of it was left out.
    """

    label: str
    size: tuple[int, int]
    class_id: int
    rings: Sequence[Ring]
    rle: Rle | None
    pixels: float
    where: str
    whole: bool = True


def mask_of(item: Item) -> Rle:
    """The mask that an instance has in its source: as COCO draws the union of its rings where it has no other."""
    width, height = item.size
    if item.rle is not None:
        return item.rle
    return rings_to_rle([orient(ring) for ring in item.rings if np.isfinite(ring).all()], height, width)


class LabelWriter:
    """Instances on their way into one folder of label files, in whatever order they come.

    Rows wait in buckets, by the name of their file, which go to a file on disk when they hold WAITING bytes together;
    at the end bucket after bucket is read back and every label file written once. Memory holds a batch of instances
    and one bucket. targets: where it is noted what each row has to show when the output is read back; without, the row
    itself is measured.
    """

    def __init__(self, folder: Path, report: Report, targets: Targets | None = None):
        self.folder = folder
        self.report = report
        self.targets = targets
        folder.mkdir(parents=True, exist_ok=True)
        self.files = 0
        self.items: list[Item] = []
        self.disk = tempfile.TemporaryFile(dir=folder)
        self.bounds: list[np.ndarray] = []  # (BUCKETS + 1,) of every time: where on disk each bucket starts
        self.buckets: list[list[str]] = [[] for _ in range(BUCKETS)]  # name, row, name, row, ...
        self.waiting = 0  # characters in them

    def file(self, name: str) -> None:
        """An image's label file, empty as long as no instance follows. name: relative, with its suffix .txt."""
        self.files += 1
        self._put(name, "")

    def add(self, item: Item) -> None:
        """One instance of a label file that was given to `file`."""
        self.items.append(item)
        if len(self.items) == BATCH:
            self._make_rows()

    def _make_rows(self) -> None:
        outlines = [Outline(item.rings, item.size) for item in self.items if item.rle is None]
        plain = iter(plain_rows(outlines) if outlines else ())
        for item in self.items:
            text = next(plain) if item.rle is None else None
            row = Row(text) if text else faithful_row(item.rings, item.rle, *item.size)
            if row is None:
                message = "no area: the instance has neither a pixel nor an outline inside the image"
                self.report.lose(item.where, message)
                continue
            line = f"{item.class_id}{row.text}\n"
            own, other = (row.own, row.other) if item.whole else (0.0, 0.0)
            self.report.count(item.pixels, own if self.targets is None else None, other)
            if self.targets is not None:
                target = Target(item.class_id, mask_of(item), item.pixels, item.whole)
                self.targets.add(f"labels/{self.folder.name}/{item.label}", line, target)
            self._put(item.label, line)
        self.items.clear()

    def _put(self, name: str, row: str) -> None:
        bucket = self.buckets[crc32(os.fsencode(name)) % BUCKETS]
        bucket += name, row
        self.waiting += len(name) + len(row)
        if self.waiting > WAITING:
            self._spill()

    def _spill(self) -> None:
        """Write what waits to disk, bucket by bucket."""
        bounds = [self.disk.tell()]
        for bucket in self.buckets:
            data = "\0".join(bucket).encode(errors="surrogateescape")
            bounds.append(bounds[-1] + self.disk.write(data))
            bucket.clear()
        self.bounds.append(np.array(bounds))
        self.waiting = 0

    def close(self) -> None:
        """Write the label files."""
        self._make_rows()
        with self.disk:
            for name, rows in with_progress(self._files(), f"write {self.folder.name}", "file", self.files):
                if len(set(rows)) < len(rows):
                    self.report.duplicates += len(rows) - len(set(rows))
                    self.report.note(
                        name, "duplicate row: the source lists this instance twice", "kept; readers skip it"
                    )
                if "/" in name:
                    os.makedirs(self.folder / os.path.dirname(name), exist_ok=True)
                with open(f"{self.folder}/{name}", "xb") as file:
                    file.write("".join(rows).encode())

    def _files(self) -> Iterator[tuple[str, list[str]]]:
        """Every label file's name and rows, bucket by bucket."""
        for number, waiting in enumerate(self.buckets):
            words: list[str] = []  # name, row, name, row, ...
            for bounds in self.bounds:
                start, end = bounds[number : number + 2].tolist()
                if start < end:
                    self.disk.seek(start)
                    words += self.disk.read(end - start).decode(errors="surrogateescape").split("\0")
            words += waiting
            waiting.clear()
            files: dict[str, list[str]] = defaultdict(list)
            for name, row in zip(words[::2], words[1::2]):
                files[name] += [row] if row else []
            yield from files.items()
