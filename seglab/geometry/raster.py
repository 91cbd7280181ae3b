"""Polygons to pixels: COCO's own binary fill, and the exact fraction of every pixel that a polygon covers.

Coordinates are continuous: pixel (row r, column c) covers [c, c + 1] x [r, r + 1]. Rings are those of `polygons`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seglab.geometry.polygons import Ring, clip_rings, ring_area
from seglab.geometry.rle import area, decode, rings_to_rle, rle_to_crop

LARGE_FRACTION = 1 / 32  # of the image: a mask of more than this is decoded faster whole than as a crop


def fill(rings: Sequence[Ring], height: int, width: int) -> np.ndarray:
    """The (height, width) bool mask COCO draws for an instance: the union of its solid rings, less its holes.

    It is the mask of `rle.rings_to_rle`, which tells how parts, holes and islands in holes are drawn.
    """
    rle = rings_to_rle(rings, height, width)
    if area(rle) > height * width * LARGE_FRACTION:
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
    """The exact fraction of every cell of a (height, width) grid that an instance covers: float32 in [0, 1].

    scale: grid cells per ring unit, one number or (x, y). window: (x0, y0, x1, y1) in cells, to get that part of the
    grid only, (y1 - y0, x1 - x0). Holes subtract; where solid rings overlap the sum is cut at 1; both halves of a ring
    that crosses itself (a figure of eight) count, as in `fill`. `coverage_reference` is the plain way to the same.
    """
    x0, y0, x1, y1 = window or (0, 0, width, height)
    total = np.zeros((y1 - y0, x1 - x0), dtype=np.float32)
    for ring in rings:
        points = ring * scale - (x0, y0)
        # Only the cells within the ring's bounding box are looked at.
        low = np.floor(points.min(axis=0))
        high = np.ceil(points.max(axis=0))
        left = max(int(low[0]), 0)
        top = max(int(low[1]), 0)
        right = min(int(high[0]), x1 - x0)
        bottom = min(int(high[1]), y1 - y0)
        if left < right and top < bottom:
            covered = np.abs(_signed_areas(points - (left, top), bottom - top, right - left))
            total[top:bottom, left:right] += covered if ring_area(ring) >= 0 else -covered
    return total.clip(0.0, 1.0, out=total)


def coverage_reference(rings: Sequence[Ring], height: int, width: int) -> np.ndarray:
    """`coverage` cell by cell, (height, width) float64: clip every ring to the cell and take the area of the rest.

    It is easy to see that this is right; `coverage` gives the same, thousands of times faster.
    """
    total = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for ring in rings:
                within_cell = clip_rings([ring - (column, row)], 1, 1)
                area_in_cell = abs(sum(ring_area(piece) for piece in within_cell))
                total[row, column] += area_in_cell if ring_area(ring) >= 0 else -area_in_cell
    return total.clip(0, 1)


def _signed_areas(ring: Ring, height: int, width: int) -> np.ndarray:
    """Signed covered area of every cell of a (height, width) grid by one ring in grid units, float64.

    The signed-area accumulation of scan converters such as libart and font-rs, here over all edges at once. Every edge
    is cut where it crosses grid lines, so that each piece lies within one cell. A piece that rises by dy at x covers,
    in its row, everything to its right by dy, and of its own cell the part right of it:

        cell c     c + 1     c + 2
        +---------+---------+---------+
        |    /####|#########|#########|  dy      own cell: dy * (c + 1 - x), with x the middle of the piece
        |   /#####|#########|#########|          cells at its right: dy each
        +---------+---------+---------+

    Pieces that go down subtract what those that go up have added, and what remains is inside. So each piece writes two
    numbers, which a running sum along the row turns into areas.
    """
    start = ring.T  # (2, n): x, y
    move = np.concatenate((start[:, 1:], start[:, :1]), axis=1) - start
    cuts = _cut_at_grid_lines(start, move, height, width)
    edges = start.shape[1]

    # The pieces between two cuts: their edge, their middle and how far they rise.
    middle = (cuts[1:] + cuts[:-1]) / 2
    length = cuts[1:] - cuts[:-1]
    edge = np.minimum(middle.astype(np.int64), edges - 1)  # rounding may put a crossing of the last edge on its end
    x, y = start[:, edge] + move[:, edge] * (middle - edge)
    rise = move[1, edge] * length

    # The cell of each piece, in a grid with a frame around it: what is left of the grid counts for the whole row, what
    # is right of it for nothing, what is above or below not at all.
    x = x.clip(0, width)
    column = x.astype(np.int64)
    row = np.floor(y).clip(-1, height).astype(np.int64) + 1
    cell = row * (width + 2) + column

    to_next = rise * (x - column)  # what the own cell lacks of the rise, and the next one makes up for
    size = (height + 2) * (width + 2)
    steps = np.bincount(cell, rise - to_next, size) + np.bincount(cell + 1, to_next, size)
    return -steps.reshape(height + 2, width + 2)[1:-1, :-2].cumsum(axis=1)


def _cut_at_grid_lines(start: np.ndarray, move: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where a ring's edges start and where they cross lines of the grid, ascending: edge number + fraction of the way.

    start, move: (2, n) x and y of each edge's start, and from there to its end.
    """
    end = start + move
    limit = np.array([[width], [height]])
    # Of each edge, along x and along y: the first grid line it crosses, and how many of them.
    first = np.floor(np.minimum(start, end)).clip(-1, limit) + 1  # (2, n)
    count = (np.ceil(np.maximum(start, end)).clip(0, limit + 1) - first).clip(0).astype(np.int64)  # (2, n)
    # One entry per crossing: which (axis, edge) it belongs to, and which line it is.
    counts = count.ravel()
    owner = np.repeat(np.arange(counts.size), counts)
    number_of_owner = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    line = number_of_owner + first.ravel()[owner]
    fraction = (line - start.ravel()[owner]) / move.ravel()[owner]

    edges = start.shape[1]
    cuts = np.concatenate((np.arange(edges + 1), owner % edges + fraction))
    cuts.sort()
    return cuts
