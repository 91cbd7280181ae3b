"""Contours: rings on pixel edges draw their mask again, exactly."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.geometry.contours import mask_to_rings, mask_to_rings_reference
from seglab.geometry.polygons import ring_area
from seglab.geometry.raster import coverage, fill


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1))
def test_contours_fill_to_the_same_mask(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 30, 2)) < rng.choice([0.02, 0.3, 0.5, 0.7, 0.98])
    rings = mask_to_rings(mask)
    np.testing.assert_array_equal(fill(rings, *mask.shape), mask)
    np.testing.assert_allclose(coverage(rings, *mask.shape), mask, atol=1e-6)
    assert sum(map(ring_area, rings)) == mask.sum()
    for ring in rings:
        steps = np.roll(ring, -1, axis=0) - ring
        assert (np.count_nonzero(steps, axis=1) == 1).all(), "every edge lies on the grid"
        turns = steps[:, 0] * np.roll(steps[:, 1], -1) - steps[:, 1] * np.roll(steps[:, 0], -1)
        assert (turns != 0).all(), "no vertex lies on a straight line"


def alike(rings):
    """Rings as sets of closed walks, wherever each of them starts."""
    return sorted(np.roll(ring, -int(np.lexsort(ring.T)[0]), axis=0).tolist() for ring in rings)


@given(st.integers(0, 2**32 - 1))
def test_contours_are_those_of_a_walk_along_the_sides(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 20, 2)) < rng.choice([0.1, 0.5, 0.9])
    assert alike(mask_to_rings(mask)) == alike(mask_to_rings_reference(mask))


def test_a_frame_has_a_solid_ring_and_a_hole():
    mask = np.ones((5, 6), dtype=bool)
    mask[1:4, 2:5] = False
    areas = sorted(map(ring_area, mask_to_rings(mask)))
    assert areas == [-9, 30]


def test_pixels_that_touch_at_a_corner_are_two_rings():
    assert [ring_area(ring) for ring in mask_to_rings(np.eye(2, dtype=bool))] == [1, 1]
    assert [ring_area(ring) for ring in mask_to_rings(np.eye(2, dtype=bool)[::-1])] == [1, 1]


def test_an_empty_mask_has_no_ring_and_a_crop_is_moved_to_its_place():
    assert mask_to_rings(np.zeros((3, 3), dtype=bool)) == []
    (ring,) = mask_to_rings(np.ones((1, 2), dtype=bool), x0=10, y0=20)
    np.testing.assert_array_equal(ring.min(axis=0), [10, 20])
    np.testing.assert_array_equal(ring.max(axis=0), [12, 21])
