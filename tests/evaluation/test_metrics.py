"""The metrics under their usual names, on an example worked by hand."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

import seglab.evaluation.metrics as metrics_module
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


def test_curves_and_tables(accumulator):
    task = task_metrics(accumulator)
    metrics = Metrics(task, task, {0: "cat", 1: "<dog>", 2: "cow"}, np.array([1, 1, 0]), np.array([2, 1, 0]), 1)
    assert metrics.curves[:2] == ["Precision-Recall(B)", "F1-Confidence(B)"] and metrics.curves[-1][-3:] == "(M)"
    assert len(metrics.curves) == len(metrics.curves_results) == 8
    for x, y, *labels in metrics.curves_results:
        assert x.shape == (1000,) and y.shape == (2, 1000) and all(map(str.istitle, labels))
    assert metrics.curves_results[5][1] is task.f1_curve and task.curves_results[0][1] is task.prec_values
    assert metrics.nt_per_class.tolist() == [2, 1, 0] and metrics.nt_per_image.tolist() == [1, 1, 0]

    rows = metrics.summary(decimals=3)
    assert [row["Class"] for row in rows] == ["cat", "<dog>"]
    first = rows[0]
    expected = {"Instances": 2, "Box-P": 0.667, "Box-R": 1, "mAP50": round(task.ap50[0], 3), "Mask-F1": 0.8}
    assert {name: first[name] for name in expected} == pytest.approx(expected)
    assert json.loads(metrics.to_json(decimals=3)) == rows
    assert [row["Class"] for row in csv.DictReader(io.StringIO(metrics.to_csv()))] == ["cat", "<dog>"]
    page = metrics._repr_html_()
    assert page.count("<tr>") == 4 and "&lt;dog&gt;" in page and page.index("cat") < page.index("&lt;dog")
    pytest.importorskip("pandas")
    assert list(metrics.to_df()["Class"]) == ["cat", "<dog>"]


def test_no_object_at_all_is_no_error():
    accumulator = CocoAccumulator([0, 1], "bbox")
    assert task_metrics(accumulator).map == 0
    accumulator.add("empty", instances([]), instances([(0, 0, 0, 5, 5)], [0.5]))
    task = task_metrics(accumulator)
    assert task.map == task.mp == 0 and len(task.ap_class_index) == 0 and task.coco.stats["AP"] == -1


def test_a_notebook_shows_metrics_once(monkeypatch, capsys):
    accumulator = CocoAccumulator([0], "bbox")
    task = task_metrics(accumulator)
    metrics = Metrics(task, task, {0: "cat"}, np.zeros(1, int), np.zeros(1, int), 1)
    metrics.show()
    assert capsys.readouterr().out == metrics.table() + "\n"

    shown, cell = [], [3]
    monkeypatch.setattr(metrics_module, "in_notebook", lambda: True)
    monkeypatch.setattr(metrics_module, "running_cell", lambda: cell[0])
    monkeypatch.setattr(metrics_module.Display, "show", lambda display, html, text: shown.append((html, text)))
    metrics.show()
    metrics._ipython_display_()  # the last line of the same cell
    assert shown == [(metrics._repr_html_(), metrics.table())]
    cell[0] = 4
    metrics._ipython_display_()
    assert len(shown) == 2 and capsys.readouterr().out == ""
