"""Objects land where they are put, and their shadows fall away from the light."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.toybox.builder import SceneBuilder, extent
from seglab.toybox.canvas import through
from seglab.toybox.materials import Part, linear
from seglab.toybox.objects import NAMES, OBJECTS
from seglab.toybox.outlines import box

HEIGHT = 120
WIDTH = 160


@pytest.fixture
def builder() -> SceneBuilder:
    return SceneBuilder(np.random.default_rng(0), HEIGHT, WIDTH, outdoor=False)


@pytest.fixture
def square() -> list[Part]:
    return [Part([box(-1, -2, 1, 0)], np.full(3, 0.5))]


def test_an_object_is_put_with_its_origin_at_the_point(builder, square):
    placed = builder.put(square, 40, 70, 10)
    assert extent(placed) == pytest.approx((30, 50, 50, 70)) and builder.objects == [placed]
    quarter_turn = builder.put(square, 40, 70, 10, np.pi / 2)
    assert extent(quarter_turn) == pytest.approx((40, 60, 60, 80))


def test_a_camera_that_is_held_straight_changes_nothing(builder):
    points = np.array([[0, 0], [WIDTH, HEIGHT], [30, 90.0]])
    builder.tip(0.0, 0.0)
    np.testing.assert_allclose(through(builder.lens, points), points, atol=1e-9)
    builder.tip(0.05, 0.1)
    middle = np.array([[WIDTH / 2, HEIGHT / 2]])
    np.testing.assert_allclose(through(builder.lens, middle), middle, atol=1e-9)
    assert np.abs(through(builder.lens, points) - points).max() > 1


def test_a_surface_lies_between_its_tones(builder):
    dark, light = (40, 60, 80), (200, 180, 160)
    wall = builder.upright("plaster", (dark, light))
    assert wall.shape == (3, HEIGHT, WIDTH) and wall.dtype == np.float32
    for plane, low, high in zip(wall, linear(dark), linear(light)):
        assert low - 1e-6 <= plane.min() < plane.max() <= high + 1e-6


@pytest.mark.parametrize("horizon", [-30.0, 50.0, 500.0])
def test_the_ground_reaches_from_the_horizon_to_the_lower_edge(builder, horizon):
    first, ground = builder.level("wood", ((0, 0, 0), (250, 250, 250)), horizon, 2.0, 0.0)
    assert first == np.clip(horizon, 0, HEIGHT - 2)
    assert ground.shape == (3, HEIGHT - first, WIDTH)


def test_objects_are_drawn_in_a_pose_that_they_have(builder):
    for _ in range(40):
        drawn = builder.draw(("stand",), 0.3, without=("book", "cup"))
        name = NAMES[drawn.class_id]
        _, poses, (low, high) = OBJECTS[name]
        assert name not in ("book", "cup") and low <= drawn.factor <= high
        assert drawn.pose == ("stand" if "stand" in poses else drawn.pose) and drawn.pose in poses


def test_a_drop_shadow_falls_away_from_the_light(builder, square):
    placed = builder.put(square, 40, 70, 10)
    builder.drop_shadow(placed, reach=5, soft=2, dark=0.5)
    (shadow,) = placed.shadows
    move = shadow.matrix[:, 2]
    toward_light = np.array(builder.light.direction[:2])
    height = builder.light.direction[2]
    assert move @ toward_light < 0 and np.hypot(*move) == pytest.approx(5 * np.hypot(*toward_light) / height)


def test_a_ground_shadow_touches_the_foot(builder, square):
    placed = builder.put(square, 40, 70, 10)
    builder.ground_shadow(placed, tilt=0.3)
    foot = np.array([40, 70, 1.0])
    for shadow in placed.shadows:
        np.testing.assert_allclose(shadow.matrix @ foot, foot[:2], atol=1e-9)
    builder.ground_shadow(placed, tilt=0.3, far=False)
    assert len(placed.shadows) == 3
