"""The metrics under their usual names, on an example worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.evaluation.coco import CocoAccumulator
from seglab.evaluation.metrics import Metrics, task_metrics

from ..worked_examples import instances, worked_accumulator


@pytest.fixture
def accumulator():
    return worked_accumulator()


def test_metrics_by_their_usual_names(accumulator):
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
    assert task.map == task.mp == 0 and len(task.ap_class_index) == 0 and task.coco.stats["AP"] == -1
