"""Boxes against torchvision and against what overlap means."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.geometry.boxes import box_area, box_iou, complete_iou, xywh_to_xyxy, xyxy_to_xywh


def random_boxes(seed: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, 2, generator=generator, dtype=torch.float64) * 100
    return torch.cat((corners.amin(dim=1), corners.amax(dim=1) + 0.01), dim=1)


seeds = st.integers(0, 2**31)


@settings(deadline=None)
@given(seeds)
def test_conversions_are_inverse(seed):
    boxes = random_boxes(seed, 8).view(2, 4, 4)
    torch.testing.assert_close(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)
    center_x, center_y, width, height = xyxy_to_xywh(boxes).unbind(dim=-1)
    torch.testing.assert_close(width * height, box_area(boxes))
    torch.testing.assert_close(center_x - width / 2, boxes[..., 0])
    torch.testing.assert_close(center_y + height / 2, boxes[..., 3])


@settings(deadline=None)
@given(seeds)
def test_iou_equals_torchvision(seed):
    ops = pytest.importorskip("torchvision").ops
    a, b = random_boxes(seed, 6), random_boxes(seed + 1, 5)
    torch.testing.assert_close(box_iou(a, b), ops.box_iou(a, b))
    torch.testing.assert_close(box_iou(a, b), box_iou(b, a).T)
    torch.testing.assert_close(box_iou(a, a).diagonal(), torch.ones(6, dtype=torch.float64))


@settings(deadline=None)
@given(seeds)
def test_complete_iou_equals_torchvision(seed):
    ops = pytest.importorskip("torchvision").ops
    a, b = random_boxes(seed, 6), random_boxes(seed + 1, 6)
    expected = ops.complete_box_iou(a, b).diagonal()
    torch.testing.assert_close(complete_iou(a, b), expected, atol=1e-6, rtol=1e-6)
    assert (complete_iou(a, b) <= box_iou(a, b).diagonal() + 1e-9).all()


def test_empty_and_degenerate_boxes():
    none, some = torch.zeros(0, 4), random_boxes(0, 3).float()
    assert box_iou(none, some).shape == (0, 3) and box_iou(some, none).shape == (3, 0)
    point = torch.zeros(1, 4)
    assert box_iou(point, point).item() == 0
    point.requires_grad_()
    complete_iou(point, some[:1]).sum().backward()
    assert point.grad.isfinite().all()
