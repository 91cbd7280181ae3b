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
    draw_labels,
    draw_mask,
    draw_outline,
    natural_line_width,
    soften,
)


@pytest.fixture
def gray() -> np.ndarray:
    return np.full((60, 90, 3), 100, dtype=np.uint8)


# What the eye makes of linear sRGB: Machado et al., 2009, severity 1, and for deuteranopia Vienot et al., 1999, too.
VISION = {
    "common": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "deuteranopia by Vienot": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def cielab(colors: np.ndarray, vision: np.ndarray) -> np.ndarray:
    """(N, 3) sRGB in 0..255 -> (N, 3) CIELAB, as somebody with this color vision sees it."""
    values = colors / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.asarray(vision).T).clip(0, 1)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.95]]
    )
    x, y, z = np.cbrt(seen @ to_xyz.T / to_xyz.sum(axis=1)).T
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=1)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colors_differ_for_everybody(vision):
    assert len(PALETTE) == 20 and class_color(3) == class_color(3 + len(PALETTE))
    seen = cielab(np.array(PALETTE, float), VISION[vision])
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[~np.eye(len(PALETTE), dtype=bool)]
    assert apart.min() >= 12


def plates(drawn: np.ndarray, fills: list) -> list[np.ndarray]:
    """The pixels of each label, by the color of its plate."""
    return [(drawn == fill).all(axis=-1) for fill in fills]


@pytest.mark.parametrize("step", [0, 1, 5, 14])
@pytest.mark.parametrize("count", [2, 6, 10])
def test_no_label_covers_another(step, count):
    """Boxes that lie on each other, or nearly so: each plate keeps the area that it has alone."""
    empty = np.full((240, 320, 3), 100, dtype=np.uint8)
    boxes = np.array([[60.0 + step * i, 60 + step * i, 180 + step * i, 160 + step * i] for i in range(count)])
    fills = [class_color(i) for i in range(count)]
    texts = [f"class {i}" for i in range(count)]
    together = empty.copy()
    draw_labels(together, texts, boxes, fills, 2)
    for text, box, fill, seen in zip(texts, boxes, fills, plates(together, fills)):
        alone = empty.copy()
        draw_label(alone, text, box, fill, 2)
        assert seen.sum() == (alone == fill).all(axis=-1).sum()
        rows, columns = np.nonzero(seen)
        reach = 6 * 17 + 17  # no farther from its box than that
        assert box[1] - reach <= rows.min() and rows.max() <= box[3] + reach
        assert box[0] - 120 <= columns.min() and columns.max() <= box[2] + 120


def test_in_a_crowd_the_first_label_stays_on_top():
    image = np.full((30, 60, 3), 100, dtype=np.uint8)
    boxes = np.array([[5.0, 5, 50, 25]] * 9)
    draw_labels(image, ["a"] * 9, boxes, [class_color(i) for i in range(9)], 2)
    alone = np.full((30, 60, 3), 100, dtype=np.uint8)
    draw_label(alone, "a", boxes[0], class_color(0), 2)
    first = (alone == class_color(0)).all(axis=-1)
    assert (image[first] == class_color(0)).all()


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
