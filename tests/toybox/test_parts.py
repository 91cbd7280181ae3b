"""Parts are moved with what is painted on them, settled on the ground, and laid down."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.geometry.polygons import ring_area
from seglab.toybox.materials import Part
from seglab.toybox.outlines import box
from seglab.toybox.parts import laid, moved, pick, settled, shifted

GRAY = np.full(3, 0.5)


def corners(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate([ring for part in parts for ring in part.rings])
    return points.min(0), points.max(0)


def test_what_is_painted_moves_along():
    (part,) = moved([Part([box(0, 0, 1, 1)], GRAY)], [[2, 0, 5], [0, 2, 7]])
    np.testing.assert_allclose(part.rings[0], box(5, 7, 7, 9))
    (again,) = shifted([part], 1, -1)
    origin = again.frame[:, 2]
    np.testing.assert_allclose(origin, again.rings[0][0])  # where the part's own (0, 0) now is
    np.testing.assert_allclose(again.frame[:, :2], 2 * np.eye(2))


@pytest.mark.parametrize("pose", ["stand", "hang"])
def test_settled_parts_stand_on_the_origin_or_hang_around_it(pose):
    parts = settled([Part([box(3, 4, 5, 9)], GRAY), Part([box(4, 1, 6, 4)], GRAY)], pose)
    low, high = corners(parts)
    assert low[0] == -high[0]
    assert high[1] == 0 if pose == "stand" else low[1] == -high[1]


@pytest.mark.parametrize("tilt", [0.3, 0.7, 1.0])
def test_laid_parts_are_foreshortened_and_keep_their_rim(tilt):
    square = [Part([box(-1, -1, 1, 1)], GRAY)]
    *rims, top = laid(square, 0.4, tilt, thick=0.1)
    assert ring_area(top.rings[0]) == pytest.approx(4 * tilt)
    rise = 0.1 * np.sqrt(1 - tilt * tilt)
    if rise <= 0.01:  # straight from above no rim can be seen
        assert not rims
        return
    foot = rims[0].rings[0]
    np.testing.assert_allclose(foot - top.rings[0], np.broadcast_to((0, rise), foot.shape), atol=1e-12)
    assert (rims[0].color < top.color).all()


def test_a_color_is_near_one_of_the_choices():
    rng = np.random.default_rng(0)
    picked = np.array([pick(rng, "ff0000 0000ff", spread=0.0) for _ in range(40)])
    reds = picked[:, 0] > picked[:, 2]
    assert 5 < reds.sum() < 35
    assert (picked.max(axis=1) > 0.9).all() and (picked[:, 1] < 0.01).all()
