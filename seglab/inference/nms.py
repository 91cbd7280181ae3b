"""From dense predictions to detections: threshold the scores, then keep one box of each cluster.

The two steps are apart, so that whoever keeps the candidates (a widget with a slider) can suppress again without the
network. Suppression is greedy non-maximum suppression within each class.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision import ops

from seglab.geometry.boxes import xywh_to_xyxy
from seglab.model.head import COEFFICIENTS

MAX_CANDIDATES = 30_000  # boxes that enter suppression, best scores first
AT_FIRST = 1000  # of them that are compared with each other at first; the cost grows with the square


class Detections(NamedTuple):
    """Boxes of one image with what belongs to them, best score first."""

    boxes: Tensor  # (N, 4) xyxy, letterbox frame
    scores: Tensor  # (N,) in 0..1
    classes: Tensor  # (N,) int64
    coefficients: Tensor  # (N, 32)

    def pick(self, index: Tensor) -> Detections:
        """The detections at `index`: positions (M,) or a boolean choice (N,)."""
        return Detections(*(field[index] for field in self))


def candidates(
    predictions: Tensor, conf: float, classes: list[int] | None = None, multi_label: bool = False
) -> list[Detections]:
    """Predictions (B, 4 + C + 32, A) -> per image every box whose score is above `conf`, best first, not suppressed.

    A box takes its best class; with `multi_label` it stands once for every class above `conf`, which is how the YOLO
    evaluation protocol counts. `classes` keeps those class ids only: a box whose best class is another is dropped.
    """
    scores = predictions[:, 4:-COEFFICIENTS]  # (B, C, A), a view
    # One pass over the scores; only anchors that survive it are copied.
    above_threshold = scores.amax(dim=1) > conf  # (B, A)
    return [
        _candidates(image[:, keep].T.float(), conf, classes, multi_label)
        for image, keep in zip(predictions, above_threshold)
    ]


def _candidates(rows: Tensor, conf: float, classes: list[int] | None, multi_label: bool) -> Detections:
    """Rows (K, 4 + C + 32) of one image -> its candidates."""
    boxes, scores, coefficients = rows.split((4, rows.shape[1] - 4 - COEFFICIENTS, COEFFICIENTS), dim=1)
    if multi_label:
        anchor, label = (scores > conf).nonzero(as_tuple=True)
    else:
        anchor, label = torch.arange(len(rows), device=rows.device), scores.argmax(dim=1)
    score = scores[anchor, label]
    if classes is not None:
        wanted = torch.isin(label, torch.tensor(classes, device=label.device))
        anchor, label, score = anchor[wanted], label[wanted], score[wanted]
    order = score.argsort(descending=True, stable=True)[:MAX_CANDIDATES]
    anchor = anchor[order]
    return Detections(xywh_to_xyxy(boxes[anchor]), score[order], label[order], coefficients[anchor])


def nms(detections: Detections, iou: float = 0.7, max_det: int = 300, agnostic: bool = False) -> Detections:
    """Drop each box that overlaps a better one of its class (of any class: `agnostic`) by more than `iou`.

    Keeps the best `max_det`. Takes detections sorted by score, as `candidates` gives them.
    """
    first = AT_FIRST  # what is kept of the best does not depend on poorer ones, and mostly suffices
    while True:
        boxes, scores, classes, _ = (field[:first] for field in detections)
        if agnostic:
            kept = ops.nms(boxes, scores, iou)
        else:
            kept = ops.batched_nms(boxes, scores, classes, iou)
        if len(kept) >= max_det or first >= len(detections.scores):
            return detections.pick(kept.sort().values[:max_det])
        first *= 4


def suppress(
    predictions: Tensor,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    classes: list[int] | None = None,
    agnostic: bool = False,
    multi_label: bool = False,
) -> list[Detections]:
    """Predictions (B, 4 + C + 32, A) -> the final detections of each image: `candidates`, then `nms`."""
    return [nms(image, iou, max_det, agnostic) for image in candidates(predictions, conf, classes, multi_label)]
