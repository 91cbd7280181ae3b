"""The YOLO protocol: average precision as YOLO tools print it, which is not what COCO's own tool prints.

It differs in four ways. Masks are compared in the letterbox at a quarter of its resolution, where the ground truth is
a hard image in which small instances cover large ones. All 300 detections of an image count, COCO stops at 100 per
class. Crowd regions are unknown, so detections on them are wrong. And AP is the trapezoid under the precision envelope
at 101 recalls, with a straight line down to the curve's start, where COCO takes the mean of 101 precisions.
Matching is the greedy one of COCO, so one accumulator serves both; YOLO tools let a detection whose best ground truth
is taken have no second best, which hardly ever matters.
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

RATIO = 4  # letterbox pixels per mask cell

LabelRow = tuple[int, np.ndarray]  # class id, outline (n, 2) xy as fractions of the image's width and height


def average_precision(matches: ClassMatches) -> np.ndarray:
    """Matches of one class -> (10,) AP at IoU .50 to .95."""
    true = matches.true[:, 0].T  # (T, D) over all areas
    counted = ~matches.ignored[:, 0].T  # (T, D)
    recalls = np.linspace(0, 1, 101)
    ap = np.zeros(len(true))
    for t in range(len(true)):
        true_count = true[t, counted[t]].cumsum()
        if not len(true_count) or not true_count[-1]:
            continue
        precision = true_count / np.arange(1, len(true_count) + 1)
        recall = true_count / matches.positives[0]
        height = np.interp(recalls, *precision_envelope(precision, recall))
        ap[t] = (height[1:] + height[:-1]).sum() / 200  # 100 trapezoids of width 1/100
    return ap


def quarter_detections(prototypes: Tensor, detections: Detections, size: tuple[int, int]) -> Instances:
    """Prototypes (32, h, w) and detections -> instances in the letterbox, masks at the prototypes' resolution.

    size: (height, width) of the letterbox. A cell belongs to a mask when its top-left corner lies in the box and the
    weighted sum of prototypes is positive there.
    """
    height, width = prototypes.shape[1:]
    # Masks are kept column by column, (N, w, h), as run lengths go.
    logits = detections.coefficients.float() @ prototypes.float().transpose(1, 2).flatten(1)  # (N, w * h)
    masks = (logits > 0).cpu().numpy().reshape(-1, width, height)

    boxes = detections.boxes.cpu().numpy()  # (N, 4) xyxy, letterbox
    cells_per_pixel = np.array([width / size[1], height / size[0]] * 2, np.float32)
    left, top, right, bottom = (boxes * cells_per_pixel).T[:, :, None]  # (N, 1) each, in cells
    x = np.arange(width)
    y = np.arange(height)
    inside_x = (x >= left) & (x < right)  # (N, w)
    inside_y = (y >= top) & (y < bottom)  # (N, h)
    masks &= inside_x[:, :, None] & inside_y[:, None, :]
    rles = coco_mask.encode(masks.view(np.uint8).transpose(2, 1, 0)) if len(masks) else []

    boxes = boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]  # left, top, width, height
    classes = detections.classes.cpu().numpy()
    scores = detections.scores.cpu().numpy()
    return Instances(classes, np.zeros(len(boxes)), boxes, rles, scores)


def outline_row(instance: Instance, image_size: tuple[int, int]) -> LabelRow:
    """Such a row of an instance of an image of (height, width), its parts joined by seams."""
    return instance.class_id, join_rings(instance.rings) / image_size[::-1]


def yolo_ground_truth(rows: Sequence[LabelRow], box: Letterbox) -> Instances:
    """Label rows -> instances in the letterbox, masks at a quarter of its resolution as YOLO tools draw them.

    Outlines get 1,000 points, each cut down to a whole pixel, are filled at full resolution and reduced bilinearly;
    every cell then belongs to the smallest instance on it. Cutting makes the exact points matter, so they are not
    tidied.
    """
    height, width = box.size
    masks = np.zeros((len(rows), width // RATIO, height // RATIO), np.uint8)  # column by column, as run lengths go
    boxes = np.zeros((len(rows), 4))  # left, top, width, height
    for index, (_, fractions) in enumerate(rows):
        outline = fractions * box.resized[::-1] + box.pad[::-1]  # (n, 2) letterbox pixels
        boxes[index, :2] = outline.min(axis=0)
        boxes[index, 2:] = np.ptp(outline, axis=0)
        full = cv2.fillPoly(np.zeros((height, width), np.uint8), [resample_outline(outline)], 1)
        small = cv2.resize(full, (width // RATIO, height // RATIO), interpolation=cv2.INTER_LINEAR)
        masks[index] = small.T
    resolve_overlap(masks)
    rles = coco_mask.encode(masks.transpose(2, 1, 0)) if len(masks) else []
    classes = np.array([class_id for class_id, _ in rows], dtype=np.int64)
    return Instances(classes, np.zeros(len(rows)), boxes, rles)
