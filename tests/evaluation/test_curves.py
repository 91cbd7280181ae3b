"""Curves over the confidence, on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.evaluation.curves import GRID, best_confidence, class_curves


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
