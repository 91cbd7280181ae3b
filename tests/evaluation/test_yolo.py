"""The YOLO protocol's own rules, on examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.evaluation.coco import precision_recall
from seglab.evaluation.yolo import average_precision

from ..worked_examples import worked_accumulator


@pytest.fixture
def accumulator():
    return worked_accumulator()


def test_the_two_rules_on_one_curve(accumulator):
    """Precision 1 up to recall 1/2, then 2/3: the mean of 101 precisions, and the trapezoid with its slope to 0."""
    matches = next(accumulator.matches())
    np.testing.assert_allclose(precision_recall(matches).precision[:, :, 0].mean(axis=1), (51 + 50 * 2 / 3) / 101)
    # By hundredths: 49 at height 1, one on the slope to 2/3 (reached at recall .50), 49 at 2/3, the last down to 0.
    expected = (49 + (1 + 2 / 3) / 2 + 49 * 2 / 3 + 1 / 3) / 100
    np.testing.assert_allclose(average_precision(matches), expected)
