"""Polygons to pixels: COCO's own yes-or-no fill, and the exact share of every pixel that a polygon covers.

Coordinates are continuous: pixel (row r, column c) covers [c, c + 1] x [r, r + 1]. Rings are those of `polygons`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seglab.geometry.polygons import Ring, ring_area
from seglab.geometry.rle import area, decode, rings_to_rle, rle_to_crop

CROWDED = 32  # an object of more than this part of the image is drawn faster with the whole image


def fill(rings: Sequence[Ring], height: int, width: int) -> np.ndarray:
    """The (height, width) bool mask COCO draws for an object: the union of its solid rings, less its holes.

    It is the mask of `rle.rings_to_rle`, which tells how parts, holes and islands in holes are drawn.
    """
    rle = rings_to_rle(rings, height, width)
    if area(rle) > height * width / CROWDED:
        return decode(rle)
    mask = np.zeros((height, width), dtype=bool)
    x0, y0, crop = rle_to_crop(rle)
    mask[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
    return mask


def coverage(
    rings: Sequence[Ring],
    height: int,
    width: int,
    scale: float | tuple[float, float] = 1.0,
    window: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """The exact share of every cell of a (height, width) grid that an object covers: float32 in [0, 1].

    scale: grid cells per ring unit, one number or (x, y). window: (x0, y0, x1, y1) in cells, to get that part of the
    grid only, (y1 - y0, x1 - x0). Holes subtract; where solid rings overlap the sum is cut at 1; both halves of a ring
    that crosses itself (a figure of eight) count, as in `fill`.

    An edge adds its signed height to every cell at its right, and a share of it to the cell it runs through: the
    signed-area accumulation of scan converters such as libart and font-rs, here over all edges at once.
    """
    x0, y0, x1, y1 = window or (0, 0, width, height)
    total = np.zeros((y1 - y0, x1 - x0), dtype=np.float32)
    for ring in rings:
        points = ring * scale - (x0, y0)
        low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
        left, top = max(int(low[0]), 0), max(int(low[1]), 0)
        right, bottom = min(int(high[0]), x1 - x0), min(int(high[1]), y1 - y0)
        if left < right and top < bottom:
            share = np.abs(_signed_areas(points - (left, top), bottom - top, right - left))
            total[top:bottom, left:right] += share if ring_area(ring) >= 0 else -share
    return total.clip(0.0, 1.0, out=total)


def _signed_areas(ring: Ring, height: int, width: int) -> np.ndarray:
    """Signed covered area of every cell of a (height, width) grid by one ring in grid units, float64."""
    start = ring.T  # (2, n): x, y
    move = np.roll(start, -1, axis=1) - start
    end = start + move
    # Cut every edge at the grid lines it crosses; `cut` holds edge number + share of the way, in order.
    limit = np.array([[width], [height]])
    first = np.floor(np.minimum(start, end)).clip(-1, limit) + 1
    count = (np.ceil(np.maximum(start, end)).clip(0, limit + 1) - first).clip(0).astype(np.int64)  # (2, n)
    counts = count.ravel()
    number = np.repeat(np.arange(counts.size), counts)  # which (axis, edge) a crossing belongs to
    line = np.arange(number.size) - np.repeat(np.cumsum(counts) - counts, counts) + first.ravel()[number]
    edges = start.shape[1]
    share = (line - start.ravel()[number]) / move.ravel()[number]
    cut = np.concatenate((np.arange(edges + 1), number % edges + share))
    cut.sort()
    middle, length = (cut[1:] + cut[:-1]) / 2, cut[1:] - cut[:-1]
    edge = np.minimum(middle.astype(np.int64), edges - 1)  # rounding may put a crossing of the last edge on its end
    x, y = start[:, edge] + move[:, edge] * (middle - edge)
    rise = move[1, edge] * length
    # Left of the grid counts for the whole row, right of it for nothing, above and below not at all.
    x = x.clip(0, width)
    column = x.astype(np.int64)
    row = np.floor(y).clip(-1, height).astype(np.int64) + 1
    cell = row * (width + 2) + column
    beyond = rise * (x - column)
    size = (height + 2) * (width + 2)
    heights = np.bincount(cell, rise - beyond, size) + np.bincount(cell + 1, beyond, size)
    return -heights.reshape(height + 2, width + 2)[1:-1, :-2].cumsum(axis=1)
