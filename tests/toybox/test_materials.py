"""Colors, forms and light: what a surface shows follows from where it faces."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from seglab.toybox import materials as m
from seglab.toybox.materials import Field, Light, Part, clamp, flat, lathe, linear, rounded, shade
from seglab.toybox.outlines import ellipse, turned

SCALE = 40.0  # pixels a unit
TOWARDS_LEFT_AND_UP = Light((-0.6, -0.6, 0.529), np.ones(3), np.full(3, 0.2), np.full(3, 0.2), (0.2, 0.2))


def field_of(ring: np.ndarray, size: int = 160) -> Field:
    """The pixels of a ring, given in units about the middle of a square image."""
    frame = np.array([[SCALE, 0, size / 2], [0, SCALE, size / 2]])
    alpha = np.zeros((size, size), np.uint8)
    pixels = ring @ frame[:, :2].T + frame[:, 2]
    cv2.fillPoly(alpha, [np.rint(pixels * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return Field(alpha, (0, 0), frame, SCALE, (np.float32(1), np.float32(0)))


@pytest.fixture(scope="module")
def disc() -> Field:
    return field_of(ellipse(0, 0, 1.5, 1.5, n=90))


def test_clamp_is_clip():
    values = np.linspace(-2, 2, 9, dtype=np.float32)
    np.testing.assert_array_equal(clamp(values), np.clip(values, 0, 1))
    np.testing.assert_array_equal(clamp(values, -1, 0.5), np.clip(values, -1, 0.5))


def test_colors_are_linear_light():
    np.testing.assert_allclose(linear("ffffff"), 1)
    np.testing.assert_allclose(linear("000000"), 0)
    np.testing.assert_allclose(linear("ff8000"), linear((255, 128, 0)))
    assert linear("808080")[0] == pytest.approx((128 / 255) ** 2.2)


def test_a_field_knows_where_its_pixels_are(disc):
    row, column = 100, 31
    x = np.broadcast_to(disc.x, disc.alpha.shape)[row, column]
    y = np.broadcast_to(disc.y, disc.alpha.shape)[row, column]
    center = disc.frame[:, :2] @ (x, y) + disc.frame[:, 2]
    np.testing.assert_allclose(center, (column + 0.5, row + 0.5), atol=1e-3)


def test_an_edge_is_soft_over_one_pixel(disc):
    weight = disc.inside(np.array([-1, 0, 0.25 / SCALE, 1], np.float32))
    np.testing.assert_allclose(weight, [0, 0.5, 0.75, 1])


def test_a_rounded_disc_faces_away_from_its_middle(disc):
    nx, ny, nz = rounded(1.5)(disc)
    middle = disc.alpha.shape[0] // 2
    assert nz[middle, middle] > 0.95
    left, right = nx[middle, middle - 45], nx[middle, middle + 45]
    up, down = ny[middle - 45, middle], ny[middle + 45, middle]
    assert left < -0.3 and right > 0.3 and up < -0.3 and down > 0.3
    assert nz[middle, middle + 45] < nz[middle, middle + 20] < nz[middle, middle]


def test_a_lathe_faces_sideways_at_its_sides():
    radii = np.full(8, 1.0)
    heights = np.linspace(0, 2, 8)
    standing = field_of(turned(radii, heights, 0.1) + (0, 1.0))
    standing.frame[1, 2] += SCALE  # whose foot is the origin
    nx, _, nz = lathe(radii, heights, 0.1)(standing)
    row = standing.alpha.shape[0] // 2
    columns = [45, 80, 115]
    assert nx[row, columns[0]] < -0.7 and abs(nx[row, columns[1]]) < 0.05 and nx[row, columns[2]] > 0.7
    assert nz[row, columns[1]] > 0.9


def test_what_faces_the_light_is_brighter(disc):
    part = Part([], linear("808080"), replace(m.MATTE, grain=0.0), rounded(1.5))
    shown = shade(part, disc, TOWARDS_LEFT_AND_UP, (0, 0))
    assert shown.shape == (3, *disc.alpha.shape)
    assert shown[0, 50, 50] > 1.5 * shown[0, 110, 110]


def test_without_light_there_is_nothing_to_see(disc):
    dark = Light((0, 0, 1), np.zeros(3), np.zeros(3), np.zeros(3), (0.2, 0.2))
    for finish in (m.CERAMIC, m.METAL, m.FUR, m.WOOD):
        assert not shade(Part([], np.ones(3), finish, rounded(1.5)), disc, dark, (0, 0)).any()


def test_gloss_adds_a_highlight_and_nothing_elsewhere(disc):
    matte = shade(Part([], np.full(3, 0.3), m.Finish(), rounded(1.5)), disc, TOWARDS_LEFT_AND_UP, (0, 0))
    glossy = shade(
        Part([], np.full(3, 0.3), m.Finish(gloss=0.8, sharp=6), rounded(1.5)), disc, TOWARDS_LEFT_AND_UP, (0, 0)
    )
    gain = (glossy - matte)[0]
    assert gain.min() >= 0 and gain.max() > 0.2
    row, column = np.unravel_index(gain.argmax(), gain.shape)
    assert row < 80 and column < 80, "the light comes from the upper left"
    assert gain[120, 120] < 0.01


def test_paint_covers_by_its_weight(disc):
    half = Part([], np.zeros(3), m.Finish(), flat(), lambda f: [(np.full(f.alpha.shape, 0.5, np.float32), np.ones(3))])
    whole = Part([], np.full(3, 0.5), m.Finish(), flat())
    np.testing.assert_allclose(
        shade(half, disc, TOWARDS_LEFT_AND_UP, (0, 0)),
        np.broadcast_to(shade(whole, disc, TOWARDS_LEFT_AND_UP, (0, 0)), (3, *disc.alpha.shape)),
        rtol=1e-5,
    )


def test_a_few_pixels_have_no_texture():
    tiny = field_of(ellipse(0, 0, 0.1, 0.1), size=12)
    plain = shade(Part([], np.ones(3), m.Finish()), tiny, TOWARDS_LEFT_AND_UP, (0, 0))
    np.testing.assert_array_equal(shade(Part([], np.ones(3), m.FUR), tiny, TOWARDS_LEFT_AND_UP, (0, 0)), plain)
