"""Outlines with fewer vertices, none of whose points has moved further than a tolerance.

D. Douglas and T. Peucker, "Algorithms for the reduction of the number of points required to represent a digitized line
or its caricature", 1973. Of a chain of vertices the one that is furthest from the straight line between its ends is
kept, and both halves are looked at again, until all lie near enough:

    a - - - - - - - b        c is the furthest: a b becomes a c and c b
      \\           /
        o - c - o
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seglab.geometry.polygons import Ring, ring_area

HALVINGS = 8  # of the tolerance, for a ring that is too small for it


def simplify_rings(rings: Sequence[Ring], tolerance: float) -> list[Ring]:
    """Every ring with as few vertices as keep both outlines within `tolerance` pixels of each other, everywhere.

    A ring that would lose its area, or turn from solid into hole, is simplified less. tolerance 0 changes nothing.
    """
    return [_simplify(ring, tolerance) for ring in rings]


def _simplify(ring: Ring, tolerance: float) -> Ring:
    if tolerance <= 0:
        return ring
    for _ in range(HALVINGS):
        simpler = ring[_kept(ring, tolerance)]
        if len(simpler) >= 3 and ring_area(simpler) * ring_area(ring) > 0:
            return simpler
        tolerance /= 2
    return ring


def _kept(ring: Ring, tolerance: float) -> np.ndarray:
    """Which vertices of a ring stay: (n,) bool."""
    # A ring has no ends: it is cut at its leftmost vertex and at the one that is furthest from that.
    start = int(ring[:, 0].argmin())
    closed = np.roll(ring, -start, axis=0)
    closed = np.concatenate((closed, closed[:1]))  # (n + 1, 2)
    middle = int(((closed - closed[0]) ** 2).sum(axis=1).argmax())
    keep = np.zeros(len(closed), dtype=bool)
    keep[[0, middle]] = True
    waiting = [(0, middle), (middle, len(closed) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        furthest = int(distances.argmax())
        if distances[furthest] > tolerance:
            split = first + 1 + furthest
            keep[split] = True
            waiting += [(first, split), (split, last)]
    return np.roll(keep[:-1], start)


def _distances(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of (n, 2) points from the segment between a and b -> (n,)."""
    along = b - a
    length = float(along @ along)
    place = np.clip((points - a) @ along / length, 0, 1) if length > 0 else np.zeros(len(points))
    nearest = a + place[:, None] * along  # (n, 2)
    return np.hypot(*(points - nearest).T)
