"""What is read from a row of results.csv."""

from __future__ import annotations

import pytest

from seglab.training.rows import MAP, fitness


def test_fitness_is_map_of_boxes_and_masks_together():
    row = {"epoch": 3, MAP["box mAP"]: 0.5, MAP["mask mAP"]: 0.25, "metrics/mAP50(B)": 0.9}
    assert fitness(row) == pytest.approx(0.75)
    assert fitness({"epoch": 3}) == 0
