"""Boxes of ground truth and detections, small enough to work out by hand what a protocol says of them."""

from __future__ import annotations

import numpy as np

from seglab.evaluation.coco import CocoAccumulator, Instances


def boxes(*rows, crowd=None):
    """Rows of (class, x, y, w, h) or (class, x, y, w, h, score)."""
    rows = np.array(rows, dtype=float)
    shape = rows[:, 1:5]
    scores = rows[:, 5] if rows.shape[1] == 6 else None
    return Instances(rows[:, 0].astype(int), shape[:, 2] * shape[:, 3], shape, None, scores, crowd)


TRUTH = boxes((0, 0, 0, 20, 20), (1, 100, 100, 20, 20))
RIGHT = ((0, 0, 0, 20, 20, 0.6), (1, 100, 100, 20, 20, 0.6))


def instances(rows, scores=None):
    """Rows of (class, x, y, w, h)."""
    rows = np.array(rows, dtype=float).reshape(-1, 5)
    classes, boxes = rows[:, 0].astype(int), rows[:, 1:]
    return Instances(classes, boxes[:, 2] * boxes[:, 3], boxes, scores=None if scores is None else np.array(scores))


def worked_accumulator() -> CocoAccumulator:
    """Class 0: two objects, hit, miss, hit at scores .9, .8, .7. Class 1: one object, never found. Class 2: nothing."""
    ground_truth = instances([(0, 0, 0, 10, 10), (0, 50, 50, 10, 10), (1, 20, 20, 8, 8)])
    found = instances([(0, 0, 0, 10, 10), (0, 0, 70, 10, 10), (0, 50, 50, 10, 10)], [0.9, 0.8, 0.7])
    accumulator = CocoAccumulator([0, 1, 2], "bbox")
    accumulator.add(1, ground_truth, found)
    return accumulator
