"""Objects become pixels, and their stencils the ground truth."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.geometry.polygons import ring_area
from seglab.geometry.raster import coverage
from seglab.toybox.canvas import SUB, PlacedObject, stencil, trace, visible
from seglab.toybox.materials import Part
from seglab.toybox.outlines import box, ellipse, loop

GRAY = np.array([0.5, 0.5, 0.5])
HERE = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def placed_object(rings, class_id=0) -> PlacedObject:
    return PlacedObject([Part(rings, GRAY)], HERE, class_id)


def rings_area(rings) -> float:
    return sum(ring_area(ring) for ring in rings)


def test_an_object_behind_a_post_has_two_parts_and_the_exact_area():
    wide, post = placed_object([box(10, 20, 90, 60)]), placed_object([box(40, 5, 50, 80)], 1)
    (_, _, rings), (_, _, front) = visible([wide, post], 100, 120)
    assert len(rings) == 2 and all(ring_area(r) > 0 for r in rings)
    assert rings_area(rings) == pytest.approx(80 * 40 - 10 * 40)
    assert rings_area(front) == pytest.approx(10 * 75)


def test_a_ring_keeps_its_hole_and_what_is_behind_shows_through():
    band, back = placed_object(loop(ellipse(50, 50, 25, 25, n=100), 8.0)), placed_object([box(20, 20, 80, 80)], 1)
    (_, _, behind), (_, _, rings) = visible([back, band], 100, 100)
    assert sorted(ring_area(r) > 0 for r in rings) == [False, True]
    assert rings_area(rings) == pytest.approx(np.pi * (33**2 - 17**2), rel=0.01)
    front, rest = coverage(rings, 100, 100), coverage(behind, 100, 100)
    assert np.abs(front + rest - coverage([box(20, 20, 80, 80)], 100, 100))[21:79, 21:79].max() < 0.4


def test_tracing_the_lattice_is_within_a_quarter_pixel_of_the_outline():
    outline = ellipse(40.3, 37.7, 21.4, 17.2, n=200)
    cut = stencil(placed_object([outline]), 80, 90)
    (ring,) = trace(cut.points, cut.window[0], cut.window[1])
    nearest = np.hypot(*(ring[:, None] - outline[None]).transpose(2, 0, 1)).min(1)
    assert nearest.max() < 0.45 and abs(ring_area(ring) / (np.pi * 21.4 * 17.2) - 1) < 0.01
    exact = coverage([outline], 80, 90)
    x0, y0, x1, y1 = cut.window
    assert np.abs(cut.coverage() / 255.0 - exact[y0:y1, x0:x1]).max() < 2.5 / SUB
    assert (cut.coverage() / 255.0).sum() == pytest.approx(exact.sum(), rel=0.02)


def test_an_object_hidden_almost_wholly_is_left_out():
    kept = visible([placed_object([box(30, 30, 60, 60)]), placed_object([box(20, 20, 60, 61)], 1)], 100, 100)
    assert [placed.class_id for placed, _, _ in kept] == [1]
