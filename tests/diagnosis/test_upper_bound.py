"""How far each type of training target lets a network come."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seglab.datasets.load import load_dataset
from seglab.diagnosis.upper_bound import fit_coarse_logits, upper_bounds
from seglab.errors import SeglabError
from seglab.image_files import Reading


def test_the_upper_bound_of_soft_targets_is_higher(toybox, datasets_folder):
    """The order of the options: overlapping hard, hard, soft, soft at half size on coarse and on fine prototypes."""
    specs = [toybox, load_dataset(datasets_folder / "coco38" / "annotations" / "instances_val2017.json")]
    for spec in specs:
        bounds = [metrics.stats["AP"] for metrics in upper_bounds(spec, "val").values()]
        assert bounds == sorted(bounds) and bounds[2] > bounds[0] + 0.05
        assert bounds[3] > bounds[2] + 0.01 and bounds[4] > 0.95


def test_coarse_logits_come_closer_to_the_masks_than_any_that_are_moved_off():
    generator = torch.Generator().manual_seed(0)
    masks = F.interpolate(torch.rand(2, 1, 6, 6, generator=generator), size=(24, 24), mode="bilinear")[:, 0]
    logits = fit_coarse_logits(masks)
    assert logits.shape == (2, 12, 12) and not logits.requires_grad

    def cross_entropy(logits):
        enlarged = F.interpolate(logits[:, None], scale_factor=2, mode="bilinear")[:, 0]
        return F.binary_cross_entropy_with_logits(enlarged, masks).item()

    start = F.avg_pool2d(masks[:, None], 2)[:, 0].clamp(0.02, 0.98).logit()
    assert cross_entropy(logits) < cross_entropy(start)
    for _ in range(20):
        other = logits + 0.2 * torch.randn(logits.shape, generator=generator)
        assert cross_entropy(logits) < cross_entropy(other)


def test_images_are_read_as_they_are_said_to_be(toybox):
    with pytest.raises(SeglabError, match="max_pixels"):
        upper_bounds(toybox, "val", 64, reading=Reading(max_pixels=100))
