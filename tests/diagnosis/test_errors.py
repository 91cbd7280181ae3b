"""Every type of error is planted alone and found."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.diagnosis.errors import CAUSES, ErrorBreakdown
from seglab.evaluation.coco import Instances

from ..worked_examples import RIGHT, TRUTH, boxes


def report(*found, ground_truth=TRUTH):
    breakdown = ErrorBreakdown("bbox")
    breakdown.add(ground_truth, boxes(*found))
    return breakdown.summarize()


@pytest.mark.parametrize(
    "cause, found",
    [
        ("classification", [RIGHT[0], (0, 100, 100, 20, 20, 0.9)]),
        ("localization", [RIGHT[0], (1, 112, 100, 20, 20, 0.9)]),
        ("duplicate", [*RIGHT, (0, 1, 0, 20, 20, 0.59)]),
        ("background", [*RIGHT, (0, 60, 60, 20, 20, 0.9)]),
        ("both", [*RIGHT, (0, 112, 100, 20, 20, 0.9)]),
        ("missed", [RIGHT[0]]),
    ],
)
def test_a_planted_error_is_named_and_fixing_it_gains(cause, found):
    result = report(*found)
    assert result.counts == {name: int(name == cause) for name in CAUSES}
    if cause == "duplicate":  # it comes after the right one, so it costs nothing
        assert result.ap50 == pytest.approx(1) and result.gains[cause] == pytest.approx(0)
    else:
        assert result.ap50 + result.gains[cause] == pytest.approx(1) and result.gains[cause] > 0.1


def test_a_perfect_result_has_nothing_to_fix():
    result = report(*RIGHT)
    assert result.ap50 == pytest.approx(1) and not any(result.counts.values()) and not any(result.gains.values())
    assert ErrorBreakdown().summarize().ap50 == 0


def test_only_the_higher_scoring_of_two_misplaced_boxes_can_be_put_right():
    two = report(RIGHT[0], (1, 112, 100, 20, 20, 0.9), (1, 100, 112, 20, 20, 0.8))
    assert two.counts["localization"] == 2
    assert two.ap50 + two.gains["localization"] == pytest.approx(1)


def test_detections_on_crowds_are_no_errors():
    ground_truth = boxes((0, 0, 0, 20, 20), (1, 100, 100, 60, 60), crowd=np.array([False, True]))
    result = report(RIGHT[0], (1, 120, 120, 10, 10, 0.9), ground_truth=ground_truth)
    assert result.ap50 == pytest.approx(1) and not any(result.counts.values())


def test_detections_without_any_ground_truth_are_on_the_background():
    nothing = Instances(np.zeros(0, int), np.zeros(0), np.zeros((0, 4)))
    result = report(RIGHT[0], ground_truth=nothing)
    assert result.counts["background"] == 1 and result.ap50 == 0 and not any(result.gains.values())
