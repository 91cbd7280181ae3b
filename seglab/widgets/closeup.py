"""A part of an image, enlarged, with coordinates that follow."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SIDE = 480  # pixels of the enlarged square
MARGIN = 0.35  # around a box, of its longer side
GAP = 12  # pixels between images


class Closeup(NamedTuple):
    """A square around a box, enlarged to SIDE pixels; beyond the image's rim it is grey."""

    image: np.ndarray  # (SIDE, SIDE, 3) uint8 RGB
    corner: np.ndarray  # (2,) xy of its top left, in the whole image
    scale: float

    def place(self, points: np.ndarray) -> np.ndarray:
        """(..., 2 or 4) x y (x y) in the whole image -> the same in the close-up."""
        return (points - np.tile(self.corner, points.shape[-1] // 2)) * self.scale


def closeup(image: np.ndarray, box: np.ndarray, smallest: float = 64) -> Closeup:
    """Enlarge the surroundings of a box (4,) xyxy: its longer side and MARGIN of it all around."""
    side = max(smallest, float(max(box[2:] - box[:2]))) * (1 + 2 * MARGIN)
    corner = (box[:2] + box[2:]) / 2 - side / 2
    scale = SIDE / side
    # warpAffine counts from pixel centres, coordinates here from corners: half a pixel on either side.
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = (0.5 - corner) * scale - 0.5
    around = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (230, 230, 230)}
    return Closeup(cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, **around), corner, scale)


def side_by_side(*images: np.ndarray) -> np.ndarray:
    """Images in one row on white, aligned at the top."""
    height = max(len(image) for image in images)
    padded = [np.pad(p, ((0, height - len(p)), (0, GAP), (0, 0)), constant_values=255) for p in images]
    return np.concatenate(padded, axis=1)[:, :-GAP]
