"""EXIF's turns: points go where their pixels go, and both as Pillow turns images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from seglab.geometry.orientation import TAG, turn_pixels, turn_points
from seglab.geometry.polygons import orient
from seglab.geometry.rle import decode, rings_to_rle


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_turn_as_pillow_turns_them(orientation):
    stored = np.random.default_rng(0).integers(0, 255, (5, 9, 3), np.uint8)
    image = Image.fromarray(stored)
    image.getexif()[TAG] = orientation
    expected = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(turn_pixels(stored, orientation), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_outline_covers_the_pixels_that_its_mask_is_turned_to(orientation):
    ring = np.array([[2.0, 1], [8, 1], [8, 4], [5, 4], [5, 3], [2, 3]])  # an L, alike in no two orientations
    stored = decode(rings_to_rle([ring], 6, 10))
    upright = turn_pixels(stored, orientation)
    turned = orient(turn_points(ring, orientation, upright.shape))  # a mirrored one turns the other way
    np.testing.assert_array_equal(decode(rings_to_rle([turned], *upright.shape)), upright)
