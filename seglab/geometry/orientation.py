"""The turns and mirrors that EXIF asks for (EXIF 2.3, tag 0x0112), of pixels and of points.

1   2   3   4     5   6   7   8        as stored, to be shown as the F that 1 is
F   mirrored, turned by half ...       5 to 8 swap the sides of the image
"""

from __future__ import annotations

import numpy as np

TAG = 0x0112
SWAPPING = (5, 6, 7, 8)  # the orientations that swap width and height
MIRRORING = (2, 4, 5, 7)


def turn_pixels(stored: np.ndarray, orientation: int) -> np.ndarray:
    """(h, w, ...) pixels as a file stores them -> upright, (w, h, ...) for an orientation from 5 on; a view."""
    upright = stored.swapaxes(0, 1) if orientation in SWAPPING else stored
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return upright


def turn_points(points: np.ndarray, orientation: int, size: tuple[int, int]) -> np.ndarray:
    """(n, 2) xy in pixels of the stored image -> (n, 2) xy of the upright one, whose (height, width) is `size`."""
    upright = points[:, ::-1] if orientation in SWAPPING else points
    upright = upright.copy()
    height, width = size
    if orientation in (3, 4, 7, 8):
        upright[:, 1] = height - upright[:, 1]
    if orientation in (2, 3, 6, 7):
        upright[:, 0] = width - upright[:, 0]
    return upright
