"""The YOLO protocol: average precision as YOLO tools print it, which is not what COCO's own tool prints.

It differs in four ways. Masks are compared in the letterbox at a quarter of its resolution, where the ground truth is
a hard picture in which small objects cover large ones. All 300 detections of an image count, COCO stops at 100 a class.
Crowd regions are unknown, so detections on them are wrong. And AP is the trapezoid under the precision envelope at 101
recalls, with a straight line down to the curve's start, where COCO takes the mean of 101 precisions.
Matching is the greedy one of COCO, so one accumulator serves both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from seglab.evaluation.coco import ClassMatches, Instances
from seglab.evaluation.curves import precision_envelope
from seglab.inference.suppress import Detections

LIMIT = 300  # detections an image


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
    from pycocotools import mask as coco_mask

    height, width = prototypes.shape[1:]
    logits = detections.coefficients.float() @ prototypes.float().transpose(1, 2).flatten(1)  # columns first, as RLE
    inside = (logits > 0).cpu().numpy().reshape(-1, width, height)
    boxes = detections.boxes.cpu().numpy()
    left, top, right, bottom = (boxes * np.array([width / size[1], height / size[0]] * 2, np.float32)).T[:, :, None]
    x, y = np.arange(width), np.arange(height)
    inside &= ((x >= left) & (x < right))[:, :, None] & ((y >= top) & (y < bottom))[:, None, :]  # (N, w, h)
    masks = coco_mask.encode(inside.view(np.uint8).transpose(2, 1, 0)) if len(inside) else []
    return Instances(
        detections.classes.cpu().numpy(), np.zeros(len(boxes)), _xywh(boxes), masks, detections.scores.cpu().numpy()
    )


def quarter_truth(classes: Sequence[int], boxes: np.ndarray, masks: np.ndarray) -> Instances:
    """Classes, boxes (N, 4) xyxy and hard masks (N, h, w), all in the letterbox -> instances to match against."""
    from pycocotools import mask as coco_mask

    rles = coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8)) if len(masks) else []
    return Instances(np.asarray(classes, dtype=np.int64), np.zeros(len(boxes)), _xywh(boxes), rles)


def _xywh(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)
