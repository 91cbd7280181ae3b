"""One scene: the same seed is the same image, and the ground truth is what was painted."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.geometry.polygons import bounding_box, ring_area
from seglab.geometry.raster import coverage
from seglab.toybox.layouts import PLAIN_NAMES
from seglab.toybox.objects import NAMES
from seglab.toybox.scene import plain_scene, scene


def rings_area(rings) -> float:
    return sum(ring_area(ring) for ring in rings)


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = scene(3), scene(3), scene(4)
    assert first.image.shape == (480, 640, 3) and first.image.dtype == np.uint8
    assert np.array_equal(first.image, again.image)
    assert [o.class_id for o in first.instances] == [o.class_id for o in again.instances]
    assert all(np.array_equal(a, b) for o, p in zip(first.instances, again.instances) for a, b in zip(o.rings, p.rings))
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("size", [(320, 320), (200, 640), (700, 500)])
def test_rings_lie_in_the_image_and_say_what_is_solid(size):
    for seed in range(3):
        sample = scene(seed, size)
        assert sample.image.shape == (*size, 3)
        for found in sample.instances:
            x0, y0, x1, y1 = bounding_box(found.rings)
            assert 0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]
            assert rings_area(found.rings) > 10
            assert ring_area(max(found.rings, key=lambda r: abs(ring_area(r)))) > 0


def test_no_two_objects_claim_the_same_pixels():
    for seed in range(5):
        sample = scene(seed)
        total = sum(coverage(o.rings, 480, 640) for o in sample.instances)
        assert (total > 1.35).mean() < 2e-3 and total.max() < 2.01


def test_scenes_hold_every_name_and_every_size():
    areas, names = [], set()
    for seed in range(24):
        for found in scene(seed, (240, 320)).instances:
            names.add(found.class_id)
            areas.append(4 * rings_area(found.rings))  # as in an image of 640
    assert names == set(range(len(NAMES)))
    small, large = np.mean(np.array(areas) < 32**2), np.mean(np.array(areas) > 96**2)
    assert small > 0.05 and large > 0.1


@pytest.mark.parametrize("size", [(128, 128), (120, 200)])
def test_a_plain_scene_holds_a_few_large_objects_of_three_classes(size):
    samples = [plain_scene((3, seed), size) for seed in range(12)]
    assert {found.class_id for sample in samples for found in sample.instances} == set(range(len(PLAIN_NAMES)))
    for sample in samples:
        assert sample.image.shape == (*size, 3) and 2 <= len(sample.instances) <= 5
        for found in sample.instances:
            x0, y0, x1, y1 = bounding_box(found.rings)
            assert 0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]
        areas = [rings_area(found.rings) for found in sample.instances]
        assert np.median(areas) > 0.015 * size[0] * size[1], "large objects"
    again = plain_scene((3, 0), size)
    assert np.array_equal(again.image, samples[0].image) and not np.array_equal(again.image, samples[1].image)
