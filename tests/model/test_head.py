"""Anchor points and distributions: where boxes come from."""

from __future__ import annotations

import pytest
import torch

from seglab.model.head import Prototypes, anchor_points, boxes_from_distribution, distances


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


@pytest.mark.parametrize("shape", [(2, 8, 1, 1), (2, 8, 1, 5), (3, 8, 12, 7)])
def test_training_on_a_cpu_computes_prototypes_and_gradients_as_written_out(shape):
    torch.manual_seed(0)
    layer = Prototypes(8, 24)
    torch.nn.init.normal_(layer.upsample.bias)
    x = torch.randn(shape)

    def written_out(x):
        return layer.cv3(layer.cv2(layer.upsample(layer.cv1(x))))

    found = []
    for function in (layer, written_out):
        start = x.clone().requires_grad_()
        result = function(start)
        weights = torch.linspace(-1, 1, result.numel()).view_as(result)  # of the sum whose gradients are compared
        gradients = torch.autograd.grad((result * weights).sum(), [start, *layer.parameters()])
        found.append([result, *gradients])
    for mine, expected in zip(*found):
        torch.testing.assert_close(mine, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
