"""A part of an image, enlarged, with coordinates that follow."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SIDE = 480  # pixels of the enlarged square
MARGIN_RATIO = 0.35  # margin around a box, as a fraction of its longer side
IMAGE_GAP = 12  # pixels between images that stand side by side
BEYOND = (230, 230, 230)  # what lies beyond the image's border


class Closeup(NamedTuple):
    """A square around a box, enlarged to SIDE pixels; beyond the image's border it is gray."""

    image: np.ndarray  # (SIDE, SIDE, 3) uint8 RGB
    corner: np.ndarray  # (2,) xy of its top left, in the whole image
    scale: float

    def to_closeup(self, points: np.ndarray) -> np.ndarray:
        """(..., 2 or 4) x y (x y) in the whole image -> the same in the close-up."""
        corner = np.tile(self.corner, points.shape[-1] // 2)
        return (points - corner) * self.scale


def closeup(image: np.ndarray, box: np.ndarray, min_side: float = 64) -> Closeup:
    """Enlarge the surroundings of a box (4,) xyxy: its longer side, and a margin all around."""
    longer_side = max(min_side, float(max(box[2:] - box[:2])))
    side = longer_side * (1 + 2 * MARGIN_RATIO)
    corner = (box[:2] + box[2:]) / 2 - side / 2
    scale = SIDE / side
    # warpAffine counts from pixel centers, coordinates here from corners: half a pixel on either side.
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = (0.5 - corner) * scale - 0.5
    enlarged = cv2.warpAffine(
        image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=BEYOND
    )
    return Closeup(enlarged, corner, scale)


def side_by_side(*images: np.ndarray) -> np.ndarray:
    """Images in one row on white, aligned at the top."""
    height = max(len(image) for image in images)
    padded = [
        np.pad(image, ((0, height - len(image)), (0, IMAGE_GAP), (0, 0)), constant_values=255) for image in images
    ]
    return np.concatenate(padded, axis=1)[:, :-IMAGE_GAP]
