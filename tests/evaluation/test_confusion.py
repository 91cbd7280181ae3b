"""Who is taken for whom, on examples small enough for paper."""

from __future__ import annotations

import numpy as np

from seglab.evaluation.confusion import count_confusions

from ..worked_examples import RIGHT, TRUTH, boxes


def test_confusions_of_confident_detections():
    matrix = np.zeros((3, 3), int)
    found = boxes(RIGHT[0], (0, 100, 100, 20, 20, 0.9), (1, 101, 100, 20, 20, 0.8), (1, 0, 0, 20, 20, 0.2))
    count_confusions(matrix, TRUTH, found)  # the last is not confident, the third finds its object taken
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    count_confusions(matrix, TRUTH, boxes((0, 0, 0, 20, 20, 0.1)))
    assert matrix[2].tolist() == [1, 1, 0]


def test_detections_on_crowds_are_not_counted():
    ground_truth = boxes((0, 0, 0, 20, 20), (1, 100, 100, 60, 60), crowd=np.array([False, True]))
    matrix = np.zeros((3, 3), int)
    count_confusions(matrix, ground_truth, boxes(RIGHT[0], (1, 120, 120, 10, 10, 0.9)))
    assert matrix.sum() == matrix[0, 0] == 1
