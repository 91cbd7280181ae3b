"""Who is taken for whom, on examples small enough for paper."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from seglab.evaluation.confusion import ConfusionMatrix, count_confusions

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


def test_a_matrix_in_its_forms(tmp_path, capsys):
    matrix = ConfusionMatrix(np.array([[3, 1, 2], [0, 4, 0], [1, 0, 0]]), {0: "cat", 1: "teddy bear"})
    true, false = matrix.tp_fp()
    assert true.tolist() == [3, 4] and false.tolist() == [3, 0] and matrix.nc == 2
    rows = matrix.summary()
    assert rows[0] == {"Predicted": "cat", "cat": 3, "teddy bear": 1, "background": 2}
    assert [row["Predicted"] for row in rows] == ["cat", "teddy bear", "background"]
    shares = matrix.summary(normalize=True, decimals=2)
    assert shares[0]["cat"] == 0.75 and shares[1]["teddy bear"] == 0.8
    assert json.loads(matrix.to_json()) == rows
    assert next(csv.DictReader(io.StringIO(matrix.to_csv())))["teddy bear"] == "1.0"
    matrix.print()
    assert capsys.readouterr().out.splitlines() == ["3 1 2", "0 4 0", "1 0 0"]
    made = []
    matrix.plot(save_dir=tmp_path, on_plot=made.append)
    matrix.plot(normalize=False, save_dir=tmp_path / "new", names=("a", "b"), on_plot=made.append)
    assert [path.name for path in made] == ["confusion_matrix_normalized.png", "confusion_matrix.png"]
    assert all(path.stat().st_size > 5000 for path in made) and "7 of 11" in repr(matrix)
    pytest.importorskip("pandas")
    assert matrix.to_df().shape == (3, 4)
