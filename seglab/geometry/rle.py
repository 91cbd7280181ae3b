"""COCO run-length masks: {"size": [height, width], "counts": bytes}, the currency of full-resolution masks.

Runs go down the columns and start with the zeros. A crop of a large image becomes an RLE, and back, and polygons
become one, without the large image's mask ever being made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco

from seglab.geometry.polygons import Ring, clip_rings, ring_area

Rle = dict
FAR = 100_000  # pixels: COCO's rasteriser walks along every edge by fifths of a pixel, along one of 1e9 for hours
ZERO = 48  # the character that packs a zero
LONGEST = 7  # groups of a packed count: 35 bits


def encode(mask: np.ndarray) -> Rle:
    """(h, w) bool or 0/1 mask -> RLE."""
    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))


def decode(rle: Rle) -> np.ndarray:
    """RLE, compressed or with a plain list of counts -> (h, w) bool mask."""
    return coco.decode(compress(rle)).view(bool)


def compress(rle: Rle) -> Rle:
    """The RLE with counts as bytes: takes bytes, which are trusted, the string a JSON holds, or a plain list.

    Errors: ValueError when the counts of a string or list are no runs that add up to the image's pixels.
    """
    if isinstance(rle["counts"], bytes):
        return rle
    (height, width), counts = rle["size"], counts_of(rle)
    if (counts < 0).any() or counts.sum() != height * width:
        raise ValueError(
            f"RLE counts add up to {counts.sum()} pixels but its size is {height} x {width}: it is damaged"
        )
    if isinstance(rle["counts"], str):
        return {"size": [height, width], "counts": rle["counts"].encode("ascii")}
    return coco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)


def counts_of(rle: Rle) -> np.ndarray:
    """Plain run lengths (n,) int64 of an RLE, zeros first. Errors: ValueError for a string as in `_packed_numbers`."""
    packed = rle["counts"].decode("latin-1") if isinstance(rle["counts"], bytes) else rle["counts"]
    if not isinstance(packed, str):
        return np.array(packed, dtype=np.int64)
    numbers, _ = _packed_numbers([packed])
    counts = numbers.copy()
    counts[1::2] = np.cumsum(numbers[1::2])  # from the fourth on, a number is the difference to the count before the
    counts[2::2] = np.cumsum(numbers[2::2])  # previous one
    return counts


def packed_areas(strings: Sequence[str], pixels: int) -> np.ndarray:
    """Areas (strings,) int64 of packed RLEs, all at once: one by one, half a million take longer than their evaluation.

    Errors: ValueError when the counts of one are no runs that add up to `pixels`.
    """
    if not len(strings):
        return np.zeros(0, dtype=np.int64)
    numbers, ends = _packed_numbers(strings)
    starts = np.append(0, ends[:-1])
    first = numbers[starts]
    numbers[starts] = 0  # the third count is no difference to the first
    least, sums = first.copy(), np.zeros((2, len(strings)), dtype=np.int64)
    for place in (0, 1):  # every second number, of all strings in a row, is the step from one count to the next
        # One of the two rows of numbers holds the even counts of a string that starts at an even place, and the odd
        # ones of another.
        running = np.append(0, np.cumsum(numbers[place::2]))
        start, end = (starts + 1 - place) // 2, (ends + 1 - place) // 2
        some = start < end
        start, end = start[some], end[some]
        before = running[start]  # what the strings before have left in the sum
        least[some] = np.minimum(least[some], np.minimum.reduceat(running, start + 1) - before)
        odd = (starts[some] + place) % 2
        sums[odd, np.flatnonzero(some)] = np.add.reduceat(running, start + 1) - before * (end - start)
    if (least < 0).any() or (first + sums.sum(axis=0) != pixels).any():
        raise ValueError(f"the counts of its RLE are no runs that add up to {pixels} pixels: it is damaged")
    return sums[1]


def _packed_numbers(strings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (n,) int64 that COCO's strings hold, all in a row, and where those of each string end (strings,).

    COCO packs each count, from the fourth on less the one before the previous, in 6-bit groups of 5 bits, lowest first,
    with a flag for more to come; the highest bit is the sign. Errors: ValueError when a string is empty, ends in the
    middle or holds other characters or longer numbers.
    """
    string_ends = np.cumsum([len(each) for each in strings])
    groups = np.frombuffer("".join(strings).encode(errors="surrogatepass"), np.uint8)
    groups = groups - np.uint8(ZERO)  # what is less than ZERO becomes large, and so does what is no ASCII
    last = groups < 32
    if not all(strings) or not last[string_ends - 1].all() or groups.max() > 63:
        raise ValueError("its RLE's string of counts ends in the middle, or has wrong characters: it is damaged")
    ends = np.flatnonzero(last)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > LONGEST:
        raise ValueError("its RLE's string of counts holds a number of more than 35 bits: it is damaged")
    numbers = (groups[ends] & 31).astype(np.int64)
    numbers -= (numbers & 16) << 1
    for back in range(1, lengths.max()):
        longer = np.flatnonzero(lengths > back)
        numbers[longer] = (numbers[longer] << 5) + (groups[ends[longer] - back] & 31)
    return numbers, np.searchsorted(ends, string_ends)


