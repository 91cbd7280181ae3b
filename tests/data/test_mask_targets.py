"""Mask targets: exact fractions, and the zeros and ones of other trainers."""

import numpy as np
import pytest

from seglab.data.mask_targets import hard_masks, soft_masks
from seglab.geometry.raster import coverage, fill

SQUARE = np.array([[10.0, 20], [50, 20], [50, 60], [10, 60]])


def test_soft_masks_are_exact_areas():
    island = [SQUARE, (SQUARE - 30) * 0.5 + 30]
    island[1] = island[1][::-1]
    masks = soft_masks([[SQUARE], island, [SQUARE + (0.5, 0.25)]], 64, 96)
    assert masks.shape == (3, 16, 24)
    assert masks.sum(axis=(1, 2), dtype=float).tolist() == pytest.approx([100, 75, 100], rel=1e-3)
    for mask, rings in zip(masks, ([SQUARE], island)):
        assert np.allclose(mask, coverage(rings, 16, 24, 0.25), atol=1e-3)


def test_hard_masks_belong_to_the_smallest():
    large, small = [SQUARE], [(SQUARE - 30) * 0.4 + 30]
    together, apart = (hard_masks([large, small], 64, 96, overlap=overlap) for overlap in (True, False))
    assert set(np.unique(together)) <= {0, 1}
    assert np.array_equal(apart[1], together[1]) and (apart[0] >= together[0]).all()
    assert (together.sum(axis=0) <= 1).all() and np.array_equal(together.sum(axis=0) > 0, apart.sum(axis=0) > 0)
    ring = [SQUARE, ((SQUARE - 30) * 0.5 + 30)[::-1]]
    assert abs(hard_masks([ring], 64, 96)[0].sum() - fill(ring, 64, 96).sum() / 16) < 20
