"""A mask as one closed line through pixel centers, which cv2.fillPoly and drawContours turn back into the mask.

The line follows the outermost pixels of the mask and of its holes, as cv2.findContours does, and holes hang on it by
seams there and back. Every pixel that a drawn line touches is set, so seams run inside the mask only:

    . . . . . . .        The hole's seam goes left from its leftmost pixel, along set pixels, to whatever
    . o-o-o-o-o .        contour bounds them there: the outer one, or that of a hole further left.
    . o o-o-o o .
    . o=o . o o .        Parts that do not even touch at a corner cannot be drawn by one line without the pixels
    . o o-o-o o .        between them: there the seam is the shortest one, a pixel wide, and these pixels are the
    . o-o-o-o-o .        only ones that the filled line has and the mask has not.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Line = np.ndarray  # (n, 2) int xy of pixel centers, closed: the last is followed by the first


def mask_to_outline(mask: np.ndarray, x0: int = 0, y0: int = 0) -> Line:
    """(h, w) bool mask whose top-left pixel is at (x0, y0) -> (n, 2) int32 xy; an empty mask gives (0, 2)."""
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = [contour[:, 0] for contour in contours]
    if not lines:
        return np.zeros((0, 2), np.int32)

    # A hole knows its part; a part has no parent.
    parents = hierarchy[0, :, 3]
    parts = []
    for number in np.flatnonzero(parents < 0):
        holes = [lines[hole] for hole in np.flatnonzero(parents == number)]
        parts.append(_hang_holes(lines[number], holes, mask))
    outline = _join_parts(parts)
    return _without_straight_runs(outline) + np.array((x0, y0), np.int32)


def _hang_holes(outer: Line, holes: Sequence[Line], mask: np.ndarray) -> Line:
    """One line of a part's outer contour and those of its holes."""
    line = outer
    for hole in sorted(holes, key=lambda contour: contour[:, 0].min()):
        # A contour of a hole runs over the set pixels around it, so its leftmost one is left of the leftmost unset.
        start = int(hole[:, 0].argmin())
        x, y = hole[start]
        unset = np.flatnonzero(~mask[y, : x + 1].astype(bool))
        end = unset[-1] + 1 if len(unset) else 0
        at = int(np.flatnonzero((line == (end, y)).all(axis=1))[0])
        line = np.concatenate((line[: at + 1], hole[start:], hole[: start + 1], line[at:]))
    return line


def _join_parts(parts: Sequence[Line]) -> Line:
    """One line of those of all parts, each hung on the nearest one by a seam of as few pixels as possible."""
    line = parts[0]
    waiting = list(parts[1:])
    nearest = [_nearest(part, line) for part in waiting]
    while waiting:
        # Prim's minimum spanning tree: each waiting part knows how it is nearest to what is joined already.
        index = min(range(len(waiting)), key=lambda i: nearest[i][0])
        part = waiting.pop(index)
        _, start, anchor = nearest.pop(index)
        at = int(np.flatnonzero((line == anchor).all(axis=1))[0])
        line = np.concatenate((line[: at + 1], part[start:], part[: start + 1], line[at:]))
        for i, other in enumerate(waiting):
            nearest[i] = min(nearest[i], _nearest(other, part), key=lambda found: found[0])
    return line


def _nearest(part: Line, line: Line) -> tuple[int, int, np.ndarray]:
    """How many pixels' steps a part is from a line, the number of its own nearest vertex, and the line's (2,)."""
    best = (np.iinfo(np.int32).max, 0, line[0])
    rows = max(1, 1_000_000 // len(line))  # of the table of distances, which is made piece by piece
    for first in range(0, len(part), rows):
        steps = np.abs(part[first : first + rows, None] - line[None]).max(axis=2)  # (rows, n)
        place = int(steps.argmin())
        own, other = divmod(place, len(line))
        if steps[own, other] < best[0]:
            best = (int(steps[own, other]), first + own, line[other])
    return best


def _without_straight_runs(line: Line) -> Line:
    """Drop vertices in the middle of a run along a row, a column or a diagonal, which draws the same without them."""
    if len(line) < 3:
        return line
    arriving = line - np.roll(line, 1, axis=0)
    leaving = np.roll(arriving, -1, axis=0)
    along_axis = (arriving == 0).any(axis=1) | (np.abs(arriving[:, 0]) == np.abs(arriving[:, 1]))
    also_after = (leaving == 0).any(axis=1) | (np.abs(leaving[:, 0]) == np.abs(leaving[:, 1]))
    same_direction = (np.sign(arriving) == np.sign(leaving)).all(axis=1)
    repeats = (leaving == 0).all(axis=1)  # the next vertex again
    return line[~((along_axis & also_after & same_direction) | repeats)]
