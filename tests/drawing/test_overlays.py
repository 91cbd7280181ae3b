"""Overlays touch what they should and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.drawing.overlays import (
    PALETTE,
    class_color,
    draw_box,
    draw_instances,
    draw_label,
    draw_mask,
    draw_outline,
    natural_line_width,
    soften,
)


@pytest.fixture
def gray() -> np.ndarray:
    return np.full((60, 90, 3), 100, dtype=np.uint8)


def test_palette_repeats_and_is_distinct():
    assert len(set(PALETTE)) == len(PALETTE) and class_color(3) == class_color(3 + len(PALETTE))
    distances = np.abs(np.array(PALETTE)[:, None] - np.array(PALETTE)[None]).sum(axis=-1)
    assert distances[~np.eye(len(PALETTE), dtype=bool)].min() > 30


def test_mask_tints_exactly_its_pixels(gray):
    crop = np.random.default_rng(0).random((20, 30)) > 0.5
    draw_mask(gray, (40, 10, crop), (200, 0, 100), opacity=0.4)
    changed = np.zeros((60, 90), dtype=bool)
    changed[10:30, 40:70] = crop
    assert (gray[changed] == [140, 60, 100]).all() and (gray[~changed] == 100).all()
    draw_mask(gray, (5, 5, np.zeros((0, 3), dtype=bool)), (1, 2, 3))


def test_outline_follows_the_pixel_edges(gray):
    square = np.array([[20.0, 10], [60, 10], [60, 40], [20, 40]])
    draw_outline(gray, [square, square[::-1] * 0.25 + 20], (255, 255, 255), 1)
    lit = gray[..., 0] > 110
    assert lit[9:11, 30].all() and lit[30, 19:21].all() and lit[39:41, 30].any()  # both sides of an edge
    assert not lit[13:18, 23:57].any() and not lit[:7].any()
    assert lit[22, 25:36].any()  # the inner ring


def test_soften_turns_stairs_into_slopes_and_keeps_long_edges():
    stairs = np.array([[0.0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [3, 2], [3, 9], [0, 9]])
    smooth = soften(stairs)
    steps = [(0.5, 0), (1, 0.5), (1.5, 1), (2, 1.5), (2.5, 2)]
    assert all(any(np.allclose(point, step) for point in smooth) for step in steps)
    assert any(np.allclose(point, (3, 8)) for point in smooth) and any(np.allclose(point, (0, 1)) for point in smooth)


coordinate = st.floats(-80, 160)


@settings(deadline=None, max_examples=60)
@given(coordinate, coordinate, st.integers(1, 120), st.integers(1, 120), st.integers(1, 8), st.integers(0, 19))
def test_boxes_and_labels_may_lie_anywhere(x, y, height, width, line, kind):
    image = np.full((height, width, 3), 100, dtype=np.uint8)
    box = np.array([x, y, x + 30, y + 20])
    draw_box(image, box, class_color(kind), line)
    draw_label(image, "gjÄ 0.50", box, class_color(kind), line)
    assert (image != 100).any()


def test_labels_are_legible_in_every_color():
    """Black or white letters, whichever stands out more from the plate."""
    for fill in PALETTE:
        image = np.full((40, 120, 3), 100, dtype=np.uint8)
        draw_label(image, "III", np.array([5.0, 30, 100, 40]), fill, 2)
        plate = image[(image != 100).any(axis=-1)].astype(int)
        luminance = plate @ [0.299, 0.587, 0.114]
        assert np.ptp(luminance) > 100


def test_instances_leave_the_image_alone(gray):
    before = gray.copy()
    boxes = np.array([[10.0, 10, 40, 40], [5, 5, 50, 50]])
    crops = [(10, 10, np.ones((30, 30), bool)), (5, 5, np.ones((45, 45), bool))]
    drawn = draw_instances(gray, [0, 1], boxes, crops, labels=["first", "second"])
    assert np.array_equal(gray, before) and drawn.shape == gray.shape
    assert np.array_equal(draw_instances(gray, []), gray)
    # the small mask lies over the large one
    fills = draw_instances(gray, [0, 1], crops=crops, opacity=1.0)
    assert fills[20, 20].tolist() == list(class_color(0)) and fills[45, 45].tolist() == list(class_color(1))


def test_views_and_line_width():
    flipped = np.zeros((20, 30, 3), dtype=np.uint8)[:, ::-1]
    assert draw_instances(flipped, [0], np.array([[2.0, 2, 9, 9]])).any() and not flipped.any()
    assert [natural_line_width(np.zeros(s, np.uint8)) for s in ((480, 640, 3), (1500, 2000, 3), (9, 9, 3))] == [2, 6, 1]


@pytest.mark.parametrize("name", ["a\nb", "\ud800", "a\0b", "\x1b[31m", "x" * 100_000, "\u2028", "\u202e", "\n", "猫"])
def test_a_label_of_any_characters_is_drawn_on_one_line(name, gray):
    draw_label(gray, name, np.array([5, 30, 40, 50]), (255, 0, 0), 1)
    assert gray.shape == (60, 90, 3)
