"""Cells under a microscope: none overlaps another, and the dataset reads back as it was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.geometry.raster import coverage
from seglab.toybox.cells import NAME, draw_cells, generate_cells


def test_cells_lie_in_the_image_and_never_overlap():
    for seed in range(3):
        image, rings = draw_cells(seed, side=160)
        assert image.shape == (160, 160, 3) and image.dtype == np.uint8 and len(rings) > 1
        assert all(ring.min() >= 0 and ring.max() <= 160 for ring in rings)
        covered = sum(coverage([ring], 160, 160) for ring in rings)
        assert covered.max() < 1.9, "a pixel that two cells share on their edges at most"
        assert (covered > 1.2).mean() < 1e-3


def test_cells_glow_and_the_ground_does_not():
    image, rings = draw_cells(1, side=160)
    covered = sum(coverage([ring], 160, 160) for ring in rings)
    brightness = image.mean(axis=2)
    assert brightness[covered > 0.9].mean() > 1.5 * brightness[covered == 0].mean()


def test_the_same_seed_is_the_same_image():
    first, again, other = draw_cells((2, 1), 96), draw_cells((2, 1), 96), draw_cells((2, 2), 96)
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])


def test_the_dataset_holds_what_was_drawn(tmp_path):
    yaml = generate_cells(tmp_path / "cells", train=3, val=2, seed=5, side=96)
    spec = load_dataset(yaml)
    assert spec.names == {0: NAME} and [len(spec.images(split)) for split in ("train", "val")] == [3, 2]
    read = SegmentationDataset(spec, "train", 96).sample(1)
    image, rings = draw_cells((5, 1), 96)
    assert np.array_equal(read.image, image) and len(read.instances) == len(rings)
    for instance, ring in zip(read.instances, rings):
        np.testing.assert_allclose(instance.rings[0], ring, atol=1e-3)
    with pytest.raises(SeglabError, match="already exists"):
        generate_cells(tmp_path / "cells")
