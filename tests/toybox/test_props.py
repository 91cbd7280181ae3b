"""Props lie where the layouts expect them."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.geometry.polygons import ring_area
from seglab.toybox.props import blanket, board, pencil, post, twig

GRAY = np.full(3, 0.5)


def extent(parts) -> list[float]:
    points = np.concatenate([ring for part in parts for ring in part.rings])
    return [*points.min(0), *points.max(0)]


def test_the_top_and_the_front_of_a_board_meet_at_zero():
    top, front = board(-2, 6, 0.2, 0.4, GRAY)
    assert extent([top]) == pytest.approx([-2, -0.4, 6, 0])
    assert extent([front]) == pytest.approx([-2, 0, 6, 0.2])


def test_a_post_stands_about_the_origin():
    assert extent(post(0.4, 3, GRAY)) == pytest.approx([-0.2, -3, 0.2, 3])


def test_a_blanket_is_wider_where_it_is_near():
    ((far_left, far_right, near_right, near_left),) = blanket(GRAY)[0].rings
    assert near_right[0] - near_left[0] > far_right[0] - far_left[0] and near_left[1] > far_left[1]


@pytest.mark.parametrize("make", [twig, pencil])
def test_the_same_seed_gives_the_same_prop(make):
    first = make(np.random.default_rng(4))
    again = make(np.random.default_rng(4))
    other = make(np.random.default_rng(5))
    assert all(np.array_equal(a, b) for p, q in zip(first, again) for a, b in zip(p.rings, q.rings))
    assert extent(first) != extent(other)
    assert all(abs(ring_area(ring)) > 0 for part in first for ring in part.rings)


def test_leaves_hang_on_their_stalk():
    stalk, *leaves = twig(np.random.default_rng(1))
    for leaf in leaves:
        stem = leaf.frame[:, 2]  # a leaf's own origin
        assert np.hypot(*(stalk.rings[0] - stem).T).min() < 0.05
