"""From dense predictions to detections: threshold the scores, then keep one box of each cluster.

The two steps are separate functions, so that who keeps the candidates (a widget with a slider) can suppress again
without running the network. Suppression is greedy non-maximum suppression (NMS) within each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision import ops

from seglab.geometry.boxes import xywh_to_xyxy
from seglab.model.head import COEFFICIENTS

MAX_CANDIDATES = 30_000  # boxes that enter NMS, highest scores first
FIRST_COMPARED = 1000  # of them that are compared with each other at first; the cost grows with the square


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
    predictions: Tensor,
    conf: float,
    classes: Classes = None,
    multi_label: bool = False,
    coefficients: int = COEFFICIENTS,
) -> list[Detections]:
    """Predictions (B, 4 + C + 32, A) -> per image every box whose score is above `conf`, best first, before NMS.

    A box takes its best class; with `multi_label` it is listed once for every class above `conf`, as validation counts.
    `classes` keeps only detections of those classes. As in ultralytics, a box whose best class is another one is
    dropped, even where its score for a wanted class is above `conf` too. coefficients: how many prototypes there are.
    """
    scores = predictions[:, 4 : predictions.shape[1] - coefficients]  # (B, C, A), a view
    # One pass over the scores; only the anchor points that survive it are copied.
    above_threshold = scores.amax(dim=1) > conf  # (B, A)
    return [
        _candidates(image[:, keep].T.float(), conf, classes, multi_label, coefficients)
        for image, keep in zip(predictions, above_threshold)
    ]


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
            kept = ops.nms(boxes, scores, iou)
        else:
            kept = ops.batched_nms(boxes, scores, classes, iou)
        if len(kept) >= max_det or compared >= len(detections.scores):
            return detections.pick(kept.sort().values[:max_det])
        compared *= 4


def suppress(
    predictions: Tensor,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    classes: Classes = None,
    agnostic: bool = False,
    multi_label: bool = False,
    coefficients: int = COEFFICIENTS,
) -> list[Detections]:
    """Predictions (B, 4 + C + 32, A) -> the final detections of each image: `candidates`, then `nms`."""
    found = candidates(predictions, conf, classes, multi_label, coefficients)
    return [nms(image, iou, max_det, agnostic) for image in found]
