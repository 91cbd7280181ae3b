"""Functions on boxes, coordinates and masks: there and back, on tensors and arrays alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from seglab.compat import ops
from seglab.compat.ops import crop_mask, empty_like, resample_segments, segment2box
from seglab.geometry.letterbox import letterbox

BOXES = np.array([[10.0, 20, 50, 80], [0, 0, 5, 3], [30, 10, 90, 12]])


@pytest.mark.parametrize(
    ("there", "back"),
    [("xyxy2xywh", "xywh2xyxy"), ("xyxy2ltwh", "ltwh2xyxy"), ("xyxy2xywhn", "xywhn2xyxy"), ("ltwh2xywh", "xywh2ltwh")],
)
def test_there_and_back(there, back):
    for boxes in (BOXES, torch.from_numpy(BOXES), BOXES[0]):
        once = getattr(ops, there)(boxes)
        again = getattr(ops, back)(once)
        assert type(again) is type(boxes)
        np.testing.assert_allclose(again, boxes)


def test_worked_examples():
    assert ops.xyxy2xywh(BOXES[:1]).tolist() == [[30, 50, 40, 60]]
    assert ops.xyxy2ltwh(BOXES[:1]).tolist() == [[10, 20, 40, 60]]
    assert ops.xyxy2xywhn(BOXES[:1], w=100, h=100).tolist() == [[0.3, 0.5, 0.4, 0.6]]
    assert ops.xywhn2xyxy(np.array([[0.5, 0.5, 1, 1]]), w=20, h=10, padw=3, padh=1).tolist() == [[3, 1, 23, 11]]
    assert ops.clip_boxes(np.array([[-5.0, 2, 30, 40]]), (20, 25)).tolist() == [[0, 2, 25, 20]]
    assert ops.clip_coords(torch.tensor([[-1.0, 30], [4, 5]]), (20, 25)).tolist() == [[0, 20], [4, 5]]
    assert ops.segments2boxes([np.array([[1.0, 2], [5, 4], [3, 8]])]).tolist() == [[3, 5, 4, 6]]
    one, other = torch.zeros(1, 8), torch.zeros(1, 8)
    one[0, :4], other[0, 2:6] = 1, 1
    assert ops.mask_iou(one, other).item() == pytest.approx(1 / 3)


def test_from_the_letterbox_to_the_image():
    box = letterbox((60, 100), (64, 64))
    points = np.array([[10.0, 20], [90, 50]])
    inside = box.points_to_letterbox(points)
    np.testing.assert_allclose(ops.scale_coords((64, 64), inside, (60, 100)), points)
    shares = ops.scale_coords((64, 64), inside, (60, 100), normalize=True)
    np.testing.assert_allclose(shares * [100, 60], points)
    boxes = torch.from_numpy(inside.reshape(1, 4))
    np.testing.assert_allclose(ops.scale_boxes((64, 64), boxes, (60, 100)), points.reshape(1, 4))
    masks = torch.zeros(1, 1, 64, 64)
    top, left = box.pad
    masks[..., top : top + box.resized[0], left : left + box.resized[1]] = 1
    assert (ops.scale_masks(masks, (60, 100)) == 1).all()


def test_masks_become_outlines_that_fill_to_them():
    masks = torch.zeros(2, 30, 40)
    masks[0, 5:20, 5:30] = 1
    masks[0, 9:12, 9:15] = 0
    outlines = ops.masks2segments(masks)
    filled = cv2.fillPoly(np.zeros((30, 40), np.uint8), [outlines[0].astype(np.int32)], 1)
    assert np.array_equal(filled, masks[0].numpy()) and outlines[1].shape == (0, 2)


def test_outlines_are_boxed_resampled_and_cropped():
    square = np.array([[2, 2], [10, 2], [10, 10], [2, 10]], np.float32)
    assert segment2box(square, 20, 20).tolist() == [2, 2, 10, 10]
    assert segment2box(square + 30, 20, 20).tolist() == [0, 0, 0, 0]
    (dense,) = resample_segments([square], 9)
    assert dense.shape == (9, 2) and dense[0].tolist() == dense[-1].tolist() == [2, 2] and dense[1].tolist() == [6, 2]
    cropped = crop_mask(torch.ones(1, 8, 8), torch.tensor([[1.0, 2.0, 4.0, 5.0]]))
    assert cropped.sum() == 9 and cropped[0, 2:5, 1:4].all()
    assert empty_like(np.zeros((2, 3), int)).dtype == np.float32 and empty_like(torch.zeros(2)).shape == (2,)
