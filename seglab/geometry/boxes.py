"""Boxes as torch tensors: conversions and overlaps. Functions keep the coordinate frame they are given."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) center x, center y, width, height -> (..., 4) left, top, right, bottom."""
    center = boxes[..., :2]
    half = boxes[..., 2:] / 2
    return torch.cat((center - half, center + half), dim=-1)


def xyxy_to_xywh(boxes: Tensor) -> Tensor:
    """(..., 4) left, top, right, bottom -> (..., 4) center x, center y, width, height."""
    top_left, bottom_right = boxes[..., :2], boxes[..., 2:]
    return torch.cat(((top_left + bottom_right) / 2, bottom_right - top_left), dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """(..., 4) xyxy -> (...) area in squared units of the frame."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every box of `a` (N, 4) with every box of `b` (M, 4), both xyxy -> (N, M)."""
    top_left = torch.maximum(a[:, None, :2], b[None, :, :2])  # (N, M, 2)
    bottom_right = torch.minimum(a[:, None, 2:], b[None, :, 2:])  # (N, M, 2)
    overlap = (bottom_right - top_left).clamp(min=0).prod(dim=-1)  # (N, M)
    union = box_area(a)[:, None] + box_area(b)[None, :] - overlap
    return overlap / union.clamp(min=1e-9)


def complete_iou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """Complete IoU of paired boxes, both (..., 4) xyxy -> (...), at most 1 and possibly negative.

    IoU less a penalty for distant centers and one for unlike aspect ratios
    (Zheng et al., "Enhancing Geometric Factors in Model Learning and Inference", 2020, equations 7 to 10).
    The aspect-ratio weight takes no gradient, as the paper prescribes.
    """
    width_a = a[..., 2] - a[..., 0]
    height_a = a[..., 3] - a[..., 1] + eps
    width_b = b[..., 2] - b[..., 0]
    height_b = b[..., 3] - b[..., 1] + eps
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    iou = overlap / (width_a * height_a + width_b * height_b - overlap + eps)

    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])  # (..., 2)
    hull_diagonal = hull.pow(2).sum(dim=-1) + eps
    center_distance = ((a[..., :2] + a[..., 2:]) - (b[..., :2] + b[..., 2:])).pow(2).sum(dim=-1) / 4
    aspect = (4 / math.pi**2) * (torch.atan(width_b / height_b) - torch.atan(width_a / height_a)).pow(2)
    with torch.no_grad():
        weight = aspect / (aspect - iou + (1 + eps))
    return iou - center_distance / hull_diagonal - weight * aspect
