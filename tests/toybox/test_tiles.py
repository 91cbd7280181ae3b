"""Textures: gray about the middle, each its own, and repeated without a seam."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.toybox.tiles import KINDS, TILE, noise, patch, tile


@pytest.mark.parametrize("kind", KINDS)
def test_a_tile_is_gray_about_the_middle_with_a_texture(kind):
    gray = tile(kind)
    assert gray.shape == (TILE, TILE) and gray.dtype == np.uint8
    assert 100 < gray.mean() < 170 and gray.std() > 3


def test_a_tile_does_not_depend_on_which_was_made_first():
    first = tile.__wrapped__("marble")
    tile.__wrapped__("wood")
    assert np.array_equal(first, tile.__wrapped__("marble"))
    assert len({tile(kind).tobytes() for kind in KINDS}) == len(KINDS)


def test_wood_runs_along_its_rows():
    """Grain changes faster across the boards than along them; metal is brushed from top to bottom."""
    for kind, across in (("wood", 0), ("planks", 0), ("brushed", 1)):
        levels = tile(kind).astype(float)
        assert np.abs(np.diff(levels, axis=across)).mean() > 1.5 * np.abs(np.diff(levels, axis=1 - across)).mean()


def test_noise_halves_from_field_to_field():
    coarse = noise(np.random.default_rng(0), 64, 64, [(4, 4)])
    both = noise(np.random.default_rng(0), 64, 64, [(4, 4), (16, 16)], gain=0.5)
    fine = both - coarse
    assert np.abs(coarse).max() < 1.6 and np.abs(fine).max() < 0.8  # cubic interpolation may overshoot
    assert fine.std() == pytest.approx(coarse.std() / 2, rel=0.5)


def test_a_patch_is_the_tile_as_numbers_about_zero():
    whole = patch("weave", TILE, (TILE, TILE), (0, 0))
    np.testing.assert_allclose(whole, tile("weave").astype(np.float32) / 128 - 1)
    np.testing.assert_array_equal(patch("weave", TILE, (50, 60), (7, 9)), whole[7:57, 9:69])


def test_beyond_its_border_a_tile_goes_on_without_a_seam():
    side = 64
    across = patch("plaster", side, (side, 2 * side - 20), (0, 10))
    steps = np.abs(np.diff(across, axis=1)).mean(axis=0)
    border = side - 11  # between the last column of the tile and its mirror image
    assert steps[border] == 0 and steps.max() < 0.5
    np.testing.assert_array_equal(across[:, border - 5 : border + 1], across[:, border + 1 : border + 7][:, ::-1])
