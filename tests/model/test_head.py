"""Anchor points and distributions: where boxes come from."""

from __future__ import annotations

import torch

from seglab.model.head import anchor_points, boxes_from_distribution, distances


def test_anchor_points_are_cell_centers_from_fine_to_coarse():
    points, strides = anchor_points(64, 32)
    assert points.shape == (8 * 4 + 4 * 2 + 2 * 1, 2)
    assert points[0].tolist() == [4, 4] and points[1].tolist() == [12, 4] and points[4].tolist() == [4, 12]
    assert points[-1].tolist() == [16, 48]
    assert strides.flatten().unique_consecutive().tolist() == [8, 16, 32]


def test_a_certain_distribution_gives_exactly_its_bin():
    points, strides = anchor_points(32, 32)
    logits = torch.full((1, 4, 16, len(points)), -1e4)
    for side, bin in enumerate((1, 2, 3, 4)):
        logits[:, side, bin] = 1e4
    logits = logits.view(1, 64, -1)
    assert distances(logits)[0, :, 0].tolist() == [1, 2, 3, 4]
    boxes = boxes_from_distribution(logits, points, strides)
    assert boxes[0, 0].tolist() == [4 - 8, 4 - 16, 4 + 24, 4 + 32]
