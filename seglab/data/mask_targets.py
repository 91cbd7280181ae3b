"""What the mask branch is taught: every object of a letterboxed image, drawn on the coarser grid of the prototypes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from seglab.geometry.polygons import bounding_box, ring_area
from seglab.geometry.raster import coverage

Rings = list[np.ndarray]
POINTS = 1000  # that YOLO trainers make of an outline


def soft_masks(instances: Sequence[Rings], height: int, width: int, ratio: int = 4) -> np.ndarray:
    """(N, height / ratio, width / ratio) float16: the exact share of each cell that an object covers.

    objects: rings in the letterbox frame of height x width pixels.
    """
    rows, columns = height // ratio, width // ratio
    masks = np.zeros((len(instances), rows, columns), np.float16)
    for mask, rings in zip(masks, instances):
        x0, y0, x1, y1 = window = _window(rings, rows, columns, ratio)
        mask[y0:y1, x0:x1] = coverage(rings, rows, columns, 1 / ratio, window)
    return masks


def hard_masks(instances: Sequence[Rings], height: int, width: int, ratio: int = 4, overlap: bool = True) -> np.ndarray:
    """(N, height / ratio, width / ratio) float16 of zeros and ones, as YOLO trainers draw them.

    Outlines become a thousand points cut down to whole pixels, are filled at full resolution and reduced bilinearly;
    with `overlap` every cell belongs to the smallest object on it alone. objects: rings in the letterbox frame of
    height x width pixels.
    """
    rows, columns = height // ratio, width // ratio
    masks = np.zeros((len(instances), rows, columns), np.uint8)
    for mask, rings in zip(masks, instances):
        x0, y0, x1, y1 = _window(rings, rows, columns, ratio)
        full = np.zeros(((y1 - y0) * ratio, (x1 - x0) * ratio), np.uint8)
        for ring in sorted(rings, key=lambda ring: -abs(ring_area(ring))):  # so that an island fills its hole again
            points = resample_outline(ring) - np.int32((x0 * ratio, y0 * ratio))
            cv2.fillPoly(full, [points], int(ring_area(ring) >= 0))
        if full.size:  # a cell is made of pixels of its own, so a window gives what the whole image would
            mask[y0:y1, x0:x1] = cv2.resize(full, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    if overlap:
        resolve_overlap(masks)
    return masks.astype(np.float16)


def _window(rings: Rings, rows: int, columns: int, ratio: int) -> tuple[int, int, int, int]:
    """The cells (x0, y0, x1, y1) that an object may touch, its border included."""
    left, top, right, bottom = bounding_box(rings) / ratio
    x0, y0 = min(max(math.floor(left), 0), columns), min(max(math.floor(top), 0), rows)
    return x0, y0, max(x0, min(math.floor(right) + 1, columns)), max(y0, min(math.floor(bottom) + 1, rows))


def resample_outline(ring: np.ndarray) -> np.ndarray:
    """(n, 2) -> (1000 or n + 1, 2) int32: points along the closed outline, cut down to whole pixels."""
    closed = np.concatenate((ring, ring[:1]))
    corners = np.arange(len(closed))
    places = np.linspace(0, len(ring), max(POINTS - len(closed), 0) or POINTS)
    if len(closed) < POINTS:
        places = np.sort(np.concatenate((places, corners)))
    points = np.stack([np.interp(places, corners, axis) for axis in closed.T], axis=1)
    return points.astype(np.float32).astype(np.int32)


def resolve_overlap(masks: np.ndarray) -> None:
    """Leave every cell of (N, h, w) uint8 masks to the smallest object on it alone."""
    taken = np.zeros(masks.shape[1:], bool)
    for index in np.argsort(masks.sum(axis=(1, 2), dtype=np.int64), kind="stable"):
        masks[index][taken] = 0
        taken |= masks[index] > 0
