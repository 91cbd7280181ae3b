"""Every layout fills the image and sets objects as its name says."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.toybox.builder import SceneBuilder, extent
from seglab.toybox.canvas import stencil
from seglab.toybox.layouts import LAYOUTS, above, outdoor, shelf, table
from seglab.toybox.objects import NAMES

HEIGHT = 120
WIDTH = 160


def built(layout, seed: int) -> SceneBuilder:
    builder = SceneBuilder(np.random.default_rng(seed), HEIGHT, WIDTH, outdoor=layout is outdoor)
    layout(builder)
    return builder


def test_every_layout_comes_and_none_else():
    assert set(LAYOUTS) == {shelf, table, above, outdoor}
    assert sum(LAYOUTS.values()) == pytest.approx(1) and min(LAYOUTS.values()) > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_fills_the_image_with_light(layout):
    for seed in range(3):
        builder = built(layout, seed)
        assert builder.image.shape == (3, HEIGHT, WIDTH) and builder.image.dtype == np.float32
        assert np.isfinite(builder.image).all() and builder.image.min() >= 0
        assert builder.image.std() > 0.01, "a background that shows something"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_sets_named_objects_within_sight(layout):
    for seed in range(3):
        named = [placed for placed in built(layout, seed).objects if placed.class_id >= 0]
        assert named and all(placed.class_id < len(NAMES) for placed in named)
        seen = [placed for placed in named if stencil(placed, HEIGHT, WIDTH) is not None]
        assert len(seen) > len(named) / 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_a_function_of_its_seed(layout):
    first, again, other = (built(layout, seed) for seed in (7, 7, 8))
    assert np.array_equal(first.image, again.image) and not np.array_equal(first.image, other.image)
    assert [extent(placed) for placed in first.objects] == [extent(placed) for placed in again.objects]


def test_kites_fly_outdoors_over_what_stands_on_the_ground():
    kite = NAMES.index("kite")
    for seed in range(4):
        named = [placed for placed in built(outdoor, seed).objects if placed.class_id >= 0]
        kites = [placed.matrix[1, 2] for placed in named if placed.class_id == kite]
        ground = [placed.matrix[1, 2] for placed in named if placed.class_id != kite]
        assert kites and (not ground or max(kites) < max(ground))


@pytest.mark.parametrize("layout", [table, outdoor])
def test_near_objects_come_after_far_ones(layout):
    """So that they cover them: what stands lower in the image is nearer."""
    kite = NAMES.index("kite")
    for seed in range(4):
        on_ground = [placed for placed in built(layout, seed).objects if placed.class_id not in (-1, kite)]
        feet = [placed.matrix[1, 2] for placed in on_ground if placed.class_id != kite]
        assert feet == sorted(feet)
