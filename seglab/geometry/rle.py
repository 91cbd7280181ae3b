"""COCO run-length masks: {"size": [height, width], "counts": bytes}, the currency of full-resolution masks.

Runs go down the columns and start with the zeros. Only the packing of counts into a string is pycocotools' own work;
a crop of a large picture becomes an RLE, and back, without the large picture's mask ever being made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seglab.geometry.polygons import Ring, ring_area
from seglab.geometry.raster import fill

Rle = dict


def encode(mask: np.ndarray) -> Rle:
    """(h, w) bool or 0/1 mask -> RLE."""
    from pycocotools import mask as coco

    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))


def decode(rle: Rle) -> np.ndarray:
    """RLE, compressed or with a plain list of counts -> (h, w) bool mask."""
    from pycocotools import mask as coco

    return coco.decode(compress(rle)).view(bool)


def compress(rle: Rle) -> Rle:
    """The RLE with counts as bytes: takes bytes, the string a JSON holds, or a plain list of counts.

    Errors: ValueError when a plain list does not add up to the picture's pixels.
    """
    from pycocotools import mask as coco

    counts, (height, width) = rle["counts"], rle["size"]
    if isinstance(counts, bytes):
        return rle
    if isinstance(counts, str):
        return {"size": [height, width], "counts": counts.encode("ascii")}
    if sum(counts) != height * width:
        raise ValueError(f"RLE counts add up to {sum(counts)} pixels but its size is {height} x {width}: it is damaged")
    return coco.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width)


def counts_of(rle: Rle) -> np.ndarray:
    """Plain run lengths (n,) int64 of an RLE, zeros first: COCO packs each, less the one before the previous, in 6-bit
    groups of 5 bits, lowest first, with a flag for more to come."""
    if isinstance(rle["counts"], list):
        return np.array(rle["counts"], dtype=np.int64)
    groups = np.frombuffer(compress(rle)["counts"], dtype=np.uint8).astype(np.int64) - 48
    last = (groups & 32) == 0
    starts = np.flatnonzero(np.concatenate(([True], last[:-1])))
    number = np.cumsum(np.concatenate(([0], last[:-1])))
    place = np.arange(len(groups)) - starts[number]
    values = np.add.reduceat((groups & 31) << (5 * place), starts) if len(groups) else groups
    ends = np.flatnonzero(last)
    negative = (groups[ends] & 16) != 0
    values = np.where(negative, values - (np.int64(1) << (5 * (place[ends] + 1))), values)
    # From the fourth count on, a value is the difference from the count two places before.
    counts = values.copy()
    counts[1::2] = np.cumsum(values[1::2])
    counts[2::2] = np.cumsum(values[2::2])
    return counts


def crop_to_rle(x0: int, y0: int, crop: np.ndarray, height: int, width: int) -> Rle:
    """A bool crop (h, w) whose top-left pixel is (x0, y0), nothing around it, as RLE of the (height, width) picture.

    Errors: ValueError when the crop reaches out of the picture.
    """
    rows, columns = crop.shape
    if x0 < 0 or y0 < 0 or y0 + rows > height or x0 + columns > width:
        raise ValueError(f"a crop of {rows} x {columns} at ({x0}, {y0}) reaches out of a {height} x {width} picture")
    framed = np.zeros(columns * (rows + 1) + 1, dtype=bool)  # column after column, each after one empty pixel
    framed[:-1].reshape(columns, rows + 1)[:, 1:] = crop.T
    column, row = np.divmod(np.flatnonzero(framed[1:] != framed[:-1]), rows + 1)  # starts and ends of runs, in turn
    edges = (x0 + column) * height + y0 + row
    joined = edges[1:-1:2] == edges[2::2]  # a run that reaches the bottom goes on at the top of the next column
    keep = np.ones(len(edges), dtype=bool)
    keep[1:-1:2] = keep[2::2] = ~joined
    counts = np.diff(edges[keep], prepend=0, append=height * width)
    return compress({"size": [height, width], "counts": counts[: -1 if counts[-1] == 0 else None].tolist()})


def rle_to_crop(rle: Rle) -> tuple[int, int, np.ndarray]:
    """RLE -> (x0, y0, bool crop (h, w)) of the mask's own bounding box; an empty mask gives a (0, 0) crop."""
    height = rle["size"][0]
    edges = np.cumsum(counts_of(rle))
    starts, ends = edges[0::2][: len(edges) // 2], edges[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    if not len(starts):
        return 0, 0, np.zeros((0, 0), dtype=bool)
    x0, x1 = int(starts[0] // height), int((ends[-1] - 1) // height) + 1
    across = starts // height != (ends - 1) // height  # a run over a column's end touches top and bottom
    y0 = 0 if across.any() else int((starts % height).min())
    y1 = height if across.any() else int(((ends - 1) % height).max()) + 1
    steps = np.zeros((x1 - x0) * height + 1, dtype=np.int8)
    steps[starts - x0 * height] = 1
    steps[ends - x0 * height] -= 1
    mask = np.cumsum(steps[:-1], dtype=np.int8).reshape(x1 - x0, height).T
    return x0, y0, mask[y0:y1].astype(bool)


def rings_to_rle(rings: Sequence[Ring], height: int, width: int) -> Rle:
    """An object's rings -> RLE of a (height, width) picture, the mask that `fill` draws."""
    from pycocotools import mask as coco

    if len(rings) and all(ring_area(ring) >= 0 for ring in rings):
        return coco.merge(coco.frPyObjects([np.ravel(ring) for ring in rings], height, width))
    return encode(fill(rings, height, width))


def area(rle: Rle) -> int:
    """Pixels of the mask."""
    from pycocotools import mask as coco

    return int(coco.area(compress(rle)))


def merge(rles: Sequence[Rle], intersect: bool = False) -> Rle:
    """Union, or intersection, of masks of one size."""
    from pycocotools import mask as coco

    return coco.merge([compress(rle) for rle in rles], intersect=intersect)


def iou(a: Sequence[Rle], b: Sequence[Rle], crowd: Sequence[bool] | None = None) -> np.ndarray:
    """(N, M) overlap of every mask of `a` with every mask of `b`; for a crowd of `b`, over the area of `a` alone."""
    from pycocotools import mask as coco

    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    crowd = [False] * len(b) if crowd is None else list(crowd)
    return coco.iou([compress(rle) for rle in a], [compress(rle) for rle in b], [int(c) for c in crowd])
