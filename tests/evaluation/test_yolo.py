"""The YOLO protocol's own rules, on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.evaluation.coco import CocoAccumulator, Instances, precision_recall
from seglab.evaluation.yolo import average_precision


def instances(rows, scores=None):
    """Rows of (class, x, y, w, h)."""
    rows = np.array(rows, dtype=float).reshape(-1, 5)
    classes, boxes = rows[:, 0].astype(int), rows[:, 1:]
    return Instances(classes, boxes[:, 2] * boxes[:, 3], boxes, scores=None if scores is None else np.array(scores))


@pytest.fixture
def accumulator():
    """Class 0: two objects, hit, miss, hit at scores .9, .8, .7. Class 1: one object, never found. Class 2: nothing."""
    ground_truth = instances([(0, 0, 0, 10, 10), (0, 50, 50, 10, 10), (1, 20, 20, 8, 8)])
    found = instances([(0, 0, 0, 10, 10), (0, 0, 70, 10, 10), (0, 50, 50, 10, 10)], [0.9, 0.8, 0.7])
    accumulator = CocoAccumulator([0, 1, 2], "bbox")
    accumulator.add(1, ground_truth, found)
    return accumulator


def test_the_two_rules_on_one_curve(accumulator):
    """Precision 1 up to recall 1/2, then 2/3: the mean of 101 precisions, and the trapezoid with its slope to 0."""
    matches = next(accumulator.matches())
    np.testing.assert_allclose(precision_recall(matches).precision[:, :, 0].mean(axis=1), (51 + 50 * 2 / 3) / 101)
    # By hundredths: 49 at height 1, one on the slope to 2/3 (reached at recall .50), 49 at 2/3, the last down to 0.
    expected = (49 + (1 + 2 / 3) / 2 + 49 * 2 / 3 + 1 / 3) / 100
    np.testing.assert_allclose(average_precision(matches), expected)
