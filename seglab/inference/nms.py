"""From dense predictions to detections: threshold the scores, then keep one box of each cluster.

The two steps are separate functions, so that who keeps the candidates (a widget with a slider) can suppress again
without running the network. Suppression is greedy non-maximum suppression (NMS) within each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from seglab.geometry.boxes import xywh_to_xyxy
from seglab.inference.decode import decode_above
from seglab.model.head import COEFFICIENTS, RawOutput

MAX_CANDIDATES = 30_000  # boxes that enter NMS, highest scores first
FIRST_COMPARED = 1000  # of them that are compared with each other at first; the cost grows with the square
FEW = 300  # boxes that OpenCV suppresses as fast as torchvision


Classes = Sequence[int] | int | None  # ids of the classes to keep, None for all


class Detections(NamedTuple):
    """Boxes of one image with what belongs to them, highest score first."""

    boxes: Tensor  # (N, 4) xyxy, letterbox frame
    scores: Tensor  # (N,) in 0..1
    classes: Tensor  # (N,) int64
    coefficients: Tensor  # (N, 32)

    def pick(self, index: Tensor) -> Detections:
        """The detections at `index`: positions (M,) or a boolean choice (N,)."""
        return Detections(*(field[index] for field in self))


def candidates(
    predictions: Tensor | RawOutput,
    conf: float,
    classes: Classes = None,
    multi_label: bool = False,
    coefficients: int = COEFFICIENTS,
) -> list[Detections]:
    """Predictions (B, 4 + C + 32, A) -> per image every box whose score is above `conf`, best first, before NMS.

    Raw output is decoded where it is needed. A box takes its best class; with `multi_label` it is listed once for every
    class above `conf`, as validation counts. `classes` keeps only detections of those classes. As in ultralytics, a box
    whose best class is another one is dropped, even where its score for a wanted class is above `conf` too.
    coefficients: how many prototypes there are.
    """
    if isinstance(predictions, RawOutput):
        found = decode_above(predictions, conf)
    else:
        # One pass over the scores; only the anchor points that survive it are copied.
        above_threshold = predictions[:, 4 : predictions.shape[1] - coefficients].amax(dim=1) > conf  # (B, A)
        found = [image[:, keep] for image, keep in zip(predictions, above_threshold)]
    return [_candidates(image.T.float(), conf, classes, multi_label, coefficients) for image in found]


def _candidates(rows: Tensor, conf: float, classes: Classes, multi_label: bool, count: int) -> Detections:
    """Rows (K, 4 + C + count) of one image, with so many coefficients -> its candidates."""
    class_count = rows.shape[1] - 4 - count
    boxes, scores, coefficients = rows.split((4, class_count, count), dim=1)

    # Pairs of a box and one of its classes, (N,) each.
    if multi_label:
        anchor, label = (scores > conf).nonzero(as_tuple=True)
    else:
        anchor = torch.arange(len(rows), device=rows.device)
        label = scores.argmax(dim=1)
    score = scores[anchor, label]
    if classes is not None:
        wanted = torch.isin(label, torch.tensor(classes, device=label.device))
        anchor = anchor[wanted]
        label = label[wanted]
        score = score[wanted]

    # Sorted by score; the sort is stable, so equal scores keep the order of the anchor points.
    order = score.argsort(descending=True, stable=True)[:MAX_CANDIDATES]
    anchor = anchor[order]
    return Detections(xywh_to_xyxy(boxes[anchor]), score[order], label[order], coefficients[anchor])


def nms(detections: Detections, iou: float = 0.7, max_det: int = 300, agnostic: bool = False) -> Detections:
    """Drop each box that overlaps a higher-scoring one of its class (of any class: `agnostic`) by more than `iou`.

    Keeps at most `max_det`. Takes detections sorted by score, as `candidates` gives them.
    """
    # Which of the best boxes are kept does not depend on the others, and the best mostly suffice.
    compared = FIRST_COMPARED
    while True:
        boxes, scores, classes, _ = (field[:compared] for field in detections)
        if agnostic:
            kept = _suppressed(boxes, scores, torch.zeros_like(classes), iou)
        else:
            kept = _suppressed(boxes, scores, classes, iou)
        if len(kept) >= max_det or compared >= len(detections.scores):
            return detections.pick(kept.sort().values[:max_det])
        compared *= 4


def _suppressed(boxes: Tensor, scores: Tensor, classes: Tensor, iou: float) -> Tensor:
    """Which of N boxes (N, 4), sorted by score, no higher-scoring one of the same class overlaps by more than `iou`."""
    if boxes.device.type != "cpu" or len(boxes) > FEW:
        from torchvision import ops  # which imports torch's compiler, in more time than a first prediction takes

        return ops.batched_nms(boxes, scores, classes, iou)
    if not len(boxes):
        return classes
    # OpenCV knows no classes: those of each lie far from all others. It takes left, top, width and height.
    corners = boxes.double()  # (N, 4)
    left_top = corners[:, :2] + classes[:, None] * (corners.max() - corners.min() + 1)
    rectangles = torch.cat((left_top, corners[:, 2:] - corners[:, :2]), dim=1)  # (N, 4)
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), scores.tolist(), 0.0, iou)
    return torch.as_tensor(np.asarray(kept, dtype=np.int64))


def suppress(
    predictions: Tensor | RawOutput,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    classes: Classes = None,
    agnostic: bool = False,
    multi_label: bool = False,
    coefficients: int = COEFFICIENTS,
) -> list[Detections]:
    """Predictions (B, 4 + C + 32, A) or raw output -> the final detections of each image: `candidates`, then `nms`."""
    found = candidates(predictions, conf, classes, multi_label, coefficients)
    return [nms(image, iou, max_det, agnostic) for image in found]
