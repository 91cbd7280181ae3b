"""COCO run-length masks: {"size": [height, width], "counts": bytes}, how full-resolution masks are stored.

Runs go down the columns and start with the zeros:

    0 1 1
    1 1 0      down the columns: 0 1 0, 1 1 0, 1 0 0   ->   counts 1, 1, 1, 2, 1, 1, 2
    0 0 0

A crop of a large image becomes an RLE, and back, and polygons become one, without the large image's mask ever being
made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco

from seglab.errors import SeglabError
from seglab.geometry.polygons import Ring, clip_rings, ring_area

Rle = dict[str, Any]
FAR = 100_000  # pixels: COCO's rasterizer walks along every edge by fifths of a pixel, along one of 1e9 for hours
ZERO = 48  # the character that packs a zero
MAX_GROUPS = 7  # of a packed count: 35 bits
MAX_PIXELS = 2**32 - 1  # of an image: COCO's tools count in 32 bits
MAX_UNPACKED = 1 << 29  # pixels of a mask as an array: a few bytes of an RLE may stand for any number of them
DAMAGED = "it is damaged, write the mask again"


def encode(mask: np.ndarray) -> Rle:
    """(h, w) bool or 0/1 mask -> RLE."""
    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))


def decode(rle: Rle) -> np.ndarray:
    """RLE, compressed or with a plain list of counts -> (h, w) bool mask. Errors: SeglabError as in `counts_of`."""
    height, width = size_of(rle)
    _refuse_huge(height * width)
    return coco.decode(compress(rle)).view(bool)


def compress(rle: Rle) -> Rle:
    """The RLE with counts as bytes: takes bytes, the string a JSON holds, or a plain list.

    Errors: SeglabError as in `counts_of`. What comes back is sound, so that COCO's tool, which checks nothing, may have
    it.
    """
    counts = counts_of(rle)
    height, width = size_of(rle)
    packed = rle["counts"]
    if isinstance(packed, bytes):
        return rle
    if isinstance(packed, str):
        return {"size": [height, width], "counts": packed.encode("ascii")}
    return coco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)


def size_of(rle: Rle) -> tuple[int, int]:
    """(height, width) of the image of an RLE. Errors: SeglabError where it states none."""
    size = rle.get("size") if isinstance(rle, Mapping) else None
    given = list(size) if isinstance(size, (list, tuple)) else []
    sides = [side for side in given if _is_whole(side)]
    if len(sides) != 2 or len(given) != 2:
        raise SeglabError(f"the size of an RLE must be two whole numbers, not {size!r:.80}: {DAMAGED}")
    height, width = map(int, sides)
    if height < 0 or width < 0 or height * width > MAX_PIXELS:
        raise SeglabError(f"an RLE cannot have the size {height} x {width}: {DAMAGED}")
    return height, width


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def counts_of(rle: Rle) -> np.ndarray:
    """Plain run lengths (n,) int64 of an RLE, zeros first.

    Errors: SeglabError when they are no runs that add up to the image's pixels.
    """
    height, width = size_of(rle)
    packed = rle.get("counts")
    if isinstance(packed, bytes):
        packed = packed.decode("latin-1")
    counts = _unpacked(packed) if isinstance(packed, str) else _listed(packed)
    is_sound = not len(counts) or (0 <= counts.min() and counts.max() <= MAX_PIXELS)  # so that their sum is exact
    if not is_sound or counts.sum() != height * width:
        raise SeglabError(f"the counts of an RLE are not runs that add up to {height} x {width} pixels: {DAMAGED}")
    return counts


def _unpacked(packed: str) -> np.ndarray:
    """The counts (n,) int64 of a string. Errors: as `_packed_numbers`."""
    numbers, _ = _packed_numbers([packed])
    counts = numbers.copy()
    counts[1::2] = np.cumsum(numbers[1::2])  # from the fourth on, a number is the difference to the count before the
    counts[2::2] = np.cumsum(numbers[2::2])  # previous one
    return counts


def _listed(packed: object) -> np.ndarray:
    """The counts (n,) int64 of a list of whole numbers. Errors: SeglabError for anything else."""
    if not isinstance(packed, (list, tuple, np.ndarray)):
        raise _not_listed(packed)
    if not len(packed):
        return np.zeros(0, dtype=np.int64)
    try:
        counts = np.asarray(packed)
    except ValueError:  # lists of several lengths
        raise _not_listed(packed) from None
    if counts.dtype.kind == "U":  # numbers as text, as some tools write them
        try:
            counts = counts.astype(np.float64)
        except ValueError:
            raise _not_listed(packed) from None
    if counts.dtype.kind == "f" and np.isfinite(counts).all() and (np.abs(counts) <= MAX_PIXELS).all():
        whole = counts.astype(np.int64)
        if not (whole == counts).all():
            raise _not_listed(packed)
        counts = whole
    if counts.dtype.kind not in "iu" or counts.ndim != 1:
        raise _not_listed(packed)
    return counts.astype(np.int64)


def _not_listed(packed: object) -> SeglabError:
    """The error for counts that are none. Made where it is raised: the text of an array takes longer than its masks."""
    return SeglabError(
        f"the counts of an RLE must be a string or a list of whole numbers, not {packed!r:.80}: {DAMAGED}"
    )


def _refuse_huge(pixels: int) -> None:
    """Errors: SeglabError for more pixels than an array may have that an RLE is unpacked to."""
    if pixels > MAX_UNPACKED:
        raise SeglabError(
            f"an RLE would unpack to {pixels:,} pixels, more than {MAX_UNPACKED:,}: cut the mask to tiles"
        )


def packed_areas(strings: Sequence[str], pixels: int) -> np.ndarray:
    """Areas (strings,) int64 of packed RLEs, all at once: one by one, half a million take longer than their evaluation.

    `packed_areas_reference` is the plain way to the same. Errors: SeglabError when the counts of one are no runs that
    add up to `pixels`.
    """
    if not len(strings):
        return np.zeros(0, dtype=np.int64)
    numbers, ends = _packed_numbers(strings)
    starts = np.append(0, ends[:-1])
    # The first count of each string is set aside: the third is no difference to it.
    first = numbers[starts]
    numbers[starts] = 0

    # Every second number is the step from one count to the next but one. So of all strings in a row, running sums over
    # the numbers at even places, and over those at odd places, are counts, once the sum that the strings before have
    # left is taken off. One of the two rows holds the even counts of a string that starts at an even place, and the
    # odd ones of another.
    min_count = first.copy()
    sums = np.zeros((2, len(strings)), dtype=np.int64)  # of each string's even counts (zeros) and odd counts (ones)
    for parity in (0, 1):
        running = np.append(0, np.cumsum(numbers[parity::2]))
        # Where each string begins and ends in this row.
        start = (starts + 1 - parity) // 2
        end = (ends + 1 - parity) // 2
        has_any = start < end
        start, end = start[has_any], end[has_any]
        left_before = running[start]
        lowest = np.minimum.reduceat(running, start + 1) - left_before
        min_count[has_any] = np.minimum(min_count[has_any], lowest)
        is_odd = (starts[has_any] + parity) % 2
        sums[is_odd, np.flatnonzero(has_any)] = np.add.reduceat(running, start + 1) - left_before * (end - start)

    if (min_count < 0).any() or (first + sums.sum(axis=0) != pixels).any():
        raise SeglabError(f"the counts of its RLE are not runs that add up to {pixels} pixels: {DAMAGED}")
    return sums[1]


def packed_areas_reference(strings: Sequence[str]) -> list[int]:
    """`packed_areas` of sound strings, one by one: every second run, from the second on, is a run of ones."""
    return [sum(unpack_reference(string)[1::2]) for string in strings]


def unpack_reference(string: str) -> list[int]:
    """The counts that COCO packs into a string, character by character; `counts_of` does it for all at once.

    Each character holds 6 bits: 5 of a number, lowest first, and a flag for more to come. The highest bit of the last
    one is the sign. From the fourth on, a number is the difference to the count before the previous one.
    """
    counts: list[int] = []
    number = 0
    bits = 0
    for character in string:
        group = ord(character) - ZERO
        number |= (group & 31) << bits
        bits += 5
        if group & 32:
            continue
        if group & 16:
            number -= 1 << bits
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = 0
        bits = 0
    return counts


def _packed_numbers(strings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (n,) int64 that COCO's strings hold, all in a row, and where those of each string end (strings,).

    COCO packs each count, from the fourth on less the one before the previous, in 6-bit groups of 5 bits, lowest first,
    with a flag for more to come; the highest bit is the sign. Errors: SeglabError when a string is empty, ends in the
    middle or holds other characters or longer numbers.
    """
    string_ends = np.cumsum([len(each) for each in strings])
    groups = np.frombuffer("".join(strings).encode(errors="surrogatepass"), np.uint8)
    groups = groups - np.uint8(ZERO)  # what is less than ZERO becomes large, and so does what is no ASCII
    is_last = groups < 32  # of its number
    if not all(strings) or not is_last[string_ends - 1].all() or groups.max() > 63:
        raise SeglabError(f"its RLE counts string ends too early or has invalid characters: {DAMAGED}")
    ends = np.flatnonzero(is_last)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > MAX_GROUPS:
        raise SeglabError(f"its RLE counts string has a number of more than 35 bits: {DAMAGED}")
    # From the last group of each number, which has the sign, back to the first.
    numbers = (groups[ends] & 31).astype(np.int64)
    numbers -= (numbers & 16) << 1
    for back in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > back)
        numbers[longer] = (numbers[longer] << 5) + (groups[ends[longer] - back] & 31)
    return numbers, np.searchsorted(ends, string_ends)


