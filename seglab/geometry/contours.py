"""Masks to polygons: rings along the edges of pixels, holes included, that draw exactly the same mask again."""

from __future__ import annotations

import numpy as np

from seglab.geometry.polygons import Ring

# A grid corner is described by which of its four pixels are set. A ring keeps the object on its right hand, so that
# with y pointing down solid rings turn with positive area, and the pixels decide where it leaves the corner.
TOP_LEFT = 1
TOP_RIGHT = 2
BOTTOM_LEFT = 4
BOTTOM_RIGHT = 8
ALL = 15
RIGHT, DOWN, LEFT, UP, NOWHERE = range(5)
LEAVES = np.full(16, NOWHERE, dtype=np.uint8)
LEAVES[[BOTTOM_RIGHT, ALL - TOP_RIGHT]] = RIGHT
LEAVES[[BOTTOM_LEFT, ALL - BOTTOM_RIGHT]] = DOWN
LEAVES[[TOP_LEFT, ALL - BOTTOM_LEFT]] = LEFT
LEAVES[[TOP_RIGHT, ALL - TOP_LEFT]] = UP
# Two pixels that touch at the corner only: two rings pass it, one around each.
FALLING = TOP_LEFT + BOTTOM_RIGHT
RISING = TOP_RIGHT + BOTTOM_LEFT


def mask_to_rings(mask: np.ndarray, x0: float = 0, y0: float = 0) -> list[Ring]:
    """Trace a (h, w) bool mask whose top-left pixel lies at (x0, y0) along its pixels' edges.

    Gives solid rings (positive area) and holes (negative) with vertices at the corners only; `raster.fill` of them is
    the mask again, exactly. Pixels that touch at a corner belong to different rings. An empty mask gives no ring.
    `mask_to_rings_reference` is the plain way to the same rings.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = rows[0], columns[0]
    inside = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    framed = np.zeros((inside.shape[0] + 2, inside.shape[1] + 2), dtype=np.int8)
    framed[1:-1, 1:-1] = inside
    # A ring turns where the step from a pixel to the one below is not what it is one column further.
    step = framed[1:] - framed[:-1]
    y, x = np.divmod(np.flatnonzero(step[:, 1:] != step[:, :-1]), framed.shape[1] - 1)  # corners, row by row
    pixels = framed.ravel()
    above = y * framed.shape[1] + x
    below = above + framed.shape[1]
    code = pixels[above] * TOP_LEFT + pixels[above + 1] * TOP_RIGHT
    code += pixels[below] * BOTTOM_LEFT + pixels[below + 1] * BOTTOM_RIGHT

    # A corner of two rings is listed twice, as a corner of either.
    falling = code == FALLING
    rising = code == RISING
    copies = 1 + (falling | rising)
    last = np.cumsum(copies) - 1
    y, x, code = (np.repeat(values, copies) for values in (y, x, code))
    code[last[falling] - 1] = TOP_LEFT
    code[last[falling]] = BOTTOM_RIGHT
    code[last[rising] - 1] = BOTTOM_LEFT
    code[last[rising]] = TOP_RIGHT

    # The next corner of the ring is the next or previous one of the row, or of the column.
    #
    #     a --right--> b        rows are in order already; for columns, corners are sorted by (x, y)
    #     ^            |
    #     up          down
    #     |            v
    #     d <--left--- c
    is_below = (code == BOTTOM_LEFT) | (code == BOTTOM_RIGHT)  # decides only between two copies of one corner
    by_column = np.lexsort((is_below, y, x))
    rank = np.empty_like(by_column)  # of each corner in `by_column`
    rank[by_column] = np.arange(len(rank))
    leaves = LEAVES[code]
    following = np.arange(len(code)) + (leaves == RIGHT) - (leaves == LEFT)
    vertical = np.flatnonzero((leaves == UP) | (leaves == DOWN))
    following[vertical] = by_column[rank[vertical] + np.where(leaves[vertical] == DOWN, 1, -1)]

    vertices = np.stack((x + (x0 + left), y + (y0 + top)), axis=1).astype(np.float64)
    return [vertices[ring] for ring in _cycles(following.tolist())]


def mask_to_rings_reference(mask: np.ndarray) -> list[Ring]:
    """`mask_to_rings` edge by edge: collect the sides of set pixels that border on unset ones, and walk along them.

    Sides are (x, y, dx, dy): where one starts, and which way it leads, clockwise around its pixel.
    """
    framed = np.pad(mask, 1)
    sides = set()
    for y, x in np.argwhere(mask).tolist():
        above = framed[y, x + 1]
        right = framed[y + 1, x + 2]
        below = framed[y + 2, x + 1]
        left = framed[y + 1, x]
        around = [(x, y, 1, 0, above), (x + 1, y, 0, 1, right), (x + 1, y + 1, -1, 0, below), (x, y + 1, 0, -1, left)]
        sides |= {side[:4] for side in around if not side[4]}
    rings = []
    waiting = set(sides)
    while waiting:
        side = next(iter(waiting))
        ring = []
        while side in waiting:
            waiting.remove(side)
            x, y, dx, dy = side
            x = x + dx
            y = y + dy
            # A right turn stays with the same pixel, straight on and left lead to its neighbors.
            onward = [(x, y, -dy, dx), (x, y, dx, dy), (x, y, dy, -dx)]
            side = next(each for each in onward if each in sides)
            if side[2:] != (dx, dy):
                ring.append((x, y))
        rings.append(np.array(ring, dtype=np.float64))
    return rings


def _cycles(following: list[int]) -> list[list[int]]:
    """The closed loops of a permutation."""
    cycles = []
    is_new = bytearray(b"\1") * len(following)
    for start in range(len(following)):
        cycle = []
        index = start
        while is_new[index]:
            is_new[index] = 0
            cycle.append(index)
            index = following[index]
        if cycle:
            cycles.append(cycle)
    return cycles
