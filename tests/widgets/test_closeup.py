"""Coordinates follow a closeup."""

from __future__ import annotations

import numpy as np

from seglab.widgets.closeup import closeup


def test_coordinates_follow_a_closeup():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 20:40] = 255
    near = closeup(image, np.array([20.0, 40.0, 40.0, 60.0]), min_side=8)
    x0, y0, x1, y1 = near.to_closeup(np.array([20.0, 40.0, 40.0, 60.0])).round().astype(int)
    assert near.image[y0 + 12 : y1 - 12, x0 + 12 : x1 - 12].min() == 255
    assert near.image[: y0 - 12].max() == 0
