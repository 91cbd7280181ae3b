"""Boundary overlap against its definition written out with whole images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from seglab.evaluation.boundary import boundary
from seglab.evaluation.coco import CocoAccumulator, Instances
from seglab.geometry.rle import area, decode, encode


def disc(center, radius, shape=(200, 300)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius**2


@pytest.mark.parametrize("mask", [disc((150, 100), 60), disc((0, 0), 80), disc((290, 100), 40), disc((9, 9), 2)])
def test_the_band_is_what_erosion_of_the_whole_image_takes_away(mask):
    reach = round(0.02 * np.hypot(*mask.shape))
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=reach)[1:-1, 1:-1]
    np.testing.assert_array_equal(decode(boundary(encode(mask))), mask & (inner == 0))


def test_an_empty_mask_has_no_band():
    assert area(boundary(encode(np.zeros((40, 50), bool)))) == 0


def test_boundary_ap_minds_the_outline_where_mask_ap_does_not():
    ground_truth, rough = disc((150, 100), 80), disc((150, 100), 74)
    ap = {}
    for iou_type in ("segm", "boundary"):
        accumulator = CocoAccumulator([0], iou_type)
        sides = [
            Instances(np.zeros(1, int), np.array([mask.sum()]), None, [encode(mask)], np.ones(1))
            for mask in (ground_truth, rough)
        ]
        accumulator.add(1, *sides)
        ap[iou_type] = accumulator.summarize().stats["AP"]
    assert ap["segm"] > 0.75 and ap["boundary"] < 0.1
