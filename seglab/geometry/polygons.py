"""Polygons as lists of rings: area, clipping, and several rings written as one row and read back.

A ring is an (n, 2) float64 array of xy vertices, not closed (the last vertex is not the first again). An object is a
flat list of rings; the sign of a ring's shoelace area tells what it is: positive is solid, negative is a hole, and
several solid rings are parts of one object. Functions keep whatever frame and unit their rings are in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Ring = np.ndarray  # (n, 2) float64
EPSILON = float(np.finfo(np.float64).eps)


THIN = 1e-6  # what is thinner is a line, as coordinates are written with six digits


def on_one_line(points: np.ndarray) -> bool:
    """Whether points (n, 2), n >= 1, lie on one line, so that no outline through them encloses anything."""
    offsets = points - points[0]
    lengths = (offsets**2).sum(axis=1)
    longest = offsets[lengths.argmax()]
    distances = np.abs(offsets[:, 0] * longest[1] - offsets[:, 1] * longest[0])  # times the length
    return bool(distances.max() <= THIN * np.sqrt(lengths.max()))


def ring_area(ring: Ring) -> float:
    """Signed shoelace area of an (n, 2) ring: positive is solid, negative is a hole (y pointing down).

    A figure of eight whose halves cancel has area 0, though rounding may leave a sign: what is no more than rounding is
    given as 0, so that no ring becomes a hole by it.
    """
    if not len(ring):
        return 0.0
    x, y = (ring - ring[:1]).T  # near the origin fewer digits cancel
    area = 0.5 * float(x[:-1] @ y[1:] - x[1:] @ y[:-1])
    rounding = len(ring) * EPSILON * np.abs(x).max() * np.abs(y).max()
    return area if abs(area) > rounding else 0.0


def orient(ring: Ring, solid: bool = True) -> Ring:
    """The same ring, reversed where its orientation does not say what `solid` asks for."""
    return ring[::-1] if (ring_area(ring) < 0) == solid else ring


def bounding_box(rings: Sequence[Ring]) -> np.ndarray:
    """Left, top, right, bottom of all rings as (4,) float64. Errors: ValueError when there is no vertex."""
    points = np.concatenate(rings) if len(rings) else np.zeros((0, 2))
    if not len(points):
        raise ValueError("an instance without vertices has no bounding box; leave out empty instances")
    return np.concatenate((points.min(axis=0), points.max(axis=0)))


def clip_rings(rings: Sequence[Ring], width: float, height: float) -> list[Ring]:
    """Cut rings to [0, width] x [0, height]; rings without area left inside are dropped.

    Sutherland and Hodgman, "Reentrant polygon clipping", 1974: a ring that falls into several pieces stays one ring,
    whose pieces hang together by zero-width seams along the border, so every area stays exact.
    """
    clipped = []
    for ring in rings:
        low = ring.min(axis=0)
        high = ring.max(axis=0)
        if low.min() < 0 or high[0] > width or high[1] > height:
            if high.min() <= 0 or low[0] >= width or low[1] >= height:
                continue
            for axis, limit, side in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
                ring = _cut(ring, axis, limit, side)
            if len(ring) < 3 or ring_area(ring) == 0:
                continue
        clipped.append(ring)
    return clipped


def _cut(ring: Ring, axis: int, limit: float, side: int) -> Ring:
    """Keep what lies on one side of the line `axis` = `limit`: above it for side 1, below it for side -1."""
    distance = (ring[:, axis] - limit) * side
    inside = distance >= 0
    if inside.all():
        return ring
    next_vertex = np.arange(1, len(ring) + 1)
    next_vertex[-1] = 0
    following = ring[next_vertex]
    next_distance = distance[next_vertex]
    crosses = inside != inside[next_vertex]
    share = np.where(crosses, distance / np.where(crosses, distance - next_distance, 1.0), 0.0)
    crossing = ring + share[:, None] * (following - ring)
    crossing[:, axis] = limit
    # Every edge gives its start, if inside, and then its crossing, if it has one.
    points = np.stack((ring, crossing), axis=1).reshape(-1, 2)
    return points[np.stack((inside, crosses), axis=1).reshape(-1)]


def join_rings(rings: Sequence[Ring]) -> Ring:
    """Write an object's rings as one (n, 2) row: further rings hang on the nearest vertex by a seam there and back.

    A seam has no width and its two directions cancel in every even-odd filler, COCO's included, so any reader draws
    the same mask as long as solid parts do not overlap. `split_row` gives the rings back (rings that share a vertex
    come back as one ring that touches itself). Errors: ValueError when there is no ring.
    """
    if not len(rings):
        raise ValueError("an instance without rings cannot be written as a row; leave out empty instances")
    order = sorted(range(len(rings)), key=lambda index: -abs(ring_area(rings[index])))
    row = rings[order[0]]
    waiting = [rings[index] for index in order[1:]]
    # Prim's minimum spanning tree: each waiting vertex knows its nearest vertex among the rings already placed.
    nearest = [_nearest(ring, row) for ring in waiting]
    while waiting:
        index = min(range(len(waiting)), key=lambda i: nearest[i][0].min())
        ring = waiting.pop(index)
        distance, anchor = nearest.pop(index)
        start = int(distance.argmin())
        at = int(np.flatnonzero((row == anchor[start]).all(axis=1))[0])
        row = np.concatenate((row[: at + 1], ring[start:], ring[: start + 1], row[at:]))
        for i, other in enumerate(waiting):
            distance, anchor = _nearest(other, ring)
            closer = distance < nearest[i][0]
            nearest[i] = np.minimum(distance, nearest[i][0]), np.where(closer[:, None], anchor, nearest[i][1])
    return _without_repeats(row)


def _without_repeats(row: Ring) -> Ring:
    """Drop every vertex that equals the next one, the last compared with the first."""
    return row[(row != np.concatenate((row[1:], row[:1]))).any(axis=1)]


def _nearest(ring: Ring, placed: Ring) -> tuple[np.ndarray, np.ndarray]:
    """For every vertex of `ring` the squared distance (n,) to its nearest vertex (n, 2) of `placed`."""
    squares = (ring[:, None, 0] - placed[None, :, 0]) ** 2 + (ring[:, None, 1] - placed[None, :, 1]) ** 2
    best = squares.argmin(axis=1)
    return squares[np.arange(len(ring)), best], placed[best]


def split_row(row: Ring) -> list[Ring]:
    """Read one (n, 2) row of a label file as rings: cut it at its seams, drop repeated vertices, tell holes by sign.

    The inverse of `join_rings`, and as good for rows whose parts another tool bridged there and back. The largest
    ring is solid; a ring turning the other way is a hole where it lies inside a solid one. Rings of fewer than three
    vertices vanish, so a degenerate row gives an empty list.
    """
    row = _without_repeats(np.asarray(row, dtype=np.float64))
    names: dict[tuple, int] = {}
    walk = [names.setdefault(vertex, len(names)) for vertex in map(tuple, row.tolist())]
    if len(names) == len(walk):
        return [orient(row)] if len(row) >= 3 else []
    vertices = np.array(list(names))
    pieces = [vertices[piece] for piece in _cut_seams(walk)]
    return _solids_and_holes([piece for piece in pieces if len(piece) >= 3])


def _cut_seams(walk: list[int]) -> list[list[int]]:
    """Cut a closed walk over vertex numbers wherever it follows an edge and, later, the same edge back."""
    loops = []
    path = walk[:1]
    seen: dict[tuple[int, int], int] = {}  # edge: where in `path` it starts
    for vertex in walk[1:] + walk[:1]:
        there = seen.get((vertex, path[-1]))
        if there is None:
            seen[path[-1], vertex] = len(path) - 1
            path.append(vertex)
        else:
            loops.append(path[there + 1 : -1])
            for edge in zip(path[there:], path[there + 1 :]):
                seen.pop(edge, None)
            del path[there + 1 :]
    return [*loops, path[:-1]]


def _solids_and_holes(rings: list[Ring]) -> list[Ring]:
    """Orient the rings of one row: the largest is solid, and those turning against it are holes if inside a solid."""
    areas = [ring_area(ring) for ring in rings]
    order = sorted(range(len(rings)), key=lambda index: -abs(areas[index]))
    solids: list[Ring] = []
    oriented = []
    for index in order:
        ring = rings[index]
        against = areas[index] * areas[order[0]] < 0
        hole = against and any(_contains(solid, ring) for solid in solids)
        oriented.append(orient(ring, solid=not hole))
        if not hole:
            solids.append(ring)
    return oriented


def _contains(outer: Ring, inner: Ring) -> bool:
    """Whether `inner`, which does not cross `outer`, lies inside it."""
    if (inner.min(axis=0) < outer.min(axis=0)).any() or (inner.max(axis=0) > outer.max(axis=0)).any():
        return False
    # A point truly inside `inner`: halfway over the widest span of a line that passes between two vertices.
    heights = np.unique(inner[:, 1])
    gap = np.diff(heights).argmax() if len(heights) > 1 else 0
    level = heights[gap : gap + 2].mean()
    spans = _crossings(inner, level)
    if len(spans) < 2:
        return False
    widest = np.diff(spans)[::2].argmax() * 2
    return bool((_crossings(outer, level) < spans[widest : widest + 2].mean()).sum() % 2)


def _crossings(ring: Ring, level: float) -> np.ndarray:
    """Sorted x at which a ring's edges cross the horizontal line y = `level`."""
    following = np.roll(ring, -1, axis=0)
    crosses = (ring[:, 1] <= level) != (following[:, 1] <= level)
    start, end = ring[crosses], following[crosses]
    return np.sort(start[:, 0] + (level - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0]))