def crop_to_rle(x0: int, y0: int, crop: np.ndarray, height: int, width: int) -> Rle:
    """A bool crop (h, w) whose top-left pixel is (x0, y0), nothing around it, as RLE of the (height, width) image.

    Errors: ValueError when the crop reaches out of the image.
    """
    rows, columns = crop.shape
    if x0 < 0 or y0 < 0 or y0 + rows > height or x0 + columns > width:
        raise ValueError(f"a crop of {rows} x {columns} at ({x0}, {y0}) reaches out of a {height} x {width} image")
    framed = np.zeros(columns * (rows + 1) + 1, dtype=bool)  # column after column, each after one empty pixel
    framed[:-1].reshape(columns, rows + 1)[:, 1:] = crop.T
    column, row = np.divmod(np.flatnonzero(framed[1:] != framed[:-1]), rows + 1)  # starts and ends of runs, in turn
    edges = (x0 + column) * height + y0 + row
    joined = edges[1:-1:2] == edges[2::2]  # a run that reaches the bottom goes on at the top of the next column
    keep = np.ones(len(edges), dtype=bool)
    keep[1:-1:2] = keep[2::2] = ~joined
    return _from_edges(edges[keep], height, width)


def _from_edges(edges: np.ndarray, height: int, width: int) -> Rle:
    """RLE whose runs of ones start and end, in turn, at these rising places down the columns."""
    counts = np.diff(edges, prepend=0, append=height * width)
    return compress({"size": [height, width], "counts": counts[: -1 if counts[-1] == 0 else None]})


def _edges(rle: Rle) -> np.ndarray:
    """Where the runs of ones start and end, in turn, counted down the columns: (2 n,) int64."""
    places = np.cumsum(counts_of(rle))
    return places[: len(places) // 2 * 2]


def rle_to_crop(rle: Rle) -> tuple[int, int, np.ndarray]:
    """RLE -> (x0, y0, bool crop (h, w)) of the mask's own bounding box; an empty mask gives a (0, 0) crop."""
    height = rle["size"][0]
    edges = _edges(rle)
    starts, ends = edges[0::2], edges[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    if not len(starts):
        return 0, 0, np.zeros((0, 0), dtype=bool)
    (first, top), (last, bottom) = np.divmod(starts, height), np.divmod(ends - 1, height)
    x0, x1 = int(first[0]), int(last[-1]) + 1
    across = (first != last).any()  # a run that goes on in the next column touches bottom and top
    y0, y1 = (0, height) if across else (int(top.min()), int(bottom.max()) + 1)
    steps = np.zeros((x1 - x0) * (y1 - y0) + 1, dtype=np.int8)
    steps[(first - x0) * (y1 - y0) + top - y0] = 1
    steps[(last - x0) * (y1 - y0) + bottom - y0 + 1] -= 1
    return x0, y0, np.cumsum(steps[:-1], dtype=np.int8).view(bool).reshape(x1 - x0, y1 - y0).T


def rings_to_rle(rings: Sequence[Ring], height: int, width: int) -> Rle:
    """The mask COCO draws for an object in a (height, width) image: the union of its solid rings, less its holes.

    Every ring is drawn by pycocotools (even-odd, vertices rounded to fifths of a pixel); a pixel belongs to the
    object where more solid rings than holes cover it, so an island inside a hole is kept. Rings that reach further
    than FAR out of the image are cut at its border before.
    """
    if any(ring.max() > FAR or ring.min() < -FAR for ring in rings):
        rings = clip_rings(rings, width, height)
    drawn = coco.frPyObjects([np.ravel(ring) for ring in rings], height, width) if len(rings) else []
    signs = [1 if ring_area(ring) >= 0 else -1 for ring in rings]
    if drawn and min(signs) > 0:
        return coco.merge(drawn)
    edges = [_edges(rle) for rle in drawn]
    places = np.concatenate([np.zeros(0, dtype=np.int64), *edges])
    steps = np.concatenate([np.zeros(0, dtype=np.int64), *(np.resize((s, -s), len(e)) for s, e in zip(signs, edges))])
    order = np.argsort(places, kind="stable")
    places, depth = places[order], np.cumsum(steps[order])
    settled = np.append(places[1:] != places[:-1], True)[: len(places)]  # all rings' steps at one place are taken
    places, inside = places[settled], depth[settled] > 0
    return _from_edges(places[np.diff(inside, prepend=False)], height, width)


def area(rle: Rle) -> int:
    """Pixels of the mask."""
    return int(coco.area(compress(rle)))


def merge(rles: Sequence[Rle]) -> Rle:
    """Union of masks of one size."""
    return coco.merge([compress(rle) for rle in rles])


def iou(a: Sequence[Rle], b: Sequence[Rle], crowd: Sequence[bool] | None = None) -> np.ndarray:
    """(N, M) overlap of every mask of `a` with every mask of `b`; for a crowd of `b`, over the area of `a` alone."""
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    crowd = [False] * len(b) if crowd is None else list(crowd)
    return coco.iou([compress(rle) for rle in a], [compress(rle) for rle in b], [int(c) for c in crowd])
