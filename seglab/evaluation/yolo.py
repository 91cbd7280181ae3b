"""The YOLO protocol: average precision as YOLO tools print it, which is not what COCO's own tool prints.

It differs in four ways. Masks are compared in the letterbox at a quarter of its resolution, where the ground truth is
a hard image in which small objects cover large ones. All 300 detections of an image count, COCO stops at 100 a class.
Crowd regions are unknown, so detections on them are wrong. And AP is the trapezoid under the precision envelope at 101
recalls, with a straight line down to the curve's start, where COCO takes the mean of 101 precisions.
Matching is the greedy one of COCO, so one accumulator serves both; YOLO tools let a detection whose best object is
taken have no second best, which hardly ever matters.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from torch import Tensor

from seglab.data.mask_targets import resample_outline, resolve_overlap
from seglab.evaluation.coco import ClassMatches, Instances
from seglab.evaluation.curves import precision_envelope
from seglab.geometry.letterbox import Letterbox
from seglab.geometry.polygons import join_rings
from seglab.inference.nms import Detections
from seglab.sample import Instance


def average_precision(matches: ClassMatches) -> np.ndarray:
    """Matches of one class -> (10,) AP at IoU .50 to .95."""
    true, ignored = matches.true[:, 0].T, matches.ignored[:, 0].T  # (T, D)
    recalls, values = np.linspace(0, 1, 101), np.zeros(len(true))
    for t, counted in enumerate(~ignored):
        hits = true[t, counted].cumsum()
        if len(hits) and hits[-1]:
            precision, recall = hits / np.arange(1, len(hits) + 1), hits / matches.positives[0]
            height = np.interp(recalls, *precision_envelope(precision, recall))
            values[t] = (height[1:] + height[:-1]).sum() / 200
    return values


def quarter_detections(prototypes: Tensor, detections: Detections, size: tuple[int, int]) -> Instances:
    """Prototypes (32, h, w) and detections -> instances in the letterbox, masks at the prototypes' resolution.

    size: (height, width) of the letterbox. A cell belongs to a mask when its top-left corner lies in the box and the
    weighted sum of prototypes is positive there.
    """
    height, width = prototypes.shape[1:]
    logits = detections.coefficients.float() @ prototypes.float().transpose(1, 2).flatten(1)  # columns first, as RLE
    inside = (logits > 0).cpu().numpy().reshape(-1, width, height)
    boxes = detections.boxes.cpu().numpy()
    left, top, right, bottom = (boxes * np.array([width / size[1], height / size[0]] * 2, np.float32)).T[:, :, None]
    x, y = np.arange(width), np.arange(height)
    inside &= ((x >= left) & (x < right))[:, :, None] & ((y >= top) & (y < bottom))[:, None, :]  # (N, w, h)
    masks = coco_mask.encode(inside.view(np.uint8).transpose(2, 1, 0)) if len(inside) else []
    boxes = boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    classes, scores = detections.classes.cpu().numpy(), detections.scores.cpu().numpy()
    return Instances(classes, np.zeros(len(boxes)), boxes, masks, scores)


def outline_row(item: Instance, image_size: tuple[int, int]) -> tuple[int, np.ndarray]:
    """The same of an object of an image of (height, width), its parts joined by seams."""
    return item.class_id, join_rings(item.rings) / image_size[::-1]


def yolo_ground_truth(rows: Sequence[tuple[int, np.ndarray]], box: Letterbox) -> Instances:
    """Label rows -> instances in the letterbox, masks at a quarter of its resolution as YOLO tools draw them.

    Outlines get 1,000 points, each cut down to a whole pixel, are filled at full resolution and reduced bilinearly;
    every cell then belongs to the smallest object on it. Cutting makes the exact points matter, so they are not tidied.
    """
    height, width = box.size
    masks, boxes = np.zeros((len(rows), width // 4, height // 4), np.uint8), np.zeros((len(rows), 4))
    for mask, bounds, (_, row) in zip(masks, boxes, rows):
        outline = row * box.resized[::-1] + box.pad[::-1]
        bounds[:] = *outline.min(axis=0), *np.ptp(outline, axis=0)
        full = cv2.fillPoly(np.zeros((height, width), np.uint8), [resample_outline(outline)], 1)
        mask[:] = cv2.resize(full, (width // 4, height // 4), interpolation=cv2.INTER_LINEAR).T
    resolve_overlap(masks)
    rles = coco_mask.encode(masks.transpose(2, 1, 0)) if len(masks) else []
    return Instances(np.array([class_id for class_id, _ in rows], dtype=np.int64), np.zeros(len(rows)), boxes, rles)
