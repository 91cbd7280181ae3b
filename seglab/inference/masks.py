"""From prototypes and coefficients to masks at the image's own resolution, computed only where a box lets them be.

A mask is the sign of a weighted sum of prototypes, read between the prototype cells by bilinear interpolation at the
centre of every image pixel. Interpolation is linear and separable, so inside a window it is two small matrix products:
(rows of the window x prototype rows) @ (prototype rows x columns) @ (prototype columns x columns of the window).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from seglab.geometry.letterbox import Letterbox
from seglab.inference.suppress import Detections

MaskCrop = tuple[int, int, np.ndarray]  # left, top, (h, w) bool: the mask inside its window, False outside


def assemble(prototypes: Tensor, detections: Detections, letterbox: Letterbox) -> list[MaskCrop]:
    """Prototypes (32, h, w) and N detections of one image -> N mask crops in the image frame.

    A pixel belongs to the window of a box when the box holds its centre, and to the mask when the interpolated sum
    is positive (probability one half). Any device and float type; arithmetic is float32.
    """
    return [(x0, y0, sums > 0) for x0, y0, sums in weighted_sums(prototypes, detections, letterbox)]


def weighted_sums(
    prototypes: Tensor, detections: Detections, letterbox: Letterbox
) -> Iterator[tuple[int, int, np.ndarray]]:
    """What `assemble` thresholds, object by object: left, top and the sums (h, w) float32 in the box's window."""
    cells = prototypes.detach().float().cpu().permute(1, 2, 0).numpy()  # (h, w, 32), as a network leaves them in memory
    coefficients = detections.coefficients.detach().float().cpu().numpy()
    boxes = letterbox.boxes_to_image(detections.boxes.detach().float()).cpu().numpy()
    windows = np.ceil(boxes - 0.5).astype(int)  # first and past-last pixel whose centre, at .5, lies inside

    (height, width), (top, left), (scale_x, scale_y) = letterbox.image_size, letterbox.pad, letterbox.scale
    cells_y, cells_x = prototypes.shape[1] / letterbox.size[0], prototypes.shape[2] / letterbox.size[1]
    row_cell, rows = interpolation(height, prototypes.shape[1], scale_y * cells_y, top * cells_y)
    column_cell, columns = interpolation(width, prototypes.shape[2], scale_x * cells_x, left * cells_x)
    columns = np.ascontiguousarray(columns.T)  # (w, width)

    for own, (x0, y0, x1, y1) in zip(coefficients, windows.tolist()):
        if x1 <= x0 or y1 <= y0:
            yield x0, y0, np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), dtype=np.float32)
            continue
        in_reach_y = slice(row_cell[y0], row_cell[y1 - 1] + 2)
        in_reach_x = slice(column_cell[x0], column_cell[x1 - 1] + 2)
        logit = cells[in_reach_y, in_reach_x] @ own
        yield x0, y0, rows[y0:y1, in_reach_y] @ (logit @ columns[in_reach_x, x0:x1])


def interpolation(pixels: int, cells: int, scale: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear interpolation along one axis as a matrix: the centre of pixel p lies at (p + .5) * scale + offset cells.

    Returns the first of the two cells each pixel reads (pixels,) and the weights (pixels, cells) float32, whose rows
    sum to 1. Cell centres lie at .5; beyond the outer ones the edge value continues (align_corners=False).
    """
    position = np.clip((np.arange(pixels) + 0.5) * scale + offset - 0.5, 0, cells - 1)
    first = np.minimum(position.astype(int), max(cells - 2, 0))
    weights = np.zeros((pixels, cells), dtype=np.float32)
    pixel = np.arange(pixels)
    weights[pixel, np.minimum(first + 1, cells - 1)] = position - first
    weights[pixel, first] = 1 - (position - first)
    return first, weights
