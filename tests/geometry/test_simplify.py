"""Outlines with fewer vertices, no point of which has moved too far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import ring_area
from seglab.geometry.simplify import simplify_rings


def sampled(ring: np.ndarray, step: float = 0.05) -> np.ndarray:
    """Points along a closed ring, no two neighbors further apart than `step`."""
    points = []
    for start, end in zip(ring, np.roll(ring, -1, axis=0)):
        count = int(np.ceil(np.hypot(*(end - start)) / step)) + 1
        points.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
    return np.concatenate(points)


def furthest(points: np.ndarray, ring: np.ndarray) -> float:
    """The largest distance of any of the points from the outline of a ring, edge by edge."""
    best = np.full(len(points), np.inf)
    for start, end in zip(ring, np.roll(ring, -1, axis=0)):
        along = end - start
        place = np.clip((points - start) @ along / (along @ along), 0, 1)
        best = np.minimum(best, np.hypot(*(points - start - place[:, None] * along).T))
    return float(best.max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.5, 1.0, 2.0, 5.0]))
def test_neither_outline_is_further_from_the_other_than_the_tolerance(seed, tolerance):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :50]
    mask = np.zeros((40, 50), bool)
    for _ in range(random.integers(1, 4)):
        cy, cx, ry, rx = random.uniform((5, 5, 1, 1), (35, 45, 14, 14))
        mask |= ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    mask ^= random.random(mask.shape) < 0.01  # specks and holes of a pixel
    rings = mask_to_rings(mask)
    simpler = simplify_rings(rings, tolerance)
    assert len(simpler) == len(rings)
    for ring, other in zip(rings, simpler):
        assert ring_area(ring) * ring_area(other) > 0, "solid stays solid, a hole a hole"
        assert {tuple(vertex) for vertex in other.tolist()} <= {tuple(vertex) for vertex in ring.tolist()}
        assert furthest(sampled(ring), other) <= tolerance + 1e-9
        assert furthest(sampled(other), ring) <= tolerance + 1e-9


def test_a_disc_needs_far_fewer_vertices_within_a_pixel():
    y, x = np.mgrid[:200, :200]
    (ring,) = mask_to_rings((y - 100) ** 2 + (x - 100) ** 2 < 90**2)
    (simpler,) = simplify_rings([ring], 1.0)
    assert len(ring) > 7 * len(simpler)
    assert ring_area(simpler) == pytest.approx(np.pi * 90**2, rel=0.02)


def test_a_straight_run_needs_no_vertex_and_zero_changes_nothing():
    ring = np.array([[0, 0], [3, 0], [6, 0], [6, 4], [0, 4.0]])
    assert simplify_rings([ring], 0)[0] is ring
    assert len(simplify_rings([ring], 1e-6)[0]) == 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (2, 2)])
def test_what_is_smaller_than_the_tolerance_stays(shape):
    (ring,) = mask_to_rings(np.ones(shape, bool))
    (simpler,) = simplify_rings([ring], 10.0)
    assert len(simpler) >= 3 and ring_area(simpler) > 0
