"""Outlines have the areas, lengths and places that geometry gives them."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.geometry.polygons import ring_area
from seglab.toybox.outlines import (
    FULL,
    affine,
    box,
    chained,
    ellipse,
    loop,
    project,
    smooth,
    sticks,
    tube,
    turn,
    turned,
)


def test_areas_are_those_of_the_formulas():
    assert ring_area(ellipse(3, 4, 2, 5, n=400)) == pytest.approx(np.pi * 2 * 5, rel=1e-3)
    assert ring_area(box(1, 2, 7, 5)) == pytest.approx(18)
    # Rounding a corner takes (4 - pi) / 4 of a square of its radius.
    assert ring_area(box(1, 2, 7, 5, radius=1)) == pytest.approx(18 - (4 - np.pi), rel=5e-3)
    # A bar and a half disc at either end.
    assert ring_area(tube([[0, 0], [10, 0]], 1.0)) == pytest.approx(20 + np.pi, rel=0.02)


def test_an_arc_begins_and_ends_where_it_is_told():
    quarter = ellipse(0, 0, 2, 1, 0, FULL / 4, n=9)
    np.testing.assert_allclose(quarter[[0, -1]], [[2, 0], [0, 1]], atol=1e-12)


@pytest.mark.parametrize("closed", [True, False])
def test_a_smooth_curve_passes_through_its_points(closed):
    points = np.array([[0, 0], [4, 1], [5, 5], [-1, 4.0]])
    curve = smooth(points, n=8, closed=closed)
    np.testing.assert_allclose(curve[::8][: len(points)], points, atol=1e-12)
    assert len(curve) == (32 if closed else 25)
    straight = smooth([[0, 0], [1, 0], [2, 0], [3, 0]], closed=False)
    assert not straight[:, 1].any() and (np.diff(straight[:, 0]) > 0).all()


def test_a_loop_is_a_band_of_the_same_width_all_around():
    outside, inside = loop(ellipse(0, 0, 10, 10, n=300), 2)
    np.testing.assert_allclose(np.hypot(*outside.T), 12, rtol=1e-3)
    np.testing.assert_allclose(np.hypot(*inside.T), 8, rtol=1e-3)
    assert len(loop(ellipse(0, 0, 1, 1, n=60), 1.2)) == 1, "a hole that closes up is none"


def test_sticks_are_single_tubes():
    starts = np.array([[0, 0], [5, 5.0]])
    ends = np.array([[4, 0], [5, 9.0]])
    for ring, start, end in zip(sticks(starts, ends, 0.5), starts, ends):
        middle = (start + end) / 2
        np.testing.assert_allclose((ring.min(0) + ring.max(0)) / 2, middle, atol=1e-12)
        assert ring_area(ring) == pytest.approx(ring_area(tube([start, end], 0.5)), rel=0.1)


def test_a_body_on_the_lathe_is_its_radii_from_the_side_and_a_disc_from_above():
    radii = np.array([0.5, 1.0, 0.8])
    heights = np.array([0.0, 1.0, 3.0])
    side = turned(radii, heights, tilt=0.0)
    np.testing.assert_allclose([*side.min(0), *side.max(0)], [-1, -3, 1, 0], atol=1e-12)
    above = turned(radii, heights, tilt=1.0)
    assert above[:, 1].min() == pytest.approx(-0.8) and above[:, 1].max() == pytest.approx(0.5)


def test_maps_are_done_in_order():
    first = affine(np.array([[2, 0], [0, 1]]), np.array([1, 1]))
    after = affine(np.array([[0, -1], [1, 0]]), np.array([0, 5]))
    point = np.array([3.0, 4.0])
    by_hand = after[:, :2] @ (first[:, :2] @ point + first[:, 2]) + after[:, 2]
    both = chained(after, first)
    np.testing.assert_allclose(both[:, :2] @ point + both[:, 2], by_hand)


def test_turning_is_clockwise_on_the_screen():
    np.testing.assert_allclose(turn(np.array([[1.0, 0.0]]), FULL / 4), [[0, 1]], atol=1e-12)


def test_projection_shrinks_what_is_far_and_turns_y_over():
    near, far = project([(1, 1, 2), (1, 1, -2)], yaw=0, elevation=0)
    assert near[0] > 1 > far[0] and near[1] < -1 < far[1]
    (from_above,) = project([(0, 1, 0)], yaw=0, elevation=FULL / 4, distance=1e9)
    np.testing.assert_allclose(from_above, 0, atol=1e-6)
    (turned_away,) = project([(0, 0, 1)], yaw=FULL / 4, elevation=0, distance=1e9)
    np.testing.assert_allclose(turned_away, [1, 0], atol=1e-6)
