"""Boundary IoU (Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", 2021).

Mask IoU hardly notices a ragged outline of a large object, because the inside outweighs it. Here only the pixels within
a band along the inside of the outline count, 2 % of the image's diagonal wide. Boundary AP is COCO's AP with, for each
pair, the lesser of the two overlaps: `CocoAccumulator(classes, iou_type="boundary")`.
"""

from __future__ import annotations

import cv2
import numpy as np

from seglab.geometry.rle import Rle, crop_to_rle, rle_to_crop

BAND_WIDTH = 0.02  # of the image's diagonal


def boundary(rle: Rle) -> Rle:
    """RLE of a mask -> RLE of its pixels within the band; the image's border is an outline like any other."""
    height, width = rle["size"]
    x0, y0, crop = rle_to_crop(rle)
    if not crop.size:
        return rle
    reach = max(1, round(BAND_WIDTH * np.hypot(height, width)))
    # Each erosion takes the outermost pixels away; an empty frame makes the image's border an outline.
    framed = np.pad(crop.view(np.uint8), 1)
    inner = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=reach)[1:-1, 1:-1].view(bool)
    return crop_to_rle(x0, y0, crop & ~inner, height, width)
