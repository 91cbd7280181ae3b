"""Rasterisers: COCO's fill equals pycocotools pixel for pixel, coverage equals the area inside every pixel."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font
from matplotlib.path import Path
from pycocotools import mask as coco

from seglab.geometry.polygons import orient, ring_area
from seglab.geometry.raster import coverage, coverage_reference, fill

seeds = st.integers(0, 2**32 - 1)


def coco_mask(rings: list[np.ndarray], height: int, width: int) -> np.ndarray:
    return coco.decode(coco.merge(coco.frPyObjects([ring.ravel() for ring in rings], height, width))).astype(bool)


def random_ring(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Any vertices: crossing edges, repeats, outside the image, ties at tenths, whole numbers."""
    ring = rng.uniform(-0.2, 1.2, (rng.integers(3, 12), 2)) * (width, height)
    return np.round(ring, rng.choice([0, 1, 2, 15]))


@settings(max_examples=220)
@given(seeds)
def test_fill_equals_pycocotools_on_ten_thousand_random_polygons(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        height, width = rng.integers(1, 60, 2)
        rings = [orient(random_ring(rng, height, width)) for _ in range(rng.integers(1, 3))]
        np.testing.assert_array_equal(fill(rings, height, width), coco_mask(rings, height, width))


def test_fill_equals_pycocotools_on_three_thousand_outlines_drawn_by_hand():
    """The letters of a font: curves, holes, hairlines and far more vertices than random polygons have."""
    font = FT2Font(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf")
    font.set_size(40, 72)
    seen = 0
    for letter in sorted(font.get_charmap())[:2000]:
        font.load_char(letter)
        rings = Path(*font.get_path()).to_polygons(closed_only=False) if len(font.get_path()[0]) else []
        rings = [orient(np.array(ring[:-1])) for ring in rings if len(ring) > 3]
        if rings:
            np.testing.assert_array_equal(fill(rings, 44, 60), coco_mask(rings, 44, 60), err_msg=chr(letter))
        seen += len(rings)
    assert seen > 3000


def test_fill_equals_pycocotools_on_three_thousand_real_polygons(datasets_folder):
    """The 445 polygons of coco38's 419 objects as they are, and each seven times more, mirrored, scaled and moved."""
    rng = np.random.default_rng(0)
    seen = 0
    for path in sorted((datasets_folder / "coco38/annotations").glob("*.json")):
        content = json.loads(path.read_text())
        sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
        for annotation in content["annotations"]:
            if annotation["iscrowd"]:
                continue
            height, width = sizes[annotation["image_id"]]
            rings = [orient(np.reshape(part, (-1, 2)).astype(float)) for part in annotation["segmentation"]]
            for copy in range(8):
                if copy:
                    flip = rng.choice([-1.0, 1.0])
                    matrix = [[flip * rng.uniform(0.2, 1.2), 0, width * (flip < 0)], [0, rng.uniform(0.2, 1.2), 0]]
                    matrix = matrix + rng.uniform(-9, 9, (2, 3)) * (0, 0, 1)
                    moved = [orient(ring @ matrix[:, :2].T + matrix[:, 2]) for ring in rings]
                else:
                    moved = rings
                np.testing.assert_array_equal(fill(moved, height, width), coco_mask(moved, height, width))
                seen += len(moved)
    assert seen == 8 * 445


def test_fill_subtracts_holes_keeps_islands_and_unites_parts():
    def square(low, high, solid=True):
        return orient(np.array([[low, low], [high, low], [high, high], [low, high]], dtype=float), solid)

    rings = [square(0, 12), square(2, 10, solid=False), square(4, 8), square(6, 14)]
    expected = np.zeros((16, 16), dtype=bool)
    expected[:12, :12] = True
    expected[2:10, 2:10] = False
    expected[4:8, 4:8] = True
    expected[6:14, 6:14] = True
    np.testing.assert_array_equal(fill(rings, 16, 16), expected)
    np.testing.assert_allclose(coverage(rings, 16, 16), expected)
    assert not fill([], 3, 4).any() and fill([], 3, 4).shape == (3, 4)


@given(seeds)
def test_winding_decides_between_solid_rings_and_holes(seed):
    rng = np.random.default_rng(seed)
    rings = [orient(random_ring(rng, 20, 30), solid) for solid in rng.random(rng.integers(1, 8)) < 0.6]
    depth = sum(np.sign(ring_area(ring) or 1) * coco_mask([ring], 20, 30).astype(int) for ring in rings)
    np.testing.assert_array_equal(fill(rings, 20, 30), depth > 0)


@given(seeds)
@example(4219691431)  # a ring that crosses itself and whose parts cancel: rounding must not make it a hole
def test_coverage_is_the_clipped_area_of_every_pixel(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 7, 2)
    ring = orient(random_ring(rng, height, width))
    np.testing.assert_allclose(coverage([ring], height, width), coverage_reference([ring], height, width), atol=1e-6)
    rings = [orient(random_ring(rng, height, width), solid) for solid in (True, False, True)]
    np.testing.assert_allclose(coverage(rings, height, width), coverage_reference(rings, height, width), atol=1e-6)


def test_the_reference_is_right_where_areas_are_known():
    square = np.array([[0.5, 0.25], [2.5, 0.25], [2.5, 1], [0.5, 1]])
    hole = np.array([[1.0, 0.25], [1, 0.75], [1.5, 0.75], [1.5, 0.25]])
    assert coverage_reference([square, hole], 2, 3).tolist() == [[0.375, 0.5, 0.375], [0, 0, 0]]


@given(st.floats(0, 9), st.floats(0, 9), st.floats(0.01, 30), st.floats(0.01, 30))
@example(0.0, 1.9999999999999982, 1.0, 3.0)  # an edge crosses a grid line within rounding of its end
def test_coverage_of_a_rectangle_sums_to_its_area(left, top, wide, high):
    ring = np.array([[left, top], [left + wide, top], [left + wide, top + high], [left, top + high]])
    assert coverage([ring], 40, 40).sum(dtype=float) == pytest.approx(ring_area(ring), rel=1e-6, abs=1e-6)


@given(seeds)
def test_coverage_scales_and_windows(seed):
    rng = np.random.default_rng(seed)
    ring = rng.uniform(-10, 90, (9, 2))
    scale = tuple(rng.uniform(0.1, 1, 2))
    whole = coverage([ring], 40, 50, scale)
    np.testing.assert_allclose(whole, coverage([ring * scale], 40, 50), atol=1e-6)
    x0, y0 = rng.integers(0, 25, 2)
    x1, y1 = x0 + rng.integers(1, 25), y0 + rng.integers(1, 15)
    np.testing.assert_allclose(coverage([ring], 40, 50, scale, (x0, y0, x1, y1)), whole[y0:y1, x0:x1], atol=1e-6)


def test_coverage_at_a_quarter_is_the_mean_of_the_full_size():
    ring = np.random.default_rng(3).uniform(0, 64, (6, 2))
    ring = ring[np.argsort(np.arctan2(*(ring - ring.mean(axis=0)).T))]
    full = coverage([ring], 64, 64).reshape(16, 4, 16, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(coverage([ring], 16, 16, 0.25), full, atol=1e-6)