def crop_to_rle(x0: int, y0: int, crop: np.ndarray, height: int, width: int) -> Rle:
    """A bool crop (h, w) whose top-left pixel is (x0, y0), nothing around it, as RLE of the (height, width) image.

    Errors: SeglabError when the crop reaches out of the image.
    """
    rows, columns = crop.shape
    if x0 < 0 or y0 < 0 or y0 + rows > height or x0 + columns > width:
        raise SeglabError(
            f"a crop of {rows} x {columns} at ({x0}, {y0}) extends beyond a {height} x {width} image: crop "
            "it to the image"
        )
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
    """RLE -> (x0, y0, bool crop (h, w)) of the mask's own bounding box; an empty mask gives a (0, 0) crop.

    Errors: SeglabError as in `counts_of`.
    """
    height = size_of(rle)[0]
    edges = _edges(rle)
    starts, ends = edges[0::2], edges[1::2]
    is_run = starts < ends
    starts = starts[is_run]
    ends = ends[is_run]
    if not len(starts):
        return 0, 0, np.zeros((0, 0), dtype=bool)
    first, top = np.divmod(starts, height)
    last, bottom = np.divmod(ends - 1, height)
    x0 = int(first[0])
    x1 = int(last[-1]) + 1
    goes_on = (first != last).any()  # a run that goes on in the next column touches bottom and top
    y0, y1 = (0, height) if goes_on else (int(top.min()), int(bottom.max()) + 1)
    _refuse_huge((x1 - x0) * (y1 - y0))
    steps = np.zeros((x1 - x0) * (y1 - y0) + 1, dtype=np.int8)
    steps[(first - x0) * (y1 - y0) + top - y0] = 1
    steps[(last - x0) * (y1 - y0) + bottom - y0 + 1] -= 1
    return x0, y0, np.cumsum(steps[:-1], dtype=np.int8).view(bool).reshape(x1 - x0, y1 - y0).T


