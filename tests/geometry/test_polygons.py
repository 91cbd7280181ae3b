"""Polygons: areas, clipping, affine maps, and rows that hold several rings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import (
    bounding_box,
    clip_rings,
    join_rings,
    on_one_line,
    orient,
    ring_area,
    split_row,
)
from seglab.geometry.raster import coverage, fill

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
HOLE = np.array([[1.0, 1.0], [1.0, 3.0], [3.0, 3.0], [3.0, 1.0]])
seeds = st.integers(0, 2**32 - 1)


def star(rng: np.random.Generator, center=(20, 20), radius=(4, 15), corners=(3, 25)) -> np.ndarray:
    """A simple ring: corners around a center in order of their angle, none of them half a turn apart."""
    count = rng.integers(*corners)
    angles = (np.arange(count) + rng.uniform(0.1, 0.9, count)) * (2 * np.pi / count)
    reach = rng.uniform(*radius, count)
    return center + np.stack((reach * np.cos(angles), reach * np.sin(angles)), axis=1)


def same_ring(a: np.ndarray, b: np.ndarray) -> bool:
    return len(a) == len(b) and any(np.array_equal(np.roll(a, shift, axis=0), b) for shift in range(len(a)))


def same_rings(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(any(same_ring(x, y) for y in b) for x in a)


def test_sign_of_the_area_tells_solid_from_hole():
    assert ring_area(SQUARE) == 16
    assert ring_area(HOLE) == -4
    assert ring_area(orient(HOLE)) == 4
    assert ring_area(orient(SQUARE, solid=False)) == -16
    assert ring_area(SQUARE[:0]) == 0


def test_bounding_box_covers_all_rings_and_refuses_none():
    np.testing.assert_array_equal(bounding_box([HOLE, SQUARE + 2]), [1, 1, 6, 6])
    with pytest.raises(ValueError, match="bounding box"):
        bounding_box([])


@given(seeds)
def test_clipping_keeps_exactly_the_area_inside(seed):
    rng = np.random.default_rng(seed)
    width, height = rng.integers(3, 30, 2)
    ring = star(rng, center=rng.uniform(-5, 30, 2))
    # Coverage of a grid that also holds what lies outside tells the area inside independently.
    around = coverage([ring + 40], 120, 120)
    clipped = clip_rings([ring], width, height)
    for part in clipped:
        assert part.min() >= 0 and (part <= (width, height)).all()
    area = sum(ring_area(part) for part in clipped)
    np.testing.assert_allclose(area, around[40 : 40 + height, 40 : 40 + width].sum(dtype=float), atol=1e-3)


def test_clipping_drops_what_lies_outside_and_leaves_the_inside_alone():
    assert clip_rings([SQUARE + 10], 10, 10) == []
    assert clip_rings([SQUARE], 10, 10)[0] is SQUARE


@given(seeds)
def test_rings_written_as_a_row_come_back(seed):
    rng = np.random.default_rng(seed)
    places = rng.permutation(9)[: rng.integers(1, 6)]
    rings = []
    for place in places:
        center = np.array(divmod(place, 3)) * 40.0 + 20
        rings.append(orient(star(rng, center, radius=(9, 15), corners=(8, 25))))
        if rng.random() < 0.5:
            rings.append(orient(star(rng, center, radius=(4, 6), corners=(8, 20)), solid=False))
            if rng.random() < 0.5:
                rings.append(orient(star(rng, center, radius=(1, 2))))
    row = join_rings(rings)
    assert same_rings(split_row(row), rings)
    assert same_rings(split_row(row[::-1]), rings), "a tool may turn a row around"
    np.testing.assert_array_equal(fill([row], 120, 120), fill(rings, 120, 120))


@given(seeds)
def test_a_traced_mask_survives_the_row(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 14, 2)) < rng.choice([0.2, 0.5, 0.8])
    if mask.any():
        row = join_rings(mask_to_rings(mask))
        np.testing.assert_array_equal(fill(split_row(row), *mask.shape), mask)
        np.testing.assert_array_equal(fill([row], *mask.shape), mask)
        np.testing.assert_allclose(coverage(split_row(row), *mask.shape), mask, atol=1e-6)


def test_rows_of_other_tools():
    assert same_rings(split_row(SQUARE[::-1]), [SQUARE]), "a single ring is solid whichever way it turns"
    closed = np.concatenate((SQUARE, SQUARE[:1], SQUARE[:1]))
    assert same_rings(split_row(closed), [SQUARE]), "closing and repeated vertices go"
    far = SQUARE + 10
    bridged = np.concatenate((SQUARE[:3], far[::-1], far[-1:], SQUARE[2:]))
    assert same_rings(split_row(bridged), [SQUARE, far]), "a part turning the other way is no hole outside a solid one"
    spike = np.concatenate((SQUARE, [[0.0, 9.0]], SQUARE[3:]))
    assert same_rings(split_row(spike), [SQUARE])
    assert split_row(SQUARE[:2]) == []
    assert split_row(np.concatenate((SQUARE[:2], SQUARE[:2]))) == []
    with pytest.raises(ValueError, match="without rings"):
        join_rings([])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8), st.floats(-3, 3), st.floats(0.01, 100))
def test_points_on_one_line_enclose_nothing_and_others_do(places, angle, size):
    along = np.array([np.cos(angle), np.sin(angle)]) * size
    points = np.array(places)[:, None] * along + 20
    assert on_one_line(points)
    if len(set(places)) > 1:
        aside = points[0] + np.array([-along[1], along[0]])
        assert not on_one_line(np.vstack([points, aside]))
