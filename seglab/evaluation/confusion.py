"""Which class is taken for which: confident detections against objects, whatever their classes, by box overlap."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from seglab.evaluation.coco import Instances

CONFIDENCE, OVERLAP = 0.25, 0.45


def count_confusions(matrix: np.ndarray, ground_truth: Instances, detections: Instances) -> None:
    """Add one image to the counts (C + 1, C + 1), predicted class down, true class across, the last is background.

    Detections above confidence 0.25 and objects pair up one to one, best overlap first, down to IoU 0.45. A detection
    left over counts as background taken for an object, an object left over as an object taken for background.
    Detections on crowds are not counted.
    """
    background = len(matrix) - 1
    sure = np.flatnonzero(detections.scores > CONFIDENCE)
    classes = np.asarray(detections.classes)[sure]
    crowd = ground_truth.crowds
    seen, covered = np.zeros(len(sure), bool), crowd.copy()
    if len(sure) and len(crowd):
        overlap = coco_mask.iou(detections.boxes[sure], ground_truth.boxes, crowd.astype(np.uint8))
        seen |= (overlap[:, crowd] > 0.5).any(axis=1)
        rows, columns = np.nonzero(overlap > OVERLAP)
        for place in np.argsort(-overlap[rows, columns], kind="stable"):
            found, truth = rows[place], columns[place]
            if not seen[found] and not covered[truth]:
                seen[found] = covered[truth] = True
                matrix[classes[found], ground_truth.classes[truth]] += 1
    np.add.at(matrix, (classes[~seen], background), 1)
    np.add.at(matrix, (background, np.asarray(ground_truth.classes)[~covered]), 1)
