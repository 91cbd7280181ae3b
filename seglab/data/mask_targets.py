"""The targets of the mask branch: every instance of a letterboxed image, drawn on the coarser grid of the prototypes.

input pixels of one cell (ratio 4)      soft target: the covered       hard target: in
. . # #                                 fraction of the cell           or out, as YOLO
. # # #        10 of 16 pixels          10 / 16 = 0.625                trainers draw it: 1
. # # #
. # # .   (drawn as whole pixels here; coverage is exact)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from seglab.geometry.polygons import Ring, bounding_box, ring_area
from seglab.geometry.raster import coverage

Rings = list[Ring]
OUTLINE_POINTS = 1000  # that YOLO trainers make of an outline


class Window(NamedTuple):
    """Cells of the mask grid: columns x0 to x1 and rows y0 to y1, the last ones not included."""

    x0: int
    y0: int
    x1: int
    y1: int


def soft_masks(
    instances: Sequence[Rings], height: int, width: int, ratio: int = 4, overlap: bool = False
) -> np.ndarray:
    """(N, height / ratio, width / ratio) float16: the exact fraction of each cell that an instance covers.

    instances: rings in the letterbox frame of height x width pixels. ratio: pixels a side of a cell. overlap: an
    instance has only what smaller ones leave of a cell, so that the fractions of a cell sum to 1 at most.
    """
    rows = height // ratio
    columns = width // ratio
    masks = np.zeros((len(instances), rows, columns), np.float16)
    for mask, rings in zip(masks, instances):
        x0, y0, x1, y1 = window = _window(rings, rows, columns, ratio)
        mask[y0:y1, x0:x1] = coverage(rings, rows, columns, 1 / ratio, window)
    if overlap:
        share_cells(masks)
    return masks


def hard_masks(instances: Sequence[Rings], height: int, width: int, ratio: int = 4, overlap: bool = True) -> np.ndarray:
    """(N, height / ratio, width / ratio) float16 of zeros and ones, as YOLO trainers draw them.

    Outlines become a thousand points truncated to whole pixels, are filled at full resolution and reduced bilinearly;
    with `overlap` every cell belongs to the smallest instance on it alone. instances: rings in the letterbox frame of
    height x width pixels.
    """
    rows = height // ratio
    columns = width // ratio
    masks = np.zeros((len(instances), rows, columns), np.uint8)
    for mask, rings in zip(masks, instances):
        x0, y0, x1, y1 = _window(rings, rows, columns, ratio)
        full = np.zeros(((y1 - y0) * ratio, (x1 - x0) * ratio), np.uint8)
        corner = np.array([x0 * ratio, y0 * ratio], np.int32)
        # Largest first, so that an island fills its hole again.
        for ring in sorted(rings, key=lambda ring: -abs(ring_area(ring))):
            is_solid = ring_area(ring) >= 0
            cv2.fillPoly(full, [resample_outline(ring) - corner], int(is_solid))
        if full.size:  # a cell is made of pixels of its own, so a window gives what the whole image would
            mask[y0:y1, x0:x1] = cv2.resize(full, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    if overlap:
        resolve_overlap(masks)
    return masks.astype(np.float16)


def _window(rings: Rings, rows: int, columns: int, ratio: int) -> Window:
    """The cells that an instance may touch, its border included."""
    left, top, right, bottom = bounding_box(rings) / ratio
    x0 = min(max(math.floor(left), 0), columns)
    y0 = min(max(math.floor(top), 0), rows)
    x1 = max(x0, min(math.floor(right) + 1, columns))
    y1 = max(y0, min(math.floor(bottom) + 1, rows))
    return Window(x0, y0, x1, y1)


def resample_outline(ring: Ring) -> np.ndarray:
    """(n, 2) -> (OUTLINE_POINTS, 2) int32: points along the closed outline, truncated to whole pixels.

    They lie at equal steps of the vertex number, so a short edge gets as many as a long one. The vertices are among
    them, where there are fewer than OUTLINE_POINTS.
    """
    closed = np.concatenate((ring, ring[:1]))
    vertex_numbers = np.arange(len(closed))
    steps = np.linspace(0, len(ring), max(OUTLINE_POINTS - len(closed), 0) or OUTLINE_POINTS)
    if len(closed) < OUTLINE_POINTS:
        steps = np.sort(np.concatenate((steps, vertex_numbers)))
    points = np.stack([np.interp(steps, vertex_numbers, axis) for axis in closed.T], axis=1)
    return points.astype(np.float32).astype(np.int32)


def share_cells(masks: np.ndarray) -> None:
    """Leave to every instance of (N, h, w) float16 masks, changed in place, what smaller ones leave of a cell."""
    left = np.ones(masks.shape[1:], np.float16)
    areas = masks.sum(axis=(1, 2), dtype=np.float64)
    for index in np.argsort(areas, kind="stable"):
        masks[index] = np.minimum(masks[index], left)
        left -= masks[index]


def resolve_overlap(masks: np.ndarray) -> None:
    """Leave every cell of (N, h, w) uint8 masks, changed in place, to the smallest instance on it alone."""
    taken = np.zeros(masks.shape[1:], bool)
    areas = masks.sum(axis=(1, 2), dtype=np.int64)
    for index in np.argsort(areas, kind="stable"):
        masks[index][taken] = 0
        taken |= masks[index] > 0
