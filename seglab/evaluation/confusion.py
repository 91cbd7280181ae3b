"""Which classes are confused: confident detections against ground truth of any class, by overlap of the boxes."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from seglab.evaluation.coco import Instances

MIN_SCORE = 0.25  # of detections that are counted
MIN_IOU = 0.45  # of a detection and the ground truth that it is taken for
MIN_CROWD_OVERLAP = 0.5  # fraction of a detection on a crowd from which it is left out


def count_confusions(matrix: np.ndarray, ground_truth: Instances, detections: Instances) -> None:
    """Add one image to the counts (C + 1, C + 1), predicted class down, true class across, the last is background.

    Detections above MIN_SCORE and ground truth pair up one to one, best overlap first, down to MIN_IOU. A detection
    left over counts as background taken for an instance, ground truth left over as an instance taken for background.
    Detections on crowds are not counted.
    """
    background = len(matrix) - 1
    confident = np.flatnonzero(detections.all_scores > MIN_SCORE)
    predicted_classes = np.asarray(detections.classes, dtype=np.int64)[confident]  # (D,)
    true_classes = np.asarray(ground_truth.classes, dtype=np.int64)  # (G,)
    crowd = ground_truth.crowds

    paired = np.zeros(len(confident), bool)  # detections that are done with
    covered = crowd.copy()  # ground truth that is done with
    if len(confident) and len(crowd):
        overlap = coco_mask.iou(detections.all_boxes[confident], ground_truth.all_boxes, crowd.astype(np.uint8))
        paired |= (overlap[:, crowd] > MIN_CROWD_OVERLAP).any(axis=1)
        rows, columns = np.nonzero(overlap > MIN_IOU)
        for place in np.argsort(-overlap[rows, columns], kind="stable"):
            detection, truth = rows[place], columns[place]
            if not paired[detection] and not covered[truth]:
                paired[detection] = covered[truth] = True
                matrix[predicted_classes[detection], true_classes[truth]] += 1

    # What found no partner goes with the background; np.add.at counts an index as often as it comes.
    np.add.at(matrix[:, background], predicted_classes[~paired], 1)
    np.add.at(matrix[background], true_classes[~covered], 1)
