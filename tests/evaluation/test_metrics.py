"""Curves, names of figures and the YOLO rule, on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.evaluation.coco import CocoAccumulator, Instances, class_figures
from seglab.evaluation.curves import GRID, best_confidence, class_curves
from seglab.evaluation.metrics import Metrics, task_metrics
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
    np.testing.assert_allclose(class_figures(matches)[0][:, :, 0].mean(axis=1), (51 + 50 * 2 / 3) / 101)
    # By hundredths: 49 at height 1, one on the slope to 2/3 (reached at recall .50), 49 at 2/3, the last down to 0.
    expected = (49 + (1 + 2 / 3) / 2 + 49 * 2 / 3 + 1 / 3) / 100
    np.testing.assert_allclose(average_precision(matches), expected)


def test_curves_by_confidence():
    scores, true = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    curves = class_curves(scores, true, 2)

    def at(curve, confidence):
        return np.interp(confidence, GRID, curve)

    for confidence, precision, recall in ((0.95, 1, 0), (0.8, 1 / 2, 1 / 2), (0.7, 2 / 3, 1), (0.1, 2 / 3, 1)):
        assert at(curves.precision, confidence) == pytest.approx(precision, abs=1e-2)
        assert at(curves.recall, confidence) == pytest.approx(recall, abs=1e-2)
    assert at(curves.envelope, 0.25) == pytest.approx(1) and at(curves.envelope, 0.75) == pytest.approx(2 / 3)
    assert not np.array(class_curves(scores[:0], true[:0], 2)).any()


def test_the_best_confidence_is_where_the_smoothed_mean_is_highest():
    f1 = np.zeros((2, 1000))
    f1[:, 300:500], f1[0, 900] = 0.6, 1.0  # a broad hill beats a spike
    assert 350 <= best_confidence(f1) <= 450


def test_figures_by_their_usual_names(accumulator):
    task = task_metrics(accumulator)
    ap = (51 + 50 * 2 / 3) / 101
    np.testing.assert_array_equal(task.ap_class_index, [0, 1])
    np.testing.assert_allclose(task.maps, [ap, 0, ap / 2])
    assert [task.map, task.map50, task.map75, task.fitness()] == pytest.approx([ap / 2] * 4)
    assert task.class_result(0) == pytest.approx((2 / 3, 1, ap, ap))
    assert task.mean_results() == pytest.approx([1 / 3, 1 / 2, ap / 2, ap / 2])
    assert 0 <= task.best_confidence < 0.7

    metrics = Metrics(task, task, {0: "cat", 1: "dog", 2: "cow"}, np.array([1, 1, 0]), np.array([2, 1, 0]), 1)
    assert metrics.results_dict["metrics/mAP50-95(M)"] == metrics.seg.map
    assert metrics.results_dict["metrics/recall(B)"] == metrics.box.mr
    assert metrics.fitness == metrics.results_dict["fitness"] == pytest.approx(ap)
    assert list(metrics.results_dict) == [*metrics.keys, "fitness"]
    table = metrics.table().splitlines()
    assert [line.split()[0] for line in table] == ["Class", "all", "cat", "dog"]
    assert [len(line) for line in table] == [len(table[0])] * 4
    assert table[2].split()[1:3] == ["1", "2"]


def test_no_object_at_all_is_no_error():
    accumulator = CocoAccumulator([0, 1], "bbox")
    assert task_metrics(accumulator).map == 0
    accumulator.add("empty", instances([]), instances([(0, 0, 0, 5, 5)], [0.5]))
    task = task_metrics(accumulator)
    assert task.map == task.mp == 0 and len(task.ap_class_index) == 0 and task.coco.twelve["AP"] == -1