def rings_to_rle(rings: Sequence[Ring], height: int, width: int) -> Rle:
    """The mask COCO draws for an instance in a (height, width) image: the union of its solid rings, less its holes.

    Every ring is drawn by pycocotools (even-odd, vertices rounded to fifths of a pixel); a pixel belongs to the
    instance where more solid rings than holes cover it, so an island inside a hole is kept. Rings that reach further
    than FAR out of the image are cut at its border before.
    """
    if any(ring.max() > FAR or ring.min() < -FAR for ring in rings):
        rings = clip_rings(rings, width, height)
    drawn = coco.frPyObjects([np.ravel(ring) for ring in rings], height, width) if len(rings) else []
    signs = [1 if ring_area(ring) >= 0 else -1 for ring in rings]
    if drawn and min(signs) > 0:
        return coco.merge(drawn)
    # Down the columns, every ring's runs step up at their start and down at their end (holes the other way round); the
    # running sum is how many more solid rings than holes cover a pixel.
    nothing = np.zeros(0, dtype=np.int64)
    edges = [_edges(rle) for rle in drawn]
    places = np.concatenate([nothing, *edges])
    steps = np.concatenate([nothing, *(np.resize((sign, -sign), len(own)) for sign, own in zip(signs, edges))])
    order = np.argsort(places, kind="stable")
    places = places[order]
    depth = np.cumsum(steps[order])
    is_last_step = np.append(places[1:] != places[:-1], True)[: len(places)]  # of all rings' steps at one place
    places = places[is_last_step]
    inside = depth[is_last_step] > 0
    return _from_edges(places[np.diff(inside, prepend=False)], height, width)


def area(rle: Rle) -> int:
    """Pixels of the mask. Errors: SeglabError as in `counts_of`."""
    return int(counts_of(rle)[1::2].sum())


def merge(rles: Sequence[Rle]) -> Rle:
    """Union of masks of one size. Errors: SeglabError as in `counts_of`, and for masks of several sizes."""
    _refuse_several_sizes(rles)
    return coco.merge([compress(rle) for rle in rles])


def iou(a: Sequence[Rle], b: Sequence[Rle], crowd: Sequence[bool] | None = None) -> np.ndarray:
    """(N, M) overlap of every mask of `a` with every mask of `b`; for a crowd of `b`, over the area of `a` alone.

    Errors: SeglabError as in `counts_of`, and for masks of several sizes.
    """
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    _refuse_several_sizes([*a, *b])
    crowd = [False] * len(b) if crowd is None else list(crowd)
    return coco.iou([compress(rle) for rle in a], [compress(rle) for rle in b], [int(c) for c in crowd])


def _refuse_several_sizes(rles: Sequence[Rle]) -> None:
    sizes = {size_of(rle) for rle in rles}
    if len(sizes) > 1:
        raise SeglabError(f"the masks of an image must have one size, but these have {sorted(sizes)[:3]}: {DAMAGED}")
