"""Functions on boxes, coordinates and masks: there and back, on tensors and arrays alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from seglab.compat import ops
from seglab.compat.ops import LetterBox, bbox_iou, crop_mask, empty_like, resample_segments, segment2box
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


def test_masks_are_put_together_from_prototypes():
    """What the library's own masks are, computed over the whole image and cut at the boxes."""
    generator = torch.Generator().manual_seed(0)
    prototypes = torch.randn(4, 16, 16, generator=generator)
    coefficients = torch.randn(3, 4, generator=generator)
    boxes = torch.tensor([[0.0, 0, 20, 20], [8, 12, 40, 36], [1, 1, 60, 62]])
    coarse = ops.process_mask(prototypes, coefficients, boxes, (64, 64))
    fine = ops.process_mask(prototypes, coefficients, boxes, (64, 64), upsample=True)
    native = ops.process_mask_native(prototypes, coefficients, boxes, (64, 64))
    assert coarse.shape == (3, 16, 16) and fine.shape == (3, 64, 64) and fine.dtype == torch.uint8
    assert torch.equal(fine, native)
    sums = (coefficients @ prototypes.reshape(4, -1)).reshape(3, 16, 16)
    inside = coarse[1, 3:9, 2:10]
    assert torch.equal(inside > 0, sums[1, 3:9, 2:10] > 0) and coarse[1].sum() == inside.sum()
    assert not fine[0, 20:].any() and not fine[0, :, 20:].any()


def test_an_image_in_the_letterbox_is_scaled_back():
    image = np.zeros((64, 64, 3), np.uint8)
    box = letterbox((50, 100), (64, 64))
    top, left = box.pad
    image[top : top + box.resized[0], left : left + box.resized[1]] = 200
    scaled = ops.scale_image(image, (50, 100))
    assert scaled.shape == (50, 100, 3) and (scaled == 200).all()
    assert ops.scale_image(image[..., :1], (50, 100, 3)).shape == (50, 100, 1)
    assert ops.scale_image(image[..., 0], (50, 100)).shape == (50, 100)


def test_detections_are_suppressed_with_and_without_coefficients():
    dense = torch.zeros(2, 4 + 3 + 5, 6)
    dense[0, :4, 0] = dense[0, :4, 1] = torch.tensor([10.0, 10, 8, 8])
    dense[0, 4 + 2, 0], dense[0, 4 + 2, 1] = 0.9, 0.8
    dense[0, 7:, 0] = torch.arange(5.0)
    first, second = ops.non_max_suppression((dense, None), 0.25, 0.5, nc=3)
    assert first.tolist() == [[6, 6, 14, 14, pytest.approx(0.9), 2, 0, 1, 2, 3, 4]] and second.shape == (0, 11)
    boxes_only, _ = ops.non_max_suppression(dense[:, :7], 0.25, 0.5)
    assert boxes_only.shape == (1, 6)
    both, _ = ops.non_max_suppression(dense, 0.25, 0.99, nc=3, classes=[2], max_det=1)
    assert len(both) == 1


def test_the_letterbox_keeps_what_is_in_the_image():
    image = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
    padded = LetterBox((128, 160))(image=image)
    assert padded.shape == (128, 160, 3) and (padded[:16] == 114).all() and (padded[-16:] == 114).all()
    assert np.array_equal(LetterBox(160, scaleup=False, center=False)(image=image)[:60, :100], image)
    assert LetterBox(160, auto=True)(image=image).shape == (96, 160, 3)
    assert LetterBox((64, 32), scale_fill=True)(image=image).shape == (64, 32, 3)
    assert LetterBox(160)({"img": image})["img"].shape == (160, 160, 3)


def test_overlaps_of_pairs_of_boxes():
    first = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    second = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10]])
    assert bbox_iou(first, second, xywh=False).flatten().tolist() == pytest.approx([1, 1 / 3, 0], abs=1e-5)
    assert bbox_iou(first[:1], second, xywh=False, GIoU=True).flatten()[2].item() == pytest.approx(-1 / 3, abs=1e-5)
    apart = 20**2 / (30**2 + 10**2)  # squares of the distance of the centers, and of the diagonal around both
    for kind in ("DIoU", "CIoU"):  # boxes of one shape
        found = bbox_iou(first, second, xywh=False, **{kind: True}).flatten()[2].item()
        assert found == pytest.approx(-apart, abs=1e-5)
    boxes = torch.rand(20, 4)
    complete = bbox_iou(boxes, boxes.flip(0), CIoU=True)
    assert bool((complete <= bbox_iou(boxes, boxes.flip(0), DIoU=True) + 1e-6).all())
